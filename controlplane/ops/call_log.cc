// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/call_log.h"

#include <string>

namespace sallyport::ops {
namespace {

std::string peer_or_none(const std::string& peer) {
  return peer.empty() ? "none" : peer;
}

}  // namespace

void CallLog::tell(const stats::CallRecord& record, Nanoseconds now_ns) {
  if (record.kind != stats::RecordKind::end) return;
  if (record.from_peer.empty()) {
    log(config::LogLevel::debug, "an INVITE of no peer's was refused",
        {{"call", record.id}, {"source", record.source.to_text()}});
    return;
  }
  if (record.answered_ns != 0 && record.ended_by != stats::EndedBy::sallyport) {
    log(config::LogLevel::debug, "a call has ended",
        {{"call", record.id},
         {"from", record.from_peer},
         {"to", peer_or_none(record.to_peer)},
         {"seconds", std::to_string(record.duration_ns.value_or(0) / kSecond)}});
    return;
  }
  std::uint64_t held_back = 0;
  if (!limit_.admit(now_ns, held_back)) return;
  if (held_back != 0) log_info("calls that are not in the log", {{"count", std::to_string(held_back)}});
  log_info(record.answered_ns != 0 ? "a call was ended" : "a call has failed",
           {{"call", record.id},
            {"from", record.from_peer},
            {"to", peer_or_none(record.to_peer)},
            {"sent", std::to_string(record.sent)},
            {"received", std::to_string(record.received)},
            {"error", record.local_error.empty() ? "none" : record.local_error},
            {"rule", record.rule.empty() ? "none" : record.rule}});
}

}  // namespace sallyport::ops

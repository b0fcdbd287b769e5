// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/call_log.h"

#include <string>

namespace sallyport::ops {
namespace {

std::string peer_or_none(const std::string& peer) {
  return peer.empty() ? "none" : peer;
}

bool went_well(const stats::CallRecord& record) {
  return record.answered_ns != 0 && record.ended_by != stats::EndedBy::sallyport;
}

// True: log now, at `level`.
bool may_tell(RateLimit& limit, config::LogLevel level, Nanoseconds now_ns) {
  std::uint64_t held_back = 0;
  if (!limit.admit(now_ns, held_back)) return false;
  if (held_back != 0) log(level, "calls that are not in the log", {{"count", std::to_string(held_back)}});
  return true;
}

}  // namespace

void CallLog::tell_at_debug(const stats::CallRecord& record, Nanoseconds now_ns) {
  constexpr auto kDebug = config::LogLevel::debug;
  if (log_level() != kDebug || !may_tell(debug_limit_, kDebug, now_ns)) return;
  if (record.from_peer.empty()) {
    log(kDebug, "an INVITE of no peer's was refused",
        {{"call", record.id}, {"source", record.source.to_text()}});
    return;
  }
  log(kDebug, "a call has ended",
      {{"call", record.id},
       {"from", record.from_peer},
       {"to", peer_or_none(record.to_peer)},
       {"seconds", std::to_string(record.duration_ns.value_or(0) / kSecond)}});
}

void CallLog::tell(const stats::CallRecord& record, Nanoseconds now_ns) {
  if (record.kind != stats::RecordKind::end) return;
  if (record.from_peer.empty() || went_well(record)) return tell_at_debug(record, now_ns);
  if (!may_tell(limit_, config::LogLevel::info, now_ns)) return;
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

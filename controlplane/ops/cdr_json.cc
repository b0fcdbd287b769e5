// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "controlplane/ops/cdr_writer.h"
#include "controlplane/ops/e_model.h"
#include "sdp_rewriter/description.h"

namespace sallyport::ops {
namespace {

using nlohmann::ordered_json;

// RFC 3339 with milliseconds, UTC. 0: null.
ordered_json instant(Nanoseconds wall_ns) {
  if (wall_ns <= 0) return nullptr;
  const time_t seconds = wall_ns / kSecond;
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof(text) - n, ".%03dZ", static_cast<int>(wall_ns % kSecond / kMillisecond));
  return text;
}

// In seconds, to the millisecond.
ordered_json span(const std::optional<Nanoseconds>& span_ns) {
  if (!span_ns) return nullptr;
  return static_cast<double>(*span_ns / kMillisecond) / 1000.0;
}

ordered_json code_or_null(unsigned value) {
  return value != 0 ? ordered_json(value) : ordered_json(nullptr);
}
ordered_json text_or_null(const std::string& value) {
  return value.empty() ? ordered_json(nullptr) : ordered_json(value);
}
ordered_json endpoint_or_null(const Endpoint& value) {
  return value ? ordered_json(value.to_text()) : ordered_json(nullptr);
}

const char* ended_by(stats::EndedBy by) {
  switch (by) {
    case stats::EndedBy::none:
      return "none";
    case stats::EndedBy::caller:
      return "caller";
    case stats::EndedBy::callee:
      return "callee";
    case stats::EndedBy::sallyport:
      return "sallyport";
  }
  return "none";
}

ordered_json attempt(const stats::AttemptRecord& record) {
  return {{"peer", record.peer},
          {"target", endpoint_or_null(record.target)},
          {"call_id", record.call_id},
          {"received", code_or_null(record.received)},
          {"received_phrase", text_or_null(record.received_phrase)},
          {"reason_received", text_or_null(record.reason_received)},
          {"local", text_or_null(record.local_error)},
          {"rule", text_or_null(record.rule)}};
}

// "PCMA/8000", "opus/48000/2"; a format without rtpmap as it stands in the m= line.
std::string codec_text(const sdp::Format& format) {
  if (format.encoding.empty()) return std::string(format.text);
  std::string text = std::string(format.encoding) + "/" + std::to_string(format.clock_rate);
  if (format.channels > 1) text += "/" + std::to_string(format.channels);
  return text;
}

// What was agreed for one stream of a leg, in the answer's order; null: nothing was.
ordered_json codecs(std::string_view answer, std::size_t stream) {
  if (answer.empty()) return nullptr;
  const auto description = sdp::Description::parse(answer);
  if (!description || stream >= description->streams().size()) return nullptr;
  const sdp::Stream& agreed = description->streams()[stream];
  if (agreed.disabled()) return nullptr;
  ordered_json out = ordered_json::array();
  for (const sdp::Format& format : agreed.formats) out.push_back(codec_text(format));
  return out;
}

ordered_json mos_or_null(const std::optional<double>& mos) {
  return mos ? ordered_json(std::round(*mos * 100) / 100) : ordered_json(nullptr);
}

ordered_json media(const stats::MediaRecord& record, const stats::CallRecord& call) {
  const dp::FlowCounters& counters = record.counters;
  return {{"leg", record.leg == 0 ? "caller" : "callee"},
          {"stream", record.stream},
          {"kind", record.rtcp ? "rtcp" : "rtp"},
          {"private_media", text_or_null(record.private_action)},
          {"codecs", codecs(call.answer_sdp[record.leg == 0 ? 0 : 1], record.stream)},
          {"local", endpoint_or_null(record.local)},
          {"remote", endpoint_or_null(record.remote)},
          {"latched", endpoint_or_null(counters.latched)},
          {"packets", counters.packets},
          {"bytes", counters.bytes},
          {"sent_packets", counters.sent_packets},
          {"sent_bytes", counters.sent_bytes},
          {"dropped", counters.dropped},
          {"lost", counters.lost},
          {"jitter_ms", counters.jitter_us / 1000.0},
          {"rtt_ms", counters.rtt_us != 0 ? ordered_json(counters.rtt_us / 1000.0) : ordered_json(nullptr)},
          {"reported_lost", counters.reported_lost},
          {"mos", mos_or_null(mos_of(record, call))}};
}

}  // namespace

std::string to_json(const stats::CallRecord& record) {
  ordered_json out{{"record", record.kind == stats::RecordKind::end ? "end" : "interim"},
                   {"id", record.id},
                   {"from", text_or_null(record.from_peer)},
                   {"to", text_or_null(record.to_peer)},
                   {"from_realm", record.from_realm},
                   {"to_realm", text_or_null(record.to_realm)},
                   {"caller", record.caller},
                   {"callee", record.callee},
                   {"call_id", record.call_id},
                   {"source", endpoint_or_null(record.source)},
                   {"started", instant(record.started_ns)},
                   {"ringing", instant(record.ringing_ns)},
                   {"answered", instant(record.answered_ns)},
                   {"ended", instant(record.ended_ns)},
                   {"written", instant(record.written_ns)},
                   {"setup_seconds", span(record.setup_ns)},
                   {"duration_seconds", span(record.duration_ns)},
                   {"ended_by", ended_by(record.ended_by)},
                   {"received", code_or_null(record.received)},
                   {"received_phrase", text_or_null(record.received_phrase)},
                   {"reason_received", text_or_null(record.reason_received)},
                   {"sent", code_or_null(record.sent)},
                   {"sent_phrase", text_or_null(record.sent_phrase)},
                   {"reason_sent", text_or_null(record.reason_sent)},
                   {"q850", code_or_null(record.q850)},
                   {"reason", text_or_null(record.reason)},
                   {"local", text_or_null(record.local_error)},
                   {"media_timeout", text_or_null(record.media_timeout)},
                   {"rule", text_or_null(record.rule)}};
  out["attempts"] = ordered_json::array();
  for (const stats::AttemptRecord& one : record.attempts) out["attempts"].push_back(attempt(one));
  out["media"] = ordered_json::array();
  for (const stats::MediaRecord& one : record.media) out["media"].push_back(media(one, record));
  // What came from the network need not be UTF-8.
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace sallyport::ops

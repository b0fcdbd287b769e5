// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/catalogue.h"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace sallyport::ops {
namespace {

using enum prometheus::MetricType;

constexpr auto kCatalogue = std::to_array<MetricInfo>({
    // ---- calls
    {"calls_active", Gauge, "from, to", "Answered calls that have not ended."},
    {"calls_open", Gauge, "", "Calls in hand, those that are being set up or ending among them."},
    {"calls_limit", Gauge, "", "Calls that may be in hand at once (controlplane.max_calls)."},
    {"call_attempts_total", Counter, "from, to",
     "Call attempts: one for each target that an INVITE was sent to, and one to `none` for a call that was "
     "refused before any was."},
    {"calls_answered_total", Counter, "from, to", "Calls that were answered."},
    {"calls_failed_total", Counter, "from, to, code",
     "Call attempts that failed, by the code that the caller got, or would have got had no other target been "
     "tried."},
    {"call_setup_seconds", Histogram, "peer", "The caller's INVITE to the 2xx, by the outgoing peer."},
    {"post_dial_delay_seconds", Histogram, "peer",
     "The caller's INVITE to the first 18x, or to a 2xx that had none before it, by the outgoing peer."},
    {"call_duration_seconds", Histogram, "peer", "2xx to the end, by the outgoing peer."},
    {"responses_mapped_total", Counter, "from, to, received, sent",
     "Responses that went on as another code, local errors by their name, and refusals of our own as `own`."},
    {"response_map_rule_hits_total", Counter, "map, rule",
     "Responses and local errors, final or provisional and of any request, by each rule of a map, vendor "
     "row, "
     "default or other base that had a say; map `none`: it stands in no map."},
    {"call_failure_rules_total", Counter, "rule",
     "Calls that were never answered, by what decided of their last response; from call records, as the next "
     "two."},
    {"call_failure_causes_total", Counter, "from, to, received, sent",
     "The same by the Q.850 cause of the Reason that was received and of the one that was sent."},
    {"call_failure_phrases_total", Counter, "side, code, phrase",
     "The same by the phrase that was received or sent: a standard one, a vendor's, a rule's, or `other`."},
    {"private_media_total", Counter, "peer, action", "Streams with a private address, by what was done."},
    {"media_timeouts_total", Counter, "kind, action",
     "Answered calls whose media was silent for too long (nobody heard, one side, on hold), and what was "
     "done."},
    {"calls_one_way_media_total", Counter, "from, to",
     "Answered calls of 5 s and more that ended with RTP from one side only."},
    {"peer_up", Gauge, "peer",
     "1: at least one target of the peer is in use, or it has none; 0: all are out of use."},
    // ---- SIP
    {"sip_requests_total", Counter, "peer, realm, direction, method",
     "SIP requests that shards read or sent, retransmissions among them; what workers dropped is in "
     "dataplane_drops_total."},
    {"sip_responses_total", Counter, "peer, realm, direction, code",
     "SIP responses that shards read or sent, retransmissions among them."},
    {"sip_retransmissions_total", Counter, "kind, direction, method",
     "SIP messages that came or went again; of a response the method that it answers."},
    {"sip_transactions_active", Gauge, "kind", "SIP transactions, client or server."},
    {"sip_transactions_total", Counter, "kind", "SIP transactions that were begun, client or server."},
    {"sip_transaction_events_total", Counter, "event",
     "What a transaction should not meet: timeouts, missing ACKs, strays, merged requests, lack of room."},
    {"sip_faults_total", Counter, "fault", "Malformed SIP messages over any transport, by fault."},
    {"sip_silent_drops_total", Counter, "", "SIP messages of unknown sources that were met with silence."},
    {"sip_stateless_replies_total", Counter, "",
     "SIP requests of unknown sources that were answered without a transaction."},
    {"stream_connections", Gauge, "", "Connections of SIP over TCP and TLS, also those that are being made."},
    {"stream_connections_total", Counter, "direction",
     "Connections that were accepted (in) and opened (out)."},
    {"stream_closed_total", Counter, "reason", "Connections that ended or were not taken, by reason."},
    {"stream_messages_total", Counter, "direction", "SIP messages over TCP and TLS."},
    {"stream_bytes_total", Counter, "direction",
     "Octets of SIP messages received, and octets written, over TCP and TLS."},
    {"stream_events_total", Counter, "event",
     "Keep-alives, reuse, and what went another way than a message should, over TCP and TLS."},
    // ---- media
    {"media_flows_active", Gauge, "realm", "Flows that are installed."},
    {"media_ports", Gauge, "realm", "Media ports that the realm has; a flow uses one."},
    {"media_packets_total", Counter, "realm, direction",
     "Media packets that endpoints in the realm sent and that passed our checks (rx), and that were sent to "
     "them (tx)."},
    {"media_packets_lost_total", Counter, "realm, direction",
     "Gaps in the RTP sequence numbers of what endpoints in the realm sent."},
    {"media_jitter_seconds", Histogram, "realm", "Jitter of a flow when it ends (RFC 3550 6.4.1)."},
    {"media_rtt_seconds", Histogram, "realm",
     "Round trip between us and an endpoint in the realm by its RTCP, when its flow ends (RFC 3550 6.4.1); "
     "only "
     "where it sends reports."},
    {"media_loss_ratio", Histogram, "realm",
     "Share of RTP packets that an endpoint in the realm sent and we missed, when its flow ends."},
    {"media_mos", Histogram, "realm",
     "Mean opinion score of what an endpoint in the realm sent, estimated when its flow ends by ITU-T G.107 "
     "from loss, half of the round trip where RTCP told it, and the codec's values (G.113 Appendix I); of "
     "other codecs there is none."},
    {"media_latches_total", Counter, "core", "Sources that were latched."},
    // ---- dataplane
    {"dataplane_packets_total", Counter, "port, direction", "Packets at a port."},
    {"dataplane_bytes_total", Counter, "port, direction", "Octets of frames at a port, without FCS."},
    {"dataplane_delivered_total", Counter, "port, path", "Received packets by where they went."},
    {"dataplane_drops_total", Counter, "port, reason", "Received packets that ended here, by reason."},
    {"dataplane_unsent_total", Counter, "port",
     "Packets of our own or of the kernel that did not leave: refused by the port, or without a way."},
    {"dataplane_nic_missed_total", Counter, "port, cause", "Packets that the NIC lost before us."},
    {"dataplane_steering", Gauge, "port, by",
     "How a port's media comes to the core that owns its flow; always 1 (one_worker, flow_rules, "
     "destination_hash, hash, none)."},
    {"dataplane_steering_rules", Gauge, "port", "Flow rules that the device took to steer media."},
    {"dataplane_handed_over_total", Counter, "port",
     "Received packets that another core than their own met and handed on."},
    {"dataplane_kernel_frames_total", Counter, "outcome",
     "Frames between us and the kernel's taps, by what became of them; those `to_kernel_refused` and "
     "`no_tap` are in delivered(kernel) too."},
    {"dataplane_neighbour_requests_total", Counter, "kind",
     "Neighbours that the kernel was asked to resolve, and to probe where they are in use and grew old."},
    {"dataplane_busy_ratio", Gauge, "core",
     "Share of a core's cycles that had work, over the last second or so."},
    {"dataplane_cycles_per_packet", Gauge, "core", "Busy cycles by packets, over the last second or so."},
    {"dataplane_cycles_total", Counter, "core, state", "Cycles of a core, busy or idle."},
    {"dataplane_pool_packets", Gauge, "port, state", "Packet buffers of a port's pool, used or free."},
    // ---- names of targets
    {"dns_queries_total", Counter, "type, outcome",
     "Questions to name servers that ended, by record type and what came."},
    {"dns_lookups_total", Counter, "outcome",
     "Look-ups of targets' names that ended (RFC 3263), by what became of the name."},
    {"dns_names", Gauge, "state",
     "Targets that are names, by state; stale: the servers do not answer and the last good places are used."},
    {"dns_discarded_total", Counter, "reason", "Records of answers that were not used, by reason."},
    {"tls_handshakes_total", Counter, "", "TLS handshakes that were done, either side's."},
    {"tls_handshakes_active", Gauge, "", "TLS handshakes that are begun and not done."},
    {"tls_handshake_failures_total", Counter, "reason", "TLS handshakes that failed, by reason."},
    {"tls_certificate_expiry_seconds", Gauge, "owner, file",
     "When a certificate of ours or one of its chain ends, whichever is first, seconds since 1970."},
    // ---- traces
    {"trace_messages_total", Counter, "ring",
     "SIP messages that were kept: all of them in `recent`, those of failed calls in `failed` too."},
    {"trace_overwritten_total", Counter, "ring",
     "Kept SIP messages that newer ones have taken the place of."},
    {"trace_too_large_total", Counter, "", "SIP messages above half of the ring, which were not kept."},
    {"trace_media_packets_total", Counter, "outcome",
     "Media packets of calls that somebody looked at: copied, or not for lack of room."},
    {"hep_messages_total", Counter, "outcome",
     "SIP messages for the Homer server: sent, overwritten before, or refused by the kernel."},
    // ---- process
    {"ring_full_total", Counter, "ring", "Records that a ring or queue had no room for."},
    {"ring_used_ratio", Gauge, "ring, shard", "Share of a ring that is in use, the fullest of a shard's."},
    {"shard_lag_seconds", Gauge, "shard", "How long the oldest event of the shard's last turn had waited."},
    {"shard_answering", Gauge, "shard", "1: the shard answers; 0: not within the limit."},
    {"call_records_total", Counter, "outcome",
     "Call records: written, lost for a full queue, refused by the file; shed: of INVITEs refused by an "
     "overloaded shard, from no peer or refused by the transaction layer, above 100 a second and shard."},
    {"call_record_file_failures_total", Counter, "",
     "Times that the next record file could not be opened: the old one stayed in use."},
    {"reloads_total", Counter, "outcome",
     "Reloads of the configuration: done, or refused with everything left as it was."},
    {"reload_last_done_timestamp_seconds", Gauge, "",
     "When the running configuration was taken, at the start or by the last reload, seconds since 1970."},
    {"reload_waiting_keys", Gauge, "", "Keys of the configuration file whose new values wait for a restart."},
    {"draining", Gauge, "",
     "1: new calls are refused, the process ends with the last one; 0: it takes calls."},
    {"process_resident_memory_bytes", Gauge, "", "Resident memory, without hugepages."},
    {"process_hugepage_bytes", Gauge, "", "Memory in hugepages."},
    {"process_cpu_seconds_total", Counter, "", "Processor time; a polling core uses all of its own."},
    {"process_open_fds", Gauge, "", "Open file descriptors."},
    {"process_start_time_seconds", Gauge, "", "Start of the process, seconds since 1970."},
    {"build_info", Gauge, "version, dpdk", "What runs here; always 1."},
});

std::string full_name(const MetricInfo& info) {
  return std::string(kMetricPrefix) + std::string(info.name);
}

void pad(std::string& line, std::size_t width) {
  line.append(line.size() < width ? width - line.size() : 1, ' ');
}

}  // namespace

std::span<const MetricInfo> catalogue() {
  return kCatalogue;
}

const MetricInfo& metric_info(std::string_view name) {
  const auto found = std::ranges::find(kCatalogue, name, &MetricInfo::name);
  if (found == kCatalogue.end()) throw std::logic_error("no metric is named " + std::string(name));
  return *found;
}

std::string_view type_text(prometheus::MetricType type) {
  return type == Counter ? "counter" : type == Gauge ? "gauge" : type == Histogram ? "histogram" : "untyped";
}

std::string catalogue_text() {
  std::string out;
  for (const MetricInfo& info : kCatalogue) {
    std::string line = full_name(info);
    pad(line, 44);
    line += type_text(info.type);
    pad(line, 55);
    line += info.labels.empty() ? "-" : info.labels;
    pad(line, 88);
    out += line + std::string(info.meaning) + "\n";
  }
  return out;
}

std::string catalogue_markdown() {
  std::string out =
      "# Metrics\n\n"
      "Made by `sallyport metrics --list --markdown`; a test holds this page against the code. Labels are "
      "bounded: "
      "peers,\nrealms, ports and cores come from the configuration, codes, methods, reasons and faults from "
      "fixed "
      "sets with `other`;\na peer or a realm that is not known is `none`. A family without a value yet is "
      "absent.\n\n"
      "| name | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& info : kCatalogue) {
    out += "| `" + full_name(info) + "` | " + std::string(type_text(info.type)) + " | " +
           std::string(info.labels) + " | " + std::string(info.meaning) + " |\n";
  }
  return out;
}

}  // namespace sallyport::ops

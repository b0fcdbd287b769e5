// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>
#include <utility>

#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"

namespace sallyport::ops {
namespace {

using stream::StreamCounters;

void collect_both_ways(std::string_view name, const std::array<std::string_view, 2>& words, std::uint64_t in,
                       std::uint64_t out_count, MetricFamilies& out) {
  Family family(name);
  family.counter({{"direction", words[0]}}, in);
  family.counter({{"direction", words[1]}}, out_count);
  out.push_back(family.take());
}

void collect_closed(const StreamCounters& counters, MetricFamilies& out) {
  Family closed("stream_closed_total");
  for (std::size_t i = 0; i < counters.closed.size(); ++i)
    closed.counter({{"reason", stream::close_name(static_cast<stream::Close>(i))}}, counters.closed[i].get());
  out.push_back(closed.take());
}

void collect_events(const StreamCounters& counters, MetricFamilies& out) {
  constexpr std::array<std::pair<std::string_view, dp::Counter StreamCounters::*>, 9> kEvents{
      {{"keep_alive", &StreamCounters::keep_alives},
       {"reused", &StreamCounters::reused},
       {"resent", &StreamCounters::resent},
       {"unreachable", &StreamCounters::unreachable},
       {"response_lost", &StreamCounters::responses_lost},
       {"foreign_response", &StreamCounters::foreign_responses},
       {"malformed", &StreamCounters::malformed},
       {"shard_ring_wait", &StreamCounters::shard_ring_waits},
       {"shard_ring_full", &StreamCounters::shard_ring_full}}};
  Family events("stream_events_total");
  for (const auto& [name, member] : kEvents) events.counter({{"event", name}}, (counters.*member).get());
  out.push_back(events.take());
}

void collect_tls(const Sources& sources, MetricFamilies& out) {
  const StreamCounters& counters = *sources.stream;
  Family done("tls_handshakes_total");
  done.counter({}, counters.handshakes.get());
  Family waiting("tls_handshakes_active");
  waiting.gauge({}, static_cast<double>(counters.handshakes_waiting.get()));
  Family failed("tls_handshake_failures_total");
  for (std::size_t i = 0; i < counters.handshake_failures.size(); ++i) {
    const auto reason = stream::tls_failure_name(static_cast<stream::TlsFailure>(i));
    failed.counter({{"reason", reason}}, counters.handshake_failures[i].get());
  }
  Family expiry("tls_certificate_expiry_seconds");
  if (sources.certificates) {
    for (const stream::CertificateExpiry& one : sources.certificates())
      expiry.gauge({{"owner", one.owner}, {"file", one.file}}, static_cast<double>(one.not_after_s));
  }
  for (Family* family : {&done, &waiting, &failed, &expiry}) out.push_back(family->take());
}

}  // namespace

void collect_stream(const Labels&, const Sources& sources, MetricFamilies& out) {
  if (sources.stream == nullptr) return;
  const StreamCounters& counters = *sources.stream;
  Family open("stream_connections");
  open.gauge({}, static_cast<double>(counters.open.get()));
  out.push_back(open.take());
  collect_both_ways("stream_connections_total", {"in", "out"}, counters.accepted.get(),
                    counters.connected.get(), out);
  collect_both_ways("stream_messages_total", {"rx", "tx"}, counters.received_messages.get(),
                    counters.sent_messages.get(), out);
  collect_both_ways("stream_bytes_total", {"rx", "tx"}, counters.received_bytes.get(),
                    counters.sent_bytes.get(), out);
  collect_closed(counters, out);
  collect_events(counters, out);
  collect_tls(sources, out);
}

}  // namespace sallyport::ops

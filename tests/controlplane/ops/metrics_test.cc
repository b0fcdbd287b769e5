// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/metrics.h"

#include <gmock/gmock.h>

#include <map>
#include <optional>

#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/catalogue.h"
#include "controlplane/response_map/local_error.h"
#include "controlplane/response_map/tables.h"
#include "dataplane/sip/fault.h"
#include "dataplane/sip/names.h"
#include "tests/controlplane/ops/fakes.h"
#include "tests/controlplane/ops/http_support.h"

namespace sallyport::ops {
namespace {

using stats::code_slot;
using testing::HasSubstr;
using testing::Not;

// Two shards: the first answers at once, the second never does.
class HalfSilentShards final : public stats::ShardQuery, private stats::ShardView {
 public:
  [[nodiscard]] unsigned shards() const override { return 2; }
  [[nodiscard]] bool post(unsigned shard, stats::ShardRequest request) override {
    if (shard == 0) request(*this);
    return true;
  }

 private:
  std::vector<stats::CallRow> calls(std::size_t) override { return {}; }
  std::size_t call_count() override { return 0; }
  std::optional<stats::CallDetail> call(std::string_view) override { return std::nullopt; }
  std::vector<stats::PeerRow> peers() override {
    return {{"office", "access", true, {}, 0}, {"carrier-a", "core", false, {}, 0}};
  }
};

struct Bench {
  FakeDataplane dataplane;
  stats::ShardStatistics first{3, 2};
  stats::ShardStatistics second{3, 2};
  sip::TransactionCounters transactions;
  stream::StreamCounters stream;
  resolver::Counters names;
  CallTally tally;
  HalfSilentShards query;
  trace::Counters traced;
  HepCounters hep;
  std::uint64_t records_dropped = 0;

  [[nodiscard]] std::string text() { return Metrics(lab_labels(), sources()).text(); }
  [[nodiscard]] std::vector<prometheus::MetricFamily> families() {
    return Metrics(lab_labels(), sources()).Collect();
  }
  [[nodiscard]] Sources sources() {
    Sources sources;
    sources.dataplane = &dataplane;
    sources.shards = {&first, &second};
    sources.transactions = {&transactions};
    sources.stream = &stream;
    sources.traces = {&traced};
    sources.hep = [this] { return &hep; };
    sources.names = &names;
    sources.lag_ns = [](unsigned shard) { return (shard + 1) * 2 * kMillisecond; };
    sources.query = &query;
    sources.query_timeout = std::chrono::milliseconds(0);
    sources.records = [this] {
      return RecordCounts{.written = 7, .dropped = records_dropped, .file_failures = 2};
    };
    sources.tally = &tally;
    sources.certificates = [] {
      return std::vector<stream::CertificateExpiry>{{"realm access", "/etc/sallyport/a.pem", 1'900'000'000}};
    };
    sources.reloads = [] {
      return ReloadCounts{.done = 4, .refused = 2, .last_done_s = 1'800'000'000, .waiting_keys = 3};
    };
    sources.draining = [] { return true; };
    sources.calls_limit = 50'000;
    sources.version = "1.2.3";
    sources.dpdk = "DPDK 22.11";
    return sources;
  }
};

TEST(Metrics, traces_tell_what_was_kept_copied_and_sent) {
  Bench bench;
  trace::Counters second;
  bench.traced.kept.add(3);
  second.kept.add(4);
  second.failed_overwritten.add(2);
  bench.hep.overwritten.add(5);
  bench.dataplane.worker(1).mirror_ring_full.add(6);
  Sources sources = bench.sources();
  sources.traces.push_back(&second);
  const std::string text = Metrics(lab_labels(), sources).text();
  EXPECT_THAT(text, HasSubstr("sallyport_trace_messages_total{ring=\"recent\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_trace_overwritten_total{ring=\"failed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_trace_media_packets_total{outcome=\"no_room\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_hep_messages_total{outcome=\"overwritten\"} 5\n"));
  sources.hep = [] { return nullptr; };
  EXPECT_THAT(Metrics(lab_labels(), sources).text(), Not(HasSubstr("hep_messages_total")))
      << "no Homer server";
}

TEST(Metrics, code_slots_are_those_of_the_response_table) {
  EXPECT_EQ(response_map::code_rows().size(), std::size_t{stats::kOtherCode});
  for (const auto& row : response_map::code_rows())
    EXPECT_NE(code_slot(row.code), stats::kOtherCode) << row.code;
}

TEST(Metrics, method_names_are_those_of_the_grammar) {
  ASSERT_EQ(stats::kMethodNames.size(), static_cast<std::size_t>(sip::Method::kCount));
  for (std::size_t i = 2; i < stats::kMethodNames.size(); ++i) {
    EXPECT_EQ(stats::kMethodNames[i], sip::method_name(static_cast<sip::Method>(i)));
  }
}

TEST(Metrics, local_errors_fit_beside_the_codes) {
  EXPECT_LT(response_map::kLocalErrors, 256u);
}

TEST(Metrics, calls_are_summed_over_the_shards_by_pair) {
  Bench bench;
  bench.first.pair(0, 1).attempts.add(3);
  bench.second.pair(0, 1).attempts.add(2);
  bench.first.pair(0, 1).answered.add(4);
  bench.first.pair(0, 1).active.add(2);
  bench.second.pair(0, 1).active.add(-1);
  bench.first.pair(0, 1).failed[code_slot(486)].add();
  bench.first.pair(0, stats::kNone).failed[code_slot(499)].add(2);
  const std::string text = bench.text();
  EXPECT_THAT(text, HasSubstr("sallyport_calls_active{from=\"office\",to=\"carrier-a\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_call_attempts_total{from=\"office\",to=\"carrier-a\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_calls_answered_total{from=\"office\",to=\"carrier-a\"} 4\n"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_calls_failed_total{from=\"office\",to=\"carrier-a\",code=\"486\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_calls_failed_total{from=\"office\",to=\"none\",code=\"other\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("code=\"487\"")));
}

TEST(Metrics, reloads_and_a_drain_are_told) {
  Bench bench;
  const std::string text = bench.text();
  EXPECT_THAT(text, HasSubstr("sallyport_reloads_total{outcome=\"done\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_reloads_total{outcome=\"refused\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_reload_last_done_timestamp_seconds 1800000000\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_reload_waiting_keys 3\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_draining 1\n"));
}

TEST(Metrics, peers_that_a_reload_brings_have_their_names) {
  Bench bench;
  Metrics metrics(lab_labels(), bench.sources());
  bench.first.pair(2, 1).attempts.add();
  EXPECT_THAT(metrics.text(), Not(HasSubstr("newcomer")));
  Labels labels = lab_labels();
  labels.peers.resize(2);
  labels.peers.push_back({"newcomer", "core"});
  metrics.set_labels(labels);
  EXPECT_THAT(metrics.text(),
              HasSubstr("sallyport_call_attempts_total{from=\"newcomer\",to=\"carrier-a\"} 1\n"));
}

TEST(Metrics, of_names_nothing_is_told_before_there_is_one) {
  Bench bench;
  EXPECT_THAT(bench.text(), Not(HasSubstr("sallyport_dns_")));
  bench.names.lookups[1].add();
  EXPECT_THAT(bench.text(), HasSubstr("sallyport_dns_names"));
}

TEST(Metrics, mapped_responses_tell_code_or_local_error) {
  Bench bench;
  bench.first.pair(0, 1).mapped.count(code_slot(499), code_slot(488));
  bench.second.pair(0, 1).mapped.count(code_slot(499), code_slot(488));
  const auto local = static_cast<std::uint16_t>(response_map::LocalError::private_media);
  bench.first.pair(0, 1).mapped.count(stats::MappedTable::kLocalBit | local, code_slot(488));
  bench.first.pair(0, 1).mapped.count(stats::MappedTable::kLocalBit, code_slot(406));
  const std::string text = bench.text();
  EXPECT_THAT(
      text, HasSubstr("sallyport_responses_mapped_total{from=\"office\",to=\"carrier-a\",received=\"other\","
                      "sent=\"488\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("received=\"private-media\",sent=\"488\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("received=\"own\",sent=\"406\"} 1\n"));
}

TEST(Metrics, rule_hits_are_summed_over_the_shards_by_map_and_rule) {
  Bench bench;
  const auto name = [] { return std::string("rule 2"); };
  bench.first.rule_hits.count({.map = "carrier-in", .kind = 1, .number = 2}, name);
  bench.second.rule_hits.count({.map = "carrier-in", .kind = 1, .number = 2}, name);
  bench.second.rule_hits.count({.kind = 2}, [] { return std::string("rfc3398 base"); });
  const std::string text = bench.text();
  EXPECT_THAT(text,
              HasSubstr("sallyport_response_map_rule_hits_total{map=\"carrier-in\",rule=\"rule 2\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_response_map_rule_hits_total{map=\"none\",rule=\"rfc3398 base\"} 1\n"));
}

TEST(Metrics, sip_messages_have_peer_realm_direction_and_method_or_code) {
  Bench bench;
  const auto invite = static_cast<std::size_t>(sip::Method::invite);
  stats::count_request(bench.first.sip(0, 0), stats::Direction::in, invite);
  stats::count_request(bench.second.sip(0, 0), stats::Direction::in, invite);
  stats::count_request(bench.first.sip(1, 1), stats::Direction::out, invite);
  stats::count_request(bench.first.sip(stats::kNone, 1), stats::Direction::in, 1);
  stats::count_response(bench.first.sip(1, 1), stats::Direction::in, 701);
  const std::string text = bench.text();
  EXPECT_THAT(text,
              HasSubstr("sallyport_sip_requests_total{peer=\"office\",realm=\"access\",direction=\"rx\","
                        "method=\"INVITE\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("{peer=\"carrier-a\",realm=\"core\",direction=\"tx\",method=\"INVITE\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{peer=\"none\",realm=\"core\",direction=\"rx\",method=\"other\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("sallyport_sip_responses_total{peer=\"carrier-a\",realm=\"core\",direction=\"rx\","
                        "code=\"other\"} 1\n"));
}

TEST(Metrics, histograms_are_cumulative_and_in_seconds) {
  Bench bench;
  bench.first.peer(1).call_setup.observe(30 * kMillisecond);
  bench.second.peer(1).call_setup.observe(30 * kMillisecond);
  bench.first.peer(1).call_setup.observe(400 * kSecond);
  bench.first.realm(0).jitter.observe(2 * kMillisecond);
  bench.first.realm(1).rtt.observe(90 * kMillisecond);
  const std::string text = bench.text();
  EXPECT_THAT(text, HasSubstr("sallyport_call_setup_seconds_count{peer=\"carrier-a\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_call_setup_seconds_bucket{peer=\"carrier-a\",le=\"0.025\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_call_setup_seconds_bucket{peer=\"carrier-a\",le=\"0.05\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_call_setup_seconds_bucket{peer=\"carrier-a\",le=\"180\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_call_setup_seconds_bucket{peer=\"carrier-a\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_media_jitter_seconds_count{realm=\"access\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_media_rtt_seconds_bucket{realm=\"core\",le=\"0.08\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_media_rtt_seconds_bucket{realm=\"core\",le=\"0.12\"} 1\n"));
}

TEST(Metrics, the_law_can_be_read_from_the_ports) {
  Bench bench;
  for (unsigned w = 0; w < 2; ++w) {
    dp::PortCounters& port = bench.dataplane.worker(w).ports[1];
    port.received_packets.add(100);
    port.received_bytes.add(21'400);
    port.sent_packets.add(80);
    port.relayed.add(90);
    port.sip.add(6);
    port.kernel.add(3);
    port.drops[static_cast<std::size_t>(dp::DropReason::flow_source)].add(1);
  }
  const std::string text = bench.text();
  for (const char* line :
       {"packets_total{port=\"core\",direction=\"rx\"} 200",
        "bytes_total{port=\"core\",direction=\"rx\"} 42800",
        "packets_total{port=\"core\",direction=\"tx\"} 160",
        "delivered_total{port=\"core\",path=\"relay\"} 180", "delivered_total{port=\"core\",path=\"sip\"} 12",
        "delivered_total{port=\"core\",path=\"kernel\"} 6",
        "drops_total{port=\"core\",reason=\"flow_source\"} 2",
        "drops_total{port=\"access\",reason=\"no_port\"} 0",
        "nic_missed_total{port=\"core\",cause=\"missed\"} 9", "busy_ratio{core=\"3\"} 0.5",
        "cycles_per_packet{core=\"1\"} 120"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_dataplane_" + std::string(line) + "\n"));
  }
}

TEST(Metrics, large_counts_stay_exact) {
  Bench bench;
  bench.dataplane.worker(0).ports[0].received_packets.set(9'007'199'254'740'991u);
  EXPECT_THAT(bench.text(), HasSubstr("packets_total{port=\"access\",direction=\"rx\"} 9007199254740991\n"));
}

TEST(Metrics, rings_media_and_build_are_there) {
  Bench bench;
  bench.records_dropped = 5;
  bench.first.totals.commands_ring_full.add(2);
  bench.first.totals.records_shed.add(3);
  bench.second.totals.records_shed.add(4);
  bench.dataplane.worker(1).event_ring_full[63].add(4);
  bench.dataplane.worker(0).realms[0].flows_active.add(8);
  bench.dataplane.worker(0).realms[0].media_lost_packets.add(1);
  bench.dataplane.worker(1).sip_faults[static_cast<std::size_t>(sip::Fault::missing_via)].add(3);
  const std::string text = bench.text();
  for (const char* line :
       {"ring_full_total{ring=\"commands\"} 2", "ring_full_total{ring=\"events\"} 4",
        "ring_full_total{ring=\"records\"} 5", "media_flows_active{realm=\"access\"} 8",
        "media_packets_lost_total{realm=\"access\",direction=\"rx\"} 1",
        "ring_used_ratio{ring=\"events\",shard=\"1\"} 0", "call_records_total{outcome=\"written\"} 7",
        "call_records_total{outcome=\"shed\"} 7", "call_record_file_failures_total 2",
        "sip_faults_total{fault=\"missing_via\"} 3", "build_info{version=\"1.2.3\",dpdk=\"DPDK 22.11\"} 1"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_" + std::string(line) + "\n"));
  }
}

TEST(Metrics, transactions_retransmissions_and_what_should_not_happen) {
  Bench bench;
  const auto invite = static_cast<std::size_t>(sip::Method::invite);
  stats::count_method(bench.first.totals.retransmitted_requests, stats::Direction::out, invite);
  stats::count_method(bench.second.totals.retransmitted_requests, stats::Direction::out, invite);
  stats::count_method(bench.first.totals.retransmitted_responses, stats::Direction::in, 0);
  stats::count_method(bench.first.totals.retransmitted_responses, stats::Direction::in, 1);
  bench.transactions.clients_active.set(3);
  bench.transactions.servers_started.set(12);
  bench.transactions.timeouts.set(2);
  bench.second.totals.silent_drops.add(4);
  const std::string text = bench.text();
  for (const char* line :
       {"sip_retransmissions_total{kind=\"request\",direction=\"tx\",method=\"INVITE\"} 2",
        "sip_retransmissions_total{kind=\"response\",direction=\"rx\",method=\"other\"} 2",
        "sip_transactions_active{kind=\"client\"} 3", "sip_transactions_total{kind=\"server\"} 12",
        "sip_transaction_events_total{event=\"timeout\"} 2", "sip_silent_drops_total 4"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_" + std::string(line) + "\n"));
  }
}

TEST(Metrics, shards_peers_pools_ports_and_cores_have_levels) {
  Bench bench;
  bench.dataplane.add_media_range({.realm = 1, .first = 20'000, .last = 20'099});
  bench.dataplane.add_media_range({.realm = 1, .first = 30'000, .last = 30'001});
  bench.dataplane.worker(1).busy_cycles.set(300);
  bench.dataplane.worker(1).total_cycles.set(1000);
  bench.dataplane.worker(0).latches.set(5);
  bench.dataplane.worker(0).ports[1].unsent.add(2);
  bench.dataplane.worker(0).ports[1].handed_over.add(3);
  bench.dataplane.worker(1).ports[1].handed_over.add(4);
  const std::string text = bench.text();
  for (const char* line :
       {"shard_lag_seconds{shard=\"1\"} 0.004", "shard_answering{shard=\"0\"} 1",
        "shard_answering{shard=\"1\"} 0", "peer_up{peer=\"office\"} 1", "peer_up{peer=\"carrier-a\"} 0",
        "dataplane_pool_packets{port=\"access\",state=\"free\"} 6091", "media_ports{realm=\"core\"} 102",
        "dataplane_cycles_total{core=\"3\",state=\"idle\"} 700", "media_latches_total{core=\"1\"} 5",
        "dataplane_unsent_total{port=\"core\"} 2", "dataplane_handed_over_total{port=\"core\"} 7",
        "dataplane_steering{port=\"access\",by=\"flow_rules\"} 1",
        "dataplane_steering_rules{port=\"access\"} 40", "dataplane_steering{port=\"core\",by=\"hash\"} 1",
        "calls_limit 50000"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_" + std::string(line) + "\n"));
  }
}

// What each of these counters becomes: none is counted and then told to nobody.
TEST(Metrics, what_a_transaction_should_not_meet_is_told) {
  Bench bench;
  using sip::TransactionCounters;
  std::uint64_t count = 30;
  for (dp::Counter TransactionCounters::* member :
       {&TransactionCounters::timeouts, &TransactionCounters::missing_acks,
        &TransactionCounters::transport_errors, &TransactionCounters::stray_responses,
        &TransactionCounters::stray_acks, &TransactionCounters::unknown_tags,
        &TransactionCounters::merged_requests, &TransactionCounters::refused_full,
        &TransactionCounters::refused_large, &TransactionCounters::large_responses})
    (bench.transactions.*member).add(++count);
  bench.first.totals.silent_drops.add(39);
  bench.second.totals.stateless_replies.add(40);
  bench.second.totals.calls.add(41);
  const std::string text = bench.text();
  count = 30;
  for (const char* event :
       {"timeout", "missing_ack", "transport_error", "stray_response", "stray_ack", "unknown_tag",
        "merged_request", "no_room", "request_too_large", "response_too_large"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_sip_transaction_events_total{event=\"" + std::string(event) +
                                "\"} " + std::to_string(++count) + "\n"));
  }
  EXPECT_THAT(text, HasSubstr("sallyport_sip_silent_drops_total 39\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_sip_stateless_replies_total 40\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_calls_open 41\n"));
}

TEST(Metrics, the_kernels_way_is_told_by_outcome) {
  const std::string text = Bench().text();
  std::uint64_t count = 20;
  for (const char* outcome :
       {"to_kernel", "to_kernel_refused", "no_tap", "from_kernel", "from_kernel_full"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_dataplane_kernel_frames_total{outcome=\"" + std::string(outcome) +
                                "\"} " + std::to_string(++count) + "\n"));
  }
  EXPECT_THAT(text, HasSubstr("sallyport_dataplane_neighbour_requests_total{kind=\"resolve\"} 26\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_dataplane_neighbour_requests_total{kind=\"probe\"} 27\n"));
}

TEST(Metrics, connections_and_messages_over_TCP_are_told) {
  Bench bench;
  bench.stream.open.add(2);
  bench.stream.accepted.add(3);
  bench.stream.connected.add(4);
  bench.stream.received_messages.add(5);
  bench.stream.sent_bytes.add(600);
  bench.stream.closed[static_cast<std::size_t>(stream::Close::slow_message)].add(7);
  bench.stream.reused.add(8);
  bench.stream.faults[1].add(9);
  bench.dataplane.worker(0).sip_faults[1].add(1);
  const std::string text = bench.text();
  for (const char* line :
       {"stream_connections 2", "stream_connections_total{direction=\"in\"} 3",
        "stream_connections_total{direction=\"out\"} 4", "stream_messages_total{direction=\"rx\"} 5",
        "stream_bytes_total{direction=\"tx\"} 600", "stream_closed_total{reason=\"slow_message\"} 7",
        "stream_events_total{event=\"reused\"} 8"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_" + std::string(line) + "\n"));
  }
  EXPECT_THAT(text, HasSubstr("sallyport_sip_faults_total{fault=\"" +
                              std::string(sip::fault_name(static_cast<sip::Fault>(1))) + "\"} 10\n"));
}

TEST(Metrics, handshakes_and_the_ends_of_certificates_are_told) {
  Bench bench;
  bench.stream.handshakes.add(6);
  bench.stream.handshakes_waiting.set(1);
  bench.stream.handshake_failures[static_cast<std::size_t>(stream::TlsFailure::untrusted)].add(2);
  const std::string text = bench.text();
  for (const std::string line :
       {"tls_handshakes_total 6", "tls_handshakes_active 1",
        "tls_handshake_failures_total{reason=\"untrusted\"} 2",
        "tls_handshake_failures_total{reason=\"timeout\"} 0",
        "tls_certificate_expiry_seconds{owner=\"realm access\",file=\"/etc/sallyport/a.pem\"} 1900000000"}) {
    EXPECT_THAT(text, HasSubstr("sallyport_" + line + "\n"));
  }
}

TEST(Metrics, the_process_tells_its_memory_files_and_age) {
  Bench bench;
  const std::string text = bench.text();
  const auto value = [&](const std::string& name) {
    const std::size_t at = text.find("\nsallyport_" + name + " ");
    return at == std::string::npos ? -1.0 : std::strtod(text.c_str() + at + name.size() + 12, nullptr);
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value("process_open_fds"), 3);
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  const double now = static_cast<double>(::time(nullptr));
  EXPECT_GT(value("process_start_time_seconds"), now - 3600);
  EXPECT_LE(value("process_start_time_seconds"), now + 2);
}

TEST(Metrics, every_name_of_the_interface_appears_once_something_was_counted) {
  Bench bench;
  bench.first.pair(0, 1).failed[0].add();
  bench.first.pair(0, 1).mapped.count(1, 2);
  stats::count_request(bench.first.sip(0, 0), stats::Direction::in, 6);
  stats::count_response(bench.first.sip(0, 0), stats::Direction::in, 200);
  bench.first.peer(1).call_setup.observe(1);
  bench.first.peer(1).post_dial_delay.observe(1);
  bench.first.peer(1).call_duration.observe(1);
  bench.first.peer(1).private_media[0].add();
  bench.first.realm(1).jitter.observe(1);
  bench.first.realm(1).rtt.observe(1);
  bench.first.rule_hits.count({.map = "carrier-in"}, [] { return std::string("rule 1"); });
  stats::count_method(bench.first.totals.retransmitted_requests, stats::Direction::out, 6);
  bench.dataplane.worker(0).sip_faults[1].add();
  bench.stream.closed[0].add();
  bench.names.lookups[1].add();
  stats::CallRecord call;
  call.from_peer = "office";
  call.answered_ns = kSecond;
  call.duration_ns = 9 * kSecond;
  call.media.emplace_back().counters.packets = 500;
  call.answer_sdp[0] =
      "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n";
  bench.tally.add(call);
  stats::CallRecord failure;
  failure.from_peer = "office";
  failure.sent = 486;
  bench.tally.add(failure);
  const std::string text = bench.text();
  std::map<std::string, std::string> labels;  // of the first sample of each family
  for (const auto& family : bench.families()) {
    std::string& names = labels[family.name];
    for (const auto& label : family.metric.front().label) names += (names.empty() ? "" : ", ") + label.name;
  }
  for (const MetricInfo& info : catalogue()) {
    const auto found = labels.find("sallyport_" + std::string(info.name));
    ASSERT_NE(found, labels.end()) << info.name;
    EXPECT_EQ(found->second, info.labels) << info.name;
  }
  for (const char* name : {"calls_active",
                           "call_attempts_total",
                           "calls_answered_total",
                           "calls_failed_total",
                           "call_setup_seconds",
                           "post_dial_delay_seconds",
                           "call_duration_seconds",
                           "sip_requests_total",
                           "sip_responses_total",
                           "responses_mapped_total",
                           "private_media_total",
                           "dataplane_packets_total",
                           "dataplane_bytes_total",
                           "dataplane_delivered_total",
                           "dataplane_drops_total",
                           "dataplane_nic_missed_total",
                           "dataplane_busy_ratio",
                           "dataplane_cycles_per_packet",
                           "media_flows_active",
                           "media_packets_total",
                           "media_packets_lost_total",
                           "media_jitter_seconds",
                           "ring_full_total",
                           "build_info"}) {
    EXPECT_THAT(text, HasSubstr("# TYPE sallyport_" + std::string(name) + " ")) << name;
  }
}

// ---- server
// --------------------------------------------------------------------------------------------------------

TEST(MetricsServer, serves_the_text_and_says_when_it_cannot_listen) {
  Bench bench;
  const Endpoint listen{IpAddress::v4(0x7f000001), free_port()};
  const auto metrics = std::make_shared<Metrics>(lab_labels(), Sources{.dataplane = &bench.dataplane});
  const auto server = MetricsServer::start(listen, metrics);
  ASSERT_TRUE(server.has_value()) << server.error();
  const std::string answer = http(listen.port, "GET", "/metrics");
  EXPECT_THAT(answer, HasSubstr(" 200 OK"));
  EXPECT_THAT(answer, HasSubstr("sallyport_build_info"));
  const auto second = MetricsServer::start(listen, metrics);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("metrics cannot listen on " + listen.to_text()));
}

}  // namespace
}  // namespace sallyport::ops

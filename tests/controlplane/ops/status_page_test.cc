// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/status_page.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/controlplane/ops/fakes.h"
#include "tests/controlplane/ops/http_support.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// One shard that answers at once, with more calls than the page shows.
class Shard final : public stats::ShardQuery, private stats::ShardView {
 public:
  [[nodiscard]] unsigned shards() const override { return 1; }
  [[nodiscard]] bool post(unsigned, stats::ShardRequest request) override {
    request(*this);
    return true;
  }

 private:
  std::vector<stats::CallRow> calls(std::size_t limit) override {
    stats::CallRow row;
    row.id = "c1";
    row.caller = "sip:\xff<script>@x";
    row.age_ns = 3 * kSecond;
    return std::vector<stats::CallRow>(std::min<std::size_t>(limit, 100), row);
  }
  std::size_t call_count() override { return 100; }
  std::optional<stats::CallDetail> call(std::string_view) override { return std::nullopt; }
  trace::Slice messages_of(std::string_view call, std::uint64_t, std::size_t) override {
    trace::Slice slice;
    if (call == "c1") slice.messages.emplace_back().octets = "INVITE sip:x@y SIP/2.0\r\n\r\n";
    return slice;
  }
  std::vector<stats::PeerRow> peers() override {
    return {{"carrier-a", "core", false, {"192.0.2.10 down"}, 3}};
  }
};

struct Bench {
  FakeDataplane dataplane;
  Shard shard;
  stats::ShardStatistics statistics{3, 2};
  CallTally tally;
  AdminCommands commands{AdminSources{.shards = &shard, .dataplane = &dataplane, .labels = lab_labels()}};

  [[nodiscard]] StatusSources sources() { return {&commands, &shard, {&statistics}, &tally, "1.2.3"}; }
};

TEST(StatusJson, tells_calls_totals_peers_cores_drops_and_failures) {
  Bench bench;
  bench.statistics.pair(0, 1).attempts.add(5);
  bench.statistics.pair(0, 2).answered.add(3);
  bench.statistics.pair(0, 1).failed[stats::code_slot(486)].add(2);
  stats::CallRecord failed;
  failed.id = "f1";
  failed.from_peer = "office";
  failed.sent = 488;
  failed.ended_ns = 1'700'000'000'250 * kMillisecond;
  bench.tally.add(failed);
  const json out = json::parse(status_json(bench.sources()));
  EXPECT_EQ(out["version"], "1.2.3");
  EXPECT_EQ(out["totals"], (json{{"attempts", 5}, {"answered", 3}, {"failed", 2}}));
  EXPECT_EQ(out["calls"]["total"], 100);
  EXPECT_EQ(out["calls"]["rows"].size(), 20u);
  EXPECT_EQ(out["calls"]["rows"][0]["age_seconds"], 3);
  EXPECT_EQ(out["peers"]["peers"][0]["usable"], false);
  EXPECT_EQ(out["workers"]["workers"].size(), 2u);
  EXPECT_EQ(out["drops"]["law"].size(), 2u);
  EXPECT_EQ(out["failures"][0]["sent"], 488);
  EXPECT_EQ(out["failures"][0]["ended_ms"], 1'700'000'000'250);
}

TEST(StatusJson, tells_that_the_process_drains) {
  Bench bench;
  ProcessState state{.phase = "draining", .calls = 2};
  AdminCommands commands{AdminSources{
      .shards = &bench.shard, .dataplane = &bench.dataplane, .labels = lab_labels(), .process = [&] {
        return state;
      }}};
  StatusSources sources = bench.sources();
  sources.commands = &commands;
  EXPECT_EQ(json::parse(status_json(sources))["process"]["process"]["state"], "draining");
  state.phase = "running";
  EXPECT_EQ(json::parse(status_json(sources))["process"]["process"]["state"], "running");
}

TEST(StatusServer, serves_the_page_its_parts_and_the_numbers) {
  Bench bench;
  const Endpoint listen{IpAddress::v4(0x7f000001), free_port()};
  const auto server = StatusServer::start(listen, bench.sources());
  ASSERT_TRUE(server.has_value()) << server.error();
  const struct {
    const char* path;
    const char* holds;
    const char* type;
  } rows[] = {{"/", "<title>Sallyport</title>", "text/html"},
              {"/", "id=\"phase\" role=\"alert\" hidden", "text/html"},
              {"/style.css", "prefers-color-scheme: dark", "text/css"},
              {"/script.js", "textContent", "text/javascript"},
              {"/status.json", "\"total\":100", "application/json"},
              {"/call.json?id=c1", "\"state\":\"ended\"", "application/json"},
              {"/call.json?id=zz", "no message of it is left", "application/json"},
              {"/call.json", "there is no call ''", "application/json"}};
  for (const auto& row : rows) {
    const std::string answer = http(listen.port, "GET", row.path);
    EXPECT_THAT(answer, HasSubstr(" 200 OK")) << row.path;
    EXPECT_THAT(answer, HasSubstr(row.holds)) << row.path;
    EXPECT_THAT(answer, HasSubstr(std::string("Content-Type: ") + row.type)) << row.path;
    EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none'")) << row.path;
  }
}

TEST(StatusServer, is_read_only_and_knows_nothing_else) {
  Bench bench;
  const Endpoint listen{IpAddress::v4(0x7f000001), free_port()};
  const auto server = StatusServer::start(listen, bench.sources());
  ASSERT_TRUE(server.has_value()) << server.error();
  for (const char* method : {"POST", "PUT", "DELETE"})
    EXPECT_THAT(http(listen.port, method, "/status.json"), HasSubstr(" 405 ")) << method;
  for (const char* path : {"/admin", "/../etc/passwd", "/style.css/x"})
    EXPECT_THAT(http(listen.port, "GET", path), Not(HasSubstr(" 200 "))) << path;
  const std::string head = http(listen.port, "HEAD", "/");
  EXPECT_THAT(head, HasSubstr(" 200 OK"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(StatusServer, a_port_that_is_taken_is_one_sentence) {
  Bench bench;
  const Endpoint listen{IpAddress::v4(0x7f000001), free_port()};
  const auto first = StatusServer::start(listen, bench.sources());
  ASSERT_TRUE(first.has_value());
  const auto second = StatusServer::start(listen, bench.sources());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("status cannot listen on " + listen.to_text()));
}

}  // namespace
}  // namespace sallyport::ops

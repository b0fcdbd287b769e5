// SPDX-License-Identifier: Apache-2.0
// The rings of two shards, seen through the admin socket, the command and the exporter.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "controlplane/ops/admin_commands.h"
#include "controlplane/ops/admin_server.h"
#include "controlplane/ops/hep_exporter.h"
#include "controlplane/ops/trace_client.h"
#include "controlplane/ops/trace_json.h"
#include "controlplane/trace/recorder.h"
#include "tests/controlplane/ops/fakes.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A shard with a ring of its own, in which calls are named as their messages come.
class TracedShard final : public stats::ShardView {
 public:
  explicit TracedShard(std::size_t bytes = 1 << 20) : recorder({.recent_bytes = bytes, .key = {3, 4}}) {}

  void hear(const std::string& call, const std::string& start, const std::string& user = "+4412") {
    const std::string octets = start + "\r\nCall-ID: id-" + call + "\r\nFrom: <sip:" + user +
                               "@h>;tag=f\r\nTo: <sip:x@h>\r\nCSeq: 1 INVITE\r\n\r\n";
    trace::Passing message;
    message.local = {IpAddress::v4(0xc0000201), 5060};
    message.remote = {IpAddress::v4(0xc000020a), 5060};
    message.peer = "office";
    message.octets = octets;
    recorder.add(message);
    if (!call.empty()) recorder.begin({call, trace::Side::caller, &messages_}, "id-" + call);
  }
  std::vector<stats::CallRow> calls(std::size_t) override { return {}; }
  std::size_t call_count() override { return 0; }
  std::optional<stats::CallDetail> call(std::string_view) override { return std::nullopt; }
  std::vector<stats::PeerRow> peers() override { return {}; }
  trace::Slice messages(std::uint64_t behind, std::size_t most) override {
    return recorder.recent(behind, most);
  }
  trace::Slice messages_of(std::string_view call, std::uint64_t behind, std::size_t most) override {
    return recorder.of_call(call, behind, most);
  }
  bool mirror(std::string_view call, Nanoseconds) override {
    mirrored = call;
    return true;
  }
  trace::Recorder recorder;
  std::string mirrored;

 private:
  std::uint32_t messages_ = 0;
};

class TracedShards final : public stats::ShardQuery {
 public:
  [[nodiscard]] unsigned shards() const override { return 2; }
  [[nodiscard]] bool post(unsigned shard, stats::ShardRequest request) override {
    if (silent) return false;
    request(views[shard]);
    return true;
  }
  bool silent = false;
  std::array<TracedShard, 2> views;
};

class MirroringDataplane final : public FakeDataplane {
 public:
  [[nodiscard]] dp::RecordRing* mirror(unsigned worker) override { return &rings[worker]; }
  void relay(unsigned worker, std::string_view payload) {
    dp::MirroredPacket head;
    head.source = *Endpoint::parse("198.51.100.20:4000");
    head.local = *Endpoint::parse("198.51.100.1:20000");
    head.pair_local = *Endpoint::parse("192.0.2.1:30000");
    head.pair_target = *Endpoint::parse("192.0.2.10:7000");
    head.payload_bytes = static_cast<std::uint32_t>(payload.size());
    head.relayed_ns = monotonic_now_ns();
    ASSERT_TRUE(rings[worker].push(static_cast<std::uint16_t>(dp::Mirror::packet), head,
                                   std::as_bytes(std::span(payload))));
  }
  std::array<dp::RecordRing, 2> rings{dp::RecordRing(4096), dp::RecordRing(4096)};
};

struct TraceBench {
  TracedShards shards;
  MirroringDataplane dataplane;
  AdminCommands commands{
      AdminSources{.shards = &shards, .dataplane = &dataplane, .labels = lab_labels(), .mirror = &dataplane}};
  json ask(json request) {
    request["command"] = "trace";
    return json::parse(commands.handle(request.dump()));
  }
};

TEST(TraceAnswers, find_calls_and_messages_of_none) {
  TraceBench bench;
  bench.shards.views[1].hear("one", "INVITE sip:x@h SIP/2.0");
  bench.shards.views[1].hear("two", "INVITE sip:x@h SIP/2.0", "bob");
  bench.shards.views[1].hear("", "OPTIONS sip:x@h SIP/2.0");
  const json found = bench.ask({{"shard", 1}, {"user", "+4412"}});
  EXPECT_EQ(found["calls"], json::array({"one"}));
  ASSERT_EQ(found["messages"].size(), 1u);
  EXPECT_THAT(message_of(found["messages"][0]).octets, HasSubstr("OPTIONS"));
  EXPECT_EQ(found["next"], 3);
  EXPECT_EQ(found["more"], false);
  EXPECT_EQ(found["shards"], 2);
  EXPECT_EQ(found["overwritten"], 0);
  EXPECT_TRUE(bench.ask({{"shard", 0}, {"user", "+4412"}})["calls"].empty());
  EXPECT_TRUE(bench.ask({{"shard", 1}, {"user", "+4412"}, {"behind", 3}})["calls"].empty());
  const json call = bench.ask({{"shard", 1}, {"call", "two"}, {"behind", 0}});
  ASSERT_EQ(call["messages"].size(), 1u);
  EXPECT_EQ(message_of(call["messages"][0]).call, "two");
}

TEST(TraceAnswers, are_bounded_and_go_on_where_they_ended) {
  TraceBench bench;
  constexpr int kMessages = 1000;
  for (int i = 0; i < kMessages; ++i)
    bench.shards.views[0].hear("", "OPTIONS sip:x@h SIP/2.0" + std::string(500, ' '));
  std::size_t seen = 0;
  unsigned answers = 0;
  json request{{"shard", 0}, {"peer", "office"}, {"behind", 0}};
  for (bool more = true; more; ++answers) {
    const std::string answer = bench.commands.handle([&] {
      request["command"] = "trace";
      return request.dump();
    }());
    EXPECT_LT(answer.size(), 4 * TraceAnswers::kMostBytes);
    const json part = json::parse(answer);
    seen += part["messages"].size();
    request["behind"] = part["next"];
    more = part["more"];
  }
  EXPECT_EQ(seen, std::size_t{kMessages});
  EXPECT_GT(answers, 1u);
}

TEST(TraceAnswers, refuse_with_a_sentence) {
  TraceBench bench;
  EXPECT_THAT(bench.ask({{"shard", 2}, {"peer", "x"}})["error"].get<std::string>(), HasSubstr("no shard 2"));
  for (const json& bad :
       {json::object(), json{{"shard", "x"}}, json{{"shard", -1}}, json{{"shard", 0}, {"call", 7}},
        json{{"shard", 0}, {"peer", 7}}, json{{"who", 7}}}) {
    EXPECT_TRUE(bench.ask(bad).contains("error")) << bad;
  }
  bench.shards.silent = true;
  EXPECT_THAT(bench.ask({{"shard", 1}, {"peer", "x"}})["error"].get<std::string>(),
              HasSubstr("shard 1 does not answer"));
  FakeDataplane plain;
  AdminCommands without({.shards = &bench.shards, .mirror = &plain});
  EXPECT_THAT(without.handle(R"({"command":"trace","who":"me","take":true})"),
              HasSubstr("trace.media is off"));
}

TEST(TraceAnswers, media_goes_to_one_at_a_time_as_it_came_and_as_it_left) {
  TraceBench bench;
  bench.dataplane.relay(0, "before anybody asked");
  EXPECT_EQ(bench.ask({{"who", "me"}, {"shard", 1}, {"media", "one"}})["mirrored"], true);
  EXPECT_EQ(bench.shards.views[1].mirrored, "one");
  bench.dataplane.relay(0, "RTP-1");
  bench.dataplane.relay(1, "RTP-2");
  bench.dataplane.worker(1).mirror_ring_full.add(3);
  EXPECT_THAT(bench.ask({{"who", "other"}, {"take", true}})["error"].get<std::string>(),
              HasSubstr("another trace"));
  const json answer = bench.ask({{"who", "me"}, {"take", true}});
  ASSERT_EQ(answer["packets"].size(), 4u);
  const trace::MediaPacket came = packet_of(answer["packets"][0]);
  EXPECT_EQ(came.payload, "RTP-1");
  EXPECT_EQ(came.source.to_text(), "198.51.100.20:4000");
  EXPECT_EQ(came.target.to_text(), "198.51.100.1:20000");
  EXPECT_LT(std::abs(came.wall_ns - wall_now_ns()), 600 * kSecond);
  const trace::MediaPacket left = packet_of(answer["packets"][3]);
  EXPECT_EQ(left.payload, "RTP-2");
  EXPECT_EQ(left.source.to_text(), "192.0.2.1:30000");
  EXPECT_EQ(left.target.to_text(), "192.0.2.10:7000");
  EXPECT_EQ(answer["lost"], 3);
  EXPECT_TRUE(bench.ask({{"who", "me"}, {"take", true}})["packets"].empty());
}

TEST(ShowCall, has_the_ladder_of_a_call_that_has_ended) {
  TraceBench bench;
  bench.shards.views[1].hear("one", "INVITE sip:x@h SIP/2.0");
  const json answer = json::parse(bench.commands.handle(R"({"command":"show","what":"call","id":"one"})"));
  EXPECT_EQ(answer["call"]["state"], "ended");
  EXPECT_EQ(answer["ladder"]["messages"], 1);
  EXPECT_EQ(answer["ladder"]["gone"], 0);
  const std::string text = show_text("call", answer);
  EXPECT_THAT(text, HasSubstr("ended"));
  EXPECT_THAT(text, HasSubstr("- INVITE (1) -"));
  EXPECT_THAT(bench.commands.handle(R"({"command":"show","what":"call","id":"zz"})"),
              HasSubstr("no message of it is left"));
}

TEST(TraceCommand, writes_what_matches_of_all_shards) {
  TraceBench bench;
  const Folder folder;
  const auto server = AdminServer::start(
      folder.file("s"), [&](std::string_view request) { return bench.commands.handle(request); });
  ASSERT_TRUE(server.has_value());
  bench.shards.views[0].hear("one", "INVITE sip:x@h SIP/2.0");
  bench.shards.views[1].hear("two", "INVITE sip:x@h SIP/2.0", "bob");
  std::ostringstream out, error;
  TraceArguments arguments;
  arguments.pcap = folder.file("x.pcap");
  arguments.filter.peer = "office";
  EXPECT_EQ(trace(folder.file("s"), arguments, true, out, error), 0) << error.str();
  const json summary = json::parse(out.str());
  EXPECT_EQ(summary["messages"], 2);
  EXPECT_EQ(summary["calls"], 2);
  EXPECT_EQ(summary["complete"], true);
  std::ifstream file(arguments.pcap, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  EXPECT_THAT(bytes.str(), HasSubstr("Call-ID: id-one"));
  EXPECT_THAT(bytes.str(), HasSubstr("Call-ID: id-two"));

  arguments.filter = {"", "nobody", ""};
  EXPECT_EQ(trace(folder.file("s"), arguments, false, out, error), 1);
  EXPECT_THAT(error.str(), HasSubstr("no message that is left matches"));
  EXPECT_TRUE(std::filesystem::exists(arguments.pcap)) << "what was there before stays";
  EXPECT_FALSE(std::filesystem::exists(arguments.pcap + ".part"));
  arguments.pcap = folder.file("y.pcap");
  EXPECT_EQ(trace(folder.file("s"), arguments, false, out, error), 1);
  EXPECT_FALSE(std::filesystem::exists(arguments.pcap)) << "no empty file is left";
  arguments.filter.user = "J\xf6rg";
  EXPECT_EQ(trace(folder.file("s"), arguments, false, out, error), 2);
  EXPECT_THAT(error.str(), HasSubstr("the user is not UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(arguments.pcap + ".part"));
  arguments.filter.user = "nobody";
  arguments.pcap = folder.file("none/x.pcap");
  EXPECT_EQ(trace(folder.file("s"), arguments, false, out, error), 1);
  EXPECT_THAT(error.str(), HasSubstr("cannot be written"));
}

TEST(TraceCommand, keeps_what_came_until_the_process_ended) {
  TraceBench bench;
  const Folder folder;
  constexpr int kOneLook = 3;  // two shards, and the call of one
  int asked = 0;
  const auto server = AdminServer::start(folder.file("s"), [&](std::string_view request) {
    return ++asked <= kOneLook ? bench.commands.handle(request) : std::string(R"({"error":"it has ended"})");
  });
  ASSERT_TRUE(server.has_value());
  bench.shards.views[0].hear("one", "INVITE sip:x@h SIP/2.0");
  std::ostringstream out, error;
  TraceArguments arguments;
  arguments.pcap = folder.file("x.pcap");
  arguments.filter.peer = "office";
  arguments.follow_s = 600;
  EXPECT_EQ(trace(folder.file("s"), arguments, true, out, error), 3);
  EXPECT_EQ(error.str(), "it has ended\nwhat came until then is kept\n");
  EXPECT_EQ(json::parse(out.str())["complete"], false);
  EXPECT_EQ(json::parse(out.str())["messages"], 1);
  std::ifstream file(arguments.pcap, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  EXPECT_THAT(bytes.str(), HasSubstr("Call-ID: id-one"));
  EXPECT_FALSE(std::filesystem::exists(arguments.pcap + ".part"));

  asked = kOneLook;
  arguments.pcap = folder.file("y.pcap");
  EXPECT_EQ(trace(folder.file("s"), arguments, false, out, error), 1) << "nothing came before";
  EXPECT_FALSE(std::filesystem::exists(arguments.pcap));
}

// ---- HEP

struct Homer {
  Homer() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
    timeval limit{60, 0};
    EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    endpoint = {IpAddress::v4(0x7f000001), ntohs(at.sin_port)};
  }
  ~Homer() { ::close(fd); }
  std::string next() const {
    std::string datagram(65'536, '\0');
    const ssize_t bytes = ::recv(fd, datagram.data(), datagram.size(), 0);
    EXPECT_GT(bytes, 0);
    datagram.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    return datagram;
  }
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Endpoint endpoint;
};

TEST(HepExporter, sends_each_message_once_and_what_is_left_at_its_end) {
  TracedShards shards;
  const Homer homer;
  for (TracedShard& view : shards.views) view.hear("one", "INVITE sip:x@h SIP/2.0");
  HepCounters counters;
  auto exporter = HepExporter::connect(
      {.server = homer.endpoint, .id = 5, .password = "pw", .every = std::chrono::hours(1), .place = {}},
      counters);
  ASSERT_TRUE(exporter.has_value()) << exporter.error();
  (*exporter)->begin(shards);
  shards.views[1].hear("two", "INVITE sip:y@h SIP/2.0");
  EXPECT_EQ(counters.sent.get(), 0u) << "the hour has not passed";
  exporter->reset();
  std::vector<std::string> got{homer.next(), homer.next(), homer.next()};
  for (const std::string& datagram : got) {
    EXPECT_TRUE(datagram.starts_with("HEP3"));
    EXPECT_THAT(datagram, HasSubstr("pw"));
  }
  EXPECT_THAT(got[2], HasSubstr("id-two"));
}

TEST(HepExporter, goes_on_where_the_one_before_has_ended) {
  TracedShards shards;
  HepCounters counters;
  const auto to = [&](const Homer& homer) {
    return HepExporter::connect(
        {.server = homer.endpoint, .id = 5, .password = "", .every = std::chrono::hours(1), .place = {}},
        counters);
  };
  const Homer first;
  auto exporter = to(first);
  ASSERT_TRUE(exporter.has_value()) << exporter.error();
  (*exporter)->begin(shards);
  shards.views[0].hear("one", "INVITE sip:x@h SIP/2.0");
  const auto behind = (*exporter)->end();
  EXPECT_EQ(behind, (std::vector<std::uint64_t>{1, 0}));
  EXPECT_THAT(first.next(), HasSubstr("id-one"));
  const Homer second;
  exporter = to(second);
  ASSERT_TRUE(exporter.has_value()) << exporter.error();
  shards.views[0].hear("two", "INVITE sip:y@h SIP/2.0");
  (*exporter)->begin(shards, behind);
  exporter->reset();
  EXPECT_THAT(second.next(), HasSubstr("id-two"));
  EXPECT_EQ(counters.sent.get(), 2u) << "the first message is not told twice";
  EXPECT_EQ(counters.overwritten.get(), 0u);
}

TEST(HepExporter, counts_what_was_overwritten_before) {
  class SmallShards final : public stats::ShardQuery {
   public:
    [[nodiscard]] unsigned shards() const override { return 1; }
    [[nodiscard]] bool post(unsigned, stats::ShardRequest request) override {
      request(view);
      return true;
    }
    TracedShard view{1 << 14};
  } shards;
  const Homer homer;
  constexpr std::uint64_t kMessages = 200;
  for (std::uint64_t i = 0; i < kMessages; ++i) shards.view.hear("", "OPTIONS sip:x@h SIP/2.0");
  HepCounters counters;
  const auto exporter = HepExporter::connect(
      {.server = homer.endpoint, .id = 5, .password = "", .every = std::chrono::milliseconds(1), .place = {}},
      counters);
  ASSERT_TRUE(exporter.has_value()) << exporter.error();
  (*exporter)->begin(shards);
  while (counters.sent.get() + counters.refused.get() + counters.overwritten.get() < kMessages)
    std::this_thread::yield();
  EXPECT_EQ(counters.overwritten.get(), shards.view.recorder.counters().overwritten.get());
  EXPECT_GT(counters.overwritten.get(), 0u);
  EXPECT_THAT(homer.next(), HasSubstr("OPTIONS"));
}

}  // namespace
}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "controlplane/ops/admin_client.h"
#include "controlplane/ops/admin_commands.h"
#include "controlplane/ops/admin_server.h"
#include "controlplane/ops/log.h"
#include "tests/controlplane/ops/fakes.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

// ---- shards
// --------------------------------------------------------------------------------------------------------

class FakeView : public stats::ShardView {
 public:
  explicit FakeView(std::string id) : id_(std::move(id)) {}
  std::vector<stats::CallRow> calls(std::size_t) override { return {row()}; }
  std::size_t call_count() override { return 1; }
  std::optional<stats::CallDetail> call(std::string_view id) override {
    if (id != id_) return std::nullopt;
    stats::CallDetail detail;
    detail.row = row();
    detail.legs.push_back({"UAS", "confirmed", "office", "access", "a@b", "lt", "rt", {}, {}, 200});
    detail.streams.push_back({0, 0, "rtp", {}, {}, "once", 17});
    detail.reason_received = "Q.850;cause=17";
    return detail;
  }
  std::vector<stats::PeerRow> peers() override {
    return {{"office", "access", true, {"198.51.100.20:5060 up"}, 1},
            {"carrier-a", "core", id_ == "c1", {}, 1}};
  }

 private:
  [[nodiscard]] stats::CallRow row() const {
    return {id_,           "established",  "office",    "carrier-a",
            "sip:a\xff@x", "sip:+44123@y", 5 * kSecond, 3 * kSecond};
  }
  std::string id_;
};

// Runs each request at once, but for shards that are stopped: those keep it for later.
class FakeShards : public stats::ShardQuery {
 public:
  [[nodiscard]] unsigned shards() const override { return 2; }
  [[nodiscard]] bool post(unsigned shard, stats::ShardRequest request) override {
    if (shard == stopped) {
      kept.push_back(std::move(request));
      return true;
    }
    request(views[shard]);
    return true;
  }
  void run_late() {
    for (auto& request : kept) request(views[stopped]);
  }
  unsigned stopped = 99;
  std::vector<FakeView> views{FakeView("c0"), FakeView("c1")};
  std::vector<stats::ShardRequest> kept;
};

struct Bench {
  FakeShards shards;
  FakeDataplane dataplane;
  int drained = 0;
  CallTally tally;
  std::optional<Nanoseconds> limit_ns;
  bool file_is_good = false;
  AdminCommands commands{
      {&shards, &dataplane, &tally, lab_labels(),
       [this](std::optional<Nanoseconds> limit) -> std::expected<std::string, std::string> {
         ++drained;
         limit_ns = limit;
         return "draining, 2 calls are up";
       },
       [this]() -> std::expected<ReloadReport, std::string> {
         if (!file_is_good) return std::unexpected("x.yaml:3:1: no");
         return ReloadReport{"reloaded:\n  routes", {"routes"}, {"dataplane.cores"}};
       },
       [] {
         return ProcessState{"draining", 2, "/etc/x.yaml", {.done = 3, .refused = 1}, {"dataplane.cores"}};
       },
       milliseconds(20)}};

  json ask(const json& request) { return json::parse(commands.handle(request.dump())); }
  json show(const char* what) { return ask({{"command", "show"}, {"what", what}}); }
};

TEST(AdminCommands, show_calls_lists_those_of_all_shards) {
  Bench bench;
  const json answer = bench.show("calls");
  ASSERT_EQ(answer["calls"].size(), 2u);
  EXPECT_EQ(answer["total"], 2);
  EXPECT_EQ(answer["calls"][1]["id"], "c1");
  EXPECT_EQ(answer["calls"][1]["shard"], 1);
  EXPECT_EQ(answer["calls"][0]["answered_seconds"], 3.0);
  EXPECT_TRUE(answer["not_answering"].empty());
}

TEST(AdminCommands, a_stopped_shard_is_not_answering_and_its_late_answer_does_no_harm) {
  Bench bench;
  bench.shards.stopped = 0;
  const json answer = bench.show("calls");
  EXPECT_EQ(answer["not_answering"], json::array({0}));
  ASSERT_EQ(answer["calls"].size(), 1u);
  EXPECT_EQ(answer["calls"][0]["id"], "c1");
  EXPECT_THAT(show_text("calls", answer), HasSubstr("not answering: shard 0"));
  bench.shards.run_late();
}

TEST(AdminCommands, show_call_finds_it_on_whichever_shard_has_it) {
  Bench bench;
  const json answer = bench.ask({{"command", "show"}, {"what", "call"}, {"id", "c1"}});
  EXPECT_EQ(answer["call"]["shard"], 1);
  EXPECT_EQ(answer["call"]["legs"][0]["code"], 200);
  EXPECT_EQ(answer["call"]["streams"][0]["slot"], 17);
  EXPECT_EQ(answer["call"]["reason_received"], "Q.850;cause=17");
  EXPECT_THAT(show_text("call", answer), HasSubstr("confirmed"));
  EXPECT_THAT(bench.ask({{"command", "show"}, {"what", "call"}, {"id", "zz"}})["error"].get<std::string>(),
              HasSubstr("no call 'zz'"));
}

TEST(AdminCommands, show_failures_and_show_call_tell_why_a_call_that_is_gone_has_failed) {
  Bench bench;
  stats::CallRecord record;
  record.id = "f1";
  record.from_peer = "office";
  record.received = 486;
  record.received_phrase = "Busy";
  record.reason_received = "Q.850;cause=17;text=\"busy\"";
  record.sent = 600;
  record.sent_phrase = "Busy Everywhere";
  record.reason_sent = "Q.850;cause=18";
  record.rule = "m rule 1 (line 9)";
  bench.tally.add(record);
  const json answer = bench.show("failures");
  ASSERT_EQ(answer["failures"].size(), 1u);
  const json found = bench.ask({{"command", "show"}, {"what", "call"}, {"id", "f1"}});
  const json& call = found["call"];
  EXPECT_EQ(call["state"], "failed");
  for (const json& one : {answer["failures"][0], call}) {
    EXPECT_EQ(one["received"], 486);
    EXPECT_EQ(one["received_phrase"], "Busy");
    EXPECT_EQ(one["reason_received"], "Q.850;cause=17;text=\"busy\"");
    EXPECT_EQ(one["sent"], 600);
    EXPECT_EQ(one["sent_phrase"], "Busy Everywhere");
    EXPECT_EQ(one["reason_sent"], "Q.850;cause=18");
    EXPECT_EQ(one["rule"], "m rule 1 (line 9)");
  }
  EXPECT_THAT(show_text("failures", answer), HasSubstr("Q.850;cause=18"));
  EXPECT_THAT(show_text("call", found), HasSubstr("Busy Everywhere"));
  AdminCommands bare({});
  EXPECT_THAT(bare.handle(R"({"command":"show","what":"failures"})"), HasSubstr("[]"));
}

TEST(AdminCommands, show_peers_adds_the_shards_up) {
  Bench bench;
  const json answer = bench.show("peers");
  ASSERT_EQ(answer["peers"].size(), 2u);
  EXPECT_EQ(answer["peers"][0]["calls"], 2);
  EXPECT_EQ(answer["peers"][1]["usable"], true) << "one shard finds it so";
  EXPECT_THAT(show_text("peers", answer), HasSubstr("198.51.100.20:5060 up"));
}

TEST(AdminCommands, show_flows_workers_and_drops_read_the_dataplane) {
  Bench bench;
  dp::FlowRow flow;
  flow.spec.self = {7, 2};
  flow.spec.local = *Endpoint::parse("192.0.2.1:20000");
  flow.spec.latch = dp::LatchMode::once;
  flow.spec.realm = 1;
  flow.counters.packets = 150;
  bench.dataplane.flow_rows.push_back(flow);
  bench.dataplane.worker(1).ports[0].received_packets.add(10);
  bench.dataplane.worker(1).ports[0].relayed.add(8);
  bench.dataplane.worker(0).ports[0].drops[3].add(1);
  bench.dataplane.worker(0).ports[1].handed_over.add(5);

  const json flows = bench.show("flows");
  EXPECT_EQ(flows["flows"][0]["local"], "192.0.2.1:20000");
  EXPECT_EQ(flows["flows"][0]["realm"], "core");
  EXPECT_EQ(flows["flows"][0]["pair"], nullptr);
  EXPECT_EQ(flows["flows"][0]["latch"], "once");
  const json workers = bench.show("workers");
  EXPECT_EQ(workers["workers"][1]["core"], 3);
  EXPECT_EQ(workers["memory"], "ordinary");
  EXPECT_EQ(workers["ports"][0]["steering"], "flow_rules");
  EXPECT_EQ(workers["ports"][0]["rules"], 40);
  EXPECT_EQ(workers["ports"][1]["handed_over"], 5);
  EXPECT_EQ(workers["ports"][1]["node"], nullptr);
  const json drops = bench.show("drops");
  EXPECT_EQ(drops["law"][0]["received"], 10);
  EXPECT_EQ(drops["law"][0]["unaccounted"], 1);
  EXPECT_EQ(drops["drops"][0]["reason"], dp::kDropReasonNames[3]);
  EXPECT_EQ(drops["drops"][1]["reason"], "nic missed");
  for (const char* what : {"flows", "workers", "drops"})
    EXPECT_FALSE(show_text(what, bench.show(what)).empty());
}

TEST(AdminCommands, show_flows_says_how_many_it_leaves_out) {
  Bench bench;
  bench.dataplane.flow_rows.resize(10'001);
  bench.dataplane.worker(0).realms[0].flows_active.add(6000);
  bench.dataplane.worker(1).realms[1].flows_active.add(4001);
  const json flows = bench.show("flows");
  EXPECT_EQ(flows["flows"].size(), 10'000u);
  EXPECT_EQ(flows["total"], 10'001);
  EXPECT_THAT(show_text("flows", flows), HasSubstr("10000 of 10001 are shown"));
  EXPECT_THAT(show_text("flows", {{"flows", json::array()}, {"total", 0}}), Not(HasSubstr("are shown")));
}

TEST(AdminCommands, show_call_has_its_own_flows_among_however_many) {
  Bench bench;
  bench.dataplane.flow_rows.resize(20'000);
  for (std::uint32_t i = 0; i < 20'000; ++i) bench.dataplane.flow_rows[i].spec.self.slot = 20'000 - i;
  bench.dataplane.flow_rows[20'000 - 17].counters.packets = 150;
  const json answer = bench.ask({{"command", "show"}, {"what", "call"}, {"id", "c1"}});
  EXPECT_EQ(answer["call"]["streams"][0]["packets"], 150);
}

TEST(AdminCommands, drain_and_reload_say_what_they_did_or_why_not) {
  Bench bench;
  EXPECT_EQ(bench.ask({{"command", "drain"}})["done"], "draining, 2 calls are up");
  EXPECT_EQ(bench.drained, 1);
  EXPECT_EQ(bench.limit_ns, std::nullopt);
  EXPECT_EQ(bench.ask({{"command", "reload"}})["error"], "x.yaml:3:1: no");
  bench.file_is_good = true;
  const json answer = bench.ask({{"command", "reload"}});
  EXPECT_EQ(answer["done"], "reloaded:\n  routes");
  EXPECT_EQ(answer["changed"], json::array({"routes"}));
  EXPECT_EQ(answer["waiting"], json::array({"dataplane.cores"}));
}

TEST(AdminCommands, drain_takes_a_limit_and_refuses_what_is_none) {
  Bench bench;
  EXPECT_EQ(bench.ask({{"command", "drain"}, {"limit", "90s"}})["done"], "draining, 2 calls are up");
  EXPECT_EQ(bench.limit_ns, 90 * kSecond);
  for (const json& bad : {json("soon"), json("10"), json(""), json(10)}) {
    EXPECT_THAT(bench.ask({{"command", "drain"}, {"limit", bad}})["error"].get<std::string>(),
                HasSubstr("a limit is a time"));
  }
  EXPECT_EQ(bench.drained, 1);
}

TEST(AdminCommands, the_level_of_the_log_can_be_changed) {
  Bench bench;
  const config::LogLevel before = log_level();
  EXPECT_THAT(bench.ask({{"command", "log-level"}, {"level", "error"}})["done"].get<std::string>(),
              HasSubstr("is error, after info"));
  EXPECT_EQ(log_level(), config::LogLevel::error);
  EXPECT_EQ(bench.show("process")["process"]["log_level"], "error");
  EXPECT_THAT(bench.ask({{"command", "log-level"}, {"level", "loud"}})["error"].get<std::string>(),
              HasSubstr("not 'loud'"));
  EXPECT_EQ(log_level(), config::LogLevel::error);
  set_log_level(before);
}

TEST(AdminCommands, show_process_tells_state_reloads_and_what_waits) {
  Bench bench;
  const json answer = bench.show("process");
  EXPECT_EQ(answer["process"]["state"], "draining");
  EXPECT_EQ(answer["process"]["reloads_done"], 3);
  EXPECT_EQ(answer["process"]["reloads_refused"], 1);
  EXPECT_EQ(answer["process"]["config"], "/etc/x.yaml");
  EXPECT_THAT(show_text("process", answer), HasSubstr("waiting          dataplane.cores"));
}

TEST(AdminCommands, what_is_no_request_is_refused_with_a_sentence) {
  Bench bench;
  for (const char* bad : {"", "{", "[]", "7", "{}", R"({"command":"fly"})", R"({"command":"show"})",
                          R"({"command":"show","what":"x"})", R"({"command":7})",
                          R"({"command":"show","what":[]})", "\xff\xfe"}) {
    const json answer = json::parse(bench.commands.handle(bad));
    EXPECT_TRUE(answer.contains("error")) << bad;
  }
  AdminCommands bare({});
  EXPECT_THAT(bare.handle(R"({"command":"show","what":"flows"})"), HasSubstr("no dataplane"));
  EXPECT_THAT(bare.handle(R"({"command":"drain"})"), HasSubstr("not possible"));
  EXPECT_THAT(bare.handle(R"({"command":"reload"})"), HasSubstr("not possible"));
  EXPECT_THAT(bare.handle(R"({"command":"show","what":"process"})"), HasSubstr("no process"));
  EXPECT_THAT(bare.handle(R"({"command":"show","what":"calls"})"), HasSubstr("\"total\":0"));
}

// ---- socket
// --------------------------------------------------------------------------------------------------------

int connect_to(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), to.sun_path);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

std::string read_until_closed(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n; (n = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;)
    all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

AdminHandler echo() {
  return [](std::string_view request) { return "<" + std::string(request) + ">"; };
}

TEST(AdminServer, answers_lines_and_its_socket_is_private) {
  const Folder folder;
  const std::string path = folder.file("run/admin.sock");
  {
    const auto server = AdminServer::start(path, echo());
    ASSERT_TRUE(server.has_value()) << server.error();
    struct stat there{};
    ASSERT_EQ(::stat(path.c_str(), &there), 0);
    EXPECT_EQ(there.st_mode & 0777u, 0600u);
    EXPECT_EQ(ask_admin(path, "hello", seconds(20)), "<hello>");
    EXPECT_EQ(ask_admin(path, "", seconds(20)), "<>");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto gone = ask_admin(path, "hello", seconds(20));
  ASSERT_FALSE(gone.has_value());
  EXPECT_THAT(gone.error(), HasSubstr("is Sallyport running"));
}

TEST(AdminServer, that_is_opened_answers_what_came_meanwhile_once_it_begins_and_leaves_nothing_without) {
  const Folder folder;
  const std::string path = folder.file("s");
  {
    const auto server = AdminServer::open(path, echo());
    ASSERT_TRUE(server.has_value());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto server = AdminServer::open(path, echo());
  ASSERT_TRUE(server.has_value());
  const int early = connect_to(path);
  ASSERT_EQ(::send(early, "one\n", 4, 0), 4);
  ::shutdown(early, SHUT_WR);
  (*server)->begin();
  EXPECT_EQ(read_until_closed(early), "<one>\n");
  ::close(early);
}

TEST(AdminServer, replaces_a_stale_socket_but_neither_a_live_one_nor_a_file) {
  const Folder folder;
  const std::string path = folder.file("admin.sock");
  {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), at.sun_path);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    ::close(fd);  // the file stays
  }
  const auto server = AdminServer::start(path, echo());
  ASSERT_TRUE(server.has_value()) << server.error();
  const auto second = AdminServer::start(path, echo());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("running already"));
  EXPECT_EQ(ask_admin(path, "still", seconds(20)), "<still>");

  const std::string file = folder.file("precious");
  std::ofstream(file) << "x";
  EXPECT_FALSE(AdminServer::start(file, echo()).has_value());
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_FALSE(AdminServer::start(std::string(300, 'x'), echo()).has_value());
}

TEST(AdminServer, several_requests_of_one_client_are_answered_in_turn) {
  const Folder folder;
  const auto server = AdminServer::start(folder.file("s"), echo());
  ASSERT_TRUE(server.has_value());
  const int fd = connect_to(folder.file("s"));
  const std::string_view requests = "one\ntwo\nthr";
  ASSERT_GT(::send(fd, requests.data(), requests.size(), 0), 0);
  ASSERT_GT(::send(fd, "ee\n", 3, 0), 0);
  ::shutdown(fd, SHUT_WR);
  EXPECT_EQ(read_until_closed(fd), "<one>\n<two>\n<three>\n");
  ::close(fd);
}

TEST(AdminServer, a_request_without_end_is_refused_and_the_client_closed) {
  const Folder folder;
  const auto server = AdminServer::start(folder.file("s"), echo());
  ASSERT_TRUE(server.has_value());
  const int fd = connect_to(folder.file("s"));
  const std::string flood(3 * kMaxRequestBytes, 'x');
  static_cast<void>(::send(fd, flood.data(), flood.size(), MSG_NOSIGNAL));
  EXPECT_THAT(read_until_closed(fd), HasSubstr("too long"));
  ::close(fd);
}

TEST(AdminServer, clients_that_do_not_read_or_do_not_ask_hold_nobody_up) {
  const Folder folder;
  const auto server =
      AdminServer::start(folder.file("s"), [](std::string_view) { return std::string(32u << 20, 'x'); });
  ASSERT_TRUE(server.has_value());
  std::vector<int> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(connect_to(folder.file("s")));
    static_cast<void>(::send(slow.back(), "ask\n", 4, 0));  // and never reads
    slow.push_back(connect_to(folder.file("s")));           // never asks
  }
  const auto answer = ask_admin(folder.file("s"), "ask", seconds(60));
  ASSERT_TRUE(answer.has_value()) << answer.error();
  EXPECT_EQ(answer->size(), 32u << 20);
  for (const int fd : slow) ::close(fd);
}

TEST(AdminServer, more_clients_than_it_takes_are_turned_away) {
  const Folder folder;
  const auto server = AdminServer::start(folder.file("s"), echo());
  ASSERT_TRUE(server.has_value());
  std::vector<int> clients;
  for (std::size_t i = 0; i < kMaxClients + 1; ++i) clients.push_back(connect_to(folder.file("s")));
  EXPECT_EQ(read_until_closed(clients.back()), "") << "closed at once";
  ASSERT_GT(::send(clients.front(), "x\n", 2, 0), 0);
  char buffer[8];
  EXPECT_EQ(::recv(clients.front(), buffer, sizeof(buffer), 0), 4);
  for (const int fd : clients) ::close(fd);
}

// ---- the commands of the command line
// --------------------------------------------------------------------------------

TEST(AdminClient, prints_text_or_json_and_errors_apart) {
  Bench bench;
  const Folder folder;
  const std::string path = folder.file("s");
  const auto server =
      AdminServer::start(path, [&](std::string_view request) { return bench.commands.handle(request); });
  ASSERT_TRUE(server.has_value());
  std::ostringstream out, error;
  EXPECT_EQ(show(path, "calls", "", false, out, error), 0);
  EXPECT_THAT(out.str(), HasSubstr("established"));
  out.str("");
  EXPECT_EQ(show(path, "calls", "", true, out, error), 0);
  EXPECT_EQ(json::parse(out.str())["total"], 2);
  EXPECT_EQ(error.str(), "");
  out.str("");
  EXPECT_EQ(show(path, "call", "zz", true, out, error), 1);
  EXPECT_THAT(error.str(), HasSubstr("no call 'zz'"));
  EXPECT_EQ(out.str(), "");
  EXPECT_EQ(command(path, "drain", Argument{"limit", "2m"}, false, out, error), 0);
  EXPECT_EQ(bench.limit_ns, 120 * kSecond);
  EXPECT_EQ(out.str(), "draining, 2 calls are up\n");
  EXPECT_EQ(command(path, "reload", std::nullopt, false, out, error), 1);
  EXPECT_EQ(show(folder.file("none"), "calls", "", false, out, error), 1);
}

TEST(AdminClient, an_argument_that_is_not_utf_8_is_refused_before_anybody_is_asked) {
  const Folder folder;
  std::ostringstream out, error;
  EXPECT_EQ(show(folder.file("none"), "call", "a\xff", false, out, error), 2);
  EXPECT_EQ(command(folder.file("none"), "log-level", Argument{"level", "\xc0\xaf"}, true, out, error), 2);
  EXPECT_EQ(command(folder.file("none"), "drain", Argument{"limit", "9\xe9"}, true, out, error), 2);
  EXPECT_EQ(error.str(),
            "the id is not UTF-8: it cannot be asked for\n"
            "the level is not UTF-8: it cannot be asked for\n"
            "the limit is not UTF-8: it cannot be asked for\n");
  EXPECT_EQ(out.str(), "");
  EXPECT_TRUE(can_be_asked("user", "J\xc3\xb6rg", error));
}

}  // namespace
}  // namespace sallyport::ops

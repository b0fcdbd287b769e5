// SPDX-License-Identifier: Apache-2.0
// Endpoints call each other through a shard over a network that loses, repeats, delays, reorders and lies.
// Whatever the seed makes of it: in the end no call, leg, transaction, timer, flow or port is left, each
// endpoint that lives has had a BYE or a final answer for each of its sessions, an ACK for each 2xx that it
// sent, and an answer to each request. Whenever nothing is on its way and a call is up, its media goes where
// both endpoints have agreed to have it. Calls are transferred too (REFER, passed on or followed, and INVITE
// with Replaces) and picked up while they ring, between calls of one shard and of two, of one worker and of
// two.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/controlplane/shard/agent_support.h"

namespace sallyport::shard {
namespace {

// SALLYPORT_SEEDS: another number. A sanitizer's run is a tenth as fast.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kSeeds = 500;
#elif defined(__has_feature)
constexpr unsigned kSeeds = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 500 : 5'000;
#else
constexpr unsigned kSeeds = 5'000;
#endif
constexpr std::size_t kRingBytes = 64 << 10;
constexpr Nanoseconds kLongest = 900 * kSecond;
// Longer than any pause between two messages of a transaction: INVITE, doubled from T1 until 64*T1.
constexpr Nanoseconds kQuiet = 17 * kSecond;

constexpr std::string_view kYaml = R"(dataplane:
  cores: @CORES@
  ports:
    access: {device: "net_null0"}
    core: {device: "net_null1"}
controlplane: {shards: @SHARDS@}
realms:
  access: {port: access, addresses: ["198.51.100.1/24"], media: {ports: 20000-20199}, nat_keepalive: 10s}
  core: {port: core, addresses: ["192.0.2.1/24"], media: {ports: 30000-30199}, private_media: reject}
peers:
  office:
    realm: access
    refer: @REFER@
    match: ["198.51.100.0/24"]
    targets: ["sip:198.51.100.20:5060"]
    limits: {setup: 5s, ring: 20s, duration: 200s}
    session_timer: {expires: 90s}
  carrier-a:
    realm: core
    refer: @REFER@
    match: ["192.0.2.10"]
    targets: ["sip:192.0.2.10:5060"]
    limits: {setup: 5s, ring: 20s, duration: 200s}
  carrier-b:
    realm: core
    refer: @REFER@
    match: ["192.0.2.11"]
    targets: ["sip:192.0.2.11:5060"]
    limits: {setup: 5s, ring: 20s, duration: 200s}
routes:
  - {from: office, user: "0*", to: [carrier-b]}
  - {from: office, to: [carrier-a, carrier-b]}
  - {from: [carrier-a, carrier-b], to: [office]}
)";

// The configuration of a world: whether its shards and its workers are two, and what it makes of a REFER.
std::string yaml_of(unsigned shards, unsigned workers, std::string_view refer) {
  std::string yaml(kYaml);
  const auto put = [&](std::string_view place, std::string_view text) {
    for (std::size_t at = 0; (at = yaml.find(place)) != std::string::npos;)
      yaml.replace(at, place.size(), text);
  };
  put("@SHARDS@", std::to_string(shards));
  put("@CORES@", workers == 2 ? "[1, 2]" : "[1]");
  put("@REFER@", refer);
  return yaml;
}

struct Weather {
  unsigned loss = 0;  // percent
  unsigned twice = 0;
  unsigned garbage = 0;  // per thousand
  unsigned lies = 0;     // per thousand: ICMP for a request that got through
  unsigned longest_ms = 30;
};

class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        transfers_(dice(40)),
        shards_(transfers_ && dice(60) ? 2 : 1),
        workers_(transfers_ && dice(60) ? 2 : 1),
        follows_(dice(70)),
        bench_(yaml_of(shards_, workers_, follows_ ? "follow" : "pass"), kRingBytes, kRingBytes) {
    nat_ = dice(transfers_ ? 10 : 30);
    add("access", nat_ ? "198.51.100.2:40123" : "198.51.100.20:5060",
        nat_ ? "10.20.0.10:5060" : "198.51.100.20:5060");
    add("core", "192.0.2.10:5060", "192.0.2.10:5060");
    add("core", "192.0.2.11:5060", "192.0.2.11:5060");
    if (dice(60))
      weather_ = {.loss = pick(15), .twice = pick(20), .garbage = pick(10), .lies = 0, .longest_ms = 30};
    if (dice(30)) weather_.longest_ms = 3000;
    if (dice(10)) weather_.lies = 20;
    for (const auto& agent : agents_) shape(agent->nature, nat_ && agent->realm() == "core");
  }

  // How often the media of a call that is up was held against what both sides have agreed.
  [[nodiscard]] unsigned compared() const { return compared_; }
  [[nodiscard]] bool is_spread() const { return shards_ == 2 && workers_ == 2; }
  // Calls that have ended so: "Transferred", "Replaced".
  [[nodiscard]] unsigned ended(std::string_view reason) const {
    const auto is_it = [&](const stats::CallRecord& record) { return record.reason == reason; };
    return static_cast<unsigned>(std::ranges::count_if(bench_.records.records, is_it));
  }
  // Calls that were answered for somebody else than who rang, and went on with him.
  [[nodiscard]] unsigned picked_up() const {
    const auto was = [](const stats::CallRecord& record) {
      return record.sent == 200 && !record.attempts.empty() &&
             record.attempts.back().local_error == "cancelled" && record.reason == "Replaced";
    };
    return static_cast<unsigned>(std::ranges::count_if(bench_.records.records, was));
  }

  void run() {
    const Nanoseconds start = bench_.now();
    const unsigned calls = 1 + pick(2) + transfers_;
    for (unsigned i = 0; i < calls; ++i) {
      // Behind his NAT the office cannot be called: its target is the public address.
      const std::size_t caller = nat_ ? 0 : pick(1);
      at(i * span(0, 5'000), [this, caller] { agents_[caller]->call("4930123"); });
    }
    if (dice(70)) at(span(5'000, dice(50) ? 50'000 : 180'000), [this] { everybody_hangs_up(); });
    if (dice(15)) at(span(0, 40'000), [this] { agents_[pick(2)]->die(); });
    if (dice(5)) at(span(0, 30'000), [this] { silence_of_media(); });
    if (transfers_ && !nat_ && dice(50)) at(span(5'000, 40'000), [this] { agents_[pick(2)]->take_over(); });
    while (step()) {
      if (bench_.now() - start > kLongest) {
        ADD_FAILURE() << "no rest after " << kLongest / kSecond << " s";
        break;
      }
    }
  }

  void judge() {
    bench_.expect_empty();
    for (const auto& agent : agents_) {
      if (agent->dead()) continue;
      for (const auto& session : agent->sessions()) judge(*agent, *session);
    }
    if (std::ranges::none_of(agents_, [](const auto& agent) { return agent->dead(); })) {
      // One for each call: those of the endpoints, and those that a REFER has had us place. An INVITE that was
      // garbled on its way has one of its own.
      const auto whole = [](const stats::CallRecord& record) { return record.local_error != "malformed"; };
      const auto records = static_cast<std::size_t>(std::ranges::count_if(bench_.records.records, whole));
      EXPECT_GE(records, placed());
      EXPECT_LE(records, placed() + (follows_ ? referred() : 0));
    }
  }

  void print() const {
    for (const std::string& line : log_) std::printf("%s\n", line.c_str());
  }

 private:
  unsigned pick(unsigned most) { return static_cast<unsigned>(random_() % (most + 1)); }
  bool dice(unsigned percent) { return random_() % 100 < percent; }
  Nanoseconds span(unsigned low_ms, unsigned high_ms) {
    return (low_ms + pick(high_ms - low_ms)) * kMillisecond;
  }
  void at(Nanoseconds delay, std::function<void()> act) {
    agenda_.emplace(bench_.now() + delay, std::move(act));
  }

  void add(std::string realm, std::string source, std::string own) {
    const std::string door = realm == "access" ? "198.51.100.1" : "192.0.2.1";
    Agent& agent = *agents_.emplace_back(
        std::make_unique<Agent>(std::move(realm), std::move(source), std::move(own), door, random_));
    agent.now = [this] { return bench_.now(); };
    agent.send = [this](Agent& from, const std::string& text) { to_sallyport(from, text); };
  }

  // INVITEs that begin a dialog, of all endpoints.
  unsigned placed() const {
    unsigned found = 0;
    for (const auto& agent : agents_)
      found += static_cast<unsigned>(
          std::ranges::count(agent->sessions(), true, [](const auto& s) { return s->caller; }));
    return found;
  }

  unsigned referred() const {
    unsigned found = 0;
    for (const auto& agent : agents_) found += agent->referred();
    return found;
  }

  std::uint64_t calls() {
    std::uint64_t found = 0;
    for (unsigned shard = 0; shard < shards_; ++shard) found += bench_.shard(shard).manager().calls();
    return found;
  }

  // `nobody`: whoever it might transfer to cannot be called.
  void shape(Nature& nature, bool nobody) {
    nature.silent = dice(20) ? 50 : 0;
    nature.early = pick(100);
    nature.refuses = dice(30) ? 80 : 10;
    nature.forks = dice(15) ? 50 : 0;
    nature.odd_answers = dice(15) ? 50 : 0;
    nature.cancels = dice(30) ? 80 : 0;
    nature.late_offers = dice(25) ? 60 : 0;
    nature.reliable = dice(50) ? 70 : 0;
    nature.updates = dice(60) ? 100 : 0;
    nature.timers = dice(25) ? 80 : 0;
    nature.acts = pick(4);
    nature.hangs_up = pick(60);
    if (!transfers_ || nobody) return;
    nature.transfers = 60;
    nature.refuses = 10;
    nature.acts += 2;
    nature.hangs_up /= 3;
    nature.follows = 60;
    nature.picks_up = dice(50) ? 40 : 0;
  }

  void note(std::string_view what, std::string_view who, const std::string& text) {
    if (log_.size() < 2000) {
      const Sent message{.local = {}, .remote = {}, .realm = 0, .text = text};
      log_.push_back(std::to_string(bench_.now() / kMillisecond) + " " + std::string(what) + " " +
                     std::string(who) + " " + message.start_line() + " [" + message.header("CSeq") + "] " +
                     message.header("Call-ID").substr(0, 12));
    }
  }

  // Half a message, of a transaction of its own: the 400 must not end the true one.
  std::string garbage(std::string text) {
    if (const auto at = text.find("branch=z9hG4bK"); at != std::string::npos)
      text.replace(at, 14, "branch=z9hG4bKgarbage");
    return text.substr(0, text.size() / 4 + random_() % (text.size() / 2));
  }

  void to_sallyport(Agent& from, const std::string& text) {
    note("->", from.source(), text);
    if (random_() % 1000 < weather_.garbage)
      post([this, &from, broken = garbage(text)] { bench_.receive(from.realm(), from.source(), broken); });
    post([this, &from, text] { bench_.receive(from.realm(), from.source(), text); });
  }

  void from_sallyport(const Sent& sent) {
    const std::string where = sent.remote.to_text();
    for (const auto& agent : agents_) {
      if (agent->source() != where) continue;
      note("<-", where, sent.text);
      post([&agent, text = sent.text] { agent->receive(text); });
      if (sent.is("SIP/2.0") || sent.is("ACK ")) return;
      const bool lie = random_() % 1000 < weather_.lies;
      if (lie) agent->excused.insert(sent.header("Call-ID"));
      if (lie || (agent->dead() && dice(30)))
        at(kMillisecond, [this, sent] { bench_.report_unreachable(sent); });
      return;
    }
    ADD_FAILURE() << "nobody is at " << where << "\n" << sent.text;
  }

  void post(const std::function<void()>& arrive) {
    last_message_ = bench_.now();
    const unsigned copies = dice(weather_.twice) ? 2 : 1;
    for (unsigned i = 0; i < copies; ++i) {
      if (dice(weather_.loss)) continue;
      ++on_its_way_;
      at(span(1, weather_.longest_ms), [this, arrive] {
        --on_its_way_;
        arrive();
      });
    }
  }

  // One instant; false when nothing will ever happen again.
  bool step() {
    Nanoseconds next = bench_.next_deadline_ns();
    if (!agenda_.empty()) next = std::min(next, agenda_.begin()->first);
    for (const auto& agent : agents_) next = std::min(next, agent->next());
    if (next == sip::TimerWheel::kNever) return false;
    if (next > last_message_ + kQuiet && on_its_way_ == 0) compare_media();
    bench_.advance_to(std::max(next, bench_.now() + kMillisecond));
    while (!agenda_.empty() && agenda_.begin()->first <= bench_.now()) {
      const auto act = std::move(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
      act();
    }
    for (const auto& agent : agents_) agent->run();
    bench_.turn();
    for (auto sent = bench_.take(); !sent.empty(); sent = bench_.take()) {
      for (const Sent& message : sent) from_sallyport(message);
      bench_.turn();
    }
    return true;
  }

  struct Up {
    const Agent* whose;
    const Agent::Session* session;
  };
  // The sessions of all endpoints; none: something is still going on.
  std::vector<Up> sessions_at_rest() const {
    std::vector<Up> found;
    for (const auto& agent : agents_) {
      if (agent->dead() || !agent->quiet()) return {};
      for (const auto& session : agent->sessions()) {
        if (session->state == Agent::State::over) continue;
        if (session->state != Agent::State::up || agent->excused.contains(session->call_id)) return {};
        found.push_back({agent.get(), session.get()});
      }
    }
    return found;
  }

  // RFC 3264: both legs have one view of the session, and the flows are set by it.
  void compare_media() {
    if (compared_at_ == last_message_ || calls() != 1 || weather_.lies != 0) return;
    compared_at_ = last_message_;
    const std::vector<Up> up = sessions_at_rest();
    if (up.empty()) return;
    EXPECT_EQ(up.size(), 2u) << "the two legs do not agree that the call is up";
    for (const Up& one : up) {
      const Agent* whose = one.whose;
      const Agent::Session* session = one.session;
      if (session->port == 0 || whose->own() != whose->source()) continue;
      ++compared_;
      const std::string host = whose->own().substr(0, whose->own().find(':'));
      const auto is_there = [&](const auto& entry) {
        const dp::FlowSpec& flow = entry.second;
        return flow.kind == dp::FlowKind::rtp && flow.owner.stream == 0 &&
               flow.remote.port == session->port && flow.remote.address.to_text() == host;
      };
      // Both sessions may be of one host, which has drawn one port twice.
      const auto alike = std::ranges::count_if(
          up, [&](const Up& other) { return other.whose == whose && other.session->port == session->port; });
      EXPECT_EQ(std::ranges::count_if(bench_.flows, is_there), alike)
          << host << ":" << session->port << " " << session->call_id;
    }
  }

  void everybody_hangs_up() {
    for (const auto& agent : agents_) {
      if (!agent->dead()) agent->hang_up_everything();
    }
  }

  void silence_of_media() {
    if (bench_.flows.empty()) return;
    // Of everybody, of one side, or of one that speaks again.
    const std::uint32_t first = bench_.flows.begin()->first;
    switch (pick(2)) {
      case 0:
        return bench_.report_silence();
      case 1:
        return bench_.report_idle(first);
      default:
        return bench_.report_idle(first, true);
    }
  }

  void judge(const Agent& agent, const Agent::Session& session) {
    if (agent.excused.contains(session.call_id)) return;
    const bool told_nobody = !session.caller && !session.said;  // nobody can cancel what gave no sign
    EXPECT_TRUE(told_nobody || session.state == Agent::State::over)
        << agent.source() << " " << session.call_id;
    // The ACK that answers a late offer waits for the other side's, for ever when that side is dead.
    const bool all_live = std::ranges::none_of(agents_, [](const auto& other) { return other->dead(); });
    EXPECT_TRUE(session.missed_acks == 0 || !all_live) << agent.source() << " " << session.call_id;
    // What goes from end to end to a dead side has no answer before the asker's timer F, which began first.
    EXPECT_TRUE(session.unrelayed == 0 || !all_live) << agent.source() << " " << session.call_id;
    EXPECT_EQ(session.unanswered, 0u) << agent.source() << " " << session.call_id << " " << session.end;
  }

  std::mt19937_64 random_;
  bool transfers_;
  unsigned shards_;
  unsigned workers_;
  bool follows_;
  Bench bench_;
  Weather weather_;
  bool nat_ = false;
  unsigned on_its_way_ = 0;
  Nanoseconds last_message_ = 0;
  Nanoseconds compared_at_ = 0;
  unsigned compared_ = 0;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::multimap<Nanoseconds, std::function<void()>> agenda_;
  std::vector<std::string> log_;
};

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// SALLYPORT_SEED=n runs that seed alone and prints its messages; SALLYPORT_SEEDS=n the first n.
TEST(RandomCalls, Whatever_the_network_does_nothing_is_left_and_both_legs_agree) {
  const std::uint64_t only = number_of("SALLYPORT_SEED", 0);
  const std::uint64_t first = only != 0 ? only : 1;
  const std::uint64_t last = only != 0 ? only : number_of("SALLYPORT_SEEDS", kSeeds);
  unsigned compared = 0;
  unsigned transferred = 0;  // in worlds of two shards and two workers
  unsigned replaced = 0;
  unsigned picked_up = 0;
  unsigned failed = 0;
  for (std::uint64_t seed = first; seed <= last && failed < 5; ++seed) {
    SCOPED_TRACE("SALLYPORT_SEED=" + std::to_string(seed));
    const int before = ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    World world(seed);
    world.run();
    world.judge();
    if (only != 0) world.print();
    compared += world.compared();
    if (world.is_spread()) transferred += world.ended("Transferred");
    replaced += world.ended("Replaced");
    picked_up += world.picked_up();
    const int after = ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    failed += after != before;
  }
  if (only == 0) {
    EXPECT_GT(compared, last / 10) << "the media was hardly ever looked at";
    if (last >= 500) {  // the first few seeds need not have any
      EXPECT_GT(transferred, last / 100) << "hardly a call was transferred";
      EXPECT_GT(replaced, last / 100) << "hardly a leg was replaced";
      EXPECT_GT(picked_up, last / 100) << "hardly a call was picked up";
    }
    RecordProperty("compared", static_cast<int>(compared));
    RecordProperty("transferred", static_cast<int>(transferred));
    RecordProperty("replaced", static_cast<int>(replaced));
    RecordProperty("picked_up", static_cast<int>(picked_up));
  }
}

}  // namespace
}  // namespace sallyport::shard

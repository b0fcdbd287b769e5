// SPDX-License-Identifier: Apache-2.0
// Offer and answer seen from the middle, on a bench that keeps flows as a worker does.
#include "controlplane/media/offer_answer.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sallyport::media {
namespace {

// The worker: flows by slot; every removal waits for confirm().
struct Worker : FlowCommandSink {
  void send(std::uint8_t, const dp::FlowInstall& c) override {
    EXPECT_FALSE(flows.contains(c.spec.self.slot));
    flows[c.spec.self.slot] = c.spec;
    ++installs;
  }
  void send(std::uint8_t, const dp::FlowUpdate& c) override {
    EXPECT_TRUE(flows.contains(c.spec.self.slot));
    flows[c.spec.self.slot] = c.spec;
    ++updates;
    reopened += c.reopen_latch;
  }
  void send(std::uint8_t, const dp::FlowRemove& c) override {
    EXPECT_TRUE(flows.erase(c.flow.slot));
    removed.push_back(c.flow);
  }
  std::map<std::uint32_t, dp::FlowSpec> flows;
  std::vector<dp::FlowRef> removed;
  int installs = 0;
  int updates = 0;
  int reopened = 0;
};

struct Line {
  unsigned port = 4000;
  std::string more;
  std::string kind = "audio";
  std::string proto = "RTP/AVP";
  std::string formats = "8";
};

std::string sdp_of(const std::string& address, const std::vector<Line>& lines,
                   const std::string& version = "1") {
  const std::string family = address.find(':') == std::string::npos ? "IP4 " : "IP6 ";
  std::string text = "v=0\r\no=x 1 " + version + " IN " + family + address + "\r\ns=-\r\nc=IN " + family +
                     address + "\r\nt=0 0\r\n";
  for (const Line& line : lines) {
    text += "m=" + line.kind + " " + std::to_string(line.port) + " " + line.proto + " " + line.formats +
            "\r\n" + line.more;
  }
  return text;
}

// The value of the nth line that starts so.
std::string line_of(const std::string& text, const std::string& start, int n = 0) {
  std::size_t at = 0;
  for (;; ++at) {
    at = text.find(start, at);
    if (at == std::string::npos) return {};
    if ((at == 0 || text[at - 1] == '\n') && n-- == 0) return text.substr(at, text.find("\r\n", at) - at);
  }
}

unsigned port_of(const std::string& text, int n = 0) {
  const std::string line = line_of(text, "m=", n);
  return static_cast<unsigned>(std::stoul(line.substr(line.find(' ') + 1)));
}

std::uint64_t version_of(const std::string& text) {
  const std::string line = line_of(text, "o=");
  const auto at = line.find(' ', line.find(' ') + 1);
  return std::stoull(line.substr(at + 1));
}

std::string id_of(const std::string& text) {
  const std::string line = line_of(text, "o=");
  return line.substr(4, line.find(' ', 4) - 4);
}

constexpr const char* kA = "198.51.100.20";
constexpr const char* kB = "192.0.2.10";

class OfferAnswerTest : public ::testing::Test {
 protected:
  OfferAnswerTest() {
    session.set_leg(Leg::a, facts(0, "198.51.100.1"));
    session.set_leg(Leg::b, facts(1, "192.0.2.1"));
  }
  ~OfferAnswerTest() override {
    session.close_all();
    confirm();
    EXPECT_TRUE(session.is_closed());
    EXPECT_TRUE(worker.flows.empty());
    EXPECT_EQ(ports.level(0).used + ports.level(1).used, 0u);
  }
  static LegMedia facts(std::uint16_t realm, const char* address) {
    LegMedia facts;
    facts.realm = realm;
    facts.address = *IpAddress::parse(address);
    facts.family = facts.address.family();
    return facts;
  }
  void confirm() {
    for (const dp::FlowRef flow : std::exchange(worker.removed, {})) session.on_removed({flow, {}, {}}, 0);
  }
  // What is expected to be taken.
  std::string offer(Leg from, const std::string& body) {
    const auto text = engine.offer(from, body, policy, 0);
    EXPECT_TRUE(text) << text.error().detail;
    return text.value_or("");
  }
  std::string answer(Leg from, const std::string& body, bool provisional = false) {
    const auto text = engine.answer(from, body, policy, provisional);
    EXPECT_TRUE(text) << text.error().detail;
    return text.value_or("");
  }
  MediaFault refused(const std::expected<std::string, MediaError>& text) {
    EXPECT_FALSE(text);
    return text ? MediaFault{} : text.error().fault;
  }
  // An agreed call with audio: a at 4000, b at 6000.
  void agree() {
    offer(Leg::a, sdp_of(kA, {{4000}}));
    answer(Leg::b, sdp_of(kB, {{6000}}));
    ASSERT_EQ(engine.state(), OfferAnswer::State::stable);
  }
  const dp::FlowSpec& flow(Leg leg, std::size_t stream = 0) {
    for (const auto& [slot, spec] : worker.flows) {
      if (spec.local == session.local_rtp(leg, stream)) return spec;
    }
    static const dp::FlowSpec none;
    ADD_FAILURE() << "no such flow";
    return none;
  }
  static Endpoint at(const std::string& text) { return *Endpoint::parse(text); }

  std::vector<dp::MediaRange> layout{{0, *IpAddress::parse("198.51.100.1"), 20000, 20007, 0},
                                     {1, *IpAddress::parse("192.0.2.1"), 30000, 30007, 8},
                                     {1, *IpAddress::parse("2001:db8:2::1"), 30000, 30007, 16}};
  PortAllocator ports{layout, {.cool_down_ns = 0}};
  Worker worker;
  MediaSession session{ports, worker, {.call_slot = 1}, 0};
  OfferAnswer engine{session, {111, 222}};
  sdp::PolicyInput policy{.source = *IpAddress::parse(kA)};
};

TEST_F(OfferAnswerTest, The_first_offer_opens_its_flows_before_its_text_is_handed_out) {
  EXPECT_EQ(engine.state(), OfferAnswer::State::idle);
  const std::string text = offer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_TRUE(engine.offered_by(Leg::a));
  EXPECT_EQ(worker.installs, 4);
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(flow(Leg::b).remote.port, 0) << "the answerer is not known yet";
  EXPECT_EQ(line_of(text, "c="), "c=IN IP4 192.0.2.1");
  EXPECT_EQ(port_of(text), session.local_rtp(Leg::b, 0).port);
  EXPECT_EQ(id_of(text), "222");
  EXPECT_EQ(text.find(kA), std::string::npos);
}

TEST_F(OfferAnswerTest, The_answer_goes_back_with_our_address_and_settles) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  const std::string text = answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(line_of(text, "c="), "c=IN IP4 198.51.100.1");
  EXPECT_EQ(port_of(text), session.local_rtp(Leg::a, 0).port);
  EXPECT_EQ(id_of(text), "111");
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
}

TEST_F(OfferAnswerTest, An_answer_in_a_18x_may_be_followed_by_another) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_FALSE(engine.has_answer());
  answer(Leg::b, sdp_of(kB, {{6000}}), true);
  EXPECT_TRUE(engine.has_answer());
  EXPECT_TRUE(engine.offered_by(Leg::a));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
  answer(Leg::b, sdp_of(kB, {{7000}}), true);
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:7000")) << "early media of another fork";
  answer(Leg::b, sdp_of(kB, {{8000}}));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:8000"));
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
}

TEST_F(OfferAnswerTest, A_2xx_without_SDP_settles_what_the_18x_said) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  answer(Leg::b, sdp_of(kB, {{6000}}), true);
  engine.settle();
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_FALSE(engine.has_answer());
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
}

TEST_F(OfferAnswerTest, A_stream_refused_in_the_final_answer_closes_and_one_refused_in_a_18x_does_not) {
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 4002, .kind = "video"}}));
  EXPECT_EQ(worker.installs, 8);
  const std::string early = answer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}), true);
  EXPECT_EQ(port_of(early, 1), 0u);
  EXPECT_TRUE(session.is_open(1));
  const std::string text = answer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}));
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_NE(port_of(text, 0), 0u);
  EXPECT_TRUE(session.is_open(1)) << "another fork may still take it";
  engine.end_forks();
  EXPECT_FALSE(session.is_open(1));
  EXPECT_EQ(worker.flows.size(), 4u);
}

TEST_F(OfferAnswerTest, A_stream_refused_in_a_18x_may_be_taken_in_the_2xx) {
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 4002, .kind = "video"}}));
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}), true);
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 6002, .kind = "video"}}));
  EXPECT_EQ(flow(Leg::b, 1).remote, at("192.0.2.10:6002"));
}

TEST_F(OfferAnswerTest, What_is_agreed_is_said_again_with_a_version_above_all_that_was_told) {
  agree();
  const std::string before = engine.told(Leg::b);
  const std::string offered = offer(Leg::a, sdp_of(kA, {{4444}}));
  engine.withdraw();
  const auto again = engine.restate(Leg::b, 1);
  ASSERT_TRUE(again);
  EXPECT_GT(version_of(*again), version_of(offered));
  EXPECT_EQ(again->substr(again->find("\r\ns=")), before.substr(before.find("\r\ns=")));
  EXPECT_EQ(engine.told(Leg::b), *again);
  EXPECT_FALSE(engine.restate(Leg::b, 2)) << "RFC 3264 8: a stream cannot be taken back";
}

TEST_F(OfferAnswerTest, A_rejection_takes_no_stream) {
  agree();
  const std::string text = engine.rejection(Leg::b, sdp_of(kB, {{6000}, {.port = 6002, .kind = "video"}}));
  EXPECT_EQ(port_of(text, 0), 0u);
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_EQ(text.find(kB), std::string::npos);
  EXPECT_EQ(engine.rejection(Leg::b, "nonsense"), "");
}

TEST_F(OfferAnswerTest, A_stream_offered_with_port_0_opens_nothing) {
  const std::string text = offer(Leg::a, sdp_of(kA, {{4000}, {.port = 0, .kind = "video"}}));
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_EQ(worker.installs, 4);
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}));
}

TEST_F(OfferAnswerTest, A_stream_that_no_relay_can_carry_is_offered_with_port_0) {
  const std::string text = offer(
      Leg::a, sdp_of(kA, {{4000}, {.port = 9, .kind = "message", .proto = "TCP/MSRP", .formats = "*"}}));
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_EQ(worker.installs, 4);
}

TEST_F(OfferAnswerTest, A_re_offer_changes_no_flow_before_its_answer) {
  agree();
  const int updates = worker.updates;
  offer(Leg::a, sdp_of("198.51.100.21", {{4444}}));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(worker.updates, updates);
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.21:4444"));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
  EXPECT_EQ(worker.installs, 4) << "the ports stay";
}

TEST_F(OfferAnswerTest, A_new_address_opens_the_latch_again_and_an_old_one_does_not) {
  agree();
  const int before = worker.reopened;
  offer(Leg::a, sdp_of(kA, {{4000}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(worker.reopened, before);
  offer(Leg::a, sdp_of(kA, {{4444}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(worker.reopened, before + 2) << "RTP and RTCP of the caller's side";
}

TEST_F(OfferAnswerTest, A_withdrawn_re_offer_leaves_what_was_agreed) {
  agree();
  const auto before = worker.flows;
  offer(Leg::b, sdp_of("192.0.2.12", {{7000}, {.port = 7002, .kind = "video"}}));
  EXPECT_EQ(worker.flows.size(), 8u) << "a new stream opens with its offer";
  engine.withdraw();
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(worker.flows.size(), 4u);
  for (const auto& [slot, spec] : before) EXPECT_EQ(worker.flows.at(slot).remote, spec.remote);
  confirm();
  offer(Leg::a, sdp_of(kA, {{4100}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4100")) << "and the next one works";
}

TEST_F(OfferAnswerTest, A_withdrawal_undoes_a_provisional_answer_too) {
  agree();
  offer(Leg::a, sdp_of(kA, {{4444}}));
  answer(Leg::b, sdp_of(kB, {{6666}}), true);
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6666"));
  engine.withdraw();
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
}

TEST_F(OfferAnswerTest, A_withdrawn_first_offer_leaves_nothing) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  engine.withdraw();
  EXPECT_EQ(engine.state(), OfferAnswer::State::idle);
  EXPECT_TRUE(worker.flows.empty());
}

TEST_F(OfferAnswerTest, Withdrawing_or_settling_nothing_does_nothing) {
  engine.withdraw();
  engine.settle();
  EXPECT_EQ(engine.state(), OfferAnswer::State::idle);
  agree();
  engine.withdraw();
  engine.settle();
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(worker.flows.size(), 4u);
}

TEST_F(OfferAnswerTest, The_version_rises_by_one_with_a_change_and_only_then_each_leg_for_itself) {
  const std::string to_b = offer(Leg::a, sdp_of(kA, {{4000}}));
  const std::string to_a = answer(Leg::b, sdp_of(kB, {{6000}}));
  const auto b0 = version_of(to_b);
  const auto a0 = version_of(to_a);
  // The far end counts its own o=; nothing else changes: a refresh (RFC 4028) in our words.
  EXPECT_EQ(version_of(offer(Leg::a, sdp_of(kA, {{4000}}, "2"))), b0);
  EXPECT_EQ(version_of(answer(Leg::b, sdp_of(kB, {{6000}}, "2"))), a0);
  // A new address of theirs is no change towards the other side, a direction is.
  EXPECT_EQ(version_of(offer(Leg::a, sdp_of("198.51.100.21", {{4444}}))), b0);
  EXPECT_EQ(version_of(answer(Leg::b, sdp_of(kB, {{6000}}))), a0);
  EXPECT_EQ(version_of(offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=sendonly\r\n"}}))), b0 + 1);
  EXPECT_EQ(version_of(answer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=recvonly\r\n"}}))), a0 + 1);
  EXPECT_EQ(version_of(offer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=recvonly\r\n"}}))), a0 + 1)
      << "as he heard it last";
  engine.withdraw();
}

TEST_F(OfferAnswerTest, Hold_and_resume_stop_and_start_the_directions) {
  agree();
  EXPECT_TRUE(flow(Leg::a).may_send && flow(Leg::a).may_receive);
  const std::string hold = offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=sendonly\r\n"}}));
  EXPECT_NE(hold.find("a=sendonly"), std::string::npos);
  answer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=recvonly\r\n"}}));
  EXPECT_TRUE(flow(Leg::a).may_send);
  EXPECT_FALSE(flow(Leg::a).may_receive);
  EXPECT_FALSE(flow(Leg::b).may_send);
  EXPECT_TRUE(flow(Leg::b).may_receive);
  offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=inactive\r\n"}}));
  answer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=inactive\r\n"}}));
  EXPECT_FALSE(flow(Leg::a).may_send || flow(Leg::b).may_send);
  offer(Leg::a, sdp_of(kA, {{4000}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_TRUE(flow(Leg::a).may_send && flow(Leg::a).may_receive && flow(Leg::b).may_send);
}

TEST_F(OfferAnswerTest, The_old_hold_with_0_0_0_0_is_a_direction_for_the_other_side) {
  agree();
  const std::string hold = offer(Leg::a, sdp_of("0.0.0.0", {{4000}}));
  EXPECT_EQ(hold.find("0.0.0.0"), std::string::npos);
  EXPECT_NE(hold.find("a=sendonly"), std::string::npos);
  answer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=recvonly\r\n"}}));
  EXPECT_FALSE(flow(Leg::a).may_receive);
}

TEST_F(OfferAnswerTest, A_stream_is_added_and_removed) {
  agree();
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 4002, .kind = "video"}}));
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 6002, .kind = "video"}}));
  EXPECT_EQ(worker.flows.size(), 8u);
  EXPECT_EQ(flow(Leg::b, 1).remote, at("192.0.2.10:6002"));
  const std::string text = offer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}));
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_TRUE(session.is_open(1)) << "not before the answer";
  answer(Leg::a, sdp_of(kA, {{4000}, {.port = 0, .kind = "video"}}));
  EXPECT_FALSE(session.is_open(1));
  EXPECT_EQ(worker.flows.size(), 4u);
  // Its place may be taken by another (RFC 3264 8.1).
  confirm();
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 4006, .kind = "video"}}));
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 6006, .kind = "video"}}));
  EXPECT_EQ(flow(Leg::b, 1).remote, at("192.0.2.10:6006"));
}

TEST_F(OfferAnswerTest, An_added_stream_that_is_refused_leaves_the_others) {
  agree();
  offer(Leg::a, sdp_of("198.51.100.21", {{4444}, {.port = 4002, .kind = "video"}}));
  const std::string text = answer(Leg::b, sdp_of(kB, {{6000}, {.port = 0, .kind = "video"}}));
  EXPECT_EQ(port_of(text, 1), 0u);
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.21:4444")) << "the address change stands";
  EXPECT_EQ(worker.flows.size(), 4u);
}

TEST_F(OfferAnswerTest, The_callee_may_make_the_first_offer) {
  const std::string text = offer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(line_of(text, "c="), "c=IN IP4 198.51.100.1");
  EXPECT_TRUE(engine.offered_by(Leg::b));
  answer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
}

TEST_F(OfferAnswerTest, An_answer_must_fit_its_offer) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_EQ(refused(engine.answer(Leg::b, sdp_of(kB, {{6000}, {6002}}), policy, false)), MediaFault::answer);
  EXPECT_EQ(refused(engine.answer(Leg::b, sdp_of(kB, {}), policy, false)), MediaFault::answer);
  EXPECT_EQ(refused(engine.answer(Leg::b, sdp_of(kB, {{.port = 6000, .kind = "video"}}), policy, false)),
            MediaFault::answer);
  EXPECT_EQ(refused(engine.answer(Leg::b, "v=0\r\nnonsense", policy, false)), MediaFault::sdp);
  EXPECT_TRUE(engine.offered_by(Leg::a)) << "a bad answer is none";
  EXPECT_EQ(flow(Leg::b).remote.port, 0);
  answer(Leg::b, sdp_of(kB, {{6000}}));
}

TEST_F(OfferAnswerTest, An_offer_while_one_is_open_and_an_answer_to_none_are_refused) {
  EXPECT_EQ(refused(engine.answer(Leg::b, sdp_of(kB, {{6000}}), policy, false)), MediaFault::state);
  offer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_EQ(refused(engine.offer(Leg::b, sdp_of(kB, {{6000}}), policy, 0)), MediaFault::state);
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of(kA, {{4000}}), policy, 0)), MediaFault::state);
  EXPECT_EQ(refused(engine.answer(Leg::a, sdp_of(kA, {{4000}}), policy, false)), MediaFault::state)
      << "his own offer";
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(refused(engine.answer(Leg::b, sdp_of(kB, {{6000}}), policy, false)), MediaFault::state);
}

TEST_F(OfferAnswerTest, The_number_of_streams_has_a_limit_and_never_falls) {
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of(kA, std::vector<Line>(17, {.port = 0})), policy, 0)),
            MediaFault::too_many_streams);
  const auto detail = engine.offer(Leg::a, sdp_of(kA, std::vector<Line>(17, {.port = 0})), policy, 0);
  ASSERT_FALSE(detail.has_value());
  EXPECT_EQ(detail.error().detail, sdp::kTooManyRelayedStreams) << "the dry run's words";
  offer(Leg::a, sdp_of(kA, {{4000}, {4002}}));
  answer(Leg::b, sdp_of(kB, {{6000}, {6002}}));
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of(kA, {{4000}}), policy, 0)), MediaFault::sdp) << "RFC 3264 8";
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(worker.flows.size(), 8u);
}

TEST_F(OfferAnswerTest, Without_ports_nothing_changes) {
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of(kA, std::vector<Line>(5, Line{4000})), policy, 0)),
            MediaFault::no_ports)
      << "four pairs a realm";
  EXPECT_EQ(engine.state(), OfferAnswer::State::idle);
  EXPECT_TRUE(worker.flows.empty());
  confirm();
  EXPECT_EQ(ports.level(0).used, 0u);
  agree();
  EXPECT_EQ(refused(engine.offer(Leg::b, sdp_of(kB, std::vector<Line>(5, Line{6000})), policy, 0)),
            MediaFault::no_ports);
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(worker.flows.size(), 4u);
}

TEST_F(OfferAnswerTest, A_refused_address_changes_nothing_and_says_why) {
  policy.mode = sdp::PrivateMedia::reject;
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of("10.0.0.1", {{4000}}), policy, 0)),
            MediaFault::private_address);
  EXPECT_EQ(engine.last_actions(), StreamActions{sdp::Action::rejected});
  EXPECT_EQ(refused(engine.offer(Leg::a, sdp_of("127.0.0.1", {{4000}}), policy, 0)),
            MediaFault::refused_address);
  EXPECT_TRUE(worker.flows.empty());
  agree();
  EXPECT_EQ(engine.last_actions(), StreamActions{sdp::Action::public_address});
  EXPECT_EQ(refused(engine.offer(Leg::b, sdp_of("10.0.0.1", {{4000}}), policy, 0)),
            MediaFault::private_address);
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
}

TEST_F(OfferAnswerTest, The_next_target_gets_the_same_offer_with_ports_of_its_own_family) {
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 4002, .kind = "video"}}));
  answer(Leg::b, sdp_of(kB, {{6000}, {.port = 6002, .kind = "video"}}), true);
  session.close_all();
  session.set_leg(Leg::b, facts(1, "2001:db8:2::1"));
  const auto text = engine.offer_again(0);
  ASSERT_TRUE(text);
  EXPECT_EQ(line_of(*text, "c="), "c=IN IP6 2001:db8:2::1");
  EXPECT_NE(port_of(*text, 1), 0u);
  EXPECT_FALSE(engine.has_answer()) << "what the other target said is forgotten";
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(flow(Leg::b).remote.port, 0);
  answer(Leg::b, sdp_of("2001:db8:2::10", {{6000}, {.port = 0, .kind = "video"}}));
  EXPECT_EQ(flow(Leg::b).remote, at("[2001:db8:2::10]:6000"));
  confirm();
}

TEST_F(OfferAnswerTest, Offering_again_without_an_offer_or_without_ports_is_refused) {
  EXPECT_EQ(refused(engine.offer_again(0)), MediaFault::state);
  offer(Leg::a, sdp_of(kA, {{4000}, {4002}, {4004}}));
  // The old ports are not back before the worker has said so: four pairs, three in use.
  EXPECT_EQ(refused(engine.offer_again(0)), MediaFault::no_ports);
  confirm();
  EXPECT_TRUE(engine.offer_again(0)) << "but the offer is not lost";
}

TEST_F(OfferAnswerTest, Forgetting_goes_back_to_the_beginning) {
  offer(Leg::b, sdp_of(kB, {{6000}}));
  engine.forget();
  EXPECT_EQ(engine.state(), OfferAnswer::State::idle);
  EXPECT_TRUE(worker.flows.empty());
  confirm();
  agree();
}

TEST_F(OfferAnswerTest, RTCP_on_its_own_port_and_multiplexed) {
  offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=rtcp:4100\r\n"}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  const auto rtcp_of = [&](Leg leg) {
    for (const auto& [slot, spec] : worker.flows) {
      if (spec.local == session.local_rtcp(leg, 0)) return spec.remote;
    }
    return Endpoint{};
  };
  EXPECT_EQ(rtcp_of(Leg::a), at("198.51.100.20:4100"));
  EXPECT_EQ(rtcp_of(Leg::b), at("192.0.2.10:6001"));
  EXPECT_FALSE(flow(Leg::a).rtcp_mux);
  offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=rtcp-mux\r\n"}}));
  answer(Leg::b, sdp_of(kB, {{.port = 6000, .more = "a=rtcp-mux\r\n"}}));
  EXPECT_TRUE(flow(Leg::a).rtcp_mux && flow(Leg::b).rtcp_mux);
  EXPECT_EQ(rtcp_of(Leg::b), at("192.0.2.10:6000"));
  offer(Leg::a, sdp_of(kA, {{.port = 4000, .more = "a=rtcp-mux\r\n"}}));
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_FALSE(flow(Leg::a).rtcp_mux) << "both have to want it (RFC 5761 5.1.1)";
}

TEST_F(OfferAnswerTest, Flows_are_policed_by_what_both_sides_agreed) {
  offer(Leg::a, sdp_of(kA, {{4000, "", "audio", "RTP/AVP", "8 18"}}));
  answer(Leg::b, sdp_of(kB, {{6000, "b=AS:400\r\n", "audio", "RTP/AVP", "18"}}));
  for (const Leg leg : {Leg::a, Leg::b}) {
    EXPECT_EQ(flow(leg).police_pps, 200) << "ten milliseconds, twice";
    EXPECT_EQ(flow(leg).police_bytes_per_s, 2u * (50'000 + 100 * 48)) << "b= is more than G.729";
  }
}

TEST_F(OfferAnswerTest, What_brings_an_SDP_is_whom_its_latch_believes) {
  agree();
  policy.source = *IpAddress::parse("198.51.100.77");
  offer(Leg::a, sdp_of(kA, {{4000}}, "2"));
  EXPECT_EQ(flow(Leg::a).signalling_source, *IpAddress::parse(kA)) << "not before the answer";
  policy.source = *IpAddress::parse(kB);
  answer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_EQ(flow(Leg::a).signalling_source, *IpAddress::parse("198.51.100.77"));
  EXPECT_EQ(flow(Leg::b).signalling_source, *IpAddress::parse(kB));
}

TEST_F(OfferAnswerTest, SRTP_passes_with_its_keys_and_is_known_to_be_encrypted) {
  const std::string crypto =
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
  const std::string out = offer(Leg::a, sdp_of(kA, {{4000, crypto, "audio", "RTP/SAVP"}}));
  const std::string back = answer(Leg::b, sdp_of(kB, {{6000, crypto, "audio", "RTP/SAVP"}}));
  for (const std::string& text : {out, back}) EXPECT_NE(text.find(crypto), std::string::npos);
  EXPECT_EQ(flow(Leg::a).kind, dp::FlowKind::rtp);
  EXPECT_TRUE(flow(Leg::a).secured && flow(Leg::b).secured);
}

TEST_F(OfferAnswerTest, DTLS_passes_as_it_is) {
  const std::string keys = "a=fingerprint:sha-256 0A:1B\r\na=setup:actpass\r\n";
  const std::string out = offer(Leg::a, sdp_of(kA, {{4000, keys, "audio", "UDP/TLS/RTP/SAVP"}}));
  answer(
      Leg::b,
      sdp_of(kB, {{6000, "a=fingerprint:sha-256 2C:3D\r\na=setup:active\r\n", "audio", "UDP/TLS/RTP/SAVP"}}));
  EXPECT_NE(out.find(keys), std::string::npos);
  EXPECT_EQ(flow(Leg::a).kind, dp::FlowKind::opaque);
  EXPECT_EQ(flow(Leg::b).kind, dp::FlowKind::opaque);
}

TEST_F(OfferAnswerTest, Audio_gives_way_to_T_38_and_comes_back) {
  agree();
  const Line fax{4000, "a=T38FaxVersion:0\r\n", "image", "udptl", "t38"};
  const std::string out =
      offer(Leg::b, sdp_of(kB, {{6000, "a=T38FaxVersion:0\r\n", "image", "udptl", "t38"}}, "2"));
  EXPECT_EQ(line_of(out, "m="),
            "m=image " + std::to_string(session.local_rtp(Leg::a, 0).port) + " udptl t38");
  EXPECT_EQ(flow(Leg::a).kind, dp::FlowKind::rtp) << "not before its answer";
  answer(Leg::a, sdp_of(kA, {fax}, "2"));
  for (const Leg leg : {Leg::a, Leg::b}) {
    EXPECT_EQ(flow(leg).kind, dp::FlowKind::udptl);
    EXPECT_EQ(flow(leg).payload_types[0], 0u);
    EXPECT_GT(flow(leg).police_bytes_per_s, 50'000u);
  }
  offer(Leg::b, sdp_of(kB, {{6000}}, "3"));
  answer(Leg::a, sdp_of(kA, {{4000}}, "3"));
  EXPECT_EQ(flow(Leg::a).kind, dp::FlowKind::rtp);
  EXPECT_EQ(flow(Leg::a).payload_types[0], 1u << 8);
}

TEST_F(OfferAnswerTest, Each_side_may_send_the_payload_types_that_the_other_takes) {
  const auto takes = [](const dp::FlowSpec& spec, unsigned type) {
    return (spec.payload_types[type / 64] >> (type % 64) & 1) != 0;
  };
  offer(Leg::a, sdp_of(kA, {{.port = 4000, .formats = "8 0 101"}}));
  answer(Leg::b, sdp_of(kB, {{.port = 6000, .formats = "8"}}));
  EXPECT_TRUE(takes(flow(Leg::a), 8));
  EXPECT_FALSE(takes(flow(Leg::a), 18));
}

// ---- an INVITE without SDP that forks: each dialog makes an offer

class ForkOffers : public OfferAnswerTest {
 protected:
  OfferAnswer::ForkAnswer another(const std::string& body) {
    auto answer = engine.fork_offer(Leg::b, body, policy);
    EXPECT_TRUE(answer) << answer.error().detail;
    return answer.value_or(OfferAnswer::ForkAnswer{});
  }
};

TEST_F(ForkOffers, What_the_other_leg_has_said_is_the_answer_where_it_fits_and_the_media_moves) {
  offer(Leg::b, sdp_of(kB, {{.port = 6000, .formats = "8 0 9"}}));
  const std::string first = answer(Leg::a, sdp_of(kA, {{.port = 4000, .formats = "8 0"}}));
  const auto answered = another(sdp_of(kB, {{.port = 6100, .formats = "0 8"}}));
  EXPECT_TRUE(answered.active);
  EXPECT_EQ(answered.text, first);
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6100"));
  EXPECT_EQ(flow(Leg::a).remote, at("198.51.100.20:4000"));
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_TRUE(another(sdp_of(kB, {{.port = 6000, .formats = "8 0 9"}})).active) << "and back";
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
}

TEST_F(ForkOffers, What_does_not_fit_is_answered_inactive_and_changes_nothing) {
  const std::string opus = "a=rtpmap:96 opus/48000/2\r\n";
  const std::string other_96 = "a=rtpmap:96 G726-32/8000\r\n";
  offer(Leg::b, sdp_of(kB, {{.port = 6000, .more = opus, .formats = "8 96"}}));
  answer(Leg::a, sdp_of(kA, {{.port = 4000, .more = opus, .formats = "8 96"}}));
  const std::vector<std::vector<Line>> cases{
      {{.port = 6100}},                                       // one codec is missing
      {{.port = 6100, .more = other_96, .formats = "8 96"}},  // its number means another
      {{.port = 6100, .more = opus + "a=sendonly\r\n", .formats = "8 96"}},
      {{.port = 6100, .more = opus, .proto = "RTP/SAVP", .formats = "8 96"}},
      {{.port = 6100, .more = opus, .formats = "8 96"}, {.port = 6102}}};  // a stream more
  for (const auto& lines : cases) {
    const std::string told = engine.told(Leg::b);
    const auto answered = another(sdp_of(kB, lines));
    SCOPED_TRACE(answered.text);
    EXPECT_FALSE(answered.active);
    EXPECT_EQ(line_of(answered.text, "a=inactive"), "a=inactive");
    EXPECT_NE(port_of(answered.text), 0u);
    EXPECT_EQ(answered.text.find(kB), std::string::npos);
    EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
    EXPECT_EQ(engine.told(Leg::b), told);
    const auto again = engine.restate(Leg::b, 0);
    ASSERT_TRUE(again);
    EXPECT_GT(version_of(*again), version_of(answered.text)) << "for the dialog that wins";
  }
}

TEST_F(ForkOffers, Before_the_first_is_answered_another_is_inactive) {
  EXPECT_FALSE(engine.fork_offer(Leg::b, sdp_of(kB, {{6100}}), policy)) << "it is the first";
  offer(Leg::b, sdp_of(kB, {{6000}}));
  EXPECT_FALSE(another(sdp_of(kB, {{6100}})).active);
  EXPECT_TRUE(engine.offered_by(Leg::b));
  answer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
  EXPECT_TRUE(another(sdp_of(kB, {{6100}})).active);
}

TEST_F(ForkOffers, What_cannot_be_read_or_may_not_be_there_is_an_error) {
  offer(Leg::b, sdp_of(kB, {{6000}}));
  answer(Leg::a, sdp_of(kA, {{4000}}));
  EXPECT_EQ(engine.fork_offer(Leg::b, "nonsense", policy).error().fault, MediaFault::sdp);
  EXPECT_EQ(engine.fork_offer(Leg::b, sdp_of("127.0.0.1", {{6100}}), policy).error().fault,
            MediaFault::refused_address);
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6000"));
}

TEST_F(ForkOffers, A_stream_that_the_other_leg_has_refused_stays_so) {
  offer(Leg::b, sdp_of(kB, {{6000}, {.port = 6002, .kind = "video"}}));
  answer(Leg::a, sdp_of(kA, {{4000}, {.port = 0, .kind = "video"}}));
  const auto answered = another(sdp_of(kB, {{6100}, {.port = 6102, .kind = "video"}}));
  EXPECT_TRUE(answered.active);
  EXPECT_EQ(port_of(answered.text, 1), 0u);
  engine.end_forks();
  EXPECT_FALSE(session.is_open(1));
  EXPECT_EQ(flow(Leg::b).remote, at("192.0.2.10:6100"));
}

// ---- a caller whom nobody else answers

TEST_F(OfferAnswerTest, An_offer_for_nobody_is_answered_inactive_with_its_streams) {
  offer(Leg::a, sdp_of(kA, {{4000}, {.port = 0, .kind = "video"}}));
  const auto text = engine.answer_for_nobody();
  ASSERT_TRUE(text);
  EXPECT_EQ(line_of(*text, "a=inactive"), "a=inactive");
  EXPECT_NE(port_of(*text, 0), 0u);
  EXPECT_EQ(port_of(*text, 1), 0u);
  EXPECT_EQ(text->find(kA), std::string::npos);
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(engine.agreed(Leg::a), *text);
  EXPECT_EQ(engine.origin(Leg::a).version, version_of(*text));
  EXPECT_FALSE(engine.answer_for_nobody()) << "nothing is open any more";
}

TEST_F(OfferAnswerTest, An_offer_for_nobody_has_the_answer_that_a_18x_has_given) {
  offer(Leg::a, sdp_of(kA, {{4000}}));
  const std::string early = answer(Leg::b, sdp_of(kB, {{6000}}), true);
  EXPECT_EQ(engine.answer_for_nobody().value(), early);
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
}

TEST_F(OfferAnswerTest, An_offer_of_nothing_has_our_address_no_stream_and_no_port) {
  const std::string text = engine.offer_nothing(Leg::a);
  EXPECT_EQ(text.find("m="), std::string::npos) << text;
  EXPECT_EQ(text.find("0.0.0.0"), std::string::npos) << text;
  EXPECT_EQ(engine.state(), OfferAnswer::State::stable);
  EXPECT_EQ(engine.agreed(Leg::a), text);
  EXPECT_EQ(engine.origin(Leg::a).version, version_of(text));
  EXPECT_FALSE(engine.answer_for_nobody()) << "nothing is open";
  EXPECT_EQ(version_of(offer(Leg::b, sdp_of(kB, {{6000}}))), version_of(text) + 1)
      << "the streams come later";
}

}  // namespace
}  // namespace sallyport::media

// SPDX-License-Identifier: Apache-2.0
// Two calls that become one: who takes the place of whom (RFC 3891).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tests/controlplane/shard/transfer_fixture.h"

namespace sallyport::shard {

class Joining : public TransferTest {
 protected:
  explicit Joining(const std::string& yaml = transfer_config()) : TransferTest(yaml) {
    newcomer = {.realm = line1.realm, .ip = GetParam() ? "192.0.2.10" : "198.51.100.77", .media_port = 4400};
  }
  void newcomer_at(const Phone& phone) {
    newcomer = {.realm = phone.realm, .ip = phone.ip, .media_port = 4400};
  }
  virtual void connect_lines() { connect_both(); }
  // Somebody else takes the place of whoever that names. `body`: his offer, where it is not the usual one;
  // empty: he makes none.
  std::string send_replacing(std::string_view replaces, const std::optional<std::string>& body = {},
                             std::string_view more = {}, std::string_view call_id = "third") {
    newcomer.is_caller = true;
    newcomer.cseq = 0;
    newcomer.tag = "newcomer";
    newcomer.call_id = call_id;
    newcomer.local = "<sip:new@" + newcomer.ip + ">;tag=newcomer";
    const std::string ours = newcomer.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    newcomer.remote = "<sip:0555@" + ours + ">";
    newcomer.target = "sip:0555@" + ours;
    std::string invite = phones.request(newcomer, "INVITE", body ? *body : newcomer.sdp(),
                                        "Replaces: " + std::string(replaces) + "\r\n" + std::string(more));
    last_invite = newcomer.cseq;
    return invite;
  }
  // Line 2 calls the target, up to the INVITE there.
  void begin_second(std::string_view call_id, const std::optional<std::string>& body = std::nullopt,
                    std::string_view more = {}) {
    const std::string ours = line2.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    line2.call_id = call_id;
    line2.local = "<sip:caller@" + line2.ip + ">;tag=" + line2.tag;
    line2.remote = "<sip:0555@" + ours + ">";
    line2.target = "sip:0555@" + ours;
    line2.cseq = 0;
    (void)phones.request(line2, "INVITE", body ? *body : line2.sdp(), more);
    (void)ring(target);
  }
  void ring_target(std::string_view call_id = "second",
                   const std::optional<std::string>& body = std::nullopt) {
    begin_second(call_id, body);
    phones.answer(target, target.incoming, "180 Ringing");
    (void)phones.expect(line2, "SIP/2.0 180");
  }
  // That dialog, as who rings knows it: we have begun it.
  [[nodiscard]] std::string ringing_dialog(std::string_view more = {}) const {
    return target.call_id + ";to-tag=" + target.incoming.tag_of("From") + ";from-tag=" + target.tag +
           std::string(more);
  }
  // Line 2 hears an answer and acknowledges it (`answer`: to an offer in it), and the target that it is over.
  Sent taken(std::string_view answer = {}) {
    const Sent answered = phones.expect(line2, "SIP/2.0 200");
    give_up_ringing();
    EXPECT_FALSE(phones.heard(line2, "INVITE ")) << "not before his ACK";
    phones.ack(line2, 1, answer);
    return answered;
  }
  void give_up_ringing() {
    phones.answer(target, phones.expect(target, "CANCEL "), "200 OK");
    phones.answer(target, target.incoming, "487 Request Terminated");
  }
  void newcomer_is_up() {
    (void)phones.expect(newcomer, "SIP/2.0 200");
    phones.ack(newcomer, last_invite);
  }
  void lines_go_on() {
    expect_media_of_lines();
    hang_up(line2, target);
    hang_up(line1, transferee);
    nothing_left();
  }
  // The RTP flow to there; nullptr: there is none.
  [[nodiscard]] const dp::FlowSpec* flow_towards(const Phone& phone) {
    const std::string there = phone.ip + ":" + std::to_string(phone.media_port);
    for (const auto& [slot, spec] : bench.flows) {
      if (spec.kind == dp::FlowKind::rtp && spec.remote.to_text() == there) return &spec;
    }
    return nullptr;
  }
  void expect_media_of_lines() { EXPECT_EQ(bench.flows.size(), 8u) << "two calls of RTP and RTCP each way"; }

  Phone newcomer;
  unsigned last_invite = 0;
};

// His second call is placed again until it lives on the other shard.
class JoiningAcross : public Joining {
 protected:
  explicit JoiningAcross(const std::string& yaml = transfer_config("follow", 2)) : Joining(yaml) {}
  // Where a call at rest has its flow towards that phone: shard and worker.
  struct Home {
    unsigned shard = 0;
    unsigned worker = 0;
    friend bool operator==(const Home&, const Home&) = default;
  };
  [[nodiscard]] Home home_of(const Phone& phone) {
    const dp::FlowSpec* spec = flow_towards(phone);
    return spec != nullptr ? Home{spec->owner.shard, bench.worker_of(spec->self.slot)} : Home{};
  }
  // Whether his calls may stand as they are.
  [[nodiscard]] virtual bool is_apart() { return home_of(line1).shard != home_of(line2).shard; }
  void connect_lines() override {
    connect(line1, transferee, "4930123", "first");
    for (int n = 0; n < 64; ++n) {
      connect(line2, target, "0555", "second-" + std::to_string(n));
      if (is_apart()) return;
      hang_up(line2, target);
      bench.advance(6 * kSecond);  // its ports cool down
      phones.forget();
    }
    FAIL() << "64 calls in a row beside the first one";
  }
};

}  // namespace sallyport::shard

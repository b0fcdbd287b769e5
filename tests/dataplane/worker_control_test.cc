// SPDX-License-Identifier: Apache-2.0
// RTCP on its way through a worker: whose is believed, what it tells, and what of SRTCP can be judged.
#include <gmock/gmock.h>

#include "dataplane/rtcp_statistics.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kRtpA = "198.51.100.1:20000", kRtcpA = "198.51.100.1:20001";
constexpr auto kRtpC = "192.0.2.1:20000", kRtcpC = "192.0.2.1:20001";
constexpr auto kCarrier = "192.0.2.10:7001";
constexpr std::uint32_t kSsrcA = 0x11223344, kSsrcC = 0x55667788;

Bytes word(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Bytes words(std::initializer_list<std::uint32_t> values) {
  Bytes out;
  for (const std::uint32_t value : values) {
    const Bytes one = word(value);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

// RFC 3550 6.4.1; `middle`: of the NTP timestamp.
Bytes sender_report(std::uint32_t ssrc, std::uint32_t middle) {
  return words({0x80c80006, ssrc, middle >> 16, middle << 16, 0, 0, 0});
}
// 6.4.2, with one block; `held`: DLSR in 1/65536 s.
Bytes receiver_report(std::uint32_t ssrc, std::uint32_t of, std::uint32_t lost, std::uint32_t last_report,
                      std::uint32_t held) {
  return words({0x81c90007, ssrc, of, lost, 0, 0, last_report, held});
}

class Control : public WorkerTest {
 protected:
  // A call with RTP and RTCP flows; the caller's latch unless `strict`.
  void open(Rig& rig, bool strict = true) {
    for (const bool rtcp : {false, true}) {
      FlowSpec access = rig.flow(0, rtcp ? kRtcpA : kRtpA, rtcp ? kRtcpC : kRtpC,
                                 rtcp ? "198.51.100.20:4001" : "198.51.100.20:4000");
      FlowSpec core =
          rig.flow(1, rtcp ? kRtcpC : kRtpC, rtcp ? kRtcpA : kRtpA, rtcp ? kCarrier : "192.0.2.10:7000");
      access.kind = core.kind = rtcp ? FlowKind::rtcp : FlowKind::rtp;
      access.secured = core.secured = secured;
      access.signalling_source = access.remote.address;
      access.may_send = rtcp || caller_sends;
      access.idle_timeout_ms = rtcp ? 0 : 2000;
      if (!strict) access.latch = LatchMode::once;
      rig.install(access);
      rig.install(core);
    }
    rig.turn();
  }
  static void put(Rig& rig, const char* source, const char* to, Bytes payload) {
    const bool access = std::string_view(to).starts_with("198");
    rig.put(access ? kAccess : kCore,
            frame_of({.source = source, .destination = to, .payload = std::move(payload)}));
    rig.turn();
  }
  static FlowCounters removed(Rig& rig, const char* local) {
    rig.remove({rig.slot(local), 1});
    rig.turn();
    const auto events = rig.events<FlowRemoved>(Event::flow_removed);
    EXPECT_THAT(events, SizeIs(1));
    return events.empty() ? FlowCounters{} : events[0].counters;
  }
  bool secured = false;
  bool caller_sends = true;
};

TEST_F(Control, of_a_latching_flow_has_to_be_of_the_locked_source) {
  Rig rig;
  open(rig, false);
  const auto rtcp_from = [&](const char* source, std::uint32_t ssrc) {
    put(rig, source, kRtcpA, rtcp_receiver_report(ssrc));
    return rig.sent(kCore).size();
  };
  EXPECT_EQ(rtcp_from("198.51.100.20:4001", kSsrcA), 0u) << "its RTP has locked nobody yet";
  for (std::uint16_t i = 1; i < 4; ++i) put(rig, "198.51.100.20:4000", kRtpA, rtp(i, 0, kSsrcA));
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
  EXPECT_EQ(rtcp_from("198.51.100.20:9999", kSsrcA + 1), 0u) << "a stranger on the same host";
  EXPECT_EQ(rtcp_from("198.51.100.20:9999", kSsrcA), 0u) << "one that knows the SSRC";
  EXPECT_EQ(rtcp_from("198.51.100.20:4001", kSsrcA + 1), 0u) << "one that has the port";
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_latching), 4u);
  EXPECT_EQ(rtcp_from("198.51.100.20:4001", kSsrcA), 1u);
  EXPECT_EQ(rtcp_from("198.51.100.20:9999", kSsrcA), 0u) << "locked";
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 1u);
}

TEST_F(Control, of_who_only_receives_is_believed_by_its_address) {
  caller_sends = false;
  Rig rig;
  open(rig, false);
  put(rig, "198.51.100.21:4001", kRtcpA, rtcp_receiver_report());
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  put(rig, "198.51.100.20:4001", kRtcpA, rtcp_receiver_report());
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
}

TEST_F(Control, tells_the_round_trip_and_the_loss_of_each_leg) {
  Rig rig;
  open(rig);
  put(rig, kCarrier, kRtcpC, sender_report(kSsrcC, 0x00010002));
  rig.now += 340 * kMillisecond;  // 250 ms of it in the caller's phone
  put(rig, "198.51.100.20:4001", kRtcpA, receiver_report(kSsrcA, kSsrcC, 0x07000005, 0x00010002, 16384));
  put(rig, kCarrier, kRtcpC,
      receiver_report(kSsrcC, kSsrcA, 0x00ffffff, 0x00010002, 0));  // names no report of A's
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
  EXPECT_THAT(rig.sent(kAccess), SizeIs(2));
  const FlowCounters caller = removed(rig, kRtcpA);
  EXPECT_EQ(caller.rtt_us, 90'000u);
  EXPECT_EQ(caller.reported_lost, 5u);
  const FlowCounters carrier = removed(rig, kRtcpC);
  EXPECT_EQ(carrier.rtt_us, 0u);
  EXPECT_EQ(carrier.reported_lost, 0u) << "negative: duplicates";
}

TEST_F(Control, of_an_earlier_call_tells_nothing_of_the_next) {
  Rig rig;
  open(rig);
  put(rig, kCarrier, kRtcpC, sender_report(kSsrcC, 7));
  rig.now += 10 * kMillisecond;
  put(rig, "198.51.100.20:4001", kRtcpA, receiver_report(kSsrcA, kSsrcC, 9, 7, 0));
  EXPECT_EQ(removed(rig, kRtcpA).reported_lost, 9u);
  FlowSpec again = rig.flow(0, kRtcpA, kRtcpC, "198.51.100.20:4001");
  again.self.generation = 3;
  again.kind = FlowKind::rtcp;
  rig.install(again);
  rig.turn();
  rig.remove(again.self);
  rig.turn();
  const auto events = rig.events<FlowRemoved>(Event::flow_removed);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].counters.reported_lost, 0u);
  EXPECT_EQ(events[0].counters.rtt_us, 0u);
}

TEST_F(Control, is_a_sign_of_life_of_a_silent_RTP_port) {
  Rig rig;
  open(rig);
  for (int i = 0; i < 5; ++i) {
    rig.turn_for(1500 * kMillisecond);
    put(rig, "198.51.100.20:4001", kRtcpA, rtcp_receiver_report());
  }
  EXPECT_THAT(rig.events<FlowIdle>(Event::flow_idle), SizeIs(0));
  const Nanoseconds last = rig.now;
  rig.turn_for(3 * kSecond);
  const auto idle = rig.events<FlowIdle>(Event::flow_idle);
  ASSERT_THAT(idle, SizeIs(1));
  EXPECT_EQ(idle[0].last_ns, last);
  put(rig, "198.51.100.20:4001", kRtcpA, rtcp_receiver_report());
  rig.turn();
  EXPECT_THAT(rig.events<FlowActive>(Event::flow_active), SizeIs(1));
}

TEST_F(Control, that_is_encrypted_passes_by_its_first_header) {
  // RFC 3711 3.4: after the first eight octets all is noise, and an index and a tag follow. SRTP's last octet
  // is of the tag, not a count of padding.
  Bytes srtcp = sender_report(kSsrcA, 3);
  for (std::size_t i = 8; i < srtcp.size(); ++i) srtcp[i] = 0xa5;
  for (int i = 0; i < 40; ++i) srtcp.push_back(0x5a);
  Bytes srtp = rtp(1);
  srtp[0] |= 0x20;
  srtp.back() = 0xff;
  for (const bool encrypted : {false, true}) {
    secured = encrypted;
    Rig rig;
    open(rig);
    put(rig, "198.51.100.20:4001", kRtcpA, srtcp);
    put(rig, "198.51.100.20:4000", kRtpA, srtp);
    const auto sent = rig.sent(kCore);
    ASSERT_THAT(sent, SizeIs(encrypted ? 2 : 0));
    EXPECT_EQ(rig.drops(kAccess, DropReason::flow_rtp_malformed), encrypted ? 0u : 2u);
    if (!encrypted) continue;
    EXPECT_EQ(read_frame(sent[0])->payload, srtcp);
    EXPECT_EQ(read_frame(sent[1])->payload, srtp);
  }
}

TEST(RtcpReports, that_are_cut_or_lie_about_their_length_are_read_as_far_as_they_go) {
  const Bytes whole = receiver_report(kSsrcA, kSsrcC, 5, 7, 0);
  RtcpStatistics to;
  to.sent[0] = {.middle = 7, .seen_ns = kSecond};
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    RtcpStatistics from;
    read_reports(std::span(whole).first(bytes), from, to, kSecond + 20 * kMillisecond);
    EXPECT_EQ(from.rtt_us, bytes == whole.size() ? 20'000u : 0u) << bytes;
  }
  RtcpStatistics from;
  read_reports(receiver_report(kSsrcA, kSsrcC, 5, 7, 0xffffffff), from, to, 2 * kSecond);
  EXPECT_EQ(from.rtt_us, 1u) << "held for longer than it was away";
}

}  // namespace
}  // namespace sallyport::dp::test

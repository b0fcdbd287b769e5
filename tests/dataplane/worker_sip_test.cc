// SPDX-License-Identifier: Apache-2.0
// SIP between the wire and the shards: delivery, sending, fragments, ICMP errors, and the kernel's frames.
#include <gmock/gmock.h>

#include <algorithm>

#include "dataplane/sip/message_index.h"
#include "dataplane/sip_outbound.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kUa = "198.51.100.20:5060";
constexpr auto kSip = "198.51.100.1:5060";
constexpr auto kSip6 = "[2001:db8:1::1]:5060";

std::string invite(std::string_view call_id = "abc@ua", std::size_t body = 0) {
  return "INVITE sip:1000@198.51.100.1 SIP/2.0\r\n"
         "Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK776asdhds\r\n"
         "Max-Forwards: 70\r\nTo: <sip:1000@198.51.100.1>\r\nFrom: <sip:a@198.51.100.20>;tag=1928301774\r\n"
         "Call-ID: " +
         std::string(call_id) +
         "\r\nCSeq: 314159 INVITE\r\nContact: <sip:a@198.51.100.20>\r\n"
         "Content-Length: " +
         std::to_string(body) + "\r\n\r\n" + std::string(body, 'x');
}

std::string request_of_ours(std::string_view branch) {
  return "INVITE sip:1000@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" +
         std::string(branch) +
         "\r\nMax-Forwards: 69\r\nTo: <sip:1000@192.0.2.10>\r\nFrom: <sip:a@192.0.2.1>;tag=x\r\nCall-ID: "
         "y\r\n"
         "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
}

class Sip : public WorkerTest {
 protected:
  static Bytes from_ua(const std::string& message, UdpChecksum checksum = UdpChecksum::right) {
    return frame_of({.source = kUa, .destination = kSip, .payload = text(message), .checksum = checksum});
  }
  static std::string branch_of(const Rig& rig, std::uint8_t shard, std::uint32_t slot,
                               std::uint32_t generation) {
    return "z9hG4bK" +
           steer::IdentifierCodec(rig.key).mint({steer::TokenKind::branch, shard, slot, generation});
  }
};

TEST_F(Sip, reaches_the_shard_with_its_index_and_octets) {
  Rig rig;
  rig.put(kAccess, from_ua(invite()));
  rig.turn();
  const auto record = rig.event_rings[0]->front();
  ASSERT_EQ(record.kind, static_cast<std::uint16_t>(Event::sip_received));
  SipReceived head;
  std::memcpy(static_cast<void*>(&head), record.bytes.data(), sizeof(head));
  sip::MessageIndex index;
  std::memcpy(static_cast<void*>(&index), record.bytes.data() + sizeof(head), head.index_bytes);
  EXPECT_EQ(index.method, sip::Method::invite);
  EXPECT_EQ(index.used_bytes(), head.index_bytes);
  const auto received = rig.events<SipReceived>(Event::sip_received);
  ASSERT_THAT(received, SizeIs(1));
  EXPECT_EQ(rig.octets[0], invite());
  EXPECT_EQ(index.call_id.in(rig.octets[0]), "abc@ua");
  EXPECT_EQ(received[0].remote.to_text(), kUa);
  EXPECT_EQ(received[0].local.to_text(), kSip);
  EXPECT_EQ(received[0].realm, 0);
  EXPECT_EQ(received[0].verdict, SteerVerdict::by_hash);
  EXPECT_EQ(received[0].received_ns, rig.now);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip), 1u);
}

TEST_F(Sip, of_one_call_meets_on_one_shard_and_responses_go_by_branch) {
  Rig rig({.shards = 4});
  for (int i = 0; i < 40; ++i) rig.put(kAccess, from_ua(invite("call-" + std::to_string(i / 2))));
  const std::string branch = branch_of(rig, 3, 77, 5);
  rig.put(
      kCore,
      frame_of({.source = "192.0.2.10:5060",
                .destination = "192.0.2.1:5060",
                .payload = text("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=" + branch +
                                "\r\nTo: <sip:a@b>;tag=1\r\nFrom: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 "
                                "INVITE\r\nContent-Length: 0\r\n\r\n")}));
  rig.turn();
  rig.turn();
  std::size_t all = 0;
  unsigned used = 0;
  for (unsigned shard = 0; shard < 4; ++shard) {
    const auto received = rig.events<SipReceived>(Event::sip_received, shard);
    std::size_t requests = 0;
    for (const SipReceived& one : received) {
      if (one.verdict == SteerVerdict::by_branch) {
        EXPECT_EQ(shard, 3u);
        EXPECT_EQ(one.slot, 77u);
        EXPECT_EQ(one.generation, 5u);
      } else {
        ++requests;
      }
    }
    EXPECT_EQ(requests % 2, 0u);
    used += requests != 0 ? 1 : 0;
    all += received.size();
  }
  EXPECT_EQ(all, 41u);
  EXPECT_GT(used, 1u);
}

TEST_F(Sip, names_what_it_drops) {
  struct Case {
    const char* description;
    DropReason reason;
    Bytes frame;
  };
  const std::string foreign =
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKnotours\r\nTo: <sip:a@b>;tag=1\r\n"
      "From: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
  const Case cases[] = {
      {"CRLF", DropReason::sip_keep_alive, from_ua("\r\n\r\n")},
      {"not SIP", DropReason::sip_malformed, from_ua("GET / HTTP/1.1\r\n\r\n")},
      {"noise", DropReason::sip_malformed, from_ua(std::string("\x01\x02\x03\x00\xff", 5))},
      {"a wrong checksum", DropReason::udp_checksum, from_ua(invite(), UdpChecksum::wrong)},
      {"somebody else's response", DropReason::sip_foreign_response, from_ua(foreign)},
      {"another port", DropReason::no_port,
       frame_of({.source = kUa, .destination = "198.51.100.1:5070", .payload = text(invite())})},
      {"another address", DropReason::not_for_us,
       frame_of({.source = kUa, .destination = "198.51.100.9:5060", .payload = text(invite())})},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    rig.put(kAccess, c.frame);
    rig.turn();
    EXPECT_EQ(rig.drops(kAccess, c.reason), 1u);
    EXPECT_TRUE(rig.event_rings[0]->empty());
  }
}

TEST_F(Sip, goes_to_the_shard_with_a_fault_that_has_an_answer) {
  Rig rig;
  std::string message = invite();
  message.erase(message.find("Call-ID"), message.find("CSeq") - message.find("Call-ID"));
  rig.put(kAccess, from_ua(message));
  rig.turn();
  EXPECT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(1));
  EXPECT_EQ(rig.counters[0]->sip_faults[static_cast<std::size_t>(sip::Fault::missing_call_id)].get(), 1u);
}

TEST_F(Sip, is_dropped_by_name_when_the_shard_stands_still) {
  Rig rig({.ring_bytes = 8192});
  for (int i = 0; i < 20; ++i) rig.put(kAccess, from_ua(invite()));
  rig.turn();
  const std::uint64_t full = rig.drops(kAccess, DropReason::shard_ring_full);
  EXPECT_GT(full, 0u);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip) + full, 20u);
  EXPECT_EQ(rig.counters[0]->event_ring_full[0].get(), full);
  rig.put(kAccess, from_ua(invite("large", 1300)));
  rig.turn();
  EXPECT_GT(rig.drops(kAccess, DropReason::shard_ring_full) + rig.drops(kAccess, DropReason::sip_too_large),
            full);
}

TEST_F(Sip, is_policed_by_source_when_configured) {
  Rig rig({.sip_police_pps = 10});
  for (int i = 0; i < 30; ++i) rig.put(kAccess, from_ua(invite()));
  rig.put(kAccess,
          frame_of({.source = "198.51.100.21:5060", .destination = kSip, .payload = text(invite())}));
  rig.turn();
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip), 12u);
  EXPECT_EQ(rig.drops(kAccess, DropReason::sip_police), 19u);
}

TEST_F(Sip, is_policed_by_realm_and_gets_its_rate_back_with_time) {
  Rig rig({.sip_police_pps = 10});
  for (int i = 0; i < 15; ++i) rig.put(kAccess, from_ua(invite()));
  rig.turn();
  rig.now += 300 * kMillisecond;
  for (int i = 0; i < 5; ++i) rig.put(kAccess, from_ua(invite()));
  rig.turn();
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip), 11u + 3u);
  // The same address on another realm is somebody else.
  rig.put(kCore, frame_of({.source = kUa, .destination = "192.0.2.1:5060", .payload = text(invite())}));
  rig.turn();
  EXPECT_EQ(rig.drops(kCore, DropReason::sip_police), 0u);
  EXPECT_EQ(rig.sum(kCore, &PortCounters::sip), 1u);
}

TEST_F(Sip, takes_a_new_rate_and_a_new_mark_from_a_shard) {
  Rig rig;
  const auto tell = [&](const RealmSettings& settings) {
    ASSERT_TRUE(rig.command_rings[0]->push(static_cast<std::uint16_t>(Command::realm_settings), settings));
    rig.turn();
  };
  const auto flood = [&] {
    for (int i = 0; i < 30; ++i) rig.put(kAccess, from_ua(invite()));
    rig.turn();
    rig.now += 10 * kSecond;
    return rig.drops(kAccess, DropReason::sip_police);
  };
  const auto mark = [&] {
    rig.sip_send(0, kSip, kUa, request_of_ours(branch_of(rig, 0, 1, 1)));
    rig.turn();
    const auto sent = rig.sent(kAccess);
    return sent.size() == 1 ? read_frame(sent[0])->tos >> 2 : -1;
  };
  EXPECT_EQ(flood(), 0u) << "no limit";
  EXPECT_EQ(mark(), 24);
  tell({.realm = 0, .sip_dscp = 40, .sip_police_pps = 10});
  EXPECT_EQ(flood(), 19u);
  EXPECT_EQ(mark(), 40);
  tell({.realm = 0, .sip_dscp = 0, .sip_police_pps = 0});
  EXPECT_EQ(flood(), 19u) << "none any more";
  EXPECT_EQ(mark(), 0);
  tell({.realm = 99, .sip_police_pps = 1});
  EXPECT_EQ(flood(), 19u) << "of a realm that there is not";
}

TEST_F(Sip, arrives_whole_from_fragments_in_any_order) {
  struct Case {
    const char* description;
    std::string source, destination;
    std::size_t body;
    std::size_t piece;
    bool backwards;
  };
  const Case cases[] = {
      {"IPv4, fits one mbuf", kUa, kSip, 500, 512, false},
      {"IPv4, larger than an mbuf", kUa, kSip, 5000, 1400, true},
      {"IPv6", "[2001:db8:1::20]:5060", kSip6, 3000, 1200, false},
      {"IPv6, backwards", "[2001:db8:1::20]:5060", kSip6, 9000, 1400, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    const std::string message = invite("frag", c.body);
    auto pieces =
        fragments_of({.source = c.source, .destination = c.destination, .payload = text(message)}, c.piece);
    if (c.backwards) std::ranges::reverse(pieces);
    for (const Bytes& piece : pieces) rig.put(kAccess, piece);
    rig.turn();
    ASSERT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(1));
    EXPECT_EQ(rig.octets[0], message);
    EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip), pieces.size());
  }
}

TEST_F(Sip, names_what_is_wrong_with_fragments) {
  const UdpFrame udp{.source = kUa, .destination = kSip, .payload = text(invite("frag", 4000))};
  const Bytes eight(8, 'x');
  struct Case {
    const char* description;
    DropReason reason;
    std::vector<Bytes> frames;
    std::uint64_t count;
  };
  const auto large = fragments_of(udp, 400);
  ASSERT_GT(large.size(), 9u);
  const Case cases[] = {
      {"nine of them", DropReason::fragment_too_many, {large.begin(), large.begin() + 8}, 8},
      {"overlapping",
       DropReason::fragment_overlap,
       {fragment_of(udp, 0, true, Bytes(16, 'a')), fragment_of(udp, 8, true, Bytes(16, 'a')),
        fragment_of(udp, 16, false, Bytes(16, 'a'))},
       3},
      {"the first one twice",
       DropReason::fragment_overlap,
       {fragment_of(udp, 0, true, eight), fragment_of(udp, 0, true, eight)},
       2},
      {"beyond 65,535 octets", DropReason::fragment_too_large, {fragment_of(udp, 65528, false, eight)}, 1},
      {"ragged", DropReason::ip_header, {fragment_of(udp, 0, true, Bytes(13, 'a'))}, 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    for (const Bytes& frame : c.frames) rig.put(kAccess, frame);
    rig.turn();
    EXPECT_EQ(rig.drops(kAccess, c.reason), c.count);
  }
}

// The library has chained part of such a set when it sees the hole. The rig holds the law at its end.
TEST_F(Sip, counts_every_fragment_of_a_set_that_died_half_joined) {
  for (const auto& [source, destination] :
       {std::pair{kUa, kSip}, std::pair{"[2001:db8:1::20]:5060", kSip6}}) {
    SCOPED_TRACE(source);
    Rig rig;
    const Bytes data(64, 'a');
    for (std::uint16_t id = 1; id <= 10; ++id) {
      const UdpFrame udp{.source = source, .destination = destination, .id = id};
      rig.put(kAccess, fragment_of(udp, 0, true, data));
      rig.put(kAccess, fragment_of(udp, 128, true, data));
      rig.put(kAccess, fragment_of(udp, 128, true, data));
      rig.put(kAccess, fragment_of(udp, 192, false, data));
    }
    rig.turn_for(50 * kMillisecond);
    EXPECT_EQ(rig.sum(kAccess, &PortCounters::received_packets), 40u);
    EXPECT_EQ(rig.drops(kAccess, DropReason::fragment_overlap), 40u);
    EXPECT_EQ(rig.in_use(), 0u);
    rig.check_law();
  }
}

TEST_F(Sip, gives_late_fragments_up_by_name) {
  Rig rig;
  const auto pieces =
      fragments_of({.source = kUa, .destination = kSip, .payload = text(invite("f", 2000))}, 1000);
  rig.put(kAccess, pieces[0]);
  rig.put(kAccess, pieces[1]);
  rig.turn();
  EXPECT_EQ(rig.in_use(), 2u);
  rig.turn_for(3 * kSecond);
  EXPECT_EQ(rig.drops(kAccess, DropReason::fragment_timeout), 2u);
  EXPECT_EQ(rig.in_use(), 0u);
  rig.put(kAccess, pieces[2]);  // late: a datagram of its own, which also times out
  rig.turn_for(3 * kSecond);
  EXPECT_EQ(rig.drops(kAccess, DropReason::fragment_timeout), 3u);
}

TEST_F(Sip, a_full_fragment_table_is_named) {
  Rig rig;
  for (std::uint16_t id = 1; id <= 900; ++id) {
    rig.put(kAccess, fragment_of({.source = kUa, .destination = kSip, .id = id}, 0, true, Bytes(64, 'a')));
    if (id % 32 == 0) rig.turn();
  }
  rig.turn();
  EXPECT_GT(rig.drops(kAccess, DropReason::fragment_table_full), 0u);
}

TEST_F(Sip, leaves_in_one_frame_or_in_fragments) {
  struct Case {
    std::uint16_t realm;
    const char* local;
    const char* remote;
    std::size_t body;
    std::size_t frames;
  };
  const Case cases[] = {{0, kSip, kUa, 0, 1},
                        {0, kSip, kUa, 3000, 3},
                        {0, kSip6, "[2001:db8:1::20]:5060", 0, 1},
                        {1, "[2001:db8:2::1]:5060", "[2001:db8:2::10]:5060", 3000, 3}};
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.remote) + " " + std::to_string(c.body));
    Rig rig;
    const std::string message = invite("out", c.body);
    rig.sip_send(c.realm, c.local, c.remote, message);
    rig.turn();
    const auto sent = rig.sent(c.realm == 0 ? kAccess : kCore);
    ASSERT_THAT(sent, SizeIs(c.frames));
    const auto out = c.frames == 1 ? read_frame(sent[0]) : join_fragments(sent);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->payload, text(message));
    EXPECT_EQ(out->source.to_text(), c.local);
    EXPECT_EQ(out->destination.to_text(), c.remote);
    EXPECT_TRUE(out->ip_checksum_right && out->udp_checksum_right);
    EXPECT_EQ(out->tos, 24 << 2);
  }
}

TEST_F(Sip, leaves_after_the_pinhole_is_open) {
  Rig rig;
  rig.install(rig.flow(0, "198.51.100.1:20000", "", "198.51.100.20:4000"));
  rig.sip_send(0, kSip, kUa, invite());
  rig.turn();
  EXPECT_THAT(rig.sent(kAccess), SizeIs(1));
  rig.put(kAccess,
          frame_of({.source = "198.51.100.20:4000", .destination = "198.51.100.1:20000", .payload = rtp(1)}));
  rig.turn();
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_no_pair), 1u) << "not port_closed";
}

TEST_F(Sip, waits_for_its_neighbour_and_is_reported_when_none_comes) {
  Rig rig({.neighbours = false});
  rig.next_hops->set_routes({{.destination = *Prefix::parse("192.0.2.0/24"), .link = 1}});
  const std::string first = request_of_ours(branch_of(rig, 0, 11, 1)) + std::string(3000, 'y');
  rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", first);
  rig.sip_send(1, "192.0.2.1:5060", "192.0.2.11:5060", request_of_ours(branch_of(rig, 0, 12, 2)));
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  rig.now += 100 * kMillisecond;
  rig.next_hops->set_neighbour(1, *IpAddress::parse("192.0.2.10"), {2, 7, 7, 7, 7, 7});
  rig.turn();
  const auto sent = join_fragments(rig.sent(kCore));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->payload, text(first));
  rig.turn_for(2'800 * kMillisecond);
  EXPECT_THAT(rig.events<SipUnreachable>(Event::sip_unreachable), SizeIs(0)) << "the kernel still asks";
  rig.turn_for(200 * kMillisecond);
  const auto told = rig.events<SipUnreachable>(Event::sip_unreachable);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].slot, 12u);
  EXPECT_EQ(told[0].generation, 2u);
  EXPECT_EQ(told[0].icmp_type, 0);
  EXPECT_EQ(rig.sum(kCore, &PortCounters::unsent), 1u);
  rig.sip_send(1, "192.0.2.1:5060", "203.0.113.1:5060", request_of_ours(branch_of(rig, 0, 13, 3)));
  rig.sip_send(1, "192.0.2.1:5060", "198.51.100.1:5060", request_of_ours(branch_of(rig, 0, 14, 3)));
  rig.turn();
  EXPECT_THAT(rig.events<SipUnreachable>(Event::sip_unreachable), SizeIs(2)) << "no route, and to ourselves";
}

TEST_F(Sip, leaves_in_the_order_in_which_it_was_said_when_its_neighbour_comes_between) {
  Rig rig({.neighbours = false});
  rig.next_hops->set_routes({{.destination = *Prefix::parse("192.0.2.0/24"), .link = 1}});
  const auto say = [&](const std::string& message) {
    rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", message);
    rig.turn();
  };
  say("SIP/2.0 100 Trying");
  say("SIP/2.0 100 Trying");  // a timer's: the one that waits will do
  rig.next_hops->set_neighbour(1, *IpAddress::parse("192.0.2.10"), {2, 7, 7, 7, 7, 7});
  say("SIP/2.0 200 OK");  // in the turn in which the other is not due yet
  std::vector<std::string> left;
  for (const Bytes& frame : rig.sent(kCore)) {
    const auto read = read_frame(frame);
    ASSERT_TRUE(read.has_value());
    left.emplace_back(read->payload.begin(), read->payload.end());
  }
  EXPECT_THAT(left, ::testing::ElementsAre("SIP/2.0 100 Trying", "SIP/2.0 200 OK"));
  EXPECT_EQ(rig.sum(kCore, &PortCounters::unsent), 1u);
}

TEST_F(Sip, that_finds_no_room_to_wait_is_lost_and_no_word_about_its_host) {
  Rig rig({.neighbours = false});
  rig.next_hops->set_routes({{.destination = *Prefix::parse("192.0.2.0/24"), .link = 1}});
  const auto request = [&](std::uint32_t n) { return request_of_ours(branch_of(rig, 0, n, 1)); };
  constexpr std::uint32_t kMany = SipOutbound::kPending + 1;
  for (std::uint32_t n = 0; n < kMany; ++n) {
    rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", request(n));
    rig.turn();
  }
  EXPECT_THAT(rig.events<SipUnreachable>(Event::sip_unreachable), SizeIs(0));
  EXPECT_EQ(rig.sum(kCore, &PortCounters::unsent), 1u);
  rig.next_hops->set_neighbour(1, *IpAddress::parse("192.0.2.10"), {2, 7, 7, 7, 7, 7});
  rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", request(kMany - 1));  // by its timer
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(kMany));
  EXPECT_THAT(rig.events<SipUnreachable>(Event::sip_unreachable), SizeIs(0));
}

TEST_F(Sip, ICMP_errors_that_quote_a_request_of_ours_reach_its_shard) {
  struct Case {
    const char* description;
    const char* local;
    const char* remote;
    std::uint8_t type, code;
    bool too_big;
  };
  const Case cases[] = {{"port unreachable", "192.0.2.1", "192.0.2.10", 3, 3, false},
                        {"fragmentation needed", "192.0.2.1", "192.0.2.10", 3, 4, true},
                        {"IPv6 port unreachable", "2001:db8:2::1", "2001:db8:2::10", 1, 4, false},
                        {"IPv6 packet too big", "2001:db8:2::1", "2001:db8:2::10", 2, 0, true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    const auto endpoint = [](const char* address) {
      return Endpoint{*IpAddress::parse(address), 5060}.to_text();
    };
    const Bytes quoted = frame_of({.source = endpoint(c.local),
                                   .destination = endpoint(c.remote),
                                   .payload = text(request_of_ours(branch_of(rig, 0, 42, 6)))});
    rig.put(kCore, icmp_error(c.remote, c.local, c.type, c.code, quoted));
    rig.turn();
    const auto told = rig.events<SipUnreachable>(Event::sip_unreachable);
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_EQ(told[0].slot, 42u);
    EXPECT_EQ(told[0].generation, 6u);
    EXPECT_EQ(told[0].remote.to_text(), endpoint(c.remote));
    EXPECT_EQ(told[0].icmp_type, c.type);
    EXPECT_EQ(told[0].packet_too_big, c.too_big);
    EXPECT_EQ(rig.sum(kCore, &PortCounters::sip), 1u);
  }
}

TEST_F(Sip, ICMP_errors_that_quote_nothing_of_ours_end_here) {
  Rig rig;
  const auto quote = [&](const char* source, const std::string& message) {
    return icmp_error(
        "192.0.2.10", "192.0.2.1", 3, 3,
        frame_of({.source = source, .destination = "192.0.2.10:5060", .payload = text(message)}));
  };
  rig.put(kCore, quote("192.0.2.1:5060", request_of_ours("z9hG4bKabcdefghijklmnopqrstuvwxyz")));  // forged
  rig.put(kCore, quote("192.0.2.1:20000", "x"));                                                  // media
  rig.put(kCore, quote("192.0.2.7:5060", request_of_ours(branch_of(rig, 0, 42, 6))));  // not our address
  Bytes damaged = quote("192.0.2.1:5060", request_of_ours(branch_of(rig, 0, 42, 6)));
  damaged.back() ^= 1;
  rig.put(kCore, damaged);
  rig.turn();
  EXPECT_EQ(rig.drops(kCore, DropReason::icmp_unrelated), 4u);
}

TEST_F(Sip, the_kernel_gets_what_is_its_own_and_sends_by_worker_0) {
  Rig rig;
  const Bytes frames[] = {
      arp_request("198.51.100.20", "198.51.100.1"),
      ip_frame("198.51.100.20", "198.51.100.1", 1, hex("0800f7ff00000000")),
      ip_frame("2001:db8:1::20", "ff02::1:ff00:1", 58,
               hex("87000000 00000000 20010db8000100000000000000000001")),
      ip_frame("198.51.100.20", "198.51.100.1", 6, hex("c35013c4 00000001 00000000 5002faf0 00000000")),
  };
  for (const Bytes& frame : frames) rig.put(kAccess, frame);
  rig.put(kAccess, arp_request("198.51.100.20", "198.51.100.99"));
  rig.put(kAccess, ip_frame("198.51.100.20", "198.51.100.1", 47, hex("00000000")));
  rig.turn();
  for (const Bytes& frame : frames) {
    const auto record = rig.to_kernel[0]->front();
    ASSERT_EQ(record.kind, kAccess + 1);
    ASSERT_EQ(record.bytes.size(), frame.size());
    EXPECT_EQ(std::memcmp(record.bytes.data(), frame.data(), frame.size()), 0);
    rig.to_kernel[0]->pop();
  }
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::kernel), 4u);
  EXPECT_EQ(rig.drops(kAccess, DropReason::not_for_us), 1u);
  EXPECT_EQ(rig.drops(kAccess, DropReason::protocol), 1u);

  std::byte* to = rig.from_kernel->reserve(kCore + 1, frames[0].size());
  std::memcpy(to, frames[0].data(), frames[0].size());
  rig.from_kernel->publish();
  rig.turn();
  EXPECT_EQ(rig.sent(kCore), std::vector<Bytes>{frames[0]});
  EXPECT_EQ(rig.sum(kCore, &PortCounters::sent_packets), 1u);
}

TEST_F(Sip, the_kernels_ring_and_gate_name_their_drops) {
  Rig rig;
  const Bytes ping = ip_frame("198.51.100.20", "198.51.100.1", 1, Bytes(1400, 0));
  for (int i = 0; i < 960; ++i) {
    rig.put(kAccess, ping);
    if (i % 32 == 31) rig.turn();
  }
  rig.turn();
  EXPECT_GT(rig.drops(kAccess, DropReason::kernel_full), 0u);
}

}  // namespace
}  // namespace sallyport::dp::test

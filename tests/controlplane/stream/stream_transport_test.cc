// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/stream_transport.h"

#include <gtest/gtest.h>

#include "tests/controlplane/stream/rig_support.h"

namespace sallyport::stream {
namespace {

constexpr std::string_view kAnswer = "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

// ---- receiving

TEST(StreamTransport, A_message_reaches_its_shard_with_where_it_came_from) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  office.send(options_request("one"));
  const Heard heard = rig.hear();
  ASSERT_EQ(heard.kind, Event::received);
  EXPECT_EQ(heard.text, options_request("one"));
  EXPECT_EQ(heard.index.call_id.in(heard.text), "one");
  EXPECT_EQ(heard.head.path.transport, sip::Transport::tcp);
  EXPECT_EQ(heard.head.path.local, rig.at());
  EXPECT_EQ(heard.head.path.remote, office.local());
  EXPECT_NE(heard.head.path.connection, 0u);
  EXPECT_EQ(heard.head.path.peer, sip::kPeerByAddress);
  EXPECT_EQ(heard.head.verdict, dp::SteerVerdict::by_hash);
  EXPECT_GT(rig.wakes, 0u);
}

TEST(StreamTransport, Many_messages_in_one_segment_come_in_order) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  std::string all;
  for (int i = 0; i < 40; ++i) all += options_request("call" + std::to_string(i), "", std::string(100, 'b'));
  office.send(all);
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(rig.hear().text, options_request("call" + std::to_string(i), "", std::string(100, 'b')));
}

TEST(StreamTransport, One_message_in_many_segments_is_one_message) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  const std::string whole = options_request("cut", "", "body");
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    EXPECT_TRUE(rig.nothing_heard());
    office.send(std::string_view(whole).substr(i, 7));
    rig.turns(1);
  }
  EXPECT_EQ(rig.hear().text, whole);
}

TEST(StreamTransport, A_ping_gets_a_pong_and_nobody_else_hears_of_it) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  office.send("\r\n\r\n");
  EXPECT_EQ(rig.reading(office), "\r\n");
  EXPECT_TRUE(rig.nothing_heard());
  EXPECT_EQ(rig.counters().keep_alives.get(), 1u);
}

TEST(StreamTransport, A_fault_inside_a_message_is_the_shard_s_and_the_stream_goes_on) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  std::string bad = options_request("bad");
  bad.erase(bad.find("Call-ID"), bad.find("CSeq") - bad.find("Call-ID"));
  office.send(bad + options_request("good"));
  EXPECT_EQ(rig.hear().index.fault, sip::Fault::missing_call_id);
  EXPECT_EQ(rig.hear().index.call_id.length, 4u);
}

TEST(StreamTransport, Bad_framing_is_answered_and_then_the_connection_ends) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  std::string bad = options_request("noend");
  bad.erase(bad.find("Content-Length"), 19);
  office.send(bad + "and more that no one can tell apart");
  const Heard heard = rig.hear();
  EXPECT_EQ(heard.index.fault, sip::Fault::bad_content_length);
  EXPECT_EQ(sip::fault_status(heard.index.fault), 400);
  rig.send(heard.head.path, kAnswer);
  EXPECT_EQ(rig.reading(office), kAnswer);
  EXPECT_TRUE(rig.closes(office));
  office.close();
  EXPECT_TRUE(rig.until([&] { return rig.closed(Close::bad_framing) == 1; }));
}

TEST(StreamTransport, What_is_no_SIP_ends_the_connection_without_a_word) {
  for (const std::string& octets : {std::string("\x16\x03\x01\x00\x05hello", 10),
                                    std::string("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")}) {
    Rig rig;
    FarEnd office = rig.connect(kOffice);
    office.send(octets);
    EXPECT_TRUE(rig.closes(office));
    EXPECT_TRUE(rig.nothing_heard());
    EXPECT_EQ(rig.closed(Close::bad_framing), 1u);
  }
}

TEST(StreamTransport, A_response_without_our_branch_is_dropped_by_name) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  std::string response = options_request("x");
  response.replace(0, response.find("\r\n"), "SIP/2.0 200 OK");
  office.send(response);
  EXPECT_TRUE(rig.until([&] { return rig.counters().foreign_responses.get() == 1; }));
  EXPECT_TRUE(rig.nothing_heard());
}

TEST(StreamTransport, A_full_shard_ring_holds_the_connection_and_loses_nothing) {
  Rig rig([](config::Config&, Options& options) { options.ring_bytes = 16 * 1024; });
  FarEnd office = rig.connect(kOffice);
  std::string all;
  for (int i = 0; i < 50; ++i) all += options_request("n" + std::to_string(i));
  office.send(all);
  EXPECT_TRUE(rig.until([&] { return rig.counters().shard_ring_waits.get() != 0; }));
  for (int i = 0; i < 50; ++i) ASSERT_EQ(rig.hear().text, options_request("n" + std::to_string(i)));
  EXPECT_EQ(rig.counters().shard_ring_full.get(), 0u);
}

TEST(StreamTransport, A_shard_that_stands_still_loses_messages_by_name_after_a_while) {
  Rig rig([](config::Config&, Options& options) { options.ring_bytes = 16 * 1024; });
  FarEnd office = rig.connect(kOffice);
  std::string all;
  for (int i = 0; i < 50; ++i) all += options_request("n" + std::to_string(i));
  office.send(all);
  EXPECT_TRUE(rig.until([&] { return rig.counters().shard_ring_waits.get() != 0; }));
  rig.pass(rig.options.limits.stall_ns + kMillisecond);
  EXPECT_EQ(rig.counters().shard_ring_full.get(), 1u);
}

// ---- limits

TEST(StreamTransport, A_silent_connection_is_closed) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  rig.pass(rig.options.limits.first_ns - kSecond);
  EXPECT_FALSE(office.is_closed());
  rig.pass(2 * kSecond);
  EXPECT_TRUE(rig.closes(office));
  EXPECT_EQ(rig.closed(Close::silent), 1u);
}

TEST(StreamTransport, A_message_that_drips_in_is_closed_on_however_often_it_drips) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  office.send(options_request("first"));
  (void)rig.hear();
  office.send("OPTI");
  rig.turns(2);  // it has come before the time passes
  rig.pass(9 * kSecond);
  office.send("O");
  rig.pass(2 * kSecond);
  EXPECT_TRUE(rig.closes(office));
  EXPECT_EQ(rig.closed(Close::slow_message), 1u);
}

TEST(StreamTransport, A_connection_that_has_shown_its_use_may_be_silent_for_long_but_not_for_ever) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  office.send(options_request("first"));
  (void)rig.hear();
  rig.pass(rig.options.limits.idle_ns - kSecond);
  EXPECT_FALSE(office.is_closed());
  rig.pass(2 * kSecond);
  EXPECT_TRUE(rig.closes(office));
  EXPECT_EQ(rig.closed(Close::idle), 1u);
}

TEST(StreamTransport, Pings_keep_a_connection) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  for (int i = 0; i < 5; ++i) {
    office.send("\r\n\r\n");
    EXPECT_EQ(rig.reading(office), "\r\n");
    rig.pass(rig.options.limits.idle_ns - kSecond);
  }
  EXPECT_FALSE(office.is_closed());
}

TEST(StreamTransport, Connections_are_limited_by_source_by_peer_and_in_all) {
  const auto limits = [](std::uint32_t source, std::uint32_t peer, std::uint32_t all) {
    return [=](config::Config& config, Options& options) {
      config.peers[0].limits.connections_per_source = source;
      config.peers[0].limits.connections = peer;
      options.limits.connections = all;
    };
  };
  const std::array<std::pair<Close, std::array<std::uint32_t, 3>>, 3> cases{
      {{Close::source_limit, {2, 9, 9}}, {Close::peer_limit, {9, 2, 9}}, {Close::process_limit, {9, 9, 2}}}};
  for (const auto& [reason, most] : cases) {
    Rig rig(limits(most[0], most[1], most[2]));
    FarEnd one = rig.connect(kOffice), two = rig.connect(kOffice), three = rig.connect(kOffice);
    EXPECT_TRUE(rig.closes(three));
    EXPECT_FALSE(one.is_closed());
    EXPECT_EQ(rig.closed(reason), 1u) << close_name(reason);
    one.close();
    EXPECT_TRUE(rig.until([&] { return rig.counters().open.get() == 1; }));
    FarEnd four = rig.connect(kOffice);
    EXPECT_FALSE(four.is_closed());
  }
}

TEST(StreamTransport, A_reload_holds_for_the_connections_that_begin_after_it) {
  Rig rig;
  FarEnd before = rig.connect(kStranger);
  EXPECT_TRUE(rig.until([&] { return rig.counters().open.get() == 1; }));
  config::Config config = rig.config;
  config.realms[0].unknown_source = config::UnknownSource::drop;
  config.realms[0].sip_dscp = 40;
  config.peers[0].limits.connections = 1;
  config.peers.emplace_back().name = "newcomer";
  config.peers.back().match = {{kStranger, 32}};
  config.peers[1].retired = true;
  const auto rules = std::make_shared<Rules>(config, nullptr);
  auto taken = rules->taken.get_future();
  rig.transport->succeed(rules);
  EXPECT_NE(taken.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  rig.turns(1);
  EXPECT_EQ(taken.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_FALSE(before.is_closed());
  FarEnd newcomer = rig.connect(kStranger);
  FarEnd first = rig.connect(kOffice), second = rig.connect(kOffice);
  FarEnd removed = rig.connect(kCarrier);
  EXPECT_TRUE(rig.closes(second)) << "the limit";
  EXPECT_TRUE(rig.closes(removed)) << "nobody's now";
  EXPECT_FALSE(newcomer.is_closed());
  EXPECT_FALSE(first.is_closed());
}

TEST(StreamTransport, An_unknown_source_is_closed_at_once_where_the_realm_drops) {
  Rig rig([](config::Config& config, Options&) {
    config.realms[0].unknown_source = config::UnknownSource::drop;
  });
  FarEnd stranger = rig.connect(kStranger);
  EXPECT_TRUE(rig.closes(stranger));
  EXPECT_EQ(rig.closed(Close::unknown_source), 1u);
}

TEST(StreamTransport, An_unknown_source_has_one_message_heard_and_one_answer) {
  Rig rig;
  FarEnd stranger = rig.connect(kStranger);
  stranger.send(options_request("a") + options_request("b"));
  const Heard heard = rig.hear();
  EXPECT_EQ(heard.text, options_request("a"));
  EXPECT_TRUE(rig.nothing_heard());
  rig.send(heard.head.path, kAnswer);
  EXPECT_EQ(rig.reading(stranger), kAnswer);
  EXPECT_TRUE(rig.closes(stranger));
  FarEnd again = rig.connect(kStranger);
  EXPECT_TRUE(again.is_closed()) << "a second connection beside the first";
}

TEST(StreamTransport, A_stranger_that_is_not_answered_is_closed_soon) {
  Rig rig;
  FarEnd stranger = rig.connect(kStranger);
  stranger.send(options_request("a"));
  (void)rig.hear();
  rig.pass(rig.options.limits.linger_ns + kSecond);
  EXPECT_TRUE(rig.closes(stranger));
  EXPECT_EQ(rig.closed(Close::stranger_served), 1u);
}

// ---- sending

TEST(StreamTransport, An_answer_goes_back_on_its_connection) {
  Rig rig;
  FarEnd one = rig.connect(kOffice), two = rig.connect(kOffice);
  two.send(options_request("x"));
  const Heard heard = rig.hear();
  rig.send(heard.head.path, kAnswer);
  EXPECT_EQ(rig.reading(two), kAnswer);
  EXPECT_EQ(one.take(), "");
}

TEST(StreamTransport, A_request_opens_a_connection_from_our_address_and_the_next_one_uses_it) {
  Rig rig;
  Waiting carrier(kCarrier);
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 1));
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 2));
  FarEnd end = carrier.accept(rig);
  ASSERT_TRUE(end);
  std::string got;
  EXPECT_TRUE(rig.until([&] {
    got += end.take();
    return got.size() >= 2 * our_request(rig.options.key, 1).size();
  }));
  EXPECT_FALSE(carrier.has_one());
  EXPECT_EQ(rig.counters().reused.get(), 1u);
  // The answers, and requests of theirs, come on it.
  end.send(options_request("back"));
  const Heard heard = rig.hear();
  EXPECT_EQ(heard.text, options_request("back"));
  EXPECT_EQ(heard.head.path.local, (Endpoint{kOurs, 5060}));
  EXPECT_EQ(heard.head.path.remote, carrier.at());
}

TEST(StreamTransport, A_request_uses_the_connection_that_its_far_end_has_named_as_its_own) {
  Rig rig;
  FarEnd office = rig.connect(kOffice);
  office.send(options_request("x", ";alias"));
  (void)rig.hear();
  rig.send(rig.path_to({kOffice, 5060}), our_request(rig.options.key, 1));
  EXPECT_EQ(rig.reading(office), our_request(rig.options.key, 1));
}

TEST(StreamTransport, Nobody_listens_and_the_shard_hears_which_request_failed) {
  Rig rig;
  Waiting carrier(kCarrier);
  const Endpoint gone = carrier.at();
  carrier.close();
  rig.send(rig.path_to(gone), our_request(rig.options.key, 21));
  const Heard heard = rig.hear();
  ASSERT_EQ(heard.kind, Event::unreachable);
  EXPECT_EQ(heard.unreachable.slot, 21u);
  EXPECT_EQ(heard.unreachable.generation, 7u);
  EXPECT_EQ(heard.unreachable.remote, gone);
  EXPECT_EQ(rig.closed(Close::connect_failed), 1u);
}

TEST(StreamTransport, A_response_after_its_connection_broke_goes_on_a_new_one_to_where_its_path_says) {
  Rig rig;
  Waiting office(kOffice);
  FarEnd first = rig.connect(kOffice);
  first.send(options_request("x"));
  Heard heard = rig.hear();
  first.close();
  EXPECT_TRUE(rig.until([&] { return rig.closed(Close::by_peer) == 1; }));
  heard.head.path.remote = office.at();
  rig.send(heard.head.path, kAnswer);
  FarEnd second = office.accept(rig);
  ASSERT_TRUE(second);
  EXPECT_EQ(rig.reading(second), kAnswer);
}

TEST(StreamTransport, What_a_closed_far_end_never_took_goes_once_more_on_a_fresh_connection) {
  Rig rig;
  Waiting carrier(kCarrier);
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 1));
  FarEnd end = carrier.accept(rig);
  EXPECT_EQ(rig.reading(end), our_request(rig.options.key, 1));
  // Its kernel answers what comes now with RST: the message was written, and never taken.
  end.close_hard();
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 2));
  FarEnd fresh = carrier.accept(rig);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(rig.reading(fresh), our_request(rig.options.key, 2));
  EXPECT_EQ(rig.counters().unreachable.get(), 0u);
}

TEST(StreamTransport, A_far_end_that_reads_nothing_is_closed_when_too_much_waits) {
  Rig rig;
  Waiting carrier(kCarrier);
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 1));
  FarEnd end = carrier.accept(rig);
  const std::string large = our_request(rig.options.key, 3, std::string(60'000, 'x'));
  for (int i = 0; i < 400 && rig.closed(Close::slow_reader) == 0; ++i)
    rig.send(rig.path_to(carrier.at()), large);
  EXPECT_EQ(rig.closed(Close::slow_reader), 1u);
  EXPECT_EQ(rig.hear().kind, Event::unreachable);
}

TEST(StreamTransport, A_far_end_that_takes_nothing_for_long_is_closed) {
  Rig rig;
  Waiting carrier(kCarrier);
  rig.send(rig.path_to(carrier.at()), our_request(rig.options.key, 1));
  FarEnd end = carrier.accept(rig);
  const std::string large = our_request(rig.options.key, 3, std::string(60'000, 'x'));
  for (int i = 0; i < 400 && rig.counters().sent_messages.get() + 2 > static_cast<std::uint64_t>(i); ++i) {
    rig.send(rig.path_to(carrier.at()), large);
  }
  rig.pass(rig.options.limits.write_ns - kSecond);
  EXPECT_EQ(rig.closed(Close::slow_reader), 0u);
  rig.pass(2 * kSecond);
  EXPECT_EQ(rig.closed(Close::slow_reader), 1u);
}

TEST(StreamTransport, An_address_that_is_taken_is_one_sentence) {
  Rig rig;
  Options options = rig.options;
  options.listeners = {{0, rig.at(), sip::Transport::tcp}};
  const auto second = StreamTransport::start(options, rig.config, [](unsigned) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("cannot listen for SIP over TCP on 127.0.0.1:"), std::string::npos)
      << second.error();
}

}  // namespace
}  // namespace sallyport::stream

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/ring.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sallyport::trace {
namespace {

Entry entry(std::uint64_t sequence, std::string_view call, std::string_view octets,
            std::uint64_t call_id = 1) {
  Entry one;
  one.sequence = sequence;
  one.call = call;
  one.call_id_hash = call_id;
  one.realm = "access";
  one.peer = "office";
  one.octets = octets;
  return one;
}

std::vector<std::uint64_t> sequences(const Ring& ring) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t at = ring.oldest(); ring.has(at); at = ring.after(at))
    all.push_back(ring.at(at).sequence);
  return all;
}

TEST(Ring, Gives_back_what_was_added) {
  Ring ring(1 << 16);
  Entry one = entry(7, "call-a", "INVITE");
  one.number = 3;
  one.direction = Direction::sent;
  one.retransmission = true;
  one.transport = Transport::tls;
  one.side = Side::callee;
  one.local = {IpAddress::v4(0xc0000201), 5060};
  one.remote = {IpAddress::v4(0xc000020a), 5061};
  one.monotonic_ns = 5;
  one.wall_ns = 6;
  const std::uint64_t at = ring.add(one);
  const Message message = ring.at(at).copy();
  EXPECT_EQ(message.sequence, 7u);
  EXPECT_EQ(message.number, 3u);
  EXPECT_EQ(message.call, "call-a");
  EXPECT_EQ(message.realm, "access");
  EXPECT_EQ(message.peer, "office");
  EXPECT_EQ(message.octets, "INVITE");
  EXPECT_EQ(message.source(), one.local);
  EXPECT_EQ(message.target(), one.remote);
  EXPECT_EQ(message.side, Side::callee);
  EXPECT_EQ(message.transport, Transport::tls);
  EXPECT_TRUE(message.retransmission);
  EXPECT_EQ(message.monotonic_ns, 5);
  EXPECT_EQ(message.wall_ns, 6);
}

TEST(Ring, Takes_nothing_where_it_is_off_or_the_message_is_too_large) {
  Ring off(0);
  EXPECT_EQ(off.add(entry(1, "a", "x")), Ring::kNone);
  EXPECT_EQ(off.newest_of_call("a"), Ring::kNone);
  EXPECT_EQ(off.newest_of_call_id(1), Ring::kNone);
  EXPECT_FALSE(off.has(off.behind(0)));
  Ring small(4096);
  EXPECT_EQ(small.add(entry(1, "a", std::string(2049, 'x'))), Ring::kNone);
  EXPECT_TRUE(sequences(small).empty());
}

// Against a plain list: sizes at random, several rounds through the memory.
TEST(Ring, Holds_the_newest_and_counts_what_was_overwritten) {
  std::mt19937 random(1);
  Ring ring(1 << 14);
  std::vector<std::string> texts(1);
  std::vector<std::string> calls(1);
  for (std::uint64_t n = 1; n <= 3000; ++n) {
    texts.push_back(std::string(random() % 3000, static_cast<char>('a' + n % 26)));
    calls.push_back("call-" + std::to_string(random() % 5));
    ASSERT_NE(ring.add(entry(n, calls.back(), texts.back(), random() % 5 + 1)), Ring::kNone);
    const std::vector<std::uint64_t> left = sequences(ring);
    ASSERT_FALSE(left.empty());
    ASSERT_EQ(left.back(), n);
    ASSERT_EQ(left.front(), n + 1 - left.size()) << "no gap between those that are left";
    ASSERT_EQ(ring.overwritten(), n - left.size());
    for (std::uint64_t at = ring.oldest(); ring.has(at); at = ring.after(at)) {
      const Entry found = ring.at(at);
      ASSERT_EQ(found.octets, texts[found.sequence]);
      ASSERT_EQ(found.call, calls[found.sequence]);
    }
    std::vector<std::uint64_t> expected;
    for (const std::uint64_t one : left) {
      if (calls[one] == "call-3") expected.push_back(one);
    }
    std::vector<std::uint64_t> found;
    for (std::uint64_t at = ring.newest_of_call("call-3"); at != Ring::kNone; at = ring.before_in_call(at))
      found.insert(found.begin(), ring.at(at).sequence);
    ASSERT_EQ(found, expected) << "after " << n;
  }
}

TEST(Ring, Finds_a_sequence_number_however_far_round_it_has_come) {
  Ring ring(1 << 14);
  for (std::uint64_t n = 1; n <= 500; ++n) {
    static_cast<void>(ring.add(entry(n, "", std::string(n % 7 * 40, 'x'))));
    const std::uint64_t oldest = ring.at(ring.oldest()).sequence;
    for (std::uint64_t wanted = 0; wanted < n; ++wanted) {
      const std::uint64_t at = ring.behind(wanted);
      ASSERT_TRUE(ring.has(at)) << wanted << " of " << n;
      ASSERT_EQ(ring.at(at).sequence, std::max(wanted + 1, oldest));
    }
    ASSERT_FALSE(ring.has(ring.behind(n)));
    ASSERT_FALSE(ring.has(ring.behind(~std::uint64_t{0} - 1)));
  }
}

TEST(Ring, Names_the_newest_message) {
  Ring ring(1 << 14);
  static_cast<void>(ring.add(entry(1, "call-b", "x")));
  const std::uint64_t at = ring.add(entry(2, "", "INVITE"));
  EXPECT_EQ(ring.newest_of_call("call-a"), Ring::kNone);
  ring.name(at, "call-a", Side::caller, 1);
  EXPECT_EQ(ring.newest_of_call("call-a"), at);
  EXPECT_EQ(ring.at(at).octets, "INVITE");
  EXPECT_EQ(ring.at(at).number, 1u);
  EXPECT_EQ(ring.newest_of_call_id(1), at);
  EXPECT_EQ(ring.at(ring.before_of_call_id(at)).sequence, 1u);
}

}  // namespace
}  // namespace sallyport::trace

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steer/steering.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sallyport::steer {
namespace {

constexpr std::uint8_t kShards = 8;
constexpr SipHashKey kHashKey{1, 2};

NodeKey node_key() {
  NodeKey key;
  key.cipher.fill(0x42);
  key.hash = kHashKey;
  key.epoch = 3;
  return key;
}

// The parts of a message that steering looks at.
struct Parts {
  std::string start = "INVITE sip:b@h SIP/2.0";
  std::string method = "INVITE";
  std::string branch = "z9hG4bKpeer";
  std::string from_tag = "ft";
  std::string to_tag;
  std::string call_id = "c1@h";
};

std::string build(const Parts& p) {
  return p.start + "\r\nVia: SIP/2.0/UDP h" + (p.branch.empty() ? "" : ";branch=" + p.branch) +
         "\r\nFrom: <sip:a@h>" + (p.from_tag.empty() ? "" : ";tag=" + p.from_tag) + "\r\nTo: <sip:b@h>" +
         (p.to_tag.empty() ? "" : ";tag=" + p.to_tag) + "\r\nCall-ID: " + p.call_id + "\r\nCSeq: 1 " +
         p.method + "\r\n\r\n";
}

class SteeringTest : public testing::Test {
 protected:
  [[nodiscard]] Steering steer_message(const std::string& message, std::uint8_t shards = kShards) const {
    sip::MessageIndex index;
    static_cast<void>(sip::parse(message, sip::Framing::datagram, index));
    return steer(index, message, codec_, kHashKey, shards);
  }
  [[nodiscard]] Steering steer_parts(const Parts& parts) const { return steer_message(build(parts)); }
  [[nodiscard]] std::string tag(std::uint8_t shard = 5) const {
    return codec_.mint({TokenKind::tag, shard, 77, 8});
  }
  [[nodiscard]] std::string branch(std::uint8_t shard = 5) const {
    return "z9hG4bK" + codec_.mint({TokenKind::branch, shard, 99, 4});
  }
  [[nodiscard]] static Parts response(const std::string& branch) {
    return {.start = "SIP/2.0 200 OK", .branch = branch, .to_tag = "theirs"};
  }
  [[nodiscard]] static Parts request(const std::string& method, const std::string& to_tag = "") {
    return {.start = method + " sip:b@h SIP/2.0", .method = method, .to_tag = to_tag};
  }

  IdentifierCodec codec_{node_key()};
};

TEST_F(SteeringTest, A_response_goes_by_our_branch) {
  const Steering s = steer_parts(response(branch()));
  EXPECT_EQ(s.verdict, Verdict::by_branch);
  EXPECT_EQ(s.shard, 5);
  EXPECT_EQ(s.slot, 99u);
  EXPECT_EQ(s.generation, 4u);
}

TEST_F(SteeringTest, A_response_without_our_branch_is_foreign) {
  EXPECT_EQ(steer_parts(response("z9hG4bKpeer")).verdict, Verdict::foreign_response);
  EXPECT_EQ(steer_parts(response("")).verdict, Verdict::foreign_response);
  EXPECT_EQ(steer_parts(response("z9hG4bK" + tag())).verdict, Verdict::foreign_response);
  EXPECT_EQ(steer_parts(response(branch().substr(7))).verdict, Verdict::foreign_response);
  EXPECT_EQ(steer_parts(response(branch(kShards))).verdict, Verdict::foreign_response);
}

TEST_F(SteeringTest, A_response_with_a_fault_goes_by_its_branch_too) {
  std::string message = build(response(branch()));
  message.replace(message.find("CSeq: 1"), 7, "CSeq: x");
  EXPECT_EQ(steer_message(message).verdict, Verdict::by_branch);
}

TEST_F(SteeringTest, Every_request_with_our_to_tag_goes_by_it) {
  for (const char* method :
       {"ACK", "BYE", "INVITE", "UPDATE", "PRACK", "INFO", "CANCEL", "OPTIONS", "NEWMETHOD"}) {
    const Steering s = steer_parts(request(method, tag()));
    EXPECT_EQ(s.verdict, Verdict::by_tag) << method;
    EXPECT_EQ(s.shard, 5) << method;
    EXPECT_EQ(s.slot, 77u) << method;
    EXPECT_EQ(s.generation, 8u) << method;
  }
}

TEST_F(SteeringTest, An_upper_case_tag_is_the_same_tag) {
  std::string upper = tag();
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 0x20 : c);
  EXPECT_EQ(steer_parts(request("BYE", upper)).verdict, Verdict::by_tag);
}

TEST_F(SteeringTest, A_to_tag_that_is_none_of_ours_is_told) {
  NodeKey old = node_key();
  ++old.epoch;
  const std::string before = IdentifierCodec(old).mint({TokenKind::tag, 5, 77, 8});
  for (const std::string& unknown :
       {std::string("theirs"), before, branch().substr(7), tag(kShards), tag() + "a"}) {
    EXPECT_EQ(steer_parts(request("BYE", unknown)).verdict, Verdict::unknown_tag) << unknown;
    EXPECT_EQ(steer_parts(request("ACK", unknown)).verdict, Verdict::unknown_tag) << unknown;
  }
}

TEST_F(SteeringTest, A_cancel_a_retransmission_and_a_merged_copy_meet_their_invite) {
  for (int i = 0; i < 100; ++i) {
    Parts invite = request("INVITE");
    invite.call_id = "call-" + std::to_string(i);
    invite.from_tag = i % 3 == 0 ? "" : "tag-" + std::to_string(i);
    const Steering first = steer_parts(invite);
    EXPECT_EQ(first.verdict, Verdict::by_hash);
    EXPECT_LT(first.shard, kShards);
    Parts cancel = invite;
    cancel.start = "CANCEL sip:b@h SIP/2.0";
    cancel.method = "CANCEL";
    EXPECT_EQ(steer_parts(cancel).shard, first.shard);
    cancel.to_tag = "a-tag-that-is-none-of-ours";
    EXPECT_EQ(steer_parts(cancel).shard, first.shard);
    EXPECT_EQ(steer_parts(cancel).verdict, Verdict::by_hash);
    Parts merged = invite;
    merged.branch = "z9hG4bKanother-way";
    EXPECT_EQ(steer_parts(merged).shard, first.shard);
  }
}

TEST_F(SteeringTest, The_hash_is_keyed_and_spreads_calls_over_all_shards) {
  std::array<int, kShards> calls{};
  int moved = 0;
  for (int i = 0; i < 8000; ++i) {
    Parts parts;
    parts.call_id = std::to_string(i);
    const std::string message = build(parts);
    sip::MessageIndex index;
    ASSERT_TRUE(sip::parse(message, sip::Framing::datagram, index));
    const auto shard = steer(index, message, codec_, kHashKey, kShards).shard;
    ++calls[shard];
    moved += steer(index, message, codec_, {3, 4}, kShards).shard != shard ? 1 : 0;
  }
  for (const int n : calls) EXPECT_NEAR(n, 1000, 150);
  EXPECT_NEAR(moved, 7000, 200);
}

TEST_F(SteeringTest, Call_id_and_tag_do_not_run_into_one_another) {
  int apart = 0;
  for (int i = 0; i < 64; ++i) {
    Parts a;
    a.call_id = "x" + std::to_string(i) + "y";
    a.from_tag = "z";
    Parts b = a;
    b.call_id.pop_back();
    b.from_tag = "yz";
    apart += steer_parts(a).shard != steer_parts(b).shard ? 1 : 0;
  }
  EXPECT_GT(apart, 32);
}

TEST_F(SteeringTest, A_request_with_a_fault_goes_by_hash_with_what_is_there) {
  std::string message = build(request("BYE", tag()));
  message.replace(message.find("CSeq: 1"), 7, "CSeq: x");
  EXPECT_EQ(steer_message(message).verdict, Verdict::by_hash);
  EXPECT_EQ(steer_message("hello").verdict, Verdict::by_hash);
}

TEST_F(SteeringTest, One_shard_gets_everything) {
  EXPECT_EQ(steer_message(build({}), 1).shard, 0);
  EXPECT_EQ(steer_message(build(request("BYE", "theirs")), 1).shard, 0);
}

}  // namespace
}  // namespace sallyport::steer

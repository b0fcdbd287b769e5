// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steer/identifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

namespace sallyport::steer {
namespace {

NodeKey key_of(std::uint8_t seed, std::uint16_t node = 7, std::uint16_t epoch = 9) {
  NodeKey key;
  key.cipher.fill(seed);
  key.node = node;
  key.epoch = epoch;
  return key;
}

const Identity kIdentities[] = {
    {TokenKind::branch, 0, 0, 0},
    {TokenKind::tag, 255, (1u << 28) - 1, 0xffffffff},
    {TokenKind::call_id, 1, 0x0abcdef, 0x12345678},
    {TokenKind::tag, 128, 0xff, 1u << 31},
    {TokenKind::branch, 3, 0x100, 42},
};

TEST(Identifier, What_is_minted_opens_to_what_it_was_minted_from) {
  const IdentifierCodec codec(key_of(1));
  for (const Identity& identity : kIdentities) {
    const auto opened = codec.open(codec.mint(identity), identity.kind);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(*opened, identity);
  }
}

// Computed apart, with openssl enc and base32.
TEST(Identifier, Is_one_aes_128_block_in_lower_case_base32) {
  NodeKey key = key_of(0, 0x0011, 0x2233);
  for (std::size_t i = 0; i < key.cipher.size(); ++i) key.cipher[i] = static_cast<std::uint8_t>(i);
  const IdentifierCodec codec(key);
  const std::string token = codec.mint({TokenKind::branch, 5, 6, 7});
  EXPECT_EQ(token.size(), kTokenChars);
  EXPECT_EQ(token.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
  // AES-128, key 000102..0f, block 00112233 10500000 06000000 075a11f0.
  EXPECT_EQ(token, "7xbab735t2zizbu4nfykl7ef2q");
}

TEST(Identifier, Opens_in_any_case) {
  const IdentifierCodec codec(key_of(1));
  for (const Identity& identity : kIdentities) {
    std::string token = codec.mint(identity);
    std::ranges::transform(token, token.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_EQ(codec.open(token, identity.kind).value(), identity);
  }
}

TEST(Identifier, Any_other_character_anywhere_makes_it_invalid) {
  const IdentifierCodec codec(key_of(1));
  const std::string token = codec.mint({TokenKind::tag, 1, 2, 3});
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz234567")) {
      if (c == token[at]) continue;
      std::string forged = token;
      forged[at] = c;
      EXPECT_FALSE(codec.open(forged, TokenKind::tag).has_value()) << forged;
    }
    for (const char c : std::string_view("0189-.@\0\xff", 9)) {
      std::string forged = token;
      forged[at] = c;
      EXPECT_EQ(codec.open(forged, TokenKind::tag).error(), TokenFault::not_a_token);
    }
  }
}

TEST(Identifier, Other_lengths_and_spare_bits_are_no_token) {
  const IdentifierCodec codec(key_of(1));
  const std::string token = codec.mint({TokenKind::tag, 1, 2, 3});
  for (const std::string& other : {std::string(), token.substr(1), token + "a", token.substr(0, 25) + "b"}) {
    EXPECT_EQ(codec.open(other, TokenKind::tag).error(), TokenFault::not_a_token) << other;
  }
}

TEST(Identifier, Says_why_it_does_not_open) {
  const Identity identity{TokenKind::tag, 1, 2, 3};
  const IdentifierCodec codec(key_of(1));
  EXPECT_EQ(codec.open(codec.mint(identity), TokenKind::branch).error(), TokenFault::wrong_kind);
  const auto minted_with = [&](const NodeKey& key) { return IdentifierCodec(key).mint(identity); };
  EXPECT_EQ(codec.open(minted_with(key_of(2)), TokenKind::tag).error(), TokenFault::wrong_check);
  EXPECT_EQ(codec.open(minted_with(key_of(1, 8)), TokenKind::tag).error(), TokenFault::other_node);
  EXPECT_EQ(codec.open(minted_with(key_of(1, 7, 10)), TokenKind::tag).error(), TokenFault::old_epoch);
}

TEST(Identifier, Neighbours_have_nothing_in_common_that_can_be_seen) {
  const IdentifierCodec codec(key_of(1));
  std::set<std::string> starts;
  for (std::uint32_t slot = 0; slot < 1000; ++slot) {
    starts.insert(codec.mint({TokenKind::tag, 0, slot, 1}).substr(0, 8));
  }
  EXPECT_EQ(starts.size(), 1000u);
}

TEST(NodeKeys, Of_two_starts_differ) {
  const NodeKey a = random_node_key();
  const NodeKey b = random_node_key();
  EXPECT_NE(a.cipher, b.cipher);
  EXPECT_NE(a.hash.k0, b.hash.k0);
  EXPECT_NE(a.hash.k1, b.hash.k1);
}

TEST(BranchToken, Is_what_follows_the_cookie_and_has_its_length) {
  const std::string token(kTokenChars, 'a');
  EXPECT_EQ(branch_token("z9hG4bK" + token), token);
  EXPECT_EQ(branch_token("Z9HG4BK" + token), token);
  EXPECT_EQ(branch_token("z9hG4bK" + token + "a"), "");
  EXPECT_EQ(branch_token("z9hG4bK"), "");
  EXPECT_EQ(branch_token("z9hG4bX" + token), "");
  EXPECT_EQ(branch_token(""), "");
}

}  // namespace
}  // namespace sallyport::steer

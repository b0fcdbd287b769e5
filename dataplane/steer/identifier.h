// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Every branch, tag and Call-ID that Sallyport mints carries one AES-128 block that says
// where the thing lives: node, start epoch, shard, slot, generation, with check bits. So a message that comes
// back needs no table to find its shard, and nobody outside can read or forge one. The block is written as 26
// lower-case base32 characters (RFC 4648 alphabet), since tags and branches are compared without case.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/base/siphash.h"

namespace sallyport::steer {

// What all threads of one node share. `cipher` and `hash` are random at start, or given to nodes that share calls.
struct NodeKey {
  std::array<std::uint8_t, 16> cipher{};
  SipHashKey hash;           // for the choice of a shard by Call-ID and From tag
  std::uint16_t node = 0;
  std::uint16_t epoch = 0;   // differs from start to start
};

// From OpenSSL's random source. Throws std::runtime_error when that fails (start-up only).
[[nodiscard]] NodeKey random_node_key();

enum class TokenKind : std::uint8_t { branch = 1, tag = 2, call_id = 3 };

// The place of a thing: a transaction for a branch, a leg (dialog) for a tag or a Call-ID.
struct Identity {
  TokenKind kind = TokenKind::branch;
  std::uint8_t shard = 0;
  std::uint32_t slot = 0;        // below 2^28
  std::uint32_t generation = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

enum class TokenFault : std::uint8_t { not_a_token, wrong_check, other_node, old_epoch, wrong_kind };

inline constexpr std::size_t kTokenChars = 26;

// One per thread (it holds a cipher context). Mint and open allocate nothing.
class IdentifierCodec {
 public:
  explicit IdentifierCodec(const NodeKey& key);  // throws std::runtime_error when OpenSSL has no AES-128
  ~IdentifierCodec();
  IdentifierCodec(IdentifierCodec&&) noexcept;
  IdentifierCodec& operator=(IdentifierCodec&&) noexcept;

  // Exactly kTokenChars characters to `out`.
  void mint(const Identity& identity, char* out) const;
  [[nodiscard]] std::string mint(const Identity& identity) const;
  // `token`: exactly kTokenChars characters, any case.
  [[nodiscard]] std::expected<Identity, TokenFault> open(std::string_view token, TokenKind kind) const;

 private:
  struct Cipher;
  std::unique_ptr<Cipher> cipher_;
  std::uint16_t node_;
  std::uint16_t epoch_;
};

// A branch that we mint is the magic cookie and a token: "z9hG4bK" + 26 characters. The token of such a branch.
[[nodiscard]] std::string_view branch_token(std::string_view branch);

}  // namespace sallyport::steer

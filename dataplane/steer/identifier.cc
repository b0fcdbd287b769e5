// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steer/identifier.h"

#include "dataplane/sip/names.h"
#include "dataplane/sip/via.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>
#include <stdexcept>

namespace sallyport::steer {

namespace {

using Block = std::array<std::uint8_t, 16>;

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::uint32_t kSlotMask = (1u << 28) - 1;
// Constant check bits: whoever does not know the key cannot choose what a block decrypts to, so any change to
// a token, and any invented token, shows here with all but 2^-24 of certainty, before node, epoch and kind
// do.
constexpr std::uint32_t kCheck = 0x5a11f0;

// node 16 | epoch 16 | kind 4 | shard 8 | slot 28 | generation 32 | check 24, most significant bit first.
struct Words {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

Words pack(const Identity& id, std::uint16_t node, std::uint16_t epoch) {
  const std::uint32_t slot = id.slot & kSlotMask;
  Words w;
  w.high = std::uint64_t{node} << 48 | std::uint64_t{epoch} << 32 |
           std::uint64_t{static_cast<std::uint8_t>(id.kind)} << 28 | std::uint64_t{id.shard} << 20 |
           slot >> 8;
  w.low = std::uint64_t{slot & 0xff} << 56 | std::uint64_t{id.generation} << 24 | kCheck;
  return w;
}

Identity unpack(const Words& w) {
  Identity id;
  id.kind = static_cast<TokenKind>(w.high >> 28 & 0xf);
  id.shard = static_cast<std::uint8_t>(w.high >> 20);
  id.slot = static_cast<std::uint32_t>((w.high & 0xfffff) << 8 | w.low >> 56);
  id.generation = static_cast<std::uint32_t>(w.low >> 24);
  return id;
}

void store(std::uint64_t word, std::uint8_t* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(word >> (56 - 8 * i));
}

std::uint64_t load(const std::uint8_t* from) {
  std::uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word = word << 8 | from[i];
  return word;
}

// 128 bits are 25 characters of 5 and a last one of 3 bits and two zeros (RFC 4648 6, without padding).
void encode(const Block& block, char* out) {
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t octet : block) {
    bits = bits << 8 | octet;
    for (count += 8; count >= 5; count -= 5) *out++ = kAlphabet[bits >> (count - 5) & 31];
  }
  *out = kAlphabet[bits << (5 - count) & 31];
}

constexpr std::array<std::uint8_t, 256> make_decode() {
  std::array<std::uint8_t, 256> table{};
  table.fill(0xff);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    const char c = kAlphabet[i];
    table[static_cast<unsigned char>(c)] = static_cast<std::uint8_t>(i);
    if (c >= 'a') table[static_cast<unsigned char>(c - 0x20)] = static_cast<std::uint8_t>(i);
  }
  return table;
}
constexpr std::array<std::uint8_t, 256> kDecode = make_decode();

bool decode(std::string_view token, Block& block) {
  if (token.size() != kTokenChars) return false;
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t filled = 0;
  for (const char c : token) {
    const std::uint8_t value = kDecode[static_cast<unsigned char>(c)];
    if (value == 0xff) return false;
    bits = bits << 5 | value;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    block[filled++] = static_cast<std::uint8_t>(bits >> count);
  }
  return (bits & 3) == 0;  // one token has one spelling
}

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// ECB on a single block is the bare block cipher; without padding the contexts keep no state between blocks.
Context make_context(const Block& key, bool encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  if (!context ||
      EVP_CipherInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr, encrypt ? 1 : 0) !=
          1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1) {
    throw std::runtime_error("OpenSSL has no AES-128: identifiers cannot be minted");
  }
  return context;
}

// Cannot fail once the context was made: one whole block in, one out.
Block cipher_block(EVP_CIPHER_CTX* context, const Block& in) {
  Block out{};
  int length = 0;
  static_cast<void>(EVP_CipherUpdate(context, out.data(), &length, in.data(), static_cast<int>(in.size())));
  return out;
}

}  // namespace

struct IdentifierCodec::Cipher {
  Context encrypt;
  Context decrypt;
};

NodeKey random_node_key() {
  NodeKey key;
  std::array<std::uint8_t, 36> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    throw std::runtime_error("OpenSSL gives no random octets: identifiers cannot be made safe");
  }
  std::memcpy(key.cipher.data(), random.data(), key.cipher.size());
  key.hash = {load(random.data() + 16), load(random.data() + 24)};
  std::memcpy(&key.node, random.data() + 32, sizeof(key.node));
  std::memcpy(&key.epoch, random.data() + 34, sizeof(key.epoch));
  return key;
}

IdentifierCodec::IdentifierCodec(const NodeKey& key)
    : cipher_(std::make_unique<Cipher>(make_context(key.cipher, true), make_context(key.cipher, false))),
      node_(key.node),
      epoch_(key.epoch) {}
IdentifierCodec::~IdentifierCodec() = default;
IdentifierCodec::IdentifierCodec(IdentifierCodec&&) noexcept = default;
IdentifierCodec& IdentifierCodec::operator=(IdentifierCodec&&) noexcept = default;

void IdentifierCodec::mint(const Identity& identity, char* out) const {
  const Words words = pack(identity, node_, epoch_);
  Block block;
  store(words.high, block.data());
  store(words.low, block.data() + 8);
  encode(cipher_block(cipher_->encrypt.get(), block), out);
}

std::string IdentifierCodec::mint(const Identity& identity) const {
  std::string token(kTokenChars, '\0');
  mint(identity, token.data());
  return token;
}

std::expected<Identity, TokenFault> IdentifierCodec::open(std::string_view token, TokenKind kind) const {
  Block sealed;
  if (!decode(token, sealed)) return std::unexpected(TokenFault::not_a_token);
  const Block block = cipher_block(cipher_->decrypt.get(), sealed);
  const Words words{load(block.data()), load(block.data() + 8)};
  if ((words.low & 0xffffff) != kCheck) return std::unexpected(TokenFault::wrong_check);
  if (words.high >> 48 != node_) return std::unexpected(TokenFault::other_node);
  if ((words.high >> 32 & 0xffff) != epoch_) return std::unexpected(TokenFault::old_epoch);
  const Identity identity = unpack(words);
  if (identity.kind != kind) return std::unexpected(TokenFault::wrong_kind);
  return identity;
}

std::string_view branch_token(std::string_view branch) {
  constexpr std::size_t kCookie = sip::kMagicCookie.size();
  if (branch.size() != kCookie + kTokenChars) return {};
  if (!sip::iequals(branch.substr(0, kCookie), sip::kMagicCookie)) return {};
  return branch.substr(kCookie);
}

}  // namespace sallyport::steer

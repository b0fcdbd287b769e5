// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sallyport {

struct SipHashKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that a sender who does not know the key
// cannot steer. Used wherever a table or a choice is indexed by bytes from the network.
class SipHash {
 public:
  explicit constexpr SipHash(SipHashKey key)
      : v0_(key.k0 ^ 0x736f6d6570736575u),
        v1_(key.k1 ^ 0x646f72616e646f6du),
        v2_(key.k0 ^ 0x6c7967656e657261u),
        v3_(key.k1 ^ 0x7465646279746573u) {}

  void update(std::string_view bytes) {
    for (const char c : bytes) {
      tail_ |= std::uint64_t{static_cast<std::uint8_t>(c)} << (8 * (length_ & 7));
      if ((++length_ & 7) == 0) {
        absorb(tail_);
        tail_ = 0;
      }
    }
  }

  [[nodiscard]] std::uint64_t finish() {
    absorb(tail_ | std::uint64_t{length_ & 0xff} << 56);
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void absorb(std::uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }
  std::uint64_t v0_, v1_, v2_, v3_;
  std::uint64_t tail_ = 0;
  std::uint64_t length_ = 0;
};

[[nodiscard]] inline std::uint64_t siphash(SipHashKey key, std::string_view bytes) {
  SipHash hash(key);
  hash.update(bytes);
  return hash.finish();
}

}  // namespace sallyport

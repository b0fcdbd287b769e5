// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A SIP header section and an SDP body are lines, and what cuts them is little: control
// characters (the line ends among them), ':' and blanks. A LineMap looks 64 octets at a time for these and
// keeps a bit for each octet, so that a reader gets from one to the next by counting zeros, however short the
// pieces are and wherever they end. The text is mapped in order and no further than somebody asks. The kernel
// that makes the bits is chosen at the first use by what the processor has; all give the same bits, and none
// reads an octet outside the text.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport {

// Bit i is octet i of 64. Behind the end of the text all bits are set: every search ends there.
struct LineBits {
  std::uint64_t control;  // below 0x20 and not HTAB
  std::uint64_t colon;
  std::uint64_t blank;  // SP or HTAB
};

namespace detail {

// Maps `size` octets to size / 64 + 1 elements of `out`.
using MapLines = void (*)(const char* text, std::size_t size, LineBits* out);

struct LineKernel {
  std::string_view name;
  bool (*runs_here)();
  MapLines map;
};
// The fastest first; the last runs anywhere.
[[nodiscard]] std::span<const LineKernel> line_kernels();

// By the fastest that runs here.
void map_lines(const char* text, std::size_t size, LineBits* out);

}  // namespace detail

class LineMap {
 public:
  static constexpr std::size_t kMaxBytes = 65'536;

  // At most kMaxBytes, which must outlive the map.
  explicit LineMap(std::string_view text) : text_(text) {}

  // The first such octet at or behind `from` (at most the text's size); the text's size when there is none.
  [[nodiscard]] std::size_t control(std::size_t from) {
    return first(from, [](const LineBits& bits) { return bits.control; });
  }
  [[nodiscard]] std::size_t colon(std::size_t from) {
    return first(from, [](const LineBits& bits) { return bits.colon; });
  }
  [[nodiscard]] std::size_t blank(std::size_t from) {
    return first(from, [](const LineBits& bits) { return bits.blank; });
  }

 private:
  static constexpr std::size_t kChunkBytes = 256;  // mapped at once

  template <typename Member>
  [[nodiscard]] std::size_t first(std::size_t from, Member member) {
    std::size_t block = from / 64;
    if (block >= mapped_) map_up_to(block);
    const std::uint64_t bits = member(blocks_[block]) >> from % 64;
    if (bits != 0) return from + static_cast<std::size_t>(std::countr_zero(bits));
    return first_in_later(block + 1, member);
  }
  template <typename Member>
  [[nodiscard]] std::size_t first_in_later(std::size_t block, Member member) {
    for (;; ++block) {
      if (block >= mapped_) map_up_to(block);
      const std::uint64_t bits = member(blocks_[block]);
      if (bits != 0) return block * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    }
  }
  void map_up_to(std::size_t block);

  std::string_view text_;
  std::size_t mapped_ = 0;  // blocks that are
  std::array<LineBits, kMaxBytes / 64 + kChunkBytes / 64 + 1> blocks_;
};

}  // namespace sallyport

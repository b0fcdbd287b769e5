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

namespace detail {

// Where a kernel puts its bits: element i has those of octets [64 i, 64 i + 64), lowest first. Behind the end
// of the text all bits are set: every search ends there.
struct LineBits {
  std::uint64_t* control;  // below 0x20 and not HTAB
  std::uint64_t* colon;
  std::uint64_t* blank;  // SP or HTAB
};

// Maps `size` octets to size / 64 + 1 elements of each.
using MapLines = void (*)(const char* text, std::size_t size, LineBits out);

struct LineKernel {
  std::string_view name;
  bool (*runs_here)();
  MapLines map;
};
// The fastest first; the last runs anywhere.
[[nodiscard]] std::span<const LineKernel> line_kernels();

// By the fastest that runs here.
void map_lines(const char* text, std::size_t size, LineBits out);

}  // namespace detail

class LineMap {
 public:
  static constexpr std::size_t kMaxBytes = 65'536;

  // At most kMaxBytes, which must outlive the map.
  explicit LineMap(std::string_view text) : text_(text) {}

  // The first such octet at or behind `from` (at most the text's size); the text's size when there is none.
  [[nodiscard]] std::size_t control(std::size_t from) { return first(control_, from); }
  [[nodiscard]] std::size_t colon(std::size_t from) { return first(colon_, from); }
  [[nodiscard]] std::size_t blank(std::size_t from) { return first(blank_, from); }

 private:
  static constexpr std::size_t kChunkBytes = 1024;  // mapped at once
  using Bits = std::array<std::uint64_t, kMaxBytes / 64 + 1>;

  [[nodiscard]] std::size_t first(const Bits& bits, std::size_t from) {
    std::size_t block = from / 64;
    if (block >= mapped_) map_up_to(block);
    std::uint64_t found = bits[block] >> from % 64;
    if (found != 0) return from + static_cast<std::size_t>(std::countr_zero(found));
    do {
      if (++block >= mapped_) map_up_to(block);
      found = bits[block];
    } while (found == 0);
    return block * 64 + static_cast<std::size_t>(std::countr_zero(found));
  }
  void map_up_to(std::size_t block);

  std::string_view text_;
  std::size_t mapped_ = 0;  // blocks of 64 that are
  Bits control_;
  Bits colon_;
  Bits blank_;
};

}  // namespace sallyport

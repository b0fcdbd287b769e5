// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport {

// Text that is kept for long and seldom changes, at most 2^32 - 1 octets: a pointer, and exactly the octets
// behind it. A std::string has four times that in the object, and up to twice the octets where it has grown.
// Empty it owns nothing.
class KeptText {
 public:
  KeptText() = default;
  template <std::convertible_to<std::string_view> Text>
  KeptText(const Text& text) {  // NOLINT(google-explicit-constructor): a text like any other
    keep(text);
  }
  KeptText(const KeptText& other) { keep(other.view()); }
  KeptText(KeptText&&) noexcept = default;
  KeptText& operator=(const KeptText& other) {
    if (this != &other) keep(other.view());
    return *this;
  }
  KeptText& operator=(KeptText&&) noexcept = default;
  ~KeptText() = default;

  [[nodiscard]] std::string_view view() const {
    if (!octets_) return {};
    return {octets_.get() + sizeof(std::uint32_t), size()};
  }
  // NOLINTBEGIN(google-explicit-constructor): it stands where any text may
  operator std::string_view() const { return view(); }
  operator std::string() const { return std::string(view()); }
  // NOLINTEND(google-explicit-constructor)
  [[nodiscard]] std::uint32_t size() const {
    std::uint32_t size = 0;
    if (octets_) std::memcpy(&size, octets_.get(), sizeof(size));
    return size;
  }
  [[nodiscard]] bool empty() const { return octets_ == nullptr; }
  void clear() { octets_.reset(); }

  template <std::convertible_to<std::string_view> Text>
  friend bool operator==(const KeptText& a, const Text& b) {
    return a.view() == static_cast<std::string_view>(b);
  }

 private:
  // `text` may be of this one.
  void keep(std::string_view text) {
    if (text.empty()) return clear();
    const auto size = static_cast<std::uint32_t>(text.size());
    auto octets = std::make_unique_for_overwrite<char[]>(sizeof(size) + size);
    std::memcpy(octets.get(), &size, sizeof(size));
    std::memcpy(octets.get() + sizeof(size), text.data(), size);
    octets_ = std::move(octets);
  }

  std::unique_ptr<char[]> octets_;  // the size, then the text
};

}  // namespace sallyport

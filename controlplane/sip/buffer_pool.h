// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::sip {

class BufferPool;

// Octets owned by a transaction or a call, on loan from a pool. Moves only. The pool must outlive it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(size_class_, other.size_class_);
    return *this;
  }
  ~Buffer() { reset(); }

  void reset();
  [[nodiscard]] std::byte* data() { return data_; }
  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  friend class BufferPool;
  BufferPool* pool_ = nullptr;
  std::byte* data_ = nullptr;  // aligned for any plain type
  std::uint32_t size_ = 0;
  std::uint8_t size_class_ = 0;
};

// Free lists of sizes 2^n and 3*2^n, for one thread. Messages live as long as a transaction does, so sizes
// repeat and after warming up nothing is allocated.
class BufferPool {
 public:
  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // Uninitialised. At most 2^31 octets.
  [[nodiscard]] Buffer take(std::size_t bytes);
  [[nodiscard]] Buffer copy(std::string_view octets);
  // Buffers out on loan: 0 when nobody leaks.
  [[nodiscard]] std::size_t on_loan() const { return on_loan_; }

 private:
  friend class Buffer;
  static constexpr std::size_t kSmallest = 128;
  static constexpr std::size_t kClasses = 49;
  // By class: 128, 192, 256, 384, 512...
  [[nodiscard]] static std::uint8_t class_of(std::size_t bytes);
  [[nodiscard]] static std::size_t bytes_of(std::uint8_t size_class);
  void give_back(std::byte* data, std::uint8_t size_class);
  std::array<std::vector<std::byte*>, kClasses> free_;
  std::size_t on_loan_ = 0;
};

}  // namespace sallyport::sip

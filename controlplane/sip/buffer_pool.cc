// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/buffer_pool.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <new>

namespace sallyport::sip {

void Buffer::reset() {
  if (data_ != nullptr) pool_->give_back(data_, size_class_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

BufferPool::~BufferPool() {
  assert(on_loan_ == 0);
  for (auto& list : free_) {
    for (std::byte* data : list) ::operator delete(data);
  }
}

std::uint8_t BufferPool::class_of(std::size_t bytes) {
  const std::size_t units = (bytes + kSmallest / 2 - 1) / (kSmallest / 2);
  if (units <= 2) return 0;
  const auto bits = static_cast<unsigned>(std::bit_width(units - 1));  // units <= 2^bits
  const bool is_between = units <= std::size_t{3} << (bits - 2);
  return static_cast<std::uint8_t>(2 * (bits - 1) - (is_between ? 1 : 0));
}

std::size_t BufferPool::bytes_of(std::uint8_t size_class) {
  return (size_class % 2 == 0 ? kSmallest : kSmallest / 2 * 3) << (size_class / 2);
}

Buffer BufferPool::take(std::size_t bytes) {
  Buffer buffer;
  buffer.size_class_ = class_of(bytes);
  assert(buffer.size_class_ < kClasses);
  auto& list = free_[buffer.size_class_];
  if (list.empty()) {
    buffer.data_ = static_cast<std::byte*>(::operator new(bytes_of(buffer.size_class_)));
  } else {
    buffer.data_ = list.back();
    list.pop_back();
  }
  buffer.pool_ = this;
  buffer.size_ = static_cast<std::uint32_t>(bytes);
  ++on_loan_;
  return buffer;
}

Buffer BufferPool::copy(std::string_view octets) {
  Buffer buffer = take(octets.size());
  if (!octets.empty()) std::memcpy(buffer.data(), octets.data(), octets.size());
  return buffer;
}

void BufferPool::give_back(std::byte* data, std::uint8_t size_class) {
  free_[size_class].push_back(data);
  --on_loan_;
}

}  // namespace sallyport::sip

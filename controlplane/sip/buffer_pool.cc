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

Buffer BufferPool::take(std::size_t bytes) {
  Buffer buffer;
  const std::size_t units = (bytes + kSmallest - 1) / kSmallest;
  buffer.size_class_ = static_cast<std::uint8_t>(units <= 1 ? 0 : std::bit_width(units - 1));
  assert(buffer.size_class_ < kClasses);
  auto& list = free_[buffer.size_class_];
  if (list.empty()) {
    buffer.data_ = static_cast<std::byte*>(::operator new(kSmallest << buffer.size_class_));
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

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Threads speak through single-producer, single-consumer rings of records. A record is a
// plain message of fixed size and, for SIP, the octets behind it: it is copied in by the producer and read in
// place by the consumer, so that neither side ever holds memory of the other's pool. The producer never waits:
// a full ring is its caller's to count. A consumer that the kernel has stopped holds up nobody.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace sallyport::dp {

class RecordRing {
 public:
  // `capacity_bytes`: rounded up to a power of two, at least 4096. Throws std::bad_alloc (start-up only).
  explicit RecordRing(std::size_t capacity_bytes) {
    std::size_t size = 4096;
    while (size < capacity_bytes) size *= 2;
    mask_ = size - 1;
    data_.reset(static_cast<std::byte*>(::operator new(size, std::align_val_t{64})));
    std::memset(data_.get(), 0, size);
  }
  RecordRing(const RecordRing&) = delete;
  RecordRing& operator=(const RecordRing&) = delete;

  struct Record {
    std::uint16_t kind = 0;
    std::span<const std::byte> bytes;  // kAlign-aligned; valid until pop()
  };

  // A record of so many octets has room when the ring is empty.
  [[nodiscard]] bool may_hold(std::size_t bytes) const {
    return kHeader + round_up(bytes) <= (mask_ + 1) / 2;
  }

  // Producer. Room for one record of `bytes` octets, or nullptr when the ring is full, or may not hold it.
  // Fill it, then publish(). One reservation at a time.
  [[nodiscard]] std::byte* reserve(std::uint16_t kind, std::size_t bytes) {
    const std::size_t need = kHeader + round_up(bytes);
    if (!may_hold(bytes)) return nullptr;
    std::size_t at = write_ & mask_;
    const std::size_t to_end = mask_ + 1 - at;
    const std::size_t total = need > to_end ? need + to_end : need;
    if (write_ + total - cached_read_ > mask_ + 1) {
      cached_read_ = read_public_.load(std::memory_order_acquire);
      if (write_ + total - cached_read_ > mask_ + 1) return nullptr;
    }
    if (need > to_end) {
      put_header(at, Header{kSkip, static_cast<std::uint32_t>(to_end - kHeader)});
      write_ += to_end;
      at = 0;
    }
    put_header(at, Header{kind, static_cast<std::uint32_t>(bytes)});
    reserved_ = need;
    return data_.get() + at + kHeader;
  }
  // Producer. Makes the reserved record (and any before it) visible.
  void publish() {
    write_ += reserved_;
    reserved_ = 0;
    write_public_.store(write_, std::memory_order_release);
  }
  // Producer. A plain struct, and octets behind it. False when full.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] bool push(std::uint16_t kind, const T& head, std::span<const std::byte> tail = {}) {
    std::byte* to = reserve(kind, sizeof(T) + tail.size());
    if (to == nullptr) return false;
    std::memcpy(to, &head, sizeof(T));
    if (!tail.empty()) std::memcpy(to + sizeof(T), tail.data(), tail.size());
    publish();
    return true;
  }

  // Producer. A mark behind the last record published; passed(): the consumer has given back all before it.
  [[nodiscard]] std::size_t mark() const { return write_; }
  [[nodiscard]] bool passed(std::size_t mark) const { return read_public_.load(std::memory_order_acquire) >= mark; }

  // Consumer. The oldest record, or kind 0 when the ring is empty. Stays until pop().
  [[nodiscard]] Record front() {
    for (;;) {
      if (read_ == cached_write_) {
        cached_write_ = write_public_.load(std::memory_order_acquire);
        if (read_ == cached_write_) return {};
      }
      const std::size_t at = read_ & mask_;
      const Header header = get_header(at);
      if (header.kind != kSkip) return {header.kind, {data_.get() + at + kHeader, header.bytes}};
      read_ += kHeader + header.bytes;
    }
  }
  // Consumer. Gives the record of the last front() back.
  void pop() {
    const Header header = get_header(read_ & mask_);
    assert(header.kind != kSkip);
    read_ += kHeader + round_up(header.bytes);
    read_public_.store(read_, std::memory_order_release);
  }
  [[nodiscard]] bool empty() { return front().kind == 0; }

  // Any thread, for metrics: octets in use and in all.
  [[nodiscard]] std::size_t used_bytes() const {
    const std::size_t read = read_public_.load(std::memory_order_relaxed);
    return write_public_.load(std::memory_order_relaxed) - read;
  }
  [[nodiscard]] std::size_t capacity_bytes() const { return mask_ + 1; }

 private:
  static constexpr std::size_t kAlign = 16;
  static constexpr std::size_t kHeader = 16;
  static constexpr std::uint16_t kSkip = 0xffff;
  struct Header {
    std::uint16_t kind;
    std::uint32_t bytes;
  };
  static constexpr std::size_t round_up(std::size_t n) { return (n + kAlign - 1) & ~(kAlign - 1); }
  void put_header(std::size_t at, Header header) { std::memcpy(data_.get() + at, &header, sizeof(header)); }
  [[nodiscard]] Header get_header(std::size_t at) const {
    Header header;
    std::memcpy(&header, data_.get() + at, sizeof(header));
    return header;
  }

  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t mask_ = 0;
  alignas(64) std::size_t write_ = 0;  // producer: rw
  std::size_t cached_read_ = 0;
  std::size_t reserved_ = 0;
  alignas(64) std::atomic<std::size_t> write_public_{0};  // producer: wo, consumer: ro
  alignas(64) std::size_t read_ = 0;  // consumer: rw
  std::size_t cached_write_ = 0;
  alignas(64) std::atomic<std::size_t> read_public_{0};  // consumer: wo, producer: ro
};

}  // namespace sallyport::dp

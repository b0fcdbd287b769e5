// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace sallyport::sip {

// Objects of one kind by slot and generation. Addresses are stable; memory is taken in chunks and kept; a
// slot's generation grows with each use, so an old handle finds nothing. Generation 0 is never used: {0, 0}
// is nobody.
template <typename T>
class Slab {
 public:
  struct Handle {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
  };

  explicit Slab(std::uint32_t limit) : limit_(limit) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (std::uint32_t slot = 0; slot < grown_; ++slot) {
      if (cell(slot).used) cell(slot).object()->~T();
    }
  }

  // nullptr at the limit. `handle` is set before T is constructed.
  template <typename... Arguments>
  [[nodiscard]] T* make(Handle& handle, Arguments&&... arguments) {
    if (free_.empty() && !grow()) return nullptr;
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    Cell& c = cell(slot);
    if (++c.generation == 0) c.generation = 1;
    handle = {slot, c.generation};
    T* object = ::new (static_cast<void*>(c.storage)) T(std::forward<Arguments>(arguments)...);
    c.used = true;
    ++size_;
    return object;
  }
  [[nodiscard]] T* find(std::uint32_t slot, std::uint32_t generation) {
    if (slot >= grown_) return nullptr;
    Cell& c = cell(slot);
    return c.used && c.generation == generation ? c.object() : nullptr;
  }
  void free(std::uint32_t slot) {
    Cell& c = cell(slot);
    assert(c.used);
    c.object()->~T();
    c.used = false;
    free_.push_back(slot);
    --size_;
  }
  template <typename Visit>
  void for_each(Visit visit) {
    for (std::uint32_t slot = 0; slot < grown_; ++slot) {
      if (cell(slot).used) visit(*cell(slot).object());
    }
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t limit() const { return limit_; }

 private:
  static constexpr std::uint32_t kChunk = 64;
  struct Cell {
    alignas(T) std::byte storage[sizeof(T)];
    std::uint32_t generation = 0;
    bool used = false;
    [[nodiscard]] T* object() { return std::launder(reinterpret_cast<T*>(storage)); }
  };
  [[nodiscard]] Cell& cell(std::uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  [[nodiscard]] bool grow() {
    if (grown_ >= limit_) return false;
    chunks_.push_back(std::make_unique<Cell[]>(kChunk));
    const std::uint32_t first = grown_;
    grown_ = limit_ - first < kChunk ? limit_ : first + kChunk;
    free_.reserve(grown_);
    for (std::uint32_t slot = grown_; slot > first; --slot) free_.push_back(slot - 1);
    return true;
  }

  std::uint32_t limit_;
  std::uint32_t grown_ = 0;
  std::uint32_t size_ = 0;
  std::vector<std::unique_ptr<Cell[]>> chunks_;
  std::vector<std::uint32_t> free_;
};

}  // namespace sallyport::sip

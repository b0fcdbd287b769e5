// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace sallyport::sip {

// A hash index of objects that bring their own links: nothing is allocated but the buckets, once. Hashes must
// be keyed where the network chooses what is hashed. An object leaves when its link is destroyed.
template <typename T>
class HashIndex {
 public:
  class Link {
   public:
    explicit Link(T& owner) : owner_(&owner) {}
    ~Link() { remove(); }
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    void remove() {
      if (at_ == nullptr) return;
      *at_ = next_;
      if (next_ != nullptr) next_->at_ = at_;
      at_ = nullptr;
    }
    [[nodiscard]] std::uint64_t hash() const { return hash_; }

   private:
    friend class HashIndex;
    T* owner_;
    Link* next_ = nullptr;
    Link** at_ = nullptr;
    std::uint64_t hash_ = 0;
  };

  explicit HashIndex(std::size_t expected)
      : buckets_(std::bit_ceil(expected < 16 ? std::size_t{16} : expected)) {}

  void insert(Link& link, std::uint64_t hash) {
    Link*& head = bucket(hash);
    link.hash_ = hash;
    link.next_ = head;
    link.at_ = &head;
    if (head != nullptr) head->at_ = &link.next_;
    head = &link;
  }
  // The newest with that hash for which `fits(T&)` holds.
  template <typename Fits>
  [[nodiscard]] T* find(std::uint64_t hash, Fits fits) {
    for (Link* link = bucket(hash); link != nullptr; link = link->next_) {
      if (link->hash_ == hash && fits(*link->owner_)) return link->owner_;
    }
    return nullptr;
  }

 private:
  [[nodiscard]] Link*& bucket(std::uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  std::vector<Link*> buckets_;
};

}  // namespace sallyport::sip

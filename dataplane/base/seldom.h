// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace sallyport {

// A part that few of many objects ever need: a pointer's room until then. Unmade it reads as an empty T.
template <typename T>
class Seldom {
 public:
  [[nodiscard]] const T& operator*() const {
    static const T kEmpty{};
    return value_ ? *value_ : kEmpty;
  }
  [[nodiscard]] const T* operator->() const { return &**this; }
  [[nodiscard]] explicit operator bool() const { return value_ != nullptr; }
  // To be written to.
  [[nodiscard]] T& make() {
    if (!value_) value_ = std::make_unique<T>();
    return *value_;
  }
  void reset() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace sallyport

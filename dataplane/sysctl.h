// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::dp {

// Settings below /proc/sys of the calling thread's network namespace. What was changed with `change` is put
// back by the destructor, the last change first. The same thread has to do both.
class SysctlKeeper {
 public:
  explicit SysctlKeeper(std::string root = "/proc/sys/") : root_(std::move(root)) {}
  ~SysctlKeeper() { restore(); }
  SysctlKeeper(const SysctlKeeper&) = delete;
  SysctlKeeper& operator=(const SysctlKeeper&) = delete;

  // `key` with slashes: "net/ipv6/conf/access0/disable_ipv6". False: not there, or not to be written.
  bool change(const std::string& key, const std::string& value);
  // Of a device that goes away with us: nothing to put back.
  bool set(const std::string& key, const std::string& value) const;
  [[nodiscard]] std::optional<std::string> get(const std::string& key) const;
  void restore();

 private:
  std::string root_;
  std::vector<std::pair<std::string, std::string>> before_;
};

}  // namespace sallyport::dp

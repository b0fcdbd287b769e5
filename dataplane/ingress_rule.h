// SPDX-License-Identifier: Apache-2.0
// AF_PACKET shows us frames and still gives each to the kernel, which would answer ARP, refuse UDP and reset
// TCP on the raw device beside our tap. A netdev ingress chain with policy drop takes the kernel's copy away;
// packet sockets are served before it. AF_XDP takes frames out itself; there the rule only holds for queues
// that are not ours. One table a device, named after it, so that a table left by a killed process is
// replaced.
#pragma once

#include <expected>
#include <string>

namespace sallyport::dp {

class IngressRule {
 public:
  // The error is nft's own words. `interface`: in the network namespace of the calling thread.
  [[nodiscard]] static std::expected<IngressRule, std::string> install(const std::string& interface);
  ~IngressRule();  // removes it
  IngressRule(IngressRule&& other) noexcept;
  IngressRule& operator=(IngressRule&&) = delete;

  // The script that `install` gives to nft.
  [[nodiscard]] static std::string script(const std::string& interface);
  // nft's names have fewer characters than an interface's: whatever is neither letter nor digit, `_`
  // included, is `_` and two hexadecimal digits, so that no two interfaces (eth0.1, eth0_1) share a table.
  [[nodiscard]] static std::string table_name(const std::string& interface);

 private:
  explicit IngressRule(std::string table) : table_(std::move(table)) {}
  std::string table_;
};

}  // namespace sallyport::dp

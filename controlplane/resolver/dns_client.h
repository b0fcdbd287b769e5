// SPDX-License-Identifier: Apache-2.0
// Asks name servers over the kernel's sockets, by c-ares: tries, servers in turn, TCP for what was cut. One
// thread's alone. Answers are collected and taken, so that none comes from within ask().
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/resolver/dns_message.h"

struct ares_channeldata;

namespace sallyport::resolver {

class DnsClient {
 public:
  struct Answered {
    std::size_t name = 0;  // as it was asked
    Question question;
    Answer answer;
  };

  // The error is one sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<DnsClient>, std::string> open(const config::Dns& dns);
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  void ask(std::size_t name, const Question& question);
  // Waits for the servers, for `wake_fd` to become readable, or so long (negative: no limit).
  void wait(int wake_fd, Nanoseconds longest_ns);
  [[nodiscard]] std::vector<Answered> take_answers();

 private:
  struct Asked;
  DnsClient() = default;
  static void on_answer(void* asked, int status, int timeouts, unsigned char* octets, int size);

  ares_channeldata* channel_ = nullptr;
  std::vector<Answered> answered_;
};

}  // namespace sallyport::resolver

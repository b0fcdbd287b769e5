// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A zone in the words of a zone file, the messages that a name server would make of it,
// and a name server that says them on loopback, over UDP and TCP, until it is told otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "controlplane/resolver/dns_message.h"
#include "dataplane/base/address.h"

namespace sallyport::resolver {

using Octets = std::vector<std::uint8_t>;

// Writes a DNS message, octet by octet; no name is compressed unless the test says so.
class MessageWriter {
 public:
  explicit MessageWriter(std::uint16_t id = 1, unsigned code = 0, bool truncated = false);
  MessageWriter& question(std::string_view name, std::uint16_t type);
  // Record lines of a zone: "A 192.0.2.10", "AAAA 2001:db8::1", "SRV 10 60 5060 sip1.x", "CNAME y",
  // "NAPTR 10 50 s SIP+D2U _sip._udp.x" (with "!regexp!" behind the service to have one), "SOA 60".
  MessageWriter& answer(std::string_view name, std::uint32_t ttl, std::string_view record);
  MessageWriter& authority(std::string_view name, std::uint32_t ttl, std::string_view record);
  [[nodiscard]] Octets take();

  // For messages that are wrong.
  Octets octets;
  void u8(unsigned value) { octets.push_back(static_cast<std::uint8_t>(value)); }
  void u16(unsigned value);
  void u32(std::uint32_t value);
  void name(std::string_view text);
  void count(unsigned section, unsigned by = 1) { counts_[section] += by; }

 private:
  void record(std::string_view owner, std::uint32_t ttl, std::string_view text);
  unsigned counts_[4]{};
};

// Names with their records, each line "TTL RECORD". A name without any is NXDOMAIN.
class Zone {
 public:
  Zone& add(std::string name, std::string record, std::uint32_t ttl = 300);
  // The name is there, without records.
  Zone& empty(std::string name);
  void clear() { records_.clear(); }
  // As read_answer() has it.
  [[nodiscard]] Answer answer(const Question& question) const;
  [[nodiscard]] Octets message(std::uint16_t id, std::string_view name, std::uint16_t type,
                               bool truncated) const;

 private:
  struct Line {
    std::uint32_t ttl;
    std::string text;
  };
  std::map<std::string, std::vector<Line>, std::less<>> records_;
};

// 127.0.0.1, a port of the kernel's choosing, one thread.
class NameServer {
 public:
  enum class Mood : std::uint8_t { answers, silent, fails, truncates, lies };
  NameServer();
  ~NameServer();

  [[nodiscard]] Endpoint at() const { return at_; }
  void say(const Zone& zone);
  void be(Mood mood) { mood_.store(mood); }
  [[nodiscard]] unsigned asked_over_udp() const { return udp_.load(); }
  [[nodiscard]] unsigned asked_over_tcp() const { return tcp_.load(); }

 private:
  void run();
  void serve_udp();
  void serve_tcp();
  [[nodiscard]] Octets reply_to(const Octets& query, bool over_tcp);

  Endpoint at_;
  int udp_fd_ = -1;
  int tcp_fd_ = -1;
  int bell_ = -1;
  std::mutex mutex_;
  Zone zone_;
  std::atomic<Mood> mood_{Mood::answers};
  std::atomic<unsigned> udp_{0};
  std::atomic<unsigned> tcp_{0};
  std::thread thread_;
};

}  // namespace sallyport::resolver

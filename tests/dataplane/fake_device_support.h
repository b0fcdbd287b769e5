// SPDX-License-Identifier: Apache-2.0
// A device on paper: it claims what a test says, records what it is asked, and refuses on demand.
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dataplane/eth_device.h"

namespace sallyport::dp::test {

class FakeDevice : public EthDevice {
 public:
  ~FakeDevice() override {
    for (const auto& [queue, fd] : bells) ::close(fd);
  }

  rte_eth_dev_info claims{};
  std::vector<MediaRule> rules;  // that are in force
  std::size_t most_rules = 100'000;
  bool keeps_own_key = false;
  bool keeps_own_table = false;
  bool ignores_destination_only = false;
  int hash_error = 0, read_hash_error = 0, read_table_error = 0;
  std::vector<std::uint64_t> fields_asked;
  std::vector<std::uint8_t> key;
  std::vector<std::uint16_t> queues;  // the table
  std::uint64_t fields = 0;

  int watch_error = 0, arm_error = 0;
  std::function<void()> when_armed;
  std::map<std::uint16_t, int> bells;  // eventfd by queue
  std::atomic<int> armed = 0, arms = 0;

  int info(rte_eth_dev_info& out) override {
    out = claims;
    return 0;
  }
  int configure(std::uint16_t, const rte_eth_conf&) override { return 0; }
  int set_hash(std::span<const std::uint8_t> wanted, std::uint64_t which) override {
    fields_asked.push_back(which);
    if (hash_error != 0) return hash_error;
    if (!wanted.empty() && !keeps_own_key) key.assign(wanted.begin(), wanted.end());
    fields = ignores_destination_only ? which & ~(RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY) : which;
    return 0;
  }
  int hash(std::span<std::uint8_t> out, std::uint64_t& which) override {
    key.resize(out.size());
    std::copy(key.begin(), key.end(), out.begin());
    which = fields;
    return read_hash_error;
  }
  int set_table(std::span<const std::uint16_t> wanted) override {
    if (keeps_own_table) return -ENOTSUP;
    queues.assign(wanted.begin(), wanted.end());
    return 0;
  }
  int table(std::span<std::uint16_t> out) override {
    for (std::size_t i = 0; i < out.size() && i < queues.size(); ++i) out[i] = queues[i];
    return read_table_error;
  }
  rte_flow* add_rule(const MediaRule& rule, std::string& why) override {
    if (rules.size() >= most_rules) {
      why = "no room";
      return nullptr;
    }
    rules.push_back(rule);
    return reinterpret_cast<rte_flow*>(++made_);
  }
  void remove_rule(rte_flow*) override { rules.pop_back(); }

  int watch(std::uint16_t queue, int epoll) override {
    if (watch_error != 0) return watch_error;
    const int bell = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bells[queue] = bell;
    epoll_event event{.events = EPOLLIN, .data = {.fd = bell}};
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, bell, &event);
  }
  void unwatch(std::uint16_t queue, int epoll) override {
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, bells[queue], nullptr);
  }
  void drain(int epoll) override {
    std::array<epoll_event, 8> events;
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      std::uint64_t value = 0;
      (void)!::read(events[static_cast<std::size_t>(i)].data.fd, &value, sizeof(value));
    }
  }
  int arm(std::uint16_t) override {
    if (arm_error != 0) return arm_error;
    ++arms;
    ++armed;
    if (when_armed) when_armed();
    return 0;
  }
  void disarm(std::uint16_t) override { --armed; }
  void ring(std::uint16_t queue) {
    const std::uint64_t one = 1;
    (void)!::write(bells.at(queue), &one, sizeof(one));
  }

 private:
  std::uintptr_t made_ = 0;
};

}  // namespace sallyport::dp::test

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Callers in the access realm and carriers in the core, as simple as endpoints can be:
// they keep nothing of a call, all that they need stands in the message that they answer. Each call has
// another caller, another SDP, and one of several peers on either side. A call is INVITE, 100, 180, 200, ACK,
// and then, unless calls are to be held, BYE and 200.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"
#include "perf/calls/rig.h"

namespace sallyport::perf {

inline constexpr unsigned kCarriers = 16;
inline constexpr unsigned kOffices = 8;

// The configuration in which these endpoints are peers; `addresses` of each realm carry media.
[[nodiscard]] std::string endpoints_config(unsigned addresses, unsigned max_calls);

class Endpoints {
 public:
  explicit Endpoints(Rig& rig) : rig_(rig) {}

  void place_call();
  // Calls that are answered from now on are not ended.
  void hold() { hold_ = true; }
  // What was due is put on the wires, Sallyport takes a turn, and what it sends is answered in the next one.
  void turn(Nanoseconds now_ns);

  [[nodiscard]] std::uint64_t placed() const { return placed_; }
  [[nodiscard]] std::uint64_t established() const { return established_; }
  [[nodiscard]] std::uint64_t ended() const { return ended_; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }

 private:
  struct Due {
    std::uint8_t port;
    Endpoint from, to;
    std::string text;
  };
  void deliver();
  void say(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string text);
  // A turn later than say(): a callee lets it ring, a caller does not hang up at once.
  void say_later(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string text);
  void at_caller(const Endpoint& self, const Endpoint& peer, std::string_view text);
  void at_carrier(const Endpoint& self, const Endpoint& peer, std::string_view text);

  Rig& rig_;
  bool hold_ = false;
  std::vector<Due> due_, later_;
  std::uint64_t placed_ = 0, established_ = 0, ended_ = 0, failed_ = 0;
};

}  // namespace sallyport::perf

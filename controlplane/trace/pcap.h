// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Messages and media as packets between their real endpoints, with times in nanoseconds,
// link type raw IP. The headers are made: what was in them beside addresses and ports nobody has kept. A
// message over UDP is one datagram, whatever the fragments it came in. One over TCP is segments with sequence
// numbers that go on from message to message, without a handshake; one over TLS likewise and in clear, so
// that it can be read: no key of the connection would open a capture of it. Checksums are right.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/trace/message.h"

namespace sallyport::trace {

// A packet of media, as one of the two legs saw it.
struct MediaPacket {
  Nanoseconds wall_ns = 0;
  Endpoint source;
  Endpoint target;
  std::string payload;
};

class PcapWriter {
 public:
  // What a file begins with.
  [[nodiscard]] static std::string head();
  // The records of one message, or of one packet; of none whose two addresses are not of one family.
  [[nodiscard]] std::string add(const Message& message);
  [[nodiscard]] std::string add(const MediaPacket& packet) const;

 private:
  using Way = std::pair<Endpoint, Endpoint>;
  std::map<Way, std::uint32_t> sent_;  // octets of TCP, by source and target
};

}  // namespace sallyport::trace

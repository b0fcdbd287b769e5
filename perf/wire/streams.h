// SPDX-License-Identifier: Apache-2.0
// The streams that media_load sends, one a line: SIDE SOURCE PORT DESTINATION PORT MAC, where SIDE (near or
// far) is where it is sent from and MAC the next hop's. Each has one frame of 214 octets (G.711, 20 ms),
// whose RTP and time are brought up to date for every packet.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::perf {

inline constexpr std::size_t kFrameBytes = 214;
using WireFrame = std::array<std::uint8_t, kFrameBytes>;

struct Stream {
  std::uint8_t side = 0;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t fixed_sum = 0;  // of the UDP checksum: all that does not change
  WireFrame frame{};
};

// What a packet carries of its own, in the first octets of its RTP payload.
struct Stamp {
  std::uint32_t run = 0;  // 0: of the warming up, not to be counted
  std::uint32_t stream = 0;
  std::uint64_t sent_ns = 0;  // CLOCK_REALTIME, which the kernel stamps received packets with
};

[[nodiscard]] std::vector<Stream> read_streams(const std::string& path);  // throws std::runtime_error
// The next packet of the stream, into its frame.
void advance(Stream& stream, const Stamp& stamp);
// Whether these octets, from the Ethernet header on, are a packet of some stream's.
[[nodiscard]] bool read_stamp(const std::uint8_t* frame, std::size_t bytes, Stamp& stamp);

}  // namespace sallyport::perf

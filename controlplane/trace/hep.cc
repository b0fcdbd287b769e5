// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/hep.h"

#include <netinet/in.h>

#include <algorithm>

#include "controlplane/trace/octets.h"

namespace sallyport::trace {

namespace {

// Chunk types of the generic vendor 0.
enum class Chunk : std::uint16_t {
  family = 1,
  protocol = 2,
  source_v4 = 3,
  target_v4 = 4,
  source_v6 = 5,
  target_v6 = 6,
  source_port = 7,
  target_port = 8,
  seconds = 9,
  microseconds = 10,
  payload_kind = 11,
  agent = 12,
  password = 14,
  payload = 15,
  correlation = 17
};

constexpr std::size_t kChunkHead = 6;
constexpr std::size_t kHead = 6;  // "HEP3" and the length
constexpr std::size_t kLargestDatagram = 65'507;
constexpr std::uint8_t kFamilyV4 = 2, kFamilyV6 = 10;
constexpr std::uint8_t kSip = 1;

void put(std::string& out, Chunk type, std::string_view bytes) {
  put_be<std::uint16_t>(out, 0);
  put_be(out, static_cast<std::uint16_t>(type));
  put_be(out, static_cast<std::uint16_t>(kChunkHead + bytes.size()));
  out += bytes;
}

template <std::unsigned_integral T>
void put_number(std::string& out, Chunk type, T value) {
  std::string bytes;
  put_be(bytes, value);
  put(out, type, bytes);
}

void put_address(std::string& out, Chunk v4, Chunk v6, const IpAddress& address) {
  const auto* bytes = reinterpret_cast<const char*>(address.bytes().data());
  if (address.is_v4()) return put(out, v4, {bytes, 4});
  put(out, v6, {bytes, 16});
}

}  // namespace

std::string hep_datagram(const Message& message, std::uint32_t agent, std::string_view password) {
  const Endpoint& source = message.source();
  const Endpoint& target = message.target();
  std::string chunks;
  put_number(chunks, Chunk::family, source.address.is_v4() ? kFamilyV4 : kFamilyV6);
  put_number(chunks, Chunk::protocol, message.transport == Transport::udp ? std::uint8_t{IPPROTO_UDP} : std::uint8_t{IPPROTO_TCP});
  put_address(chunks, Chunk::source_v4, Chunk::source_v6, source.address);
  put_address(chunks, Chunk::target_v4, Chunk::target_v6, target.address);
  put_number(chunks, Chunk::source_port, source.port);
  put_number(chunks, Chunk::target_port, target.port);
  put_number(chunks, Chunk::seconds, static_cast<std::uint32_t>(message.wall_ns / kSecond));
  put_number(chunks, Chunk::microseconds,
             static_cast<std::uint32_t>(message.wall_ns % kSecond / kMicrosecond));
  put_number(chunks, Chunk::payload_kind, kSip);
  put_number(chunks, Chunk::agent, agent);
  if (!password.empty()) put(chunks, Chunk::password, password);
  if (!message.call.empty()) put(chunks, Chunk::correlation, message.call);
  const std::size_t room = kLargestDatagram - kHead - kChunkHead - chunks.size();
  put(chunks, Chunk::payload, std::string_view(message.octets).substr(0, room));
  std::string out = "HEP3";
  put_be(out, static_cast<std::uint16_t>(kHead + chunks.size()));
  return out + chunks;
}

}  // namespace sallyport::trace

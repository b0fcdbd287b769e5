// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/pcap.h"

#include <algorithm>
#include <cstring>

#include "controlplane/trace/octets.h"

namespace sallyport::trace {

namespace {

constexpr std::uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kLinkTypeRaw = 101;
constexpr std::uint32_t kLongest = 262'144;
constexpr std::size_t kSegment = 32'768;  // of TCP
constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint8_t kHops = 64;
constexpr std::size_t kUdpHeader = 8, kTcpHeader = 20;
constexpr std::uint8_t kPushAck = 0x18;

// The file's own numbers are in the writer's order, which the magic tells.
template <typename T>
void put_native(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

std::string_view address_of(const Endpoint& end) {
  return {reinterpret_cast<const char*>(end.address.bytes().data()), end.address.is_v4() ? 4u : 16u};
}

// RFC 1071, over several parts of even length but the last.
std::uint32_t sum_of(std::string_view bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto octet = static_cast<std::uint8_t>(bytes[i]);
    sum += i % 2 == 0 ? std::uint32_t{octet} << 8 : octet;
  }
  return sum;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void set_be16(std::string& out, std::size_t at, std::uint16_t value) {
  out[at] = static_cast<char>(value >> 8);
  out[at + 1] = static_cast<char>(value & 0xff);
}

struct Ends {
  const Endpoint& source;
  const Endpoint& target;
};

// Of UDP or TCP, over the pseudo header (RFC 768, RFC 8200 8.1).
std::uint16_t checksum(const Ends& ends, std::uint8_t protocol, std::string_view segment) {
  std::uint32_t sum = protocol + static_cast<std::uint32_t>(segment.size() & 0xffff) +
                      static_cast<std::uint32_t>(segment.size() >> 16);
  sum = sum_of(address_of(ends.source), sum);
  sum = sum_of(address_of(ends.target), sum);
  const std::uint16_t result = folded(sum_of(segment, sum));
  return result == 0 && protocol == kUdp ? 0xffff : result;
}

std::string ip_header(const Ends& ends, std::uint8_t protocol, std::size_t bytes) {
  std::string out;
  if (ends.source.address.is_v4()) {
    put_be<std::uint16_t>(out, 0x4500);
    put_be(out, static_cast<std::uint16_t>(20 + bytes));
    put_be<std::uint16_t>(out, 0);
    put_be(out, kDontFragment);
    out += static_cast<char>(kHops);
    out += static_cast<char>(protocol);
    put_be<std::uint16_t>(out, 0);
  } else {
    put_be<std::uint32_t>(out, 6u << 28);
    put_be(out, static_cast<std::uint16_t>(bytes));
    out += static_cast<char>(protocol);
    out += static_cast<char>(kHops);
  }
  out += address_of(ends.source);
  out += address_of(ends.target);
  if (ends.source.address.is_v4()) set_be16(out, 10, folded(sum_of(out, 0)));
  return out;
}

std::string record(Nanoseconds wall_ns, const Ends& ends, std::uint8_t protocol, std::string_view segment) {
  const std::string ip = ip_header(ends, protocol, segment.size());
  std::string out;
  put_native(out, static_cast<std::uint32_t>(wall_ns / kSecond));
  put_native(out, static_cast<std::uint32_t>(wall_ns % kSecond));
  put_native(out, static_cast<std::uint32_t>(ip.size() + segment.size()));
  put_native(out, static_cast<std::uint32_t>(ip.size() + segment.size()));
  return out + ip + std::string(segment);
}

std::string udp(Nanoseconds wall_ns, const Ends& ends, std::string_view payload) {
  const std::size_t most = 65'535 - kUdpHeader - (ends.source.address.is_v4() ? 20 : 0);
  payload = payload.substr(0, most);
  std::string segment;
  put_be(segment, ends.source.port);
  put_be(segment, ends.target.port);
  put_be(segment, static_cast<std::uint16_t>(kUdpHeader + payload.size()));
  put_be<std::uint16_t>(segment, 0);
  segment += payload;
  set_be16(segment, 6, checksum(ends, kUdp, segment));
  return record(wall_ns, ends, kUdp, segment);
}

std::string tcp(Nanoseconds wall_ns, const Ends& ends, std::uint32_t sequence, std::uint32_t acknowledged,
                std::string_view payload) {
  std::string segment;
  put_be(segment, ends.source.port);
  put_be(segment, ends.target.port);
  put_be(segment, sequence);
  put_be(segment, acknowledged);
  segment += static_cast<char>(kTcpHeader / 4 << 4);
  segment += static_cast<char>(kPushAck);
  put_be<std::uint16_t>(segment, 0xffff);  // window
  put_be<std::uint32_t>(segment, 0);       // checksum, urgent pointer
  segment += payload;
  set_be16(segment, 16, checksum(ends, kTcp, segment));
  return record(wall_ns, ends, kTcp, segment);
}

bool is_one_family(const Ends& ends) {
  return static_cast<bool>(ends.source.address) &&
         ends.source.address.family() == ends.target.address.family();
}

}  // namespace

std::string PcapWriter::head() {
  std::string out;
  put_native(out, kMagicNanoseconds);
  put_native<std::uint16_t>(out, 2);
  put_native<std::uint16_t>(out, 4);
  put_native<std::uint64_t>(out, 0);
  put_native(out, kLongest);
  put_native(out, kLinkTypeRaw);
  return out;
}

std::string PcapWriter::add(const Message& message) {
  const Ends ends{message.source(), message.target()};
  if (!is_one_family(ends)) return {};
  if (message.transport == Transport::udp) return udp(message.wall_ns, ends, message.octets);
  std::uint32_t& sent = sent_[{ends.source, ends.target}];
  const std::uint32_t heard = sent_[{ends.target, ends.source}];
  std::string out;
  for (std::string_view rest = message.octets; !rest.empty();) {
    const std::string_view part = rest.substr(0, kSegment);
    out += tcp(message.wall_ns, ends, 1 + sent, 1 + heard, part);
    sent += static_cast<std::uint32_t>(part.size());
    rest.remove_prefix(part.size());
  }
  return out;
}

std::string PcapWriter::add(const MediaPacket& packet) const {
  const Ends ends{packet.source, packet.target};
  return is_one_family(ends) ? udp(packet.wall_ns, ends, packet.payload) : std::string{};
}

}  // namespace sallyport::trace

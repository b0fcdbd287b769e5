// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/frame_support.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace sallyport::dp::test {
namespace {

void put(Bytes& to, std::uint64_t value, int octets) {
  for (int i = octets - 1; i >= 0; --i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void put(Bytes& to, const Bytes& from) {
  to.insert(to.end(), from.begin(), from.end());
}
void put(Bytes& to, const IpAddress& address) {
  to.insert(to.end(), address.bytes().begin(), address.bytes().begin() + (address.is_v4() ? 4 : 16));
}
std::uint16_t get16(const Bytes& from, std::size_t at) {
  return static_cast<std::uint16_t>(from.at(at) << 8 | from.at(at + 1));
}

std::uint16_t checksum(const Bytes& bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint64_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

Bytes pseudo_header(const IpAddress& source, const IpAddress& destination, std::size_t bytes,
                    std::uint8_t protocol) {
  Bytes out;
  put(out, source);
  put(out, destination);
  put(out, bytes, 4);
  put(out, protocol, 4);
  return out;
}

IpAddress address_of(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) throw std::runtime_error("bad address in a test: " + std::string(text));
  return *address;
}
Endpoint endpoint_of(std::string_view text) {
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint) throw std::runtime_error("bad endpoint in a test: " + std::string(text));
  return *endpoint;
}

Bytes link(std::uint16_t vlan, std::uint16_t type) {
  Bytes out = hex("0253500000aa 0253500000bb");
  if (vlan != 0) {
    put(out, 0x8100, 2);
    put(out, vlan, 2);
  }
  put(out, type, 2);
  return out;
}

struct Ip {
  IpAddress source, destination;
  std::uint8_t protocol = 17, ttl = 61, tos = 0;
  std::uint32_t id = 0x1234;
  std::uint16_t vlan = 0;
  Bytes options;
  bool fragment = false, more = false;
  std::size_t offset = 0;
};

Bytes ip_packet(const Ip& ip, const Bytes& body) {
  const bool v4 = ip.source.is_v4();
  Bytes out = link(ip.vlan, v4 ? 0x0800 : 0x86dd);
  const std::size_t start = out.size();
  if (v4) {
    const std::size_t header = 20 + ip.options.size();
    put(out, 0x40 | header / 4, 1);
    put(out, ip.tos, 1);
    put(out, header + body.size(), 2);
    put(out, ip.id & 0xffff, 2);
    put(out, (ip.more ? 0x2000u : 0u) | ip.offset / 8, 2);
    put(out, ip.ttl, 1);
    put(out, ip.protocol, 1);
    put(out, 0, 2);
    put(out, ip.source);
    put(out, ip.destination);
    put(out, ip.options);
    const std::uint16_t sum = checksum(Bytes(out.begin() + static_cast<std::ptrdiff_t>(start), out.end()));
    out[start + 10] = static_cast<std::uint8_t>(sum >> 8);
    out[start + 11] = static_cast<std::uint8_t>(sum);
  } else {
    put(out, 0x60000000u | std::uint32_t{ip.tos} << 20, 4);
    put(out, body.size() + (ip.fragment ? 8 : 0), 2);
    put(out, ip.fragment ? 44 : ip.protocol, 1);
    put(out, ip.ttl, 1);
    put(out, ip.source);
    put(out, ip.destination);
    if (ip.fragment) {
      put(out, ip.protocol, 1);
      put(out, 0, 1);
      put(out, ip.offset | (ip.more ? 1 : 0), 2);
      put(out, ip.id, 4);
    }
  }
  put(out, body);
  return out;
}

Bytes udp_datagram(const UdpFrame& udp) {
  const Endpoint source = endpoint_of(udp.source);
  const Endpoint destination = endpoint_of(udp.destination);
  Bytes out;
  put(out, source.port, 2);
  put(out, destination.port, 2);
  put(out, udp.payload.size() + 8, 2);
  put(out, 0, 2);
  put(out, udp.payload);
  if (udp.checksum == UdpChecksum::none) return out;
  Bytes all = pseudo_header(source.address, destination.address, out.size(), 17);
  put(all, out);
  std::uint16_t sum = checksum(all);
  if (sum == 0) sum = 0xffff;
  if (udp.checksum == UdpChecksum::wrong)
    sum = static_cast<std::uint16_t>(sum == 0x1111 ? 0x2222 : sum ^ 0x0101);
  out[6] = static_cast<std::uint8_t>(sum >> 8);
  out[7] = static_cast<std::uint8_t>(sum);
  return out;
}

Ip ip_of(const UdpFrame& udp) {
  return {.source = endpoint_of(udp.source).address,
          .destination = endpoint_of(udp.destination).address,
          .ttl = udp.ttl,
          .tos = udp.tos,
          .id = udp.id,
          .vlan = udp.vlan,
          .options = udp.ip_options};
}

struct Layers {
  std::size_t l3 = 14, l4 = 0, end = 0;
  bool v4 = true, fragment = false, more = false;
  std::size_t offset = 0;
  std::uint16_t vlan = 0;
};

std::optional<Layers> layers_of(const Bytes& frame) {
  Layers out;
  if (frame.size() < 34) return std::nullopt;
  std::uint16_t type = get16(frame, 12);
  if (type == 0x8100) {
    out.vlan = get16(frame, 14);
    type = get16(frame, 16);
    out.l3 = 18;
  }
  out.v4 = type == 0x0800;
  if (!out.v4 && type != 0x86dd) return std::nullopt;
  if (out.v4) {
    out.l4 = out.l3 + (frame[out.l3] & 15u) * 4u;
    out.end = out.l3 + get16(frame, out.l3 + 2);
    const std::uint16_t field = get16(frame, out.l3 + 6);
    out.more = (field & 0x2000) != 0;
    out.offset = (field & 0x1fffu) * 8u;
    out.fragment = out.more || out.offset != 0;
  } else {
    out.l4 = out.l3 + 40;
    out.end = out.l4 + get16(frame, out.l3 + 4);
    if (frame[out.l3 + 6] == 44) {
      const std::uint16_t field = get16(frame, out.l4 + 2);
      out.more = (field & 1) != 0;
      out.offset = field & 0xfff8u;
      out.fragment = true;
      out.l4 += 8;
    }
  }
  if (out.end > frame.size()) return std::nullopt;
  return out;
}

}  // namespace

Bytes frame_of(const UdpFrame& udp) {
  Bytes out = ip_packet(ip_of(udp), udp_datagram(udp));
  out.resize(out.size() + udp.padding, 0xee);
  return out;
}

Bytes fragment_of(const UdpFrame& udp, std::size_t offset, bool more, const Bytes& data) {
  Ip ip = ip_of(udp);
  ip.fragment = true;
  ip.more = more;
  ip.offset = offset;
  return ip_packet(ip, data);
}

std::vector<Bytes> fragments_of(const UdpFrame& udp, std::size_t piece) {
  const Bytes whole = udp_datagram(udp);
  std::vector<Bytes> out;
  for (std::size_t at = 0; at < whole.size(); at += piece) {
    const std::size_t end = std::min(at + piece, whole.size());
    out.push_back(fragment_of(udp, at, end < whole.size(),
                              Bytes(whole.begin() + static_cast<std::ptrdiff_t>(at),
                                    whole.begin() + static_cast<std::ptrdiff_t>(end))));
  }
  return out;
}

Bytes ip_frame(std::string_view source, std::string_view destination, std::uint8_t protocol,
               const Bytes& body) {
  return ip_packet(
      {.source = address_of(source), .destination = address_of(destination), .protocol = protocol}, body);
}

Bytes icmp_error(std::string_view source, std::string_view destination, std::uint8_t type, std::uint8_t code,
                 const Bytes& quoted, std::uint16_t mtu) {
  const IpAddress from = address_of(source);
  const IpAddress to = address_of(destination);
  Bytes body{type, code, 0, 0, 0, 0};
  put(body, mtu, 2);
  body.insert(body.end(), quoted.begin() + 14, quoted.end());
  Bytes all = from.is_v4() ? Bytes{} : pseudo_header(from, to, body.size(), 58);
  put(all, body);
  const std::uint16_t sum = checksum(all);
  body[2] = static_cast<std::uint8_t>(sum >> 8);
  body[3] = static_cast<std::uint8_t>(sum);
  return ip_frame(source, destination, from.is_v4() ? 1 : 58, body);
}

Bytes arp_request(std::string_view sender, std::string_view target) {
  Bytes out = link(0, 0x0806);
  put(out, hex("0001 0800 06 04 0001 0253500000bb"));
  put(out, address_of(sender));
  put(out, hex("000000000000"));
  put(out, address_of(target));
  return out;
}

std::optional<ReadFrame> read_frame(const Bytes& frame) {
  const auto layers = layers_of(frame);
  if (!layers || layers->l4 + 8 > layers->end) return std::nullopt;
  const auto family = layers->v4 ? Family::v4 : Family::v6;
  const std::size_t addresses = layers->l3 + (layers->v4 ? 12 : 8);
  ReadFrame out;
  out.vlan = layers->vlan;
  out.fragment = layers->fragment;
  out.source.address = IpAddress::from_bytes(family, &frame[addresses]);
  out.destination.address = IpAddress::from_bytes(family, &frame[addresses + (layers->v4 ? 4 : 16)]);
  out.ttl = layers->v4 ? frame[layers->l3 + 8] : frame[layers->l3 + 7];
  out.tos = layers->v4 ? frame[layers->l3 + 1] : static_cast<std::uint8_t>(get16(frame, layers->l3) >> 4);
  out.destination_mac = Bytes(frame.begin(), frame.begin() + 6);
  const auto at = [&](std::size_t offset) { return frame.begin() + static_cast<std::ptrdiff_t>(offset); };
  if (layers->v4) out.ip_checksum_right = checksum(Bytes(at(layers->l3), at(layers->l4))) == 0;
  if (layers->fragment) {
    out.payload = Bytes(at(layers->l4), at(layers->end));
    return out;
  }
  const std::size_t udp_bytes = get16(frame, layers->l4 + 4);
  if (layers->l4 + udp_bytes != layers->end) return std::nullopt;
  out.source.port = get16(frame, layers->l4);
  out.destination.port = get16(frame, layers->l4 + 2);
  out.udp_checksum = get16(frame, layers->l4 + 6);
  out.payload = Bytes(at(layers->l4 + 8), at(layers->end));
  Bytes all = pseudo_header(out.source.address, out.destination.address, udp_bytes, 17);
  put(all, Bytes(at(layers->l4), at(layers->end)));
  out.udp_checksum_right = checksum(all) == 0;
  return out;
}

std::optional<ReadFrame> join_fragments(const std::vector<Bytes>& frames) {
  Bytes whole;
  std::optional<ReadFrame> out;
  for (const Bytes& frame : frames) {
    const auto layers = layers_of(frame);
    if (!layers || layers->offset != whole.size()) return std::nullopt;
    if (layers->more == (&frame == &frames.back())) return std::nullopt;
    out = read_frame(frame);
    put(whole, out->payload);
  }
  if (!out || whole.size() < 8) return std::nullopt;
  out->source.port = get16(whole, 0);
  out->destination.port = get16(whole, 2);
  out->udp_checksum = get16(whole, 6);
  Bytes all = pseudo_header(out->source.address, out->destination.address, whole.size(), 17);
  put(all, whole);
  out->udp_checksum_right = checksum(all) == 0 && get16(whole, 4) == whole.size();
  out->payload = Bytes(whole.begin() + 8, whole.end());
  return out;
}

Bytes rtp(std::uint16_t sequence, std::uint8_t payload_type, std::uint32_t ssrc, std::size_t octets) {
  Bytes out{0x80, payload_type};
  put(out, sequence, 2);
  put(out, sequence * 160u, 4);
  put(out, ssrc, 4);
  for (std::size_t i = 0; i < octets; ++i) out.push_back(static_cast<std::uint8_t>(i * 7 + sequence));
  return out;
}

Bytes rtcp_receiver_report(std::uint32_t ssrc) {
  Bytes out{0x80, 201, 0, 1};
  put(out, ssrc, 4);
  return out;
}

Bytes text(std::string_view octets) {
  return {octets.begin(), octets.end()};
}

Bytes hex(std::string_view digits) {
  Bytes out;
  std::string pair;
  for (const char c : digits) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
    pair += c;
    if (pair.size() == 2) {
      out.push_back(static_cast<std::uint8_t>(std::stoi(pair, nullptr, 16)));
      pair.clear();
    }
  }
  return out;
}

std::string to_hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace sallyport::dp::test

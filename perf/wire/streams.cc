// SPDX-License-Identifier: Apache-2.0
#include "perf/wire/streams.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "perf/common/octets.h"

namespace sallyport::perf {
namespace {

constexpr std::size_t kIpAt = 14, kUdpAt = 34, kRtpAt = 42, kStampAt = 54;
constexpr std::array<std::uint8_t, 4> kMark{'s', 'p', 'm', 'l'};
constexpr std::size_t kMarkAt = kStampAt + 16;

std::uint32_t get32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

// Of [from, to) of the frame.
std::uint32_t sum_of(const WireFrame& frame, std::size_t from, std::size_t to, std::uint32_t sum) {
  return folded_sum(frame.data() + from, to - from, sum);
}

void put_address(WireFrame& frame, std::size_t at, const std::string& text) {
  if (inet_pton(AF_INET, text.c_str(), frame.data() + at) != 1)
    throw std::runtime_error("not an IPv4 address: " + text);
}

void put_mac(WireFrame& frame, const std::string& text) {
  std::array<unsigned, 6> octets{};
  if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &octets[0], &octets[1], &octets[2], &octets[3],
                  &octets[4], &octets[5]) != 6)
    throw std::runtime_error("not a MAC address: " + text);
  for (std::size_t i = 0; i < octets.size(); ++i) frame[i] = static_cast<std::uint8_t>(octets[i]);
}

Stream stream_of(const std::string& line, std::uint32_t number) {
  std::istringstream words(line);
  std::string side, source, destination, mac;
  std::uint32_t source_port = 0, destination_port = 0;
  if (!(words >> side >> source >> source_port >> destination >> destination_port >> mac))
    throw std::runtime_error("not a stream: " + line);
  Stream stream;
  stream.side = side == "near" ? 0 : 1;
  WireFrame& frame = stream.frame;
  put_mac(frame, mac);
  frame[6] = 2;
  put16(&frame[12], 0x0800);
  frame[kIpAt] = 0x45;
  put16(&frame[kIpAt + 2], kFrameBytes - kIpAt);
  frame[kIpAt + 8] = 61;
  frame[kIpAt + 9] = 17;
  put_address(frame, kIpAt + 12, source);
  put_address(frame, kIpAt + 16, destination);
  put16(&frame[kIpAt + 10], ~sum_of(frame, kIpAt, kUdpAt, 0));
  put16(&frame[kUdpAt], source_port);
  put16(&frame[kUdpAt + 2], destination_port);
  put16(&frame[kUdpAt + 4], kFrameBytes - kUdpAt);
  frame[kRtpAt] = 0x80;
  frame[kRtpAt + 1] = 8;  // PCMA
  put32(&frame[kRtpAt + 8], 1 + number * 2654435761u);
  std::memcpy(frame.data() + kMarkAt, kMark.data(), kMark.size());
  for (std::size_t i = kMarkAt + kMark.size(); i < kFrameBytes; ++i)
    frame[i] = static_cast<std::uint8_t>(0xd5 ^ (i + number));
  stream.sequence = static_cast<std::uint16_t>(number * 7);
  stream.timestamp = number * 160;
  stream.fixed_sum = sum_of(frame, kIpAt + 12, kFrameBytes, 17 + kFrameBytes - kUdpAt);
  return stream;
}

}  // namespace

std::vector<Stream> read_streams(const std::string& path) {
  std::ifstream file(path);
  std::vector<Stream> streams;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) streams.push_back(stream_of(line, static_cast<std::uint32_t>(streams.size())));
  }
  if (streams.empty()) throw std::runtime_error("no stream in " + path);
  return streams;
}

void advance(Stream& stream, const Stamp& stamp) {
  WireFrame& frame = stream.frame;
  put16(&frame[kRtpAt + 2], ++stream.sequence);
  put32(&frame[kRtpAt + 4], stream.timestamp += 160);
  put32(&frame[kStampAt], stamp.run);
  put32(&frame[kStampAt + 4], stamp.stream);
  put32(&frame[kStampAt + 8], static_cast<std::uint32_t>(stamp.sent_ns >> 32));
  put32(&frame[kStampAt + 12], static_cast<std::uint32_t>(stamp.sent_ns));
  std::uint32_t sum = sum_of(frame, kRtpAt + 2, kRtpAt + 8, stream.fixed_sum);
  sum = sum_of(frame, kStampAt, kMarkAt, sum);
  put16(&frame[kUdpAt + 6], sum == 0xffff ? 0xffff : ~sum);  // RFC 768: 0 would say that there is none
}

bool read_stamp(const std::uint8_t* frame, std::size_t bytes, Stamp& stamp) {
  if (bytes < kMarkAt + kMark.size() || frame[kIpAt + 9] != 17) return false;
  if (std::memcmp(frame + kMarkAt, kMark.data(), kMark.size()) != 0) return false;
  stamp.run = get32(frame + kStampAt);
  stamp.stream = get32(frame + kStampAt + 4);
  stamp.sent_ns = std::uint64_t{get32(frame + kStampAt + 8)} << 32 | get32(frame + kStampAt + 12);
  return true;
}

}  // namespace sallyport::perf

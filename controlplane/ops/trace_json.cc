// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/trace_json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "controlplane/trace/ladder.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;

std::string to_hex(std::string_view octets) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * octets.size());
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    out += kDigits[octet >> 4];
    out += kDigits[octet & 15];
  }
  return out;
}

unsigned digit_of(char c) {
  return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10) & 15u;
}

std::string from_hex(std::string_view hex) {
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(digit_of(hex[i]) << 4 | digit_of(hex[i + 1]));
  }
  return out;
}

Endpoint endpoint_in(const json& value, const char* name) {
  return Endpoint::parse(value.at(name).get<std::string>()).value_or(Endpoint{});
}

}  // namespace

json message_json(const trace::Message& message) {
  return {{"sequence", message.sequence},
          {"number", message.number},
          {"monotonic_ns", message.monotonic_ns},
          {"time_ns", message.wall_ns},
          {"received", message.direction == trace::Direction::received},
          {"again", message.retransmission},
          {"transport", static_cast<unsigned>(message.transport)},
          {"side", static_cast<unsigned>(message.side)},
          {"local", message.local.to_text()},
          {"remote", message.remote.to_text()},
          {"call", message.call},
          {"realm", message.realm},
          {"peer", message.peer},
          {"octets", to_hex(message.octets)}};
}

trace::Message message_of(const json& value) {
  trace::Message message;
  message.sequence = value.at("sequence");
  message.number = value.at("number");
  message.monotonic_ns = value.at("monotonic_ns");
  message.wall_ns = value.at("time_ns");
  message.direction = value.at("received").get<bool>() ? trace::Direction::received : trace::Direction::sent;
  message.retransmission = value.at("again");
  message.transport = static_cast<trace::Transport>(value.at("transport").get<unsigned>());
  message.side = static_cast<trace::Side>(value.at("side").get<unsigned>());
  message.local = endpoint_in(value, "local");
  message.remote = endpoint_in(value, "remote");
  message.call = value.at("call");
  message.realm = value.at("realm");
  message.peer = value.at("peer");
  message.octets = from_hex(value.at("octets").get<std::string>());
  return message;
}

json packet_json(const trace::MediaPacket& packet) {
  return {{"time_ns", packet.wall_ns},
          {"source", packet.source.to_text()},
          {"target", packet.target.to_text()},
          {"payload", to_hex(packet.payload)}};
}

trace::MediaPacket packet_of(const json& value) {
  return {value.at("time_ns"), endpoint_in(value, "source"), endpoint_in(value, "target"),
          from_hex(value.at("payload").get<std::string>())};
}

json ladder_json(std::span<const trace::Message> messages) {
  std::uint64_t left_out = 0;
  for (const trace::Message& message : messages) left_out += message.left_out;
  return {{"lines", trace::ladder(messages)},
          {"messages", messages.size()},
          {"left_out", left_out},
          {"gone", trace::gone_before(messages)}};
}

}  // namespace sallyport::ops

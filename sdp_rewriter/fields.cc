// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/fields.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::sdp {
namespace {

struct StaticPayloadType {
  std::uint8_t payload_type;
  std::string_view encoding;
  std::uint32_t clock_rate;
  std::uint8_t channels;
};

constexpr std::array<StaticPayloadType, 25> kStaticPayloadTypes{{
    {0, "PCMU", 8000, 1},   {3, "GSM", 8000, 1},    {4, "G723", 8000, 1},   {5, "DVI4", 8000, 1},
    {6, "DVI4", 16000, 1},  {7, "LPC", 8000, 1},    {8, "PCMA", 8000, 1},   {9, "G722", 8000, 1},
    {10, "L16", 44100, 2},  {11, "L16", 44100, 1},  {12, "QCELP", 8000, 1}, {13, "CN", 8000, 1},
    {14, "MPA", 90000, 1},  {15, "G728", 8000, 1},  {16, "DVI4", 11025, 1}, {17, "DVI4", 22050, 1},
    {18, "G729", 8000, 1},  {25, "CelB", 90000, 1}, {26, "JPEG", 90000, 1}, {28, "nv", 90000, 1},
    {31, "H261", 90000, 1}, {32, "MPV", 90000, 1},  {33, "MP2T", 90000, 1}, {34, "H263", 90000, 1},
    {19, "CN", 8000, 1},  // reserved, but Cisco's comfort noise for years
}};

constexpr std::array<std::pair<std::string_view, Transport>, 7> kTransports{{
    {"RTP/AVP", Transport::rtp},
    {"RTP/AVPF", Transport::rtp},
    {"RTP/SAVP", Transport::srtp},
    {"RTP/SAVPF", Transport::srtp},
    {"UDP/TLS/RTP/SAVP", Transport::dtls_srtp},
    {"UDP/TLS/RTP/SAVPF", Transport::dtls_srtp},
    {"udptl", Transport::udptl},
}};

}  // namespace

MediaKind media_kind(std::string_view media) {
  constexpr std::array<std::pair<std::string_view, MediaKind>, 6> kKinds{
      {{"audio", MediaKind::audio},
       {"video", MediaKind::video},
       {"image", MediaKind::image},
       {"application", MediaKind::application},
       {"text", MediaKind::text},
       {"message", MediaKind::message}}};
  for (const auto& [text, kind] : kKinds) {
    if (equal_nocase(media, text)) return kind;
  }
  return MediaKind::other;
}

Transport transport_of(std::string_view proto) {
  for (const auto& [text, transport] : kTransports) {
    if (equal_nocase(proto, text)) return transport;
  }
  if (starts_nocase(proto, "UDP/TLS/") || starts_nocase(proto, "UDP/DTLS/") ||
      starts_nocase(proto, "DTLS/")) {
    return Transport::dtls;
  }
  return starts_nocase(proto, "TCP") ? Transport::tcp : Transport::other;
}

std::optional<Connection> read_connection(std::string_view value) {
  const std::string_view net_type = next_word(value);
  const std::string_view address_type = next_word(value);
  std::string_view host = next_word(value);
  if (net_type.empty() || address_type.empty() || host.empty() || !next_word(value).empty())
    return std::nullopt;
  host = host.substr(0, host.find('/'));  // multicast: /TTL/COUNT
  if (host.empty()) return std::nullopt;
  // The literal tells its family itself: "IN IP4 2001:db8::1" is wrong, but clear.
  return Connection{host, equal_nocase(net_type, "IN") ? literal(host) : IpAddress{}};
}

std::optional<RtcpAttribute> read_rtcp(std::string_view value) {
  const auto port = number<std::uint16_t>(next_word(value));
  if (!port) return std::nullopt;
  RtcpAttribute rtcp{.port = *port};
  if (value.find_first_not_of(" \t") == std::string_view::npos) return rtcp;
  const auto connection = read_connection(value);
  if (!connection) return std::nullopt;
  rtcp.has_host = true;
  rtcp.host = connection->host;
  rtcp.address = connection->address;
  return rtcp;
}

std::optional<Origin> read_origin(std::string_view value) {
  Origin origin;
  origin.host = last_word(value);
  last_word(value);  // address type
  last_word(value);  // network type
  origin.session_version = last_word(value);
  origin.session_id = last_word(value);
  const std::size_t start = value.find_first_not_of(" \t");
  if (origin.session_id.empty() || start == std::string_view::npos) return std::nullopt;
  origin.username = value.substr(start, value.find_last_not_of(" \t") + 1 - start);
  return origin;
}

void apply_static_payload_type(Format& format) {
  const auto found = std::ranges::find_if(
      kStaticPayloadTypes, [&](const auto& known) { return known.payload_type == format.payload_type; });
  if (found == kStaticPayloadTypes.end()) return;
  format.encoding = found->encoding;
  format.clock_rate = found->clock_rate;
  format.channels = found->channels;
}

void apply_rtpmap(Format& format, std::string_view mapping) {
  mapping = next_word(mapping);
  const std::size_t slash = mapping.find('/');
  format.encoding = mapping.substr(0, slash);
  format.clock_rate = 0;
  format.channels = 1;
  if (slash == std::string_view::npos) return;
  mapping.remove_prefix(slash + 1);
  const std::size_t second = mapping.find('/');
  format.clock_rate = number<std::uint32_t>(mapping.substr(0, second)).value_or(0);
  if (second != std::string_view::npos) {
    format.channels = number<std::uint8_t>(mapping.substr(second + 1)).value_or(1);
  }
}

bool Format::is_telephone_event() const {
  return equal_nocase(encoding, "telephone-event");
}

bool Format::same_codec(const Format& other) const {
  if (encoding.empty() || other.encoding.empty()) return equal_nocase(text, other.text);
  return equal_nocase(encoding, other.encoding) && clock_rate == other.clock_rate &&
         channels == other.channels;
}

}  // namespace sallyport::sdp

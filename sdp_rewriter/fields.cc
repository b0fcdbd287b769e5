// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/fields.h"

#include "sdp_rewriter/words.h"

#include <array>
#include <utility>

namespace sallyport::sdp {
namespace {

struct StaticPayloadType {
  std::uint8_t payload_type = 0;
  std::string_view encoding;
  std::uint32_t clock_rate = 0;
  std::uint8_t channels = 1;
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

// By payload type; those without a fixed meaning have no encoding.
constexpr auto kByPayloadType = [] {
  std::array<StaticPayloadType, 35> table{};
  for (const StaticPayloadType& known : kStaticPayloadTypes) table[known.payload_type] = known;
  return table;
}();

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
  switch (media.size()) {
    case 4:
      return is_word(media, "text") ? MediaKind::text : MediaKind::other;
    case 5:
      return is_word(media, "audio")   ? MediaKind::audio
             : is_word(media, "video") ? MediaKind::video
             : is_word(media, "image") ? MediaKind::image
                                       : MediaKind::other;
    case 7:
      return is_word(media, "message") ? MediaKind::message : MediaKind::other;
    case 11:
      return is_word(media, "application") ? MediaKind::application : MediaKind::other;
    default:
      return MediaKind::other;
  }
}

Transport transport_of(std::string_view proto) {
  if (proto == "RTP/AVP") return Transport::rtp;  // the most common, as it should be written
  for (const auto& [text, transport] : kTransports) {
    if (equal_nocase(proto, text)) return transport;
  }
  if (starts_nocase(proto, "UDP/TLS/") || starts_nocase(proto, "UDP/DTLS/") ||
      starts_nocase(proto, "DTLS/")) {
    return Transport::dtls;
  }
  return starts_nocase(proto, "TCP") ? Transport::tcp : Transport::other;
}

std::optional<Connection> read_connection(Words words) {
  const std::string_view net_type = words.next();
  const std::string_view address_type = words.next();
  std::string_view host = words.next();
  if (address_type.empty() || host.empty() || !words.at_end()) return std::nullopt;
  host = host.substr(0, host.find('/'));  // multicast: /TTL/COUNT
  if (host.empty()) return std::nullopt;
  // The literal tells its family itself: "IN IP4 2001:db8::1" is wrong, but clear.
  return Connection{host, is_word(net_type, "in") ? literal(host) : IpAddress{}};
}

std::optional<RtcpAttribute> read_rtcp(Words words) {
  const auto port = number<std::uint16_t>(words.next());
  if (!port) return std::nullopt;
  RtcpAttribute rtcp{.port = *port};
  if (words.at_end()) return rtcp;
  const auto connection = read_connection(words);
  if (!connection) return std::nullopt;
  rtcp.has_host = true;
  rtcp.host = connection->host;
  rtcp.address = connection->address;
  return rtcp;
}

std::optional<Origin> read_origin(Words words) {
  std::string_view value = words.rest();
  const std::array<std::string_view, 6> six{words.next(), words.next(), words.next(),
                                            words.next(), words.next(), words.next()};
  if (!six[5].empty() && words.at_end()) return Origin{six[0], six[1], six[2], six[5]};
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
  const auto type = static_cast<std::size_t>(format.payload_type);
  if (type >= kByPayloadType.size() || kByPayloadType[type].encoding.empty()) return;
  const StaticPayloadType& known = kByPayloadType[type];
  format.encoding = known.encoding;
  format.clock_rate = known.clock_rate;
  format.channels = known.channels;
}

void apply_rtpmap(Format& format, std::string_view mapping) {
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

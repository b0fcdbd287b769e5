// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/parser.h"

#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {
namespace {

// The position behind the line end that stands at `position`, if one does.
std::size_t line_end_behind(std::string_view text, std::size_t position) {
  if (text.substr(position).starts_with("\r\n")) return position + 2;
  return position < text.size() ? position + 1 : position;
}

}  // namespace

std::expected<void, ParseFault> Parser::run() {
  std::string_view rest = d_.text();
  if (rest.empty()) return std::unexpected(ParseFault{Fault::empty});
  // Blank lines at the end are common (a body padded with CRLF) and mean nothing.
  rest = rest.substr(0, line_end_behind(rest, rest.find_last_not_of("\r\n") + 1));
  while (!rest.empty()) {
    Line line;
    ++line_number_;
    line_start_ = static_cast<std::size_t>(rest.data() - d_.body_.data());
    Result fault = line_number_ > kMaxLines ? Fault::too_many_lines : cut(rest, line);
    if (!fault) fault = read(line);
    if (fault)
      return std::unexpected(ParseFault{*fault, line_number_, static_cast<std::uint32_t>(line_start_)});
    d_.lines_.push_back(line);
  }
  if (auto fault = tie()) return std::unexpected(*fault);
  return {};
}

Parser::Result Parser::cut(std::string_view& rest, Line& line) {
  const std::size_t lf = rest.find('\n');
  std::size_t length = lf == std::string_view::npos ? rest.size() : lf;
  std::size_t end_length = lf == std::string_view::npos ? 0 : 1;
  if (end_length == 1 && length > 0 && rest[length - 1] == '\r') {
    --length;
    ++end_length;
  }
  line.text = rest.substr(0, length);
  line.end = rest.substr(length, end_length);
  rest.remove_prefix(length + end_length);
  // Two passes of memchr are several times faster than one of find_first_of.
  if (line.text.find('\r') != std::string_view::npos || line.text.find('\0') != std::string_view::npos) {
    return Fault::forbidden_octet;
  }
  if (length < 2 || line.text[1] != '=') return Fault::not_a_line;
  const char type = line.text[0];
  if ((type < 'a' || type > 'z') && (type < 'A' || type > 'Z')) return Fault::not_a_line;
  line.type = type;
  line.value = line.text.substr(2);
  return std::nullopt;
}

Parser::Result Parser::read(Line& line) {
  if (line_number_ == 1 && line.type != 'v') return Fault::version;
  switch (line.type) {
    case 'v':
    case 'o':
    case 's':
      return read_session_identity(line);
    case 'm':
      return read_media(line);
    case 'a':
      return read_attribute(line);
    case 'b':
      read_bandwidth(line.value);
      return std::nullopt;
    case 't':
      line.kind = LineKind::time;
      d_.has_time_ = true;
      return std::nullopt;
    case 'i':
      line.kind = LineKind::information;
      return std::nullopt;
    case 'u':
    case 'e':
    case 'p':
      line.kind = LineKind::identity;
      return std::nullopt;
    case 'c': {
      line.kind = LineKind::connection;
      const auto connection = read_connection(line.value);
      if (!connection) return Fault::connection;
      d_.connections_.push_back(*connection);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

Parser::Result Parser::read_session_identity(Line& line) {
  if (!d_.streams_.empty()) return Fault::misplaced_line;
  if (line.type == 'v') {
    line.kind = LineKind::version;
    if (line_number_ != 1) return Fault::duplicate_line;
    std::string_view value = line.value;
    return next_word(value) == "0" && next_word(value).empty() ? std::nullopt : Result(Fault::version);
  }
  bool& seen = line.type == 'o' ? has_origin_ : d_.has_session_name_;
  if (seen) return Fault::duplicate_line;
  seen = true;
  line.kind = line.type == 'o' ? LineKind::origin : LineKind::session_name;
  if (line.type == 's') return std::nullopt;
  const auto origin = read_origin(line.value);
  if (!origin) return Fault::origin;
  d_.origin_ = *origin;
  return std::nullopt;
}

Parser::Result Parser::read_media(Line& line) {
  line.kind = LineKind::media;
  if (!has_origin_) return Fault::missing_origin;
  if (d_.streams_.size() == kMaxStreams) return Fault::too_many_streams;
  Stream stream;
  stream.line = line_number_;
  std::string_view rest = line.value;
  stream.media = next_word(rest);
  stream.port_text = next_word(rest);
  stream.proto = next_word(rest);
  if (stream.proto.empty()) return Fault::media;
  stream.kind = media_kind(stream.media);
  stream.transport = transport_of(stream.proto);
  begins_[d_.streams_.size()] = {d_.lines_.size(), d_.connections_.size(), d_.formats_.size()};
  if (auto fault = read_port(stream)) return fault;
  if (auto fault = read_formats(stream, rest)) return fault;
  d_.streams_.push_back(stream);
  return std::nullopt;
}

Parser::Result Parser::read_port(Stream& stream) {
  const std::size_t slash = stream.port_text.find('/');
  const auto port = number<std::uint16_t>(stream.port_text.substr(0, slash));
  if (!port) return Fault::port;
  stream.port = *port;
  if (slash == std::string_view::npos) return std::nullopt;
  const auto count = number<std::uint32_t>(stream.port_text.substr(slash + 1));
  if (!count || *count == 0) return Fault::port;
  stream.port_count = *count;
  return std::nullopt;
}

Parser::Result Parser::read_formats(Stream& stream, std::string_view list) {
  const std::size_t first = d_.formats_.size();
  for (std::string_view word = next_word(list); !word.empty(); word = next_word(list)) {
    if (d_.formats_.size() - first == kMaxFormats) return Fault::too_many_formats;
    Format format{.text = word};
    const auto payload_type = stream.is_rtp() ? number<std::uint8_t>(word) : std::nullopt;
    if (payload_type && *payload_type <= 127) {
      format.payload_type = *payload_type;
      apply_static_payload_type(format);
    }
    d_.formats_.push_back(format);
  }
  return d_.formats_.size() == first ? Result(Fault::media) : std::nullopt;
}

Parser::Result Parser::read_attribute(Line& line) {
  const AttributeText text = split_attribute(line.value);
  const Attribute attribute = identify(text.name);
  line.kind = line_kind(attribute, text.value);
  if (!d_.streams_.empty()) return read_stream_attribute(d_.streams_.back(), attribute, text.value);
  defaults_.direction = direction_of(attribute).value_or(defaults_.direction);
  defaults_.has_fingerprint |= attribute == Attribute::fingerprint;
  defaults_.has_ice |= attribute == Attribute::candidate || attribute == Attribute::ice_ufrag;
  return std::nullopt;
}

Parser::Result Parser::read_stream_attribute(Stream& stream, Attribute attribute, std::string_view value) {
  switch (attribute) {
    case Attribute::sendrecv:
    case Attribute::sendonly:
    case Attribute::recvonly:
    case Attribute::inactive:
      stream.direction = *direction_of(attribute);
      stream.own_direction = true;
      break;
    case Attribute::rtcp: {
      const auto rtcp = read_rtcp(value);
      // A second one would be relayed but not judged.
      if (!rtcp || stream.rtcp_attribute) return Fault::rtcp;
      stream.rtcp_attribute = rtcp;
      break;
    }
    case Attribute::rtcp_mux:
      stream.rtcp_mux = true;
      break;
    case Attribute::candidate:
    case Attribute::ice_ufrag:
      stream.has_ice = true;
      break;
    case Attribute::rtpmap:
      read_mapping(value, true);
      break;
    case Attribute::fmtp:
      read_mapping(value, false);
      break;
    case Attribute::ptime:
      stream.ptime_ms = number<std::uint16_t>(next_word(value)).value_or(0);
      break;
    case Attribute::maxptime:
      stream.max_ptime_ms = number<std::uint16_t>(next_word(value)).value_or(0);
      break;
    case Attribute::mid:
      stream.mid = next_word(value);
      break;
    case Attribute::crypto:
      stream.has_crypto = true;
      break;
    case Attribute::fingerprint:
      stream.has_fingerprint = true;
      break;
    case Attribute::bundle_only:
      stream.bundle_only = true;
      break;
    case Attribute::group:
    case Attribute::ice:
    case Attribute::reveals:
    case Attribute::other:
      break;
  }
  return std::nullopt;
}

// A mapping of a format that the m= does not list, or one that cannot be read, concerns nobody and is left
// alone.
void Parser::read_mapping(std::string_view value, bool is_rtpmap) {
  const std::string_view word = next_word(value);
  const std::size_t first = begins_[d_.streams_.size() - 1].format;
  for (std::size_t i = first; i < d_.formats_.size(); ++i) {
    Format& format = d_.formats_[i];
    if (format.text != word) continue;
    if (is_rtpmap) {
      apply_rtpmap(format, value);
    } else {
      const std::size_t start = value.find_first_not_of(" \t");
      format.fmtp = start == std::string_view::npos ? std::string_view{} : value.substr(start);
    }
  }
}

void Parser::read_bandwidth(std::string_view value) {
  Bandwidth& bandwidth = d_.streams_.empty() ? defaults_.bandwidth : d_.streams_.back().bandwidth;
  const AttributeText field = split_attribute(value);
  std::string_view text = field.value;
  const std::uint32_t amount = number<std::uint32_t>(next_word(text)).value_or(0);
  if (field.name == "AS") bandwidth.as_kbps = amount;
  if (field.name == "TIAS") bandwidth.tias_bps = amount;
}

std::optional<ParseFault> Parser::tie() {
  if (!has_origin_)
    return ParseFault{Fault::missing_origin, line_number_, static_cast<std::uint32_t>(line_start_)};
  begins_[d_.streams_.size()] = {d_.lines_.size(), d_.connections_.size(), d_.formats_.size()};
  d_.session_line_count_ = begins_[0].line;
  d_.session_connection_count_ = begins_[0].connection;
  for (std::size_t i = 0; i < d_.streams_.size(); ++i) {
    Stream& stream = d_.streams_[i];
    const Begin& begin = begins_[i];
    const Begin& end = begins_[i + 1];
    stream.lines = std::span<const Line>(d_.lines_).subspan(begin.line, end.line - begin.line);
    stream.formats = std::span<const Format>(d_.formats_).subspan(begin.format, end.format - begin.format);
    stream.own_connection = end.connection > begin.connection;
    stream.connections = stream.own_connection
                             ? std::span<const Connection>(d_.connections_)
                                   .subspan(begin.connection, end.connection - begin.connection)
                             : d_.session_connections();
    if (stream.connections.empty() && !stream.disabled()) {
      const auto offset = stream.lines.front().text.data() - d_.body_.data();
      return ParseFault{Fault::missing_connection, stream.line, static_cast<std::uint32_t>(offset)};
    }
    if (!stream.own_direction) stream.direction = defaults_.direction;
    if (stream.bandwidth.as_kbps == 0) stream.bandwidth.as_kbps = defaults_.bandwidth.as_kbps;
    if (stream.bandwidth.tias_bps == 0) stream.bandwidth.tias_bps = defaults_.bandwidth.tias_bps;
    stream.has_fingerprint |= defaults_.has_fingerprint;
    stream.has_ice |= defaults_.has_ice;
  }
  return std::nullopt;
}

}  // namespace sallyport::sdp

// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/parser.h"

#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/fields.h"
#include "sdp_rewriter/words.h"

namespace sallyport::sdp {
namespace {

// Where the last line that is not blank ends, with its line end: blank lines behind it are common (a body
// padded with CRLF) and mean nothing.
std::size_t end_of_lines(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && (text[end - 1] == '\r' || text[end - 1] == '\n')) --end;
  if (text.substr(end).starts_with("\r\n")) return end + 2;
  return end < text.size() ? end + 1 : end;
}

static_assert(kMaxBytes <= LineMap::kMaxBytes);

bool is_letter(char c) {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26;
}

// For what is rarely longer than three octets.
bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace

// All that follows has one caller, or one for each of two things: `inline` lets the compiler see that.

std::expected<void, ParseFault> Parser::run() {
  if (text_.empty()) return std::unexpected(ParseFault{Fault::empty});
  end_ = end_of_lines(text_);
  while (at_ < end_) {
    line_start_ = at_;
    ++line_number_;
    Line& line = d_.lines_.emplace_back();
    Result fault = line_number_ > kMaxLines ? Fault::too_many_lines : cut(line);
    if (!fault) fault = read(line);
    if (fault)
      return std::unexpected(ParseFault{*fault, line_number_, static_cast<std::uint32_t>(line_start_)});
  }
  if (auto fault = tie()) return std::unexpected(*fault);
  return {};
}

// Steps over control characters that do no harm, to the line's end; false where one stands that others might
// take for an end.
bool Parser::step_to_line_end(std::size_t& stop) {
  for (; stop < end_; stop = map_.control(stop + 1)) {
    if (line_end_at(stop) != 0) return true;
    if (text_[stop] == '\r' || text_[stop] == '\0') return false;
  }
  stop = end_;
  return true;
}

inline Parser::Result Parser::cut(Line& line) {
  std::size_t stop = map_.control(at_);
  std::size_t end_length = line_end_at(stop);
  if (end_length == 0) {
    if (!step_to_line_end(stop)) return Fault::forbidden_octet;
    end_length = line_end_at(stop);
  }
  const char* text = text_.data() + at_;
  const std::size_t length = stop - at_;
  at_ = stop + end_length;
  line.text = {text, length};
  line.end = {text + length, end_length};
  if (length < 2 || text[1] != '=' || !is_letter(text[0])) return Fault::not_a_line;
  line.type = text[0];
  line.value = {text + 2, length - 2};
  return std::nullopt;
}

inline Parser::Result Parser::read(Line& line) {
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
      const auto connection = read_connection(words_of(line.value));
      if (!connection) return Fault::connection;
      d_.connections_.push_back(*connection);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

inline Parser::Result Parser::read_session_identity(Line& line) {
  if (!d_.streams_.empty()) return Fault::misplaced_line;
  if (line.type == 'v') {
    line.kind = LineKind::version;
    if (line_number_ != 1) return Fault::duplicate_line;
    Words words = words_of(line.value);
    return words.next() == "0" && words.at_end() ? std::nullopt : Result(Fault::version);
  }
  bool& seen = line.type == 'o' ? has_origin_ : d_.has_session_name_;
  if (seen) return Fault::duplicate_line;
  seen = true;
  line.kind = line.type == 'o' ? LineKind::origin : LineKind::session_name;
  if (line.type == 's') return std::nullopt;
  const auto origin = read_origin(words_of(line.value));
  if (!origin) return Fault::origin;
  d_.origin_ = *origin;
  return std::nullopt;
}

inline Parser::Result Parser::read_media(Line& line) {
  line.kind = LineKind::media;
  if (!has_origin_) return Fault::missing_origin;
  if (d_.streams_.size() == kMaxStreams) return Fault::too_many_streams;
  begins_[d_.streams_.size()] = {d_.lines_.size() - 1, d_.connections_.size(), d_.formats_.size()};
  Stream& stream = d_.streams_.emplace_back();
  stream.line = line_number_;
  Words words = words_of(line.value);
  stream.media = words.next();
  stream.port_text = words.next();
  stream.proto = words.next();
  if (stream.proto.empty()) return Fault::media;
  stream.kind = media_kind(stream.media);
  stream.transport = transport_of(stream.proto);
  if (auto fault = read_port(stream)) return fault;
  return read_formats(stream, words);
}

inline Parser::Result Parser::read_port(Stream& stream) {
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

inline Parser::Result Parser::read_formats(Stream& stream, Words words) {
  const std::size_t first = d_.formats_.size();
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (d_.formats_.size() - first == kMaxFormats) return Fault::too_many_formats;
    Format& format = d_.formats_.emplace_back();
    format.text = word;
    const auto payload_type = stream.is_rtp() ? number<std::uint8_t>(word) : std::nullopt;
    if (payload_type && *payload_type <= 127) {
      format.payload_type = *payload_type;
      apply_static_payload_type(format);
    }
  }
  return d_.formats_.size() == first ? Result(Fault::media) : std::nullopt;
}

inline Parser::Result Parser::read_attribute(Line& line) {
  const AttributeText text = split(line.value);
  const Attribute attribute = identify(text.name);
  line.kind = line_kind(attribute, text.value);
  if (!d_.streams_.empty()) return read_stream_attribute(d_.streams_.back(), attribute, text.value);
  defaults_.direction = direction_of(attribute).value_or(defaults_.direction);
  defaults_.has_fingerprint |= attribute == Attribute::fingerprint;
  defaults_.has_ice |= attribute == Attribute::candidate || attribute == Attribute::ice_ufrag;
  return std::nullopt;
}

inline Parser::Result Parser::read_stream_attribute(Stream& stream, Attribute attribute,
                                                    std::string_view value) {
  switch (attribute) {
    case Attribute::sendrecv:
    case Attribute::sendonly:
    case Attribute::recvonly:
    case Attribute::inactive:
      stream.direction = *direction_of(attribute);
      stream.own_direction = true;
      break;
    case Attribute::rtcp: {
      const auto rtcp = read_rtcp(words_of(value));
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
      read_mapping(words_of(value), true);
      break;
    case Attribute::fmtp:
      read_mapping(words_of(value), false);
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
inline void Parser::read_mapping(Words words, bool is_rtpmap) {
  const std::string_view payload_type = words.next();
  if (payload_type.empty()) return;
  const std::string_view mapping = is_rtpmap ? words.next() : words.rest();
  const std::size_t first = begins_[d_.streams_.size() - 1].format;
  for (std::size_t i = first; i < d_.formats_.size(); ++i) {
    Format& format = d_.formats_[i];
    if (!same_text(format.text, payload_type)) continue;
    if (is_rtpmap) {
      apply_rtpmap(format, mapping);
    } else {
      format.fmtp = mapping;
    }
  }
}

void Parser::read_bandwidth(std::string_view value) {
  Bandwidth& bandwidth = d_.streams_.empty() ? defaults_.bandwidth : d_.streams_.back().bandwidth;
  const AttributeText field = split(value);
  std::string_view text = field.value;
  const std::uint32_t amount = number<std::uint32_t>(next_word(text)).value_or(0);
  if (field.name == "AS") bandwidth.as_kbps = amount;
  if (field.name == "TIAS") bandwidth.tias_bps = amount;
}

inline std::optional<ParseFault> Parser::tie() {
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

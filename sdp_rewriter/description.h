// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A Description is an SDP body (RFC 8866) cut into lines, with the few things read out
// that a relay must know: addresses, ports, formats, directions. It owns one copy of the body and everything
// else is a view into it, so a line that nobody understood can go on byte for byte. Reading is tolerant where
// the field is sloppy (LF alone, order of lines, s= or t= missing, blank lines at the end, a user name with
// spaces) and strict where a tolerant reader and the next one could disagree about what a line is (NUL, bare
// CR, v=, o=, s= out of place).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"
#include "sdp_rewriter/fault.h"

namespace sallyport::sdp {

inline constexpr std::size_t kMaxBytes = 65536;
inline constexpr std::size_t kMaxLines = 4096;
inline constexpr std::size_t kMaxStreams = 32;
// Read are up to kMaxStreams, so that what is refused can be shown; a call carries no more than these.
inline constexpr std::size_t kMaxRelayedStreams = 16;
inline constexpr std::string_view kTooManyRelayedStreams = "more than 16 streams";
static_assert(kMaxRelayedStreams == 16, "kTooManyRelayedStreams says the number");
inline constexpr std::size_t kMaxFormats = 128;

// Bit 0: the describer sends, bit 1: it receives (RFC 8866 6.7).
enum class Direction : std::uint8_t { inactive = 0, sendonly = 1, recvonly = 2, sendrecv = 3 };

[[nodiscard]] constexpr bool sends(Direction d) {
  return (static_cast<unsigned>(d) & 1u) != 0;
}
[[nodiscard]] constexpr bool receives(Direction d) {
  return (static_cast<unsigned>(d) & 2u) != 0;
}
[[nodiscard]] constexpr Direction make_direction(bool sends, bool receives) {
  return static_cast<Direction>((sends ? 1u : 0u) | (receives ? 2u : 0u));
}
[[nodiscard]] std::string_view name(Direction direction);  // "sendrecv" ...

// What the rewriter does with a line; `other` goes on untouched.
enum class LineKind : std::uint8_t {
  other,
  version,
  origin,
  session_name,
  time,
  information,  // i=
  identity,     // u=, e=, p=
  connection,
  media,
  direction,
  rtcp,  // a=rtcp
  rtcp_mux,
  ice,      // RFC 8839: candidate, ice-*, remote-candidates, end-of-candidates
  bundle,   // a=group:BUNDLE, a=bundle-only (RFC 9143)
  reveals,  // an attribute that carries an address or names the product: source-filter, alt, altc, tool ...
};

struct Line {
  char type = 0;
  LineKind kind = LineKind::other;
  std::string_view text;   // without the line end
  std::string_view value;  // behind "x="
  std::string_view end;    // "\r\n", "\n" or, at the end of the body, nothing
};

// c=. `address` is what counts on the wire: an IPv4-mapped IPv6 address is held as IPv4. Family::none: a host
// name (or a network type other than IN).
struct Connection {
  std::string_view host;
  IpAddress address;
};

// a=rtcp:PORT [IN IP4 ADDRESS] (RFC 3605).
struct RtcpAttribute {
  std::uint16_t port = 0;
  bool has_host = false;
  std::string_view host;
  IpAddress address;  // as in Connection; meaningful with has_host
};

enum class MediaKind : std::uint8_t { audio, video, image, application, text, message, other };
enum class Transport : std::uint8_t {
  rtp,        // RTP/AVP, RTP/AVPF
  srtp,       // RTP/SAVP, RTP/SAVPF (SDES or DTLS keys)
  dtls_srtp,  // UDP/TLS/RTP/SAVP, UDP/TLS/RTP/SAVPF
  udptl,      // T.38
  dtls,       // UDP/TLS/..., UDP/DTLS/..., DTLS/SCTP: not RTP
  tcp,        // TCP/...: cannot be relayed as UDP
  other
};

// One format of an m=. For RTP: payload type, rtpmap (or RFC 3551's static table) and fmtp.
struct Format {
  std::string_view text;
  std::int16_t payload_type = -1;  // -1: not RTP, or no number up to 127
  std::string_view encoding;       // "PCMU"; empty when unknown. Compare without case.
  std::uint32_t clock_rate = 0;
  std::uint8_t channels = 1;
  std::string_view fmtp;  // behind "a=fmtp:N "

  [[nodiscard]] bool is_telephone_event() const;  // RFC 4733
  [[nodiscard]] bool same_codec(const Format& other) const;
};

struct Bandwidth {
  std::uint32_t as_kbps = 0;   // b=AS (RFC 8866 5.8); 0: not given
  std::uint32_t tias_bps = 0;  // b=TIAS (RFC 3890)
};

// One bit per RTP payload type; as dp::FlowSpec wants it.
using PayloadTypes = std::array<std::uint64_t, 2>;

struct Stream {
  std::uint32_t line = 0;  // number of its m= line, from 1
  std::string_view media;
  MediaKind kind = MediaKind::other;
  std::string_view port_text;  // "49170" or "49170/2"
  std::uint16_t port = 0;
  std::uint32_t port_count = 1;
  std::string_view proto;
  Transport transport = Transport::other;
  std::span<const Format> formats;
  std::span<const Line> lines;  // the m= line is the first
  std::span<const Connection>
      connections;              // those in use: its own, or else the session's; first is the address
  bool own_connection = false;  // it has a c= of its own
  std::optional<RtcpAttribute> rtcp_attribute;
  bool rtcp_mux = false;                      // a=rtcp-mux (RFC 5761)
  Direction direction = Direction::sendrecv;  // its own, or else the session's, or else sendrecv
  bool own_direction = false;
  Bandwidth bandwidth;         // its own, or else the session's
  std::uint16_t ptime_ms = 0;  // 0: not given
  std::uint16_t max_ptime_ms = 0;
  std::string_view mid;          // RFC 5888
  bool has_crypto = false;       // a=crypto (SDES, RFC 4568)
  bool has_fingerprint = false;  // a=fingerprint, its own or the session's (DTLS)
  bool has_ice = false;          // a=candidate or a=ice-ufrag, its own or the session's
  bool bundle_only = false;

  // Offered or answered with port 0: not in use (RFC 3264 5.1, 6).
  [[nodiscard]] bool disabled() const { return port == 0; }
  // In use, with 0.0.0.0 or :: in c=: the RFC 2543 way to hold (RFC 3264 8.4).
  [[nodiscard]] bool old_hold() const;
  // Direction with old_hold() counted in: whoever gives no address does not receive.
  [[nodiscard]] Direction effective_direction() const;
  [[nodiscard]] bool is_rtp() const {
    return transport == Transport::rtp || transport == Transport::srtp || transport == Transport::dtls_srtp;
  }
  // Where the describer wants media, and RTCP when it is not multiplexed: a=rtcp, or else port + 1. No
  // address or port 0 when there is none.
  [[nodiscard]] Endpoint rtp() const;
  [[nodiscard]] Endpoint rtcp() const;
  // The numbered formats; all zero when the stream is not RTP.
  [[nodiscard]] PayloadTypes payload_types() const;
  // First attribute of the stream with this name ("fmtp", any case): what stands behind the colon, or an
  // empty view for a flag.
  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view attribute_name) const;
};

struct Origin {
  std::string_view username;
  std::string_view session_id;
  std::string_view session_version;
  std::string_view host;
};

// Moves cheaply and its views stay good; a copy is another parse.
class Description {
 public:
  Description() = default;
  Description(Description&&) noexcept = default;
  Description& operator=(Description&&) noexcept = default;
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  // Copies `body`, which may be anything. Never throws but for memory.
  [[nodiscard]] static std::expected<Description, ParseFault> parse(std::string_view body);
  // The same into this object, keeping its memory. After a fault it is empty.
  [[nodiscard]] std::expected<void, ParseFault> assign(std::string_view body);
  [[nodiscard]] Description clone() const;

  [[nodiscard]] std::string_view text() const { return {body_.data(), body_.size()}; }
  [[nodiscard]] const Origin& origin() const { return origin_; }
  [[nodiscard]] std::span<const Line> lines() const { return lines_; }
  [[nodiscard]] std::span<const Line> session_lines() const {
    return std::span(lines_).first(session_line_count_);
  }
  [[nodiscard]] std::span<const Connection> session_connections() const {
    return std::span(connections_).first(session_connection_count_);
  }
  [[nodiscard]] std::span<const Stream> streams() const { return streams_; }
  [[nodiscard]] bool has_session_name() const { return has_session_name_; }
  [[nodiscard]] bool has_time() const { return has_time_; }

 private:
  friend class Parser;
  void clear();

  std::vector<char> body_;
  Origin origin_;
  std::vector<Line> lines_;
  std::vector<Connection> connections_;
  std::vector<Format> formats_;
  std::vector<Stream> streams_;
  std::size_t session_line_count_ = 0;
  std::size_t session_connection_count_ = 0;
  bool has_session_name_ = false;
  bool has_time_ = false;
};

}  // namespace sallyport::sdp

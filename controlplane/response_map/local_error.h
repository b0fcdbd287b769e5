// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::response_map {

// What Sallyport itself finds wrong with a call, apart from any peer's code. A rule `local: NAME` matches
// these and nothing else; rules with a code never match them. The defaults of each stand in local_errors.inc.
enum class LocalError : std::uint8_t {
  none,
  // media
  private_media,      // the address policy refused a private address in an offer
  refused_address,    // loopback, multicast, unspecified, a host name or our own address in an SDP
  answer_refused,     // the address policy refused the answer
  answer_fault,       // an answer that does not fit its offer, or none where one is due
  sdp_fault,          // an SDP that cannot be read
  unsupported_media,  // a body that is not SDP and has to be understood
  no_common_codec,
  no_ports,  // the realm's media ports are all in use
  media_timeout,
  // routing and admission
  no_route,
  redirect_refused,  // a 3xx that is not followed
  unknown_source,
  peer_down,   // every target is out of use
  capacity,    // the process carries as many calls as it may
  call_limit,  // the peer does
  rate_limit,  // the peer places calls faster than it may
  overload,
  draining,
  shutdown,  // the process ended what was left
  // time
  setup_timeout,        // limits.setup
  ring_timeout,         // limits.ring
  duration_limit,       // limits.duration
  transaction_timeout,  // Timer B or F
  ack_timeout,          // no ACK to a 2xx (RFC 3261 13.3.1.4)
  prack_timeout,        // no PRACK to a reliable provisional response (RFC 3262 3)
  session_expired,      // RFC 4028
  // signalling
  transport_failure,  // refused by the transport or by ICMP
  too_many_hops,      // Max-Forwards
  loop,               // loop or merged request
  malformed,
  bad_extension,  // Require lists what is not carried through
  unsupported_scheme,
  sips_not_allowed,  // a sips URI, and a hop that is not TLS (RFC 5630)
  method_not_allowed,
  not_in_dialog,  // no such dialog, 481
  cancelled,      // the caller cancelled, or ended the call before the answer: 487, never remapped
  internal,
  kCount
};

inline constexpr std::size_t kLocalErrors = static_cast<std::size_t>(LocalError::kCount);

// The name of the configuration and of records, "private-media"; "" for none.
[[nodiscard]] std::string_view local_error_name(LocalError error);
[[nodiscard]] std::optional<LocalError> local_error_from(std::string_view name);

// What a local error is when no rule says otherwise.
struct LocalDefault {
  std::string_view name;
  std::uint16_t code = 0;
  std::string_view phrase;
  std::uint16_t warning = 0;  // 0: none
  std::uint8_t q850 = 0;      // 0: none
  bool failover = false;
  std::uint32_t retry_after_s = 0;  // 0: none
};
[[nodiscard]] const LocalDefault& local_default(LocalError error);

}  // namespace sallyport::response_map

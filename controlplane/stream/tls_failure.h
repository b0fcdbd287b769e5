// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport::stream {

// Why a TLS handshake came to nothing. One name each.
enum class TlsFailure : std::uint8_t {
  closed,          // the far end went away in the middle
  timeout,         // its time was up
  not_tls,         // something else than TLS came
  version,         // no version in common: TLS 1.2 and 1.3 are ours
  cipher,          // no cipher, group or signature scheme in common
  no_certificate,  // the far end has to show one and has not
  expired,         // its certificate, or one above it
  untrusted,       // it leads to no anchor of ours, is not for such a use, or is none at all
  name,            // a good certificate of somebody else (RFC 5922 7)
  refused,         // the far end has sent an alert: it is ours that does not please
  other,
  kCount
};
[[nodiscard]] std::string_view tls_failure_name(TlsFailure failure);

}  // namespace sallyport::stream

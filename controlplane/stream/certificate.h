// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"

namespace sallyport::stream {

// The SIP domains that a certificate is for (RFC 5922 7.1): the host parts of its sip URIs in subjectAltName
// that have no user; without any, its DNS names; and only without any subjectAltName of these kinds the CN.
// Lower case.
[[nodiscard]] std::vector<std::string> sip_identities(const X509* certificate);

// Whether it may stand for a SIP domain: it says nothing of its use, or any, or a server's, a client's or
// id-kp- sipDomain (RFC 5924). One domain's certificate serves both ways, and many authorities give no
// clientAuth.
[[nodiscard]] bool is_for_sip(X509* certificate);

// True when the certificate is for that domain, compared whole and without case: a wildcard names nobody (RFC
// 5922 7.2). For a far end that is known by its address alone, that address has to be in subjectAltName.
[[nodiscard]] bool is_for(const X509* certificate, std::string_view domain);
[[nodiscard]] bool is_for(X509* certificate, const IpAddress& address);

}  // namespace sallyport::stream

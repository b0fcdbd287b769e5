// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What of one side's header fields the other side sees. The default is topology hiding:
// only what is on the list below goes on; whatever tells of hosts, products or routes stays. Via,
// Record-Route, Route, Contact, Call-ID, tags, User-Agent, Server and Organization are ours on each leg.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

// Writes the fields of `message` that may cross. `host`: ours on the leg that it goes to, as it stands in a
// URI; it takes the place of the host in P-Asserted-Identity.
void pass_headers(const sip::MessageView& message, std::string_view host, sip::HeaderWriter& out);

// Content-Type, Content-Disposition, Content-Language and Content-Encoding as received.
void pass_content_headers(const sip::MessageView& message, sip::HeaderWriter& out);

// A name-addr for the other leg: the display name, the user and, where it is one, the tel URI are kept; the
// host becomes `host`, and parameters that are not the number's (user=phone stays) go. "anonymous.invalid"
// stays.
[[nodiscard]] std::string hide_host(std::string_view name_addr, std::string_view host);

// The Reason field of a BYE or CANCEL (RFC 3326) as a header line, or nothing.
[[nodiscard]] std::string reason_line(const sip::MessageView& message);

// What the body is, by Content-Type.
enum class Body { none, sdp, other };
[[nodiscard]] Body body_kind(const sip::MessageView& message);

// True when the request has no Accept or one that takes application/sdp (RFC 3261 20.1).
[[nodiscard]] bool accepts_sdp(const sip::MessageView& request);

// The option tags of Require and Proxy-Require that Sallyport does not carry through: all of them.
[[nodiscard]] std::string unsupported_tags(const sip::MessageView& request);

}  // namespace sallyport::b2bua

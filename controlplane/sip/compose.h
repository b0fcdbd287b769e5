// SPDX-License-Identifier: Apache-2.0
// The messages as the transactions send them: what RFC 3261 says belongs to each kind, and nothing of the
// users'.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/sip/drafts.h"
#include "controlplane/sip/message.h"
#include "dataplane/base/siphash.h"

namespace sallyport::sip {

// A request with our Via on top: "SIP/2.0/UDP <path.local>;branch=<branch>;rport" (RFC 3261 18.1.1, RFC 3581
// 3), over a stream with "alias" too (RFC 5923 5): requests for us may come back on the same connection.
void compose_request(std::string& out, const RequestDraft& draft, const Path& path, std::string_view branch);

// A request that compose_request() made, for another transport: the same but for what the Via says of the
// path.
void compose_again(std::string& out, std::string_view request, const Path& path, std::string_view branch);

// CANCEL (9.1) and ACK for a non-2xx (17.1.1.3), from the octets of the INVITE that we sent. `to`: the To
// value of the response. `headers`: further lines.
void compose_cancel(std::string& out, const MessageView& invite, std::string_view headers);
void compose_ack(std::string& out, const MessageView& invite, std::string_view to);

// A response to `request` (8.2.6), with received and rport in its top Via (18.2.1, RFC 3581 4) and
// Record-Route where it creates a dialog (12.1.1). `to_tag` is written when the request's To has none and the
// status is not 100. Copies what it finds: a broken request gets an answer as whole as it was itself.
void compose_response(std::string& out, const MessageView& request, const ResponseDraft& draft,
                      std::string_view to_tag);

// A To tag that is a function of the request, so that it is the same for each retransmission (8.2.7).
[[nodiscard]] std::string stateless_tag(SipHashKey key, const MessageView& request);

}  // namespace sallyport::sip

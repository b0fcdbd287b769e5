// SPDX-License-Identifier: Apache-2.0
// A piece of a SIP message as a body (message/sipfrag, RFC 3420), which a NOTIFY of a REFER carries (RFC 3515
// 2.4.5). It is of a dialog of the side that tells of it, and may hold any of that dialog's addresses: what
// crosses is its start line and the fields that cross in a message of its own.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/b2bua/header_policy.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

// `host`: ours on the leg that it goes to, as it stands in a URI. Kept are a Status-Line, a Request-Line at
// our own host, Reason (RFC 3326) and Warning as elsewhere, Retry-After in seconds, and what `to` lists in
// `pass`. Empty: nothing of it may cross.
[[nodiscard]] std::string fragment_across(std::string_view fragment, const HeaderPolicy& from,
                                          const HeaderPolicy& to, std::string_view host);

// The body of `message` as it may cross, and to `out` the fields that tell of it. What is encoded cannot be
// looked into: a fragment in there stays behind.
[[nodiscard]] std::string pass_content(const sip::MessageView& message, const HeaderPolicy& from,
                                       const HeaderPolicy& to, std::string_view host, sip::HeaderWriter& out);

}  // namespace sallyport::b2bua

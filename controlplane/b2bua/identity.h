// SPDX-License-Identifier: Apache-2.0
// Who calls, who is called, who diverted: the part of the header policy that goes by trust (header_policy.h
// has the table).
#pragma once

#include <string>
#include <string_view>

#include "controlplane/b2bua/header_policy.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

// The priv-values of a message (RFC 3323 4.2, RFC 3325 9.3, RFC 7044 10.1.2). `header` and `session` are not
// kept: what they ask for is done to every call.
struct Privacy {
  bool none = false, id = false, user = false, history = false, critical = false;
  std::string others;  // ";"-separated: what we do not know
  [[nodiscard]] static Privacy of(const sip::MessageView& message);
  // Whoever must not be named to those outside the trust domain.
  [[nodiscard]] bool hides_caller() const { return id || user; }
};

// The From value of our own request, without a tag.
[[nodiscard]] std::string crossing_from(const sip::MessageView& request, const Crossing& crossing);

// P-Asserted-Identity, Privacy, Diversion and History-Info as they may cross.
void pass_identities(const sip::MessageView& message, const Crossing& crossing, sip::HeaderWriter& out);

// A name-addr for the other leg: the display name, the user and, where it is one, the tel URI are kept; the
// host becomes `host`, and parameters that are not the number's (user=phone stays) go. "anonymous.invalid"
// stays. Empty for what cannot be read.
[[nodiscard]] std::string hide_host(std::string_view name_addr, std::string_view host);

}  // namespace sallyport::b2bua

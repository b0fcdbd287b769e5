// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/sip/message.h"

namespace sallyport::sip {

// Where responses to this request go. Always to the packet's source address: neither maddr nor sent-by can
// turn Sallyport into a reflector. The port: the source's when the Via asks for it (rport, RFC 3581 4) or its
// sent-by address is not the source's (a NAT between us); else the sent-by port, 5060 by default (RFC
// 3261 18.2.2). A stream's responses go back on its connection; where that is gone, to the source's address
// and the sent-by port, 5060 or for TLS 5061 by default.
[[nodiscard]] Path response_path(const MessageView& request);

// True when the top Via's sent-by is an address and not the packet's source.
[[nodiscard]] bool via_differs_from_source(const MessageView& request);

// Evidence of a far-end NAT (INTERFACES.md): the address in the top Via (of a request) or in Contact is
// private and the packet's source is not.
[[nodiscard]] bool far_end_nat(const MessageView& message);

// Either of them: requests inside the dialog then go to the packet's source, not to the Contact.
[[nodiscard]] bool nat_evident(const MessageView& message);

}  // namespace sallyport::sip

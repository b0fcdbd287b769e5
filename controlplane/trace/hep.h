// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/trace/message.h"

namespace sallyport::trace {

// A message in the Homer Encapsulation Protocol, version 3 (the HEP/EEP specification, rev. 12): one datagram
// for a capture server. `agent`: chunk 12, who we are; `password`: chunk 14, left out when empty. Our name of
// the call is the correlation id (chunk 17), so that the server joins the two legs. What the message has
// beyond what a datagram carries is cut off.
[[nodiscard]] std::string hep_datagram(const Message& message, std::uint32_t agent,
                                       std::string_view password);

}  // namespace sallyport::trace

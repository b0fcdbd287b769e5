// SPDX-License-Identifier: Apache-2.0
// For this room only.
#pragma once

#include <string_view>

#include "dataplane/sip/message_index.h"

namespace sallyport::sip {

// Reads every Via, From, To, Contact, Route and Record-Route value and Expires once, and records the first
// fault.
void check_structured_fields(std::string_view message, MessageIndex& out);

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
// For this room only.
#pragma once

#include <string_view>

#include "dataplane/sip/message_index.h"

namespace sallyport::sip {

// How much of From and To is looked at: for their tags alone, or the URI too, while the field is in hand.
enum class Depth : std::uint8_t { scalars, all };

// Takes from a field just indexed what the index holds as a value or span: CSeq, Call-ID, Max-Forwards,
// Content-Length, the tags and the topmost branch; does nothing for other fields. `repeated`: one of its kind
// stands before it, which is a fault of fields that may stand once (RFC 3261 7.3.1, RFC 4475 3.3.8, 3.3.9).
void read_scalar_field(std::string_view message, const HeaderField& field, bool repeated, Depth depth,
                       MessageIndex& out);

}  // namespace sallyport::sip

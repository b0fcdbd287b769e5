// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "controlplane/trace/message.h"

namespace sallyport::trace {

// "INVITE", "180 Ringing"; what was not readable shows as '?'.
[[nodiscard]] std::string title_of(const Message& message);
// The value of its CSeq, "1 INVITE"; empty: it has none.
[[nodiscard]] std::string cseq_of(const Message& message);

// How many messages of the call there were before the first that is left.
[[nodiscard]] std::uint32_t gone_before(std::span<const Message> messages);

// A call's messages, in order, as a ladder of three columns: the caller, Sallyport, the callee. One line a
// message, with the seconds since the first, and one where the far end of a column changes. Printable ASCII
// only, whatever the messages hold. Says how many messages before are gone, and how
// many are left out and where. None: no lines.
[[nodiscard]] std::vector<std::string> ladder(std::span<const Message> messages);

}  // namespace sallyport::trace

// SPDX-License-Identifier: Apache-2.0
// For this room only.
#pragma once

#include <string_view>

#include "dataplane/sip/message_index.h"

namespace sallyport::sip {

// Records the first fault only.
inline void fail(MessageIndex& index, Fault fault, std::size_t offset) {
  if (index.fault != Fault::none) return;
  index.fault = fault;
  index.fault_offset = static_cast<std::uint16_t>(offset);
}

// Reads the line [offset, offset + length) of `message` as a Request-Line or Status-Line (RFC 3261 7.1, 7.2)
// into `out`. False, with the fault set, when it is neither and the rest is not worth reading.
[[nodiscard]] bool read_start_line(std::string_view message, std::size_t offset, std::size_t length,
                                   MessageIndex& out);

}  // namespace sallyport::sip

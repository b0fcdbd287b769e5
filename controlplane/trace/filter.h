// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "controlplane/trace/message.h"

namespace sallyport::trace {

// What a call is looked for by; empty: not by that. All that are given must hold, for one message of it.
struct Filter {
  std::string call_id;  // of either leg, or our name of the call
  std::string user;     // user part in Request-URI, From or To
  std::string peer;
};

[[nodiscard]] bool matches(const Filter& filter, const Message& message);

}  // namespace sallyport::trace

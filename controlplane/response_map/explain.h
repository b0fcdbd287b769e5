// SPDX-License-Identifier: Apache-2.0
// The dry run of `sallyport map`: plain data for JSON, and its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/config/config.h"
#include "controlplane/response_map/response_map.h"

namespace sallyport::response_map {

struct Explanation {
  std::string from;              // peer; empty for a local error
  std::string to;
  std::string local;             // local error; empty for a response
  std::uint16_t received = 0;    // 0: a local error
  std::string received_phrase;
  std::uint16_t sent = 0;
  std::string sent_phrase;
  bool forwarded = true;
  std::uint8_t q850 = 0;
  std::string reason;            // the Reason field value; empty: none
  std::uint16_t warning = 0;
  std::uint32_t retry_after_s = 0;
  bool failover = false;
  std::string treatment;
  std::string in_dialog;         // what it ends in a dialog
  std::string rule;
};

// `from` nullptr for a local error. What is explained is an initial INVITE; `failover` tells what happens while there
// is another target, the rest what the caller hears when there is none.
[[nodiscard]] Explanation explain(const Maps& maps, const config::Peer* from, const config::Peer& to, Input input);
// A few lines of text, each "name: value".
[[nodiscard]] std::string to_text(const Explanation& explanation);

// A base as the table that it is, for `sallyport map --base NAME`: rfc3398, vendor, q850, warning, local.
// nullopt for another name.
[[nodiscard]] std::optional<std::string> base_listing(std::string_view name);

}  // namespace sallyport::response_map

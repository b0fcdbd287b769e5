// SPDX-License-Identifier: Apache-2.0
// The Reason header field (RFC 3326; RFC 6432 allows it in responses) and the Warning header field (RFC 3261 20.43),
// as far as the response map needs them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::response_map {

struct Reason {
  std::string_view protocol;   // "Q.850", "SIP"
  std::uint16_t cause = 0;
  std::string_view text;       // without its quotes, escapes as they stand; may be empty
};

// The first value of that protocol (any case) in one Reason field value, which may be a list. nullopt when there is
// none or its cause is missing or not a number of 1 to 699.
[[nodiscard]] std::optional<Reason> find_reason(std::string_view field_value, std::string_view protocol);
// The Q.850 cause of one Reason field value, 1 to 127; 0: none.
[[nodiscard]] std::uint8_t q850_of(std::string_view field_value);

// `Q.850;cause=31;text="Normal, unspecified"`; a cause without a name has no text.
[[nodiscard]] std::string q850_reason(unsigned cause);
// `SIP;cause=486;text="Busy Here"`.
[[nodiscard]] std::string sip_reason(unsigned code, std::string_view phrase);

// The warn-code of the first value of one Warning field value; 0 when it is malformed.
[[nodiscard]] std::uint16_t warning_code_of(std::string_view field_value);
// `301 sbc.example "Incompatible network address formats"`. `agent`: our host or pseudonym; `text` empty: the
// code's meaning.
[[nodiscard]] std::string warning_value(unsigned code, std::string_view agent, std::string_view text = {});

}  // namespace sallyport::response_map

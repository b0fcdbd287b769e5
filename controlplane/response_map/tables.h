// SPDX-License-Identifier: Apache-2.0
// The built-in tables. Each is data in one file (*.inc: tab-separated text, read at compile time, so that a row that
// cannot be read does not build). Look-ups allocate nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport::response_map {

// What happens to the response of an initial request on its way to the other leg.
enum class Treatment : std::uint8_t {
  hop,              // never leaves its hop
  pass,             // goes on as it is
  if_supported,     // goes on when that leg lists the option (199)
  redirect_policy,  // by the peer's setting
  auth_policy,      // by the peer's credentials; without credentials it passes
  failover,         // next target first, then on to the caller
  dialog,           // handled by the dialog that it hits
  local,            // answered or retried on its own leg; where that cannot be done the other hears 500
  map               // goes on as another code
};
[[nodiscard]] std::string_view treatment_name(Treatment treatment);  // "if-supported"

// What an in-dialog response ends (RFC 5057 5.1).
enum class Ends : std::uint8_t { nothing, transaction, usage, dialog };
[[nodiscard]] std::string_view ends_name(Ends ends);

enum class CodeStatus : std::uint8_t { current, deprecated, obsolete, reserved };

struct CodeRow {
  std::uint16_t code = 0;
  std::string_view phrase;
  std::string_view defined_in;
  CodeStatus status = CodeStatus::current;
  std::uint8_t q850 = 0;            // 0: none
  bool q850_by_warning = false;     // the Warning code decides, without one it is 31
  Treatment treatment = Treatment::pass;
  std::uint16_t map_to = 0;         // with Treatment::map
  Ends in_dialog = Ends::nothing;
  std::string_view note;
};

struct VendorRow {
  std::uint16_t code = 0;
  std::string_view phrase;
  std::string_view meaning;
  std::uint16_t normalised = 0;
  std::uint8_t q850 = 0;            // 0: that of the normalised code
  bool failover = false;
};

struct CauseRow {
  std::uint8_t cause = 0;
  std::string_view name;
  std::uint16_t sip_status = 0;     // RFC 3398 7.2.4.1; 0: none
};

struct WarningRow {
  std::uint16_t code = 0;
  std::string_view meaning;
  std::uint8_t q850 = 0;
};

[[nodiscard]] std::span<const CodeRow> code_rows();
[[nodiscard]] std::span<const VendorRow> vendor_rows();
[[nodiscard]] std::span<const CauseRow> cause_rows();
[[nodiscard]] std::span<const WarningRow> warning_rows();

// The row of that very code, or nullptr.
[[nodiscard]] const CodeRow* find_code(unsigned code);
// The row by which a code is treated: its own, else x00 of its class (183 for 1xx, 200 for 2xx), else, outside 100 to
// 699, that of 502.
[[nodiscard]] const CodeRow& code_row(unsigned code);
// Code and phrase together; case and outer white space do not count. nullptr when there is none.
[[nodiscard]] const VendorRow* find_vendor(unsigned code, std::string_view phrase);
[[nodiscard]] const CauseRow* find_cause(unsigned cause);
[[nodiscard]] const WarningRow* find_warning(unsigned code);

// The standard phrase of a code; for an unknown one that of x00 of its class.
[[nodiscard]] std::string_view standard_phrase(unsigned code);

}  // namespace sallyport::response_map

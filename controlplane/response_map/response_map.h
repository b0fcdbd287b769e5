// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Every response that crosses from one leg to the other, and every failure that Sallyport finds
// itself, passes map(). First the `receive` map of the peer that said it cleans, then the `send` map of the peer that
// hears it adapts; a local error was said by nobody and meets the `send` map only. In a map the most specific rule
// decides: an exact code over a range over a class over none; then phrase and cause together, phrase, cause, none;
// then the narrower range; then the order of the file. What a rule does not say comes from the bases beneath it: the
// vendor rows where `base` lists them, and always the code table (RFC 3398's causes, treatments, obsolete and foreign
// codes), so that `base: [rfc3398]` says what holds anyway: no map can do without it, as unlisted codes have to mean
// something. Each map is applied once: 486 to 480 in `receive` and 480 to 486 in `send` are no loop. Within one map,
// what the rules send must come to rest when the same map hears it again (compile.cc).
//
// Maps are compiled on load and do not change; shards share them. map() allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/response_map/local_error.h"
#include "controlplane/response_map/tables.h"

namespace sallyport::response_map {

// What was heard, or what went wrong here.
struct Input {
  // Indices into Config::response_maps: the sender's Peer::map_receive and the hearer's Peer::map_send.
  config::MapIndex receive = config::kNoIndex;
  config::MapIndex send = config::kNoIndex;

  // A local error, or else a response. With a local error, `code` and `phrase` are not looked at; `phrase` (a fault's
  // text, for malformed) and `warning` where set take the place of its defaults.
  LocalError local = LocalError::none;
  std::uint16_t code = 0;            // as received, also outside 100 to 699
  std::string_view phrase;
  std::uint8_t q850 = 0;             // of the Reason header (reason.h); 0: none
  std::uint16_t warning = 0;         // of the Warning header; 0: none
  std::uint32_t retry_after_s = 0;   // of the Retry-After header; 0: none

  bool invite = true;                // the response is to an INVITE
  bool in_dialog = false;            // to a request inside a dialog: no failover
  bool answers_our_cancel = false;   // the 487 that our own CANCEL drew: stays local, no rule sees it
  bool exhausted = false;            // there is no further target to try
  bool supports_199 = false;         // the hearing leg listed 199 in Supported
};

// Which row decided. Views into the Maps and of static text; `map_name` is empty for the code table, the local error's
// for its default, and of a refusal of our own the reason.
struct Decision {
  enum class By : std::uint8_t {
    nothing, code_table, vendor_row, rule, local_default, rfc3261_503, own_leg, our_cancel, own_refusal
  };
  By by = By::nothing;
  std::string_view map_name;
  std::uint16_t rule = 0;            // counted from 1
  std::uint32_t line = 0;            // of the rule in the configuration
  const VendorRow* vendor = nullptr;

  // "carrier-in rule 2 (line 57)", "vendor row 499 Codec Mismatch", "rfc3398 base", "local default", ...
  [[nodiscard]] std::string text() const;
  // The same without map and line: "rule 2", "vendor row 499 Codec Mismatch".
  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool is_of_a_map() const { return by == By::rule || by == By::vendor_row; }
};

// What goes on. The views are of Maps, of static tables or of the input's phrase: copy what has to outlive those.
struct Verdict {
  std::uint16_t received = 0;        // 0: a local error
  LocalError local = LocalError::none;
  std::uint16_t code = 0;            // 100 to 699
  std::string_view phrase;
  std::uint8_t q850 = 0;             // for a Reason header; 0: none
  std::uint16_t warning = 0;         // for a Warning header; 0: none
  std::uint32_t retry_after_s = 0;   // for a Retry-After header; 0: none
  bool failover = false;             // try the next target first; always false once exhausted or in a dialog
  bool forward = true;               // false: nothing goes to the other leg (100, 199 not supported, our CANCEL's 487,
                                     // 408 to a non-INVITE by RFC 4320)
  Treatment treatment = Treatment::pass;  // of the cleaned code
  Ends ends = Ends::nothing;              // in a dialog: what the received code ends (RFC 5057)
  Decision cleaned;                  // the receive map's
  Decision adapted;                  // the send map's
  Decision decided;                  // the one that gave the code that is sent
  // Every rule or row that had a say, in the order of the response's way; nullptr where there are fewer.
  [[nodiscard]] std::array<const Decision*, 3> decisions() const;
  // The same as text: "carrier-in rule 1 (line 50), carrier-out rule 2 (line 57)".
  [[nodiscard]] std::string rule_text() const;
};

// A peer's phrase for `code` as the other leg may hear it: the standard one where there is none, and where an address
// stands in it ("Busy at 192.0.2.10"), which would show one side to the other (RFC 3261 7.2: the phrase is for humans
// and decides nothing). A view of `phrase` or of a static table.
[[nodiscard]] std::string_view phrase_across(unsigned code, std::string_view phrase);

struct CompiledMap;  // compiled_map.h

// A final code that no map may change, since the RFC of what was asked says it: nobody has said it, and it is no local
// error. `why`: static text. `phrase` empty: the standard one.
[[nodiscard]] Verdict own_refusal(std::uint16_t code, std::string_view why, std::string_view phrase = {});

class Maps {
 public:
  Maps();
  ~Maps();
  Maps(Maps&&) noexcept;
  Maps& operator=(Maps&&) noexcept;

  // All faults at once, sorted by place. Refused: a final from a provisional and the reverse, a non-2xx made 2xx and
  // the reverse, a code or cause of its own for 100 (it never leaves its hop), 487 made another code, loops (what a
  // rule sends would be mapped again and again by the same map), local names that do not exist, a rule that can
  // never decide, bases that do not exist.
  [[nodiscard]] static std::expected<Maps, std::vector<config::Fault>> compile(
      std::span<const config::MapConfig> configs);

  [[nodiscard]] Verdict map(const Input& input) const;

 private:
  std::vector<CompiledMap> maps_;  // as Config::response_maps
};

}  // namespace sallyport::response_map

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A number crosses a call in up to four steps, each the first of its rules that fits:
//
//   peer it comes from: numbers.in ─▶ (routes are matched here) ─▶ route: numbers.out ─▶ peer it goes to:
//   numbers.out and backwards, for identities in responses: peer: in ─▶ route: in ─▶ other peer: out
//
// A rule works in this order inwards: tech_prefix off, strip, prefix, form; and mirrored outwards: form,
// strip, prefix, tech_prefix on. Forms are e164 (+44 20...), national (0 20...) and international (00
// 44 20...), by the plan of the rule's owner. A number that has no form the plan knows (a short code, a
// subscriber number) is left as it is.
//
// What is a number: the user part, escapes undone and without what follows a ';', when it has only digits,
// '*' and
// '#', perhaps a '+' before and visual separators (RFC 3966 5.1.1) between. Names ("alice", "anonymous") are
// never touched. A changed number loses its separators and keeps its parameters, but for phone-context (RFC
// 3966 5.1.5), which a global number has none of; a tel URI that becomes local gets one. (SIP URIs get none:
// user=phone with a bare national number is what every carrier writes.)
//
// A local number whose phone-context is another than the country of a step's plan (+1 where that is 44, an
// area +4420, a domain) is no number of that plan (RFC 3966 5.1.4, 5.1.5): that step leaves it as it is.
//
// A tel identity that would end as a local number where no plan says of which country keeps its last global
// form: without a phone-context it would be nobody's number (5.1.4), and none is guessed. (What is called
// goes out as a SIP URI.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/sip/uri.h"

namespace sallyport::routing {

enum class Way : std::uint8_t { in, out };
// Whose number: of Request-URI and To; or of From, P-Asserted-Identity, Diversion.
enum class Party : std::uint8_t { called, calling };

// The bare number that a user part holds; nullopt: it is a name.
[[nodiscard]] std::optional<std::string> number_of_user(std::string_view user);

// The phone-context of a tel URI, or of the user part of a sip or sips URI, escapes undone: "+44", without
// visual separators, or a domain. Empty: it has none.
[[nodiscard]] std::string phone_context(const sip::Uri& uri);

struct NumberStep {
  std::string number;
  std::optional<std::size_t> rule;  // its index; nullopt: none fits, or it changed nothing
};
// One step. `number` as number_of_user() gives it.
[[nodiscard]] NumberStep apply_numbers(const config::Numbers& numbers, Way way, Party party,
                                       std::string_view number);

// The steps between two places of a call. A cheap view of the configuration, which must outlive it.
class NumberPath {
 public:
  // All steps from `from` to `to` over the route of that index; kNoIndex and nullopt leave a step out.
  // `forwards`: the way of the INVITE; else the way of its responses (and `from` is the one who answers).
  NumberPath(const config::Config& config, config::PeerIndex from, std::optional<std::size_t> route,
             config::PeerIndex to, bool forwards = true);

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  // The user part of a sip, sips or tel URI, everything else as it stands. Anything else comes back
  // unchanged.
  [[nodiscard]] std::string uri(Party party, std::string_view uri) const;
  // A name-addr or addr-spec with its header parameters.
  [[nodiscard]] std::string value(Party party, std::string_view name_addr) const;
  // A step leaves the number of that URI as it is because of its phone-context.
  [[nodiscard]] bool passes_over(Party party, std::string_view uri) const;

 private:
  struct Step {
    const config::Numbers* numbers;
    Way way;
  };
  struct Result {
    std::string number;
    std::string global;  // the last form on its way that began with '+'; empty: none did
    bool passed_over = false;
  };
  void add(const config::Numbers& numbers, Way way);
  // `context`: as phone_context() gives it.
  [[nodiscard]] Result take_steps(Party party, std::string_view number, std::string context) const;
  std::vector<Step> steps_;
};

}  // namespace sallyport::routing

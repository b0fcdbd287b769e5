// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What a peer (and, for numbers, a route) may say beside where it is: how numbers,
// codecs, header fields, challenges and redirects are treated that come from it or go to it. Plain data as
// written, with every default; the rooms that act on it compile it into what they need. Included by config.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config/fault.h"
#include "dataplane/base/address.h"

namespace sallyport::config {

// ---- numbers (controlplane/routing/numbers.h says what each does)

enum class NumberForm : std::uint8_t { unchanged, e164, national, international };
enum class NumberParty : std::uint8_t { both, called, calling };

// How numbers are written in the country of the peer: "0" 20 7946 0018, "00" 44 20 7946 0018, +"44" 20 7946
// 0018.
struct NumberPlan {
  std::string country;         // digits; empty: no rule has a form
  std::string national = "0";  // may be empty: a closed plan
  std::string international = "00";
  friend bool operator==(const NumberPlan&, const NumberPlan&) = default;
};

struct NumberRule {
  std::string match;  // pattern over the number with '*' and '?'; empty: any
  NumberParty apply = NumberParty::both;
  NumberForm form = NumberForm::unchanged;
  std::uint8_t strip = 0;  // characters, '+' counted
  std::string prefix;
  std::string tech_prefix;  // of called numbers: taken off inwards, put on outwards
  Place at;
  friend bool operator==(const NumberRule&, const NumberRule&) = default;
};

struct Numbers {
  NumberPlan plan;
  std::vector<NumberRule> in;   // what is heard of the peer, before routing
  std::vector<NumberRule> out;  // what is said to it
  [[nodiscard]] bool empty() const { return in.empty() && out.empty(); }
  friend bool operator==(const Numbers&, const Numbers&) = default;
};

// ---- codecs (sdp_rewriter/codec_policy.h)

// "PCMU", "G729", "opus/48000": an encoding name, and a clock rate where two would be meant.
struct Codecs {
  std::vector<std::string> allow;  // empty: all
  std::vector<std::string> remove;
  std::vector<std::string> order;  // these first, the rest as offered
  friend bool operator==(const Codecs&, const Codecs&) = default;
};

// ---- header fields (controlplane/b2bua/header_policy.h)

struct HeaderSet {
  std::string name;
  std::string value;  // as it stands; empty where `from` is set
  std::string from;   // the values of that field, under the name `name`
  friend bool operator==(const HeaderSet&, const HeaderSet&) = default;
};

struct Headers {
  std::vector<std::string> pass;    // this peer is sent these, beside those that always pass
  std::vector<std::string> remove;  // neither heard of nor sent to this peer
  std::vector<HeaderSet> set;       // this peer is sent these, instead of what would pass
  friend bool operator==(const Headers&, const Headers&) = default;
};

// ---- credentials (controlplane/sip/digest.h)

// Never logged, shown or put into a fault.
struct Credentials {
  std::string user;
  std::string password;
  std::string realm;  // answered for this realm only; empty: any
  [[nodiscard]] bool empty() const { return user.empty(); }
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

// ---- redirects (controlplane/routing/redirect.h)

enum class RedirectMode : std::uint8_t { pass, follow, refuse };

struct Redirects {
  RedirectMode mode = RedirectMode::pass;
  std::uint8_t depth = 3;                // redirects of a call that are followed, one after the other
  std::vector<Prefix> allow;             // beside the configured peers
  std::vector<std::string> allow_names;  // the same by host name, as Target::host has it
  friend bool operator==(const Redirects&, const Redirects&) = default;
};

// ---- other requests (controlplane/b2bua/other_in_dialog.cc, refer.cc, message_relay.h)

// A REFER of this peer's: on to the other leg, carried out by us, or 405.
enum class ReferMode : std::uint8_t { pass, follow, refuse };
// Methods of this peer's that we do not know: 501, or on to the other leg.
enum class UnknownMethods : std::uint8_t { refuse, pass };

}  // namespace sallyport::config

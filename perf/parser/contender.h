// SPDX-License-Identifier: Apache-2.0
// A parser under test. parse() is what is timed: a whole message with its SDP, from its octets to its
// structure and, where the library allocates, to its release. read() is not timed: it writes down what the
// parser has understood, under names that all of them share, so that readings can be compared.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace sallyport::perf {

using Reading = std::map<std::string, std::string>;

struct Contender {
  const char* name;
  bool (*parse)(std::string_view message);    // false: refused
  Reading (*read)(std::string_view message);  // null: not compared
};

extern const Contender kIndex;  // ours: what steering needs
extern const Contender kParse;  // ours: what a worker does, every structured field checked
extern const Contender kSip;    // ours: every structured field read, without SDP
extern const Contender kFull;   // ours: every structured field read, and the SDP
extern const Contender kSofia;
extern const Contender kOsip;
extern const Contender kRe;

// "sip:user@host:port" of whatever parts there are.
[[nodiscard]] std::string uri_text(std::string_view scheme, std::string_view user, std::string_view host,
                                   std::string_view port);

}  // namespace sallyport::perf

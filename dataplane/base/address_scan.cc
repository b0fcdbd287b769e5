// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/address_scan.h"

#include <algorithm>

namespace sallyport {
namespace {

constexpr std::string_view kV4 = "0123456789.";
constexpr std::string_view kV6 = "0123456789abcdefABCDEF:.";
constexpr std::size_t kLongestAddress = 45;  // of an IPv6 literal with an IPv4 tail

template <typename Use>
bool any_run(std::string_view text, std::string_view of, Use&& use) {
  for (auto begin = text.find_first_of(of); begin != text.npos; begin = text.find_first_of(of, begin)) {
    const auto end = std::min(text.find_first_not_of(of, begin), text.size());
    if (use(text.substr(begin, end - begin))) return true;
    begin = end;
  }
  return false;
}

// What stands before an address may read like a part of it: an attribute's name ("a=face:fe80::1").
template <typename Use>
bool any_tail(std::string_view run, Use&& use) {
  for (;;) {
    if (run.size() <= kLongestAddress && use(run)) return true;
    const auto colon = run.find(':');
    if (colon == run.npos) return false;
    run.remove_prefix(colon + 1);
  }
}

// In a sentence a full stop or a colon may follow ("at 192.0.2.1.", "2001:db8::1: busy"), and dots may lead.
std::string_view without_stops(std::string_view run) {
  while (run.starts_with('.')) run.remove_prefix(1);
  while (run.ends_with('.') || (run.ends_with(':') && !run.ends_with("::"))) run.remove_suffix(1);
  return run;
}

}  // namespace

bool has_address(std::string_view text, const std::function<bool(const IpAddress&)>& is_wanted) {
  const auto matches = [&](std::string_view literal) {
    const auto address = IpAddress::parse(literal);
    return address && is_wanted(address->unmapped());
  };
  const auto v4 = [&](std::string_view run) {
    run = without_stops(run);
    return std::ranges::count(run, '.') == 3 && matches(run);
  };
  const auto v6 = [&](std::string_view run) {
    run = without_stops(run);
    return std::ranges::count(run, ':') > 1 &&
           any_tail(run, [&](std::string_view tail) { return tail.find(':') != tail.npos && matches(tail); });
  };
  // Most text lacks the stops and colons that an address has: that is seen at many octets at once.
  return (std::ranges::count(text, '.') > 2 && any_run(text, kV4, v4)) ||
         (std::ranges::count(text, ':') > 1 && any_run(text, kV6, v6));
}

bool has_address(std::string_view text) {
  return has_address(text, [](const IpAddress&) { return true; });
}

}  // namespace sallyport

// SPDX-License-Identifier: Apache-2.0
// The extensions that our INVITE to a target offers are ours and not the caller's, since each leg is served
// by itself. So is what the target says against them: 420 and 421 are met with another INVITE on that leg.
#include <array>
#include <utility>

#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using sip::HeaderId;

namespace {

// RFC 3262, 4028, 6228, 3891
constexpr std::array<std::string_view, 4> kOffered{"100rel", "timer", "199", "replaces"};
constexpr std::uint8_t k100rel = 1;
constexpr std::uint8_t kTimer = 2;

// RFC 3262 is offered whatever the caller knows, since we can acknowledge by ourselves; but an offer in a
// reliable 18x needs an answer in a PRACK, and that is the caller's; in a transfer nobody is there who
// would give it.
std::uint8_t can_offer(const Leg& leg) {
  const Call& call = *leg.call;
  const bool reliable = !call.transfer && (!call.late_offer || call.a->supports_100rel);
  return reliable ? 15 : 14;
}

void write_tags(HeaderId id, unsigned bits, sip::HeaderWriter& out) {
  std::string tags;
  for (std::size_t i = 0; i < kOffered.size(); ++i) {
    if ((bits >> i & 1u) != 0) tags.append(tags.empty() ? "" : ", ").append(kOffered[i]);
  }
  if (!tags.empty()) out.line(id, tags);
}

// The bits of the tags in a field; 0 when one is none of ours, for then another try would be in vain.
std::uint8_t offered_in(const sip::MessageView& response, HeaderId id) {
  unsigned bits = 0;
  bool ours = true;
  sip::for_each_value(response, id, [&](std::string_view tag) {
    unsigned bit = 0;
    for (std::size_t i = 0; i < kOffered.size(); ++i) {
      if (sip::iequals(tag, kOffered[i])) bit = 1u << i;
    }
    ours = ours && bit != 0;
    bits |= bit;
  });
  return ours ? static_cast<std::uint8_t>(bits) : std::uint8_t{0};
}

}  // namespace

bool CallManager::write_extensions(const Leg& leg, sip::HeaderWriter& out) {
  const unsigned offered = can_offer(leg) & ~unsigned{leg.extensions.without};
  const unsigned caller_requires = leg.call->a->requires_100rel ? k100rel : 0;
  write_tags(HeaderId::supported, offered, out);
  write_tags(HeaderId::require, offered & (leg.extensions.required | caller_requires), out);
  return (offered & kTimer) != 0;
}

bool CallManager::changes_extensions(Leg& leg, const sip::MessageView& response) {
  const bool refused = response.status() == 420;
  if ((!refused && response.status() != 421) || leg.extensions.changed) return false;
  const std::uint8_t tags = offered_in(response, refused ? HeaderId::unsupported : HeaderId::require);
  if (tags == 0 || (tags & ~unsigned{can_offer(leg)}) != 0) return false;
  leg.extensions.changed = true;
  (refused ? leg.extensions.without : leg.extensions.required) = tags;
  return true;
}

bool CallManager::refuses_100rel(Leg& leg, Relay& relay, const sip::MessageView& response) {
  const bool refused = response.status() == 420 && relay.method == sip::Method::invite;
  if (!refused || offered_in(response, HeaderId::unsupported) != k100rel) return false;
  leg.knows_100rel = false;
  return !std::exchange(relay.without_100rel, true);
}

}  // namespace sallyport::b2bua

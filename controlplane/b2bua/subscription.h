// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A subscription outside of any call (RFC 6665) is two dialogs: near, with the
// subscriber whose SUBSCRIBE came in, and far, with the notifier that it went to. What comes on one goes on
// to the other and is answered with what that answers:
//
//     subscriber ── SUBSCRIBE ──▶ near │ far ── SUBSCRIBE ──▶ notifier        at first by the route, then
//                ◀── NOTIFY ────      │     ◀── NOTIFY ────                   inside the dialogs
//
// A REFER outside of any call (RFC 3515) begins one as well, without a SUBSCRIBE, unless its answer says that
// there is none (RFC 4488).
// It ends with a NOTIFY that says so, with a refusal, with silence, or when its time has run out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/b2bua/standalone.h"
#include "controlplane/sip/dialog.h"
#include "controlplane/sip/timer_wheel.h"

namespace sallyport::b2bua {

enum class Side : std::uint8_t { near, far };
[[nodiscard]] constexpr Side across(Side side) {
  return side == Side::near ? Side::far : Side::near;
}

struct SubscriptionSide {
  config::PeerIndex peer = config::kNoIndex;
  sip::Path path;
  bool sips = false;
  std::string tag;   // ours
  std::string from;  // far: the From value of the SUBSCRIBE that began it
  std::string call_id;
  std::optional<sip::Dialog> dialog;
  sip::Authenticator authenticator;  // of challenges to requests inside it
};

// A request that waits for the answer of the other side.
struct SubscriptionRelay {
  sip::ServerId server;
  sip::ClientId client;
  Side from = Side::near;
  bool ends = false;  // a NOTIFY that ends it
};

struct Subscription {
  Standalone begin;      // the SUBSCRIBE or REFER that began it, while it looks for its target
  sip::ClientId client;  // of that
  std::array<SubscriptionSide, 2> sides;
  std::vector<SubscriptionRelay> relays;
  sip::Timer expiry;
  Nanoseconds began_ns = 0;
  std::optional<std::uint32_t> refer_cseq;  // of the REFER that began it, as its sender counts
  bool over = false;

  [[nodiscard]] SubscriptionSide& at(Side side) { return sides[static_cast<std::size_t>(side)]; }
};

// Handles of standalone requests and of subscriptions stand above those of legs, so that a tag says which it
// is of: bit 27, then bit 26 for a subscription, whose lowest bit is its side.
inline constexpr std::uint32_t kNoLeg = 1u << 27;
inline constexpr std::uint32_t kOfSubscription = kNoLeg | 1u << 26;
[[nodiscard]] constexpr bool is_subscription(std::uint32_t slot) {
  return (slot & kOfSubscription) == kOfSubscription;
}
[[nodiscard]] constexpr std::uint32_t subscription_slot(std::uint32_t slot, Side side) {
  return kOfSubscription | slot << 1 | static_cast<std::uint32_t>(side);
}

}  // namespace sallyport::b2bua

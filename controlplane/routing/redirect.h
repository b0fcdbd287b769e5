// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What becomes of a 300, 301 or 302 to our INVITE (RFC 3261 8.1.3.4), by the `redirects`
// of the peer that sent it:
//
//     pass     the response map has it, as any other failure
//     refuse   the same, but never as a 3xx: local error
//     follow   its Contacts by falling q become the next targets of the call, before those that the route
//     still has
//
// A Contact is followed only to where calls may go anyway: to a target or a source of a configured peer of
// the same realm (whose policies then hold), or into the redirecting peer's own `allow`; never to an address
// of ours or by a transport that no target has. A call follows at most `depth`
// redirects one after the other, and never goes twice to the same user at the same address by the same
// transport: that is a loop.
// A Contact with a host name is followed where it is known already: to the places that a peer's target of
// that name has now, to the targets of the peer whose certificate is for that name (`match: tls:NAME`), or to
// those of a name in `allow`, as far as they are at the Contact's port and by its transport, where it says
// any. Other names are not followed: a look-up would make the call wait, and make the name server's work of
// whoever may redirect.
// 305 and 380 are not followed: their Contacts do not say where the callee is (RFC 3261 21.3.4, 21.3.5).
//
// Pure: one Redirects belongs to one call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/peer_health.h"

namespace sallyport::routing {

struct RedirectContact {
  std::string uri;         // without parameters that are Contact's
  std::uint16_t q = 1000;  // thousandths; RFC 3261 20.10: 1 when absent
};

// The Contacts of a redirect, by falling q, equal ones as they came. `fields`: the values of its Contact
// fields, each perhaps a list. What has expired (expires=0), "*" and what cannot be read are left out.
[[nodiscard]] std::vector<RedirectContact> redirect_contacts(const std::vector<std::string>& fields);

struct RedirectTarget {
  TargetId id;  // of the peer whose limits, numbers and policies hold there
  Endpoint endpoint;
  config::Transport transport = config::Transport::udp;
  std::string uri;  // the Request-URI to call there, before its numbers.out
  friend bool operator==(const RedirectTarget&, const RedirectTarget&) = default;
};
// The same as a target of the configuration: one by name is called by that name.
[[nodiscard]] config::Target place_of(const RedirectTarget& target);

enum class RedirectOutcome : std::uint8_t {
  pass,
  refuse,
  follow,
  too_deep,
  loop,     // every Contact was tried already
  nowhere,  // no Contact, or none to where calls may go
};

struct RedirectDecision {
  RedirectOutcome outcome = RedirectOutcome::pass;
  std::vector<RedirectTarget> targets;  // of `follow`, in the order to try
};

class RedirectTrail {
 public:
  // Each target that the call goes to, so also the first.
  void went_to(const Endpoint& endpoint, config::Transport transport, std::string_view uri);
  [[nodiscard]] RedirectDecision decide(const config::Config& config, const PeerHealth& health,
                                        config::PeerIndex redirecting, std::uint16_t status,
                                        const std::vector<std::string>& contact_fields);

 private:
  struct Visit {
    Endpoint endpoint;
    config::Transport transport = config::Transport::udp;
    std::string user;
    friend bool operator==(const Visit&, const Visit&) = default;
  };
  std::vector<Visit> visits_;
  unsigned depth_ = 0;
};

}  // namespace sallyport::routing

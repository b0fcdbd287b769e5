// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A leg leaves its call and joins another one (RFC 3891 Replaces; a REFER that we
// follow), on the same shard or on another: its dialog and what belongs to it travel in a message, and the
// media is anchored anew where it arrives. The call that it leaves is the lender, the one that it joins the
// borrower:
//
//     borrower                            lender (the leg's own call)
//        │ ── borrow: this dialog ─────────▶ │  is it there, and at rest?
//        │ ◀── lent (the leg), or refused ── │  requests inside its dialog are forwarded from now on
//        │     re-INVITE: the far end agrees │
//        │ ── keep ────────────────────────▶ │  the old call ends without it; a stub goes on forwarding
//        │     ... its dialog ends           │
//        │ ── release ─────────────────────▶ │  the stub goes, once nothing can be repeated any more
//        │ or: it does not agree             │
//        │ ── give_back (the leg) ─────────▶ │  the old call goes on as it was
//
// The same way takes what a shard has learnt of a target to the others.
//
// What belongs to a transaction stays with its transaction: a server transaction is never moved (decision 2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "controlplane/b2bua/handle.h"
#include "controlplane/b2bua/replaces.h"
#include "controlplane/b2bua/session_timer.h"
#include "controlplane/config/config.h"
#include "controlplane/media/offer_answer.h"
#include "controlplane/routing/peer_health.h"
#include "controlplane/sip/dialog.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/path.h"

namespace sallyport::b2bua {

struct LegAddress {
  std::uint8_t shard = 0;
  Handle handle;
};

// A leg as it travels: text and numbers of its own, nothing that a shard owns.
struct LentLeg {
  sip::Dialog dialog;
  config::PeerIndex peer = config::kNoIndex;
  sip::Path path;
  KeptText tag;
  KeptText call_id;
  KeptText from;
  KeptText recv_info;
  bool allows_update = false;
  sip::Authenticator authenticator;
  std::string said;  // its last SDP, and the last one that it was told
  std::string told;
  media::OfferAnswer::Origin origin;
};

struct Borrow {
  LegAddress asker;            // the leg that will take it
  Handle named;                // a leg of the call that lends
  std::optional<DialogId> id;  // of `named`, which is replaced: its other side is lent; without, it is itself
};
struct Lent {
  Handle asker;
  LegAddress lender;
  LentLeg leg;
};
struct Refused {
  Handle asker;
  std::uint16_t status = 0;
};
struct Keep {
  Handle lender;
};
struct GiveBack {
  Handle lender;
  LentLeg leg;
  bool lost = false;       // its dialog is over
  bool disturbed = false;  // the far end has taken another session meanwhile
};
struct Release {
  Handle lender;
};
// A request inside a dialog that is elsewhere now.
struct Forwarded {
  Handle leg;
  sip::Path path;
  std::string octets;
};

using JoinMessage =
    std::variant<Borrow, Lent, Refused, Keep, GiveBack, Release, Forwarded, routing::TargetNews>;

// The way to the other shards. Nothing is lost, and what one shard sends to another arrives in order.
class OtherShards {
 public:
  virtual ~OtherShards() = default;
  virtual void send(std::uint8_t shard, std::unique_ptr<JoinMessage> message) = 0;
};

}  // namespace sallyport::b2bua

// SPDX-License-Identifier: Apache-2.0
// What may not be asked inside a dialog at this moment: RFC 3261 14.2, RFC 3311 5.2, RFC 6337.
#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using sip::HeaderId;
using sip::Method;

namespace {

bool is_open_invite(const Relay& relay) {
  return relay.method == Method::invite || (relay.client_method == Method::invite && !relay.answered);
}

}  // namespace

// The status that refuses it, or 0. 500: his own offer or request is still open. 491: ours to him, or the
// other leg's.
std::uint16_t CallManager::glare(const Leg& leg, const Leg& other, Method method, bool has_offer) const {
  const Call& call = *leg.call;
  const bool is_invite = method == Method::invite;
  const bool put_back = leg.restore->state != RestoreState::off || other.restore->state != RestoreState::off;
  if (put_back && (is_invite || has_offer)) return 491;
  for (const Relay& relay : call.relays) {
    const bool his = relay.from == leg.handle;
    // A re-INVITE without SDP is about to bring an offer from the other side.
    const Leg& answerer = his ? other : leg;
    const bool offer_comes = relay.method == Method::invite && !relay.has_offer && !relay.answered &&
                             !answerer.dialog_invite.settled;
    const bool overlaps = (is_invite && (is_open_invite(relay) || relay.has_offer)) ||
                          (method == Method::update && relay.method == Method::update && his) ||
                          (has_offer && offer_comes);
    if (overlaps) return his ? 500 : 491;
  }
  const bool ours_open = leg.session.state == SessionState::refreshing && leg.session.refresh_is_invite;
  const bool other_open = other.session.state == SessionState::refreshing && other.session.refresh_is_invite;
  if ((is_invite || has_offer) && (ours_open || other_open)) return 491;
  if (!is_invite && !has_offer) return 0;
  const media::OfferAnswer& engine = *call.offer_answer;
  if (leg.offer_pending || engine.offered_by(leg.side())) return 500;
  if (other.offer_pending || engine.offered_by(other.side())) return 491;
  return engine.state() == media::OfferAnswer::State::idle ? 491 : 0;
}

void CallManager::refuse_glare(sip::ServerId id, std::uint16_t status) {
  std::string lines;
  if (status == 500) sip::HeaderWriter(lines).line(HeaderId::retry_after, std::uint64_t{random_() % 10});
  respond(id, status, lines);
}

}  // namespace sallyport::b2bua

// SPDX-License-Identifier: Apache-2.0
// An INVITE with Replaces (RFC 3891): its caller takes the place of one of our legs. The far leg of that call
// joins him by a re-INVITE, and the one that he replaces is hung up (one that rings: pick_up.cc). A Replaces
// that names no dialog of ours is for whoever the call goes to, and crosses as it is.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/session_text.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

std::optional<LegAddress> CallManager::leg_named(const DialogId& id) const {
  if (id.to_tag.size() != steer::kTokenChars) return std::nullopt;
  const auto ours = services_.codec.open(id.to_tag, steer::TokenKind::tag);
  if (!ours) return std::nullopt;
  return LegAddress{ours->shard, {ours->slot, ours->generation}};
}

bool CallManager::refused_replaces(sip::ServerId id, const sip::MessageView& invite, config::PeerIndex from) {
  unsigned count = 0;
  sip::for_each_field(invite, [&](const sip::HeaderField& field, std::string_view, std::string_view) {
    count += field.id == HeaderId::replaces ? 1 : 0;
  });
  if (count == 0) return false;
  const auto named = parse_replaces(invite.header(HeaderId::replaces));
  if (count > 1 || !named || invite.has(HeaderId::join)) {  // RFC 3891 3
    refuse_attempt(
        id, from,
        response_map::own_refusal(400, "Replaces that cannot be followed", "Bad Replaces header field"));
  } else if (leg_named(*named) && services_.config.peers[from].refer == config::ReferMode::refuse) {
    refuse_attempt(id, from, response_map::own_refusal(403, "Replaces from a peer with refer: refuse"));
  } else {
    return false;
  }
  return true;
}

// `status`: of who has the dialog (why_not_replaced(), or 491).
void CallManager::refuse_with(Call& call, std::uint16_t status) {
  if (status == 481) return fail_call(call, LocalError::not_in_dialog);
  const std::string_view why = status == 486   ? "early-only, and the dialog is up"
                               : status == 603 ? "the dialog to replace is over"
                                               : "the dialog to join is in the middle of something";
  refuse_caller(call, response_map::own_refusal(status, why));
}

void CallManager::borrow(Call& call, const LegAddress& replaced, const DialogId& id) {
  Leg* leg = new_leg(call, LegRole::uac, call.from);
  if (leg == nullptr) return fail_call(call, LocalError::capacity);
  post(replaced.shard, Borrow{{services_.shard, leg->handle}, replaced.handle, id});
}

void CallManager::write_joining(const sip::MessageView& invite, const Crossing& crossing,
                                sip::HeaderWriter& out) {
  if (invite.has(HeaderId::replaces)) {
    out.line(HeaderId::replaces, invite.header(HeaderId::replaces));
    if (invite.lists(HeaderId::require, "replaces")) out.line(HeaderId::require, "replaces");
  }
  const std::string by = hide_host(invite.header(HeaderId::referred_by), crossing.host);
  if (!by.empty()) out.line(HeaderId::referred_by, crossing.numbers.value(routing::Party::calling, by));
}

// The leg has come: the far end is offered the caller's session.
void CallManager::invite_borrowed(Leg& leg, const LentLeg& lent) {
  Call& call = *leg.call;
  call.b = &leg;
  if (call.transfer) {
    const Leg* seat = call.a;
    const sip::MessageView invite = call.invite.view();
    const std::string padded = with_streams_of(std::string(invite.body()), lent.told);
    keep_invite(call,
                std::string(invite.octets.substr(0, invite.octets.size() - invite.body().size())) + padded,
                seat->path);
  }
  call.offer_answer->continue_origin(media::Leg::b, leg.origin);
  const bool fits = call.late_offer || stream_count(call.invite.view().body()) >= stream_count(lent.told);
  auto sdp = fits ? offer_for(call, leg)
                  : std::unexpected(media::MediaError{media::MediaFault::sdp, "fewer streams than before"});
  const bool sent = sdp && send_join_invite(leg, *sdp, Purpose::invite);
  if (sent) {
    begin_attempt(leg, dialog_path(leg).remote);
    return services_.wheel.start(leg.wait, services_.config.peers[leg.peer].limits.setup_ns);
  }
  (void)step(leg, LegEvent::failure);
  fail_call(call, sdp ? LocalError::capacity : media_error(sdp.error().fault));
}

}  // namespace sallyport::b2bua

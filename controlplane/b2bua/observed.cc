// SPDX-License-Identifier: Apache-2.0
// A call that somebody looks at: whose its messages are, its dialogs and timers, copies of its media.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/target_uri.h"

namespace sallyport::b2bua {

namespace {

trace::Side side_of(const Leg& leg) {
  return leg.role == LegRole::uas ? trace::Side::caller : trace::Side::callee;
}

std::string_view timer_text(CallTimer timer) {
  switch (timer) {
    case CallTimer::setup:
      return "setup";
    case CallTimer::ring:
      return "ring";
    case CallTimer::duration:
      return "duration";
    case CallTimer::interim_record:
      return "interim record";
    case CallTimer::nat_keepalive:
      return "NAT keep-alive";
    case CallTimer::reliable_resend:
      return "reliable 18x again";
    case CallTimer::reliable_expire:
      return "PRACK awaited";
    case CallTimer::session_refresh:
      return "session refresh";
    case CallTimer::session_expiry:
      return "session expiry";
    case CallTimer::restore:
      return "session restored";
    case CallTimer::stub:
      return "stub";
    case CallTimer::subscription:
      return "subscription";
    case CallTimer::media:
      return "silent media";
  }
  return {};
}

}  // namespace

// A tag of ours names a leg. One that has come from another shard keeps the tag of that shard: its messages
// are found by those before them.
std::optional<trace::Subject> CallManager::find_subject(std::string_view tag) {
  const Leg* leg = leg_with(tag);
  if (leg == nullptr) return std::nullopt;
  return trace::Subject{leg->call->record.id, side_of(*leg), &leg->call->messages};
}

Leg* CallManager::leg_with(std::string_view tag) {
  const auto identity = services_.codec.open(tag, steer::TokenKind::tag);
  if (!identity || identity->shard != services_.shard) return nullptr;
  Leg* leg = find_leg(identity->slot, identity->generation);
  return leg != nullptr && leg->call != nullptr ? leg : nullptr;
}

void CallManager::complete(const Call& call, stats::CallDetail& detail) const {
  for (std::size_t i = 0; i < call.legs.size(); ++i) {
    const Leg& leg = *call.legs[i];
    if (!leg.dialog) continue;
    stats::LegRow& row = detail.legs[i];
    row.dialog = leg.dialog->state() == sip::DialogState::early ? "early" : "confirmed";
    row.local_cseq = leg.dialog->local_cseq();
    row.remote_cseq = leg.dialog->remote_cseq().value_or(0);
    row.remote_target = without_password(leg.dialog->remote_target());
  }
  const auto show = [&](const sip::Timer& timer, std::string_view of, std::string_view name) {
    if (timer.running())
      detail.timers.push_back({std::string(name), std::string(of), timer.deadline_ns() - now()});
  };
  const auto show_named = [&](const sip::Timer& timer, std::string_view of) {
    show(timer, of, timer_text(static_cast<CallTimer>(timer.name())));
  };
  for (const sip::Timer* timer : {&call.duration, &call.interim_record, &call.media_timer}) {
    show_named(*timer, "call");
  }
  for (const Leg* leg : call.legs) {
    const std::string_view of = leg->role == LegRole::uas ? "caller" : "callee";
    show(leg->wait, of, timer_text(leg->heard ? CallTimer::ring : CallTimer::setup));
    for (const sip::Timer* timer :
         {&leg->keepalive, &leg->session.refresh, &leg->session.expiry, &leg->restore->due}) {
      show_named(*timer, of);
    }
    if (!leg->reliable) continue;
    show_named(leg->reliable->resend, of);
    show_named(leg->reliable->expire, of);
  }
}

bool CallManager::mirror(std::string_view id) {
  const Leg* caller = leg_with(id);  // its tag is the call's name
  if (caller == nullptr || caller->call->record.id != id) return false;
  if (caller->call->media) caller->call->media->set_mirror(true);
  return true;
}

void CallManager::end_mirrors() {
  calls_.for_each([](Call& call) {
    if (call.media) call.media->set_mirror(false);
  });
}

// A call that was not answered has failed, and one that we ended for an error of its own.
void CallManager::keep_failed(const Call& call) {
  const stats::CallRecord& record = call.record;
  const bool failed = record.answered_ns == 0 || !record.local_error.empty();
  if (failed && services_.recorder != nullptr) services_.recorder->failed(record.id);
}

}  // namespace sallyport::b2bua

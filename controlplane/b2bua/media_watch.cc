// SPDX-License-Identifier: Apache-2.0
// Media that has been silent for too long: it ends the call, or is counted and stands in its record, as the
// peers' `end_on` says. Workers tell of silent flows, media/silence.h says what that is of the whole call,
// and one timer a call waits for its end.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

namespace {

stats::MediaTimeout timeout_of(media::Silence kind) {
  return kind == media::Silence::hold      ? stats::MediaTimeout::hold
         : kind == media::Silence::one_way ? stats::MediaTimeout::one_way
                                           : stats::MediaTimeout::idle;
}

}  // namespace

void CallManager::on_flow_idle(const dp::FlowIdle& event) {
  Call* call = calls_.find(event.owner.call_slot, event.owner.call_generation);
  if (call == nullptr || !call->media) return;
  call->media->on_idle(event);
  watch_media(*call);
}

void CallManager::on_flow_active(const dp::FlowActive& event) {
  Call* call = calls_.find(event.owner.call_slot, event.owner.call_generation);
  if (call == nullptr || !call->media) return;
  call->media->on_active(event);
  watch_media(*call);
}

// In the midst of whatever changes the media: the timer does what there is to do.
void CallManager::media_changed(const dp::FlowOwner& owner) {
  Call* call = calls_.find(owner.call_slot, owner.call_generation);
  if (call == nullptr || !call->media) return;
  if (!media::on_hold(call->media->silence())) {
    call->hold_since_ns = 0;
  } else if (call->hold_since_ns == 0) {
    call->hold_since_ns = now();
  }
  watch_media(*call);
}

media::SilenceVerdict CallManager::judge_media(const Call& call) const {
  if (!call.answered || call.over) return {};
  // Who waits for the target of a transfer alone has nobody to hear.
  if (call.carried_out_by != Handle{} && (call.a->is_over() || call.b->is_over())) return {};
  return media::judge_silence(call.media->silence(), std::max(call.answered_ns, call.hold_since_ns),
                              call.media->silence_limits());
}

void CallManager::watch_media(Call& call) {
  const media::SilenceVerdict verdict = judge_media(call);
  call.media_timer.stop();
  if (verdict.kind != call.reported_silence) call.reported_silence = media::Silence::none;
  if (verdict.kind == media::Silence::none || verdict.kind == call.reported_silence) return;
  services_.wheel.start(call.media_timer, std::max<Nanoseconds>(verdict.due_ns - now(), kMillisecond));
}

void CallManager::on_media_timer(Call& call) {
  const media::SilenceVerdict verdict = judge_media(call);
  if (verdict.kind == media::Silence::none || verdict.due_ns > now()) return watch_media(call);
  const stats::MediaTimeout timeout = timeout_of(verdict.kind);
  const bool ends = ends_call(call, verdict);
  services_.statistics.totals.media_timeouts[static_cast<std::size_t>(timeout)][ends ? 1 : 0].add();
  call.record.media_timeout = stats::kMediaTimeoutNames[static_cast<std::size_t>(timeout)];
  call.reported_silence = verdict.kind;
  if (!ends) return;
  hang_up(call, stats::EndedBy::sallyport, response_map::LocalError::media_timeout);
  sweep();
}

// One way: what the peer that is not heard has; else one peer's word is enough, as it is for the time.
bool CallManager::ends_call(const Call& call, const media::SilenceVerdict& verdict) const {
  const auto policy = [&](const Leg* leg) -> const config::MediaPolicy& {
    return services_.config.peers[leg->peer].media;
  };
  const Leg* b = call.b != nullptr ? call.b : call.a;
  switch (verdict.kind) {
    case media::Silence::idle:
      return policy(call.a).idle_ends || policy(b).idle_ends;
    case media::Silence::hold:
      return policy(call.a).hold_ends || policy(b).hold_ends;
    case media::Silence::one_way:
      return policy(verdict.leg == 0 ? call.a : b).one_way_ends;
    case media::Silence::none:
      break;
  }
  return false;
}

}  // namespace sallyport::b2bua

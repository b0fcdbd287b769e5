// SPDX-License-Identifier: Apache-2.0
// A timer of a leg, a call, a subscription or a stub has run out.
#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

// limits.setup or limits.ring.
void CallManager::on_target_timeout(Leg& leg) {
  if (leg.role == LegRole::uas) return fail_transfer(*leg.call, response_map::LocalError::setup_timeout);
  response_map::Input input;
  input.local = leg.heard ? response_map::LocalError::ring_timeout : response_map::LocalError::setup_timeout;
  if (!leg.heard) services_.health.failed(leg.target, now());
  hang_up_leg(leg);
  attempt_failed(leg, input);
}

void CallManager::on_timer(sip::Timer& timer) {
  using response_map::LocalError;
  const auto name = static_cast<CallTimer>(timer.name());
  if (name == CallTimer::duration || name == CallTimer::interim_record || name == CallTimer::media) {
    Call* call = calls_.find(static_cast<std::uint32_t>(timer.cookie() >> 32),
                             static_cast<std::uint32_t>(timer.cookie()));
    if (call == nullptr) return;
    if (name == CallTimer::interim_record) return write_interim(*call);
    if (name == CallTimer::media) return on_media_timer(*call);
    hang_up(*call, stats::EndedBy::sallyport, LocalError::duration_limit);
    return sweep();
  }
  if (name == CallTimer::subscription) return end_subscription(timer.cookie());
  if (name == CallTimer::stub) return (void)stubs_.erase(timer.cookie());
  Leg* leg = leg_of(timer.cookie());
  if (leg == nullptr) return;
  switch (name) {
    case CallTimer::nat_keepalive:
      send_keepalive(*leg);
      break;
    case CallTimer::reliable_resend:
      on_reliable_timer(*leg, ReliableEvent::resend);
      break;
    case CallTimer::reliable_expire:
      on_reliable_timer(*leg, ReliableEvent::expire);
      break;
    case CallTimer::session_refresh:
      session_event(*leg, SessionEvent::due);
      break;
    case CallTimer::session_expiry:
      session_event(*leg, SessionEvent::expire);
      break;
    case CallTimer::restore:
      restore_event(*leg, RestoreEvent::due);
      break;
    default:
      on_target_timeout(*leg);
  }
  sweep();
}

}  // namespace sallyport::b2bua

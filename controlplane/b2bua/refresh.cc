// SPDX-License-Identifier: Apache-2.0
// The session timers of the legs at work (RFC 4028): asking, agreeing, refreshing, expiring.
#include <algorithm>
#include <charconv>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {

constexpr std::uint32_t kDefaultMinSe = 90;  // RFC 4028 4
constexpr std::uint32_t kMostSeconds = 86'400 * 30;

std::uint32_t policy_min_se(const config::SessionTimers& policy) {
  return static_cast<std::uint32_t>(policy.min_se_ns / kSecond);
}

}  // namespace

// As UAC: what a request of ours asks for.
void CallManager::ask_session(Leg& leg, sip::HeaderWriter& out) {
  SessionTimer& timer = leg.session;
  const config::SessionTimers& policy = services_.config.peers[leg.peer].session_timer;
  const bool running = timer.state != SessionState::off;
  if (!running && !leg.is_up()) {
    timer.interval_s = std::max(static_cast<std::uint32_t>(policy.expires_ns / kSecond),
                                policy.expires_ns != 0 ? timer.min_se_s : 0);
  }
  if (timer.interval_s == 0) return;
  std::string_view refresher;
  if (running) {
    refresher = timer.state == SessionState::waiting ? ";refresher=uas" : ";refresher=uac";
  } else if (policy.refresher != config::RefreshBy::automatic) {
    refresher = policy.refresher == config::RefreshBy::us ? ";refresher=uac" : ";refresher=uas";
  }
  out.line(HeaderId::session_expires, {std::to_string(timer.interval_s), refresher});
  const std::uint32_t min_se = std::max(policy_min_se(policy), timer.min_se_s);
  if (min_se > kDefaultMinSe) out.line(HeaderId::min_se, std::uint64_t{min_se});
}

// As UAC: what a 2xx has agreed to (RFC 4028 7.2).
void CallManager::session_answered(Leg& leg, const sip::MessageView& response) {
  const SessionFields fields = session_fields(response);
  if (fields.expires_s == 0 || fields.expires_s > kMostSeconds)
    return session_event(leg, SessionEvent::not_agreed);
  leg.session.interval_s = fields.expires_s;
  session_event(leg,
                fields.refresher == Refresher::uas ? SessionEvent::they_refresh : SessionEvent::we_refresh);
}

// As UAS: 422 when the interval is too small (RFC 4028 9).
bool CallManager::refused_session(sip::ServerId id, const Leg& leg, const sip::MessageView& request) {
  const SessionAnswer answer =
      answer_session(session_fields(request), services_.config.peers[leg.peer].session_timer);
  if (!answer.too_small) return false;
  std::string lines;
  sip::HeaderWriter(lines).line(HeaderId::min_se, std::uint64_t{answer.min_se_s});
  respond(id, 422, lines, "Session Interval Too Small");
  return true;
}

// As UAS: what our 2xx agrees to. A refresh that asks for nothing any more ends the timer (RFC 4028 9).
void CallManager::agree_session(Leg& leg, const sip::MessageView& request, sip::HeaderWriter& out) {
  const SessionFields asked = session_fields(request);
  const config::SessionTimers& policy = services_.config.peers[leg.peer].session_timer;
  SessionAnswer answer = answer_session(asked, policy);
  if (answer.expires_s == 0 || answer.expires_s > kMostSeconds) {
    return session_event(leg, SessionEvent::not_agreed);
  }
  if (asked.refresher == Refresher::none && leg.session.state != SessionState::off) {
    // The role stays where it was (RFC 4028 7.4).
    const bool theirs = leg.session.state == SessionState::waiting && asked.supported;
    answer.refresher = theirs ? Refresher::uac : Refresher::uas;
  }
  write_session(out, answer, asked.supported);
  leg.session.interval_s = answer.expires_s;
  session_event(leg,
                answer.refresher == Refresher::uas ? SessionEvent::we_refresh : SessionEvent::they_refresh);
}

// A 422 to a request of ours: true when it is worth another try (RFC 4028 7.3).
bool CallManager::raise_session(Leg& leg, const sip::MessageView& response) {
  const std::uint32_t min_se = session_fields(response).min_se_s;
  SessionTimer& timer = leg.session;
  if (min_se <= timer.min_se_s || min_se > kMostSeconds || timer.interval_s == 0) return false;
  timer.min_se_s = min_se;
  timer.interval_s = std::max(timer.interval_s, min_se);
  return true;
}

// The one place where the state of a session timer changes.
void CallManager::session_event(Leg& leg, SessionEvent event) {
  SessionTimer& timer = leg.session;
  const SessionStep next = session_step(timer.state, event);
  timer.state = next.next;
  const Nanoseconds expiry = std::int64_t{expiry_after_s(timer.interval_s)} * kSecond;
  switch (next.action) {
    case SessionAction::none:
      return;
    case SessionAction::start:
      services_.wheel.start(timer.refresh, std::int64_t{timer.interval_s} * kSecond / 2);
      return services_.wheel.start(timer.expiry, expiry);
    case SessionAction::start_expiry:
      timer.refresh.stop();
      return services_.wheel.start(timer.expiry, expiry);
    case SessionAction::stop:
      timer.refresh.stop();
      return timer.expiry.stop();
    case SessionAction::refresh:
      return send_refresh(leg);
    case SessionAction::retry:
      return services_.wheel.start(timer.refresh, glare_pause(leg));
    case SessionAction::expire:
      timer.refresh.stop();
      return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::session_expired);
  }
}

// Who owns the Call-ID waits longer, in units of 10 ms.
Nanoseconds CallManager::glare_pause(const Leg& leg) {
  const auto least = leg.role == LegRole::uac ? 210u : 0u;
  return static_cast<Nanoseconds>(least + random_() % 191) * 10 * kMillisecond;
}

void CallManager::stop_session(Leg& leg) {
  if (leg.session.state == SessionState::refreshing && leg.session.refresh_is_invite) {
    transactions_->cancel(leg.session.pending);
  }
  session_event(leg, SessionEvent::stop);
}

// UPDATE where the peer knows it, else a re-INVITE with the SDP that stands (RFC 4028 7.4).
void CallManager::send_refresh(Leg& leg) {
  const Leg* other = leg.call->other(leg);
  SessionTimer& timer = leg.session;
  timer.refresh_is_invite = !leg.allows_update;
  const Method method = timer.refresh_is_invite ? Method::invite : Method::update;
  const bool ready = leg.state == LegState::confirmed && other != nullptr;
  const auto in_the_way = [&] {
    // Our own state says refreshing already: what is asked is whether anybody else is in the way.
    const SessionState state = std::exchange(timer.state, SessionState::refresher);
    const bool busy = glare(leg, *other, method, timer.refresh_is_invite) != 0;
    timer.state = state;
    return busy;
  };
  if (!ready || (timer.refresh_is_invite && in_the_way())) return session_event(leg, SessionEvent::refused);
  const std::string body =
      timer.refresh_is_invite ? leg.call->offer_answer->agreed(leg.side()) : std::string{};
  const auto client = send_session(leg, method, body, Purpose::refresh);
  if (!client) return session_event(leg, SessionEvent::refused);
  timer.pending = *client;
}

std::optional<sip::ClientId> CallManager::send_session(Leg& leg, Method method, const std::string& body,
                                                       Purpose purpose) {
  std::string lines;
  sip::HeaderWriter out(lines);
  leg.dialog->write_headers(out, method, leg.dialog->next_cseq());
  write_contact(leg, out);
  write_capabilities(out, leg.peer);
  out.line(HeaderId::supported, "timer");
  ask_session(leg, out);
  out.line(HeaderId::user_agent, kProduct);
  const std::string credentials =
      authorization(leg, sip::method_name(method), leg.dialog->request_uri(), body);
  if (method == Method::invite) leg.authorization = credentials;
  out.raw(credentials);
  if (!body.empty()) out.line(HeaderId::content_type, "application/sdp");
  const sip::RequestDraft draft{
      .method = method, .request_uri = leg.dialog->request_uri(), .headers = lines, .body = body};
  const auto client = start_request(draft, leg.peer, dialog_path(leg), token(purpose, leg.handle));
  return client ? std::optional(*client) : std::nullopt;
}

void CallManager::on_refresh_response(Leg& leg, sip::ClientId id, const sip::MessageView& response) {
  const std::uint16_t status = response.status();
  const bool is_invite = response.method() == Method::invite;
  if (status < 200) return;
  if (status < 300 && is_invite) send_ack(leg, id, response.cseq(), response.to_tag(), {});
  if (id != leg.session.pending || leg.state != LegState::confirmed) return;
  leg.session.pending = {};
  note_capabilities(leg, response);
  if (status < 300) {
    (void)leg.dialog->refresh_target(response);
    if (is_invite && body_kind(response) == Body::sdp) {
      // Where he may not be he is not followed: the media stays where it was agreed.
      (void)leg.call->offer_answer->readdress(leg.side(), session_description(response),
                                              policy_for(leg, response));
    }
    return session_answered(leg, response);
  }
  if (status == 481 || status == 408) {
    return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::not_in_dialog);
  }
  if ((status == 422 && raise_session(leg, response)) || answers_challenge(leg, response)) {
    return send_refresh(leg);
  }
  if (!is_invite && (status == 405 || status == 501)) {
    leg.allows_update = false;
    return send_refresh(leg);
  }
  session_event(leg, SessionEvent::refused);
}

void CallManager::on_refresh_failure(Leg& leg, sip::ClientId id, LocalError error) {
  if (id == leg.session.pending && leg.state == LegState::confirmed) {
    hang_up(*leg.call, stats::EndedBy::sallyport, error);
  }
}

}  // namespace sallyport::b2bua

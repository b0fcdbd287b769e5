// SPDX-License-Identifier: Apache-2.0
// A target answers with a 3xx: by its peer's policy the call goes where that says.
#include <fmt/format.h>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/sips.h"
#include "controlplane/b2bua/target_uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using routing::RedirectOutcome;

std::string CallManager::called_uri(const Leg& leg) const {
  const Call& call = *leg.call;
  if (!leg.redirect) {
    return numbers(*call.a, leg).uri(routing::Party::called, called_as_sip(call.invite.view().request_uri()));
  }
  // The redirecting peer wrote its own numbers.
  const routing::NumberPath path(services_.config, leg.redirect->redirected_by, std::nullopt, leg.peer);
  return path.uri(routing::Party::called, called_as_sip(leg.redirect->redirect->uri));
}

std::string CallManager::passed_contacts(const Leg& leg, const std::vector<std::string>& fields) const {
  const Leg& caller = *leg.call->a;
  const routing::NumberPath path = numbers(leg, caller);
  const std::uint16_t tls_port = services_.config.realms[caller.path.realm].sip_tls;
  std::string lines;
  sip::HeaderWriter out(lines);
  for (const routing::RedirectContact& contact : routing::redirect_contacts(fields)) {
    // Who called by sips is sent on by sips (RFC 5630 4).
    const bool by_sips = is_sips(contact.uri) || is_sips(leg.call->invite.view().request_uri());
    const std::string hidden = own_place("<" + contact.uri + ">", caller.path, tls_port, by_sips);
    if (hidden.empty()) continue;
    const std::string q = contact.q == 1000 ? "" : fmt::format(";q=0.{:03}", contact.q);
    out.line(sip::HeaderId::contact, path.value(routing::Party::called, hidden) + q);
  }
  return lines;
}

bool CallManager::redirected(Leg& leg, const sip::MessageView& response) {
  Call& call = *leg.call;
  call.redirect_lines.clear();
  if (response.status() >= 400 || call.over || &leg != call.b) return false;
  std::vector<std::string> contacts;
  sip::for_each_field(response, [&](const sip::HeaderField& field, std::string_view, std::string_view value) {
    if (field.id == sip::HeaderId::contact) contacts.emplace_back(value);
  });
  const auto decision =
      call.trail.decide(services_.config, services_.health, leg.peer, response.status(), contacts);
  response_map::Input failure = heard(leg, call.from, response);
  switch (decision.outcome) {
    case RedirectOutcome::pass:
      call.redirect_lines = passed_contacts(leg, contacts);
      return false;
    case RedirectOutcome::follow: {
      auto place = call.candidates.begin() + static_cast<std::ptrdiff_t>(call.next_candidate);
      for (const routing::RedirectTarget& target : decision.targets) {
        place = call.candidates.insert(place, {target.id, target, leg.peer}) + 1;
      }
      stats::AttemptRecord& attempt = call.record.attempts.back();
      attempt.received = response.status();
      attempt.received_phrase = response.reason_phrase();
      attempt.rule = "redirect followed";
      count_failed(call, response.status());
      next_attempt(call, failure);
      return true;
    }
    case RedirectOutcome::loop:
      failure.local = LocalError::loop;
      break;
    case RedirectOutcome::refuse:
    case RedirectOutcome::too_deep:
    case RedirectOutcome::nowhere:
      failure.local = LocalError::redirect_refused;
      break;
  }
  failure.phrase = {};
  failure.warning = 0;
  failure.retry_after_s = 0;
  attempt_failed(leg, failure);
  return true;
}

}  // namespace sallyport::b2bua

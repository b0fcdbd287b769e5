// SPDX-License-Identifier: Apache-2.0
// A peer challenges our requests, and we have credentials for it: the request goes out once more on the same
// leg, with the next CSeq and the same Call-ID and From tag (RFC 3261 22.2), the same fields and the same
// body. Without credentials, or when they are refused, the challenge is a failure like any other.
#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using sip::HeaderId;

sip::DigestCredentials CallManager::credentials_of(const config::Peer& peer) {
  return {
      .user = peer.credentials.user, .password = peer.credentials.password, .realm = peer.credentials.realm};
}

std::string CallManager::authorization(Leg& leg, std::string_view method, std::string_view uri,
                                       std::string_view body) {
  std::string lines;
  if (leg.authenticator.empty()) return lines;
  sip::HeaderWriter out(lines);
  leg.authenticator.authorize(out, credentials_of(services_.config.peers[leg.peer]), method, uri, body);
  return lines;
}

bool CallManager::is_challenge(const sip::MessageView& response) {
  return response.status() == 401 || response.status() == 407;
}

bool CallManager::answers_challenge(sip::Authenticator& authenticator, config::PeerIndex peer,
                                    const sip::MessageView& response) const {
  if (!is_challenge(response)) return false;
  const config::Peer& known = services_.config.peers[peer];
  if (known.credentials.empty()) return false;
  return authenticator.challenged(response, credentials_of(known), sip::make_cnonce()) ==
         sip::Authenticator::Verdict::retry;
}

bool CallManager::answers_challenge(Leg& leg, const sip::MessageView& response) {
  return answers_challenge(leg.authenticator, leg.peer, response);
}

bool CallManager::invited_again(Leg& leg, const sip::MessageView& response) {
  const bool waits = leg.state == LegState::inviting || leg.state == LegState::early;
  if (!waits || leg.call->over || !answers_challenge(leg, response)) return false;
  return invite_once_more(leg);
}

bool CallManager::relayed_again(Leg& leg, Relay& relay, const sip::MessageView& response) {
  if (leg.call->over || !leg.dialog) return false;
  // A PRACK stands in the dialog of its response, which may be another fork's.
  if (relay.client_method != sip::Method::prack)
    return answers_challenge(leg, response) && send_relay(leg, relay);
  const auto again = sent_again(leg, relay.client, response, token(Purpose::relay, leg.handle));
  if (!again) return false;
  relay.client = again->client;
  relay.client_cseq = again->cseq;
  return true;
}

std::optional<CallManager::SentAgain> CallManager::sent_again(Leg& leg, sip::ClientId id,
                                                              const sip::MessageView& response,
                                                              std::uint64_t token) {
  if (leg.away || leg.is_over() || !leg.dialog || !is_challenge(response)) return std::nullopt;
  const sip::StoredMessage sent = transactions_->request_of(id);
  if (!sent || !answers_challenge(leg, response)) return std::nullopt;
  sip::Dialog* dialog = dialog_with(leg, response.to_tag());
  const std::uint32_t cseq = (dialog != nullptr ? dialog : &*leg.dialog)->next_cseq();
  return send_once_more(sent.view(), {leg.authenticator, leg.peer, cseq, token});
}

std::optional<CallManager::SentAgain> CallManager::send_once_more(const sip::MessageView& sent,
                                                                  const OnceMore& how) {
  std::string lines;
  sip::HeaderWriter out(lines);
  sip::for_each_field(sent,
                      [&](const sip::HeaderField& field, std::string_view name, std::string_view value) {
                        switch (field.id) {
                          case HeaderId::via:
                          case HeaderId::authorization:
                          case HeaderId::proxy_authorization:
                          case HeaderId::content_length:
                            return;
                          case HeaderId::cseq:
                            out.line(field.id, {std::to_string(how.cseq), " ", sent.method_text()});
                            return;
                          case HeaderId::other:
                            out.line(name, value);
                            return;
                          default:
                            out.line(field.id, value);
                        }
                      });
  how.authenticator.authorize(out, credentials_of(services_.config.peers[how.peer]), sent.method_text(),
                              sent.request_uri(), sent.body());
  const sip::RequestDraft draft{.method = sent.method(),
                                .method_text = sent.method_text(),
                                .request_uri = sent.request_uri(),
                                .headers = lines,
                                .body = sent.body()};
  const auto client = start_request(draft, how.peer, sent.path, how.token);
  return client ? std::optional(SentAgain{*client, how.cseq}) : std::nullopt;
}

// The BYE of a fork that nobody took: its leg and its call may be gone, and nobody keeps what its peer has
// asked before. So the number of its tries stands in its token: once, and once more for a stale nonce.
void CallManager::on_stray_response(sip::ClientId id, std::uint64_t token, const sip::MessageView& response) {
  const auto tries = static_cast<std::uint32_t>(token >> 32) & 0x0fffffffu;
  const auto peer = peer_of(response.path);
  const sip::StoredMessage sent = transactions_->request_of(id);
  if (!is_challenge(response) || !peer || !sent) return;
  if (tries != 0 && (tries != 1 || !sip::is_stale(response))) return;
  sip::Authenticator authenticator;
  if (!answers_challenge(authenticator, *peer, response)) return;
  (void)send_once_more(sent.view(), {authenticator, *peer, sent.view().cseq() + 1,
                                     CallManager::token(Purpose::stray, {tries + 1, 0})});
}

}  // namespace sallyport::b2bua

// SPDX-License-Identifier: Apache-2.0
// A peer challenges our requests, and we have credentials for it: the request goes out once more on the same
// leg, with the next CSeq and the same Call-ID and From tag (RFC 3261 22.2). Without credentials, or when
// they are refused, the challenge is a failure like any other.
#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {
namespace {

sip::DigestCredentials credentials_of(const config::Peer& peer) {
  return {
      .user = peer.credentials.user, .password = peer.credentials.password, .realm = peer.credentials.realm};
}

}  // namespace

std::string CallManager::authorization(Leg& leg, std::string_view method, std::string_view uri,
                                       std::string_view body) {
  std::string lines;
  if (leg.authenticator.empty()) return lines;
  sip::HeaderWriter out(lines);
  leg.authenticator.authorize(out, credentials_of(services_.config.peers[leg.peer]), method, uri, body);
  return lines;
}

bool CallManager::answers_challenge(Leg& leg, const sip::MessageView& response) {
  if (response.status() != 401 && response.status() != 407) return false;
  const config::Peer& peer = services_.config.peers[leg.peer];
  if (peer.credentials.empty()) return false;
  return leg.authenticator.challenged(response, credentials_of(peer), sip::make_cnonce()) ==
         sip::Authenticator::Verdict::retry;
}

bool CallManager::invited_again(Leg& leg, const sip::MessageView& response) {
  const bool waits = leg.state == LegState::inviting || leg.state == LegState::early;
  if (!waits || leg.call->over || !answers_challenge(leg, response)) return false;
  return invite_once_more(leg);
}

bool CallManager::relayed_again(Leg& leg, Relay& relay, const sip::MessageView& response) {
  if (leg.call->over || !leg.dialog || !answers_challenge(leg, response)) return false;
  // A PRACK stands in the dialog of its response, and is not worth it.
  return relay.client_method != sip::Method::prack && send_relay(leg, relay);
}

}  // namespace sallyport::b2bua

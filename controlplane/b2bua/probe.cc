// SPDX-License-Identifier: Apache-2.0
// OPTIONS to the targets of peers that have `probe` set (RFC 3261 11): is there anybody?
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/sips.h"

namespace sallyport::b2bua {

using sip::HeaderId;

void CallManager::probe(Nanoseconds now_ns) {
  while (const auto due = services_.health.take_due_probe(now_ns)) {
    const config::Peer& peer = services_.config.peers[due->peer];
    const config::Target& target = *services_.health.place(*due);
    const config::Realm& realm = services_.config.realms[peer.realm];
    const auto transport = static_cast<sip::Transport>(target.transport);
    const sip::Path path{
        .local = {realm.address(target.endpoint.address.family()), realm.sip_port(target.transport)},
        .remote = target.endpoint,
        .realm = peer.realm,
        .transport = transport,
        .peer = peer_to_prove(transport, due->peer),
        .host = host_to_prove(target)};
    const bool sips = is_sips(target.uri);
    const std::string host = path.local.to_text();
    // No leg has this generation: the tag is only there to be unique.
    const Handle nobody{0, static_cast<std::uint32_t>(random_())};
    std::string lines;
    sip::HeaderWriter out(lines);
    out.line(HeaderId::from, {"<sip:", host, ">;tag=", mint(steer::TokenKind::tag, nobody)});
    out.line(HeaderId::to, {"<", target.uri, ">"});
    out.line(HeaderId::call_id, mint(steer::TokenKind::call_id, nobody));
    out.line(HeaderId::cseq, "1 OPTIONS");
    out.line(HeaderId::max_forwards, "70");
    out.line(HeaderId::contact,
             {sips ? "<sips:" : "<sip:", host, sips ? "" : transport_param(path.transport), ">"});
    out.line(HeaderId::accept, "application/sdp");
    const sip::RequestDraft draft{
        .method = sip::Method::options, .request_uri = target.uri, .headers = lines, .opens = true};
    const std::uint64_t whose = token(Purpose::probe, {due->peer, due->target});
    if (!start_request(draft, due->peer, path, whose)) services_.health.probe_result(*due, false);
  }
}

void CallManager::on_probe_result(std::uint64_t token, bool alive) {
  services_.health.probe_result(
      {static_cast<config::PeerIndex>(token >> 32 & 0xffff), static_cast<std::uint16_t>(token)}, alive);
}

}  // namespace sallyport::b2bua

// SPDX-License-Identifier: Apache-2.0
// The peers, as this shard has seen them and heard of them.
#include "controlplane/shard/shard.h"

namespace sallyport::shard {
namespace {

std::string state_text(const routing::PeerHealth& health, routing::TargetId id, Nanoseconds now_ns) {
  switch (health.state(id, now_ns)) {
    case routing::TargetState::up:
      return "up";
    case routing::TargetState::down:
      return "down";
    case routing::TargetState::resting:
      break;
  }
  const Nanoseconds left = health.rests_until(id, now_ns) - now_ns;
  return "out of use for " + std::to_string((left + kSecond - 1) / kSecond) + "s";
}

// "192.0.2.10:5060 up", "sip.example (stale): tcp 192.0.2.10:5060 up", "sip.example: no such name".
void show_target(const config::Config& config, const routing::PeerHealth& health, config::PeerIndex peer,
                 std::uint16_t configured, Nanoseconds now_ns, std::vector<std::string>& out) {
  const config::Target& target = config.peers[peer].targets[configured];
  const auto places = health.places_of(peer, configured);
  const routing::NameState state = health.name_state(peer, configured);
  const bool named = !target.host.empty();
  if (named && places.empty()) {
    out.push_back(target.host + ": " + std::string(routing::to_text(state)));
    return;
  }
  for (const routing::TargetId id : places) {
    const config::Target& place = *health.place(id);
    std::string text;
    if (named) {
      text = target.host + (state == routing::NameState::stale ? " (stale): " : ": ");
      text += sip::transport_name(static_cast<sip::Transport>(place.transport));
      text += " ";
    }
    out.push_back(text + place.endpoint.to_text() + " " + state_text(health, id, now_ns));
  }
}

}  // namespace

std::vector<stats::PeerRow> Shard::peers() {
  std::vector<stats::PeerRow> rows;
  const Nanoseconds now_ns = wheel_.now_ns();
  for (config::PeerIndex i = 0; i < config_.peers.size(); ++i) {
    const config::Peer& peer = config_.peers[i];
    if (peer.retired && admission_.peer_calls(i) == 0) continue;
    stats::PeerRow& row = rows.emplace_back();
    row.name = peer.name;
    row.removed = peer.retired;
    row.realm = config_.realms[peer.realm].name;
    row.usable = peer.targets.empty() || health_.peer_usable(i, now_ns);
    row.calls = admission_.peer_calls(i);
    for (std::uint16_t t = 0; t < peer.targets.size(); ++t) {
      show_target(config_, health_, i, t, now_ns, row.targets);
    }
  }
  return rows;
}

}  // namespace sallyport::shard

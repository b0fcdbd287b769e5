// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/without_places.h"

namespace sallyport::config {
namespace {

void forget(Numbers& numbers) {
  for (NumberRule& rule : numbers.in) rule.at = {};
  for (NumberRule& rule : numbers.out) rule.at = {};
}

}  // namespace

std::vector<Port> without_places(std::vector<Port> ports) {
  for (Port& port : ports) port.at = {};
  return ports;
}

Realm without_places(Realm realm) {
  realm.at = realm.tls.at = {};
  return realm;
}

Peer without_places(Peer peer) {
  peer.at = peer.tls.at = {};
  forget(peer.numbers);
  return peer;
}

Route without_places(Route route) {
  route.at = {};
  forget(route.numbers);
  return route;
}

MapConfig without_places(MapConfig map) {
  map.at = {};
  for (MapBase& base : map.base) base.at = {};
  for (MapRule& rule : map.rules)
    rule.at = rule.code_at = rule.local_at = rule.send_at = rule.warning_at = {};
  return map;
}

}  // namespace sallyport::config

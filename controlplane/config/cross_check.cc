// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <tuple>

#include "controlplane/config/read.h"

namespace sallyport::config {
namespace {

// An AF_XDP port's frames live in hugepages; `auto` falls back to AF_PACKET by itself.
void check_memory(const Draft& draft, Faults& faults) {
  const Dataplane& dataplane = draft.config.dataplane;
  if (dataplane.memory != Memory::ordinary) return;
  for (const Port& port : dataplane.ports) {
    if (!port.device.starts_with("net_af_xdp")) continue;
    faults.add(draft.memory,
               "dataplane.memory: ordinary memory does not do for port '" + port.name +
                   "': net_af_xdp needs hugepages (use auto or hugepages, or a net_af_packet device)");
  }
}

void check_shard_cores(const Draft& draft, Faults& faults) {
  const auto& polling = draft.config.dataplane.cores;
  for (std::size_t i = 0; i < draft.shard_cores.size(); ++i) {
    const unsigned core = draft.config.controlplane.cores[i];
    if (std::find(polling.begin(), polling.end(), core) == polling.end()) continue;
    faults.add(draft.shard_cores[i], "controlplane.cores: core " + std::to_string(core) +
                                         " polls (dataplane.cores): a shard would starve there");
  }
}

// Two servers, so the second could not listen there; nor where the other has the port on every address.
void check_listens(const Draft& draft, Faults& faults) {
  const auto& metrics = draft.config.metrics.listen;
  const auto& status = draft.config.status.listen;
  if (!metrics || !status || metrics->port != status->port) return;
  const auto everywhere = [](const Endpoint& listen) { return listen.address.is_unspecified(); };
  if (*metrics != *status && !everywhere(*metrics) && !everywhere(*status)) return;
  faults.add(draft.status_listen, "status.listen: " + status->to_text() + " is where metrics.listen is (" +
                                      metrics->to_text() + "): give one of them another port");
}

bool overlap(const Prefix& a, const Prefix& b) {
  return a.contains(b.address) || b.contains(a.address);
}

// One address has one owner; and on one wire the destination's network decides the realm.
void check_address_pair(const Draft& draft, std::size_t realm, std::size_t i, std::size_t other,
                        std::size_t j, Faults& faults) {
  const Realm& a = draft.config.realms[realm];
  const Realm& b = draft.config.realms[other];
  const Prefix& mine = a.addresses[i];
  const Prefix& theirs = b.addresses[j];
  const std::string head = "realms." + a.name + ".addresses: " + mine.to_text();
  const Place at = draft.realms[realm].addresses[i];
  const std::string whose = realm == other ? "this realm" : "realm '" + b.name + "'";
  if (mine.address == theirs.address) {
    faults.add(at, head + " stands in " + whose + " already");
    return;
  }
  const bool one_wire = draft.realms[realm].port_known && draft.realms[other].port_known &&
                        a.port == b.port && a.vlan == b.vlan;
  if (realm != other && one_wire && overlap(mine, theirs)) {
    faults.add(at, head + " overlaps " + theirs.to_text() + " of " + whose + " on the same port");
  }
}

void check_addresses(const Draft& draft, Faults& faults) {
  const auto& realms = draft.config.realms;
  for (std::size_t realm = 0; realm < realms.size(); ++realm) {
    for (std::size_t i = 0; i < realms[realm].addresses.size(); ++i) {
      for (std::size_t other = 0; other <= realm; ++other) {
        const std::size_t end = other == realm ? i : realms[other].addresses.size();
        for (std::size_t j = 0; j < end; ++j) check_address_pair(draft, realm, i, other, j, faults);
      }
    }
  }
}

void check_gateways(const Draft& draft, std::size_t index, Faults& faults) {
  const Realm& realm = draft.config.realms[index];
  for (std::size_t i = 0; i < realm.gateways.size(); ++i) {
    const IpAddress& gateway = realm.gateways[i];
    const std::string head = "realms." + realm.name + ".gateways: " + gateway.to_text();
    const auto on_link = [&](const Prefix& prefix) { return prefix.contains(gateway); };
    const auto own = [&](const Prefix& prefix) { return prefix.address == gateway; };
    if (std::any_of(realm.addresses.begin(), realm.addresses.end(), own)) {
      faults.add(draft.realms[index].gateways[i], head + " is this realm's own address");
    } else if (!gateway.is_link_local() &&
               std::none_of(realm.addresses.begin(), realm.addresses.end(), on_link)) {
      faults.add(draft.realms[index].gateways[i], head + " is in none of the realm's networks");
    }
  }
}

void check_sip_port(const Draft& draft, std::size_t index, Faults& faults) {
  const Realm& realm = draft.config.realms[index];
  if (realm.sip_udp < realm.media_first || realm.sip_udp > realm.media_last) return;
  faults.add(draft.realms[index].sip_udp, "realms." + realm.name + ".sip.udp: port " +
                                              std::to_string(realm.sip_udp) + " is within media.ports (" +
                                              std::to_string(realm.media_first) + "-" +
                                              std::to_string(realm.media_last) + ")");
}

void check_matches(const Draft& draft, Faults& faults) {
  std::map<std::tuple<RealmIndex, Prefix>, std::size_t> owners;
  for (std::size_t p = 0; p < draft.config.peers.size(); ++p) {
    const Peer& peer = draft.config.peers[p];
    if (!draft.peers[p].realm_known) continue;
    for (std::size_t i = 0; i < peer.match.size(); ++i) {
      const auto [owner, fresh] = owners.emplace(std::tuple(peer.realm, peer.match[i]), p);
      if (fresh) continue;
      const std::string whose =
          owner->second == p ? "this peer" : "peer '" + draft.config.peers[owner->second].name + "'";
      faults.add(draft.peers[p].match[i], "peers." + peer.name + ".match: " + peer.match[i].to_text() +
                                              " stands in " + whose + " already");
    }
  }
}

// A target by name needs a transport of its realm's to be called over.
void check_named_target(const Target& target, const Realm& realm, Place at, const std::string& head,
                        Faults& faults) {
  const auto speaks = [&](Transport transport) {
    const bool fits = !target.transport_given || target.transport == transport ||
                      (target.secure && target.transport == Transport::tcp && transport == Transport::tls);
    const bool secure = !target.secure || transport == Transport::tls;
    return fits && secure && realm.sip_port(transport) != 0;
  };
  if (speaks(Transport::udp) || speaks(Transport::tcp) || speaks(Transport::tls)) return;
  faults.add(at, head + "realm '" + realm.name + "' speaks no transport that '" + target.host +
                     "' could be reached over");
}

// A name server beside the media and the calls is reached through the tap, which lets TCP of ours pass and no
// UDP.
void check_dns(const Draft& draft, Faults& faults) {
  const Dns& dns = draft.config.dns;
  for (std::size_t i = 0; i < dns.servers.size(); ++i) {
    const IpAddress& server = dns.servers[i].address;
    const std::string head = "dns.servers: " + server.to_text();
    for (const Realm& realm : draft.config.realms) {
      const auto own = [&](const Prefix& prefix) { return prefix.address == server; };
      const auto near = [&](const Prefix& prefix) { return prefix.contains(server); };
      if (std::ranges::any_of(realm.addresses, own)) {
        faults.add(draft.dns_servers[i], head + " is realm '" + realm.name + "' itself");
      } else if (dns.transport == DnsTransport::udp && std::ranges::any_of(realm.addresses, near)) {
        faults.add(draft.dns_servers[i],
                   head + " is in realm '" + realm.name + "', where only 'transport: tcp' reaches it");
      }
    }
  }
}

// TLS needs a certificate to show, and a name is only as good as the anchors that it was found good by.
void check_tls(const Draft& draft, Faults& faults) {
  for (const Realm& realm : draft.config.realms) {
    if (realm.sip_tls != 0 && realm.tls.own.certificate.empty()) {
      faults.add(realm.at, "realms." + realm.name + ": sip.tls needs tls.certificate and tls.key");
    }
    if (realm.sip_tls != 0 && realm.sip_tls == realm.sip_tcp) {
      faults.add(realm.at, "realms." + realm.name + ": sip.tcp and sip.tls have the same port");
    }
  }
  std::map<std::tuple<RealmIndex, std::string>, std::string> owners;
  for (std::size_t p = 0; p < draft.config.peers.size(); ++p) {
    const Peer& peer = draft.config.peers[p];
    if (!draft.peers[p].realm_known) continue;
    const Realm& realm = draft.config.realms[peer.realm];
    const bool checked = realm.sip_tls != 0 && !realm.tls.ca.empty() && realm.tls.verify != TlsVerify::no;
    for (std::size_t i = 0; i < peer.match_names.size(); ++i) {
      const Place at = draft.peers[p].match_names[i];
      const std::string head = "peers." + peer.name + ".match: tls:" + peer.match_names[i];
      if (!checked) {
        faults.add(at, head + " needs sip.tls and tls.ca of realm '" + realm.name +
                           "', and its tls.verify yes or optional");
      }
      const auto [owner, fresh] = owners.emplace(std::tuple(peer.realm, peer.match_names[i]), peer.name);
      if (!fresh) faults.add(at, head + " stands in peer '" + owner->second + "' already");
    }
  }
}

// A target needs an address of its family to be called from.
void check_families(const Draft& draft, Faults& faults) {
  for (std::size_t p = 0; p < draft.config.peers.size(); ++p) {
    const Peer& peer = draft.config.peers[p];
    if (!draft.peers[p].realm_known) continue;
    const Realm& realm = draft.config.realms[peer.realm];
    if (realm.addresses.empty()) continue;  // has its own fault
    for (std::size_t i = 0; i < peer.targets.size(); ++i) {
      const IpAddress& address = peer.targets[i].endpoint.address;
      const std::string head = "peers." + peer.name + ".targets: ";
      if (!peer.targets[i].host.empty()) {
        check_named_target(peer.targets[i], realm, draft.peers[p].targets[i], head, faults);
        continue;
      }
      const auto own = [&](const Prefix& prefix) { return prefix.address == address; };
      if (!realm.address(address.family())) {
        faults.add(draft.peers[p].targets[i], head + "realm '" + realm.name + "' has no " +
                                                  (address.is_v4() ? "IPv4" : "IPv6") + " address to reach " +
                                                  address.to_text() + " from");
      } else if (std::any_of(realm.addresses.begin(), realm.addresses.end(), own)) {
        faults.add(draft.peers[p].targets[i],
                   head + address.to_text() + " is realm '" + realm.name + "' itself");
      } else if (realm.sip_port(peer.targets[i].transport) == 0) {
        // Our Via and Contact name the port that we listen at.
        const std::string_view key = peer.targets[i].transport == Transport::tcp   ? "sip.tcp"
                                     : peer.targets[i].transport == Transport::tls ? "sip.tls"
                                                                                   : "sip.udp";
        faults.add(draft.peers[p].targets[i],
                   head + "realm '" + realm.name + "' has no " + std::string(key) + " to reach it from");
      }
    }
  }
}

void check_routes(const Draft& draft, Faults& faults) {
  for (std::size_t r = 0; r < draft.config.routes.size(); ++r) {
    const Route& route = draft.config.routes[r];
    for (std::size_t i = 0; i < route.to.size(); ++i) {
      const Peer& peer = draft.config.peers[route.to[i].peer];
      if (!peer.targets.empty() || draft.peers[route.to[i].peer].targets_given) continue;
      faults.add(draft.routes[r].to[i],
                 "routes[" + std::to_string(r + 1) + "].to: peer '" + peer.name + "' has no targets");
    }
  }
}

// A 'receive' map cleans what a peer says; what we find wrong ourselves goes by the 'send' map of who hears
// it.
void check_receive_maps(const Draft& draft, Faults& faults) {
  const auto& peers = draft.config.peers;
  for (std::size_t m = 0; m < draft.config.response_maps.size(); ++m) {
    const MapConfig& map = draft.config.response_maps[m];
    const auto receives = std::ranges::find(peers, m, &Peer::map_receive);
    if (receives == peers.end() || std::ranges::find(peers, m, &Peer::map_send) != peers.end()) continue;
    for (std::size_t i = 0; i < map.rules.size(); ++i) {
      if (map.rules[i].local_at.line == 0) continue;
      faults.add(map.rules[i].local_at, "response_maps." + map.name + ".rules[" + std::to_string(i + 1) +
                                            "].local: never decides: peer '" + receives->name +
                                            "' only receives by this map, and a local error goes by the "
                                            "'send' map of the peer that hears it");
    }
  }
}

}  // namespace

void cross_check(const Draft& draft, Faults& faults) {
  check_memory(draft, faults);
  check_shard_cores(draft, faults);
  check_listens(draft, faults);
  check_addresses(draft, faults);
  for (std::size_t i = 0; i < draft.config.realms.size(); ++i) {
    check_gateways(draft, i, faults);
    check_sip_port(draft, i, faults);
  }
  check_matches(draft, faults);
  check_tls(draft, faults);
  check_families(draft, faults);
  check_routes(draft, faults);
  check_receive_maps(draft, faults);
  check_dns(draft, faults);
}

}  // namespace sallyport::config

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/config.h"

#include <algorithm>
#include <numeric>

namespace sallyport::config {
namespace {

template <typename T>
std::uint16_t index_of(const std::vector<T>& list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& item) { return item.name == name; });
  return found == list.end() ? kNoIndex : static_cast<std::uint16_t>(found - list.begin());
}

}  // namespace

IpAddress Realm::address(Family family) const {
  for (const Prefix& prefix : addresses) {
    if (prefix.address.family() == family) return prefix.address;
  }
  return {};
}

std::uint16_t Realm::sip_port(Transport transport) const {
  return transport == Transport::udp ? sip_udp : transport == Transport::tcp ? sip_tcp : sip_tls;
}

PeerIndex Config::find_peer(std::string_view name) const {
  return index_of(peers, name);
}

RealmIndex Config::find_realm(std::string_view name) const {
  return index_of(realms, name);
}

std::vector<std::uint16_t> walked_routes(const Config& config) {
  if (config.route_order) return *config.route_order;
  std::vector<std::uint16_t> all(config.routes.size());
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  return all;
}

std::string_view to_text(PrivateMedia value) {
  switch (value) {
    case PrivateMedia::automatic:
      return "auto";
    case PrivateMedia::latch:
      return "latch";
    case PrivateMedia::reject:
      return "reject";
    case PrivateMedia::trust:
      return "trust";
  }
  return "";
}

std::string_view to_text(Latch value) {
  switch (value) {
    case Latch::automatic:
      return "auto";
    case Latch::off:
      return "off";
    case Latch::once:
      return "once";
    case Latch::same_address:
      return "same-address";
    case Latch::asymmetric:
      return "asymmetric";
  }
  return "";
}

std::string_view to_text(UnknownSource value) {
  return value == UnknownSource::reject ? "reject" : "drop";
}

std::string_view to_text(LogLevel value) {
  switch (value) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "";
}

}  // namespace sallyport::config

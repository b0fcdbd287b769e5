// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "controlplane/config/read.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kMaxServers = 8;
constexpr std::uint16_t kDnsPort = 53;

constexpr std::array<std::pair<std::string_view, DnsTransport>, 2> kTransports{
    {{"udp", DnsTransport::udp}, {"tcp", DnsTransport::tcp}}};

// "192.0.2.53", "2001:db8::53", "192.0.2.53:5353", "[2001:db8::53]:5353".
std::optional<Endpoint> read_server(const Value& item) {
  const auto text = item.text(64);
  if (!text) return std::nullopt;
  std::optional<Endpoint> server = Endpoint::parse(*text);
  if (const auto address = IpAddress::parse(*text)) server = Endpoint{*address, kDnsPort};
  if (!server || server->port == 0) {
    item.fault("must be an IP address, with a port or without");
    return std::nullopt;
  }
  const IpAddress& address = server->address;
  if (address.is_multicast() || address.is_unspecified() || address.is_broadcast()) {
    item.fault("{} cannot be a name server", address.to_text());
    return std::nullopt;
  }
  return server;
}

void read_servers(MapReader& reader, Draft& draft) {
  const auto value = reader.get("servers");
  if (!value) return;
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("is empty");
  if (items.size() > kMaxServers) value->fault("has more than {} servers", kMaxServers);
  for (const Value& item : items) {
    const auto server = read_server(item);
    if (!server) continue;
    if (std::ranges::find(draft.config.dns.servers, *server) != draft.config.dns.servers.end()) {
      item.fault("{} stands there already", server->to_text());
      continue;
    }
    draft.config.dns.servers.push_back(*server);
    draft.dns_servers.push_back(item.at());
  }
}

}  // namespace

void read_dns(MapReader& top, Draft& draft) {
  const auto value = top.get("dns");
  if (!value) return;
  MapReader reader(*value);
  Dns& dns = draft.config.dns;
  read_servers(reader, draft);
  reader.choice<DnsTransport>("transport", dns.transport, kTransports);
  reader.duration("timeout", dns.timeout_ns, 100 * kMillisecond, 30 * kSecond);
  reader.number("tries", dns.tries, 1, 10);
  reader.duration("min_ttl", dns.min_ttl_ns, kSecond, kDay);
  reader.duration("max_ttl", dns.max_ttl_ns, kSecond, kDay);
  reader.duration_or_off("max_stale", dns.max_stale_ns, kSecond, 30 * kDay);
  if (dns.max_ttl_ns < dns.min_ttl_ns) value->fault("max_ttl is below min_ttl");
  reader.finish();
}

}  // namespace sallyport::config

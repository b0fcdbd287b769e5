// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/dry_run.h"

#include <fmt/format.h>

#include "controlplane/routing/router.h"
#include "dataplane/sip/uri.h"

namespace sallyport::routing {
namespace {

std::string route_head(const config::Config& config, std::size_t index) {
  const config::Route& route = config.routes[index];
  std::string from;
  for (const config::PeerIndex peer : route.from)
    from += (from.empty() ? "" : ", ") + config.peers[peer].name;
  return fmt::format("route {} (line {}): from {}, user {}, {}\n", index + 1, route.at.line,
                     from.empty() ? "any" : from, route.user.empty() ? "any" : "\"" + route.user + "\"",
                     route.weighted ? "by weight" : "in order");
}

}  // namespace

std::expected<std::string, std::string> route_text(const config::Config& config, std::string_view from_peer,
                                                   std::string_view uri, std::uint64_t random) {
  const config::PeerIndex from = config.find_peer(from_peer);
  if (from == config::kNoIndex)
    return std::unexpected(fmt::format("no peer '{}' in the configuration", from_peer));
  const auto parsed = sip::parse_uri(uri);
  if (!parsed || parsed->scheme == sip::Scheme::other) {
    return std::unexpected(fmt::format("'{}' is not a sip, sips or tel URI", uri));
  }
  const PeerHealth health(config, 0);
  const RouteReport report = Router(config).explain(from, parsed->user, random, health, 0);
  if (!report.choice.route) {
    return fmt::format("no route: local error no-route\n");
  }
  std::string text = route_head(config, *report.choice.route);
  std::size_t place = 0;
  for (const RouteStep& step : report.steps) {
    const config::Peer& peer = config.peers[step.id.peer];
    text += fmt::format("  {} {} {} ({})\n", step.tried ? std::to_string(++place) + "." : "-", peer.name,
                        peer.targets[step.id.target].uri, step.why);
  }
  return text;
}

}  // namespace sallyport::routing

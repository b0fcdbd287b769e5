// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/dry_run.h"

#include <fmt/format.h>

#include "controlplane/routing/numbers.h"
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

std::string user_of(const std::string& uri) {
  const auto parsed = sip::parse_uri(uri);
  return parsed ? std::string(parsed->user) : std::string();
}

// Each name as one place.
ResolvedNames assumed_names(const config::Config& config) {
  ResolvedNames names;
  for (std::size_t peer = 0; peer < config.peers.size(); ++peer) {
    const auto& targets = config.peers[peer].targets;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i].host.empty()) continue;
      names.push_back({static_cast<config::PeerIndex>(peer),
                       static_cast<std::uint16_t>(i),
                       NameState::resolved,
                       {ResolvedPlace{}}});
    }
  }
  return names;
}

}  // namespace

std::expected<DryRun, std::string> dry_run(const config::Config& config, std::string_view from_peer,
                                           std::string_view uri, std::uint64_t random) {
  const config::PeerIndex from = config.find_peer(from_peer);
  if (from == config::kNoIndex)
    return std::unexpected(fmt::format("no peer '{}' in the configuration", from_peer));
  const auto parsed = sip::parse_uri(uri);
  if (!parsed || parsed->scheme == sip::Scheme::other) {
    return std::unexpected(fmt::format("'{}' is not a sip, sips or tel URI", uri));
  }
  DryRun run;
  run.user = parsed->user;
  const NumberPath heard_as(config, from, std::nullopt, config::kNoIndex);
  run.context = phone_context(*parsed);
  run.passed_over = heard_as.passes_over(Party::called, uri);
  if (const auto number = number_of_user(parsed->user); number && !run.passed_over) {
    run.number_rule = apply_numbers(config.peers[from].numbers, Way::in, Party::called, *number).rule;
  }
  const std::string heard = heard_as.uri(Party::called, uri);
  run.number = user_of(heard);
  PeerHealth health(config, 0);
  health.learn(assumed_names(config), 0);
  RouteReport report = Router(config).explain(from, run.number, random, health, 0);
  run.choice = std::move(report.choice);
  for (RouteStep& step : report.steps) {
    const NumberPath path(config, from, run.choice.route, step.id.peer);
    const config::Target& target = *health.place(step.id);
    if (!target.host.empty()) step.why += ", looked up while running";
    const bool passed_over = NumberPath(config, config::kNoIndex, run.choice.route, step.id.peer)
                                 .passes_over(Party::called, heard);
    run.targets.push_back(
        {std::move(step), target, user_of(path.uri(Party::called, uri)), passed_over, {}, {}});
  }
  return run;
}

std::string render(const config::Config& config, const DryRun& run) {
  std::string text;
  if (run.number_rule) {
    text += fmt::format("number {} becomes {} (numbers.in, rule {})\n", run.user, run.number,
                        *run.number_rule + 1);
  }
  if (run.passed_over) {
    text += fmt::format("number {} stays: phone-context {} is not of this plan (numbers.in)\n", run.user,
                        run.context);
  }
  if (!run.choice.route) return text + "no route: local error no-route\n";
  text += route_head(config, *run.choice.route);
  std::size_t place = 0;
  for (const DryRunTarget& to : run.targets) {
    const config::Peer& peer = config.peers[to.step.id.peer];
    text += fmt::format("  {} {} {} ({})", to.step.tried ? std::to_string(++place) + "." : "-", peer.name,
                        to.target.uri, to.step.why);
    if (!to.user.empty()) text += " as " + to.user;
    if (to.passed_over) text += fmt::format(", of phone-context {}", run.context);
    if (!to.refusal.empty()) text += ", refused: " + to.refusal;
    text += "\n";
    for (const std::string& line : to.lines) text += "       " + line + "\n";
  }
  if (!run.refusal.empty()) text += "refused: " + run.refusal + "\n";
  return text;
}

}  // namespace sallyport::routing

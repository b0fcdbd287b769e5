// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/sip/uri.h"

namespace sallyport::routing {
namespace {

using config::RouteTarget;

// The user part as compared: escapes undone, without a telephone-subscriber's parameters (RFC 3261 19.1.6).
std::string number_of(std::string_view user) {
  return sip::unescape(user.substr(0, user.find(';')));
}

// The peers of a weighted route in the order to try: one drawn by weight, the rest by falling weight.
// `random` is uniform, so its remainder is as good as needed for sums of at most a few thousand.
std::vector<RouteTarget> draw(std::vector<RouteTarget> peers, std::uint64_t random) {
  std::uint64_t total = 0;
  for (const RouteTarget& peer : peers) total += peer.weight;
  if (total == 0) return peers;
  std::uint64_t ticket = random % total;
  auto drawn = peers.begin();
  while (ticket >= drawn->weight) ticket -= (drawn++)->weight;
  std::rotate(peers.begin(), drawn, drawn + 1);
  const auto heavier = [](const RouteTarget& a, const RouteTarget& b) { return a.weight > b.weight; };
  // Insertion sort: stable, and without the memory that std::stable_sort takes.
  for (auto it = peers.begin() + 1; it != peers.end(); ++it) {
    std::rotate(std::upper_bound(peers.begin() + 1, it, *it, heavier), it, it + 1);
  }
  return peers;
}

std::vector<RouteTarget> usable_peers(const config::Route& route, const PeerHealth& health,
                                      Nanoseconds now_ns) {
  std::vector<RouteTarget> peers;
  for (const RouteTarget& to : route.to) {
    if (health.peer_usable(to.peer, now_ns)) peers.push_back(to);
  }
  return peers;
}

std::string state_text(const PeerHealth& health, TargetId id, Nanoseconds now_ns) {
  switch (health.state(id, now_ns)) {
    case TargetState::up:
      return "up";
    case TargetState::down:
      return "down: its probes were not answered";
    case TargetState::resting:
      return fmt::format("resting for {} s more",
                         (health.rests_until(id, now_ns) - now_ns + kSecond - 1) / kSecond);
  }
  return "";
}

}  // namespace

bool pattern_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;  // let the last star take one character more
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<std::size_t> Router::find_route(config::PeerIndex from, std::string_view number) const {
  const auto fits = [&](const config::Route& route) {
    const bool from_fits =
        route.from.empty() || std::find(route.from.begin(), route.from.end(), from) != route.from.end();
    return from_fits && (route.user.empty() || pattern_matches(route.user, number));
  };
  if (config_.route_order) {
    const auto found =
        std::ranges::find_if(*config_.route_order, [&](auto i) { return fits(config_.routes[i]); });
    return found == config_.route_order->end() ? std::nullopt : std::optional<std::size_t>(*found);
  }
  const auto found = std::ranges::find_if(config_.routes, fits);
  return found == config_.routes.end() ? std::nullopt
                                       : std::optional<std::size_t>(found - config_.routes.begin());
}

RouteChoice Router::route(config::PeerIndex from, std::string_view user, std::uint64_t random,
                          const PeerHealth& health, Nanoseconds now_ns) const {
  RouteChoice choice;
  choice.route = find_route(from, number_of(user));
  if (!choice.route) return choice;
  const config::Route& route = config_.routes[*choice.route];
  std::vector<RouteTarget> peers = usable_peers(route, health, now_ns);
  choice.last_resort = peers.empty();
  if (choice.last_resort) peers = route.to;
  if (route.weighted) peers = draw(std::move(peers), random);
  for (const RouteTarget& to : peers) {
    for (const TargetId id : health.in_order(to.peer, random + to.peer)) {
      if (choice.last_resort || health.usable(id, now_ns)) choice.candidates.push_back(id);
    }
  }
  return choice;
}

RouteReport Router::explain(config::PeerIndex from, std::string_view user, std::uint64_t random,
                            const PeerHealth& health, Nanoseconds now_ns) const {
  RouteReport report;
  report.choice = route(from, user, random, health, now_ns);
  if (!report.choice.route) return report;
  const config::Route& route = config_.routes[*report.choice.route];
  const auto weight_of = [&](config::PeerIndex peer) {
    const auto is = [&](const RouteTarget& to) { return to.peer == peer; };
    return std::find_if(route.to.begin(), route.to.end(), is)->weight;
  };
  const auto& candidates = report.choice.candidates;
  for (const TargetId id : candidates) {
    std::string why = route.weighted ? fmt::format("weight {}, ", weight_of(id.peer)) : "";
    why += state_text(health, id, now_ns);
    if (report.choice.last_resort) why += ", tried since no other is left";
    report.steps.push_back({id, true, std::move(why)});
  }
  for (const RouteTarget& to : route.to) {
    for (const TargetId id : health.in_order(to.peer, random + to.peer)) {
      if (std::find(candidates.begin(), candidates.end(), id) != candidates.end()) continue;
      report.steps.push_back({id, false, state_text(health, id, now_ns)});
    }
  }
  return report;
}

}  // namespace sallyport::routing

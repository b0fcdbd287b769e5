// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"
#include "dataplane/sip/uri.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kLongestPattern = 128;
constexpr std::uint64_t kMaxWeight = 1000;

PeerIndex resolve(const Value& item, std::string_view name, const Draft& draft) {
  const PeerIndex peer = draft.config.find_peer(name);
  if (peer == kNoIndex) item.fault("no peer {} in peers", in_quotes(name));
  return peer;
}

void read_from(MapReader& reader, const Draft& draft, Route& route) {
  const auto value = reader.get("from");
  if (!value) return;
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("is empty: leave 'from' out for any peer");
  for (const Value& item : items) {
    const auto name = item.text();
    if (!name) continue;
    if (const PeerIndex peer = resolve(item, *name, draft); peer != kNoIndex) route.from.push_back(peer);
  }
}

void add_target(const Value& item, Place at, std::string_view name, std::uint32_t weight, const Draft& draft,
                Route& route, Draft::RoutePlaces& places) {
  const PeerIndex peer = resolve(item, name, draft);
  if (peer == kNoIndex) return;
  const auto same = [&](const RouteTarget& t) { return t.peer == peer; };
  if (std::any_of(route.to.begin(), route.to.end(), same)) {
    item.fault("peer '{}' is named twice", name);
    return;
  }
  route.to.push_back({peer, weight});
  places.to.push_back(at);
}

void read_to(MapReader& reader, const Draft& draft, Route& route, Draft::RoutePlaces& places) {
  const auto value = reader.need("to");
  if (!value) return;
  if (value->is_map()) {
    route.weighted = true;
    const auto weights = value->named();
    if (weights.empty()) value->fault("needs at least one peer");
    for (const auto& [name, weight, at] : weights) {
      const auto number = weight.number(1, kMaxWeight);
      add_target(weight, at, name, static_cast<std::uint32_t>(number.value_or(1)), draft, route, places);
    }
    return;
  }
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("needs at least one peer");
  for (const Value& item : items) {
    if (const auto name = item.text()) add_target(item, item.at(), *name, 0, draft, route, places);
  }
}

void read_user(MapReader& reader, Route& route) {
  const auto value = reader.get("user");
  if (!value) return;
  auto pattern = value->text(kLongestPattern);
  if (!pattern) return;
  if (pattern->find_first_of(" \t") != std::string::npos) {
    value->fault("{} has a blank: it matches nothing", in_quotes(*pattern));
    return;
  }
  route.user = sip::unescape(*pattern);  // as the user parts that it is held against
}

}  // namespace

void read_routes(MapReader& top, Draft& draft) {
  const auto value = top.get("routes");
  if (!value) return;
  for (const Value& item : value->list()) {
    Route route;
    Draft::RoutePlaces places;
    route.at = item.at();
    MapReader reader(item);
    read_from(reader, draft, route);
    read_user(reader, route);
    read_to(reader, draft, route, places);
    read_numbers(reader, route.numbers);
    reader.finish();
    draft.config.routes.push_back(std::move(route));
    draft.routes.push_back(std::move(places));
  }
}

}  // namespace sallyport::config

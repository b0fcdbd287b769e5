// SPDX-License-Identifier: Apache-2.0
#include "dataplane/next_hop.h"

#include <algorithm>
#include <random>
#include <tuple>

namespace sallyport::dp {
namespace {

// ffff:ffff:ffff:fffe::/64 is nobody's unicast address (RFC 4291 2.4: it is multicast).
constexpr std::uint64_t kV4High = 0xffff'ffff'ffff'fffe;
constexpr std::uint64_t kFixed = std::uint64_t{1} << 63;
constexpr std::uint64_t kRouteV4 = 1;
constexpr std::uint64_t kRouteGateway = 2;

std::uint64_t big_endian_word(const std::uint8_t* bytes, int count) {
  std::uint64_t word = 0;
  for (int i = 0; i < count; ++i) word = word << 8 | bytes[i];
  return word;
}

std::uint64_t mac_word(const MacAddress& mac) {
  return big_endian_word(mac.data(), 6);
}

MacAddress mac_of(std::uint64_t word) {
  MacAddress mac{};
  for (std::size_t i = 0; i < 6; ++i) mac[i] = static_cast<std::uint8_t>(word >> (40 - 8 * i));
  return mac;
}

std::uint64_t ones(unsigned bits) {
  return bits == 0 ? 0 : ~std::uint64_t{0} << (64 - std::min(bits, 64u));
}

std::uint32_t tick_of(Nanoseconds now_ns) {
  return static_cast<std::uint32_t>(now_ns >> 30);
}

std::uint8_t link_of(std::uint64_t state) {
  return static_cast<std::uint8_t>(state >> 8);
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

NextHopTable::NextHopTable(std::vector<std::uint8_t> link_of_realm, unsigned workers)
    : link_of_realm_(std::move(link_of_realm)),
      seed_(random_seed()),
      path_mtus_({random_seed(), random_seed()}),
      table_(std::make_unique<Neighbour[]>(kNeighbours)) {
  for (unsigned i = 0; i < workers; ++i) requests_.push_back(std::make_unique<RecordRing>(8192));
}

NextHopTable::Words NextHopTable::words_of(const IpAddress& address) {
  const std::uint8_t* bytes = address.bytes().data();
  if (address.is_v4()) return {kV4High, address.v4_host_order()};
  return {big_endian_word(bytes, 8), big_endian_word(bytes + 8, 8)};
}

IpAddress NextHopTable::address_of(const Words& words) {
  if (words.high == kV4High) return IpAddress::v4(static_cast<std::uint32_t>(words.low));
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(words.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(words.low >> (56 - 8 * i));
  }
  return IpAddress::from_bytes(Family::v6, bytes.data());
}

NextHopTable::Words NextHopTable::mask_of(const Prefix& prefix) {
  if (prefix.address.is_v4()) return {~std::uint64_t{0}, ones(32u + prefix.length)};
  return {ones(prefix.length), prefix.length > 64 ? ones(prefix.length - 64u) : 0};
}

std::size_t NextHopTable::bucket(std::uint8_t link, const Words& words) const {
  std::uint64_t hash = (words.high ^ seed_) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ hash >> 29 ^ words.low ^ std::uint64_t{link} << 56) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ hash >> 32 ^ seed_) * 0x94d049bb133111ebu;
  return (hash >> 40) % (kNeighbours / kWays) * kWays;
}

bool NextHopTable::route_in(const Routes& routes, std::uint8_t link, const Words& destination,
                            Words& neighbour) const {
  const auto word = [](const RouteEntry& entry, std::size_t i) {
    return entry.words[i].load(std::memory_order_acquire);
  };
  const std::uint64_t v4 = destination.high == kV4High ? kRouteV4 : 0;
  const std::size_t end = routes.begin[link + 1u].load(std::memory_order_acquire);
  for (std::size_t i = routes.begin[link].load(std::memory_order_acquire); i < end; ++i) {
    const RouteEntry& entry = routes.entries[i];
    const std::uint64_t flags = word(entry, 6);
    if ((flags & kRouteV4) != v4) continue;
    if ((destination.high & word(entry, 2)) != word(entry, 0)) continue;
    if ((destination.low & word(entry, 3)) != word(entry, 1)) continue;
    neighbour = (flags & kRouteGateway) != 0 ? Words{word(entry, 4), word(entry, 5)} : destination;
    return true;
  }
  return false;
}

bool NextHopTable::route(std::uint8_t link, const Words& destination, Words& neighbour) const {
  for (;;) {
    const std::uint32_t published = routes_published_.load(std::memory_order_acquire);
    const bool found = route_in(routes_[published & 1], link, destination, neighbour);
    // Valid unless the writer has come round to this buffer again meanwhile; then the next one is published.
    if (routes_begun_.load(std::memory_order_acquire) - published <= 1) return found;
  }
}

NextHop NextHopTable::lookup(std::uint16_t realm, const IpAddress& destination, Nanoseconds now_ns) const {
  NextHop hop;
  if (realm >= link_of_realm_.size() || !destination) return hop;
  const std::uint8_t link = link_of_realm_[realm];
  if (const auto fixed = fixed_[link].load(std::memory_order_relaxed); fixed != 0) {
    return {destination, mac_of(fixed & ~kFixed), NextHopState::ready, kNeighbours};
  }
  Words neighbour;
  if (!route(link, words_of(destination), neighbour)) return hop;
  hop.neighbour = address_of(neighbour);
  hop.state = NextHopState::unresolved;
  const std::size_t first = bucket(link, neighbour);
  for (std::size_t i = first; i < first + kWays; ++i) {
    const std::uint64_t state = table_[i].state.load(std::memory_order_acquire);
    if (state == 0 || link_of(state) != link) continue;
    if (table_[i].low.load(std::memory_order_acquire) != neighbour.low) continue;
    if (table_[i].high.load(std::memory_order_acquire) != neighbour.high) continue;
    if (table_[i].state.load(std::memory_order_acquire) != state) continue;  // given to another meanwhile
    hop.mac = mac_of(state >> 16);
    hop.state = NextHopState::ready;
    hop.entry = static_cast<std::uint16_t>(i);
    touch(hop.entry, now_ns);
    break;
  }
  return hop;
}

void NextHopTable::touch(std::uint16_t entry, Nanoseconds now_ns) const {
  if (entry >= kNeighbours) return;
  auto& last = table_[entry].last_used;
  // Written about once a second, so that workers do not pass the line round with each packet.
  if (const auto tick = tick_of(now_ns); last.load(std::memory_order_relaxed) != tick) {
    last.store(tick, std::memory_order_relaxed);
  }
}

void NextHopTable::request(unsigned worker, std::uint16_t realm, const IpAddress& neighbour) {
  if (worker >= requests_.size() || realm >= link_of_realm_.size()) return;
  (void)requests_[worker]->push(1, Request{link_of_realm_[realm], neighbour});
}

NextHopTable::Neighbour* NextHopTable::find(std::uint8_t link, const Words& words) {
  const std::size_t first = bucket(link, words);
  for (std::size_t i = first; i < first + kWays; ++i) {
    const std::uint64_t state = table_[i].state.load(std::memory_order_relaxed);
    if (state != 0 && link_of(state) == link && table_[i].low.load(std::memory_order_relaxed) == words.low &&
        table_[i].high.load(std::memory_order_relaxed) == words.high) {
      return &table_[i];
    }
  }
  return nullptr;
}

// A free entry of the bucket, or the one that was not used for longest.
NextHopTable::Neighbour& NextHopTable::place(std::uint8_t link, const Words& words) {
  Neighbour* const first = &table_[bucket(link, words)];
  Neighbour* choice = first;
  for (Neighbour* n = first; n < first + kWays; ++n) {
    if (n->state.load(std::memory_order_relaxed) == 0) {
      ++neighbour_count_;
      choice = n;
      break;
    }
    if (n->last_used.load(std::memory_order_relaxed) < choice->last_used.load(std::memory_order_relaxed))
      choice = n;
  }
  choice->state.store(0, std::memory_order_release);
  choice->high.store(words.high, std::memory_order_release);
  choice->low.store(words.low, std::memory_order_release);
  choice->last_used.store(0, std::memory_order_relaxed);
  return *choice;
}

void NextHopTable::set_neighbour(std::uint8_t link, const IpAddress& address, const MacAddress& mac) {
  const Words words = words_of(address);
  Neighbour* entry = find(link, words);
  if (entry != nullptr && entry->state.load(std::memory_order_relaxed) >> 16 == mac_word(mac)) return;
  if (entry == nullptr) entry = &place(link, words);
  generation_ = (generation_ + 1) & 0x7f;
  entry->state.store(mac_word(mac) << 16 | std::uint64_t{link} << 8 | generation_ << 1 | 1,
                     std::memory_order_release);
  changed();
}

void NextHopTable::remove_neighbour(std::uint8_t link, const IpAddress& address) {
  Neighbour* entry = find(link, words_of(address));
  if (entry == nullptr) return;
  entry->state.store(0, std::memory_order_release);
  --neighbour_count_;
  changed();
}

void NextHopTable::store(RouteEntry& entry, const Route& route) {
  const Words network = words_of(route.destination.network());
  const Words mask = mask_of(route.destination);
  const Words gateway = route.gateway ? words_of(route.gateway) : Words{};
  const std::uint64_t flags =
      (route.destination.address.is_v4() ? kRouteV4 : 0) | (route.gateway ? kRouteGateway : 0);
  const std::array words{network.high, network.low, mask.high, mask.low, gateway.high, gateway.low, flags};
  for (std::size_t i = 0; i < words.size(); ++i) entry.words[i].store(words[i], std::memory_order_release);
}

bool NextHopTable::set_routes(std::vector<Route> routes) {
  std::erase_if(routes, [](const Route& r) { return r.link >= kMaxLinks; });
  std::ranges::sort(routes, {}, [](const Route& r) { return std::tuple(r.destination.length, r.metric); });
  const bool all = routes.size() <= kRoutes;
  if (!all) routes.resize(kRoutes);
  std::ranges::sort(routes, {},
                    [](const Route& r) { return std::tuple(r.link, -int{r.destination.length}, r.metric); });

  const std::uint32_t next = routes_published_.load(std::memory_order_relaxed) + 1;
  routes_begun_.store(next, std::memory_order_release);
  Routes& to = routes_[next & 1];
  std::size_t at = 0;
  for (std::size_t link = 0; link <= kMaxLinks; ++link) {
    to.begin[link].store(static_cast<std::uint16_t>(at), std::memory_order_release);
    for (; at < routes.size() && routes[at].link == link; ++at) store(to.entries[at], routes[at]);
  }
  routes_published_.store(next, std::memory_order_release);
  changed();
  return all;
}

void NextHopTable::set_fixed(std::uint8_t link, const MacAddress& mac) {
  if (link >= kMaxLinks) return;
  fixed_[link].store(kFixed | mac_word(mac), std::memory_order_relaxed);
  changed();
}

bool NextHopTable::used_since(std::size_t index, Nanoseconds since_ns, Request& out) const {
  const Neighbour& n = table_[index];
  const std::uint64_t state = n.state.load(std::memory_order_acquire);
  if (state == 0 || n.last_used.load(std::memory_order_relaxed) < tick_of(since_ns)) return false;
  out.link = link_of(state);
  out.neighbour = address_of({n.high.load(std::memory_order_acquire), n.low.load(std::memory_order_acquire)});
  return true;
}

}  // namespace sallyport::dp

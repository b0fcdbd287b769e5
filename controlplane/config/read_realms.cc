// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kMaxRealms = 32;  // dp::kMaxRealms
constexpr Nanoseconds kHour = 3600 * kSecond;
constexpr std::uint64_t kLeastPolice = 10;  // a second: below, a phone that registers and calls is caught
constexpr std::uint64_t kMostPolice = 1'000'000;

constexpr std::array<std::pair<std::string_view, PrivateMedia>, 4> kPrivateMedia{
    {{"auto", PrivateMedia::automatic},
     {"latch", PrivateMedia::latch},
     {"reject", PrivateMedia::reject},
     {"trust", PrivateMedia::trust}}};
constexpr std::array<std::pair<std::string_view, Latch>, 5> kLatch{{{"auto", Latch::automatic},
                                                                    {"off", Latch::off},
                                                                    {"once", Latch::once},
                                                                    {"same-address", Latch::same_address},
                                                                    {"asymmetric", Latch::asymmetric}}};
constexpr std::array<std::pair<std::string_view, UnknownSource>, 2> kUnknownSource{
    {{"reject", UnknownSource::reject}, {"drop", UnknownSource::drop}}};

constexpr std::array<std::pair<std::string_view, bool>, 2> kPolice{{{"negotiated", true}, {"off", false}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> kPayloadTypes{
    {{"negotiated", false}, {"any", true}}};

void read_port(MapReader& reader, Draft& draft, Realm& realm, Draft::RealmPlaces& places) {
  const auto value = reader.need("port");
  if (!value) return;
  const auto name = value->text();
  if (!name) return;
  const auto index = draft.port_index(*name);
  if (index == kNoIndex) {
    value->fault("no port {} in dataplane.ports", in_quotes(*name));
    return;
  }
  realm.port = static_cast<PortIndex>(index);
  places.port_known = true;
}

// An address that a host can have, and that peers can send to.
bool judge_interface(const Value& item, const Prefix& prefix) {
  const IpAddress& a = prefix.address;
  if (a.is_multicast() || a.is_unspecified() || a.is_broadcast() || a.is_loopback()) {
    item.fault("{} cannot be an interface's address", a.to_text());
    return false;
  }
  if (prefix.length == 0) {
    item.fault("the prefix length 0 covers every address");
    return false;
  }
  if (a.is_v4() && prefix.length < 31 && a == prefix.network()) {
    item.fault("{} is the network's own address: an interface's address is needed, such as {}",
               prefix.to_text(), Prefix{IpAddress::v4(a.v4_host_order() + 1), prefix.length}.to_text());
    return false;
  }
  // RFC 1122 3.2.1.3: the host part all ones is everybody's. RFC 3021: a /31 has neither.
  if (a.is_v4() && prefix.length < 31 && a.v4_host_order() == (a.v4_host_order() | (~0u >> prefix.length))) {
    item.fault("{} is the network's broadcast address: an interface's address is needed, such as {}",
               prefix.to_text(), Prefix{IpAddress::v4(a.v4_host_order() - 1), prefix.length}.to_text());
    return false;
  }
  return true;
}

void read_addresses(MapReader& reader, Realm& realm, Draft::RealmPlaces& places) {
  const auto value = reader.need("addresses");
  if (!value) return;
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("needs at least one address");
  for (const Value& item : items) {
    const auto prefix = item.prefix();
    if (!prefix || !judge_interface(item, *prefix)) continue;
    realm.addresses.push_back(*prefix);
    places.addresses.push_back(item.at());
  }
}

void read_gateways(MapReader& reader, Realm& realm, Draft::RealmPlaces& places) {
  const auto value = reader.get("gateways");
  if (!value) return;
  for (const Value& item : value->list_or_one()) {
    const auto gateway = item.address();
    if (!gateway) continue;
    realm.gateways.push_back(*gateway);
    places.gateways.push_back(item.at());
  }
}

void read_police(MapReader& sip, Realm& realm) {
  const auto value = sip.get("police");
  if (!value) return;
  const auto text = value->text();
  if (!text) return;
  const auto rate = parse_number(*text);
  if (*text == "off") {
    realm.sip_police = 0;
  } else if (rate && *rate >= kLeastPolice && *rate <= kMostPolice) {
    realm.sip_police = static_cast<std::uint32_t>(*rate);
  } else {
    value->fault("must be a number of datagrams a second from {} to {}, or off, not {}", kLeastPolice,
                 kMostPolice, in_quotes(*text));
  }
}

void read_sip(MapReader& reader, Realm& realm, Draft::RealmPlaces& places) {
  places.sip_udp = realm.at;
  const auto value = reader.get("sip");
  if (!value) return;
  MapReader sip(*value);
  if (const auto udp = sip.get("udp")) {
    places.sip_udp = udp->at();
    if (const auto port = udp->number(1, 65535)) realm.sip_udp = static_cast<std::uint16_t>(*port);
  }
  sip.number("tcp", realm.sip_tcp, 1, 65535);
  read_police(sip, realm);
  sip.number("tls", realm.sip_tls, 1, 65535);
  sip.number("dscp", realm.sip_dscp, 0, 63);
  sip.finish();
}

void read_media_ports(MapReader& media, Realm& realm) {
  const auto value = media.get("ports");
  if (!value) return;
  const auto text = value->text();
  if (!text) return;
  const auto dash = text->find('-');
  const auto first = parse_number(std::string_view(*text).substr(0, dash));
  const auto last =
      dash == std::string::npos ? std::nullopt : parse_number(std::string_view(*text).substr(dash + 1));
  if (!first || !last || *first > *last || *first < 1024 || *last > 65535) {
    value->fault("must be a range of ports from 1024 to 65535, such as 20000-59999, not {}",
                 in_quotes(*text));
  } else if (*first % 2 != 0 || *last % 2 != 1) {
    value->fault("must begin with an even port (RTP) and end with an odd one (its RTCP), not {}",
                 in_quotes(*text));
  } else {
    realm.media_first = static_cast<std::uint16_t>(*first);
    realm.media_last = static_cast<std::uint16_t>(*last);
  }
}

enum class Timeout : std::uint8_t { idle, one_way, hold };
constexpr std::array<std::pair<std::string_view, Timeout>, 3> kTimeouts{
    {{"idle", Timeout::idle}, {"one_way", Timeout::one_way}, {"hold", Timeout::hold}}};

void read_end_on(MapReader& media, MediaPolicy& policy) {
  const auto value = media.get("end_on");
  if (!value) return;
  policy.idle_ends = policy.one_way_ends = policy.hold_ends = false;
  for (const Value& item : value->list_or_one()) {
    const auto timeout = item.choice<Timeout>(kTimeouts);
    if (!timeout) continue;
    policy.idle_ends |= *timeout == Timeout::idle;
    policy.one_way_ends |= *timeout == Timeout::one_way;
    policy.hold_ends |= *timeout == Timeout::hold;
  }
}

void read_realm(const Value::Named& named, Draft& draft) {
  Realm realm;
  Draft::RealmPlaces places;
  realm.name = named.name;
  realm.at = named.at;
  MapReader reader(named.value);
  read_port(reader, draft, realm, places);
  reader.number("vlan", realm.vlan, 1, 4094);
  read_addresses(reader, realm, places);
  read_gateways(reader, realm, places);
  read_sip(reader, realm, places);
  read_tls(reader, realm.tls, false);
  std::optional<MapReader> media;
  if (const auto value = reader.get("media")) media.emplace(*value);
  if (media) {
    read_media_ports(*media, realm);
    media->number("dscp", realm.media_dscp, 0, 63);
  }
  read_media_policy(reader, media ? &*media : nullptr, realm.media);
  if (media) media->finish();
  reader.choice<UnknownSource>("unknown_source", realm.unknown_source, kUnknownSource);
  reader.finish();
  draft.config.realms.push_back(std::move(realm));
  draft.realms.push_back(std::move(places));
}

}  // namespace

void read_media_policy(MapReader& owner, MapReader* media, MediaPolicy& policy) {
  owner.choice<PrivateMedia>("private_media", policy.private_media, kPrivateMedia);
  owner.duration_or_off("nat_keepalive", policy.nat_keepalive_ns, kSecond, kHour);
  if (media == nullptr) return;
  media->choice<Latch>("latch", policy.latch, kLatch);
  // Below 8 bits "the signalling source's network" would say nothing of the source.
  media->number("latch_mask", policy.latch_mask, 8, 32);
  media->duration_or_off("relatch_after", policy.relatch_after_ns, kSecond / 2, 60 * kSecond);
  media->duration_or_off("idle_timeout", policy.idle_timeout_ns, kSecond, 24 * kHour);
  media->duration_or_off("one_way_timeout", policy.one_way_timeout_ns, kSecond, 24 * kHour);
  media->duration_or_off("hold_timeout", policy.hold_timeout_ns, kSecond, 24 * kHour);
  read_end_on(*media, policy);
  media->choice<bool>("police", policy.police, kPolice);
  media->choice<bool>("payload_types", policy.any_payload_type, kPayloadTypes);
}

void read_realms(MapReader& top, Draft& draft) {
  const auto value = top.need("realms");
  if (!value) return;
  const auto named = value->named();
  if (value->is_map() && named.empty()) value->fault("needs at least one realm");
  if (named.size() > kMaxRealms) value->fault("has more than {} realms", kMaxRealms);
  for (std::size_t i = 0; i < std::min(named.size(), kMaxRealms); ++i) read_realm(named[i], draft);
}

}  // namespace sallyport::config

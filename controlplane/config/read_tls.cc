// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"
#include "dataplane/sip/uri.h"

namespace sallyport::config {
namespace {

constexpr std::array<std::pair<std::string_view, TlsVerify>, 3> kVerify{
    {{"yes", TlsVerify::yes}, {"no", TlsVerify::no}, {"optional", TlsVerify::optional}}};
constexpr std::array<std::pair<std::string_view, TlsVerify>, 2> kVerifyOfPeer{
    {{"yes", TlsVerify::yes}, {"no", TlsVerify::no}}};
constexpr std::size_t kMostNames = 64;

// That it can be read; what is in it is OpenSSL's to say.
void read_file(MapReader& tls, std::string_view key, std::string& out) {
  const auto value = tls.get(key);
  auto path = value ? value->text(4096) : std::nullopt;
  if (!path) return;
  errno = 0;
  const std::ifstream file(*path);
  if (!file) return value->fault("{} cannot be read: {}", in_quotes(*path), std::strerror(errno));
  out = std::move(*path);
}

void read_pair(MapReader& reader, KeyPair& pair) {
  const bool has_certificate = reader.get("certificate").has_value();
  const bool has_key = reader.get("key").has_value();
  if (has_certificate != has_key) reader.value().fault("needs 'certificate' and 'key' together");
  read_file(reader, "certificate", pair.certificate);
  read_file(reader, "key", pair.key);
}

void read_sni(MapReader& reader, Tls& tls) {
  const auto value = reader.get("sni");
  if (!value) return;
  const std::vector<Value> items = value->list();
  if (items.size() > kMostNames) return value->fault("has more than {} certificates", kMostNames);
  for (const Value& item : items) {
    MapReader one(item);
    if (!item.is_map()) continue;
    if (!one.get("key")) (void)one.need("certificate");
    read_pair(one, tls.sni.emplace_back());
    one.finish();
  }
}

void read_peer_name(MapReader& reader, Tls& tls) {
  const auto value = reader.get("name");
  const auto name = value ? value->text(256) : std::nullopt;
  if (!name) return;
  if (!sip::is_host(*name)) return value->fault("{} is no domain", in_quotes(*name));
  tls.name = *name;
}

}  // namespace

void read_tls(MapReader& owner, Tls& tls, bool of_peer) {
  if (of_peer) {
    tls.verify = TlsVerify::yes;
    tls.sni.clear();
  }
  const auto value = owner.get("tls");
  if (!value) return;
  tls.at = value->at();
  MapReader reader(*value);
  read_pair(reader, tls.own);
  read_file(reader, "ca", tls.ca);
  if (of_peer) {
    reader.choice<TlsVerify>("verify", tls.verify, kVerifyOfPeer);
    read_peer_name(reader, tls);
  } else {
    reader.choice<TlsVerify>("verify", tls.verify, kVerify);
    read_sni(reader, tls);
  }
  reader.finish();
}

}  // namespace sallyport::config

// SPDX-License-Identifier: Apache-2.0
// Whatever stands in a URI or a name-addr: one that parses parses afterwards, on the same host, and a second
// time through e164 changes nothing.
#include <cstdlib>

#include "controlplane/routing/numbers.h"
#include "dataplane/sip/uri.h"

namespace {

using namespace sallyport;

const config::Config& rules() {
  static const config::Config config = [] {
    config::Config c;
    c.peers.resize(2);
    config::Numbers& in = c.peers[0].numbers;
    in.plan.country = "44";
    in.in = {{.form = config::NumberForm::e164}};
    config::Numbers& out = c.peers[1].numbers;
    out.plan = in.plan;
    out.out = {{.form = config::NumberForm::national, .strip = 1, .prefix = "*", .tech_prefix = "7#"}};
    return c;
  }();
  return config;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const routing::NumberPath all(rules(), 0, std::nullopt, 1);
  const routing::NumberPath e164(rules(), 0, std::nullopt, config::kNoIndex);
  const auto before = sip::parse_uri(text);
  const std::string changed = all.uri(routing::Party::called, text);
  const auto after = sip::parse_uri(changed);
  require(before.has_value() == after.has_value());
  if (before) {
    require(before->host == after->host && before->port == after->port && before->headers == after->headers);
    require(before->scheme == after->scheme);
    const std::string once = e164.uri(routing::Party::calling, text);
    require(e164.uri(routing::Party::calling, once) == once);
  } else {
    require(changed == text);
  }
  (void)all.value(routing::Party::calling, text);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/name_news.h"

#include <string>

#include "controlplane/ops/log.h"
#include "controlplane/sip/path.h"

namespace sallyport::cli {
namespace {

std::string places_text(const routing::ResolvedName& name) {
  std::string text;
  for (const routing::ResolvedPlace& place : name.places) {
    text += text.empty() ? "" : ", ";
    text += sip::transport_name(static_cast<sip::Transport>(place.transport));
    text += " " + place.endpoint.to_text();
  }
  return text;
}

}  // namespace

void NameNews::succeed(std::shared_ptr<const config::Config> config) {
  const std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

void NameNews::tell(const routing::SharedNames& names) {
  const std::lock_guard lock(mutex_);
  if (!config_ || names->generation != config_->generation) return;
  for (const routing::ResolvedName& name : *names) {
    const config::Peer& peer = config_->peers[name.peer];
    const std::string& host = name.is_target()
                                  ? peer.targets[name.configured].host
                                  : peer.redirects.allow_names[name.configured - routing::kFirstAllowedName];
    const std::string& key = name.is_target() ? peer.targets[name.configured].uri : host;
    routing::ResolvedName& before = before_[{peer.name, key}];
    if (before.state == name.state && before.places == name.places) continue;
    before = name;
    const bool good = name.state == routing::NameState::resolved;
    ops::log(good ? config::LogLevel::info : config::LogLevel::warning, "a name was looked up",
             {{"peer", peer.name},
              {"name", host},
              {"state", std::string(routing::to_text(name.state))},
              {"places", places_text(name)}});
  }
}

}  // namespace sallyport::cli

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

void NameNews::tell(const routing::SharedNames& names) {
  for (std::size_t i = 0; i < names->size(); ++i) {
    const routing::ResolvedName& name = (*names)[i];
    if (before_ ? (*before_)[i] == name : name.state == routing::NameState::pending) continue;
    const config::Peer& peer = config_.peers[name.peer];
    const bool good = name.state == routing::NameState::resolved;
    ops::log(good ? config::LogLevel::info : config::LogLevel::warning, "a name was looked up",
             {{"peer", peer.name},
              {"name", peer.targets[name.configured].host},
              {"state", std::string(routing::to_text(name.state))},
              {"places", places_text(name)}});
  }
  before_ = names;
}

}  // namespace sallyport::cli

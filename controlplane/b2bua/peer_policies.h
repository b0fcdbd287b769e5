// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "controlplane/b2bua/header_policy.h"
#include "controlplane/config/config.h"
#include "sdp_rewriter/codec_policy.h"

namespace sallyport::b2bua {

// What is compiled of the peers of a configuration, by peer.
struct PeerPolicies {
  explicit PeerPolicies(const config::Config& config) {
    for (const config::Peer& peer : config.peers) {
      headers.emplace_back(peer);
      codecs.push_back(std::make_shared<const sdp::CodecPolicy>(
          sdp::CodecPolicy::parse(peer.codecs.allow, peer.codecs.remove, peer.codecs.order)));
    }
  }
  std::vector<HeaderPolicy> headers;
  std::vector<std::shared_ptr<const sdp::CodecPolicy>> codecs;  // a call keeps those that it began with
};

}  // namespace sallyport::b2bua

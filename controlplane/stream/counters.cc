// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/counters.h"

namespace sallyport::stream {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Close::kCount)> kCloseNames{
    "by_peer",      "unknown_source", "stranger_served",  "process_limit", "peer_limit",
    "source_limit", "bad_framing",    "silent",           "slow_message",  "slow_reader",
    "idle",         "connect_failed", "handshake_failed", "shutdown"};

}  // namespace

std::string_view close_name(Close reason) {
  return kCloseNames[static_cast<std::size_t>(reason)];
}

}  // namespace sallyport::stream

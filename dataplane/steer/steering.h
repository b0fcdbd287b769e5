// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/sip/message_index.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::steer {

enum class Verdict : std::uint8_t {
  by_branch,         // a response to a request of ours
  by_tag,            // an in-dialog request with a To tag of ours
  by_hash,           // everything else: initial requests, retransmissions, CANCEL, merged requests
  unknown_tag,       // a request whose To tag is none of ours or of an old epoch: 481, an ACK silence
  foreign_response,  // a response without our branch: a named drop
};

struct Steering {
  Verdict verdict = Verdict::by_hash;
  std::uint8_t shard = 0;
  std::uint32_t slot = 0;        // by_branch, by_tag
  std::uint32_t generation = 0;
};

// One function for UDP, TCP and TLS: which shard gets this message. `index` may hold a fault (then by_hash with
// what is there). CANCEL and retransmitted INVITEs go by hash even when they bear a To tag of ours... an ACK to a
// non-2xx and a CANCEL carry the same Call-ID and From tag as their INVITE, so they meet it.
// A request with a To tag goes by tag, ACK included. Allocates nothing.
[[nodiscard]] Steering steer(const sip::MessageIndex& index, std::string_view message, const IdentifierCodec& codec,
                             SipHashKey hash_key, std::uint8_t shard_count);

}  // namespace sallyport::steer

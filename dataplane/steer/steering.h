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

// One function for UDP, TCP and TLS: which shard gets this message.
// A response goes by its branch, with or without a fault. A request without a fault goes by its To tag where that
// is ours, ACK and CANCEL included: a re-INVITE to a leg that we opened came by that tag, and what belongs to it has
// to meet it. Everything else goes by the keyed hash of Call-ID and From tag, an absent tag counting as empty: so the
// CANCEL, the retransmissions and the merged copies of an initial INVITE meet it. A CANCEL with a To tag of others
// still goes by hash. `shard` is set for every request, also for unknown_tag. Allocates nothing.
[[nodiscard]] Steering steer(const sip::MessageIndex& index, std::string_view message, const IdentifierCodec& codec,
                             SipHashKey hash_key, std::uint8_t shard_count);

}  // namespace sallyport::steer

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "controlplane/stream/contract.h"
#include "controlplane/stream/counters.h"
#include "dataplane/api/ring.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/steer/identifier.h"
#include "dataplane/steer/steering.h"

namespace sallyport::stream {

// The way to the shards: a message is parsed once, steered by its identifiers as on a worker, and copied into
// the ring of its shard.
class Delivery {
 public:
  enum class Verdict : std::uint8_t {
    delivered,
    dropped,  // counted by name: a response of others, a response that is broken
    no_sip,   // well framed, but neither a request nor a response: the stream is of no use
    full      // the shard's ring: nothing was taken, try again
  };

  Delivery(const steer::NodeKey& key, std::uint8_t shards, std::size_t ring_bytes, StreamCounters& counters);

  // One message of a stream, framed. `where.connection` is what its answers go back on.
  [[nodiscard]] Verdict deliver(std::string_view octets, const sip::Path& where, Nanoseconds now_ns);
  // A header section whose framing is broken, so that its sender can be told (a request's alone: RFC
  // 3261 18.3). False: there is nobody to tell.
  [[nodiscard]] bool deliver_broken(std::string_view header, sip::Fault fault, const sip::Path& where,
                                    Nanoseconds now_ns);
  // A request of ours that will not arrive: tells its shard. False for anything else.
  bool report_unreachable(const sip::Path& path, std::string_view octets);

  // The index that the last deliver() made; valid until the next call.
  [[nodiscard]] const sip::MessageIndex& index() const { return *index_; }

  [[nodiscard]] dp::RecordRing& ring(unsigned shard) { return *rings_[shard]; }
  // The shards that got something since the last call, through `wake(shard)`.
  template <typename Wake>
  void wake_touched(Wake wake) {
    for (unsigned shard = 0; shard < rings_.size(); ++shard) {
      if (touched_[shard]) wake(shard);
      touched_[shard] = false;
    }
  }

 private:
  [[nodiscard]] Verdict push(std::string_view octets, const steer::Steering& to, const sip::Path& where,
                             Nanoseconds now_ns);

  steer::IdentifierCodec codec_;
  SipHashKey hash_key_;
  std::vector<std::unique_ptr<dp::RecordRing>> rings_;
  std::vector<bool> touched_;
  std::unique_ptr<sip::MessageIndex> index_;
  StreamCounters& counters_;
};

}  // namespace sallyport::stream

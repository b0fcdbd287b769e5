// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A port of the network with several workers has a queue for each, and media should come
// to the queue of the worker that owns its flow. What the device can do is tried in this order; what it
// refuses is said and the next is tried:
//   flow_rules        rules bring slices of each media range to the owners' queues; all else is spread by RSS
//   destination_hash  RSS over the destination alone with a key and table of ours: a port belongs to the
//   worker
//                     that its hash picks. What comes to one SIP port then comes to one worker, too
//   hash              RSS over source and destination spreads packets; workers hand media to its owner
//   none              the device spreads nothing, or by itself; the same hand-off
// Hand-off corrects whatever a device does otherwise than it says (PortCounters::handed_over counts it).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/dataplane.h"
#include "dataplane/eth_device.h"

namespace sallyport::dp {

// What one port has to steer.
struct SteeredMedia {
  std::string port;
  unsigned workers = 1;
  unsigned shards = 1;
  std::vector<MediaRange> ranges;    // of this port
  std::vector<std::uint16_t> vlans;  // of each
};

struct MediaSteering {
  Steering by = Steering::one_worker;
  std::vector<rte_flow*> rules;
  std::vector<std::vector<PairOwner>> owners;  // by range; all empty: dealt in turn
  std::vector<std::string> notices;            // what was refused, one sentence each
};

// RSS fields that a device with several queues is configured for at first: all of the ones meant that it has.
[[nodiscard]] std::uint64_t spreading_fields(const rte_eth_dev_info& info);

// The device is started, with RSS over spreading_fields where it has any.
[[nodiscard]] MediaSteering steer_media(EthDevice& device, const SteeredMedia& media);

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What arrives at a flow leaves by its pair. So that a packet touches one slot of the
// table and not two, the first packet that leaves has the flow keep a copy of what the pair said (the out_
// fields of Flow): the flow is linked. A link ends when anything changes that it was made of: the flow's
// source or pair, the pair's target, direction or life; and it is not used once the kernel's neighbours have
// another version. A pair serves one linked flow: where several leave by one, they take turns. What a linked
// flow has sent is in its own counters; the pair's sent_ counters get it when they are read or the link ends.
#pragma once

#include "dataplane/flow.h"
#include "dataplane/flow_table.h"

namespace sallyport::dp {

// Of `slot`, whose packets leave by `pair`: its out is resolved and leads to no flow of ours.
void link(FlowTable& flows, std::uint32_t slot, const Flow& pair);
// Ends the flow's link to its pair, and the one to the flow. Before its spec changes.
void unlink(FlowTable& flows, Flow& flow);
// What a linked flow has sent since the last time goes to its pair's counters. The difference is kept in 32
// bits: to be called before that is too little.
void settle(FlowTable& flows, const Flow& flow);
// True when settle should be called.
[[nodiscard]] bool is_settling_due(FlowTable& flows, const Flow& flow);

// The counters as the contract gives them.
[[nodiscard]] FlowCounters counters_of(FlowTable& flows, std::uint32_t slot);

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow.h"

#include <algorithm>

namespace sallyport::dp {

Endpoint source_of(const Flow& flow) {
  return {IpAddress::from_bytes(flow.source_family, flow.source.data()), flow.source_port.host()};
}

void set_source(Flow& flow, const Endpoint& source) {
  flow.source = source.address.bytes();
  std::copy_n(flow.source.begin(), flow.source_v4.size(), flow.source_v4.begin());
  flow.source_family = source.address.family();
  flow.source_port = be16(source.port);
  flow.in_sum = endpoints_sum(source, flow.spec.local);
}

Endpoint target_of(const Flow& flow) {
  const FlowSpec& spec = flow.spec;
  if (spec.latch == LatchMode::off || spec.latch == LatchMode::asymmetric) return spec.remote;
  if (flow.is_locked()) return source_of(flow);
  // Not locked: the SDP's word is taken only where the signalling vouches for it. Behind a NAT it does not,
  // and a private address there would lead to somebody else.
  if (!spec.remote) return {};
  const IpAddress& remote = spec.remote.address;
  const unsigned bits = remote.is_v6() ? spec.latch_mask + 96u : spec.latch_mask;
  const bool vouched = same_prefix(remote, spec.signalling_source, bits) ||
                       (spec.latch == LatchMode::same_address && !remote.is_private());
  return vouched ? spec.remote : Endpoint{};
}

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow.h"

#include <algorithm>

namespace sallyport::dp {

Endpoint source_of(const Flow& flow, const FlowMore& more) {
  return {IpAddress::from_bytes(flow.source_family, more.source.data()), flow.source_port.host()};
}

void set_source(Flow& flow, FlowMore& more, const Endpoint& source) {
  more.source = source.address.bytes();
  std::copy_n(more.source.begin(), flow.source_v4.size(), flow.source_v4.begin());
  flow.source_family = source.address.family();
  flow.source_port = be16(source.port);
  more.in_sum = endpoints_sum(source, more.spec.local);
}

Endpoint target_of(const Flow& flow, const FlowMore& more) {
  const FlowSpec& spec = more.spec;
  if (spec.latch == LatchMode::off || spec.latch == LatchMode::asymmetric) return spec.remote;
  if (flow.is_locked()) return source_of(flow, more);
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

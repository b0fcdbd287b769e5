// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_meta.h"

#include "dataplane/worker.h"

namespace sallyport::dp {
namespace {

template <typename T>
int register_field(const char* name) {
  rte_mbuf_dynfield field{};
  rte_strscpy(field.name, name, sizeof(field.name));
  field.size = sizeof(T);
  field.align = alignof(T);
  return rte_mbuf_dynfield_register(&field);
}

}  // namespace

bool register_packet_fields() {
  detail::packet_meta_offset = register_field<PacketMeta>("sallyport_packet");
  detail::fragment_meta_offset = register_field<FragmentMeta>("sallyport_fragment");
  return detail::packet_meta_offset >= 0 && detail::fragment_meta_offset >= 0;
}

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/base/clock.h"
#include "dataplane/egress.h"
#include "dataplane/next_hop.h"

namespace sallyport::dp {

// Fills in an egress's MAC from the kernel's neighbours. The result stays in the egress while the table is
// unchanged; once a second it is marked as used, so that the kernel keeps it alive.
class Neighbours {
 public:
  Neighbours(NextHopTable& table, unsigned worker) : table_(table), worker_(worker) {}

  // Changes whenever the kernel's neighbours or routes do.
  [[nodiscard]] std::uint32_t version() const { return table_.version(); }

  [[nodiscard]] NextHopState resolve(Egress& egress, std::uint16_t realm, Nanoseconds now_ns) {
    const std::uint32_t version = table_.version();
    if (egress.resolved && egress.version == version) {
      const auto now_s = static_cast<std::uint32_t>(now_ns / kSecond);
      if (egress.touched_s != now_s) {
        egress.touched_s = now_s;
        table_.touch(egress.entry, now_ns);
      }
      return NextHopState::ready;
    }
    return look_up(egress, realm, version, now_ns);
  }

 private:
  [[nodiscard]] NextHopState look_up(Egress& egress, std::uint16_t realm, std::uint32_t version,
                                     Nanoseconds now_ns) {
    const NextHop hop = table_.lookup(realm, egress.destination_endpoint().address, now_ns);
    egress.resolved = hop.state == NextHopState::ready;
    egress.version = version;
    egress.entry = hop.entry;
    egress.mac = hop.mac;
    if (hop.state == NextHopState::unresolved) table_.request(worker_, realm, hop.neighbour);
    return hop.state;
  }

  NextHopTable& table_;
  unsigned worker_;
};

}  // namespace sallyport::dp

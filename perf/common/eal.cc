// SPDX-License-Identifier: Apache-2.0
#include "perf/common/eal.h"

#include <cstdint>
#include <stdexcept>

#include "dataplane/eal.h"
#include "dataplane/worker.h"

namespace sallyport::perf {

void start_eal(const std::vector<unsigned>& cores, unsigned megabytes) {
  dp::EalOptions options;
  options.cores = cores;
  options.main_cores = dp::cores_left(dp::allowed_cores(), cores);
  options.hugepages = dp::free_hugepage_bytes() >= std::uint64_t{megabytes} << 20;
  // DPDK puts no packet across two pages that may lie apart: of ordinary ones each packet takes one.
  options.megabytes = options.hugepages ? megabytes : 2 * megabytes;
  if (const auto started = dp::start_eal(options); !started) throw std::runtime_error(started.error());
  if (!dp::register_packet_fields()) throw std::runtime_error("no room in the mbuf for the worker's notes");
}

}  // namespace sallyport::perf

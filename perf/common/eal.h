// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace sallyport::perf {

// EAL with hugepages where enough are free, else with ordinary memory; lcore n on cores[n], the calling
// thread (the main lcore) on the others. Registers the workers' mbuf fields. Throws std::runtime_error.
void start_eal(const std::vector<unsigned>& cores, unsigned megabytes);

}  // namespace sallyport::perf

// SPDX-License-Identifier: Apache-2.0
#include <rte_version.h>

#include "dataplane/dataplane.h"

namespace sallyport::dp {

std::string dpdk_version() { return rte_version(); }

}  // namespace sallyport::dp

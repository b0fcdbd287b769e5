// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/sdp_rewriter/sdp_invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const char* broken = sallyport::sdp::broken_invariant(body)) {
    std::fprintf(stderr, "%s\n", broken);
    std::abort();
  }
  return 0;
}

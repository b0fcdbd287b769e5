// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sallyport::dp::test {

// EAL, once in the process, with ordinary memory and no devices. Empty when it is up, else why a test that
// needs it has to be skipped: it started differently in this process (a test of Dataplane::start), or not at
// all.
[[nodiscard]] const std::string& eal_problem();

}  // namespace sallyport::dp::test

// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/eal_support.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <array>
#include <cerrno>

#include "dataplane/worker.h"

namespace sallyport::dp::test {
namespace {

std::string start_eal() {
  cpu_set_t before;
  pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
  // One lcore, wherever this machine has it; the test's threads go where they may.
  std::array<std::string, 9> words{"test",
                                   "--log-level=error",
                                   "--no-huge",
                                   "--no-pci",
                                   "--no-shconf",
                                   "--no-telemetry",
                                   "-m",
                                   "512",
                                   "--lcores=0@(0-" + std::to_string(CPU_COUNT(&before) - 1) + ")"};
  std::array<char*, words.size()> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0 && rte_errno != EALREADY) {
    return std::string("EAL does not start: ") + rte_strerror(rte_errno);
  }
  pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
  return register_packet_fields() ? "" : "no room in the mbuf for the worker's notes";
}

}  // namespace

const std::string& eal_problem() {
  static const std::string problem = start_eal();
  return problem;
}

}  // namespace sallyport::dp::test

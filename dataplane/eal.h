// SPDX-License-Identifier: Apache-2.0
// Theory of operation. EAL can be started once in a process, so what memory it gets is decided before: by
// what the configuration wants, what the devices need and how many hugepages are free. It is started without
// files of its own
// (--in-memory, or --no-huge with --no-shconf) and without devices: ports are added to it one by one, so that
// each can fail with a sentence of its own. Its worker lcores are plain threads to us: each is pinned to its
// core when it is given a worker. The main lcore is the calling thread, which floats over the cores that no
// worker has: so does, by inheritance, every thread that is started after it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "dataplane/dataplane.h"

namespace sallyport::dp {

struct MemoryChoice {
  bool hugepages = false;
  std::string notice;  // said once when `auto` had to fall back
};

// `needs_hugepages`: a device is net_af_xdp.
[[nodiscard]] std::expected<MemoryChoice, std::string> choose_memory(Memory wish, bool needs_hugepages,
                                                                     std::uint64_t need_bytes,
                                                                     std::uint64_t free_bytes);

// Free hugepages of all sizes, in bytes; 0 when this process may not use them.
[[nodiscard]] std::uint64_t free_hugepage_bytes(const std::string& root = "/sys/kernel/mm/hugepages");

struct EalOptions {
  std::vector<unsigned> cores;       // of the workers: lcore n runs on cores[n]
  std::vector<unsigned> main_cores;  // where the main lcore may run
  bool hugepages = false;
  unsigned megabytes = 64;
  std::vector<std::string> pci;  // addresses; empty: the PCI bus is not looked at
  std::vector<std::string> extra;
};

[[nodiscard]] std::vector<std::string> eal_arguments(const EalOptions& options);

// An EAL that was started before in this process (by an earlier Dataplane, or by a test) is used as it is.
[[nodiscard]] std::expected<void, std::string> start_eal(const EalOptions& options);

// The cores that the calling thread may use.
[[nodiscard]] std::vector<unsigned> allowed_cores();
// `all` without `taken`; `all` when nothing is left.
[[nodiscard]] std::vector<unsigned> cores_left(const std::vector<unsigned>& all,
                                               const std::vector<unsigned>& taken);
// Pins the calling thread. False: no such core, or not allowed.
bool run_on(const std::vector<unsigned>& cores);

// Of <linux/capability.h>, by number.
[[nodiscard]] bool has_capability(unsigned capability);

}  // namespace sallyport::dp

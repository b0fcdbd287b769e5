// SPDX-License-Identifier: Apache-2.0
#include "dataplane/eal.h"

#include <linux/capability.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace sallyport::dp {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

std::string megabytes(std::uint64_t bytes) {
  return std::to_string((bytes + kMiB - 1) / kMiB) + " MB";
}

std::string pages_wanted(std::uint64_t bytes) {
  return std::to_string((bytes + 2 * kMiB - 1) / (2 * kMiB));
}

std::string list(const std::vector<unsigned>& cores) {
  std::string text;
  for (const unsigned core : cores) text += (text.empty() ? "" : ",") + std::to_string(core);
  return text;
}

}  // namespace

std::expected<MemoryChoice, std::string> choose_memory(Memory wish, bool needs_hugepages,
                                                       std::uint64_t need_bytes, std::uint64_t free_bytes) {
  const bool enough = need_bytes <= free_bytes;
  const std::string shortage =
      megabytes(need_bytes) + " of hugepages are needed and " + megabytes(free_bytes) + " are free";
  switch (wish) {
    case Memory::ordinary:
      if (needs_hugepages) {
        return std::unexpected(
            "memory: ordinary does not go with net_af_xdp, which needs hugepages: set memory: auto");
      }
      return MemoryChoice{false, {}};
    case Memory::hugepages:
      if (!enough) {
        return std::unexpected("memory: hugepages: " + shortage + ": run 'sysctl vm.nr_hugepages=" +
                               pages_wanted(need_bytes) + "' (2 MB pages) as root, or set memory: auto");
      }
      return MemoryChoice{true, {}};
    case Memory::automatic:
      break;
  }
  if (enough) return MemoryChoice{true, {}};
  if (!needs_hugepages) return MemoryChoice{false, {}};
  return MemoryChoice{false, shortage + ": falling back from AF_XDP to AF_PACKET with ordinary memory"};
}

std::uint64_t free_hugepage_bytes(const std::string& root) {
  if (!has_capability(CAP_IPC_LOCK)) return 0;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    const auto dash = name.find('-');
    std::uint64_t kilobytes = 0;
    std::uint64_t free = 0;
    if (dash == std::string::npos) continue;
    std::from_chars(name.data() + dash + 1, name.data() + name.size(), kilobytes);
    std::ifstream(entry.path() / "free_hugepages") >> free;
    bytes += free * kilobytes * 1024;
  }
  return bytes;
}

bool has_capability(unsigned capability) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("CapEff:")) continue;
    return (std::stoull(line.substr(7), nullptr, 16) >> capability & 1) != 0;
  }
  return false;
}

std::vector<unsigned> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<unsigned> cores_left(const std::vector<unsigned>& all, const std::vector<unsigned>& taken) {
  std::vector<unsigned> left;
  std::ranges::copy_if(all, std::back_inserter(left),
                       [&taken](unsigned core) { return std::ranges::find(taken, core) == taken.end(); });
  return left.empty() ? all : left;
}

bool run_on(const std::vector<unsigned>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned core : cores) {
    if (core >= CPU_SETSIZE) return false;
    CPU_SET(core, &set);
  }
  return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

std::vector<std::string> eal_arguments(const EalOptions& options) {
  std::vector<std::string> arguments{"sallyport"};
  // Lcore n is worker n, the one after them the main lcore.
  const std::string main = std::to_string(options.cores.size());
  std::string lcores;
  for (std::size_t i = 0; i < options.cores.size(); ++i) {
    lcores += std::to_string(i) + "@" + std::to_string(options.cores[i]) + ",";
  }
  arguments.push_back("--lcores=" + lcores + main + "@(" + list(options.main_cores) + ")");
  arguments.push_back("--main-lcore=" + main);
  if (options.hugepages) {
    arguments.emplace_back("--in-memory");
  } else {
    // --no-huge excludes --in-memory; without a shared configuration it leaves no files either.
    arguments.emplace_back("--no-huge");
    arguments.emplace_back("--no-shconf");
  }
  arguments.insert(arguments.end(),
                   {"-m", std::to_string(options.megabytes), "--no-telemetry", "--log-level=4"});
  if (options.pci.empty()) arguments.emplace_back("--no-pci");
  for (const std::string& address : options.pci) arguments.insert(arguments.end(), {"-a", address});
  arguments.insert(arguments.end(), options.extra.begin(), options.extra.end());
  return arguments;
}

std::expected<void, std::string> start_eal(const EalOptions& options) {
  // EAL keeps pointers into its arguments.
  static std::vector<std::string> arguments;
  static bool started = false;
  if (!started) {
    arguments = eal_arguments(options);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // The threads that EAL starts keep this mask: signals are for main's own thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = rte_eal_init(static_cast<int>(arguments.size()), argv.data());
    const int error = rte_errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (result < 0 && error != EALREADY) {
      return std::unexpected(std::string("DPDK did not start (") + rte_strerror(error) +
                             "): EAL's own words are above; check memory, eal options and privileges");
    }
    started = true;
  }
  run_on(options.main_cores);
  if (rte_lcore_count() - 1 < options.cores.size()) {
    return std::unexpected("DPDK already runs in this process with " + std::to_string(rte_lcore_count() - 1) +
                           " workers: it cannot be given more");
  }
  return {};
}

}  // namespace sallyport::dp

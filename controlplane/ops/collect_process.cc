// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"

namespace sallyport::ops {
namespace {

// "VmRSS:  1234 kB" of /proc/self/status, in octets; 0 where there is none.
std::uint64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(key)) continue;
    return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

std::size_t open_files() {
  std::error_code error;
  std::size_t count = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // one is the folder itself
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Boot time and field 22 of /proc/self/stat, in clock ticks after it (proc(5)).
double start_time() {
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  std::ifstream system("/proc/stat");
  for (std::string line; std::getline(system, line);) {
    if (!line.starts_with("btime ") || at == std::string::npos) continue;
    return std::strtod(line.c_str() + 6, nullptr) +
           std::strtod(text.c_str() + at, nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return 0;
}

void gauge(MetricFamilies& out, std::string_view name, double value) {
  Family family(name);
  family.gauge({}, value);
  out.push_back(family.take());
}

void collect_records(const RecordCounts& counts, std::uint64_t shed, MetricFamilies& out) {
  Family family("call_records_total");
  family.counter({{"outcome", "written"}}, counts.written);
  family.counter({{"outcome", "dropped"}}, counts.dropped);
  family.counter({{"outcome", "failed"}}, counts.failed);
  family.counter({{"outcome", "shed"}}, shed);
  out.push_back(family.take());
  Family files("call_record_file_failures_total");
  files.counter({}, counts.file_failures);
  out.push_back(files.take());
}

void collect_reloads(const ReloadCounts& counts, MetricFamilies& out) {
  Family family("reloads_total");
  family.counter({{"outcome", "done"}}, counts.done);
  family.counter({{"outcome", "refused"}}, counts.refused);
  out.push_back(family.take());
  gauge(out, "reload_last_done_timestamp_seconds", static_cast<double>(counts.last_done_s));
  gauge(out, "reload_waiting_keys", static_cast<double>(counts.waiting_keys));
}

}  // namespace

void collect_process(const Labels&, const Sources& sources, MetricFamilies& out) {
  std::uint64_t shed = 0;
  for (const stats::ShardStatistics* shard : sources.shards) shed += shard->totals.records_shed.get();
  if (sources.records) collect_records(sources.records(), shed, out);
  if (sources.calls_limit != 0) gauge(out, "calls_limit", sources.calls_limit);
  if (sources.reloads) collect_reloads(sources.reloads(), out);
  if (sources.draining) gauge(out, "draining", sources.draining() ? 1 : 0);
  std::int64_t open = 0;
  for (const stats::ShardStatistics* shard : sources.shards) open += shard->totals.calls.get();
  gauge(out, "calls_open", static_cast<double>(open));
  gauge(out, "process_resident_memory_bytes", static_cast<double>(status_bytes("VmRSS")));
  gauge(out, "process_hugepage_bytes", static_cast<double>(status_bytes("HugetlbPages")));
  gauge(out, "process_open_fds", static_cast<double>(open_files()));
  static const double started = start_time();
  gauge(out, "process_start_time_seconds", started);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  Family processor("process_cpu_seconds_total");
  processor.counter_seconds({}, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  out.push_back(processor.take());
  Family build("build_info");
  build.gauge({{"version", sources.version}, {"dpdk", sources.dpdk}}, 1);
  out.push_back(build.take());
}

}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
// calls_bench rate CALLS      busy microseconds a call, worker and shard apart, in samples of 500 calls
// calls_bench hold CALLS      resident bytes that each of CALLS established calls has added
#include <rte_cycles.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "dataplane/eal.h"
#include "dataplane/flow.h"
#include "perf/calls/endpoints.h"
#include "perf/common/eal.h"
#include "perf/common/series.h"

namespace sallyport::perf {
namespace {

constexpr Nanoseconds kTurn = kMillisecond;  // one new call in each: 1,000 a second
constexpr std::uint64_t kWarmUp = 40'000;    // until transactions of 32 s end as fast as they begin
constexpr std::uint64_t kSample = 500;
constexpr unsigned kMostCalls = 1'000'000;

// Of one thread that is the worker and the shard, on a core that has no other of ours.
void start() {
  start_eal({dp::allowed_cores().back()}, 256);
  dp::run_on({dp::allowed_cores().back()});
}

void check(const Rig& rig, const Endpoints& endpoints) {
  if (endpoints.failed() == 0 && rig.drops() == 0) return;
  throw std::runtime_error(std::to_string(endpoints.failed()) + " calls failed and " +
                           std::to_string(rig.drops()) + " packets were dropped");
}

double microseconds(std::uint64_t cycles, std::uint64_t calls) {
  return static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz()) * 1e6 /
         static_cast<double>(calls);
}

void place(Endpoints& endpoints, std::uint64_t calls, Nanoseconds& now_ns) {
  for (std::uint64_t i = 0; i < calls; ++i) {
    endpoints.place_call();
    endpoints.turn(now_ns += kTurn);
  }
}

int rate(std::uint64_t calls) {
  start();
  Rig rig(endpoints_config(1, kMostCalls));
  Endpoints endpoints(rig);
  Nanoseconds now_ns = 0;
  place(endpoints, kWarmUp, now_ns);
  Results results;
  for (std::uint64_t done = 0; done < calls; done += kSample) {
    const Cycles before = rig.cycles();
    place(endpoints, kSample, now_ns);
    const std::uint64_t worker = rig.cycles().worker - before.worker;
    const std::uint64_t shard = rig.cycles().shard - before.shard;
    results.add("worker_us", microseconds(worker, kSample));
    results.add("shard_us", microseconds(shard, kSample));
    results.add("call_us", microseconds(worker + shard, kSample));
  }
  for (int i = 0; i < 100; ++i) endpoints.turn(now_ns += kTurn);
  check(rig, endpoints);
  if (endpoints.ended() != endpoints.placed() || rig.records().count != endpoints.placed() ||
      rig.flows() != 0) {
    throw std::runtime_error(std::to_string(endpoints.placed()) + " calls were placed, " +
                             std::to_string(endpoints.ended()) + " ended, " +
                             std::to_string(rig.records().count) + " have a record and " +
                             std::to_string(rig.flows()) + " flows are left");
  }
  results.print();
  return 0;
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

int hold(std::uint64_t calls) {
  start();
  Rig rig(endpoints_config(static_cast<unsigned>(1 + calls / 18'000), kMostCalls));
  Endpoints endpoints(rig);
  Nanoseconds now_ns = 0;
  // Calls at the same rate that end at once: what the rate needs (transactions that linger, trace rings, packets
  // on their way) is there before the first call that is held.
  place(endpoints, kWarmUp, now_ns);
  for (int i = 0; i < 100; ++i) endpoints.turn(now_ns += kTurn);
  const double before = resident_bytes();
  endpoints.hold();
  place(endpoints, calls, now_ns);
  const double placed = resident_bytes();
  // The transactions of the last calls end.
  for (int i = 0; i < 400; ++i) endpoints.turn(now_ns += 100 * kMillisecond);
  check(rig, endpoints);
  if (endpoints.established() != kWarmUp + calls || rig.shard().manager().calls() != calls)
    throw std::runtime_error("not every call is established");
  const double n = static_cast<double>(calls);
  // The warm-up has touched the flow table's pages: a call's part of it is counted by its flows.
  const double flow_bytes = static_cast<double>(rig.flows()) * static_cast<double>(sizeof(dp::Flow) + sizeof(dp::FlowMore)) / n;
  Results results;
  results.add("bytes_a_call", (resident_bytes() - before) / n + flow_bytes);
  results.add("bytes_a_call_while_placing", (placed - before) / n + flow_bytes);
  results.add("flow_bytes_a_call", flow_bytes);
  results.print();
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 2 && words[0] == "rate") return sallyport::perf::rate(std::stoull(words[1]));
    if (words.size() == 2 && words[0] == "hold") return sallyport::perf::hold(std::stoull(words[1]));
  } catch (const std::exception& error) {
    std::cerr << "calls_bench: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: calls_bench rate|hold CALLS\n";
  return 2;
}

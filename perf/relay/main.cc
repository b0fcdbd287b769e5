// SPDX-License-Identifier: Apache-2.0
// relay_bench write FILE FLOWS ordered|shuffled [WORKER]
// relay_bench run FLOWS SECONDS FILE CORE [FILE CORE]
// The first writes a frame for each flow, or for each that WORKER of two owns. The second relays the frames
// over and over from a pcap vdev through the shipped worker loop, one worker on each CORE with a queue of its
// FILE, and prints packets relayed a second and busy cycles a packet. It fails when a packet was not relayed,
// unless all are of the other worker: then more may come than the hand-off takes.
#include <rte_cycles.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "perf/common/eal.h"
#include "perf/common/series.h"
#include "perf/relay/bench.h"
#include "perf/relay/layout.h"

namespace sallyport::perf {
namespace {

using Words = std::vector<std::string>;

unsigned number(const std::string& text) {
  return static_cast<unsigned>(std::stoul(text));
}

int write(const Words& words) {
  std::optional<unsigned> worker;
  if (words.size() == 5) worker = number(words[4]);
  write_frames(words[1], Layout(number(words[2]) / 2), words[3] == "shuffled", 4, worker);
  return 0;
}

constexpr unsigned kSlices =
    40;  // of a run; the median one is told, since what disturbs the machine disturbs some

double median(std::vector<double> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::ranges::nth_element(samples, middle);
  return *middle;
}

void report(const std::vector<Reading>& readings, bool all_relayed) {
  std::vector<double> mpps, cycles;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const Reading& before = readings[i - 1];
    const Reading& after = readings[i];
    const double packets = static_cast<double>(after.relayed - before.relayed);
    if (packets == 0) continue;  // the worker did not run
    const std::chrono::duration<double> span = after.at - before.at;
    mpps.push_back(packets / span.count() / 1e6);
    cycles.push_back(static_cast<double>(after.cycles - before.cycles) / packets);
  }
  if (mpps.empty()) throw std::runtime_error("nothing was relayed");
  Results results;
  results.add("mpps", median(mpps));
  results.add("cycles_per_packet", median(cycles));
  results.add("ghz", static_cast<double>(rte_get_tsc_hz()) / 1e9);
  results.add("all_relayed", all_relayed ? 1 : 0);
  results.print();
}

int run(const Words& words) {
  const unsigned flows = number(words[1]);
  const double seconds = std::stod(words[2]);
  std::vector<std::string> files;
  std::vector<unsigned> cores;
  for (std::size_t i = 3; i + 1 < words.size(); i += 2) {
    files.push_back(words[i]);
    cores.push_back(number(words[i + 1]));
  }
  start_eal(cores, flows / 300 + 256);
  const Layout layout(flows / 2);
  RelayBench bench(layout, files);
  const Reading installed = bench.read();
  bench.start();
  const auto sleep = [](double s) { std::this_thread::sleep_for(std::chrono::duration<double>(s)); };
  sleep(0.3 * seconds);  // caches, and the first packet of every flow
  std::vector<Reading> readings{bench.read()};
  for (unsigned slice = 0; slice < kSlices; ++slice) {
    sleep(seconds / kSlices);
    readings.push_back(bench.read());
  }
  bench.stop();
  const Reading end = bench.read();
  // 256 may be in each egress queue; what came before the flows were there is not of the measurement.
  const bool all_relayed =
      end.received - installed.received <= end.relayed - installed.relayed + 256 * files.size();
  if (!all_relayed && files.size() == 1) {
    bench.print_drops();
    std::cerr << "relay_bench: packets were not relayed\n";
    return 1;
  }
  report(readings, all_relayed);
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  using namespace sallyport::perf;
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if ((words.size() == 4 || words.size() == 5) && words[0] == "write") return write(words);
    if ((words.size() == 5 || words.size() == 7) && words[0] == "run") return run(words);
  } catch (const std::exception& error) {
    std::cerr << "relay_bench: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: relay_bench write FILE FLOWS ordered|shuffled [WORKER] | run FLOWS SECONDS FILE CORE"
               " [FILE CORE]\n";
  return 2;
}

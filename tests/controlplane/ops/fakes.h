// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/ops/metrics.h"
#include "controlplane/stats/mailbox.h"
#include "dataplane/dataplane.h"

namespace sallyport::ops {

// A dataplane of two workers whose counters a test sets.
class FakeDataplane : public dp::Dataplane {
 public:
  [[nodiscard]] unsigned workers() const override { return 2; }
  [[nodiscard]] dp::RecordRing& commands(unsigned, unsigned) override { return ring_; }
  [[nodiscard]] dp::RecordRing& events(unsigned, unsigned) override { return ring_; }
  [[nodiscard]] dp::ShardDoorbell& doorbell(unsigned) override { throw std::logic_error("no doorbell"); }
  void kick(unsigned) override {}
  [[nodiscard]] const std::vector<dp::MediaRange>& media() const override { return media_; }
  [[nodiscard]] const dp::WorkerCounters& counters(unsigned worker) const override {
    return *workers_[worker];
  }
  [[nodiscard]] std::vector<dp::CoreLoad> load() const override { return {{1, 0.25, 120}, {3, 0.5, 140}}; }
  [[nodiscard]] std::vector<dp::NicLoss> nic_losses() const override { return {{"core", "missed", 9}}; }
  [[nodiscard]] std::vector<dp::FlowRow> flows(std::size_t limit) const override {
    return {flow_rows.begin(), flow_rows.begin() + std::min(limit, flow_rows.size())};
  }
  [[nodiscard]] std::vector<dp::FlowRow> flows_at(std::span<const std::uint32_t> slots) const override {
    std::vector<dp::FlowRow> rows;
    for (const dp::FlowRow& row : flow_rows) {
      if (std::ranges::find(slots, row.spec.self.slot) != slots.end()) rows.push_back(row);
    }
    return rows;
  }
  [[nodiscard]] std::string memory_in_use() const override { return "ordinary"; }

  dp::WorkerCounters& worker(unsigned n) { return *workers_[n]; }
  [[nodiscard]] dp::KernelWayCounts kernel_way() const override {
    return {.to_kernel = 21,
            .to_kernel_refused = 22,
            .no_tap = 23,
            .from_kernel = 24,
            .from_kernel_full = 25,
            .resolutions = 26,
            .probes = 27};
  }
  [[nodiscard]] std::vector<dp::PoolLevel> pools() const override { return {{"access", 2100, 6091}}; }
  [[nodiscard]] std::vector<dp::PortState> ports() const override {
    return {{.port = "access", .steering = dp::Steering::flow_rules, .rules = 40, .mtu = 1500, .node = 0},
            {.port = "core", .steering = dp::Steering::hash, .mtu = 9000, .interrupts = true}};
  }
  void add_media_range(const dp::MediaRange& range) { media_.push_back(range); }
  std::vector<dp::FlowRow> flow_rows;

 private:
  std::array<std::unique_ptr<dp::WorkerCounters>, 2> workers_{std::make_unique<dp::WorkerCounters>(),
                                                              std::make_unique<dp::WorkerCounters>()};
  dp::RecordRing ring_{4096};
  std::vector<dp::MediaRange> media_;
};

inline Labels lab_labels() {
  return {{"access", "core"},
          {"access", "core"},
          {{"office", "access"}, {"carrier-a", "core"}, {"carrier-b", "core"}}};
}

// A folder of its own, gone with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-ops-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace sallyport::ops

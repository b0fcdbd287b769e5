// SPDX-License-Identifier: Apache-2.0
// The calls of the relay benchmark: call n has one RTP port of ours on each side and one endpoint on each
// side, all by formula, so that the frames in the file and the flows in the table cannot disagree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/dataplane.h"

namespace sallyport::perf {

inline constexpr std::uint16_t kFirstPort = 10'000;
inline constexpr std::uint16_t kLastPort = 59'999;
inline constexpr std::uint32_t kPairsPerAddress = (kLastPort - kFirstPort + 1) / 2;

struct Side {
  Endpoint local;
  Endpoint remote;
};

class Layout {
 public:
  explicit Layout(std::uint32_t calls);

  [[nodiscard]] std::uint32_t calls() const { return calls_; }
  // `realm`: 0 access, 1 core.
  [[nodiscard]] Side side(std::uint32_t call, std::uint16_t realm) const;
  [[nodiscard]] std::uint32_t slot(std::uint32_t call, std::uint16_t realm) const;
  // The one of so many that the call's ports belong to, on both sides.
  [[nodiscard]] std::uint32_t worker(std::uint32_t call, std::uint32_t workers) const;
  [[nodiscard]] dp::FlowSpec flow(std::uint32_t call, std::uint16_t realm) const;
  [[nodiscard]] const std::vector<dp::RealmOptions>& realms() const { return realms_; }
  [[nodiscard]] const std::vector<dp::MediaRange>& media() const { return media_; }

 private:
  std::uint32_t calls_;
  std::uint32_t addresses_;  // of a realm
  std::vector<dp::RealmOptions> realms_;
  std::vector<dp::MediaRange> media_;
};

// A pcap file with one 214-octet RTP frame (G.711, 20 ms) for each flow of the calls: in the order of the
// calls, or in a random one; only those of one of two workers where `worker` says so. Throws
// std::runtime_error.
void write_frames(const std::string& path, const Layout& layout, bool shuffled, std::uint64_t seed,
                  std::optional<unsigned> worker);

}  // namespace sallyport::perf

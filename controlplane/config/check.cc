// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/check.h"

#include <fmt/format.h>

#include <algorithm>

namespace sallyport::config {
namespace {

std::string count_text(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

}  // namespace

std::string format_faults(std::string_view file, std::span<const Fault> faults) {
  std::string text;
  for (const Fault& fault : faults) {
    text += fault.at.line == 0
                ? fmt::format("{}: {}\n", file, fault.message)
                : fmt::format("{}:{}:{}: {}\n", file, fault.at.line, fault.at.column, fault.message);
  }
  return text;
}

std::string summary(std::string_view file, const Config& config) {
  return fmt::format("{}: no fault ({}, {}, {}, {})\n", file, count_text(config.realms.size(), "realm"),
                     count_text(config.peers.size(), "peer"), count_text(config.routes.size(), "route"),
                     count_text(config.response_maps.size(), "response map"));
}

std::vector<Fault> merge_faults(std::vector<Fault> a, std::span<const Fault> b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  a.erase(std::unique(a.begin(), a.end()), a.end());
  return a;
}

}  // namespace sallyport::config

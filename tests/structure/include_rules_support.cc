// SPDX-License-Identifier: Apache-2.0
#include "tests/structure/include_rules_support.h"

#include <algorithm>
#include <array>
#include <optional>

namespace sallyport::structure {

namespace {

struct Room {
  std::string_view folder;
  std::vector<std::string_view> may;          // rooms, besides itself
  std::vector<std::string_view> third_party;  // names of kThirdParty
};

// Longer folders first: a path belongs to the first that fits.
const std::vector<Room>& rooms() {
  static const std::vector<Room> kRooms{
      {"dataplane/base", {}, {}},
      {"dataplane/api", {"dataplane/base"}, {}},
      {"dataplane/sip", {"dataplane/base"}, {}},
      {"dataplane/steer", {"dataplane/base", "dataplane/sip"}, {"openssl"}},
      {"dataplane",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer"},
       {"dpdk", "libmnl"}},
      {"sdp_rewriter", {"dataplane/base"}, {}},
      {"controlplane/config", {"dataplane/base", "dataplane/sip"}, {"yaml-cpp", "fmt"}},
      {"controlplane/trace", {"dataplane/base", "dataplane/api"}, {"fmt"}},
      {"controlplane/stats", {"dataplane/base", "dataplane/api", "controlplane/trace"}, {"tbb"}},
      {"controlplane/sip",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer", "controlplane/stats"},
       {"openssl"}},
      {"controlplane/routing", {"dataplane/base", "dataplane/sip", "controlplane/config"}, {"fmt"}},
      {"controlplane/resolver",
       {"dataplane/base", "dataplane/api", "controlplane/config", "controlplane/routing"},
       {"c-ares"}},
      {"controlplane/policy", {"dataplane/base", "controlplane/config"}, {"fmt"}},
      {"controlplane/response_map", {"dataplane/base", "dataplane/sip", "controlplane/config"}, {"fmt"}},
      {"controlplane/media",
       {"dataplane/base", "dataplane/api", "sdp_rewriter", "controlplane/config", "controlplane/stats"},
       {"openssl"}},
      {"controlplane/b2bua",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer", "sdp_rewriter",
        "controlplane/config", "controlplane/stats", "controlplane/sip", "controlplane/routing",
        "controlplane/policy", "controlplane/response_map", "controlplane/media", "controlplane/trace"},
       {"fmt", "openssl", "tbb"}},
      {"controlplane/stream",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer", "controlplane/config",
        "controlplane/stats", "controlplane/sip", "controlplane/routing"},
       {"fmt", "tbb", "openssl"}},
      {"controlplane/shard",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer", "dataplane", "sdp_rewriter",
        "controlplane/config", "controlplane/stats", "controlplane/sip", "controlplane/routing",
        "controlplane/policy", "controlplane/response_map", "controlplane/media", "controlplane/b2bua",
        "controlplane/stream", "controlplane/trace"},
       {"fmt", "tbb", "openssl"}},
      {"controlplane/cli", {}, {}},  // the wiring: see is_free
      {"controlplane/ops",
       {"dataplane/base", "dataplane/api", "dataplane/sip", "dataplane/steer", "dataplane", "sdp_rewriter",
        "controlplane/config", "controlplane/stats", "controlplane/sip", "controlplane/routing",
        "controlplane/policy", "controlplane/response_map", "controlplane/media", "controlplane/b2bua",
        "controlplane/stream", "controlplane/shard", "controlplane/resolver", "controlplane/trace"},
       {"fmt", "json", "tbb", "prometheus", "spdlog"}},
  };
  return kRooms;
}

struct ThirdParty {
  std::string_view prefix;  // of the path between <>
  std::string_view name;
};

constexpr std::array kThirdParty{
    ThirdParty{"rte_", "dpdk"},
    ThirdParty{"openssl/", "openssl"},
    ThirdParty{"tbb/", "tbb"},
    ThirdParty{"oneapi/", "tbb"},
    ThirdParty{"libmnl/", "libmnl"},
    ThirdParty{"yaml-cpp/", "yaml-cpp"},
    ThirdParty{"fmt/", "fmt"},
    ThirdParty{"spdlog/", "spdlog"},
    ThirdParty{"nlohmann/", "json"},
    ThirdParty{"CLI/", "cli11"},
    ThirdParty{"prometheus/", "prometheus"},
    ThirdParty{"gtest/", "gtest"},
    ThirdParty{"gmock/", "gtest"},
    ThirdParty{"benchmark/", "benchmark"},
    ThirdParty{"ares", "c-ares"},
    ThirdParty{"netlink/", "libnl"},
    ThirdParty{"xdp/", "libxdp"},
};

// What the whole control plane is shown of the dataplane has no DPDK type in it.
constexpr std::string_view kDataplaneDoor = "dataplane/dataplane.h";

struct Include {
  std::string_view path;
  bool quoted = false;
};

std::string_view skip_blanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

std::optional<Include> include_of(std::string_view line) {
  line = skip_blanks(line);
  if (!line.starts_with('#')) return std::nullopt;
  line = skip_blanks(line.substr(1));
  if (!line.starts_with("include")) return std::nullopt;
  line = skip_blanks(line.substr(7));
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const bool quoted = line.front() == '"';
  const std::size_t end = line.find(quoted ? '"' : '>', 1);
  return Include{line.substr(1, end == std::string_view::npos ? end : end - 1), quoted};
}

bool has(const std::vector<std::string_view>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

std::string_view third_party_of(std::string_view path) {
  for (const ThirdParty& party : kThirdParty) {
    if (path.starts_with(party.prefix)) return party.name;
  }
  return {};
}

const Room* find_room(std::string_view path) {
  for (const Room& room : rooms()) {
    if (path.starts_with(room.folder) && path.substr(room.folder.size()).starts_with('/')) return &room;
  }
  return nullptr;
}

// Tests and benchmarks see every public header, main.cc and the commands beside it wire all: none is held to
// the table but for DPDK. That nobody includes them is held.
bool is_free(std::string_view path) {
  return path.starts_with("tests/") || path.starts_with("perf/") || path == "controlplane/main.cc" ||
         path.starts_with("controlplane/cli/");
}

// The tests of the ports and benchmarks need DPDK's pools and vdevs; nobody else outside the dataplane's own
// folder.
bool may_see_dpdk(std::string_view path) {
  if (path.starts_with("perf/")) return true;
  for (const std::string_view folder : {"dataplane/", "tests/dataplane/"}) {
    if (path.starts_with(folder) && path.find('/', folder.size()) == std::string_view::npos) {
      return path != kDataplaneDoor;
    }
  }
  return false;
}

std::string judge_quoted(std::string_view path, const Room* room, std::string_view target) {
  if (target.find('/') == std::string_view::npos) return "is not a path from the root";
  if (is_free(path)) return {};
  if (target.starts_with("tests/") || target.starts_with("perf/"))
    return "is of the tests, which the product does not see";
  const Room* other = find_room(target);
  if (other == nullptr) return "is in no known room";
  if (other == room || has(room->may, other->folder)) return {};
  return std::string(room->folder) + " may not include " + std::string(other->folder);
}

std::string judge_angled(std::string_view path, const Room* room, std::string_view target) {
  const std::string_view party = third_party_of(target);
  if (party == "dpdk" && !may_see_dpdk(path))
    return "DPDK is seen in dataplane/*.{h,cc} only, and not in its door";
  if (party.empty() || is_free(path) || has(room->third_party, party)) return {};
  return std::string(room->folder) + " may not use " + std::string(party);
}

}  // namespace

std::string_view room_of(std::string_view path) {
  const Room* room = find_room(path);
  return room == nullptr ? std::string_view{} : room->folder;
}

std::vector<std::string> judge_includes(std::string_view path, std::string_view text) {
  std::vector<std::string> faults;
  const Room* room = find_room(path);
  if (room == nullptr && !is_free(path)) {
    faults.push_back(std::string(path) + ": is in no known room; the table of rooms is in the architecture");
    return faults;
  }
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto include = include_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!include) continue;
    const std::string why =
        include->quoted ? judge_quoted(path, room, include->path) : judge_angled(path, room, include->path);
    if (why.empty()) continue;
    faults.push_back(std::string(path) + ":" + std::to_string(number) + ": " + std::string(include->path) +
                     ": " + why);
  }
  return faults;
}

}  // namespace sallyport::structure

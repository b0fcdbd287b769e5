// SPDX-License-Identifier: Apache-2.0
#include "tests/structure/include_rules_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace sallyport::structure {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SALLYPORT_SOURCE_DIR;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every source file of the tree, relative to its root.
std::vector<std::string> sources() {
  std::vector<std::string> paths;
  for (const char* top : {"dataplane", "controlplane", "sdp_rewriter", "tests", "perf"}) {
    if (!fs::is_directory(kRoot / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      paths.push_back(fs::relative(entry.path(), kRoot).string());
    }
  }
  std::ranges::sort(paths);
  return paths;
}

TEST(IncludeDirection, Arrows_only_go_down_the_table) {
  const auto paths = sources();
  ASSERT_GT(paths.size(), 50u) << "the tree was not found under " << kRoot;
  for (const std::string& path : paths) {
    for (const std::string& fault : judge_includes(path, read_file(kRoot / path))) ADD_FAILURE() << fault;
  }
}

TEST(IncludeDirection, What_is_included_exists) {
  for (const std::string& path : sources()) {
    std::ifstream in(kRoot / path);
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      if (!line.starts_with("#include \"")) continue;
      const std::string target = line.substr(10, line.find('"', 10) - 10);
      EXPECT_TRUE(fs::exists(kRoot / target)) << path << ":" << number << ": " << target;
    }
  }
}

TEST(SourceFiles, Carry_the_licence_line_and_headers_their_guard) {
  for (const std::string& path : sources()) {
    const std::string text = read_file(kRoot / path);
    EXPECT_TRUE(text.starts_with("// SPDX-License-Identifier: Apache-2.0\n")) << path;
    EXPECT_TRUE(!path.ends_with(".h") || text.contains("\n#pragma once\n")) << path;
  }
}

TEST(SourceFiles, Stay_under_the_alarm_of_800_lines) {
  for (const std::string& path : sources()) {
    const std::string text = read_file(kRoot / path);
    EXPECT_LE(std::ranges::count(text, '\n'), 800) << path;
  }
}

TEST(Tree, Has_the_top_level_entries_of_the_architecture_and_no_others) {
  const std::set<std::string> known{".ci",
                                    ".clang-format",
                                    ".clang-tidy",
                                    ".git",
                                    ".gitignore",
                                    "CMakeLists.txt",
                                    "LICENSE",
                                    "CMakePresets.json",
                                    "CONTRIBUTING.md",
                                    "README.md",
                                    "build",
                                    "controlplane",
                                    "dataplane",
                                    "deploy",
                                    "perf",
                                    "sdp_rewriter",
                                    "tests"};
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    EXPECT_TRUE(known.contains(entry.path().filename().string())) << entry.path().filename();
  }
  for (const char* must :
       {"CMakeLists.txt", "LICENSE", "controlplane", "dataplane", "deploy", "sdp_rewriter", "tests"}) {
    EXPECT_TRUE(fs::exists(kRoot / must)) << must;
  }
}

// ---- the judge itself
// -----------------------------------------------------------------------------------------

TEST(Judge, Finds_each_kind_of_fault_at_its_line) {
  const struct {
    std::string path;
    std::string text;
    std::string fault;
  } rows[] = {
      {"dataplane/base/a.h", "\n#include \"dataplane/api/ring.h\"\n",
       "dataplane/base/a.h:2: dataplane/api/ring.h: dataplane/base may not include dataplane/api"},
      {"dataplane/sip/a.cc", "#include \"dataplane/steer/identifier.h\"",
       "dataplane/sip/a.cc:1: dataplane/steer/identifier.h: dataplane/sip may not include dataplane/steer"},
      {"dataplane/sip/a.cc", "  #  include <rte_mbuf.h>",
       "dataplane/sip/a.cc:1: rte_mbuf.h: DPDK is seen in dataplane/*.{h,cc} only, and not in its door"},
      {"dataplane/dataplane.h", "#include <rte_mbuf.h>",
       "dataplane/dataplane.h:1: rte_mbuf.h: DPDK is seen in dataplane/*.{h,cc} only, and not in its door"},
      {"controlplane/main.cc", "#include <rte_eal.h>",
       "controlplane/main.cc:1: rte_eal.h: DPDK is seen in dataplane/*.{h,cc} only, and not in its door"},
      {"dataplane/worker.cc", "#include \"controlplane/config/config.h\"",
       "dataplane/worker.cc:1: controlplane/config/config.h: dataplane may not include controlplane/config"},
      {"controlplane/shard/shard.cc", "#include \"controlplane/cli/process.h\"",
       "controlplane/shard/shard.cc:1: controlplane/cli/process.h: controlplane/shard may not include "
       "controlplane/cli"},
      {"dataplane/worker.cc", "#include \"worker.h\"",
       "dataplane/worker.cc:1: worker.h: is not a path from the root"},
      {"controlplane/b2bua/call.cc", "#include \"controlplane/ops/metrics.h\"",
       "controlplane/b2bua/call.cc:1: controlplane/ops/metrics.h: controlplane/b2bua may not include "
       "controlplane/ops"},
      {"controlplane/b2bua/call.cc", "#include \"dataplane/dataplane.h\"",
       "controlplane/b2bua/call.cc:1: dataplane/dataplane.h: controlplane/b2bua may not include dataplane"},
      {"sdp_rewriter/a.cc", "#include <openssl/evp.h>",
       "sdp_rewriter/a.cc:1: openssl/evp.h: sdp_rewriter may not use openssl"},
      {"dataplane/sip/a.cc", "#include \"tests/dataplane/sip/text_support.h\"",
       "dataplane/sip/a.cc:1: tests/dataplane/sip/text_support.h: is of the tests, which the product does "
       "not see"},
      {"dataplane/sip/a.cc", "#include \"vendor/x.h\"",
       "dataplane/sip/a.cc:1: vendor/x.h: is in no known room"},
      {"tests/x_test.cc", "#include \"text_support.h\"",
       "tests/x_test.cc:1: text_support.h: is not a path from the root"},
      {"tests/dataplane/sip/x_test.cc", "#include <rte_mbuf.h>",
       "tests/dataplane/sip/x_test.cc:1: rte_mbuf.h: DPDK is seen in dataplane/*.{h,cc} only, and not in its "
       "door"},
      {"controlplane/new_room/a.cc", "",
       "controlplane/new_room/a.cc: is in no known room; the table of rooms is in the architecture"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(judge_includes(row.path, row.text), std::vector<std::string>{row.fault})
        << row.path << " " << row.text;
  }
}

TEST(Judge, Lets_pass_what_the_table_allows) {
  const struct {
    std::string path;
    std::string text;
  } rows[] = {
      {"dataplane/worker.cc", "#include <rte_mbuf.h>\n#include \"dataplane/sip/uri.h\"\n#include <vector>\n"},
      {"dataplane/steer/identifier.cc", "#include <openssl/evp.h>\n#include \"dataplane/sip/via.h\""},
      {"controlplane/shard/shard.cc",
       "#include \"dataplane/dataplane.h\"\n#include \"controlplane/b2bua/call.h\""},
      {"controlplane/main.cc", "#include \"controlplane/ops/metrics.h\"\n#include <CLI/CLI.hpp>"},
      {"tests/dataplane/pool_test.cc", "#include <rte_mempool.h>\n#include <gtest/gtest.h>"},
      {"dataplane/base/a.h", "// #include \"dataplane/api/ring.h\"\n#include <arpa/inet.h>\n"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(judge_includes(row.path, row.text), std::vector<std::string>{}) << row.path;
}

TEST(Judge, Knows_a_path_s_room) {
  EXPECT_EQ(room_of("dataplane/sip/uri.h"), "dataplane/sip");
  EXPECT_EQ(room_of("dataplane/worker.h"), "dataplane");
  EXPECT_EQ(room_of("dataplane_x/worker.h"), "");
}

}  // namespace
}  // namespace sallyport::structure

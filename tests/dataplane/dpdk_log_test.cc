// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk_log.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <rte_log.h>

#include <vector>

namespace sallyport::dp {
namespace {

TEST(DpdkLog, is_told_in_whole_lines_for_as_long_as_somebody_listens) {
  std::vector<std::string> told;
  const auto tell = [&told](std::string_view from, std::string_view notice) {
    told.push_back(std::string(from) + ": " + std::string(notice));
  };
  {
    const DpdkLog log(tell);
    rte_log(RTE_LOG_ERR, RTE_LOGTYPE_USER1, "one\n\ntwo %d\nthr", 2);
    EXPECT_THAT(told, testing::ElementsAre("DPDK: one", "DPDK: two 2"));
    rte_log(RTE_LOG_ERR, RTE_LOGTYPE_USER1, "ee\n");
    EXPECT_EQ(told.back(), "DPDK: three");
  }
  rte_log(RTE_LOG_ERR, RTE_LOGTYPE_USER1, "four\n");
  EXPECT_EQ(told.size(), 3u);
}

TEST(DpdkLog, is_told_what_a_library_of_the_drivers_prints_once_it_is_loaded) {
  void* const library = dlopen("libbpf.so.1", RTLD_NOW);
  if (library == nullptr) GTEST_SKIP() << "the driver of AF_XDP is not installed";
  auto* const open = reinterpret_cast<void* (*)(const char*)>(dlsym(library, "bpf_object__open"));
  ASSERT_NE(open, nullptr);
  std::vector<std::string> told;
  DpdkLog log([&told](std::string_view, std::string_view notice) { told.emplace_back(notice); });
  log.take_libraries();
  EXPECT_EQ(open("/nowhere/at/all"), nullptr);
  EXPECT_THAT(told, testing::Contains(testing::StartsWith("libbpf: ")));
}

}  // namespace
}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/catalogue.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

namespace sallyport::ops {
namespace {

using testing::HasSubstr;

TEST(Catalogue, names_are_there_once_and_counters_end_in_total) {
  std::set<std::string_view> seen;
  for (const MetricInfo& info : catalogue()) {
    EXPECT_TRUE(seen.insert(info.name).second) << info.name;
    EXPECT_EQ(info.type == prometheus::MetricType::Counter, info.name.ends_with("_total")) << info.name;
    EXPECT_TRUE(info.meaning.ends_with(".")) << info.name;
  }
}

TEST(Catalogue, a_name_that_is_not_in_it_is_a_bug) {
  EXPECT_THROW(static_cast<void>(metric_info("no_such_metric")), std::logic_error);
}

TEST(Catalogue, the_list_tells_name_type_labels_and_meaning) {
  const std::string text = catalogue_text();
  EXPECT_THAT(text, HasSubstr("sallyport_calls_failed_total                counter    from, to, code"));
  EXPECT_THAT(text, HasSubstr("sallyport_build_info"));
}

TEST(Catalogue, the_page_that_is_checked_in_is_what_the_code_says) {
  std::ifstream file(SALLYPORT_SOURCE_DIR "/controlplane/ops/METRICS.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), catalogue_markdown())
      << "sallyport metrics --list --markdown > controlplane/ops/METRICS.md";
}

}  // namespace
}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/tables.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "controlplane/response_map/explain.h"
#include "controlplane/response_map/local_error.h"
#include "tests/controlplane/response_map/maps_support.h"

namespace sallyport::response_map {
namespace {

// The copy kept here, and the reference itself where it is.
class TablesAgainstReference : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::vector<std::vector<std::string>> rows(const std::string& file) const {
    const std::string folder = std::string(SALLYPORT_SOURCE_DIR) + "/" + GetParam();
    return read_tsv(folder + "/" + file);
  }
  void SetUp() override {
    if (!std::filesystem::exists(std::string(SALLYPORT_SOURCE_DIR) + "/" + GetParam())) {
      GTEST_SKIP() << "the reference folder is not on this machine";
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Both, TablesAgainstReference,
                         testing::Values("tests/controlplane/response_map/reference", "../shared/reference"),
                         [](const auto& which) { return which.index == 0 ? "kept" : "shared"; });

std::string number(unsigned value) {
  return value == 0 ? "" : std::to_string(value);
}

TEST_P(TablesAgainstReference, every_row_of_the_response_codes_is_ours) {
  const auto reference = rows("response-codes.tsv");
  ASSERT_EQ(reference.size(), 77u);
  EXPECT_EQ(code_rows().size(), reference.size());
  static constexpr const char* kStatuses[] = {"current", "deprecated", "obsolete", "reserved"};
  for (const auto& fields : reference) {
    ASSERT_EQ(fields.size(), 8u);
    const CodeRow* row = find_code(static_cast<unsigned>(std::stoi(fields[0])));
    ASSERT_NE(row, nullptr) << fields[0];
    EXPECT_EQ(row->phrase, fields[1]) << fields[0];
    EXPECT_EQ(row->defined_in, fields[2]) << fields[0];
    EXPECT_EQ(kStatuses[static_cast<int>(row->status)], fields[3]) << fields[0];
    EXPECT_EQ(row->q850_by_warning ? "warning" : number(row->q850), fields[4]) << fields[0];
    std::string treatment(treatment_name(row->treatment));
    if (row->map_to != 0) treatment += ":" + std::to_string(row->map_to);
    EXPECT_EQ(treatment, fields[5]) << fields[0];
    EXPECT_EQ(ends_name(row->in_dialog), fields[6]) << fields[0];
    EXPECT_EQ(row->note, fields[7]) << fields[0];
  }
}

TEST_P(TablesAgainstReference, every_row_of_the_vendor_reasons_is_ours) {
  const auto reference = rows("vendor-reasons.tsv");
  ASSERT_EQ(reference.size(), 55u);
  EXPECT_EQ(vendor_rows().size(), reference.size());
  for (const auto& fields : reference) {
    ASSERT_EQ(fields.size(), 6u);
    const VendorRow* row = find_vendor(static_cast<unsigned>(std::stoi(fields[0])), fields[1]);
    ASSERT_NE(row, nullptr) << fields[0] << " " << fields[1];
    EXPECT_EQ(row->phrase, fields[1]);
    EXPECT_EQ(row->meaning, fields[2]) << fields[1];
    EXPECT_EQ(std::to_string(row->normalised), fields[3]) << fields[1];
    EXPECT_EQ(number(row->q850), fields[4]) << fields[1];
    EXPECT_EQ(row->failover ? "yes" : "no", fields[5]) << fields[1];
  }
}

TEST_P(TablesAgainstReference, every_row_of_the_q850_causes_is_ours) {
  const auto reference = rows("q850-causes.tsv");
  ASSERT_EQ(reference.size(), 34u);
  EXPECT_EQ(cause_rows().size(), reference.size());
  for (const auto& fields : reference) {
    ASSERT_EQ(fields.size(), 3u);
    const CauseRow* row = find_cause(static_cast<unsigned>(std::stoi(fields[0])));
    ASSERT_NE(row, nullptr) << fields[0];
    EXPECT_EQ(row->name, fields[1]);
    EXPECT_EQ(number(row->sip_status), fields[2]) << fields[0];
  }
}

TEST_P(TablesAgainstReference, every_row_of_the_warning_codes_is_ours) {
  const auto reference = rows("warning-codes.tsv");
  ASSERT_EQ(reference.size(), 15u);
  EXPECT_EQ(warning_rows().size(), reference.size());
  for (const auto& fields : reference) {
    ASSERT_EQ(fields.size(), 3u);
    const WarningRow* row = find_warning(static_cast<unsigned>(std::stoi(fields[0])));
    ASSERT_NE(row, nullptr) << fields[0];
    EXPECT_EQ(row->meaning, fields[1]);
    EXPECT_EQ(number(row->q850), fields[2]) << fields[0];
  }
}

TEST(Tables, causes_that_rows_name_have_a_name_themselves) {
  for (const CodeRow& row : code_rows()) {
    if (row.q850 != 0) {
      EXPECT_NE(find_cause(row.q850), nullptr) << row.code;
    }
  }
  for (const VendorRow& row : vendor_rows()) {
    if (row.q850 != 0) {
      EXPECT_NE(find_cause(row.q850), nullptr) << row.phrase;
    }
    EXPECT_NE(find_code(row.normalised), nullptr) << row.phrase;
  }
  for (std::size_t i = 1; i < kLocalErrors; ++i) {
    const LocalDefault& row = local_default(static_cast<LocalError>(i));
    if (row.q850 != 0) {
      EXPECT_NE(find_cause(row.q850), nullptr) << row.name;
    }
    if (row.warning != 0) {
      EXPECT_NE(find_warning(row.warning), nullptr) << row.name;
    }
    EXPECT_NE(find_code(row.code), nullptr) << row.name;
  }
}

TEST(Tables, an_unknown_code_is_treated_as_x00_of_its_class) {
  struct Case {
    unsigned code;
    unsigned as;
  };
  for (const Case& c :
       {Case{191, 183}, Case{101, 183}, Case{299, 200}, Case{333, 300}, Case{499, 400}, Case{599, 500},
        Case{699, 600}, Case{700, 502}, Case{99, 502}, Case{0, 502}, Case{65535, 502}}) {
    EXPECT_EQ(find_code(c.code), nullptr) << c.code;
    EXPECT_EQ(code_row(c.code).code, c.as) << c.code;
  }
}

TEST(Tables, vendor_rows_need_code_and_phrase_and_ignore_case_and_outer_spaces) {
  ASSERT_NE(find_vendor(499, "  codec MISMATCH\t"), nullptr);
  EXPECT_EQ(find_vendor(499, "Codec Mismatch")->normalised, 488);
  EXPECT_EQ(find_vendor(498, "Codec Mismatch"), nullptr);
  EXPECT_EQ(find_vendor(499, "Codec  Mismatch"), nullptr);
  EXPECT_EQ(find_vendor(499, ""), nullptr);
}

TEST(LocalErrors, names_go_both_ways_and_are_unique) {
  std::set<std::string_view> names;
  for (std::size_t i = 1; i < kLocalErrors; ++i) {
    const auto error = static_cast<LocalError>(i);
    const std::string_view name = local_error_name(error);
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(local_error_from(name), error);
  }
  EXPECT_EQ(local_error_name(LocalError::private_media), "private-media");
  EXPECT_EQ(local_error_name(LocalError::internal), "internal");
  EXPECT_EQ(local_error_name(LocalError::none), "");
  EXPECT_FALSE(local_error_from("").has_value());
  EXPECT_FALSE(local_error_from("503").has_value());
}

TEST(BaseListing, shows_each_row_and_knows_its_names) {
  const auto lines = [](const char* name) {
    return std::ranges::count(base_listing(name).value_or(""), '\n');
  };
  EXPECT_EQ(lines("rfc3398"), 78);
  EXPECT_EQ(lines("vendor"), 56);
  EXPECT_EQ(lines("q850"), 35);
  EXPECT_EQ(lines("warning"), 16);
  EXPECT_EQ(lines("local"), static_cast<long>(kLocalErrors));
  EXPECT_FALSE(base_listing("other").has_value());
}

}  // namespace
}  // namespace sallyport::response_map

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/fault.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::sip {
namespace {

TEST(Faults, Each_has_a_name_of_its_own_in_snake_case) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Fault::kCount); ++i) {
    const std::string_view name = fault_name(static_cast<Fault>(i));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << name;
    EXPECT_FALSE(name.empty()) << i;
  }
}

TEST(Faults, Who_gets_an_answer_gets_a_phrase_and_who_gets_none_gets_none) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Fault::kCount); ++i) {
    const auto fault = static_cast<Fault>(i);
    EXPECT_EQ(fault_status(fault) != 0, !fault_phrase(fault).empty()) << fault_name(fault);
    EXPECT_TRUE(fault_status(fault) == 0 || fault_status(fault) >= 400) << fault_name(fault);
  }
}

TEST(Faults, Statuses_are_those_of_the_rfc) {
  EXPECT_EQ(fault_status(Fault::version), 505);
  EXPECT_EQ(fault_status(Fault::message_too_large), 513);
  EXPECT_EQ(fault_status(Fault::bad_via), 400);
  EXPECT_EQ(fault_status(Fault::missing_call_id), 400);
  EXPECT_EQ(fault_status(Fault::missing_via), 0);
  EXPECT_EQ(fault_status(Fault::not_sip), 0);
  EXPECT_EQ(fault_status(Fault::bad_status_code), 0);
  EXPECT_EQ(fault_phrase(Fault::missing_call_id), "Missing Call-ID header field");
}

TEST(Faults, One_out_of_range_is_none) {
  EXPECT_EQ(fault_name(Fault::kCount), "none");
}

}  // namespace
}  // namespace sallyport::sip

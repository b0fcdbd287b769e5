// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/reason.h"

#include <gtest/gtest.h>

#include "controlplane/response_map/explain.h"
#include "tests/controlplane/response_map/maps_support.h"

namespace sallyport::response_map {
namespace {

TEST(Reason, is_found_by_protocol_among_several_values) {
  const auto reason =
      find_reason(R"(SIP ;cause=200 ;text="Call completed, elsewhere", q.850;text="a;b";cause=16)", "Q.850");
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->cause, 16);
  EXPECT_EQ(reason->text, "a;b");
  EXPECT_EQ(reason->protocol, "q.850");
}

TEST(Reason, cause_of_Q850_is_0_for_all_that_is_not_one) {
  struct Case {
    const char* value;
    int cause;
  };
  for (const Case& c :
       {Case{"Q.850;cause=31", 31}, Case{"Q.850 ; cause = 127 ; text=\"x\"", 127}, Case{"Q.850;cause=128", 0},
        Case{"Q.850;cause=0", 0}, Case{"Q.850;cause=", 0}, Case{"Q.850;cause=3x", 0}, Case{"Q.850", 0},
        Case{"", 0}, Case{"SIP;cause=17", 0}, Case{"Q.850;text=\"cause=17\"", 0},
        Case{"Q.850;cause=99999999999999999999", 0}, Case{",,;;=", 0}}) {
    EXPECT_EQ(q850_of(c.value), c.cause) << c.value;
  }
}

TEST(Reason, text_is_written_with_the_name_of_the_cause_and_read_back) {
  EXPECT_EQ(q850_reason(31), R"(Q.850;cause=31;text="Normal, unspecified")");
  EXPECT_EQ(q850_reason(126), "Q.850;cause=126");
  EXPECT_EQ(sip_reason(486, "Busy \"Here\"\r\n"), R"(SIP;cause=486;text="Busy \"Here\"  ")");
  for (const CauseRow& row : cause_rows()) EXPECT_EQ(q850_of(q850_reason(row.cause)), row.cause);
}

TEST(Warning, code_is_read_and_value_written) {
  EXPECT_EQ(warning_code_of(R"(301 isi.edu "Incompatible network address formats")"), 301);
  EXPECT_EQ(warning_code_of("  399 - \"x\""), 399);
  for (const char* bad : {"", "301", "3011 a \"b\"", "30x a \"b\"", "abc", "099 a \"b\""})
    EXPECT_EQ(warning_code_of(bad), 0) << bad;
  EXPECT_EQ(warning_value(301, "sbc"), R"(301 sbc "Incompatible network address formats")");
  EXPECT_EQ(warning_value(399, "sbc", "it's \"odd\""), R"(399 sbc "it's \"odd\"")");
  EXPECT_EQ(warning_value(398, "sbc"), R"(398 sbc "Miscellaneous warning")");
}

TEST(Explain, tells_what_the_other_leg_hears_and_which_rule_decided) {
  config::MapConfig map = map_of("carrier-in", {"vendor"}, {{"503", "", 0, "", 480}});
  map.rules[0].failover = true;
  const Maps maps = compiled({map});
  config::Peer carrier;
  carrier.name = "carrier-a";
  carrier.map_receive = 0;
  config::Peer office;
  office.name = "office";

  Input input;
  input.code = 499;
  input.phrase = "Codec Mismatch";
  EXPECT_EQ(to_text(explain(maps, &carrier, office, input)),
            "received  499 Codec Mismatch from carrier-a\n"
            "sent      488 Not Acceptable Here to office\n"
            "reason    Q.850;cause=65;text=\"Bearer capability not implemented\"\n"
            "failover  no\n"
            "treatment pass\n"
            "in dialog ends the transaction\n"
            "rule      vendor row 499 Codec Mismatch\n");

  input = {};
  input.code = 503;
  const Explanation explanation = explain(maps, &carrier, office, input);
  EXPECT_TRUE(explanation.failover);
  EXPECT_EQ(explanation.sent, 480);
  EXPECT_EQ(explanation.rule, "carrier-in rule 1 (line 11)");

  input = {};
  input.local = LocalError::private_media;
  EXPECT_EQ(to_text(explain(maps, nullptr, office, input)),
            "local     private-media\n"
            "sent      488 Not Acceptable Here to office\n"
            "reason    Q.850;cause=31;text=\"Normal, unspecified\"\n"
            "warning   301\n"
            "failover  no\n"
            "treatment local\n"
            "in dialog ends the transaction\n"
            "rule      default of private-media\n");

  input = {};
  input.code = 100;
  EXPECT_NE(to_text(explain(maps, &carrier, office, input)).find("sent      nothing to office\n"),
            std::string::npos);
}

}  // namespace
}  // namespace sallyport::response_map

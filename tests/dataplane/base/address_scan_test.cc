// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/address_scan.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(AddressScan, Finds_literals_wherever_they_stand_in_a_sentence) {
  for (const char* text :
       {"192.0.2.10", "Busy at 192.0.2.10", "Busy at 192.0.2.10.", "at 192.0.2.10: busy", "(192.0.2.10:5060)",
        "sip:x@192.0.2.10;lr", "...192.0.2.10", "at 2001:db8::1", "at 2001:db8::1.", "2001:db8::1: busy",
        "[2001:db8::1]:5060", "fe80::1%eth0", "a=face:fe80::1", "::ffff:192.0.2.10"}) {
    EXPECT_TRUE(has_address(text)) << text;
  }
}

TEST(AddressScan, Takes_no_number_time_or_version_for_one) {
  for (const char* text : {"", "Busy Here", "v1.2.3", "300.0.2.10", "at 12:30:45", "1.2.3.4.5",
                           "Q.850;cause=17", "https://block.example", "..."}) {
    EXPECT_FALSE(has_address(text)) << text;
  }
}

TEST(AddressScan, Asks_about_each_of_them) {
  const auto is_ten = [](const IpAddress& found) { return found == IpAddress::parse("192.0.2.10"); };
  EXPECT_TRUE(has_address("from 192.0.2.1 or ::ffff:192.0.2.10", is_ten));
  EXPECT_FALSE(has_address("from 192.0.2.1", is_ten));
}

}  // namespace
}  // namespace sallyport

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/target_uri.h"

#include <gtest/gtest.h>

namespace sallyport::b2bua {
namespace {

TEST(RequestUri, Keeps_the_user_part_and_says_that_it_is_a_number) {
  EXPECT_EQ(request_uri_for("sip:77%23442079460018@198.51.100.1:5070;x=y", "192.0.2.10", false),
            "sip:77%23442079460018@192.0.2.10");
  EXPECT_EQ(request_uri_for("sip:02079460018@198.51.100.1;USER=Phone", "192.0.2.10:5070", true),
            "sips:02079460018@192.0.2.10:5070;user=phone");
  EXPECT_EQ(request_uri_for("sip:198.51.100.1", "192.0.2.10", false), "sip:192.0.2.10");
}

TEST(RequestUri, Escapes_a_hash_that_came_without) {
  EXPECT_EQ(request_uri_for("sip:*21*030#@198.51.100.1", "192.0.2.10", false), "sip:*21*030%23@192.0.2.10");
}

TEST(RequestUri, Of_a_tel_URI_escapes_what_a_user_part_may_not_have) {
  EXPECT_EQ(request_uri_for("tel:+44-20-7946-0018", "192.0.2.10", false),
            "sip:+44-20-7946-0018@192.0.2.10;user=phone");
  EXPECT_EQ(request_uri_for("tel:77#442079460018", "192.0.2.10", false),
            "sip:77%23442079460018@192.0.2.10;user=phone");
}

}  // namespace
}  // namespace sallyport::b2bua

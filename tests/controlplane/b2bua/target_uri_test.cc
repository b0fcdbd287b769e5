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

TEST(CalledAsSip, Makes_of_a_tel_URI_the_user_part_of_a_SIP_URI) {
  EXPECT_EQ(called_as_sip("tel:+44-20-7946-0018"), "sip:+44-20-7946-0018@invalid;user=phone");
  EXPECT_EQ(called_as_sip("tel:77#442079460018"), "sip:77%23442079460018@invalid;user=phone");
  EXPECT_EQ(request_uri_for(called_as_sip("tel:77#442079460018"), "192.0.2.10", false),
            "sip:77%23442079460018@192.0.2.10;user=phone");
}

// RFC 3261 19.1.6, RFC 3966 5.1.5.
TEST(CalledAsSip, Keeps_the_parameters_of_a_tel_URI_in_their_order) {
  struct Case {
    std::string_view tel, user;
  };
  constexpr Case kCases[] = {
      {"tel:7000;phone-context=pbx.internal.example", "7000;phone-context=pbx.internal.example"},
      {"tel:7000;phone-context=+44-20", "7000;phone-context=+44-20"},
      {"tel:+4420;tgrp=Xy;ext=12;postd=pP22;isub=1411", "+4420;isub=1411;postd=pp22;ext=12;tgrp=Xy"},
      {"TEL:7000;Phone-Context=PBX.Example;NPDI", "7000;npdi;phone-context=pbx.example"},
      {"tel:7000;isub=a:b[c]/d;phone-context=+1", "7000;isub=a%3Ab%5Bc%5D/d;phone-context=+1"},
  };
  for (const Case& c : kCases) {
    const std::string called = called_as_sip(c.tel);
    EXPECT_EQ(called, "sip:" + std::string(c.user) + "@invalid;user=phone");
    EXPECT_EQ(request_uri_for(called, "192.0.2.10", false),
              "sip:" + std::string(c.user) + "@192.0.2.10;user=phone");
  }
}

TEST(CalledAsSip, Leaves_other_URIs_as_they_stand) {
  EXPECT_EQ(called_as_sip("sips:7000;phone-context=B@198.51.100.1:5061;x"),
            "sips:7000;phone-context=B@198.51.100.1:5061;x");
  EXPECT_EQ(called_as_sip("tel:7000;"), "tel:7000;");
}

TEST(RecordedUri, Has_no_password) {
  EXPECT_EQ(without_password("sip:alice:s3cret@192.0.2.1:5060;transport=tcp?a=b"),
            "sip:alice:***@192.0.2.1:5060;transport=tcp?a=b");
  EXPECT_EQ(without_password("sips:alice:@[2001:db8::1]:5061"), "sips:alice:***@[2001:db8::1]:5061");
  EXPECT_EQ(without_password("sip:alice:p@ss:word@x"), "sip:alice:***@x") << "an '@' that had to be escaped";
}

TEST(RecordedUri, Is_as_received_without_one) {
  for (const char* uri : {"sip:alice@192.0.2.1:5060", "sip:[2001:db8::1]:5060", "tel:+44-20-7946-0018", "",
                          "sip:x", "no URI", "sip:192.0.2.1:5060;maddr=x"}) {
    EXPECT_EQ(without_password(uri), uri);
  }
}

}  // namespace
}  // namespace sallyport::b2bua

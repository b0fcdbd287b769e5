// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/keys.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::trace {
namespace {

TEST(Keys, Are_read_in_long_and_compact_form_and_folded) {
  const struct {
    std::string text;
    std::string call_id;
    std::string from_tag;
    std::string to_tag;
  } rows[] = {
      {"INVITE sip:b@h SIP/2.0\r\nCall-ID: one@h\r\nFrom: <sip:a@h>;tag=f1\r\nTo: <sip:b@h>\r\n\r\n", "one@h",
       "f1", ""},
      {"SIP/2.0 200 OK\r\ni:two\r\nf: sip:a@h;tag=f2\r\nt : \"x;tag=no\" <sip:b@h;tag=no> ;x=y; TAG = t2 "
       ";z\r\n\r\n",
       "two", "f2", "t2"},
      {"BYE sip:b@h SIP/2.0\r\nFrom: <sip:a@h>\r\n ;tag=f3\r\ncall-id:\r\n\tthree \r\n\r\nTo: "
       "<sip:b@h>;tag=body",
       "three", "f3", ""},
      {"broken", "", "", ""},
      {"", "", "", ""},
      {"X\nCall-ID: bare-lf\nTo: <sip:b>;tag=\n", "bare-lf", "", ""},
  };
  for (const auto& row : rows) {
    std::string text = row.text;
    const Keys keys = read_and_blank(text);
    EXPECT_EQ(keys.call_id, row.call_id) << row.text;
    EXPECT_EQ(keys.from_tag, row.from_tag) << row.text;
    EXPECT_EQ(keys.to_tag, row.to_tag) << row.text;
    EXPECT_EQ(text, row.text) << "nothing in it is secret";
  }
}

TEST(Keys, Secrets_are_blanked_and_lengths_stay) {
  const std::string text =
      "INVITE sip:b@h SIP/2.0\r\n"
      "Authorization: Digest username=\"u\",\r\n response=\"0123\"\r\n"
      "PROXY-AUTHORIZATION : s3cret s3cret\r\n"
      "Call-ID: c\r\nContent-Length: 99\r\n\r\n"
      "v=0\r\nk=clear:s3cret\r\nm=audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
      "inline:s3cret|2^20\r\n"
      "a=key-mgmt:mikey s3cret\r\na=x k=stays";
  std::string kept = text;
  const Keys keys = read_and_blank(kept);
  EXPECT_EQ(keys.call_id, "c");
  EXPECT_EQ(kept.size(), text.size());
  for (const char* secret : {"s3cret", "0123", "username"}) {
    EXPECT_EQ(kept.find(secret), std::string::npos) << secret << " in\n" << kept;
  }
  for (const char* stays :
       {"Authorization: Digest *", "*\r\n *", "PROXY-AUTHORIZATION : *", "\r\nk=*", "a=crypto:*",
        "a=key-mgmt:*", "a=x k=stays", "Content-Length: 99", "m=audio 1 RTP/SAVP 0"}) {
    EXPECT_NE(kept.find(stays), std::string::npos) << stays << " in\n" << kept;
  }
}

TEST(Keys, Passwords_of_URIs_are_blanked) {
  struct Row {
    std::string text;
    std::string kept;
  };
  const Row rows[] = {
      {"INVITE sip:b:s3cret@h SIP/2.0\r\nFrom: \"A\" <SIPS:a:x@h:5061;p=q>;tag=f\r\nTo:sip:b:yz@h\r\n"
       "Call-ID: sip:1:2@h\r\nContact: <sip:a@h>,<sip:c:w;1@[::1]:5060>\r\n\r\nsip:a:body@h",
       "INVITE sip:b:******@h SIP/2.0\r\nFrom: \"A\" <SIPS:a:*@h:5061;p=q>;tag=f\r\nTo:sip:b:**@h\r\n"
       "Call-ID: sip:1:2@h\r\nContact: <sip:a@h>,<sip:c:***@[::1]:5060>\r\n\r\nsip:a:body@h"},
      {"X\r\nVia: SIP/2.0/UDP h:5060;i=a:b@c\r\nRoute: sip:a@x,sip:b:w@y\r\n",
       "X\r\nVia: SIP/2.0/UDP h:5060;i=a:b@c\r\nRoute: sip:a@x,sip:b:*@y\r\n"},
      {"@", "@"},
      {"sip:a:w@", "sip:a:*@"},
  };
  for (const Row& row : rows) {
    std::string text = row.text;
    (void)read_and_blank(text);
    EXPECT_EQ(text, row.kept);
  }
}

TEST(Keys, A_secret_is_blanked_behind_a_stray_CR_and_alone_in_its_body) {
  for (const char* text : {"X\r\nVia: v\r\n\rAuthorization: s3cret\r\n\r\n", "X\r\n\r\nk=s3cret",
                           "X\r\n\r\na=crypto:s3cret", "X\r\n\r\na=key-mgmt:s3cret"}) {
    std::string kept = text;
    (void)read_and_blank(kept);
    EXPECT_EQ(kept.find("s3cret"), std::string::npos) << kept;
  }
}

}  // namespace
}  // namespace sallyport::trace

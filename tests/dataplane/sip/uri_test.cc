// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/uri.h"

#include "tests/dataplane/sip/text_support.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sip {
namespace {

struct Row {
  std::string_view text;
  Scheme scheme;
  std::string_view user;
  std::string_view password;
  std::string_view host;
  std::uint16_t port;
  std::string_view parameters;
  std::string_view headers;
};

TEST(Uri, Reads_every_part) {
  const Row rows[] = {
      {"sip:example.com", Scheme::sip, "", "", "example.com", 0, "", ""},
      {"SIPS:bob@example.com:5061", Scheme::sips, "bob", "", "example.com", 5061, "", ""},
      {"sip:bob:secret@192.0.2.1;transport=tcp?Subject=x&Priority=urgent", Scheme::sip, "bob", "secret",
       "192.0.2.1", 0, "transport=tcp", "Subject=x&Priority=urgent"},
      {"sip:[2001:db8::1]:5070;lr", Scheme::sip, "", "", "[2001:db8::1]", 5070, "lr", ""},
      {"sip:a@[::ffff:192.0.2.1]", Scheme::sip, "a", "", "[::ffff:192.0.2.1]", 0, "", ""},
      {"sip:+358-555-1234567;postd=pp22@foo.com;user=phone", Scheme::sip, "+358-555-1234567;postd=pp22", "",
       "foo.com", 0, "user=phone", ""},
      {"sip:user;par=u%40example.net@example.com", Scheme::sip, "user;par=u%40example.net", "", "example.com",
       0, "", ""},
      {"sip:%00%00@host5.example.com", Scheme::sip, "%00%00", "", "host5.example.com", 0, "", ""},
      {"sip:*31#100@example.com", Scheme::sip, "*31#100", "", "example.com", 0, "", ""},
      {"sip:sips%3Auser%40example.com@example.net", Scheme::sip, "sips%3Auser%40example.com", "",
       "example.net", 0, "", ""},
      {"sip:h;%6C%72;n%61me=v%61lue%25%34%31", Scheme::sip, "", "", "h", 0, "%6C%72;n%61me=v%61lue%25%34%31",
       ""},
      {"sip:a@h?Route=%3Csip:x%3E", Scheme::sip, "a", "", "h", 0, "", "Route=%3Csip:x%3E"},
      {"tel:+1-201-555-0123", Scheme::tel, "+1-201-555-0123", "", "", 0, "", ""},
      {"tel:7042;phone-context=example.com", Scheme::tel, "7042", "", "", 0, "phone-context=example.com", ""},
      {"nobodyKnowsThisScheme:totallyopaquecontent", Scheme::other, "", "", "", 0, "", ""},
      {"soap.beep://192.0.2.103:3002", Scheme::other, "", "", "", 0, "", ""},
  };
  for (const Row& row : rows) {
    const auto uri = parse_uri(row.text);
    ASSERT_TRUE(uri.has_value()) << row.text;
    EXPECT_EQ(uri->scheme, row.scheme) << row.text;
    EXPECT_EQ(uri->text, row.text);
    EXPECT_EQ(uri->scheme_text, row.text.substr(0, row.text.find(':')));
    EXPECT_EQ(uri->user, row.user) << row.text;
    EXPECT_EQ(uri->has_user, !row.user.empty()) << row.text;
    EXPECT_EQ(uri->password, row.password) << row.text;
    EXPECT_EQ(uri->host, row.host) << row.text;
    EXPECT_EQ(uri->port, row.port) << row.text;
    EXPECT_EQ(uri->parameters, row.parameters) << row.text;
    EXPECT_EQ(uri->headers, row.headers) << row.text;
  }
}

TEST(Uri, Refuses_what_the_grammar_refuses) {
  for (const std::string_view text : {"",
                                      "sip",
                                      ":x",
                                      "1sip:a",
                                      "sip:",
                                      "sip:@h",
                                      "sip:a@",
                                      "sip:a@@h",
                                      "sip:a b@h",
                                      "<sip:a@h>",
                                      "sip:a@h>",
                                      "sip:a@h:",
                                      "sip:a@h:0",
                                      "sip:a@h:65536",
                                      "sip:a@h:50x",
                                      "sip:a%4@h",
                                      "sip:a%zz@h",
                                      "sip:a@h;",
                                      "sip:a@h;;b",
                                      "sip:a@h;=1",
                                      "sip:a@h; lr",
                                      "sip:a@h;a=b=c",
                                      "sip:a@h?",
                                      "sip:a@h? x",
                                      "sip:[2001:db8::1",
                                      "sip:[::g]",
                                      "sip:[192.0.2.1]",
                                      "sip:2001:db8::1",
                                      "sip:a\"b@h",
                                      "tel:",
                                      "tel:abc!",
                                      "tel:12+3",
                                      "tel:1;",
                                      "other:",
                                      "other:a b",
                                      "other:<a>",
                                      "sip:a@h/x",
                                      "si p:a@h"}) {
    EXPECT_EQ(fault_of(parse_uri(text)), Fault::request_uri) << text;
  }
}

TEST(HostAddress, Is_an_address_only_where_the_host_is_one) {
  EXPECT_EQ(host_address("192.0.2.1"), IpAddress::v4(0xc0000201));
  EXPECT_EQ(host_address("[2001:db8::1]"), IpAddress::parse("2001:db8::1"));
  for (const std::string_view host : {"", "[", "[]", "example.com", "1.example.com", "192.0.2", "2001:db8::1",
                                      "[192.0.2.1]", "256.0.0.1"}) {
    EXPECT_FALSE(host_address(host)) << host;
  }
}

TEST(Unescape, Decodes_once_and_keeps_what_is_no_escape) {
  EXPECT_EQ(unescape("a%40b"), "a@b");
  EXPECT_EQ(escape_user("*21*030#%23;isub=#"), "*21*030%23%23;isub=%23");
  EXPECT_EQ(unescape("%2541"), "%41");
  EXPECT_EQ(unescape("%"), "%");
  EXPECT_EQ(unescape("%4"), "%4");
  EXPECT_EQ(unescape("%zz%4a"), "%zzJ");
  EXPECT_EQ(unescape("null-%00-null"), std::string("null-\0-null", 11));
}

}  // namespace
}  // namespace sallyport::sip

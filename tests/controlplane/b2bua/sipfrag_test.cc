// SPDX-License-Identifier: Apache-2.0
// What of a piece of a SIP message crosses.
#include "controlplane/b2bua/sipfrag.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::b2bua {
namespace {

constexpr std::string_view kHost = "198.51.100.1";

std::string across(std::string_view fragment, const config::Headers& from = {},
                   const config::Headers& to = {}) {
  config::Peer teller, told;
  teller.headers = from;
  told.headers = to;
  return fragment_across(fragment, HeaderPolicy(teller), HeaderPolicy(told), kHost);
}

config::Headers passing(const std::string& name) {
  config::Headers headers;
  headers.pass = {name};
  return headers;
}

config::Headers removing(const std::string& name) {
  config::Headers headers;
  headers.remove = {name};
  return headers;
}

TEST(Sipfrag, Crosses_as_its_start_line_and_the_fields_that_tell_of_no_place) {
  struct Case {
    std::string_view fragment, crosses;
  };
  constexpr Case kCases[] = {
      {"SIP/2.0 100 Trying", "SIP/2.0 100 Trying"},
      {"SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\n"},
      {"SIP/2.0 200 OK\r\nContact: <sip:secret@192.0.2.10:5060>\r\nTo: <sip:a@192.0.2.10>;tag=1\r\n\r\n",
       "SIP/2.0 200 OK\r\n"},
      {"SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1,\n SIP/2.0/UDP 192.0.2.11\n",
       "SIP/2.0 200 OK\r\n"},
      {"SIP/2.0 486 Busy at 192.0.2.10\r\n", "SIP/2.0 486 Busy Here\r\n"},
      {"SIP/2.0 486\r\n", "SIP/2.0 486 Busy Here\r\n"},
      {"SIP/2.0 503 Busy\r\nRetry-After: 120 (call 192.0.2.10);duration=60\r\nServer: Secret\r\n"
       "Reason: Q.850;cause=34;text=\"at 192.0.2.10\"\r\nWarning: 399 192.0.2.10 \"secret\"\r\n",
       "SIP/2.0 503 Busy\r\nRetry-After: 120\r\nReason: Q.850;cause=34\r\nWarning: 399 198.51.100.1 "
       "\"Miscellaneous warning\"\r\n"},
      {"INVITE sip:4930@192.0.2.10:5070;x=y SIP/2.0\r\nFrom: <sip:a@192.0.2.10>;tag=1\r\n",
       "INVITE sip:4930@198.51.100.1 SIP/2.0\r\n"},
      {"From: <sip:a@192.0.2.10>;tag=1\r\nReason: SIP;cause=480\r\n", "Reason: SIP;cause=480\r\n"},
      {"SIP/2.0 200 OK\r\n\r\nReason: SIP;cause=480\r\n", "SIP/2.0 200 OK\r\n"},
      {"SIP/2.0 secret\r\n", ""},
      {"SIP/2.0 99 Low\r\n", ""},
      {"SIP/2.0", ""},
      {"INVITE SIP/2.0\r\n", ""},
      {"INVITE http://192.0.2.10 SIP/2.0\r\n", ""},
      {"\n \n", ""},
      {" folded", ""},
      {"192.0.2.10", ""},
      {"", ""},
  };
  for (const Case& c : kCases) EXPECT_EQ(across(c.fragment), c.crosses) << c.fragment;
}

TEST(Sipfrag, Fields_go_by_the_lists_of_both_peers) {
  constexpr std::string_view kFragment =
      "SIP/2.0 486 Busy Here\r\nX-Account: 7\r\nReason: SIP;cause=486\r\nSubject: s\r\n";
  EXPECT_EQ(across(kFragment, {}, passing("x-account")),
            "SIP/2.0 486 Busy Here\r\nX-Account: 7\r\nReason: SIP;cause=486\r\n");
  EXPECT_EQ(across(kFragment, removing("Reason"), passing("Subject")),
            "SIP/2.0 486 Busy Here\r\nSubject: s\r\n");
  EXPECT_EQ(across(kFragment, {}, removing("Reason")), "SIP/2.0 486 Busy Here\r\n");
}

}  // namespace
}  // namespace sallyport::b2bua

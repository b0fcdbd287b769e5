// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/filter.h"

#include <gtest/gtest.h>

namespace sallyport::trace {
namespace {

TEST(Filter, Fits_by_Call_ID_name_user_and_peer) {
  Message message;
  message.call = "ourname";
  message.peer = "office";
  message.octets =
      "INVITE sip:+4412@h;user=phone SIP/2.0\r\nFrom: \"bob\" <sip:alice:pw@h>;tag=1\r\nt: "
      "<tel:5551>\r\nContact: "
      "<sip:carol@h>\r\nCall-ID: theirs@h\r\n\r\nsip:dave@h";
  const struct {
    Filter filter;
    bool fits;
  } rows[] = {
      {{"theirs@h", "", ""}, true}, {{"ourname", "", ""}, true}, {{"theirs", "", ""}, false},
      {{"", "+4412", ""}, true},    {{"", "alice", ""}, true},   {{"", "5551", ""}, true},
      {{"", "412", ""}, false},     {{"", "+441", ""}, false},   {{"", "bob", ""}, false},
      {{"", "carol", ""}, false},   {{"", "dave", ""}, false},   {{"", "h", ""}, false},
      {{"", "", "office"}, true},   {{"", "", "off"}, false},    {{"", "alice", "carrier"}, false},
  };
  for (const auto& row : rows)
    EXPECT_EQ(matches(row.filter, message), row.fits)
        << row.filter.call_id << row.filter.user << row.filter.peer;
  message.octets = "SIP/2.0 200 OK\r\nCall-ID: c\r\n\r\n";
  EXPECT_FALSE(matches({"", "alice", ""}, message));
}

}  // namespace
}  // namespace sallyport::trace

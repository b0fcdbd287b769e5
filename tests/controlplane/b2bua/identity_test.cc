// SPDX-License-Identifier: Apache-2.0
// What is told of the caller and of diversions, by who says it and who is told.
#include "controlplane/b2bua/identity.h"

#include <gtest/gtest.h>

#include <memory>

namespace sallyport::b2bua {
namespace {

class IdentityTest : public testing::Test {
 protected:
  static constexpr bool kTrusted = true, kUntrusted = false;

  const sip::MessageView& message(const std::string& lines) {
    text_ =
        "INVITE sip:x@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\n"
        "From: \"Alice\" <sip:0301@10.0.0.9>;tag=f\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        "Max-Forwards: 70\r\nContact: <sip:a@10.0.0.9>\r\n" +
        lines + "Content-Length: 0\r\n\r\n";
    EXPECT_TRUE(sip::parse(text_, sip::Framing::datagram, *index_)) << lines;
    view_ = {text_, index_.get(), {}};
    return view_;
  }
  Crossing crossing(bool from, bool to) {
    from_peer_.trusted = from;
    to_peer_.trusted = to;
    from_.emplace(from_peer_);
    to_.emplace(to_peer_);
    return {*from_, *to_, "192.0.2.1", {config_, 0, std::nullopt, config::kNoIndex}};
  }
  std::string passed(const std::string& lines, bool from, bool to) {
    std::string out;
    sip::HeaderWriter writer(out);
    pass_headers(message(lines), crossing(from, to), writer);
    return out;
  }
  std::string from_value(const std::string& lines, bool to) {
    return crossing_from(message(lines), crossing(kTrusted, to));
  }

  // The caller's peer writes numbers of Germany at home.
  config::Config config_ = [] {
    config::Config config;
    config.peers.resize(1);
    config.peers[0].numbers.plan.country = "49";
    config.peers[0].numbers.in = {{.form = config::NumberForm::e164}};
    return config;
  }();
  config::Peer from_peer_, to_peer_;

 private:
  std::string text_;
  std::unique_ptr<sip::MessageIndex> index_ = std::make_unique<sip::MessageIndex>();
  sip::MessageView view_;
  std::optional<HeaderPolicy> from_, to_;
};

const std::string kAsserted = "P-Asserted-Identity: \"A\" <sip:0301@10.0.0.9;user=phone>, <tel:+49301>\r\n";
const std::string kAssertedHidden =
    "P-Asserted-Identity: \"A\" <sip:+49301@192.0.2.1;user=phone>\r\nP-Asserted-Identity: <tel:+49301>\r\n";

TEST_F(IdentityTest, An_asserted_identity_stays_inside_the_trust_domain) {
  EXPECT_EQ(passed(kAsserted, kTrusted, kTrusted), kAssertedHidden);
  EXPECT_EQ(passed(kAsserted, kTrusted, kUntrusted), "");
  EXPECT_EQ(passed(kAsserted, kUntrusted, kTrusted), "");
  EXPECT_EQ(passed(kAsserted, kUntrusted, kUntrusted), "");
}

TEST_F(IdentityTest, Privacy_none_lets_it_out_and_privacy_id_keeps_it_in) {
  EXPECT_EQ(passed("Privacy: none\r\n" + kAsserted, kTrusted, kUntrusted),
            "Privacy: none\r\n" + kAssertedHidden);
  EXPECT_EQ(passed("Privacy: id\r\n" + kAsserted, kTrusted, kUntrusted), "Privacy: id\r\n");
  EXPECT_EQ(passed("Privacy: id\r\n" + kAsserted, kTrusted, kTrusted), "Privacy: id\r\n" + kAssertedHidden);
  EXPECT_EQ(passed("Privacy: none;id\r\n" + kAsserted, kTrusted, kUntrusted), "Privacy: id\r\n");
}

TEST_F(IdentityTest, Privacy_goes_on_with_what_is_still_to_do) {
  struct Case {
    const char* privacy;
    bool to;
    const char* left;
  };
  const Case cases[]{{"header", kTrusted, ""},
                     {"header;session", kUntrusted, ""},
                     {"header;session;critical", kTrusted, ""},
                     {"user;id", kTrusted, "Privacy: user;id\r\n"},
                     {"USER;id", kUntrusted, "Privacy: id\r\n"},
                     {"user", kUntrusted, ""},
                     {"history", kTrusted, "Privacy: history\r\n"},
                     {"history", kUntrusted, ""},
                     {"id ; critical", kTrusted, "Privacy: id;critical\r\n"},
                     {"x-new;critical;header", kUntrusted, "Privacy: x-new;critical\r\n"},
                     {"none", kTrusted, "Privacy: none\r\n"}};
  for (const Case& c : cases) {
    EXPECT_EQ(passed("Privacy: " + std::string(c.privacy) + "\r\n", kUntrusted, c.to), c.left) << c.privacy;
  }
}

TEST_F(IdentityTest, The_From_of_a_caller_who_hides_is_anonymous_outside) {
  constexpr const char* kAnonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
  EXPECT_EQ(from_value("", kUntrusted), "\"Alice\" <sip:+49301@192.0.2.1>");
  EXPECT_EQ(from_value("Privacy: header\r\n", kUntrusted), "\"Alice\" <sip:+49301@192.0.2.1>");
  EXPECT_EQ(from_value("Privacy: id\r\n", kUntrusted), kAnonymous);
  EXPECT_EQ(from_value("Privacy: user\r\n", kUntrusted), kAnonymous);
  EXPECT_EQ(from_value("Privacy: id;user\r\n", kTrusted), "\"Alice\" <sip:+49301@192.0.2.1>");
}

TEST_F(IdentityTest, A_user_who_hides_tells_no_subject_outside) {
  const std::string lines = "Subject: talk\r\nPriority: urgent\r\nPrivacy: user\r\n";
  EXPECT_EQ(passed(lines, kTrusted, kUntrusted), "Priority: urgent\r\n");
  EXPECT_EQ(passed(lines, kTrusted, kTrusted), "Subject: talk\r\nPriority: urgent\r\nPrivacy: user\r\n");
}

TEST_F(IdentityTest, A_diversion_crosses_between_trusted_peers_without_hosts) {
  const std::string lines =
      "Diversion: \"B\" "
      "<sip:0302@10.0.0.9:5080;maddr=10.0.0.1>;reason=user-busy;counter=1;privacy=full;x-host=10.0.0.1\r\n";
  EXPECT_EQ(passed(lines, kTrusted, kTrusted),
            "Diversion: \"B\" <sip:+49302@192.0.2.1>;reason=user-busy;counter=1;privacy=full\r\n");
  EXPECT_EQ(passed(lines, kTrusted, kUntrusted), "");
  EXPECT_EQ(passed(lines, kUntrusted, kTrusted), "");
}

TEST_F(IdentityTest, History_crosses_between_trusted_peers_without_hosts) {
  const std::string lines =
      "History-Info: <sip:0302@10.0.0.9?Reason=SIP%3Bcause%3D302&Route=10.0.0.1>;index=1,"
      " <sip:0303@10.0.0.8;cause=302;maddr=10.0.0.1>;index=1.1;mp=1;x=10.0.0.1\r\n";
  EXPECT_EQ(passed(lines, kTrusted, kTrusted),
            "History-Info: <sip:+49302@192.0.2.1?Reason=SIP%3Bcause%3D302>;index=1\r\n"
            "History-Info: <sip:+49303@192.0.2.1;cause=302>;index=1.1;mp=1\r\n");
  EXPECT_EQ(passed(lines, kTrusted, kUntrusted), "");
  EXPECT_EQ(passed("History-Info: <broken\r\n", kTrusted, kTrusted), "");
}

TEST_F(IdentityTest, A_peer_is_sent_what_its_rules_pass_and_set) {
  to_peer_.headers.pass = {"X-Account", "call-info"};
  to_peer_.headers.set = {{"X-Trunk", "t 1", ""}, {"X-New", "", "X-Old"}, {"Priority", "normal", ""}};
  EXPECT_EQ(passed("x-account: 7\r\nX-Other: 8\r\nCall-Info: <http://i>\r\nPriority: urgent\r\nX-Old: "
                   "a\r\nx-old: b\r\n",
                   kUntrusted, kUntrusted),
            "x-account: 7\r\nCall-Info: <http://i>\r\nX-Trunk: t 1\r\nX-New: a\r\nX-New: b\r\nPriority: "
            "normal\r\n");
}

TEST_F(IdentityTest, Either_peer_removes) {
  to_peer_.headers.pass = {"X-A", "X-B", "X-C"};
  to_peer_.headers.remove = {"x-b"};
  from_peer_.headers.remove = {"s", "X-C"};  // the compact form of Subject
  EXPECT_EQ(
      passed("X-A: 1\r\nX-B: 2\r\nX-C: 3\r\nSubject: 4\r\nPriority: urgent\r\n", kUntrusted, kUntrusted),
      "X-A: 1\r\nPriority: urgent\r\n");
  to_peer_.headers.set = {{"X-D", "", "X-C"}};
  EXPECT_EQ(passed("X-C: 3\r\n", kUntrusted, kUntrusted), "");
}

}  // namespace
}  // namespace sallyport::b2bua

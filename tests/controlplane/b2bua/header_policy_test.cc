// SPDX-License-Identifier: Apache-2.0
// What of one side's header fields the other side sees.
#include "controlplane/b2bua/header_policy.h"

#include <gtest/gtest.h>

#include <string>

#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/message_body.h"

namespace sallyport::b2bua {
namespace {

// A message that lives as long as its view.
class Parsed {
 public:
  explicit Parsed(std::string text) : text_(std::move(text)) {
    whole_ = sip::parse(text_, sip::Framing::datagram, index_);
    view_ = {text_, &index_, {}};
  }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;
  [[nodiscard]] const sip::MessageView& view() const { return view_; }
  [[nodiscard]] bool good() const { return index_.fault == sip::Fault::none; }

 private:
  std::string text_;
  sip::MessageIndex index_;
  sip::MessageView view_;
  bool whole_ = false;
};

std::string invite(const std::string& lines, const std::string& body = {}) {
  return "INVITE sip:x@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nFrom: "
         "<sip:a@x>;tag=f\r\n"
         "To: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: "
         "<sip:a@10.0.0.9>\r\n" +
         lines + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string passed(const std::string& lines) {
  const Parsed message(invite(lines));
  EXPECT_TRUE(message.good()) << lines;
  std::string out;
  sip::HeaderWriter writer(out);
  const config::Config config;
  config::Peer peer;
  peer.trusted = true;
  const HeaderPolicy policy(peer);
  pass_headers(message.view(),
               {policy, policy, "192.0.2.1", {config, config::kNoIndex, std::nullopt, config::kNoIndex}},
               writer);
  return out;
}

struct Hidden {
  const char* what;
  const char* in;
  const char* out;
};

TEST(HideHost, Keeps_the_number_and_the_name_and_nothing_that_tells_of_the_other_side) {
  constexpr Hidden kCases[] = {
      {"a sip URI", "<sip:alice@10.1.2.3:5080>", "<sip:alice@192.0.2.1>"},
      {"no brackets", "sip:alice@office.example;tag=x", "<sip:alice@192.0.2.1>"},
      {"parameters and a tag outside", "<sip:alice@office.example>;tag=abc;epid=1", "<sip:alice@192.0.2.1>"},
      {"URI parameters", "<sip:alice@office.example;transport=tcp;maddr=10.0.0.1>", "<sip:alice@192.0.2.1>"},
      {"URI headers", "<sip:alice@office.example?Subject=10.0.0.1>", "<sip:alice@192.0.2.1>"},
      {"user=phone", "<sip:+4930@office.example;user=phone;x=y>", "<sip:+4930@192.0.2.1;user=phone>"},
      {"user=PHONE", "<sip:+4930@office.example;user=PHONE>", "<sip:+4930@192.0.2.1;user=phone>"},
      {"user=ip is no phone", "<sip:alice@office.example;user=ip>", "<sip:alice@192.0.2.1>"},
      {"sips on a leg that is UDP", "<sips:alice@office.example>", "<sip:alice@192.0.2.1>"},
      {"no user", "<sip:office.example>", "<sip:192.0.2.1>"},
      {"IPv6 reference", "<sip:alice@[2001:db8::1]:5060>", "<sip:alice@192.0.2.1>"},
      {"a quoted name", "\"Alice B.\" <sip:alice@office.example>;tag=1",
       "\"Alice B.\" <sip:alice@192.0.2.1>"},
      {"an escaped quote", R"("A \"<sip:x@10.0.0.1>\" B" <sip:alice@office.example>)",
       R"("A \"<sip:x@10.0.0.1>\" B" <sip:alice@192.0.2.1>)"},
      {"a name of tokens", "Alice Bee <sip:alice@office.example>", "Alice Bee <sip:alice@192.0.2.1>"},
      {"an empty quoted name", "\"\" <sip:alice@office.example>", "\"\" <sip:alice@192.0.2.1>"},
      {"an escaped user", "<sip:al%69ce%40x@office.example>", "<sip:al%69ce%40x@192.0.2.1>"},
      {"tel", "<tel:+49-30-1>", "<tel:+49-30-1>"},
      {"tel without brackets", "tel:+49301;tag=2", "<tel:+49301>"},
      {"anonymous (RFC 3323 4.1)", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
       "\"Anonymous\" <sip:anonymous@anonymous.invalid>"},
      {"anonymous, in capitals", "<sip:anonymous@ANONYMOUS.INVALID>", "<sip:anonymous@ANONYMOUS.INVALID>"},
      {"not quite anonymous", "<sip:anonymous@anonymous.invalid.office.example>",
       "<sip:anonymous@192.0.2.1>"},
      {"another scheme", "<http://10.0.0.1/alice>", ""},
      {"a URN", "<urn:service:sos>", ""},
      {"no URI", "<>", ""},
      {"nothing", "", ""},
      {"an open quote", "\"Alice <sip:alice@office.example>", ""},
      {"an open bracket", "<sip:alice@office.example", ""},
  };
  for (const Hidden& c : kCases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(hide_host(c.in, "192.0.2.1"), c.out);
  }
}

TEST(HideHost, An_IPv6_host_of_ours_stands_in_brackets) {
  EXPECT_EQ(hide_host("<sip:alice@10.0.0.1>", "[2001:db8::1]"), "<sip:alice@[2001:db8::1]>");
}

// Whatever a value holds, what is written ends where the line does.
TEST(HideHost, No_value_ends_its_line) {
  for (const char* value :
       {"\"a\r\n b\" <sip:alice@x>", "\"a\r\nX-Evil: 1\" <sip:alice@x>", "Alice\r\n\tBee <sip:a@x>"}) {
    std::string line;
    sip::HeaderWriter(line).line(sip::HeaderId::from, hide_host(value, "192.0.2.1"));
    EXPECT_EQ(line.find("\r\n"), line.size() - 2) << line;
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  }
}

TEST(PassHeaders, Only_what_is_on_the_list_goes_on) {
  const std::string out = passed(
      "Accept-Language: de\r\nP-Early-Media: supported\r\nPriority: urgent\r\nPrivacy: id\r\nSubject: a "
      "talk\r\n"
      "User-to-User: 56a390f3\r\n"
      "User-Agent: Phone/1\r\nServer: Switch/2\r\nOrganization: Secret\r\nRecord-Route: <sip:10.0.0.1;lr>\r\n"
      "Supported: timer\r\nAllow: INVITE\r\nDiversion: <sip:b@10.0.0.1>\r\nAlert-Info: "
      "<http://10.0.0.1/x>\r\n"
      "Call-Info: <http://10.0.0.1/x>\r\nX-Anything: 10.0.0.1\r\nDate: now\r\nTimestamp: 1\r\n"
      "Remote-Party-ID: <sip:a@10.0.0.1>\r\nGeolocation: "
      "<cid:a@10.0.0.1>\r\n");
  for (const char* kept : {"Accept-Language: de\r\n", "P-Early-Media: supported\r\n", "Priority: urgent\r\n",
                           "Privacy: id\r\n", "Subject: a talk\r\n", "User-to-User: 56a390f3\r\n"}) {
    EXPECT_NE(out.find(kept), std::string::npos) << kept << "in\n" << out;
  }
  for (const char* hidden : {"10.0.0", "Phone", "Switch", "Secret", "timer", "Allow:", "Date", "Timestamp"}) {
    EXPECT_EQ(out.find(hidden), std::string::npos) << hidden << " in\n" << out;
  }
}

TEST(PassHeaders, A_compact_form_is_known_and_every_field_of_a_name_goes_on) {
  EXPECT_EQ(passed("s: one\r\nSubject: two\r\n"), "Subject: one\r\nSubject: two\r\n");
}

TEST(PassHeaders, P_Asserted_Identity_loses_its_host_in_each_of_its_values) {
  EXPECT_EQ(
      passed("P-Asserted-Identity: \"Alice, B\" <sip:alice@10.0.0.1;x=y>, <tel:+4930>\r\n"),
      "P-Asserted-Identity: \"Alice, B\" <sip:alice@192.0.2.1>\r\nP-Asserted-Identity: <tel:+4930>\r\n");
  EXPECT_EQ(passed("P-Asserted-Identity: <http://10.0.0.1>\r\n"), "");
}

TEST(PassHeaders, A_folded_value_becomes_one_line) {
  const std::string out = passed("Subject: one\r\n two\r\n");
  EXPECT_EQ(out, "Subject: one two\r\n");
}

TEST(PassContentHeaders, What_says_how_to_read_the_body_goes_on) {
  const Parsed message(
      invite("Content-Type: application/dtmf-relay\r\nContent-Disposition: signal\r\n"
             "Content-Encoding: gzip\r\nContent-ID: <x@10.0.0.1>\r\n",
             "Signal=1"));
  std::string out;
  sip::HeaderWriter writer(out);
  pass_content_headers(message.view(), writer);
  EXPECT_EQ(
      out,
      "Content-Type: application/dtmf-relay\r\nContent-Disposition: signal\r\nContent-Encoding: gzip\r\n");
}

// What crosses of a request of that method between two peers with these header lists.
std::string crossed(const std::string& method, const std::string& lines, const config::Headers& lists = {}) {
  std::string text = invite(lines);
  text.replace(0, 6, method);
  text.replace(text.find("1 INVITE"), 8, "1 " + method);
  const Parsed message(text);
  EXPECT_TRUE(message.good()) << lines;
  std::string out;
  sip::HeaderWriter writer(out);
  const config::Config config;
  config::Peer from;
  from.trusted = true;
  config::Peer to = from;
  to.headers = lists;
  const HeaderPolicy said_by(from);
  const HeaderPolicy told(to);
  pass_headers(message.view(),
               {said_by, told, "192.0.2.1", {config, config::kNoIndex, std::nullopt, config::kNoIndex}},
               writer);
  return out;
}

TEST(PassHeaders, Every_Reason_of_BYE_and_CANCEL_goes_on_and_of_nothing_else) {
  const std::string lines =
      "Reason: Q.850;cause=16\r\nReason: SIP;cause=200;text=\"Call completed\"\r\nX: y\r\n";
  const std::string reasons = "Reason: Q.850;cause=16\r\nReason: SIP;cause=200;text=\"Call completed\"\r\n";
  EXPECT_EQ(crossed("BYE", lines), reasons);
  EXPECT_EQ(crossed("CANCEL", lines), reasons);
  EXPECT_EQ(crossed("INFO", lines), "");
  EXPECT_EQ(crossed("BYE", ""), "");
}

TEST(PassHeaders, An_address_in_the_text_of_a_Reason_takes_the_text_with_it) {
  EXPECT_EQ(crossed("BYE",
                    "Reason: Q.850 ;cause=17;text=\"busy, at 192.0.2.10\" ;x, SIP;cause=486;text=\"Busy\"\r\n"
                    "Reason: SIP;text=\"[2001:db8::1]:5060\";cause=480\r\n"),
            "Reason: Q.850;cause=17;x, SIP;cause=486;text=\"Busy\"\r\nReason: SIP;cause=480\r\n");
}

TEST(PassHeaders, ACK_and_CANCEL_bring_what_the_lists_name_and_nothing_else) {
  const std::string lines =
      "Subject: talk\r\nUser-to-User: 56\r\nPrivacy: id\r\nP-Asserted-Identity: <sip:1@x>\r\nX-A: 1\r\nX-B: "
      "2\r\n";
  const config::Headers lists{.pass = {"X-A"}, .remove = {}, .set = {{"X-C", "3", ""}, {"X-D", "", "X-B"}}};
  for (const char* method : {"ACK", "CANCEL"}) {
    EXPECT_EQ(crossed(method, lines), "") << method;
    EXPECT_EQ(crossed(method, lines, lists), "X-A: 1\r\nX-C: 3\r\nX-D: 2\r\n") << method;
  }
  EXPECT_EQ(crossed("PRACK", lines, lists),
            "Subject: talk\r\nUser-to-User: 56\r\nX-A: 1\r\nX-C: 3\r\nX-D: 2\r\n")
      << "RFC 3325 9.1: no identity";
}

TEST(PassedAuthorization, Goes_whole_to_who_has_no_credentials_of_ours_and_to_nobody_else) {
  const std::string answers =
      "Authorization: Digest username=\"a\", realm=\"r\", uri=\"sip:x@198.51.100.1\", response=\"1\"\r\n"
      "Proxy-Authorization: Digest username=\"b\", realm=\"s\", response=\"2\"\r\n";
  const Parsed message(invite(answers + "Subject: x\r\n"));
  config::Peer peer;
  EXPECT_EQ(passed_authorization(message.view(), HeaderPolicy(peer)), answers);
  peer.credentials = {.user = "sally", .password = "hush", .realm = {}};
  EXPECT_EQ(passed_authorization(message.view(), HeaderPolicy(peer)), "");
  EXPECT_EQ(crossed("BYE", answers), answers);
  EXPECT_EQ(crossed("CANCEL", answers), "");
}

TEST(CrossesWhole, A_body_without_a_session_description) {
  struct Case {
    const char* type;
    const char* body;
    bool crosses;
  };
  constexpr Case kCases[] = {
      {"application/isup", "\x01", true},
      {"application/isup", "", false},
      {"application/sdp", "v=0", false},
      {"multipart/mixed;boundary=b", "--b\r\nContent-Type: application/isup\r\n\r\nx\r\n--b--", true},
      {"multipart/mixed;boundary=b", "--b\r\nContent-Type: Application/SDP\r\n\r\nx\r\n--b--", false},
      {"multipart/mixed;boundary=c", "--b\r\nContent-Type: application/sdp\r\n\r\nx\r\n--b--", false},
  };
  for (const Case& c : kCases) {
    const Parsed message(invite("Content-Type: " + std::string(c.type) + "\r\n", c.body));
    EXPECT_EQ(crosses_whole(message.view()), c.crosses) << c.type << " " << c.body;
  }
}

TEST(BodyKind, Is_told_by_Content_Type) {
  struct Case {
    const char* lines;
    const char* body;
    Body kind;
  };
  constexpr Case kCases[] = {
      {"", "", Body::none},
      {"Content-Type: application/sdp\r\n", "", Body::none},
      {"Content-Type: application/sdp\r\n", "v=0", Body::sdp},
      {"Content-Type: APPLICATION/SDP\r\n", "v=0", Body::sdp},
      {"c: application/sdp\r\n", "v=0", Body::sdp},
      {"Content-Type: application/sdp;charset=utf-8\r\n", "v=0", Body::sdp},
      {"Content-Type: application/sdp ; x=y\r\n", "v=0", Body::sdp},
      {"Content-Type: application/sdpx\r\n", "v=0", Body::other},
      {"Content-Type: multipart/mixed;boundary=application/sdp\r\n", "v=0", Body::other},
      {"Content-Type: text/plain;x=\"application/sdp\"\r\n", "v=0", Body::other},
      {"", "v=0", Body::other},
  };
  for (const Case& c : kCases) {
    const Parsed message(invite(c.lines, c.body));
    EXPECT_EQ(body_kind(message.view()), c.kind) << c.lines << c.body;
  }
}

TEST(AcceptsSdp, Is_true_without_Accept_and_with_any_range_that_holds_it) {
  struct Case {
    const char* lines;
    bool accepts;
  };
  constexpr Case kCases[] = {
      {"", true},
      {"Accept: application/sdp\r\n", true},
      {"Accept: text/plain, application/sdp;level=1\r\n", true},
      {"Accept: text/plain\r\nAccept: Application/SDP\r\n", true},
      {"Accept: application/*\r\n", true},
      {"Accept: */*;q=0.1\r\n", true},
      {"Accept: text/plain\r\n", false},
      {"Accept: text/*, application/isup\r\n", false},
      {"Accept:\r\n", false},  // RFC 3261 20.1: empty: nothing is acceptable
  };
  for (const Case& c : kCases) {
    const Parsed message(invite(c.lines));
    EXPECT_EQ(accepts_sdp(message.view()), c.accepts) << c.lines;
  }
}

TEST(FailureFields, Are_bounded_and_those_of_the_code_only) {
  const HeaderPolicy policy{config::Peer{}};
  const auto fields = [&](const std::string& status, const std::string& lines) {
    const Parsed message("SIP/2.0 " + status +
                         "\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=f\r\nTo: "
                         "<sip:x@y>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n" +
                         lines + "Content-Length: 0\r\n\r\n");
    EXPECT_TRUE(message.good()) << lines;
    return failure_fields(message.view(), policy, policy);
  };
  EXPECT_EQ(fields("401 Unauthorized", "Unsupported: x\r\nWWW-Authenticate: Digest realm=\"r\"\r\n").lines,
            "WWW-Authenticate: Digest realm=\"r\"\r\n");
  EXPECT_EQ(fields("486 Busy Here", "Reason: Q.850;cause=17\r\n").reason, "");
  EXPECT_EQ(fields("603 No", "Reason: Q.850;cause=21\r\nReason: SIP;cause=603\r\n").reason,
            "Q.850;cause=21, SIP;cause=603");
  EXPECT_EQ(fields("603 No", "Reason: Q.850;cause=21;text=\"by 192.0.2.10\";location=LN\r\n").reason,
            "Q.850;cause=21;location=LN");
  EXPECT_EQ(fields("486 Busy Here", "X-A: 1\r\n").listed, "");
  const std::string large(3000, 'x');
  EXPECT_EQ(fields("420 Bad Extension", "Unsupported: a\r\nUnsupported: " + large +
                                            "\r\nUnsupported: " + large + "\r\nUnsupported: b\r\n")
                .lines,
            "Unsupported: a\r\nUnsupported: " + large + "\r\nUnsupported: b\r\n");
}

TEST(FailureFields, Hold_to_the_lists_of_both) {
  config::Peer said_by;
  said_by.headers.remove = {"X-B"};
  config::Peer told;
  told.headers = {.pass = {"X-A", "X-B", "Call-Info", "X-C"},
                  .remove = {"X-C"},
                  .set = {{"X-D", "4", ""}, {"X-E", "", "X-F"}, {"X-G", "", "X-B"}}};
  const Parsed message(
      "SIP/2.0 608 Rejected\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=f\r\nTo: "
      "<sip:x@y>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: his\r\nX-F: "
      "5\r\nX-F: 6\r\nSubject: talk\r\nCall-Info: <https://block.example/c>;purpose=jwscard\r\n"
      "Content-Length: 0\r\n\r\n");
  ASSERT_TRUE(message.good());
  const FailureFields fields = failure_fields(message.view(), HeaderPolicy(said_by), HeaderPolicy(told));
  EXPECT_EQ(fields.lines, "");
  EXPECT_EQ(
      fields.listed,
      "X-A: 1\r\nCall-Info: <https://block.example/c>;purpose=jwscard\r\nX-D: 4\r\nX-E: 5\r\nX-E: 6\r\n");
}

TEST(UnsupportedTags, Are_all_of_Require_and_Proxy_Require) {
  EXPECT_EQ(unsupported_tags(Parsed(invite("")).view()), "");
  EXPECT_EQ(
      unsupported_tags(
          Parsed(invite("Require: 100rel, timer\r\nProxy-Require: sec-agree\r\nRequire: x\r\n")).view()),
      "x, sec-agree")
      << "100rel and timer are served, hop by hop";
  EXPECT_EQ(unsupported_tags(Parsed(invite("Supported: timer\r\n")).view()), "");
}

}  // namespace
}  // namespace sallyport::b2bua

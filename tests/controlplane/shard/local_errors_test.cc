// SPDX-License-Identifier: Apache-2.0
// Every local error that a call can meet on a shard: its name is in the record, its code at the caller's.
#include <functional>
#include <set>

#include "controlplane/response_map/local_error.h"
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

// One call on a bench of its own, brought to its end by `provoke`.
struct ErrorStory {
  Bench bench;
  std::string invite;
  Sent out;
  Sent ok;

  explicit ErrorStory(std::string_view yaml) : bench(yaml) {}
  void place(const InviteOptions& options = {}) {
    invite = make_invite(options);
    bench.receive("access", kCaller, invite);
    bench.turn();
    sent = bench.take();
    for (const Sent& message : sent) {
      if (message.is("INVITE ")) out = message;
    }
  }
  void from_carrier(std::string_view status, std::string_view contact = kContactA,
                    std::string_view body = {}) {
    bench.receive("core", kCarrierA, make_response(out, status, "ct1", contact, body));
    keep();
  }
  void establish() {
    place();
    from_carrier("200 OK", kContactA, sdp("192.0.2.10", 6000));
    for (const Sent& message : sent) {
      if (message.is("SIP/2.0 200")) ok = message;
    }
    bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  }
  void keep() {
    for (Sent& message : bench.take()) sent.push_back(std::move(message));
  }
  std::vector<Sent> sent;
};

struct LocalErrorCase {
  const char* name;
  const char* status;  // that the caller hears; empty: the call was answered before
  std::function<void(ErrorStory&)> provoke;
  const char* from = "";  // in the configuration, replaced by `to`
  const char* to = "";
};

const std::vector<LocalErrorCase>& cases() {
  static const std::vector<LocalErrorCase> all{
      {"private-media", "SIP/2.0 488", [](ErrorStory& s) { s.place({.body = sdp("10.1.2.3", 4000)}); }},
      {"refused-address", "SIP/2.0 488", [](ErrorStory& s) { s.place({.body = sdp("127.0.0.1", 4000)}); }},
      {"answer-refused", "SIP/2.0 488",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("200 OK", kContactA, sdp("192.168.1.1", 6000));
       }},
      {"answer-fault", "SIP/2.0 502",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("200 OK", kContactA, sdp("192.0.2.10", 6000) + "m=video 7000 RTP/AVP 96\r\n");
       }},
      {"sdp-fault", "SIP/2.0 488", [](ErrorStory& s) { s.place({.body = "v=0\r\nnonsense"}); }},
      {"no-ports", "SIP/2.0 503",
       [](ErrorStory& s) {
         std::string two = sdp("198.51.100.20", 4000);
         s.place({.body = two + "m=video 4002 RTP/AVP 96\r\n"});
       },
       "media: {ports: 20000-20999}", "media: {ports: 20000-20001}"},
      {"media-timeout", "",
       [](ErrorStory& s) {
         s.establish();
         s.bench.advance(60 * kSecond, kSecond);
         s.bench.report_silence();
         s.bench.advance(kSecond);
       }},
      {"no-route", "SIP/2.0 404", [](ErrorStory& s) { s.place(); }, "{from: office, to: [carrier-a, carrier-b]}",
       "{from: office, user: \"77*\", to: [carrier-a, carrier-b]}"},
      {"call-limit", "SIP/2.0 503",
       [](ErrorStory& s) {
         s.establish();
         s.bench.take();
         s.sent.clear();
         const std::string first = s.invite;
         s.place({.call_id = "second", .branch = "z9hG4bKsecond"});
         s.bench.receive("access", kCaller, make_in_dialog("BYE", first, s.ok, 2, "z9hG4bKbye"));
       },
       "{from: office, to: [carrier-a, carrier-b]}\n  - {from: [carrier-a, carrier-b], to: [office]}",
       "{from: office, to: [carrier-a]}"},
      {"shutdown", "SIP/2.0 503",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("180 Ringing");
         s.bench.shard().set_phase(Phase::ending);
         s.bench.turn();
         s.keep();
         s.from_carrier("487 Request Terminated");
       }},
      {"setup-timeout", "SIP/2.0 408",
       [](ErrorStory& s) {
         s.place({.user = "0123"});
         s.bench.advance(11 * kSecond);
       }},
      {"ring-timeout", "SIP/2.0 480",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("180 Ringing");
         s.bench.advance(61 * kSecond);
         s.keep();
         s.from_carrier("487 Request Terminated");
       }},
      {"duration-limit", "",
       [](ErrorStory& s) {
         s.establish();
         s.bench.advance(3601 * kSecond, kSecond);
       }},
      {"transaction-timeout", "SIP/2.0 408",
       [](ErrorStory& s) {
         s.place({.user = "0123"});
         s.bench.advance(33 * kSecond);
       },
       "targets: [\"sip:192.0.2.11:5060\"]\n    limits: {setup: 10s,",
       "targets: [\"sip:192.0.2.11:5060\"]\n    limits: {setup: 60s,"},
      {"ack-timeout", "",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("200 OK", kContactA, sdp("192.0.2.10", 6000));
         s.bench.advance(33 * kSecond);
       }},
      {"prack-timeout", "SIP/2.0 504",
       [](ErrorStory& s) {
         s.place({.more = "Require: 100rel\r\n"});
         s.from_carrier("180 Ringing");
         s.bench.advance(33 * kSecond);
         s.keep();
         s.from_carrier("487 Request Terminated");
       }},
      {"redirect-refused", "SIP/2.0 480",
       [](ErrorStory& s) {
         s.place({.user = "0123"});
         s.from_carrier("302 Moved Temporarily", "<sip:4930124@203.0.113.9>");
       },
       "targets: [\"sip:192.0.2.11:5060\"]", "targets: [\"sip:192.0.2.11:5060\"]\n    redirects: refuse"},
      {"transport-failure", "SIP/2.0 500",
       [](ErrorStory& s) {
         s.place({.user = "0123"});
         s.bench.report_unreachable(s.out);
       }},
      {"malformed", "SIP/2.0 400", [](ErrorStory& s) { s.place({.contact = "*"}); }},
      {"cancelled", "SIP/2.0 487",
       [](ErrorStory& s) {
         s.place();
         s.from_carrier("180 Ringing");
         s.bench.receive("access", kCaller, make_cancel(s.invite));
         s.keep();
         s.from_carrier("487 Request Terminated");
       }},
      {"not-in-dialog", "",
       [](ErrorStory& s) {
         s.establish();
         s.bench.take();
         s.bench.receive("access", kCaller, make_in_dialog("INFO", s.invite, s.ok, 2, "z9hG4bKinfo"));
         s.out = s.bench.take_one("INFO ");
         s.bench.receive("core", kCarrierA, make_response(s.out, "481 Gone", ""));
       }},
  };
  return all;
}

TEST(LocalErrors, Each_has_its_code_and_its_name_in_the_record) {
  for (const LocalErrorCase& c : cases()) {
    SCOPED_TRACE(c.name);
    std::string yaml(Bench::default_config());
    if (*c.from != 0) {
      ASSERT_NE(yaml.find(c.from), std::string::npos);
      yaml.replace(yaml.find(c.from), std::string_view(c.from).size(), c.to);
    }
    if (std::string_view(c.name) == "call-limit") {
      const std::string_view limits = "limits: {setup: 10s,";
      yaml.replace(yaml.find(limits), limits.size(), "limits: {calls: 1, setup: 10s,");
    }
    ErrorStory story(yaml);
    c.provoke(story);
    story.keep();
    std::string heard;
    for (const Sent& message : story.sent) {
      if (message.realm == 0 && message.is("SIP/2.0") && message.header("CSeq") == "1 INVITE")
        heard = message.start_line();
    }
    EXPECT_TRUE(*c.status == 0 ? heard.starts_with("SIP/2.0 200") : heard.starts_with(c.status)) << heard;
    story.bench.expect_nothing_left();
    std::vector<std::string> names;
    for (const stats::CallRecord& record : story.bench.records.records) names.push_back(record.local_error);
    EXPECT_NE(std::ranges::find(names, c.name), names.end());
  }
}

// The tests of what is refused before it is a call stand in refusal_test and capacity_test.
TEST(LocalErrors, None_is_forgotten) {
  const std::set<std::string_view> at_the_door{
      "unsupported-media", "capacity",      "rate-limit",         "overload",          "draining",
      "too-many-hops",     "bad-extension", "unsupported-scheme", "method-not-allowed"};
  const std::set<std::string_view> elsewhere{
      "unknown-source",    // stateless: refusal_test
      "loop",              // the transaction layer's 482: refusal_test
      "no-common-codec",   // peer_policy_test
      "session-expired",   // session timers
      "sips-not-allowed",  // also at the door: sips_test
      "peer-down",         // targets that rest are tried as the last resort: router_test, targets_test
      "internal"};         // has no cause that a test could give
  std::set<std::string_view> told;
  for (const LocalErrorCase& c : cases()) told.insert(c.name);
  for (std::size_t i = 1; i < response_map::kLocalErrors; ++i) {
    const std::string_view name = response_map::local_error_name(static_cast<response_map::LocalError>(i));
    EXPECT_EQ(told.contains(name) + at_the_door.contains(name) + elsewhere.contains(name), 1) << name;
  }
}

}  // namespace
}  // namespace sallyport::shard

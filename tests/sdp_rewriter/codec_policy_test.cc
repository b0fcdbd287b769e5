// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/codec_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sdp {
namespace {

using Names = std::vector<std::string>;

CodecPolicy policy(const Names& allow, const Names& remove = {}, const Names& order = {}) {
  return CodecPolicy::parse(allow, remove, order);
}

// "m=audio 6000 RTP/AVP <formats>" and further lines.
std::string audio(const std::string& formats, const std::string& lines = "") {
  return "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 6000 "
         "RTP/AVP " +
         formats + "\r\n" + lines;
}

const std::string kEvent = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n";

// The m= line's formats and the lines below it, after those rules; "refused" where the stream is.
std::string through(const std::string& body, const CodecRules& rules) {
  const auto description = Description::parse(body);
  if (!description) return "does not parse";
  Plan plan;
  for (std::size_t i = 0; i < description->streams().size(); ++i) {
    plan.streams.push_back({.local = Endpoint::parse("192.0.2.1:20000").value()});
  }
  if (!apply_codecs(*description, rules, plan)) return "nothing left";
  const std::string text = rewrite(*description, plan);
  const std::size_t start = text.find("m=");
  return start == std::string::npos ? "" : text.substr(start);
}

std::string through(const std::string& body, const CodecPolicy& writer) {
  return through(body, {.writer = &writer});
}

struct CodecCase {
  const char* name;
  CodecPolicy policy;
  std::string formats;
  std::string lines;
  std::string formats_after;  // "nothing left"
  std::string lines_after;
};

class CodecPolicyTable : public testing::TestWithParam<CodecCase> {};

TEST_P(CodecPolicyTable, gives) {
  const CodecCase& c = GetParam();
  const bool none = c.formats_after == "nothing left";
  const std::string wanted =
      none ? c.formats_after : "m=audio 20000 RTP/AVP " + c.formats_after + "\r\n" + c.lines_after;
  EXPECT_EQ(through(audio(c.formats, c.lines), c.policy), wanted);
}

const std::string kOpus =
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-fb:111 transport-cc\r\n";
const std::string kWide = "a=rtpmap:96 AMR-WB/16000\r\na=rtpmap:97 telephone-event/16000\r\n";

INSTANTIATE_TEST_SUITE_P(
    Table, CodecPolicyTable,
    testing::Values(
        CodecCase{"no_rule_leaves_every_octet", policy({}), "0  8 101", kEvent, "0  8 101", kEvent},
        CodecCase{"allow_keeps_the_named_and_the_events", policy({"pcma"}), "0 8 101", kEvent, "8 101",
                  kEvent},
        CodecCase{"remove_takes_one", policy({}, {"PCMU"}), "0 8 101", kEvent, "8 101", kEvent},
        CodecCase{"a_removed_codec_takes_its_lines_along", policy({}, {"opus"}), "111 0 101",
                  kOpus + kEvent + "a=rtcp-fb:* nack\r\na=ptime:20\r\n", "0 101",
                  kEvent + "a=rtcp-fb:* nack\r\na=ptime:20\r\n"},
        CodecCase{"events_can_be_removed", policy({}, {"telephone-event"}), "0 101", kEvent, "0", ""},
        CodecCase{"events_alone_are_nothing", policy({}, {"PCMU"}), "0 101", kEvent, "nothing left", ""},
        CodecCase{"a_static_format_has_its_name_without_rtpmap", policy({"G729"}), "18 0", "", "18", ""},
        CodecCase{"nothing_is_left", policy({"G722"}), "0 8", "", "nothing left", ""},
        CodecCase{"a_format_without_a_name_passes", policy({}, {"PCMU"}), "0 98", "", "98", ""},
        CodecCase{"a_format_without_a_name_is_not_allowed", policy({"PCMU"}), "0 98", "", "0", ""},
        CodecCase{"a_rate_tells_two_of_one_name_apart", policy({}, {"L16/44100"}), "10 96",
                  "a=rtpmap:96 L16/8000\r\n", "96", "a=rtpmap:96 L16/8000\r\n"},
        CodecCase{"events_go_with_the_only_codec_of_their_rate", policy({}, {"AMR-WB"}), "96 97 0 101",
                  kWide + kEvent, "0 101", kEvent},
        CodecCase{"events_of_a_rate_that_no_codec_had_stay", policy({"AMR-WB"}), "96 0 101",
                  "a=rtpmap:96 AMR-WB/16000\r\na=rtpmap:101 telephone-event/48000\r\n", "96 101",
                  "a=rtpmap:96 AMR-WB/16000\r\na=rtpmap:101 telephone-event/48000\r\n"},
        CodecCase{"comfort_noise_stays_with_its_rate", policy({"PCMU"}), "0 8 13", "", "0 13", ""},
        CodecCase{"comfort_noise_goes_with_its_rate", policy({"opus"}), "0 13 111", kOpus, "111", kOpus},
        CodecCase{"red_goes_with_what_it_carries", policy({}, {"PCMU"}), "121 0 8",
                  "a=rtpmap:121 red/8000\r\na=fmtp:121 0/0\r\n", "8", ""},
        CodecCase{"red_stays_with_what_it_carries", policy({}, {"PCMA"}), "121 0 8",
                  "a=rtpmap:121 red/8000\r\na=fmtp:121 0/0\r\n", "121 0",
                  "a=rtpmap:121 red/8000\r\na=fmtp:121 0/0\r\n"},
        CodecCase{"order_puts_the_named_first_and_events_last", policy({}, {}, {"PCMA", "G722"}),
                  "0 101 9 8 18", kEvent, "8 9 0 18 101", kEvent},
        CodecCase{"order_that_holds_changes_nothing", policy({}, {}, {"PCMU"}), "0   8 101", kEvent,
                  "0   8 101", kEvent}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(CodecPolicy, Video_loses_retransmission_and_fec_with_their_codec) {
  const std::string video =
      "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n"
      "m=video 6002 RTP/AVPF 96 97 98 99 100 101\r\n"
      "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
      "a=rtpmap:98 H264/90000\r\na=imageattr:98 send *\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 "
      "apt=98;rtx-time=200\r\n"
      "a=rtpmap:100 red/90000\r\na=rtpmap:101 ulpfec/90000\r\n";
  EXPECT_EQ(through(video, policy({}, {"VP8"})),
            "m=video 20000 RTP/AVPF 98 99 100 101\r\n"
            "a=rtpmap:98 H264/90000\r\na=imageattr:98 send *\r\na=rtpmap:99 rtx/90000\r\n"
            "a=fmtp:99 apt=98;rtx-time=200\r\na=rtpmap:100 red/90000\r\na=rtpmap:101 ulpfec/90000\r\n");
  EXPECT_EQ(through(video, policy({}, {"VP8", "H264"})), "nothing left");
}

TEST(CodecPolicy, Both_sides_must_let_a_codec_pass_and_the_readers_order_holds) {
  const CodecPolicy writer = policy({}, {"PCMU"}, {"G722"});
  const CodecPolicy reader = policy({"PCMU", "PCMA", "G722"}, {}, {"PCMA"});
  EXPECT_EQ(through(audio("0 9 18 8"), {.writer = &writer, .reader = &reader}),
            "m=audio 20000 RTP/AVP 8 9\r\n");
  const CodecPolicy indifferent = policy({"PCMA", "G722"});
  EXPECT_EQ(through(audio("8 9"), {.writer = &writer, .reader = &indifferent}),
            "m=audio 20000 RTP/AVP 9 8\r\n");
}

TEST(CodecPolicy, An_answer_keeps_the_order_that_was_agreed) {
  const CodecPolicy rules = policy({}, {"G729"}, {"PCMA"});
  EXPECT_EQ(through(audio("0 18 8"), {.reader = &rules, .is_offer = false}), "m=audio 20000 RTP/AVP 0 8\r\n");
}

TEST(CodecPolicy, A_stream_that_loses_all_is_refused_and_keeps_its_line) {
  const std::string two = audio("0 8") + "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
  EXPECT_EQ(through(two, policy({"PCMA"})),
            "m=audio 20000 RTP/AVP 8\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n");
}

TEST(CodecPolicy, What_is_not_rtp_is_not_judged) {
  const std::string fax = audio("0") + "m=image 6004 udptl t38\r\na=T38FaxVersion:0\r\n";
  EXPECT_EQ(through(fax, policy({"G722"})),
            "m=audio 0 RTP/AVP 0\r\nm=image 20000 udptl t38\r\na=T38FaxVersion:0\r\n");
  EXPECT_EQ(through(audio("0"), policy({"G722"})), "nothing left");
}

TEST(CodecPolicy, A_description_without_streams_in_use_has_lost_nothing) {
  const auto held =
      Description::parse("v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n");
  ASSERT_TRUE(held);
  const CodecPolicy rules = policy({"PCMA"});
  EXPECT_TRUE(codecs_left(*held, {.reader = &rules}));
}

}  // namespace
}  // namespace sallyport::sdp

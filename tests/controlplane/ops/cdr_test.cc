// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "controlplane/ops/call_log.h"
#include "controlplane/ops/cdr_writer.h"
#include "controlplane/ops/log.h"
#include "tests/controlplane/ops/fakes.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using testing::HasSubstr;

stats::CallRecord record(std::string id) {
  stats::CallRecord record;
  record.id = std::move(id);
  record.from_peer = "office";
  record.to_peer = "carrier-a";
  record.started_ns = 1'700'000'000 * kSecond + 250 * kMillisecond;
  record.answered_ns = record.started_ns + 1500 * kMillisecond;
  record.ended_ns = record.answered_ns + 61 * kSecond;
  record.setup_ns = 1500 * kMillisecond;
  record.duration_ns = 61 * kSecond;
  record.ended_by = stats::EndedBy::callee;
  return record;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(CallRecordJson, is_one_line_with_times_codes_attempts_and_media) {
  stats::CallRecord call = record("c1");
  call.caller = "sip:a\xff\n\"@x";
  call.received = 499;
  call.received_phrase = "Codec Mismatch";
  call.sent = 488;
  call.q850 = 65;
  call.rule = "vendor row 499 Codec Mismatch";
  call.attempts.push_back({"carrier-a", *Endpoint::parse("192.0.2.10:5060"), "x@y", 499, "Codec Mismatch", "",
                           "r", "Q.850;cause=65"});
  call.reason_received = "SIP;cause=499, Q.850;cause=65;text=\"no codec\"";
  call.reason_sent = "Q.850;cause=65";
  stats::MediaRecord media;
  media.leg = 1;
  media.counters.packets = 150;
  media.counters.jitter_us = 1500;
  media.counters.rtt_us = 42'500;
  media.counters.reported_lost = 7;
  media.counters.latched = *Endpoint::parse("[2001:db8::1]:4000");
  media.stream = 1;
  call.media.push_back(media);
  call.answer_sdp[1] =
      "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
      "m=audio 6000 RTP/AVP 8 96 97\r\na=rtpmap:96 opus/48000/2\r\n";
  const std::string line = to_json(call);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const json out = json::parse(line);
  EXPECT_EQ(out["record"], "end");
  EXPECT_EQ(out["started"], "2023-11-14T22:13:20.250Z");
  EXPECT_EQ(out["ringing"], nullptr);
  EXPECT_EQ(out["setup_seconds"], 1.5);
  EXPECT_EQ(out["duration_seconds"], 61.0);
  EXPECT_EQ(out["ended_by"], "callee");
  EXPECT_EQ(out["received"], 499);
  EXPECT_EQ(out["sent"], 488);
  EXPECT_EQ(out["local"], nullptr);
  EXPECT_EQ(out["reason_received"], "SIP;cause=499, Q.850;cause=65;text=\"no codec\"");
  EXPECT_EQ(out["reason_sent"], "Q.850;cause=65");
  EXPECT_EQ(out["attempts"][0]["reason_received"], "Q.850;cause=65");
  EXPECT_EQ(json::parse(to_json(record("c2")))["reason_sent"], nullptr);
  EXPECT_EQ(out["attempts"][0]["target"], "192.0.2.10:5060");
  EXPECT_EQ(out["media"][0]["leg"], "callee");
  EXPECT_EQ(out["media"][0]["latched"], "[2001:db8::1]:4000");
  EXPECT_EQ(out["media"][0]["jitter_ms"], 1.5);
  EXPECT_EQ(out["media"][0]["rtt_ms"], 42.5);
  EXPECT_EQ(out["media"][0]["reported_lost"], 7);
  EXPECT_EQ(out["media"][0]["codecs"], json({"PCMA/8000", "opus/48000/2", "97"}));
  EXPECT_EQ(out["media"][0]["mos"], 4.4) << "G.107: R = 93.2 of G.711, less the Id of 21 ms";
  EXPECT_EQ(out["media_timeout"], nullptr);
}

TEST(CallRecordJson, spans_are_of_the_monotonic_clock_whatever_the_date_does) {
  stats::CallRecord call = record("c1");
  call.ended_ns = call.started_ns - 3600 * kSecond;  // the date was set back in mid-call
  call.written_ns = call.ended_ns + 7 * kMillisecond + 999'999;
  const json out = json::parse(to_json(call));
  EXPECT_EQ(out["setup_seconds"], 1.5);
  EXPECT_EQ(out["duration_seconds"], 61.0);
  EXPECT_EQ(out["ended"], "2023-11-14T21:13:20.250Z");
  EXPECT_EQ(out["written"], "2023-11-14T21:13:20.257Z");
  call.setup_ns = call.duration_ns = std::nullopt;
  EXPECT_EQ(json::parse(to_json(call))["duration_seconds"], nullptr);
}

TEST(CallRecordJson, an_attempt_from_no_peer_has_none) {
  stats::CallRecord call = record("c1");
  call.from_peer.clear();
  EXPECT_EQ(json::parse(to_json(call))["from"], nullptr);
}

TEST(CdrWriter, writes_every_record_as_a_line_before_it_goes) {
  const Folder folder;
  const std::string file = folder.file("cdr.jsonl");
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
  }
  const auto lines = lines_of(file);
  ASSERT_EQ(lines.size(), 1000u);
  EXPECT_EQ(json::parse(lines[999])["id"], "c999");
  struct stat there{};
  ASSERT_EQ(::stat(file.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0007u, 0u) << "records are nobody else's to read";
}

TEST(CdrWriter, appends_to_a_file_that_is_there) {
  const Folder folder;
  for (int i = 0; i < 2; ++i) {
    auto writer = CdrWriter::start(CdrOptions{.file = folder.file("f")});
    ASSERT_TRUE(writer.has_value());
    EXPECT_TRUE((*writer)->write(record("c")));
  }
  EXPECT_EQ(lines_of(folder.file("f")).size(), 2u);
}

TEST(CdrWriter, reopen_follows_a_rotation_and_loses_nothing) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file});
    ASSERT_TRUE(writer.has_value());
    for (int i = 0; i < 10; ++i) EXPECT_TRUE((*writer)->write(record("old")));
    std::filesystem::rename(file, file + ".1");
    (*writer)->reopen();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE((*writer)->write(record("new")));
  }
  const auto rotated = lines_of(file + ".1");
  const auto current = lines_of(file);
  EXPECT_EQ(rotated.size() + current.size(), 20u);
  ASSERT_GE(current.size(), 10u);
  EXPECT_EQ(json::parse(current.back())["id"], "new");
}

TEST(CdrWriter, another_file_begins_with_the_next_record_and_none_ends_them) {
  const Folder folder;
  std::vector<std::string> seen;
  {
    auto writer = CdrWriter::start(CdrOptions{
        .file = folder.file("one"), .observe = [&](const stats::CallRecord& r) { seen.push_back(r.id); }});
    ASSERT_TRUE(writer.has_value());
    EXPECT_TRUE((*writer)->write(record("a")));
    const auto until = [&](std::uint64_t count) {
      while ((*writer)->written() < count) std::this_thread::yield();
    };
    until(1);
    (*writer)->set_file({.file = folder.file("two")});
    EXPECT_TRUE((*writer)->write(record("b")));
    until(2);
    (*writer)->set_file({.file = folder.file("no/such/folder")});
    EXPECT_TRUE((*writer)->write(record("c")));
    until(3);
    EXPECT_EQ((*writer)->file_failures(), 1u) << "what cannot be opened leaves the old one in use";
    EXPECT_EQ((*writer)->failed(), 0u);
    (*writer)->set_file({});
    EXPECT_TRUE((*writer)->write(record("d")));
  }
  EXPECT_EQ(lines_of(folder.file("one")).size(), 1u);
  EXPECT_EQ(lines_of(folder.file("two")).size(), 2u);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(CdrWriter, a_file_is_looked_at_before_it_is_used) {
  const Folder folder;
  EXPECT_TRUE(CdrWriter::check(""));
  EXPECT_TRUE(CdrWriter::check(folder.file("fresh")));
  const auto fault = CdrWriter::check(folder.file("no/such/folder"));
  ASSERT_FALSE(fault);
  EXPECT_THAT(fault.error(), HasSubstr("cannot be opened: No such file or directory"));
}

TEST(CdrWriter, a_full_queue_drops_and_counts_and_never_waits) {
  const Folder folder;
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  std::uint64_t taken = 0;
  {
    auto writer = CdrWriter::start(CdrOptions{.file = pipe, .capacity = 8});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    stats::CallRecord big = record("c");
    big.caller = std::string(20'000, 'x');  // a few of these and the pipe is full: its writer blocks
    for (int i = 0; i < 100; ++i) {
      stats::CallRecord copy = big;
      taken += (*writer)->write(std::move(copy)) ? 1 : 0;
    }
    EXPECT_GE(taken, 8u);
    EXPECT_LT(taken, 100u);
    EXPECT_EQ((*writer)->dropped(), 100u - taken);
    ::close(reader);  // the disk is gone: the rest fails and is counted, and the writer can end
  }
}

TEST(CdrWriter, a_file_that_cannot_be_opened_is_one_sentence) {
  const auto writer = CdrWriter::start(CdrOptions{.file = "/nonexistent/folder/cdr"});
  ASSERT_FALSE(writer.has_value());
  EXPECT_THAT(writer.error(), HasSubstr("cdr.file /nonexistent/folder/cdr cannot be opened"));
}

TEST(CdrWriter, without_a_file_records_are_observed_only) {
  std::vector<std::string> seen;
  {
    auto writer =
        CdrWriter::start(CdrOptions{.observe = [&](const stats::CallRecord& r) { seen.push_back(r.id); }});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    EXPECT_TRUE((*writer)->write(record("a")));
    EXPECT_TRUE((*writer)->write(record("b")));
    (*writer)->reopen();
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b"}));
}

TEST(CdrWriter, half_a_line_that_a_crash_left_is_taken_out) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  std::ofstream(file) << R"({"id":"whole"})" << "\n" << std::string(9000, 'x');
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    EXPECT_TRUE((*writer)->write(record("after")));
  }
  const auto lines = lines_of(file);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(json::parse(lines[0])["id"], "whole");
  EXPECT_EQ(json::parse(lines[1])["id"], "after");
}

TEST(CdrWriter, rotates_by_size_between_two_lines_and_keeps_so_many_files) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  const std::uint64_t limit = 3 * (to_json(record("c00")).size() + 1);
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file, .rotate_bytes = limit, .keep = 2});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    for (int i = 10; i < 20; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
  }
  EXPECT_EQ(json::parse(lines_of(file).front())["id"], "c19");
  EXPECT_EQ(lines_of(file + ".1").size(), 3u);
  EXPECT_EQ(json::parse(lines_of(file + ".1").front())["id"], "c16");
  EXPECT_EQ(json::parse(lines_of(file + ".2").front())["id"], "c13");
  EXPECT_FALSE(std::filesystem::exists(file + ".3")) << "the oldest goes";
}

// What stands in the way of FILE.next stands for a folder that has become read-only, or a disk without
// inodes.
TEST(CdrWriter, the_old_file_goes_on_and_loses_nothing_while_the_next_cannot_be_opened) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  const std::uint64_t line = to_json(record("c00")).size() + 1;
  std::filesystem::create_directory(file + ".next");
  testing::internal::CaptureStderr();
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file, .rotate_bytes = 3 * line, .keep = 2});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    const auto write = [&](int from, int to) {
      for (int i = from; i < to; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
      while ((*writer)->written() < static_cast<std::uint64_t>(to - 10)) std::this_thread::yield();
    };
    write(10, 15);
    EXPECT_EQ((*writer)->file_failures(), 1u) << "it is not tried again at each line";
    std::filesystem::remove(file + ".next");
    write(15, 18);
    EXPECT_EQ((*writer)->failed(), 0u);
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("could not be rotated and grows on"));
  EXPECT_EQ(lines_of(file + ".1").size(), 6u) << "tried again when it had grown by as much again";
  EXPECT_EQ(json::parse(lines_of(file).front())["id"], "c16");
  EXPECT_EQ(lines_of(file).size(), 2u);
  EXPECT_FALSE(std::filesystem::exists(file + ".next"));
}

TEST(CdrWriter, another_size_and_number_hold_from_the_next_record_on) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  const std::uint64_t line = to_json(record("c00")).size() + 1;
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file, .rotate_bytes = line, .keep = 4});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    for (int i = 10; i < 15; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
    while ((*writer)->written() < 5) std::this_thread::yield();
    EXPECT_TRUE(std::filesystem::exists(file + ".4"));
    (*writer)->set_file({.file = file, .rotate_bytes = 2 * line, .keep = 1});
    for (int i = 15; i < 17; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
  }
  EXPECT_EQ(json::parse(lines_of(file).front())["id"], "c16");
  EXPECT_EQ(lines_of(file + ".1").size(), 2u);
  EXPECT_FALSE(std::filesystem::exists(file + ".2")) << "those beyond the new number go";
  EXPECT_FALSE(std::filesystem::exists(file + ".4"));
}

TEST(CdrWriter, with_none_kept_the_next_file_takes_the_place_of_the_old_one) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file, .rotate_bytes = 10, .keep = 0});
    ASSERT_TRUE(writer.has_value()) << writer.error();
    for (int i = 10; i < 13; ++i) EXPECT_TRUE((*writer)->write(record("c" + std::to_string(i))));
  }
  EXPECT_EQ(lines_of(file).size(), 1u);
  EXPECT_EQ(json::parse(lines_of(file).front())["id"], "c12");
  EXPECT_FALSE(std::filesystem::exists(file + ".1"));
}

TEST(CdrWriter, a_line_larger_than_the_limit_still_gets_into_a_file_of_its_own) {
  const Folder folder;
  const std::string file = folder.file("cdr");
  {
    auto writer = CdrWriter::start(CdrOptions{.file = file, .rotate_bytes = 10, .keep = 5});
    ASSERT_TRUE(writer.has_value());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE((*writer)->write(record("c")));
  }
  EXPECT_EQ(lines_of(file).size(), 1u);
  EXPECT_EQ(lines_of(file + ".2").size(), 1u);
}

// ---- log
// -----------------------------------------------------------------------------------------------------------

// ---- what the log says of calls

class CallLogTest : public testing::Test {
 protected:
  ~CallLogTest() override { set_log_level(config::LogLevel::info); }
  std::string told(const stats::CallRecord& record, Nanoseconds now_ns = kSecond) {
    testing::internal::CaptureStderr();
    log_.tell(record, now_ns);
    return testing::internal::GetCapturedStderr();
  }
  CallLog log_;
};

TEST_F(CallLogTest, each_line_has_the_calls_identifier) {
  stats::CallRecord failed = record("c7");
  failed.answered_ns = 0;
  failed.to_peer.clear();
  failed.sent = 404;
  failed.local_error = "no-route";
  EXPECT_THAT(told(failed),
              HasSubstr("level=info msg=\"a call has failed\" call=c7 from=office to=none sent=404 "
                        "received=0 error=no-route rule=none\n"));
  EXPECT_EQ(told(record("c8")), "") << "one that went well is told at debug only";
  set_log_level(config::LogLevel::debug);
  EXPECT_THAT(
      told(record("c8")),
      HasSubstr("level=debug msg=\"a call has ended\" call=c8 from=office to=carrier-a seconds=61\n"));
  stats::CallRecord interim = record("c9");
  interim.kind = stats::RecordKind::interim;
  EXPECT_EQ(told(interim), "");
}

TEST_F(CallLogTest, what_no_peer_tries_is_told_at_debug_only) {
  stats::CallRecord scan = record("c10");
  scan.from_peer.clear();
  scan.answered_ns = 0;
  scan.source = *Endpoint::parse("203.0.113.9:5060");
  EXPECT_EQ(told(scan), "");
  set_log_level(config::LogLevel::debug);
  EXPECT_THAT(told(scan), HasSubstr("call=c10 source=203.0.113.9:5060\n"));
}

TEST_F(CallLogTest, a_flood_of_failures_is_held_back_and_counted) {
  stats::CallRecord failed = record("c");
  failed.answered_ns = 0;
  int lines = 0;
  for (int i = 0; i < 200; ++i) lines += told(failed).empty() ? 0 : 1;
  EXPECT_EQ(lines, 50);
  EXPECT_THAT(told(failed, 10 * kSecond), HasSubstr("msg=\"calls that are not in the log\" count=150"));
}

TEST_F(CallLogTest, at_debug_a_flood_is_held_back_and_counted_apart) {
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(told(record("c")), "") << "what is not told at this level does not count";
  set_log_level(config::LogLevel::debug);
  stats::CallRecord scan = record("s");
  scan.from_peer.clear();
  int lines = 0;
  for (int i = 0; i < 100; ++i) {
    lines += told(record("c")).empty() ? 0 : 1;
    lines += told(scan).empty() ? 0 : 1;
  }
  EXPECT_EQ(lines, 100);
  EXPECT_THAT(told(record("c"), 10 * kSecond),
              HasSubstr("level=debug msg=\"calls that are not in the log\" count=100"));
  stats::CallRecord failed = record("f");
  failed.answered_ns = 0;
  EXPECT_THAT(told(failed), HasSubstr("a call has failed")) << "failures have a limit of their own";
}

TEST(Log, text_is_logfmt_with_quotes_where_needed) {
  using config::LogFormat;
  using config::LogLevel;
  EXPECT_EQ(format_line(LogFormat::text, LogLevel::info, "port up",
                        {{"port", "access"}, {"what", "a=\"b\"\n"}, {"empty", ""}}),
            R"(level=info msg="port up" port=access what="a=\"b\" " empty="")");
}

TEST(Log, json_is_the_inside_of_an_object) {
  const std::string line =
      format_line(config::LogFormat::json, config::LogLevel::error, "a \"b\"\xff", {{"k", "v\n"}});
  const json object = json::parse("{" + line + "}");
  EXPECT_EQ(object["level"], "error");
  EXPECT_EQ(object["k"], "v\n");
}

TEST(RateLimit, lets_a_burst_through_and_then_one_an_interval_and_says_how_many_it_held_back) {
  RateLimit limit(kSecond, 3);
  std::uint64_t held = 0;
  const Nanoseconds start = 1000 * kSecond;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.admit(start, held)) << i;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.admit(start + i, held));
  EXPECT_TRUE(limit.admit(start + kSecond, held));
  EXPECT_EQ(held, 5u);
  EXPECT_FALSE(limit.admit(start + kSecond, held));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(limit.admit(start + 60 * kSecond, held)) << "the burst is there again";
  EXPECT_FALSE(limit.admit(start + 60 * kSecond, held));
}

}  // namespace
}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Shards leave records in a bounded queue and go on; one thread turns each into a line
// of JSON and writes it. When the queue is full the record is lost and counted: a slow disk never holds a
// call up. A file holds whole lines only: what a crash or a full disk cut is taken out again. reopen() (on
// SIGUSR1) opens the file anew at the next line, so that a rotation from outside loses none; with
// `rotate_bytes` the writer rotates by itself, FILE to FILE.1 and so on. Whatever is to be opened, the old
// file is written to until the new one is open: a failure is counted and logged, and loses no line.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "controlplane/ops/log.h"
#include "controlplane/stats/call_record.h"

namespace sallyport::ops {

// One line of JSON, without its end.
[[nodiscard]] std::string to_json(const stats::CallRecord& record);

struct CdrFile {
  std::string file;                // empty: none, records are observed only
  std::uint64_t rotate_bytes = 0;  // no line makes the file larger than that; 0: no rotation
  unsigned keep = 10;              // rotated files; the oldest goes
};

struct CdrOptions {
  std::string file;  // these three as in CdrFile
  std::uint64_t rotate_bytes = 0;
  unsigned keep = 10;
  std::size_t capacity = 65'536;                          // of the queue
  std::function<void(const stats::CallRecord&)> observe;  // on the writer's thread; may be empty
};

class CdrWriter final : public stats::RecordSink {
 public:
  // Opens for appending (mode 0640). The error is one sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<CdrWriter>, std::string> start(CdrOptions options);
  ~CdrWriter() override;  // writes what is queued
  CdrWriter(const CdrWriter&) = delete;
  CdrWriter& operator=(const CdrWriter&) = delete;

  [[nodiscard]] bool write(stats::CallRecord&& record) noexcept override;  // any thread
  void reopen();                                                           // any thread
  // The next record goes there; empty: none is written from then on. Any thread. One that cannot be opened is
  // counted, and the old one stays in use.
  void set_file(CdrFile file);
  // What start() would say of it; nothing for an empty one.
  [[nodiscard]] static std::expected<void, std::string> check(const std::string& file);

  [[nodiscard]] std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  // Lines that the file did not take (disk full).
  [[nodiscard]] std::uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  // Times that the next file could not be had.
  [[nodiscard]] std::uint64_t file_failures() const { return file_failures_.load(std::memory_order_relaxed); }

 private:
  explicit CdrWriter(CdrOptions options);
  void run();
  void take(const stats::CallRecord& record);
  [[nodiscard]] bool write_line(const std::string& line);
  [[nodiscard]] bool open_file();  // errno says why not
  void open_again();
  [[nodiscard]] bool rotate();  // likewise
  void tell_failure(const char* what, int why);

  struct Queue;
  std::unique_ptr<Queue> queue_;
  CdrOptions options_;
  int fd_ = -1;
  bool is_file_ = false;  // not a pipe or a device
  std::uint64_t size_ = 0;
  std::uint64_t rotate_at_ = 0;  // size from which it is tried
  RateLimit failures_logged_{10 * kSecond, 3};
  std::mutex mutex_;  // of next_file_
  std::optional<CdrFile> next_file_;
  std::atomic<bool> reopen_{false};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> file_failures_{0};
  std::thread thread_;
};

}  // namespace sallyport::ops

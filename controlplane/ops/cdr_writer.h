// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Shards leave records in a bounded queue and go on; one thread turns each into a line
// of JSON and writes it. When the queue is full the record is lost and counted: a slow disk never holds a
// call up. reopen() (on SIGUSR1) opens the file anew at the next line, so that a log rotation loses none.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <thread>

#include "controlplane/stats/call_record.h"

namespace sallyport::ops {

// One line of JSON, without its end.
[[nodiscard]] std::string to_json(const stats::CallRecord& record);

class CdrWriter final : public stats::RecordSink {
 public:
  // Opens for appending (mode 0640). The error is one sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<CdrWriter>, std::string> start(
      const std::string& file, std::size_t capacity = 65'536);
  ~CdrWriter() override;  // writes what is queued
  CdrWriter(const CdrWriter&) = delete;
  CdrWriter& operator=(const CdrWriter&) = delete;

  [[nodiscard]] bool write(stats::CallRecord&& record) noexcept override;  // any thread
  void reopen();                                                           // any thread

  [[nodiscard]] std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  // Lines that the file did not take (disk full).
  [[nodiscard]] std::uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  CdrWriter();
  void run();
  void write_line(const stats::CallRecord& record);
  void open_again();

  struct Queue;
  std::unique_ptr<Queue> queue_;
  std::string file_;
  int fd_ = -1;
  std::atomic<bool> reopen_{false};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::thread thread_;
};

}  // namespace sallyport::ops

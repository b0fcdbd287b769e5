// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/cdr_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <tbb/concurrent_queue.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace sallyport::ops {

// A null pointer wakes the thread without a record.
struct CdrWriter::Queue {
  tbb::concurrent_bounded_queue<std::unique_ptr<stats::CallRecord>> records;
};

namespace {

int open_file(const std::string& file) {
  return ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

CdrWriter::CdrWriter() : queue_(std::make_unique<Queue>()) {}

std::expected<std::unique_ptr<CdrWriter>, std::string> CdrWriter::start(const std::string& file,
                                                                        std::size_t capacity) {
  std::unique_ptr<CdrWriter> writer(new CdrWriter);
  writer->file_ = file;
  writer->queue_->records.set_capacity(static_cast<std::ptrdiff_t>(capacity));
  writer->fd_ = open_file(file);
  if (writer->fd_ < 0) {
    return std::unexpected("cdr.file " + file + " cannot be opened: " + std::strerror(errno));
  }
  writer->thread_ = std::thread([w = writer.get()] { w->run(); });
  return writer;
}

CdrWriter::~CdrWriter() {
  if (thread_.joinable()) {
    // Blocks while the queue is full: the thread is emptying it. Nobody writes any more.
    stop_.store(true, std::memory_order_release);
    queue_->records.push(nullptr);
    thread_.join();
  }
  if (fd_ >= 0) ::close(fd_);
}

bool CdrWriter::write(stats::CallRecord&& record) noexcept {
  try {
    if (queue_->records.try_push(std::make_unique<stats::CallRecord>(std::move(record)))) return true;
  } catch (const std::exception&) {
    // No memory for the record: lost like one that finds no room.
  }
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void CdrWriter::reopen() {
  reopen_.store(true, std::memory_order_release);
  static_cast<void>(queue_->records.try_push(nullptr));  // full: there is a record to wake for anyway
}

void CdrWriter::run() {
  // The file may be a pipe whose reader goes: an error to count, not a signal.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::unique_ptr<stats::CallRecord> record;
  for (;;) {
    queue_->records.pop(record);
    if (reopen_.exchange(false, std::memory_order_acq_rel)) open_again();
    if (record != nullptr) write_line(*record);
    if (record == nullptr && stop_.load(std::memory_order_acquire) && queue_->records.empty()) return;
  }
}

// The old file stays in use when the new one cannot be had.
void CdrWriter::open_again() {
  const int fd = open_file(file_);
  if (fd < 0) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ::close(fd_);
  fd_ = fd;
}

void CdrWriter::write_line(const stats::CallRecord& record) {
  const std::string line = to_json(record) + "\n";
  auto& counter = write_all(fd_, line) ? written_ : failed_;
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/cdr_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <tbb/concurrent_queue.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace sallyport::ops {

// A null pointer wakes the thread without a record.
struct CdrWriter::Queue {
  tbb::concurrent_bounded_queue<std::unique_ptr<stats::CallRecord>> records;
};

namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Up to and with the last line end: what a crash left after it is no record.
std::uint64_t whole_lines(int fd, std::uint64_t size) {
  std::array<char, 4096> block;
  while (size > 0) {
    const std::uint64_t from = size > block.size() ? size - block.size() : 0;
    const ssize_t n = ::pread(fd, block.data(), size - from, static_cast<off_t>(from));
    if (n <= 0) return size;
    const auto end = std::string_view(block.data(), static_cast<std::size_t>(n)).rfind('\n');
    if (end != std::string_view::npos) return from + end + 1;
    size = from;
  }
  return 0;
}

}  // namespace

CdrWriter::CdrWriter(CdrOptions options) : queue_(std::make_unique<Queue>()), options_(std::move(options)) {}

std::expected<std::unique_ptr<CdrWriter>, std::string> CdrWriter::start(CdrOptions options) {
  std::unique_ptr<CdrWriter> writer(new CdrWriter(std::move(options)));
  const CdrOptions& set = writer->options_;
  writer->queue_->records.set_capacity(static_cast<std::ptrdiff_t>(set.capacity));
  if (!set.file.empty() && !writer->open_file()) {
    return std::unexpected("cdr.file " + set.file + " cannot be opened: " + std::strerror(errno));
  }
  writer->thread_ = std::thread([w = writer.get()] { w->run(); });
  return writer;
}

// The old file stays in use when the new one cannot be had.
bool CdrWriter::open_file() {
  // A pipe is not opened for reading: we would be our own reader and never hear that the other is gone.
  struct stat before{};
  const bool pipe = ::stat(options_.file.c_str(), &before) == 0 && !S_ISREG(before.st_mode);
  const int mode = pipe ? O_WRONLY : O_RDWR;
  const int fd = ::open(options_.file.c_str(), mode | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  struct stat there{};
  is_file_ = ::fstat(fd, &there) == 0 && S_ISREG(there.st_mode);
  size_ = is_file_ ? static_cast<std::uint64_t>(there.st_size) : 0;
  if (const std::uint64_t whole = is_file_ ? whole_lines(fd, size_) : size_; whole < size_) {
    if (::ftruncate(fd, static_cast<off_t>(whole)) == 0) size_ = whole;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  rotate_at_ = options_.rotate_bytes;
  return true;
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

void CdrWriter::set_file(CdrFile file) {
  {
    const std::lock_guard lock(mutex_);
    next_file_ = std::move(file);
  }
  reopen();
}

std::expected<void, std::string> CdrWriter::check(const std::string& file) {
  struct stat there{};
  const bool exists = ::stat(file.c_str(), &there) == 0;
  if (file.empty() || (exists && S_ISFIFO(there.st_mode))) return {};  // a pipe's reader may be yet to come
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return std::unexpected("cdr.file " + file + " cannot be opened: " + std::strerror(errno));
  ::close(fd);
  return {};
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
    if (record != nullptr) take(*record);
    if (record == nullptr && stop_.load(std::memory_order_acquire) && queue_->records.empty()) return;
  }
}

void CdrWriter::open_again() {
  std::unique_lock lock(mutex_);
  const std::optional<CdrFile> next = std::exchange(next_file_, std::nullopt);
  lock.unlock();
  std::string before = options_.file;
  if (next) {
    options_.file = next->file;
    options_.rotate_bytes = next->rotate_bytes;
    options_.keep = next->keep;
  }
  rotate_at_ = options_.rotate_bytes;
  if (options_.file.empty()) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  } else if (!open_file()) {
    tell_failure("the record file could not be opened, the old one stays in use", errno);
    options_.file = std::move(before);
  }
}

void CdrWriter::tell_failure(const char* what, int why) {
  file_failures_.fetch_add(1, std::memory_order_relaxed);
  std::uint64_t held_back = 0;
  if (!failures_logged_.admit(monotonic_now_ns(), held_back)) return;
  log_error(what, {{"file", options_.file}, {"error", std::strerror(why)}});
}

void CdrWriter::take(const stats::CallRecord& record) {
  if (options_.observe) options_.observe(record);
  if (options_.file.empty()) return;
  auto& counter = write_line(to_json(record) + "\n") ? written_ : failed_;
  counter.fetch_add(1, std::memory_order_relaxed);
}

bool CdrWriter::write_line(const std::string& line) {
  if (is_file_ && rotate_at_ != 0 && size_ != 0 && size_ + line.size() > rotate_at_ && !rotate()) {
    tell_failure("the record file could not be rotated and grows on", errno);
    rotate_at_ = size_ + options_.rotate_bytes;  // not at each line again
  }
  if (write_all(fd_, line)) {
    size_ += line.size();
    return true;
  }
  // The disk is full: half a line would make the next one unreadable too.
  if (is_file_ && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0) size_ += line.size();
  return false;
}

// FILE.1 is the youngest. The next file is there, as FILE.next, before the old one gets its other name.
bool CdrWriter::rotate() {
  const std::string next = options_.file + ".next";
  const int fd = ::open(next.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  const auto name = [&](unsigned n) { return options_.file + "." + std::to_string(n); };
  for (unsigned n = options_.keep; n > 1; --n)
    static_cast<void>(std::rename(name(n - 1).c_str(), name(n).c_str()));
  // One that somebody has taken away already has its other name.
  const bool moved =
      options_.keep == 0 || std::rename(options_.file.c_str(), name(1).c_str()) == 0 || errno == ENOENT;
  if (!moved || std::rename(next.c_str(), options_.file.c_str()) != 0) {
    const int why = errno;
    if (moved && options_.keep != 0) static_cast<void>(std::rename(name(1).c_str(), options_.file.c_str()));
    ::close(fd);
    static_cast<void>(std::remove(next.c_str()));
    errno = why;
    return false;
  }
  // Those beyond, of a time when more were kept.
  for (unsigned n = options_.keep + 1; std::remove(name(n).c_str()) == 0; ++n) {
  }
  ::close(fd_);
  fd_ = fd;
  size_ = 0;
  rotate_at_ = options_.rotate_bytes;
  return true;
}

}  // namespace sallyport::ops

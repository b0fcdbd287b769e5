// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/run.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <optional>
#include <ostream>

#include "controlplane/cli/process.h"
#include "controlplane/cli/service_manager.h"
#include "controlplane/ops/log.h"

namespace sallyport::cli {
namespace {

// After the end of the drain: time for the BYEs and the workers' last words.
constexpr Nanoseconds kEnding = 5 * kSecond;
constexpr int kLookEvery_ms = 100;

// Signals are blocked in every thread and read here, one after the other.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGPIPE}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    sigdelset(&set, SIGPIPE);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~Signals() { close(fd_); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next signal, or 0 after `timeout_ms`.
  [[nodiscard]] int wait(int timeout_ms) const {
    pollfd wanted{fd_, POLLIN, 0};
    if (poll(&wanted, 1, timeout_ms) <= 0) return 0;
    signalfd_siginfo info{};
    return read(fd_, &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  int fd_ = -1;
};

// From the first SIGTERM to the end.
class Ending {
 public:
  explicit Ending(Process& process) : process_(process) {}

  // `limit_ns`: none: as long as calls last. A limit that comes later counts from then on.
  void drain(std::optional<Nanoseconds> limit_ns) {
    if (phase_ == shard::Phase::ending) return;
    if (phase_ == shard::Phase::running) set(shard::Phase::draining);
    if (limit_ns) until_ns_ = monotonic_now_ns() + *limit_ns;
    ops::log_info(
        "draining",
        {{"calls", std::to_string(process_.calls())},
         {"limit_s", until_ns_ ? std::to_string((*until_ns_ - monotonic_now_ns()) / kSecond) : "none"}});
  }
  void signalled() {
    const bool may_drain =
        phase_ == shard::Phase::running || (phase_ == shard::Phase::draining && !until_ns_);
    if (may_drain) return drain(process_.drain_ns());
    end();
  }
  // True when there is nothing left to wait for.
  [[nodiscard]] bool over() {
    if (phase_ == shard::Phase::running) return false;
    if (process_.calls() == 0) return true;
    if (!until_ns_ || monotonic_now_ns() < *until_ns_) return false;
    if (phase_ == shard::Phase::ending) {
      ops::log_warning("calls did not end in time", {{"calls", std::to_string(process_.calls())}});
      return true;
    }
    end();
    return false;
  }

 private:
  void end() {
    if (phase_ == shard::Phase::ending) return;
    set(shard::Phase::ending);
    until_ns_ = monotonic_now_ns() + kEnding;
    ops::log_info("ending the calls that are left", {{"calls", std::to_string(process_.calls())}});
  }
  void set(shard::Phase phase) {
    phase_ = phase;
    process_.set_phase(phase);
  }

  Process& process_;
  shard::Phase phase_ = shard::Phase::running;
  std::optional<Nanoseconds> until_ns_;
};

void serve(Process& process, const Signals& signals, ServiceManager& systemd) {
  Ending ending(process);
  while (!ending.over()) {
    switch (signals.wait(kLookEvery_ms)) {
      case SIGTERM:
      case SIGINT:
        ending.signalled();
        break;
      case SIGUSR1:
        process.reopen_files();
        break;
      case SIGHUP:
        (void)process.reload();
        break;
      default:
        break;
    }
    process.end_replaced();
    if (const auto ask = process.take_drain_ask()) ending.drain(ask->limit_ns);
    // A thread that hangs is told of by silence: the watchdog then starts us anew.
    if (const Nanoseconds now = monotonic_now_ns(); systemd.sign_is_due(now) && process.alive())
      systemd.sign_of_life(now);
  }
}

}  // namespace

int run(const std::string& config_file, std::ostream& error) {
  auto loaded = load(config_file, error);
  if (!loaded) return 1;
  ops::set_up_log(loaded->config.log);
  const Signals signals;
  try {
    auto process = Process::start(std::move(loaded));
    if (!process) {
      ops::log_error("did not start", {{"error", process.error()}});
      return 1;
    }
    ops::log_info("ready");
    ServiceManager systemd;
    systemd.ready();
    serve(**process, signals, systemd);
    systemd.stopping();
  } catch (const std::exception& failure) {
    ops::log_error("failed", {{"error", failure.what()}});
    return 1;
  }
  ops::log_info("ended");
  return 0;
}

}  // namespace sallyport::cli

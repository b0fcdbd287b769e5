// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker.h"

#include <rte_cycles.h>
#include <sys/prctl.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "dataplane/receive_interrupts.h"
#include "dataplane/turn.h"

namespace sallyport::dp {
namespace {

constexpr unsigned kEmptyTurns = 200;  // before the first sleep: a burst has often a neighbour

}  // namespace

class Worker::Impl {
 public:
  explicit Impl(WorkerContext context)
      : context_(std::move(context)), idle_(context_.idle), turn_(context_) {}

  void run() {
    prctl(PR_SET_TIMERSLACK, 1'000ul, 0, 0, 0);  // the default of 50 us would double the idle sleep
    std::uint64_t last = rte_rdtsc();
    unsigned empty = 0;
    while (context_.stop == nullptr || !context_.stop->load(std::memory_order_relaxed)) {
      const unsigned work = turn_.take(monotonic_now_ns());
      const std::uint64_t now = rte_rdtsc();
      if (work != 0) context_.counters->busy_cycles.add(now - last);
      context_.counters->total_cycles.add(now - last);
      last = now;
      empty = work != 0 ? 0 : empty + 1;
      if (empty < kEmptyTurns || idle_.load(std::memory_order_relaxed) == Idle::busy) continue;
      empty = kEmptyTurns;
      sleep();
      const std::uint64_t woken = rte_rdtsc();
      context_.counters->total_cycles.add(woken - last);
      last = woken;
    }
  }

  unsigned poll_once(Nanoseconds now_ns) { return turn_.take(now_ns); }
  void set_idle(Idle idle) { idle_.store(idle, std::memory_order_relaxed); }

  std::vector<FlowRow> flows(std::size_t limit, Nanoseconds timeout_ns) {
    return turn_.snapshot().ask(limit, timeout_ns);
  }
  std::vector<FlowRow> flows_at(std::span<const std::uint32_t> slots, Nanoseconds timeout_ns) {
    return turn_.snapshot().ask_at(slots, timeout_ns);
  }

 private:
  void sleep() {
    const bool expecting = turn_.has_flows() || turn_.has_pending();
    const Nanoseconds time = expecting ? context_.sleep_with_flows_ns : context_.sleep_without_ns;
    if (context_.own_bell == nullptr) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(time));
      return;
    }
    ReceiveInterrupts* interrupts = expecting ? nullptr : context_.interrupts;
    const bool armed = interrupts != nullptr && interrupts->arm();
    context_.own_bell->prepare_sleep();
    // A packet that came before its queue was armed rings nobody.
    const bool came = armed && turn_.take(monotonic_now_ns()) != 0;
    if (!came && !turn_.has_commands()) context_.own_bell->wait(time, armed ? interrupts->descriptor() : -1);
    context_.own_bell->cancel_sleep();
    if (armed) interrupts->disarm();
  }

  WorkerContext context_;
  std::atomic<Idle> idle_;  // ops: wo, worker: ro
  Turn turn_;
};

Worker::Worker(WorkerContext context) : impl_(std::make_unique<Impl>(std::move(context))) {}
Worker::~Worker() = default;
void Worker::run() {
  impl_->run();
}
unsigned Worker::poll_once(Nanoseconds now_ns) {
  return impl_->poll_once(now_ns);
}
void Worker::set_idle(Idle idle) {
  impl_->set_idle(idle);
}
std::vector<FlowRow> Worker::flows(std::size_t limit, Nanoseconds timeout_ns) {
  return impl_->flows(limit, timeout_ns);
}
std::vector<FlowRow> Worker::flows_at(std::span<const std::uint32_t> slots, Nanoseconds timeout_ns) {
  return impl_->flows_at(slots, timeout_ns);
}

}  // namespace sallyport::dp

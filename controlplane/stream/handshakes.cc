// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/handshakes.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <tbb/info.h>
#include <unistd.h>

#include <algorithm>

namespace sallyport::stream {

namespace {

constexpr int kNice = 10;

// Once a thread. TBB's threads may serve other arenas too; theirs is heavy work as well (ARCHITECTURE.md).
void give_way() {
  thread_local const bool done = [] {
    const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
    return ::setpriority(PRIO_PROCESS, thread, kNice) == 0;
  }();
  (void)done;
}

}  // namespace

// TBB has a thread less than there are cores, and complains when more are asked for.
Handshakes::Handshakes(int threads, std::function<void()> wake)
    : arena_(std::clamp(threads, 1, std::max(1, tbb::info::default_concurrency() - 1)), 0),
      wake_(std::move(wake)) {}

Handshakes::~Handshakes() {
  for (std::uint32_t left = running_->load(); left != 0; left = running_->load()) running_->wait(left);
}

void Handshakes::step(std::uint32_t connection, std::shared_ptr<TlsChannel> channel) {
  running_->fetch_add(1);
  // TBB destroys a task some time after it has run: what this one holds goes when it has.
  auto step = std::make_unique<Step>(running_, std::move(channel));
  arena_.enqueue([this, connection, held = step.get()] {
    const std::unique_ptr<Step> running(held);
    give_way();
    done_.push({connection, running->channel->handshake()});
    running->channel.reset();
    wake_();
    running->count->fetch_sub(1);
    running->count->notify_all();
  });
  (void)step.release();
}

std::optional<Handshakes::Outcome> Handshakes::take() {
  Outcome outcome;
  if (!done_.try_pop(outcome)) return std::nullopt;
  return outcome;
}

}  // namespace sallyport::stream

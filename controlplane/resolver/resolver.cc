// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/resolver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace sallyport::resolver {

bool has_names(const config::Config& config) {
  return std::ranges::any_of(config.peers, [](const config::Peer& peer) {
    const auto is_name = [](const config::Target& target) { return !target.host.empty(); };
    return !peer.retired &&
           (!peer.redirects.allow_names.empty() || std::ranges::any_of(peer.targets, is_name));
  });
}

Resolver::Resolver(const config::Config& config, std::unique_ptr<DnsClient> client, Publish publish)
    : book_(config, counters_), client_(std::move(client)), publish_(std::move(publish)) {}

std::expected<std::unique_ptr<Resolver::Next>, std::string> Resolver::prepare(const config::Config& config) {
  auto next = std::make_unique<Next>();
  next->config = config;
  if (!has_names(config)) return next;
  auto client = DnsClient::open(config.dns);
  if (!client) return std::unexpected(client.error());
  next->client = std::move(*client);
  return next;
}

std::expected<std::unique_ptr<Resolver>, std::string> Resolver::start(const config::Config& config,
                                                                      Publish publish,
                                                                      std::function<void()> on_start) {
  auto first = prepare(config);
  if (!first) return std::unexpected(first.error());
  std::unique_ptr<Resolver> resolver(new Resolver(config, std::move((*first)->client), std::move(publish)));
  resolver->bell_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (resolver->bell_ < 0)
    return std::unexpected("names cannot be looked up: no more open files are allowed");
  resolver->thread_ = std::thread([it = resolver.get(), on_start = std::move(on_start)] {
    if (on_start) on_start();
    it->run();
  });
  return resolver;
}

Resolver::~Resolver() {
  stop_.store(true, std::memory_order_release);
  if (thread_.joinable()) {
    ring();
    thread_.join();
  }
  if (bell_ >= 0) ::close(bell_);
}

void Resolver::ring() {
  const std::uint64_t one = 1;
  (void)!::write(bell_, &one, sizeof(one));
}

void Resolver::succeed(std::unique_ptr<Next> next) {
  next_.put(std::move(next));
  ring();
}

// The old way to the servers goes with all that was asked by it.
void Resolver::take_next() {
  const auto next = next_.take();
  if (!next) return;
  book_.succeed((*next)->config);
  client_ = std::move((*next)->client);
}

void Resolver::wait(Nanoseconds longest_ns) {
  if (client_) {
    client_->wait(bell_, longest_ns);
  } else {
    pollfd bell{bell_, POLLIN, 0};
    (void)::poll(&bell, 1, -1);
  }
  std::uint64_t rung = 0;
  (void)!::read(bell_, &rung, sizeof(rung));
}

void Resolver::run() {
  const Ask ask = [this](std::size_t name, const Question& question) { client_->ask(name, question); };
  while (!stop_.load(std::memory_order_acquire)) {
    take_next();
    book_.turn(monotonic_now_ns(), ask);
    publish_changes();
    const Nanoseconds next_ns = book_.next_ns();
    const bool never = next_ns == std::numeric_limits<Nanoseconds>::max();
    wait(never ? -1 : std::max<Nanoseconds>(next_ns - monotonic_now_ns(), 0));
    if (!client_) continue;
    for (DnsClient::Answered& answered : client_->take_answers()) {
      book_.answered(answered.name, answered.question, std::move(answered.answer), monotonic_now_ns(), ask);
    }
    publish_changes();
  }
}

void Resolver::publish_changes() {
  if (routing::SharedNames names = book_.take_changed()) publish_(std::move(names));
  const std::lock_guard lock(mutex_);
  if (settled_ || !book_.has_settled()) return;
  settled_ = true;
  settling_.notify_all();
}

bool Resolver::wait_settled(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return settling_.wait_for(lock, limit, [this] { return settled_; });
}

}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. One thread beside the shards looks up the names of the configuration's targets
// (name_book.h: when; procedure.h: what; dns_client.h: how) and publishes what they lead to as a whole each
// time something has changed. Nobody waits for it: a shard takes the newest when it passes by
// (routing/resolved.h). Without any name the thread sleeps until a reload brings one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "controlplane/config/config.h"
#include "controlplane/resolver/counters.h"
#include "controlplane/resolver/dns_client.h"
#include "controlplane/resolver/name_book.h"
#include "controlplane/routing/resolved.h"

namespace sallyport::resolver {

// Whether any target of the configuration is a name.
[[nodiscard]] bool has_names(const config::Config& config);

class Resolver {
 public:
  // Called on the resolver's thread; must not block.
  using Publish = std::function<void(routing::SharedNames)>;

  // `on_start` runs on the new thread first (its name, its cores). The error is one
  // sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<Resolver>, std::string> start(
      const config::Config& config, Publish publish, std::function<void()> on_start = {});
  // Ends the thread; nothing is published afterwards.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // A configuration to follow, with its way to the name servers. The error is one sentence.
  struct Next;
  [[nodiscard]] static std::expected<std::unique_ptr<Next>, std::string> prepare(
      const config::Config& config);
  // Any thread; the resolver takes it when it next wakes, which is at once, and publishes all of its names.
  void succeed(std::unique_ptr<Next> next);

  // Until every name has been looked up once and that was published, at most so long. False: not in time.
  [[nodiscard]] bool wait_settled(std::chrono::milliseconds limit);
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  Resolver(const config::Config& config, std::unique_ptr<DnsClient> client, Publish publish);
  void run();
  void wait(Nanoseconds longest_ns);
  void take_next();
  void ring();
  void publish_changes();

  Counters counters_;
  NameBook book_;
  std::unique_ptr<DnsClient> client_;  // null: no target is a name
  Publish publish_;
  routing::Latest<std::unique_ptr<Next>> next_;
  int bell_ = -1;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // of settled_: the start waits, nobody else
  std::condition_variable settling_;
  bool settled_ = false;
  std::thread thread_;
};

struct Resolver::Next {
  config::Config config;
  std::unique_ptr<DnsClient> client;
};

}  // namespace sallyport::resolver

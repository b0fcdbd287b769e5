// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A shard is one thread that owns its calls, transactions, timers and media ports;
// nobody else touches them. A turn of its loop advances the timer wheel, takes events from the workers' rings
// and requests from its mailbox, lets the rooms act, and pushes their commands. With nothing to do it sleeps
// until a timer is due or its doorbell rings. The kernel may stop it at any moment: nothing that a worker
// needs waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/shard/exchange.h"
#include "controlplane/shard/message_counter.h"
#include "controlplane/shard/rules.h"
#include "controlplane/shard/worker_link.h"
#include "controlplane/sip/transaction_layer.h"
#include "controlplane/stats/mailbox.h"
#include "controlplane/stats/shard_query.h"
#include "controlplane/stats/shard_statistics.h"
#include "controlplane/trace/recorder.h"
#include "dataplane/dataplane.h"

namespace sallyport::shard {

// What all shards share; none of it changes while they run.
struct Common {
  const config::Config& config;  // to begin with: each shard has a copy
  steer::NodeKey key;
  media::OpenPorts& open_ports;
  stats::RecordSink* records = nullptr;
  Exchange* exchange = nullptr;  // null: one shard alone
  Nanoseconds (*wall_clock)() = &wall_now_ns;
};

// A shard's rings and bell, by worker.
struct Lines {
  std::vector<dp::RecordRing*> commands;
  std::vector<dp::RecordRing*> events;
  dp::ShardDoorbell* bell = nullptr;
  std::span<const dp::MediaRange> media;
  StreamLines stream = {};
};

enum class Phase : std::uint8_t { running, draining, ending };

class Shard final : private stats::ShardView {
 public:
  Shard(const Common& common, const Lines& lines, unsigned index, unsigned shards, Nanoseconds now_ns);
  ~Shard() override;

  // One turn at that time; number of events dealt with. For tests, and run()'s own.
  unsigned turn(Nanoseconds now_ns);
  // Until stop(). `kick(worker)`: that worker has commands.
  template <typename Kick>
  void run(Kick kick);
  void stop();

  // ---- any thread
  void set_phase(Phase phase);
  [[nodiscard]] bool post(stats::ShardRequest request);
  // What the targets' names lead to from now on; never waits for the shard.
  void learn(routing::SharedNames names);
  // The configuration that follows the running one, from the next turn on; never waits for the shard, which
  // fulfils `taken` then. One that comes before it was taken stands for it.
  void succeed(std::shared_ptr<Rules> rules);
  [[nodiscard]] std::uint32_t calls() const { return calls_.load(std::memory_order_acquire); }
  [[nodiscard]] const stats::ShardStatistics& statistics() const { return statistics_; }
  // How long the oldest event of the last turn had waited, ns.
  [[nodiscard]] Nanoseconds lag_ns() const { return lag_ns_.load(std::memory_order_relaxed); }
  [[nodiscard]] const sip::TransactionCounters& transactions() const { return transactions_.counters(); }
  [[nodiscard]] const trace::Counters& traced() const { return recorder_.counters(); }

  // The shard's thread, for tests.
  [[nodiscard]] b2bua::CallManager& manager() { return manager_; }
  [[nodiscard]] sip::TransactionLayer& transaction_layer() { return transactions_; }
  [[nodiscard]] sip::TimerWheel& wheel() { return wheel_; }
  [[nodiscard]] media::PortAllocator& ports() { return ports_; }
  [[nodiscard]] WorkerLink& link() { return link_; }
  [[nodiscard]] const trace::Recorder& recorder() const { return recorder_; }
  [[nodiscard]] bool has_messages() const { return exchange_.has_arrived() || exchange_.has_backlog(); }

 private:
  // ---- stats::ShardView
  std::vector<stats::CallRow> calls(std::size_t limit) override { return manager_.rows(limit); }
  std::size_t call_count() override { return manager_.calls(); }
  std::optional<stats::CallDetail> call(std::string_view id) override { return manager_.detail(id); }
  std::vector<stats::PeerRow> peers() override;  // show_peers.cc
  trace::Slice messages(std::uint64_t behind, std::size_t most_bytes) override {
    return recorder_.recent(behind, most_bytes);
  }
  trace::Slice messages_of(std::string_view call, std::uint64_t behind, std::size_t most_bytes) override {
    return recorder_.of_call(call, behind, most_bytes);
  }
  std::vector<trace::Message> ends_of_call(std::string_view call, std::size_t most_bytes) override {
    return recorder_.ends_of_call(call, most_bytes);
  }
  bool mirror(std::string_view call, Nanoseconds span) override;

  unsigned take_events(dp::RecordRing& ring, Nanoseconds now_ns);
  void on_event(const dp::RecordRing::Record& record, Nanoseconds now_ns);
  void on_sip(std::span<const std::byte> bytes, Nanoseconds now_ns);
  unsigned take_messages();
  unsigned take_stream_events(Nanoseconds now_ns);
  void on_stream_sip(std::span<const std::byte> bytes, Nanoseconds now_ns);
  // A SIP message from either way: its index, then its octets, stand behind the head of its record.
  template <typename Head>
  void receive(const Head& head, const sip::Path& path, std::span<const std::byte> behind,
               Nanoseconds now_ns);
  void apply_phase();
  void apply_rules(Nanoseconds now_ns);
  void apply_names(Nanoseconds now_ns);
  void end_mirror(Nanoseconds now_ns);
  void tell_workers();
  [[nodiscard]] Nanoseconds next_probe_ns() const;
  [[nodiscard]] bool has_work();
  void sleep();

  // Those two are exchanged where they stand: what refers to them goes on with the new ones.
  config::Config config_;
  response_map::Maps maps_;
  const unsigned index_;
  Lines lines_;
  stats::ShardStatistics statistics_;
  sip::TimerWheel wheel_;
  sip::BufferPool buffers_;
  steer::IdentifierCodec codec_;
  media::PortAllocator ports_;
  routing::PeerHealth health_;
  routing::PeerTable peers_;
  routing::Router router_;
  policy::Admission admission_;
  policy::UnknownSources unknown_sources_;
  WorkerLink link_;
  ExchangeLink exchange_;
  trace::Recorder recorder_;
  MessageCounter counter_;
  b2bua::CallManager manager_;
  sip::TransactionLayer transactions_;
  stats::Mailbox mailbox_;
  routing::Latest<routing::SharedNames> names_;
  routing::Latest<std::shared_ptr<Rules>> rules_;
  routing::SharedNames next_names_;  // of a configuration that is yet to come, or null
  std::unique_ptr<sip::MessageIndex> index_copy_;
  Nanoseconds oldest_event_ns_ = 0;
  Nanoseconds mirror_until_ns_ = 0;  // 0: no media is mirrored
  Phase applied_ = Phase::running;
  std::atomic<Phase> phase_{Phase::running};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint32_t> calls_{0};
  std::atomic<Nanoseconds> lag_ns_{0};
};

template <typename Kick>
void Shard::run(Kick kick) {
  while (!stop_.load(std::memory_order_acquire)) {
    const unsigned done = turn(monotonic_now_ns());
    link_.flush(kick);
    if (done == 0) sleep();
  }
}

}  // namespace sallyport::shard

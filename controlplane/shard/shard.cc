// SPDX-License-Identifier: Apache-2.0
#include "controlplane/shard/shard.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "controlplane/stream/contract.h"

namespace sallyport::shard {

namespace {

constexpr unsigned kEventsPerTurn = 256;
constexpr Nanoseconds kLongestSleep = 100 * kMillisecond;
// Until a worker that has been woken has carried out what is in its ring.
constexpr Nanoseconds kWorkersWord = 50 * kMicrosecond;

sip::TransactionOptions transaction_options(const config::Config& config, unsigned index) {
  sip::TransactionOptions options;
  options.t1 = config.controlplane.sip.t1_ns;
  options.t2 = config.controlplane.sip.t2_ns;
  options.t4 = config.controlplane.sip.t4_ns;
  options.shard = static_cast<std::uint8_t>(index);
  return options;
}

// A plain struct from the head of a record, and what stands behind it.
template <typename T>
T head_of(std::span<const std::byte> bytes) {
  T head;
  std::memcpy(&head, bytes.data(), sizeof(T));
  return head;
}

// It has been compiled once already, when it was loaded.
response_map::Maps maps_of(const config::Config& config) {
  auto maps = response_map::Maps::compile(config.response_maps);
  return maps ? std::move(*maps) : response_map::Maps{};
}

std::uint64_t seed_of(const steer::NodeKey& key, unsigned index, std::string_view purpose) {
  SipHash hash(key.hash);
  hash.update(purpose);
  hash.update(std::string_view(reinterpret_cast<const char*>(&index), sizeof(index)));
  return hash.finish();
}

}  // namespace

Shard::Shard(const Common& common, const Lines& lines, unsigned index, unsigned shards, Nanoseconds now_ns)
    : config_(common.config),
      maps_(maps_of(config_)),
      index_(index),
      lines_(lines),
      statistics_(config::kMostPeers, common.config.realms.size()),
      wheel_(now_ns),
      codec_(common.key),
      ports_(lines.media, {.shard = index,
                           .shards = shards,
                           .workers = static_cast<std::uint32_t>(lines.commands.size()),
                           .seed = seed_of(common.key, index, "ports"),
                           .board = &common.open_ports}),
      health_(config_, now_ns),
      peers_(config_),
      router_(config_),
      admission_(config_, shards),
      unknown_sources_(config_, index, shards, common.key.hash),
      link_(lines.commands, lines.stream, statistics_.totals),
      exchange_(common.exchange, index),
      recorder_({.recent_bytes = common.config.trace.ring_bytes,
                 .failed_bytes = common.config.trace.failed_bytes,
                 .key = common.key.hash}),
      counter_(config_, peers_, statistics_, recorder_),
      manager_({.config = config_,
                .peers = peers_,
                .router = router_,
                .maps = {maps_, statistics_.rule_hits},
                .health = health_,
                .admission = admission_,
                .unknown_sources = unknown_sources_,
                .wheel = wheel_,
                .buffers = buffers_,
                .codec = codec_,
                .ports = ports_,
                .open_ports = common.open_ports,
                .flows = link_,
                .statistics = statistics_,
                .records = common.records,
                .others = &exchange_,
                .recorder = &recorder_,
                .wall_clock = common.wall_clock,
                .seed = seed_of(common.key, index, "calls"),
                .shard = static_cast<std::uint8_t>(index),
                .workers = static_cast<std::uint8_t>(lines.commands.size())}),
      transactions_(transaction_options(common.config, index), wheel_, link_, manager_, codec_,
                    common.key.hash, &counter_),
      index_copy_(std::make_unique<sip::MessageIndex>()) {
  manager_.set_transactions(transactions_);
  recorder_.set_subjects(manager_);
  health_.tell([this](const routing::TargetNews& news) { exchange_.send_to_others(news); });
}

Shard::~Shard() = default;

void Shard::stop() {
  stop_.store(true, std::memory_order_release);
  lines_.bell->wake();
}

void Shard::set_phase(Phase phase) {
  phase_.store(phase, std::memory_order_release);
  lines_.bell->wake();
}

bool Shard::post(stats::ShardRequest request) {
  if (!mailbox_.post(std::move(request))) return false;
  lines_.bell->wake();
  return true;
}

void Shard::learn(routing::SharedNames names) {
  names_.put(std::move(names));
  lines_.bell->wake();
}

void Shard::succeed(std::shared_ptr<Rules> rules) {
  rules_.put(std::move(rules));
  lines_.bell->wake();
}

// Between two turns, so that no event meets half of it.
void Shard::apply_rules(Nanoseconds now_ns) {
  const auto taken = rules_.take();
  if (!taken) return;
  Rules& next = **taken;
  std::swap(config_, next.config);
  std::swap(maps_, next.maps);
  peers_.succeed(next.peers);
  health_.succeed(next.config, now_ns);
  admission_.succeed(config_);
  unknown_sources_.succeed(config_);
  manager_.succeed(next.policies, now_ns);
  const config::SipTimers& timers = config_.controlplane.sip;
  transactions_.set_timers(timers.t1_ns, timers.t2_ns, timers.t4_ns);
  if (index_ == 0) tell_workers();
  next.taken.set_value();
}

// One shard probes, and tells the others.
Nanoseconds Shard::next_probe_ns() const {
  return index_ == 0 ? health_.next_probe_ns() : std::numeric_limits<Nanoseconds>::max();
}

// Every worker hears it of one shard.
void Shard::tell_workers() {
  for (std::size_t i = 0; i < config_.realms.size(); ++i) {
    const config::Realm& realm = config_.realms[i];
    link_.send(dp::RealmSettings{static_cast<std::uint16_t>(i), realm.sip_dscp, realm.sip_police});
  }
}

// The resolver may be ahead of us by a reload, and what it said before is of indices that are no more.
void Shard::apply_names(Nanoseconds now_ns) {
  if (const auto names = names_.take()) next_names_ = std::move(*names);
  if (!next_names_ || next_names_->generation > config_.generation) return;
  const routing::SharedNames names = std::exchange(next_names_, nullptr);
  if (names->generation != config_.generation) return;
  health_.learn(*names, now_ns);
  peers_.learn(*names);
}

// Who looks at media asks again and again; once he has gone, it ends by itself.
bool Shard::mirror(std::string_view call, Nanoseconds span) {
  if (!manager_.mirror(call)) return false;
  mirror_until_ns_ = std::max(mirror_until_ns_, wheel_.now_ns() + span);
  return true;
}

void Shard::end_mirror(Nanoseconds now_ns) {
  if (mirror_until_ns_ == 0 || now_ns < mirror_until_ns_) return;
  manager_.end_mirrors();
  mirror_until_ns_ = 0;
}

unsigned Shard::turn(Nanoseconds now_ns) {
  apply_rules(now_ns);
  apply_names(now_ns);
  end_mirror(now_ns);
  wheel_.advance(now_ns);
  apply_phase();
  oldest_event_ns_ = now_ns;
  unsigned done = 0;
  double fill = 0;
  for (dp::RecordRing* ring : lines_.events) {
    fill =
        std::max(fill, static_cast<double>(ring->used_bytes()) / static_cast<double>(ring->capacity_bytes()));
    done += take_events(*ring, now_ns);
  }
  if (lines_.stream.events != nullptr) done += take_stream_events(now_ns);
  const Nanoseconds lag = now_ns - oldest_event_ns_;
  lag_ns_.store(lag, std::memory_order_relaxed);
  admission_.overload().observe(lag, fill, now_ns);
  done += take_messages();
  mailbox_.run(*this);
  if (applied_ == Phase::running && next_probe_ns() <= now_ns) manager_.probe(now_ns);
  transactions_.settle();
  calls_.store(manager_.calls(), std::memory_order_release);
  return done;
}

unsigned Shard::take_events(dp::RecordRing& ring, Nanoseconds now_ns) {
  unsigned taken = 0;
  for (; taken < kEventsPerTurn; ++taken) {
    const dp::RecordRing::Record record = ring.front();
    if (record.kind == 0) break;
    on_event(record, now_ns);
    ring.pop();
  }
  return taken;
}

unsigned Shard::take_messages() {
  unsigned taken = 0;
  for (; taken < kEventsPerTurn; ++taken) {
    const auto message = exchange_.take();
    if (!message) break;
    manager_.on_message(*message);
  }
  exchange_.flush();
  return taken;
}

void Shard::on_event(const dp::RecordRing::Record& record, Nanoseconds now_ns) {
  switch (static_cast<dp::Event>(record.kind)) {
    case dp::Event::sip_received:
      return on_sip(record.bytes, now_ns);
    case dp::Event::flow_removed:
      return manager_.on_flow_removed(head_of<dp::FlowRemoved>(record.bytes));
    case dp::Event::flow_latched:
      return manager_.on_flow_latched(head_of<dp::FlowLatched>(record.bytes));
    case dp::Event::flow_idle:
      return manager_.on_flow_idle(head_of<dp::FlowIdle>(record.bytes));
    case dp::Event::flow_active:
      return manager_.on_flow_active(head_of<dp::FlowActive>(record.bytes));
    case dp::Event::flow_reported:
      return manager_.on_flow_reported(head_of<dp::FlowReported>(record.bytes));
    case dp::Event::sip_unreachable: {
      const auto event = head_of<dp::SipUnreachable>(record.bytes);
      // RFC 3261 18.4, whatever the error is: also a packet that was too big has not arrived.
      transactions_.unreachable(event.slot, event.generation);
      return;
    }
    case dp::Event::none:
      return;
  }
}

void Shard::on_sip(std::span<const std::byte> bytes, Nanoseconds now_ns) {
  const auto head = head_of<dp::SipReceived>(bytes);
  receive(head, {.local = head.local, .remote = head.remote, .realm = head.realm},
          bytes.subspan(sizeof(head)), now_ns);
}

unsigned Shard::take_stream_events(Nanoseconds now_ns) {
  unsigned taken = 0;
  for (; taken < kEventsPerTurn; ++taken) {
    const dp::RecordRing::Record record = lines_.stream.events->front();
    if (record.kind == 0) break;
    if (static_cast<stream::Event>(record.kind) == stream::Event::received) {
      on_stream_sip(record.bytes, now_ns);
    } else {
      const auto event = head_of<stream::Unreachable>(record.bytes);
      transactions_.unreachable(event.slot, event.generation);
    }
    lines_.stream.events->pop();
  }
  return taken;
}

void Shard::on_stream_sip(std::span<const std::byte> bytes, Nanoseconds now_ns) {
  const auto head = head_of<stream::Received>(bytes);
  receive(head, head.path, bytes.subspan(sizeof(head)), now_ns);
}

template <typename Head>
void Shard::receive(const Head& head, const sip::Path& path, std::span<const std::byte> behind,
                    Nanoseconds now_ns) {
  static_assert(sizeof(Head) % 8 == 0);
  oldest_event_ns_ = std::min(oldest_event_ns_, head.received_ns != 0 ? head.received_ns : now_ns);
  std::memcpy(static_cast<void*>(index_copy_.get()), behind.data(), head.index_bytes);
  const std::size_t padded = (std::size_t{head.index_bytes} + 7) & ~std::size_t{7};
  sip::Arrival arrival;
  arrival.message.octets = {reinterpret_cast<const char*>(behind.data()) + padded, head.message_bytes};
  arrival.message.index = index_copy_.get();
  arrival.message.path = path;
  arrival.verdict = head.verdict;
  arrival.slot = head.slot;
  arrival.generation = head.generation;
  if (!manager_.forwarded(arrival) && manager_.admit_source(arrival)) transactions_.receive(arrival);
}

void Shard::apply_phase() {
  const Phase wanted = phase_.load(std::memory_order_acquire);
  if (wanted == applied_) return;
  applied_ = wanted;
  if (wanted == Phase::draining) manager_.drain();
  if (wanted == Phase::ending) manager_.end_all();
}

bool Shard::has_work() {
  return stop_.load(std::memory_order_acquire) || !mailbox_.empty() || names_.waiting() || rules_.waiting() ||
         exchange_.has_arrived() || phase_.load(std::memory_order_acquire) != applied_ ||
         std::ranges::any_of(lines_.events, [](dp::RecordRing* ring) { return !ring->empty(); }) ||
         (lines_.stream.events != nullptr && !lines_.stream.events->empty());
}

void Shard::sleep() {
  const Nanoseconds now_ns = monotonic_now_ns();
  Nanoseconds until = std::min(wheel_.next_deadline_ns(), next_probe_ns());
  const bool backlog = link_.has_backlog() || exchange_.has_backlog();
  until = std::min(until, now_ns + (link_.has_held() ? kWorkersWord
                                    : backlog        ? kMillisecond
                                                     : kLongestSleep));
  if (until <= now_ns) return;
  lines_.bell->prepare_sleep();
  if (has_work()) return lines_.bell->cancel_sleep();
  lines_.bell->wait(until - now_ns);
}

}  // namespace sallyport::shard

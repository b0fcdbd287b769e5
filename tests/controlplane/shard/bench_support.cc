// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/shard/bench_support.h"

#include <gtest/gtest.h>

#include <cstring>

#include "controlplane/config/load.h"
#include "controlplane/config/succession.h"
#include "controlplane/stream/contract.h"
#include "dataplane/steer/steering.h"

namespace sallyport::shard {

std::string_view Bench::default_config() {
  return R"(dataplane:
  cores: [1]
  ports:
    access: {device: "net_null0"}
    core: {device: "net_null1"}
controlplane: {shards: 1}
realms:
  access:
    port: access
    addresses: ["198.51.100.1/24", "2001:db8:1::1/64"]
    sip: {udp: 5060}
    media: {ports: 20000-20999}
    private_media: auto
    nat_keepalive: 25s
  core:
    port: core
    addresses: ["192.0.2.1/24", "2001:db8:2::1/64"]
    sip: {udp: 5060}
    media: {ports: 30000-30999}
    private_media: reject
peers:
  office:
    realm: access
    match: ["198.51.100.0/24", "2001:db8:1::/64"]
    targets: ["sip:198.51.100.20:5060"]
    response_map: {send: to-office}
  carrier-a:
    realm: core
    match: ["192.0.2.10"]
    targets: ["sip:192.0.2.10:5060"]
    limits: {setup: 10s, ring: 60s, duration: 1h}
    response_map: {receive: carrier-in}
  carrier-b:
    realm: core
    match: ["192.0.2.11"]
    targets: ["sip:192.0.2.11:5060"]
    limits: {setup: 10s, ring: 60s, duration: 1h}
    response_map: {receive: carrier-in}
routes:
  - {from: office, user: "0*", to: [carrier-b]}
  - {from: office, to: [carrier-a, carrier-b]}
  - {from: [carrier-a, carrier-b], to: [office]}
response_maps:
  carrier-in:
    base: [rfc3398, vendor]
    rules:
      - {code: 503, send: 480, send_phrase: "Temporarily Unavailable", failover: yes}
  to-office:
    rules:
      - {local: private-media, send: 488, send_phrase: "Private IP Address", warning: 301, send_q850: 31}
)";
}

std::string Sent::header(std::string_view name) const {
  const std::string wanted = "\r\n" + std::string(name) + ": ";
  const auto at = text.find(wanted);
  if (at == std::string::npos || at > text.find("\r\n\r\n")) return {};
  const auto begin = at + wanted.size();
  return text.substr(begin, text.find("\r\n", begin) - begin);
}

std::string Sent::body() const {
  const auto at = text.find("\r\n\r\n");
  return at == std::string::npos ? std::string{} : text.substr(at + 4);
}

std::string Sent::tag_of(std::string_view name) const {
  const std::string value = header(name);
  const auto at = value.find(";tag=");
  return at == std::string::npos ? std::string{} : value.substr(at + 5, value.find(';', at + 5) - at - 5);
}

std::string sdp(std::string_view address, unsigned port, std::string_view more) {
  const std::string family = address.find(':') == std::string_view::npos ? "IP4 " : "IP6 ";
  return "v=0\r\no=endpoint 1 1 IN " + family + std::string(address) + "\r\ns=call\r\nc=IN " + family +
         std::string(address) + "\r\nt=0 0\r\nm=audio " + std::to_string(port) +
         " RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n" +
         std::string(more);
}

namespace {
std::string head_and_body(std::string head, std::string_view body) {
  if (!body.empty()) head += "Content-Type: application/sdp\r\n";
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string header_of(std::string_view text, std::string_view name) {
  return Sent{.text = std::string(text)}.header(name);
}
}  // namespace

std::string make_invite(const InviteOptions& options) {
  std::string head = "INVITE sip:" + options.user + "@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP " +
                     options.via + ";branch=" + options.branch +
                     "\r\nFrom: \"Alice\" <sip:alice@office.example>;tag=fa1\r\nTo: <sip:" + options.user +
                     "@198.51.100.1>\r\nCall-ID: " + options.call_id + "\r\nCSeq: 1 INVITE\r\n" +
                     "Contact: " + options.contact +
                     "\r\nUser-Agent: SecretPhone/1.0\r\nOrganization: Secret\r\n" +
                     "Max-Forwards: " + std::to_string(options.max_forwards) + "\r\n" + options.more;
  return head_and_body(head, options.body);
}

std::string make_cancel(std::string_view invite) {
  std::string cancel(invite.substr(0, invite.find("\r\n\r\n") + 2));
  cancel.replace(0, 6, "CANCEL");
  cancel.replace(cancel.find(" INVITE\r\n"), 7, " CANCEL");
  for (const std::string_view name : {"Contact: ", "Content-Type: ", "Content-Length: "}) {
    const auto at = cancel.find(name);
    if (at != std::string::npos) cancel.erase(at, cancel.find("\r\n", at) + 2 - at);
  }
  return cancel + "Content-Length: 0\r\n\r\n";
}

std::string make_response(const Sent& request, std::string_view status, std::string_view tag,
                          std::string_view contact, std::string_view body, std::string_view more) {
  std::string to = request.header("To");
  if (!tag.empty() && to.find(";tag=") == std::string::npos) to += ";tag=" + std::string(tag);
  std::string head = "SIP/2.0 " + std::string(status) + "\r\nVia: " + request.header("Via") +
                     "\r\nFrom: " + request.header("From") + "\r\nTo: " + to +
                     "\r\nCall-ID: " + request.header("Call-ID") + "\r\nCSeq: " + request.header("CSeq") +
                     "\r\nServer: SecretSwitch/2\r\n";
  if (!contact.empty()) head += "Contact: " + std::string(contact) + "\r\n";
  return head_and_body(head + std::string(more), body);
}

std::string make_in_dialog(std::string_view method, std::string_view invite, const Sent& response,
                           unsigned cseq, std::string_view branch, std::string_view body) {
  std::string target = response.header("Contact");
  if (target.size() > 2) target = target.substr(1, target.find('>') - 1);
  if (target.empty()) target = "sip:198.51.100.1";
  std::string via = header_of(invite, "Via");
  via = via.substr(0, via.find(";branch="));
  std::string head = std::string(method) + " " + target + " SIP/2.0\r\nVia: " + via +
                     ";branch=" + std::string(branch) + "\r\nFrom: " + header_of(invite, "From") +
                     "\r\nTo: " + response.header("To") + "\r\nCall-ID: " + header_of(invite, "Call-ID") +
                     "\r\nCSeq: " + std::to_string(cseq) + " " + std::string(method) +
                     "\r\nMax-Forwards: 70\r\nContact: " + header_of(invite, "Contact") + "\r\n";
  return head_and_body(head, body);
}

std::string make_uas_request(std::string_view method, const Sent& invite, std::string_view tag,
                             std::string_view via, unsigned cseq, std::string_view branch,
                             std::string_view body) {
  std::string target = invite.header("Contact");
  target = target.substr(1, target.find('>') - 1);
  std::string head = std::string(method) + " " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + std::string(via) +
                     ";branch=" + std::string(branch) + "\r\nFrom: " + invite.header("To") +
                     ";tag=" + std::string(tag) + "\r\nTo: " + invite.header("From") +
                     "\r\nCall-ID: " + invite.header("Call-ID") + "\r\nCSeq: " + std::to_string(cseq) + " " +
                     std::string(method) + "\r\nMax-Forwards: 70\r\nContact: <sip:" + std::string(via) +
                     ">\r\n";
  return head_and_body(head, body);
}

Bench::Bench(std::string_view yaml, std::size_t command_bytes, std::size_t ring_bytes) {
  auto loaded = config::load(yaml);
  if (!loaded) {
    ADD_FAILURE() << config::format_faults("bench", loaded.error());
    std::abort();
  }
  config_ = std::move(*loaded);
  auto maps = response_map::Maps::compile(config_.response_maps);
  if (!maps) {
    ADD_FAILURE() << config::format_faults("bench", maps.error());
    std::abort();
  }
  key_.cipher = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  key_.hash = {5, 6};
  codec_ = std::make_unique<steer::IdentifierCodec>(key_);
  std::uint32_t base = 0;
  for (std::uint16_t realm = 0; realm < config_.realms.size(); ++realm) {
    const config::Realm& r = config_.realms[realm];
    for (const Prefix& prefix : r.addresses) {
      media_.push_back({realm, prefix.address, r.media_first, r.media_last, base});
      base += r.media_last - r.media_first + 1u;
    }
  }
  open_ports_ = std::make_unique<media::OpenPorts>(media_);
  const unsigned shards = config_.controlplane.shards;
  const auto workers = static_cast<unsigned>(config_.dataplane.cores.size());
  exchange_ = std::make_unique<Exchange>(shards);
  WallClock::back_ns = 0;
  const Common common{config_, key_, *open_ports_, &records, exchange_.get(), WallClock::now};
  for (unsigned index = 0; index < shards; ++index) {
    Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>(index, workers, command_bytes, ring_bytes));
    Lines lines{{}, {}, &lane.bell, media_, {&lane.to_stream, &lane.from_stream, [] {}}};
    for (unsigned worker = 0; worker < workers; ++worker) {
      lines.commands.push_back(lane.commands[worker].get());
      lines.events.push_back(lane.events[worker].get());
    }
    lane.shard = std::make_unique<Shard>(common, lines, index, shards, now_ns_);
  }
}

Bench::~Bench() = default;

Bench::Lane::Lane(unsigned shard_index, unsigned workers, std::size_t command_bytes, std::size_t ring_bytes)
    : index(shard_index), to_stream(ring_bytes), from_stream(ring_bytes) {
  for (unsigned worker = 0; worker < workers; ++worker) {
    commands.push_back(std::make_unique<dp::RecordRing>(command_bytes));
    events.push_back(std::make_unique<dp::RecordRing>(ring_bytes));
  }
}

unsigned Bench::worker_of(std::uint32_t slot) const {
  for (const dp::MediaRange& range : media_) {
    if (slot < range.slot_base || slot > range.slot_of(range.last)) continue;
    const auto shards = static_cast<std::uint32_t>(lanes_.size());
    const auto workers = static_cast<std::uint32_t>(config_.dataplane.cores.size());
    return range.owner(range.pair_of(range.port_of(slot)), shards, workers).worker;
  }
  ADD_FAILURE() << "no media port has the slot " << slot;
  return 0;
}

dp::RecordRing& Bench::events_of(const dp::FlowSpec& flow) {
  return *lanes_.at(flow.owner.shard)->events.at(worker_of(flow.self.slot));
}

void Bench::receive(std::string_view realm, std::string_view from, std::string_view text) {
  dp::SipReceived head;
  head.realm = config_.find_realm(realm);
  head.remote = *Endpoint::parse(from);
  head.local = {config_.realms[head.realm].address(head.remote.address.family()), 5060};
  push_message(
      head, text, sip::Framing::datagram, static_cast<std::uint16_t>(dp::Event::sip_received),
      [&head](Lane& lane) -> dp::RecordRing& { return *lane.events[head.realm % lane.events.size()]; });
}

void Bench::receive(std::string_view realm, std::string_view from, std::string_view text,
                    const Stream& stream) {
  stream::Received head;
  head.path.realm = config_.find_realm(realm);
  head.path.remote = *Endpoint::parse(from);
  const config::Realm& at = config_.realms[head.path.realm];
  head.path.local = {at.address(head.path.remote.address.family()),
                     stream.transport == sip::Transport::tls ? at.sip_tls : at.sip_tcp};
  head.path.transport = stream.transport;
  head.path.connection = stream.connection;
  head.path.peer = stream.peer;
  push_message(head, text, sip::Framing::stream, static_cast<std::uint16_t>(stream::Event::received),
               [](Lane& lane) -> dp::RecordRing& { return lane.from_stream; });
}

template <typename Head, typename RingOf>
void Bench::push_message(Head head, std::string_view text, sip::Framing framing, std::uint16_t kind,
                         RingOf ring_of) {
  head.received_ns = received_ns_ != 0 ? received_ns_ : now_ns_;
  sip::MessageIndex index;
  (void)sip::parse(text, framing, index);
  const steer::Steering steering =
      steer::steer(index, text, *codec_, key_.hash, static_cast<std::uint8_t>(lanes_.size()));
  if (steering.verdict == steer::Verdict::foreign_response) return;
  dp::RecordRing& events = ring_of(*lanes_.at(steering.shard));
  head.verdict = static_cast<dp::SteerVerdict>(steering.verdict);
  head.slot = steering.slot;
  head.generation = steering.generation;
  head.index_bytes = static_cast<decltype(head.index_bytes)>(index.used_bytes());
  head.message_bytes = static_cast<decltype(head.message_bytes)>(text.size());
  const std::size_t padded = (sizeof(head) + head.index_bytes + 7) & ~std::size_t{7};
  std::byte* to = events.reserve(kind, padded + text.size());
  ASSERT_NE(to, nullptr);
  std::memcpy(to, &head, sizeof(head));
  std::memcpy(to + sizeof(head), static_cast<const void*>(&index), head.index_bytes);
  std::memcpy(to + padded, text.data(), text.size());
  events.publish();
  turn();
}

void Bench::turn() {
  bool again = true;
  while (again) {  // what one shard has to say to another is heard within the same instant
    again = false;
    for (const auto& lane : lanes_) {
      lane->shard->turn(now_ns_);
      lane->shard->link().flush([](unsigned) {});
      if (!worker_stopped) take_commands(*lane);
      // What waited for the flow commands.
      if (lane->shard->link().has_held()) lane->shard->link().flush([](unsigned) {});
      take_stream(*lane);
    }
    for (const auto& lane : lanes_) again = again || lane->shard->has_messages();
  }
}

void Bench::advance_to(Nanoseconds now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  turn();
}

Nanoseconds Bench::next_deadline_ns() const {
  Nanoseconds next = sip::TimerWheel::kNever;
  for (const auto& lane : lanes_) next = std::min(next, lane->shard->wheel().next_deadline_ns());
  return next;
}

void Bench::advance(Nanoseconds span, Nanoseconds step) {
  const Nanoseconds end = now_ns_ + span;
  while (now_ns_ < end) {
    now_ns_ = std::min(end, now_ns_ + step);
    turn();
  }
}

void Bench::take_commands(Lane& lane) {
  for (unsigned worker = 0; worker < lane.commands.size(); ++worker) {
    dp::RecordRing& ring = *lane.commands[worker];
    for (auto record = ring.front(); record.kind != 0; record = ring.front()) {
      take_command(lane, worker, record);
      ring.pop();
    }
  }
}

namespace {
template <typename T>
T head_of(const dp::RecordRing::Record& record) {
  T head;
  std::memcpy(&head, record.bytes.data(), sizeof(T));
  return head;
}
}  // namespace

void Bench::take_command(Lane& lane, unsigned worker, const dp::RecordRing::Record& record) {
  switch (static_cast<dp::Command>(record.kind)) {
    case dp::Command::sip_send: {
      const auto head = head_of<dp::SipSend>(record);
      sent_.push_back({head.local,
                       head.remote,
                       head.realm,
                       {reinterpret_cast<const char*>(record.bytes.data()) + sizeof(head), head.bytes},
                       {}});
      break;
    }
    case dp::Command::flow_install:
    case dp::Command::flow_update:
    case dp::Command::flow_remove:
      take_flow_command(lane, worker, record);
      break;
    case dp::Command::flow_mirror: {
      const auto command = head_of<dp::FlowMirror>(record);
      EXPECT_TRUE(flows.contains(command.flow.slot)) << "no flow is mirrored there";
      command.on != 0 ? (void)mirrored.insert(command.flow.slot) : (void)mirrored.erase(command.flow.slot);
      break;
    }
    case dp::Command::flow_report: {
      const dp::FlowRef flow = head_of<dp::FlowReport>(record).flow;
      ASSERT_TRUE(flows.contains(flow.slot)) << "a question about no flow";
      const dp::FlowReported answer{flow, flows[flow.slot].owner, counters[flow.slot]};
      ASSERT_TRUE(lane.events.at(worker)->push(static_cast<std::uint16_t>(dp::Event::flow_reported), answer));
      break;
    }
    case dp::Command::realm_settings: {
      const auto settings = head_of<dp::RealmSettings>(record);
      realm_settings[settings.realm] = settings;
      break;
    }
    case dp::Command::none:
      break;
  }
}

void Bench::take_flow_command(Lane& lane, unsigned worker, const dp::RecordRing::Record& record) {
  if (on_flow_command) on_flow_command(worker, lane.index, record);
  const auto kind = static_cast<dp::Command>(record.kind);
  if (kind == dp::Command::flow_remove) {
    const dp::FlowRef flow = head_of<dp::FlowRemove>(record).flow;
    ASSERT_TRUE(flows.contains(flow.slot)) << "a removal of no flow";
    EXPECT_EQ(worker_of(flow.slot), worker);
    held_.emplace_back(&lane, dp::FlowRemoved{flow, flows[flow.slot].owner, counters[flow.slot]});
    flows.erase(flow.slot);
    if (!removals_held) confirm_removals();
    return;
  }
  const bool installs = kind == dp::Command::flow_install;
  const dp::FlowSpec spec =
      installs ? head_of<dp::FlowInstall>(record).spec : head_of<dp::FlowUpdate>(record).spec;
  EXPECT_EQ(worker_of(spec.self.slot), worker) << "the port is another worker's";
  EXPECT_EQ(flows.contains(spec.self.slot), !installs) << "a slot was installed twice, or an update of none";
  flows[spec.self.slot] = spec;
}

void Bench::reload(std::string_view yaml) {
  auto loaded = config::load(yaml);
  if (!loaded) {
    ADD_FAILURE() << config::format_faults("bench", loaded.error());
    return;
  }
  auto next = config::succeed(config_, std::move(*loaded));
  if (!next) {
    ADD_FAILURE() << config::format_faults("bench", next.error());
    return;
  }
  config_ = std::move(next->config);
  for (const auto& lane : lanes_) {
    auto maps = response_map::Maps::compile(config_.response_maps);
    ASSERT_TRUE(maps);
    lane->shard->succeed(std::make_shared<Rules>(config_, std::move(*maps)));
  }
  turn();
}

void Bench::take_stream(Lane& lane) {
  for (auto record = lane.to_stream.front(); record.kind != 0; record = lane.to_stream.front()) {
    const auto head = head_of<stream::Send>(record);
    sent_.push_back({head.path.local,
                     head.path.remote,
                     head.path.realm,
                     {reinterpret_cast<const char*>(record.bytes.data()) + sizeof(head), head.bytes},
                     head.path});
    lane.to_stream.pop();
  }
}

void Bench::confirm_removals() {
  for (const auto& [lane, event] : std::exchange(held_, {})) {
    dp::RecordRing& events = *lane->events.at(worker_of(event.flow.slot));
    ASSERT_TRUE(events.push(static_cast<std::uint16_t>(dp::Event::flow_removed), event));
  }
}

std::vector<Sent> Bench::take() {
  return std::exchange(sent_, {});
}

Sent Bench::take_one(std::string_view start) {
  std::vector<Sent> matching;
  for (const Sent& sent : sent_) {
    if (sent.is(start)) matching.push_back(sent);
  }
  std::erase_if(sent_, [&](const Sent& sent) { return sent.is(start); });
  if (matching.size() == 1) return matching.front();
  std::string what;
  for (const Sent& sent : sent_) what += "\n  " + sent.start_line();
  ADD_FAILURE() << matching.size() << " messages start with '" << start << "'; others:" << what;
  return {};
}

void Bench::report_idle(std::uint32_t slot, bool active) {
  const dp::FlowSpec& flow = flows.at(slot);
  dp::RecordRing& events = events_of(flow);
  if (active) {
    ASSERT_TRUE(events.push(static_cast<std::uint16_t>(dp::Event::flow_active),
                            dp::FlowActive{flow.self, flow.owner}));
  } else {
    const Nanoseconds last_ns = now_ns_ - Nanoseconds{flow.idle_timeout_ms} * kMillisecond;
    ASSERT_TRUE(events.push(static_cast<std::uint16_t>(dp::Event::flow_idle),
                            dp::FlowIdle{flow.self, flow.owner, last_ns}));
  }
  turn();
}

void Bench::report_silence() {
  std::vector<std::uint32_t> silent;
  for (const auto& [slot, flow] : flows) {
    if (flow.reports_idle && flow.idle_timeout_ms != 0) silent.push_back(slot);
  }
  for (const std::uint32_t slot : silent) {
    if (flows.contains(slot)) report_idle(slot);
  }
}

void Bench::fall_behind(Nanoseconds span) {
  received_ns_ = now_ns_;
  now_ns_ += span;
  receive("core", "192.0.2.10:5060", "OPTIONS sip:x SIP/2.0\r\n\r\n");
  received_ns_ = 0;
}

void Bench::report_unreachable(const Sent& request, bool too_big) {
  const std::string via = request.header("Via");
  const std::string branch = via.substr(via.find("branch=") + 7, 7 + steer::kTokenChars);
  const auto identity = codec_->open(steer::branch_token(branch), steer::TokenKind::branch);
  ASSERT_TRUE(identity);
  dp::SipUnreachable event;
  event.slot = identity->slot;
  event.generation = identity->generation;
  event.remote = request.remote;
  event.icmp_type = 3;
  event.icmp_code = too_big ? 4 : 3;
  event.packet_too_big = too_big;
  ASSERT_TRUE(lanes_.at(identity->shard)
                  ->events.front()
                  ->push(static_cast<std::uint16_t>(dp::Event::sip_unreachable), event));
  turn();
}

std::uint32_t Bench::ports_in_use() {
  std::uint32_t used = 0;
  for (const auto& lane : lanes_) {
    for (std::uint16_t realm = 0; realm < config_.realms.size(); ++realm)
      used += lane->shard->ports().level(realm).used;
  }
  return used;
}

void Bench::expect_nothing_left() {
  advance(70 * kSecond, 250 * kMillisecond);
  expect_empty();
}

void Bench::expect_empty() {
  for (const auto& lane : lanes_) {
    Shard& shard = *lane->shard;
    EXPECT_EQ(shard.manager().calls(), 0u);
    EXPECT_EQ(shard.manager().legs(), 0u);
    EXPECT_EQ(shard.manager().standalone_requests(), 0u);
    EXPECT_EQ(shard.manager().stubs(), 0u);
    EXPECT_EQ(shard.manager().subscriptions(), 0u);
    EXPECT_EQ(shard.transaction_layer().clients(), 0u);
    EXPECT_EQ(shard.transaction_layer().servers(), 0u);
    EXPECT_EQ(shard.wheel().running(), 0u);
    expect_balanced(shard.statistics());
  }
  EXPECT_TRUE(flows.empty());
  EXPECT_EQ(ports_in_use(), 0u);
}

// At rest every attempt has had its end, and nobody is in a call.
void Bench::expect_balanced(const stats::ShardStatistics& statistics) {
  for (const stats::PairStatistics* pair : statistics.pairs()) {
    std::uint64_t failed = 0;
    for (const stats::Counter& counter : pair->failed) failed += counter.get();
    EXPECT_EQ(pair->attempts.get(), pair->answered.get() + failed)
        << "from " << pair->from << " to " << pair->to;
    EXPECT_EQ(pair->active.get(), 0) << "from " << pair->from << " to " << pair->to;
  }
  EXPECT_EQ(statistics.totals.calls.get(), 0);
}

}  // namespace sallyport::shard

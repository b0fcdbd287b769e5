// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <algorithm>
#include <cassert>

namespace sallyport::media {

namespace {

// RTCP is a twentieth of a session's bandwidth (RFC 3550 6.2), feedback (RFC 4585) makes it more.
constexpr std::uint32_t kRtcpShare = 4, kLeastRtcp_pps = 100, kLeastRtcp_bytes = 20'000;

// The shorter, where 0 is for ever.
std::uint32_t shorter(std::uint32_t a, std::uint32_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

Nanoseconds ns(std::uint32_t ms) {
  return Nanoseconds{ms} * kMillisecond;
}

}  // namespace

MediaSession::MediaSession(PortAllocator& ports, FlowCommandSink& sink, dp::FlowOwner owner,
                           std::uint8_t worker, MediaSessionUser* user)
    : ports_(ports), sink_(sink), owner_(owner), worker_(worker), user_(user) {}

MediaSession::~MediaSession() {
  assert(is_closed());
}

void MediaSession::set_leg(Leg leg, const LegMedia& facts) {
  legs_[index(leg)] = facts;
}

bool MediaSession::open(std::size_t stream, Nanoseconds now_ns) {
  assert(stream < kMaxStreams);
  if (streams_.size() <= stream) streams_.resize(stream + 1);
  Stream& s = streams_[stream];
  if (s.open) return true;
  const auto ports = take_ports(now_ns);
  if (!ports) return false;
  s.sides = {Side{.ports = (*ports)[0], .remote = {}, .latched = {}, .dirty = true},
             Side{.ports = (*ports)[1], .remote = {}, .latched = {}, .dirty = true}};
  s.open = true;
  s.installed = false;
  ++open_streams_;
  return true;
}

// Of one worker, which carries all flows of the session: the first stream takes another one where the
// session's own has no ports left.
std::optional<std::array<PortPair, 2>> MediaSession::take_ports(Nanoseconds now_ns) {
  const bool may_move = open_streams_ == 0 && leaving_.empty();
  const std::uint32_t tries = may_move ? ports_.workers() : 1;
  for (std::uint32_t tried = 0; tried < tries; ++tried) {
    const auto worker = static_cast<std::uint8_t>((worker_ + tried) % ports_.workers());
    const auto a = ports_.allocate(legs_[0].realm, legs_[0].family, worker, now_ns);
    if (!a) continue;
    if (const auto b = ports_.allocate(legs_[1].realm, legs_[1].family, worker, now_ns)) {
      worker_ = worker;
      return {{*a, *b}};
    }
    ports_.give_back(*a);
  }
  return std::nullopt;
}

bool MediaSession::is_open(std::size_t stream) const {
  return stream < streams_.size() && streams_[stream].open;
}

Endpoint MediaSession::local_rtp(Leg leg, std::size_t stream) const {
  return streams_[stream].sides[index(leg)].ports.local;
}

Endpoint MediaSession::local_rtcp(Leg leg, std::size_t stream) const {
  return streams_[stream].sides[index(leg)].ports.local_rtcp();
}

void MediaSession::set_remote(Leg leg, std::size_t stream, const RemoteMedia& remote) {
  assert(is_open(stream));
  auto& sides = streams_[stream].sides;
  Side& side = sides[index(leg)];
  Side& pair = sides[index(other(leg))];
  if (!side.told) {
    side.told = true;
    // Now what the other side sends has a way: its latch opens.
    pair.dirty |= pair.remote.latch != dp::LatchMode::off;
  }
  if (side.remote == remote) return;
  side.reopen |=
      side.remote.rtp != remote.rtp || side.remote.rtcp != remote.rtcp || side.remote.latch != remote.latch;
  if (side.reopen) side.latched = {};
  side.remote = remote;
  side.dirty = true;
}

const RemoteMedia& MediaSession::remote(Leg leg, std::size_t stream) const {
  return streams_[stream].sides[index(leg)].remote;
}

dp::FlowSpec MediaSession::spec(std::size_t stream, Leg leg, bool rtcp) const {
  const Stream& s = streams_[stream];
  const Side& side = s.sides[index(leg)];
  const Side& pair = s.sides[index(other(leg))];
  const LegMedia& facts = legs_[index(leg)];
  const RemoteMedia& remote = side.remote;
  dp::FlowSpec spec;
  spec.self = rtcp ? side.ports.rtcp : side.ports.rtp;
  spec.pair = rtcp ? pair.ports.rtcp : pair.ports.rtp;
  spec.local = rtcp ? side.ports.local_rtcp() : side.ports.local;
  spec.remote = remote.rtp;
  if (rtcp && remote.rtp.port != 0) {
    spec.remote = remote.rtcp.port != 0 ? remote.rtcp
                  : remote.rtcp_mux
                      ? remote.rtp
                      : Endpoint{remote.rtp.address, static_cast<std::uint16_t>(remote.rtp.port + 1)};
  }
  spec.signalling_source = remote.source ? remote.source : facts.signalling_source;
  spec.latch_mask = facts.latch_mask;
  spec.latch = remote.latch;
  spec.may_latch = pair.told;
  if (remote.latch == dp::LatchMode::same_address) {
    spec.relatch_after_ms =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(facts.relatch_after_ms, 0xffff));
  }
  spec.kind = rtcp && remote.kind == dp::FlowKind::rtp ? dp::FlowKind::rtcp : remote.kind;
  spec.dscp = facts.dscp;
  spec.rtcp_mux = remote.rtcp_mux && !rtcp;
  spec.may_send = rtcp || remote.may_send;  // RTCP goes on during hold (RFC 3264 5.1)
  spec.may_receive = rtcp || remote.may_receive;
  spec.reports_idle = !rtcp && remote.may_send;
  spec.realm = facts.realm;
  spec.secured = remote.secured;
  if (facts.police) police(spec, remote, rtcp);
  spec.idle_timeout_ms = report_silence_after_ms(leg);
  if (!rtcp && !facts.any_payload_type) spec.payload_types = remote.payload_types;
  spec.owner = owner_;
  spec.owner.leg = static_cast<std::uint8_t>(leg);
  spec.owner.stream = static_cast<std::uint8_t>(stream);
  return spec;
}

void MediaSession::police(dp::FlowSpec& spec, const RemoteMedia& remote, bool rtcp) const {
  std::uint32_t packets = remote.police_pps;
  std::uint32_t bytes = remote.police_bytes_per_s;
  if (rtcp) {
    if (packets != 0) packets = std::max(packets / kRtcpShare, kLeastRtcp_pps);
    if (bytes != 0) bytes = std::max(bytes / kRtcpShare, kLeastRtcp_bytes);
  }
  spec.police_pps = static_cast<std::uint16_t>(std::min<std::uint32_t>(packets, 0xffff));
  spec.police_bytes_per_s = bytes;
}

SilenceLimits MediaSession::silence_limits() const {
  return {.idle_ns = ns(shorter(legs_[0].idle_timeout_ms, legs_[1].idle_timeout_ms)),
          .one_way_ns = {ns(legs_[0].one_way_timeout_ms), ns(legs_[1].one_way_timeout_ms)},
          .hold_ns = ns(shorter(legs_[0].hold_timeout_ms, legs_[1].hold_timeout_ms))};
}

// The worker tells of silence as soon as it may matter to one of the limits; the rest of the time is ours.
std::uint32_t MediaSession::report_silence_after_ms(Leg leg) const {
  const std::uint32_t all = shorter(legs_[0].idle_timeout_ms, legs_[1].idle_timeout_ms);
  const std::uint32_t hold = shorter(legs_[0].hold_timeout_ms, legs_[1].hold_timeout_ms);
  return shorter(shorter(all, legs_[index(leg)].one_way_timeout_ms), hold);
}

void MediaSession::commit() {
  bool changed = false;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    Stream& s = streams_[i];
    if (!s.open) continue;
    for (const Leg leg : {Leg::a, Leg::b}) {
      Side& side = s.sides[index(leg)];
      if (!side.dirty) continue;
      for (const bool rtcp : {false, true}) {
        if (s.installed) {
          sink_.send(worker_, dp::FlowUpdate{spec(i, leg, rtcp), static_cast<std::uint8_t>(side.reopen)});
        } else {
          sink_.send(worker_, dp::FlowInstall{spec(i, leg, rtcp)});
        }
      }
      side.dirty = side.reopen = false;
      side.silent_ns = 0;  // the worker waits anew
      changed = true;
    }
    if (!s.installed && mirror_) mirror(s);
    s.installed = true;
  }
  if (changed && user_ != nullptr) user_->media_changed(owner_);
}

void MediaSession::mirror(const Stream& stream) {
  for (const Side& side : stream.sides) {
    for (const dp::FlowRef& flow : {side.ports.rtp, side.ports.rtcp}) {
      sink_.send(worker_, dp::FlowMirror{flow, static_cast<std::uint8_t>(mirror_)});
    }
  }
}

void MediaSession::set_mirror(bool on) {
  if (on == mirror_) return;
  mirror_ = on;
  for (const Stream& stream : streams_) {
    if (stream.open && stream.installed) mirror(stream);
  }
}

void MediaSession::remove_side(std::size_t stream, Leg leg) {
  const Side& side = streams_[stream].sides[index(leg)];
  leaving_.push_back({side.ports, static_cast<std::uint8_t>(stream), static_cast<std::uint8_t>(leg), 2});
  pending_removals_ += 2;
  sink_.send(worker_, dp::FlowRemove{side.ports.rtp});
  sink_.send(worker_, dp::FlowRemove{side.ports.rtcp});
}

void MediaSession::close(std::size_t stream) {
  if (!is_open(stream)) return;
  Stream& s = streams_[stream];
  s.open = false;
  --open_streams_;
  // What was never committed is installed first, so that the worker's confirmation is the only way back for a
  // port: one path, whatever the moment of the close.
  if (!s.installed) {
    for (const Leg leg : {Leg::a, Leg::b}) {
      sink_.send(worker_, dp::FlowInstall{spec(stream, leg, false)});
      sink_.send(worker_, dp::FlowInstall{spec(stream, leg, true)});
    }
  }
  remove_side(stream, Leg::a);
  remove_side(stream, Leg::b);
  if (user_ != nullptr) user_->media_changed(owner_);
}

void MediaSession::close_all() {
  for (std::size_t i = 0; i < streams_.size(); ++i) close(i);
}

void MediaSession::abandon() {
  for (Stream& stream : streams_) stream.open = false;
  open_streams_ = 0;
  pending_removals_ = 0;
  awaited_reports_ = 0;
  leaving_.clear();
}

void MediaSession::on_removed(const dp::FlowRemoved& event, Nanoseconds now_ns) {
  const auto it = std::find_if(leaving_.begin(), leaving_.end(), [&](const Leaving& l) {
    return l.ports.rtp == event.flow || l.ports.rtcp == event.flow;
  });
  if (it == leaving_.end()) return;
  StreamTotals& totals = streams_[it->stream].totals.make();
  (it->ports.rtp == event.flow ? totals.rtp : totals.rtcp)[it->leg] = event.counters;
  --pending_removals_;
  if (--it->left != 0) return;
  ports_.release(it->ports, now_ns);
  leaving_.erase(it);
}

void MediaSession::ask_counters() {
  for (const Stream& stream : streams_) {
    if (!stream.open || !stream.installed) continue;
    for (const Side& side : stream.sides) {
      for (const dp::FlowRef& flow : {side.ports.rtp, side.ports.rtcp}) {
        sink_.send(worker_, dp::FlowReport{flow});
        ++awaited_reports_;
      }
    }
  }
}

// Of a stream that has ended meanwhile, its flow_removed says more; of one that was opened again in its place
// nothing is known yet.
void MediaSession::on_reported(const dp::FlowReported& event) {
  if (awaited_reports_ != 0) --awaited_reports_;
  if (!is_open(event.owner.stream) || event.owner.leg > 1) return;
  Stream& stream = streams_[event.owner.stream];
  const PortPair& ports = stream.sides[event.owner.leg].ports;
  if (ports.rtp == event.flow) stream.totals.make().rtp[event.owner.leg] = event.counters;
  if (ports.rtcp == event.flow) stream.totals.make().rtcp[event.owner.leg] = event.counters;
}

MediaSession::Side* MediaSession::side_of(const dp::FlowRef& rtp, const dp::FlowOwner& owner) {
  if (!is_open(owner.stream) || owner.leg > 1) return nullptr;
  Side& side = streams_[owner.stream].sides[owner.leg];
  return side.ports.rtp == rtp ? &side : nullptr;
}

void MediaSession::on_latched(const dp::FlowLatched& event) {
  if (Side* side = side_of(event.flow, event.owner)) side->latched = event.source;
}

void MediaSession::on_idle(const dp::FlowIdle& event) {
  // Never 0: that is for one that is heard.
  if (Side* side = side_of(event.flow, event.owner))
    side->silent_ns = std::max<Nanoseconds>(event.last_ns, 1);
}

void MediaSession::on_active(const dp::FlowActive& event) {
  if (Side* side = side_of(event.flow, event.owner)) side->silent_ns = 0;
}

std::vector<StreamSilence> MediaSession::silence() const {
  std::vector<StreamSilence> out;
  for (const Stream& s : streams_) {
    if (!s.open) continue;
    StreamSilence& one = out.emplace_back();
    for (std::size_t leg = 0; leg < 2; ++leg)
      one[leg] = {s.sides[leg].remote.may_send, s.sides[leg].silent_ns};
  }
  return out;
}

}  // namespace sallyport::media

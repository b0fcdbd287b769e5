// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <algorithm>
#include <cassert>

namespace sallyport::media {

MediaSession::MediaSession(PortAllocator& ports, FlowCommandSink& sink, dp::FlowOwner owner,
                           std::uint8_t worker)
    : ports_(ports), sink_(sink), owner_(owner), worker_(worker) {}

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
  const auto a = ports_.allocate(legs_[0].realm, legs_[0].family, worker_, now_ns);
  if (!a) return false;
  const auto b = ports_.allocate(legs_[1].realm, legs_[1].family, worker_, now_ns);
  if (!b) {
    ports_.release(*a, now_ns);
    return false;
  }
  s.sides = {Side{*a, {}, {}, true, false}, Side{*b, {}, {}, true, false}};
  s.open = true;
  s.installed = false;
  ++open_streams_;
  return true;
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
  spec.signalling_source = facts.signalling_source;
  spec.latch_mask = facts.latch_mask;
  spec.latch = remote.latch;
  spec.kind = rtcp && remote.kind == dp::FlowKind::rtp ? dp::FlowKind::rtcp : remote.kind;
  spec.dscp = facts.dscp;
  spec.rtcp_mux = remote.rtcp_mux && !rtcp;
  spec.may_send = rtcp || remote.may_send;  // RTCP goes on during hold (RFC 3264 5.1)
  spec.may_receive = rtcp || remote.may_receive;
  spec.reports_idle = !rtcp && remote.may_send;
  spec.realm = facts.realm;
  spec.police_pps = rtcp ? 0 : remote.police_pps;
  spec.police_bytes_per_s = rtcp ? 0 : remote.police_bytes_per_s;
  spec.idle_timeout_ms = facts.idle_timeout_ms;
  if (!rtcp) spec.payload_types = remote.payload_types;
  spec.owner = owner_;
  spec.owner.leg = static_cast<std::uint8_t>(leg);
  spec.owner.stream = static_cast<std::uint8_t>(stream);
  return spec;
}

void MediaSession::commit() {
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
    }
    s.installed = true;
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
}

void MediaSession::close_all() {
  for (std::size_t i = 0; i < streams_.size(); ++i) close(i);
}

void MediaSession::abandon() {
  for (Stream& stream : streams_) stream.open = false;
  open_streams_ = 0;
  pending_removals_ = 0;
  leaving_.clear();
}

void MediaSession::on_removed(const dp::FlowRemoved& event, Nanoseconds now_ns) {
  const auto it = std::find_if(leaving_.begin(), leaving_.end(), [&](const Leaving& l) {
    return l.ports.rtp == event.flow || l.ports.rtcp == event.flow;
  });
  if (it == leaving_.end()) return;
  if (it->ports.rtp == event.flow) streams_[it->stream].totals.rtp[it->leg] = event.counters;
  --pending_removals_;
  if (--it->left != 0) return;
  ports_.release(it->ports, now_ns);
  leaving_.erase(it);
}

void MediaSession::on_latched(const dp::FlowLatched& event) {
  const std::size_t stream = event.owner.stream;
  if (!is_open(stream) || event.owner.leg > 1) return;
  Side& side = streams_[stream].sides[event.owner.leg];
  if (side.ports.rtp == event.flow) side.latched = event.source;
}

}  // namespace sallyport::media

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/offer_answer.h"

#include <algorithm>

#include "sdp_rewriter/offer_answer.h"

namespace sallyport::media {
namespace {

dp::LatchMode latch_of(sdp::LatchMode mode) {
  switch (mode) {
    case sdp::LatchMode::off:
      return dp::LatchMode::off;
    case sdp::LatchMode::once:
      return dp::LatchMode::once;
    case sdp::LatchMode::same_address:
      return dp::LatchMode::same_address;
    case sdp::LatchMode::asymmetric:
      return dp::LatchMode::asymmetric;
  }
  return dp::LatchMode::off;
}

dp::FlowKind kind_of(sdp::Transport transport) {
  switch (transport) {
    case sdp::Transport::rtp:
    case sdp::Transport::srtp:
      return dp::FlowKind::rtp;  // SRTP leaves RTP's header in clear (RFC 3711 3.1)
    case sdp::Transport::udptl:
      return dp::FlowKind::udptl;
    default:
      return dp::FlowKind::opaque;
  }
}

RemoteMedia remote_of(const sdp::Stream& stream, const sdp::StreamVerdict& verdict) {
  RemoteMedia remote;
  remote.latch = latch_of(verdict.latch);
  if (verdict.action != sdp::Action::hold) {
    remote.rtp = stream.rtp();
    remote.rtcp = stream.rtcp();
  }
  remote.kind = kind_of(stream.transport);
  remote.rtcp_mux = stream.rtcp_mux;
  const sdp::Direction direction = stream.effective_direction();
  remote.may_send = sdp::sends(direction);
  remote.may_receive = sdp::receives(direction);
  if (remote.kind == dp::FlowKind::rtp) remote.payload_types = stream.payload_types();
  return remote;
}

// An m= that the relay can carry.
bool is_relayed(const sdp::Stream& stream) {
  return !stream.disabled() && stream.transport != sdp::Transport::tcp;
}

std::string fault_text(const sdp::ParseFault& fault) {
  return "SDP line " + std::to_string(fault.line) + ": " + std::string(sdp::name(fault.fault));
}

MediaError address_error(const sdp::Verdict& verdict, const sdp::PolicyInput& policy) {
  const sdp::StreamVerdict& deciding = verdict.streams[verdict.deciding_stream];
  const bool is_private = deciding.refusal == sdp::Refusal::private_address;
  return {is_private ? MediaFault::private_address : MediaFault::refused_address,
          sdp::reason_text(deciding, policy)};
}

}  // namespace

std::expected<sdp::Verdict, MediaError> OfferAnswer::read(sdp::Description& into, std::string_view body,
                                                          const sdp::PolicyInput& policy) {
  if (const auto parsed = into.assign(body); !parsed) {
    return std::unexpected(MediaError{MediaFault::sdp, fault_text(parsed.error())});
  }
  if (into.streams().size() > kMaxStreams) {
    return std::unexpected(MediaError{MediaFault::too_many_streams, "more than 16 streams"});
  }
  sdp::Verdict verdict = sdp::judge(into, policy);
  actions_.clear();
  for (const auto& stream : verdict.streams) actions_.push_back(stream.action);
  if (verdict.refused) return std::unexpected(address_error(verdict, policy));
  return verdict;
}

bool OfferAnswer::open_streams(const sdp::Description& offer, Nanoseconds now_ns) {
  std::vector<std::size_t> opened;
  for (std::size_t i = 0; i < offer.streams().size(); ++i) {
    if (!is_relayed(offer.streams()[i]) || session_.is_open(i)) continue;
    if (!session_.open(i, now_ns)) {
      for (const std::size_t stream : opened) session_.close(stream);
      return false;
    }
    opened.push_back(i);
  }
  return true;
}

std::expected<std::string, MediaError> OfferAnswer::offer(Leg from, std::string_view body,
                                                          const sdp::PolicyInput& policy,
                                                          Nanoseconds now_ns) {
  if (state_ == State::offered) return std::unexpected(MediaError{MediaFault::state, "an offer is open"});
  auto description = std::make_unique<sdp::Description>();
  const auto verdict = read(*description, body, policy);
  if (!verdict) return std::unexpected(verdict.error());
  if (description->streams().size() < agreed_.size()) {
    return std::unexpected(MediaError{MediaFault::sdp, "fewer streams than before (RFC 3264 8)"});
  }
  if (!sdp::codecs_left(*description, codec_rules(other(from), true))) {
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  }
  if (!open_streams(*description, now_ns)) {
    return std::unexpected(MediaError{MediaFault::no_ports, "no media port is free"});
  }
  const bool first = state_ == State::idle;
  offered_.clear();
  for (std::size_t i = 0; i < description->streams().size(); ++i) {
    offered_.push_back(remote_of(description->streams()[i], verdict->streams[i]));
    latched_[static_cast<std::size_t>(from)] |= offered_[i].latch != dp::LatchMode::off;
    const bool is_new = i >= agreed_.size() || !agreed_[i].open;
    if ((first || is_new) && session_.is_open(i)) session_.set_remote(from, i, offered_[i]);
  }
  session_.commit();
  offer_ = std::move(description);
  offerer_ = from;
  state_ = State::offered;
  had_answer_ = false;
  return write(*offer_, other(from), true);
}

std::expected<std::string, MediaError> OfferAnswer::answer(Leg from, std::string_view body,
                                                           const sdp::PolicyInput& policy, bool provisional) {
  if (state_ != State::offered || from == offerer_) {
    return std::unexpected(MediaError{MediaFault::state, "no offer is open"});
  }
  sdp::Description description;
  const auto verdict = read(description, body, policy);
  if (!verdict) return std::unexpected(verdict.error());
  const auto negotiated = sdp::negotiate(*offer_, description);
  if (!negotiated) {
    return std::unexpected(MediaError{MediaFault::answer, std::string(sdp::name(negotiated.error().fault))});
  }
  sdp::Plan chosen;
  if (!sdp::apply_codecs(description, codec_rules(offerer_, false), chosen)) {
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  }
  chosen.streams.resize(negotiated->size());
  for (std::size_t i = 0; i < negotiated->size(); ++i) {
    const sdp::NegotiatedStream& settled = (*negotiated)[i];
    if (!session_.is_open(i)) continue;
    if (settled.refused || chosen.streams[i].refused) {
      // A later answer to the same offer may still take the stream.
      if (!provisional) session_.close(i);
      continue;
    }
    RemoteMedia answerer = remote_of(description.streams()[i], verdict->streams[i]);
    RemoteMedia offerer = offered_[i];
    answerer.rtcp_mux = offerer.rtcp_mux = settled.rtcp_mux;
    if (settled.rtcp_mux) {
      answerer.rtcp = answerer.rtp;
      offerer.rtcp = offerer.rtp;
    }
    if (answerer.kind == dp::FlowKind::rtp) {
      answerer.payload_types = settled.from_answerer;
      offerer.payload_types = settled.from_offerer;
    }
    latched_[static_cast<std::size_t>(from)] |= answerer.latch != dp::LatchMode::off;
    answerer.may_send = sdp::sends(settled.answerer);
    answerer.may_receive = sdp::receives(settled.answerer);
    offerer.may_send = sdp::sends(settled.offerer);
    offerer.may_receive = sdp::receives(settled.offerer);
    session_.set_remote(from, i, answerer);
    session_.set_remote(offerer_, i, offerer);
  }
  session_.commit();
  std::string text = write(description, offerer_, false);
  had_answer_ = true;
  if (!provisional) settle();
  return text;
}

void OfferAnswer::settle() {
  if (state_ != State::offered) return;
  state_ = State::stable;
  offer_.reset();
  offered_.clear();
  had_answer_ = false;
  remember_agreed();
}

void OfferAnswer::remember_agreed() {
  agreed_.assign(session_.stream_count(), {});
  for (std::size_t i = 0; i < agreed_.size(); ++i) {
    agreed_[i].open = session_.is_open(i);
    if (agreed_[i].open) agreed_[i].remote = {session_.remote(Leg::a, i), session_.remote(Leg::b, i)};
  }
}

void OfferAnswer::withdraw() {
  if (state_ != State::offered) return;
  offer_.reset();
  offered_.clear();
  had_answer_ = false;
  state_ = agreed_.empty() ? State::idle : State::stable;
  for (std::size_t i = 0; i < session_.stream_count(); ++i) {
    if (!session_.is_open(i)) continue;
    if (i >= agreed_.size() || !agreed_[i].open) {
      session_.close(i);
      continue;
    }
    session_.set_remote(Leg::a, i, agreed_[i].remote[0]);
    session_.set_remote(Leg::b, i, agreed_[i].remote[1]);
  }
  session_.commit();
}

void OfferAnswer::forget() {
  session_.close_all();
  offer_.reset();
  offered_.clear();
  agreed_.clear();
  had_answer_ = false;
  state_ = State::idle;
}

std::expected<std::string, MediaError> OfferAnswer::offer_again(Nanoseconds now_ns) {
  if (state_ != State::offered) return std::unexpected(MediaError{MediaFault::state, "no offer is open"});
  session_.close_all();
  had_answer_ = false;
  if (!sdp::codecs_left(*offer_, codec_rules(other(offerer_), true))) {
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  }
  if (!open_streams(*offer_, now_ns)) {
    return std::unexpected(MediaError{MediaFault::no_ports, "no media port is free"});
  }
  for (std::size_t i = 0; i < offered_.size(); ++i) {
    if (session_.is_open(i)) session_.set_remote(offerer_, i, offered_[i]);
  }
  session_.commit();
  return write(*offer_, other(offerer_), true);
}

sdp::CodecRules OfferAnswer::codec_rules(Leg to, bool is_offer) const {
  const auto reader = static_cast<std::size_t>(to);
  return {.writer = codecs_[1 - reader], .reader = codecs_[reader], .is_offer = is_offer};
}

std::string OfferAnswer::write(const sdp::Description& description, Leg to, bool is_offer) {
  const auto side = static_cast<std::size_t>(to);
  sdp::Plan plan;
  plan.session_id = session_id_[side];
  plan.session_version = version_[side];
  for (std::size_t i = 0; i < description.streams().size(); ++i) {
    sdp::StreamPlan stream;
    stream.refused = !session_.is_open(i) || description.streams()[i].disabled();
    if (!stream.refused) {
      stream.local = session_.local_rtp(to, i);
      stream.rtcp = session_.local_rtcp(to, i);
      if (!plan.address) plan.address = stream.local.address;
    }
    plan.streams.push_back(stream);
  }
  if (!plan.address) plan.address = session_.leg(to).address;
  (void)sdp::apply_codecs(description, codec_rules(to, is_offer), plan);
  std::string text = sdp::rewrite(description, plan);
  // RFC 3264 8: the version rises by one with every change and only then.
  const std::uint64_t hash = std::hash<std::string>{}(text);
  if (written_[side] != 0 && written_[side] != hash) {
    plan.session_version = ++version_[side];
    text = sdp::rewrite(description, plan);
    written_[side] = std::hash<std::string>{}(text);
  } else {
    written_[side] = hash;
  }
  return text;
}

}  // namespace sallyport::media

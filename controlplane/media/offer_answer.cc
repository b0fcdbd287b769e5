// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/offer_answer.h"

#include <algorithm>
#include <utility>

#include "sdp_rewriter/media_rate.h"
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

RemoteMedia remote_of(const sdp::Stream& stream, const sdp::StreamVerdict& verdict,
                      const sdp::PolicyInput& policy) {
  RemoteMedia remote;
  remote.source = policy.source;
  remote.latch = latch_of(verdict.latch);
  if (verdict.action != sdp::Action::hold) {
    remote.rtp = stream.rtp();
    remote.rtcp = stream.rtcp();
  }
  remote.kind = kind_of(stream.transport);
  remote.secured = stream.transport == sdp::Transport::srtp;
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

std::expected<sdp::Verdict, MediaError> OfferAnswer::read(Leg from, sdp::Description& into,
                                                          std::string_view body,
                                                          const sdp::PolicyInput& policy) {
  if (const auto parsed = into.assign(body); !parsed) {
    return std::unexpected(MediaError{MediaFault::sdp, fault_text(parsed.error())});
  }
  if (into.streams().size() > kMaxStreams) {
    return std::unexpected(
        MediaError{MediaFault::too_many_streams, std::string(sdp::kTooManyRelayedStreams)});
  }
  sdp::Verdict verdict = sdp::judge(into, policy);
  actions_.clear();
  for (const auto& stream : verdict.streams) actions_.push_back(stream.action);
  StreamActions& judged = judged_[index(from)];
  if (!verdict.refused || judged.empty()) judged = actions_;
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
  const auto verdict = read(from, *description, body, policy);
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
  before_ = told_;
  keep_remotes();
  open_ = {std::move(description), {}, from, first};
  for (std::size_t i = 0; i < open_.description->streams().size(); ++i) {
    open_.media.push_back(remote_of(open_.description->streams()[i], verdict->streams[i], policy));
    latched_[index(from)] |= open_.media[i].latch != dp::LatchMode::off;
    const bool is_new = i >= agreed_.size() || !agreed_[i].open;
    if ((first || is_new) && session_.is_open(i)) session_.set_remote(from, i, open_.media[i]);
  }
  session_.commit();
  state_ = State::offered;
  had_answer_ = false;
  said_before_ = std::exchange(said_[index(from)], KeptText(body));
  return write(*open_.description, other(from), true);
}

std::expected<std::string, MediaError> OfferAnswer::apply(const Offer& offer, std::string_view body,
                                                          const sdp::PolicyInput& policy) {
  const Leg from = other(offer.from);
  sdp::Description description;
  const auto verdict = read(from, description, body, policy);
  if (!verdict) return std::unexpected(verdict.error());
  const auto negotiated = sdp::negotiate(*offer.description, description);
  if (!negotiated) {
    return std::unexpected(MediaError{MediaFault::answer, std::string(sdp::name(negotiated.error().fault))});
  }
  sdp::Plan chosen;
  if (!sdp::apply_codecs(description, codec_rules(offer.from, false), chosen)) {
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  }
  chosen.streams.resize(negotiated->size());
  refused_.assign(negotiated->size(), false);
  std::vector<RemoteMedia> answerers;
  for (std::size_t i = 0; i < negotiated->size(); ++i) {
    refused_[i] = session_.is_open(i) && ((*negotiated)[i].refused || chosen.streams[i].refused);
    answerers.push_back(remote_of(description.streams()[i], verdict->streams[i], policy));
  }
  settle_streams(offer, description, *negotiated, answerers);
  said_[index(from)] = body;
  answerer_ = from;
  return write(description, offer.from, false);
}

void OfferAnswer::settle_streams(const Offer& offer, const sdp::Description& answer,
                                 const std::vector<sdp::NegotiatedStream>& negotiated,
                                 const std::vector<RemoteMedia>& answerers) {
  const Leg from = other(offer.from);
  for (std::size_t i = 0; i < negotiated.size(); ++i) {
    const sdp::NegotiatedStream& settled = negotiated[i];
    if (!session_.is_open(i) || refused_[i] || settled.refused) continue;
    RemoteMedia answerer = answerers[i];
    RemoteMedia offerer = offer.media[i];
    if (&offer == &first_ && i < agreed_.size() && agreed_[i].open) {
      // An offer since then may have moved the one who made the first.
      const RemoteMedia& now = session_.remote(offer.from, i);
      offerer.rtp = now.rtp;
      offerer.rtcp = now.rtcp;
      offerer.latch = now.latch;
      offerer.source = now.source;
    }
    answerer.rtcp_mux = offerer.rtcp_mux = settled.rtcp_mux;
    if (settled.rtcp_mux) {
      answerer.rtcp = answerer.rtp;
      offerer.rtcp = offerer.rtp;
    }
    if (answerer.kind == dp::FlowKind::rtp) {
      answerer.payload_types = settled.from_answerer;
      offerer.payload_types = settled.from_offerer;
    }
    const sdp::MediaRate rate =
        sdp::media_rate(offer.description->streams()[i], answer.streams()[i], settled.formats);
    answerer.police_pps = offerer.police_pps = rate.packets_per_s;
    answerer.police_bytes_per_s = offerer.police_bytes_per_s = rate.bytes_per_s;
    latched_[index(from)] |= answerer.latch != dp::LatchMode::off;
    answerer.may_send = sdp::sends(settled.answerer);
    answerer.may_receive = sdp::receives(settled.answerer);
    offerer.may_send = sdp::sends(settled.offerer);
    offerer.may_receive = sdp::receives(settled.offerer);
    session_.set_remote(from, i, answerer);
    session_.set_remote(offer.from, i, offerer);
  }
  session_.commit();
}

std::expected<std::string, MediaError> OfferAnswer::answer(Leg from, std::string_view body,
                                                           const sdp::PolicyInput& policy, bool provisional) {
  if (state_ != State::offered || from == open_.from) {
    return std::unexpected(MediaError{MediaFault::state, "no offer is open"});
  }
  auto text = apply(open_, body, policy);
  if (!text) return text;
  had_answer_ = true;
  if (!provisional) settle();
  return text;
}

std::expected<std::string, MediaError> OfferAnswer::fork_answer(Leg from, std::string_view body,
                                                                const sdp::PolicyInput& policy) {
  if (state_ == State::offered && open_.first) return answer(from, body, policy, true);
  if (state_ != State::stable || !first_.description || first_.from == from) {
    return std::unexpected(MediaError{MediaFault::state, "no first offer is kept"});
  }
  auto text = apply(first_, body, policy);
  if (text) remember_agreed();
  return text;
}

bool OfferAnswer::fits(const sdp::Description& offered, const sdp::Description& answer) const {
  if (!sdp::check_answer(offered, answer)) return false;
  for (std::size_t i = 0; i < answer.streams().size(); ++i) {
    const sdp::Stream& said = answer.streams()[i];
    const sdp::Stream& there = offered.streams()[i];
    if (said.disabled()) continue;
    if (i >= agreed_.size() || !agreed_[i].open || there.disabled()) return false;
    const bool same_way = said.transport == there.transport && (there.rtcp_mux || !said.rtcp_mux) &&
                          sdp::answer_direction(there.effective_direction(), said.effective_direction()) ==
                              said.effective_direction();
    const bool all_offered = std::ranges::all_of(said.formats, [&](const sdp::Format& format) {
      return std::ranges::any_of(there.formats, [&](const sdp::Format& one) {
        return one.text == format.text && one.same_codec(format);
      });
    });
    if (!same_way || !all_offered) return false;
  }
  return true;
}

std::expected<std::string, MediaError> OfferAnswer::inactive_answer(const sdp::Description& offered, Leg to) {
  sdp::Plan plan = plan_for(offered, to, top_version_[index(to)] + 1);
  for (sdp::StreamPlan& stream : plan.streams) stream.direction = sdp::Direction::inactive;
  if (!sdp::apply_codecs(offered, codec_rules(to, false), plan))
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  ++top_version_[index(to)];
  return sdp::rewrite(offered, plan);
}

std::expected<OfferAnswer::ForkAnswer, MediaError> OfferAnswer::fork_offer(Leg from, std::string_view body,
                                                                           const sdp::PolicyInput& policy) {
  if (state_ == State::idle) return std::unexpected(MediaError{MediaFault::state, "no first offer"});
  Offer offer{std::make_unique<sdp::Description>(), {}, from, false};
  StreamActions stood = judged_[index(from)];
  const auto verdict = read(from, *offer.description, body, policy);
  if (!verdict) return std::unexpected(verdict.error());
  sdp::Description answer;
  const bool fit = state_ == State::stable && answer.assign(said_[index(other(from))]).has_value() &&
                   fits(*offer.description, answer);
  if (!fit) {
    judged_[index(from)] = std::move(stood);
    auto text = inactive_answer(*offer.description, from);
    if (!text) return std::unexpected(text.error());
    return ForkAnswer{std::move(*text), false};
  }
  std::vector<RemoteMedia> answerers;
  for (std::size_t i = 0; i < offer.description->streams().size(); ++i) {
    offer.media.push_back(remote_of(offer.description->streams()[i], verdict->streams[i], policy));
    latched_[index(from)] |= offer.media[i].latch != dp::LatchMode::off;
    answerers.push_back(i < agreed_.size() && agreed_[i].open ? session_.remote(other(from), i)
                                                              : RemoteMedia{});
  }
  refused_.resize(answerers.size(), false);
  settle_streams(offer, answer, *sdp::negotiate(*offer.description, answer), answerers);
  said_[index(from)] = body;
  answerer_ = other(from);
  remember_agreed();
  return ForkAnswer{write(answer, from, false), true};
}

std::expected<std::string, MediaError> OfferAnswer::answer_for_nobody() {
  if (state_ != State::offered || !open_.first)
    return std::unexpected(MediaError{MediaFault::state, "no first offer is open"});
  Told& told = told_[index(open_.from)];
  if (!had_answer_) {
    auto text = inactive_answer(*open_.description, open_.from);
    if (!text) return text;
    told = {*text, top_version_[index(open_.from)]};
  }
  std::string text(told.text);
  settle();
  end_forks();
  return text;
}

std::string OfferAnswer::offer_nothing(Leg to) {
  sdp::Description nothing;
  (void)nothing.assign("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n");
  state_ = State::stable;
  end_forks();
  return write(nothing, to, true);
}

void OfferAnswer::settle() {
  if (state_ != State::offered) return;
  state_ = State::stable;
  had_answer_ = false;
  before_ = {};
  if (open_.first && forks_) {
    first_ = std::move(open_);
  } else {
    close_refused();
  }
  open_ = {};
  remember_agreed();
}

void OfferAnswer::end_forks() {
  forks_ = false;
  first_ = {};
  if (state_ != State::stable) return;
  close_refused();
  remember_agreed();
}

std::string_view OfferAnswer::answer_of(Leg leg) const {
  if (agreed_.empty()) return {};
  return leg == answerer_ ? said_[index(leg)] : agreed_text(leg);
}

void OfferAnswer::close_refused() {
  for (std::size_t i = 0; i < refused_.size(); ++i) {
    if (refused_[i]) session_.close(i);
  }
  refused_.clear();
}

void OfferAnswer::remember_agreed() {
  agreed_.clear();
  agreed_.resize(session_.stream_count());
  for (std::size_t i = 0; i < agreed_.size(); ++i) {
    agreed_[i].open = session_.is_open(i) && !(i < refused_.size() && refused_[i]);
  }
}

// For withdraw(): provisional answers change the flows.
void OfferAnswer::keep_remotes() {
  for (std::size_t i = 0; i < agreed_.size(); ++i) {
    if (agreed_[i].open) agreed_[i].before.make() = {session_.remote(Leg::a, i), session_.remote(Leg::b, i)};
  }
}

bool OfferAnswer::readdress(Leg from, std::string_view body, const sdp::PolicyInput& policy) {
  if (state_ != State::stable) return false;
  sdp::Description description;
  const auto verdict = read(from, description, body, policy);
  if (!verdict) return false;
  for (std::size_t i = 0; i < agreed_.size(); ++i) {
    const bool there = i < description.streams().size() && !description.streams()[i].disabled();
    if (agreed_[i].open && !there) return false;
  }
  for (std::size_t i = 0; i < description.streams().size() && i < agreed_.size(); ++i) {
    if (!agreed_[i].open || description.streams()[i].disabled()) continue;
    const RemoteMedia said = remote_of(description.streams()[i], verdict->streams[i], policy);
    RemoteMedia remote = session_.remote(from, i);
    remote.rtp = said.rtp;
    remote.rtcp = said.rtcp;
    remote.latch = said.latch;
    remote.source = said.source;
    session_.set_remote(from, i, remote);
  }
  session_.commit();
  said_[index(from)] = body;
  remember_agreed();
  return true;
}

std::optional<std::string> OfferAnswer::restate(Leg to, std::size_t streams) {
  if (state_ != State::stable || streams > agreed_.size()) return std::nullopt;
  Told& told = told_[index(to)];
  told.version = ++top_version_[index(to)];
  std::string text = sdp::with_version(told.text, told.version);
  told.text = text;
  return text;
}

std::string OfferAnswer::rejection(Leg to, std::string_view body) {
  sdp::Description description;
  if (!description.assign(body)) return {};
  sdp::Plan plan;  // no stream is planned: all are refused
  plan.session_id = session_id_[index(to)];
  plan.session_version = ++top_version_[index(to)];
  plan.address = session_.leg(to).address;
  return sdp::rewrite(description, plan);
}

void OfferAnswer::continue_origin(Leg leg, const Origin& last) {
  session_id_[index(leg)] = last.session_id;
  told_[index(leg)].version = top_version_[index(leg)] = last.version + 1;
}

std::string OfferAnswer::tell_again(Leg leg, const Origin& last) {
  Told& told = state_ == State::offered ? before_[index(leg)] : told_[index(leg)];
  continue_origin(leg, last);
  told.version = top_version_[index(leg)];
  // o=<username> <sess-id> <sess-version> <nettype> ... (RFC 8866 5.2)
  std::string text(told.text);
  const std::size_t line = text.find("\no=");
  if (line == std::string::npos) return text;
  const std::size_t id = text.find(' ', line) + 1;
  const std::size_t rest = text.find(' ', text.find(' ', id) + 1);
  text.replace(id, rest - id, std::to_string(last.session_id) + " " + std::to_string(told.version));
  told.text = text;
  return text;
}

void OfferAnswer::withdraw() {
  if (state_ != State::offered) return;
  said_[index(open_.from)] = std::move(said_before_);
  open_ = {};
  told_ = std::move(before_);
  before_ = {};
  refused_.clear();
  had_answer_ = false;
  state_ = agreed_.empty() ? State::idle : State::stable;
  for (std::size_t i = 0; i < session_.stream_count(); ++i) {
    if (!session_.is_open(i)) continue;
    if (i >= agreed_.size() || !agreed_[i].open) {
      session_.close(i);
      continue;
    }
    session_.set_remote(Leg::a, i, (*agreed_[i].before)[0]);
    session_.set_remote(Leg::b, i, (*agreed_[i].before)[1]);
    agreed_[i].before.reset();
  }
  session_.commit();
}

void OfferAnswer::forget() {
  session_.close_all();
  open_ = {};
  first_ = {};
  agreed_.clear();
  refused_.clear();
  had_answer_ = false;
  state_ = State::idle;
}

std::expected<std::string, MediaError> OfferAnswer::offer_again(Nanoseconds now_ns) {
  if (state_ == State::stable && first_.description) {
    // An earlier target had answered for good; its answer goes with it.
    open_ = std::move(first_);
    first_ = {};
    agreed_.clear();
    state_ = State::offered;
  }
  if (state_ != State::offered) return std::unexpected(MediaError{MediaFault::state, "no offer is open"});
  session_.close_all();
  refused_.clear();
  had_answer_ = false;
  if (!sdp::codecs_left(*open_.description, codec_rules(other(open_.from), true))) {
    return std::unexpected(MediaError{MediaFault::no_codec, "no codec is left"});
  }
  if (!open_streams(*open_.description, now_ns)) {
    return std::unexpected(MediaError{MediaFault::no_ports, "no media port is free"});
  }
  for (std::size_t i = 0; i < open_.media.size(); ++i) {
    if (session_.is_open(i)) session_.set_remote(open_.from, i, open_.media[i]);
  }
  session_.commit();
  return write(*open_.description, other(open_.from), true);
}

sdp::CodecRules OfferAnswer::codec_rules(Leg to, bool is_offer) const {
  return {
      .writer = codecs_[index(other(to))].get(), .reader = codecs_[index(to)].get(), .is_offer = is_offer};
}

sdp::Plan OfferAnswer::plan_for(const sdp::Description& description, Leg to, std::uint64_t version) const {
  sdp::Plan plan;
  plan.session_id = session_id_[index(to)];
  plan.session_version = version;
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
  return plan;
}

std::string OfferAnswer::render(const sdp::Description& description, Leg to, bool is_offer,
                                std::uint64_t version) const {
  sdp::Plan plan = plan_for(description, to, version);
  (void)sdp::apply_codecs(description, codec_rules(to, is_offer), plan);
  return sdp::rewrite(description, plan);
}

// RFC 3264 8: the version rises by one with every change and only then.
std::string OfferAnswer::write(const sdp::Description& description, Leg to, bool is_offer) {
  Told& told = told_[index(to)];
  std::string text = render(description, to, is_offer, told.version);
  if (!told.text.empty() && text != told.text) {
    told.version = ++top_version_[index(to)];
    text = render(description, to, is_offer, told.version);
  }
  told.text = text;
  return text;
}

}  // namespace sallyport::media

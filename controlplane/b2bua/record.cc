// SPDX-License-Identifier: Apache-2.0
// A call as others see it: its record, and the rows of `show calls`.
#include "controlplane/b2bua/call_manager.h"

#include <algorithm>

#include "controlplane/b2bua/target_uri.h"
#include "controlplane/response_map/reason.h"

namespace sallyport::b2bua {

namespace {

const char* state_text(const Call& call) {
  if (call.over) return "ending";
  if (call.answered) return "established";
  return call.ringing_ns != 0 ? "early" : "setup";
}

std::string latch_text(dp::LatchMode mode) {
  switch (mode) {
    case dp::LatchMode::off:
      return "off";
    case dp::LatchMode::once:
      return "once";
    case dp::LatchMode::same_address:
      return "same-address";
    case dp::LatchMode::asymmetric:
      return "asymmetric";
  }
  return {};
}

// As private_media_total has it.
std::string private_action_text(sdp::Action action) {
  switch (action) {
    case sdp::Action::latched:
      return "latched";
    case sdp::Action::rejected:
      return "rejected";
    case sdp::Action::trusted:
      return "trusted";
    case sdp::Action::no_nat:
      return "no_nat";
    default:
      return {};
  }
}

}  // namespace

void CallManager::record_media(const Call& call, stats::CallRecord& record) const {
  std::size_t streams = call.media ? call.media->stream_count() : 0;
  if (call.offer_answer) {
    for (const media::Leg leg : {media::Leg::a, media::Leg::b}) {
      streams = std::max(streams, call.offer_answer->actions(leg).size());
      record.answer_sdp[static_cast<std::size_t>(leg)] = call.offer_answer->answer_of(leg);
    }
  }
  for (std::size_t i = 0; i < streams; ++i) {
    for (const media::Leg leg : {media::Leg::a, media::Leg::b}) record_stream(call, leg, i, record);
  }
}

void CallManager::record_stream(const Call& call, media::Leg leg, std::size_t stream,
                                stats::CallRecord& record) const {
  stats::MediaRecord media;
  media.leg = static_cast<std::uint8_t>(leg);
  media.stream = static_cast<std::uint8_t>(stream);
  if (call.offer_answer) {
    const media::StreamActions& actions = call.offer_answer->actions(leg);
    if (stream < actions.size()) media.private_action = private_action_text(actions[stream]);
  }
  const bool had_ports = call.media && stream < call.media->stream_count();
  if (!had_ports && media.private_action.empty()) return;  // refused, and not for its address
  if (had_ports) {
    media.local = call.media->local_rtp(leg, stream);
    media.remote = call.media->remote(leg, stream).rtp;
    media.counters = call.media->totals(stream).rtp[static_cast<std::size_t>(leg)];
    const dp::FlowCounters& control = call.media->totals(stream).rtcp[static_cast<std::size_t>(leg)];
    if (media.counters.rtt_us == 0) media.counters.rtt_us = control.rtt_us;
    media.counters.reported_lost = std::max(media.counters.reported_lost, control.reported_lost);
  }
  record.media.push_back(std::move(media));
}

void CallManager::observe_media(const Call& call, const stats::CallRecord& record) {
  if (!call.media) return;
  for (const stats::MediaRecord& media : record.media) {
    stats::RealmStatistics& realm =
        services_.statistics.realm(call.media->leg(static_cast<media::Leg>(media.leg)).realm);
    if (media.counters.packets != 0) realm.jitter.observe(media.counters.jitter_us * kMicrosecond);
    if (media.counters.rtt_us != 0) realm.rtt.observe(media.counters.rtt_us * kMicrosecond);
  }
}

void CallManager::write_record(Call& call) {
  keep_failed(call);
  stats::CallRecord& record = call.record;
  if (record.ended_ns == 0) record.ended_ns = wall_now();
  record_media(call, record);
  observe_media(call, record);
  hand_over(std::move(record));
}

void CallManager::begin_record(stats::CallRecord& record, config::PeerIndex from,
                               const sip::MessageView& invite) const {
  if (from != config::kNoIndex) record.from_peer = services_.config.peers[from].name;
  record.from_realm = services_.config.realms[invite.path.realm].name;
  record.call_id = invite.call_id();
  record.callee = without_password(invite.request_uri());
  if (const auto party = invite.from()) record.caller = without_password(party->uri);
  record.source = invite.path.remote;
  record.started_ns = wall_now();
}

void CallManager::mark_answered(Call& call) {
  call.answered = true;
  call.answered_ns = now();
  call.record.answered_ns = wall_now();
  call.record.setup_ns = call.answered_ns - call.started_ns;
}

void CallManager::note_verdict(stats::CallRecord& record, const response_map::Verdict& verdict,
                               std::string_view reason) const {
  record.received = verdict.received;
  record.sent = verdict.code;
  record.sent_phrase = verdict.phrase;
  record.reason_sent = reason;
  record.q850 = verdict.q850;
  record.rule = verdict.rule_text();
  if (record.ended_by == stats::EndedBy::none) {
    const bool ours = verdict.received == 0;
    record.ended_by = ours ? stats::EndedBy::sallyport : stats::EndedBy::callee;
  }
  if (record.local_error.empty()) record.local_error = response_map::local_error_name(verdict.local);
  record.ended_ns = wall_now();
}

// `invite` is the message in hand. Its name no leg bears, and no other attempt. What comes of its transaction
// is told by its Call-ID and tags, and is kept among the messages of calls that failed.
stats::CallRecord CallManager::begin_refused(config::PeerIndex from, const sip::MessageView& invite) {
  stats::CallRecord record;
  record.id = mint(steer::TokenKind::tag, {kNoCall, ++refused_});
  begin_record(record, from, invite);
  if (services_.recorder != nullptr) {
    std::uint32_t messages = 0;
    services_.recorder->begin({record.id, trace::Side::caller, &messages}, record.call_id);
    services_.recorder->failed(record.id);
  }
  return record;
}

void CallManager::end_refused(stats::CallRecord&& record, const response_map::Verdict& verdict) {
  note_verdict(record, verdict, verdict.q850 != 0 ? response_map::q850_reason(verdict.q850) : "");
  hand_over(std::move(record));
}

void CallManager::record_unknown(const sip::MessageView& invite) {
  if (!admit_shed_record()) return;
  response_map::Verdict verdict;
  verdict.local = response_map::LocalError::unknown_source;
  verdict.code = 403;
  verdict.phrase = sip::default_phrase(403);
  end_refused(begin_refused(config::kNoIndex, invite), verdict);
}

void CallManager::on_refused(const sip::MessageView& request, std::uint16_t status, std::string_view phrase) {
  const auto from = peer_of(request.path);
  if (!from || request.method() != sip::Method::invite || !request.to_tag().empty()) return;
  count_refused(*from, status);
  if (!admit_shed_record()) return;
  const bool is_fault = request.index->fault != sip::Fault::none;
  const bool is_full = !is_fault && status == 503;
  const std::string_view why = is_fault  ? phrase
                               : is_full ? std::string_view("no server transaction is free")
                                         : std::string_view("too large to be answered");
  response_map::Verdict verdict = response_map::own_refusal(status, why, phrase);
  if (is_fault) verdict.local = response_map::LocalError::malformed;
  if (is_full) verdict.local = response_map::LocalError::capacity;
  end_refused(begin_refused(*from, request), verdict);
}

bool CallManager::admit_shed_record() {
  if (now() - shed_second_ns_ >= kSecond) {
    shed_second_ns_ = now();
    shed_records_ = 0;
  }
  if (shed_records_ < kMostShedRecords) {
    ++shed_records_;
    return true;
  }
  services_.statistics.totals.records_shed.add();
  return false;
}

void CallManager::write_interim(Call& call) {
  if (services_.config.cdr.interim_ns == 0) return;
  // One that still waits is of a worker that stands still: the next one is due when it goes on.
  if (!call.interim) {
    call.interim = std::make_unique<stats::CallRecord>(call.record);
    call.interim->kind = stats::RecordKind::interim;
    call.interim->duration_ns = now() - call.answered_ns;
    if (call.media) call.media->ask_counters();
  }
  call.interim_ns = now();
  start_interim(call);
  interim_told(call);
}

void CallManager::interim_told(Call& call) {
  if (!call.interim || (call.media && !call.media->are_counters_told())) return;
  record_media(call, *call.interim);
  hand_over(std::move(*call.interim));
  call.interim.reset();
}

// In step with the last one: after a reload too they come as spread as they were.
void CallManager::start_interim(Call& call) {
  const Nanoseconds every = services_.config.cdr.interim_ns;
  if (every == 0) return call.interim_record.stop();
  const Nanoseconds since = now() - std::max(call.interim_ns, call.answered_ns);
  services_.wheel.start(call.interim_record, every - since % every);
}

void CallManager::hand_over(stats::CallRecord&& record) {
  record.written_ns = wall_now();
  if (services_.records != nullptr && !services_.records->write(std::move(record))) {
    services_.statistics.totals.records_dropped.add();
  }
}

stats::CallRow CallManager::row_of(const Call& call) const {
  stats::CallRow row;
  row.id = call.record.id;
  row.state = state_text(call);
  row.from_peer = call.record.from_peer;
  row.to_peer = call.record.to_peer;
  row.caller = call.record.caller;
  row.callee = call.record.callee;
  row.age_ns = now() - call.started_ns;
  if (call.answered) row.answered_ns = now() - call.answered_ns;
  row.received = call.record.received;
  row.sent = call.record.sent;
  return row;
}

std::vector<stats::CallRow> CallManager::rows(std::size_t limit) {
  std::vector<stats::CallRow> rows;
  calls_.for_each([&](const Call& call) {
    if (rows.size() < limit) rows.push_back(row_of(call));
  });
  return rows;
}

// The tag of its caller's leg is its name; a leg may have gone before its call.
Call* CallManager::call_named(std::string_view id) {
  const Leg* caller = leg_with(id);
  if (caller != nullptr && caller->call->record.id == id) return caller->call;
  Call* found = nullptr;
  calls_.for_each([&](Call& call) {
    if (call.record.id == id) found = &call;
  });
  return found;
}

std::optional<stats::CallDetail> CallManager::detail(std::string_view id) {
  Call* found = call_named(id);
  if (found == nullptr) return std::nullopt;
  stats::CallDetail detail;
  detail.row = row_of(*found);
  for (const Leg* leg : found->legs) {
    stats::LegRow& row = detail.legs.emplace_back();
    row.role = leg->role == LegRole::uas ? "UAS" : "UAC";
    row.state = kLegStateNames[static_cast<std::size_t>(leg->state)];
    row.peer = services_.config.peers[leg->peer].name;
    row.realm = services_.config.realms[leg->path.realm].name;
    row.call_id = leg->call_id;
    row.local_tag = leg->tag;
    if (leg->dialog) row.remote_tag = leg->dialog->remote_tag();
    row.local = leg->path.local;
    row.remote = dialog_path(*leg).remote;
    row.code = leg->last_code;
  }
  if (found->media) {
    for (std::size_t i = 0; i < found->media->stream_count(); ++i) {
      if (!found->media->is_open(i)) continue;
      for (const media::Leg leg : {media::Leg::a, media::Leg::b}) {
        const media::RemoteMedia& remote = found->media->remote(leg, i);
        const Endpoint latched = found->media->latched(leg, i);
        stats::StreamRow& row = detail.streams.emplace_back();
        row.leg = static_cast<std::uint8_t>(leg);
        row.stream = static_cast<std::uint8_t>(i);
        row.kind = remote.kind == dp::FlowKind::rtp     ? "rtp"
                   : remote.kind == dp::FlowKind::udptl ? "udptl"
                                                        : "opaque";
        row.local = found->media->local_rtp(leg, i);
        row.remote = latched ? latched : remote.rtp;
        row.latch = latch_text(remote.latch);
        if (const auto flow = services_.ports.in_use(row.local)) row.slot = flow->slot;
      }
    }
  }
  complete(*found, detail);
  const stats::CallRecord& record = found->record;
  detail.received_phrase = record.received_phrase;
  detail.reason_received = record.reason_received;
  detail.sent_phrase = record.sent_phrase;
  detail.reason_sent = record.reason_sent;
  detail.local_error = record.local_error;
  detail.rule = record.rule;
  return detail;
}

}  // namespace sallyport::b2bua

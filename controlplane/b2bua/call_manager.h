// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The core above the transactions on one shard: it owns the shard's calls and legs,
// hears of requests and responses from the transaction layer and of flows from the workers, and lets each
// event take one step of a leg's machine. The acts stand in files of their own: invite.cc (a call comes in),
// attempt.cc and extensions.cc (a target is tried), response.cc (it answers), hang_up.cc (a call ends),
// provisional.cc (18x, forks, 199), other_offer.cc (forks that make offers), reliable.cc and prack.cc
// (100rel), in_dialog.cc and relay.cc (re-INVITE, UPDATE), glare.cc (what may not be asked now), restore.cc
// (an answer that is refused), refresh.cc (session timers), out_of_dialog.cc (OPTIONS and what is refused),
// probe.cc (is a target alive), other_in_dialog.cc (INFO, MESSAGE, NOTIFY...), refer.cc, pick_up.cc (a
// ringing call is taken), media_watch.cc (silent media).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/b2bua/call.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/peer_policies.h"
#include "controlplane/b2bua/replaces.h"
#include "controlplane/b2bua/services.h"
#include "controlplane/b2bua/standalone.h"
#include "controlplane/b2bua/subscription.h"
#include "controlplane/routing/numbers.h"
#include "controlplane/sip/slab.h"
#include "controlplane/sip/transaction_layer.h"
#include "controlplane/stats/shard_query.h"

namespace sallyport::b2bua {

class CallManager final : public sip::TransactionUser,
                          public trace::SubjectFinder,
                          private sip::TimerTarget,
                          private media::MediaSessionUser {
 public:
  explicit CallManager(const Services& services);
  ~CallManager();
  CallManager(const CallManager&) = delete;
  CallManager& operator=(const CallManager&) = delete;

  // Before anything else is called.
  void set_transactions(sip::TransactionLayer& transactions) { transactions_ = &transactions; }

  // Looks at a message before any transaction: false when its source is nobody we know and it has had its
  // answer, or silence.
  [[nodiscard]] bool admit_source(const sip::Arrival& arrival);

  // ---- from the other shards
  // Once a message has come to its dialog: true when the dialog is on another shard, where the message now is
  // on its way; else the leg that it is for may be another than the one that its tag names.
  [[nodiscard]] bool forwarded(sip::Arrival& arrival);
  void on_message(JoinMessage& message);

  // ---- from the workers
  void on_flow_removed(const dp::FlowRemoved& event);
  void on_flow_latched(const dp::FlowLatched& event);
  void on_flow_reported(const dp::FlowReported& event);
  void on_flow_idle(const dp::FlowIdle& event);
  void on_flow_active(const dp::FlowActive& event);

  // Sends the probes that are due. The loop calls it when next_probe_ns() has passed.
  void probe(Nanoseconds now_ns);

  // After a reload: the services' configuration and maps have been exchanged where they stand. Calls in hand
  // keep their peers, route, candidates and codecs; what else is asked of their peers is asked anew.
  // `policies` gets what was there before.
  void succeed(PeerPolicies& policies, Nanoseconds now_ns);

  // No new calls from now on; those that are up go on.
  void drain();
  // Ends every call: BYE on both legs of those that are up, CANCEL and 503 of those that are not.
  void end_all();

  [[nodiscard]] std::uint32_t calls() const { return calls_.size(); }
  [[nodiscard]] std::uint32_t legs() const { return legs_.size(); }
  [[nodiscard]] std::uint32_t subscriptions() const { return subscriptions_.size(); }
  [[nodiscard]] std::size_t stubs() const { return stubs_.size(); }
  [[nodiscard]] std::uint32_t standalone_requests() const { return standalone_.size(); }
  [[nodiscard]] std::vector<stats::CallRow> rows(std::size_t limit);
  [[nodiscard]] std::optional<stats::CallDetail> detail(std::string_view id);
  // Copies of that call's media are made from now on; false: there is no such call. Until end_mirrors().
  bool mirror(std::string_view id);
  void end_mirrors();
  [[nodiscard]] std::optional<trace::Subject> find_subject(std::string_view tag) override;

 private:
  // ---- sip::TransactionUser
  void on_request(sip::ServerId id, const sip::Arrival& arrival) override;
  void on_ack(const sip::Arrival& arrival) override;
  void on_cancel(sip::ServerId invite, std::uint64_t token, const sip::MessageView& cancel) override;
  void on_server_done(sip::ServerId id, std::uint64_t token, sip::ServerEnd end) override;
  void on_refused(const sip::MessageView& request, std::uint16_t status, std::string_view phrase) override;
  void on_response(sip::ClientId id, std::uint64_t token, const sip::MessageView& response) override;
  void on_failure(sip::ClientId id, std::uint64_t token, sip::ClientFailure failure) override;
  void on_stray_success(const sip::MessageView& response) override;
  void on_timer(sip::Timer& timer) override;

  void on_target_timeout(Leg& leg);

  // What a transaction of ours was for; the token carries it with the leg's handle.
  // clang-format off: one a line says nothing more
  enum class Purpose : std::uint8_t {
    invite, bye, relay, keepalive, probe, prack, refresh, standalone, restore, seat, notify, subscription, stray
  };
  // clang-format on
  [[nodiscard]] static std::uint64_t token(Purpose purpose, Handle leg);
  [[nodiscard]] static Purpose purpose_of(std::uint64_t token);
  [[nodiscard]] Leg* leg_of(std::uint64_t token);
  [[nodiscard]] Leg* find_leg(std::uint32_t slot, std::uint32_t generation);

  // ---- calls and legs
  [[nodiscard]] Call* new_call(config::PeerIndex from, sip::ServerId id, const sip::MessageView& invite);
  [[nodiscard]] Leg* new_leg(Call& call, LegRole role, config::PeerIndex peer);
  void leg_ended(Leg& leg);
  void sweep();  // frees what is over
  void mark(Call& call) { touched_.push_back(call.handle); }

  // ---- invite.cc
  void on_invite(sip::ServerId id, const sip::MessageView& invite);
  [[nodiscard]] bool refused_at_the_door(sip::ServerId id, const sip::MessageView& invite,
                                         config::PeerIndex from);
  // Its candidates; an error: no route leads there, or to nobody who is up.
  [[nodiscard]] response_map::LocalError find_route(Call& call);
  // Media session and offer/answer state.
  void open_session(Call& call);
  [[nodiscard]] static response_map::LocalError admission_error(policy::Refusal refusal);
  // Refuses the caller with a local error.
  void fail_call(Call& call, response_map::LocalError error, std::string_view phrase = {});
  // A call attempt that becomes no call: by a local error, or by a refusal of our own.
  void refuse_attempt(sip::ServerId id, config::PeerIndex from, response_map::LocalError error,
                      std::string_view headers = {});
  void refuse_attempt(sip::ServerId id, config::PeerIndex from, const response_map::Verdict& verdict,
                      std::string_view headers = {});
  void count_refused(config::PeerIndex from, std::uint16_t code);

  // ---- attempt.cc
  struct Attempt {
    bool started = false;
    response_map::LocalError error = response_map::LocalError::none;
  };
  // Tries the candidates that are left; without any, the caller hears of `last_failure`.
  void next_attempt(Call& call, const response_map::Input& last_failure);
  [[nodiscard]] Attempt try_target(Call& call, const Candidate& candidate);
  void begin_attempt(Leg& leg, const Endpoint& remote);
  // The current attempt, if it has had no end yet, has failed: attempts = answered + failed, by pair.
  void count_failed(Call& call, std::uint16_t code);
  // The SDP for that leg, empty for a late offer.
  [[nodiscard]] std::expected<std::string, media::MediaError> offer_for(Call& call, Leg& leg);
  // The INVITE once more on the same leg, with the next CSeq: what the target objected to has been put right.
  [[nodiscard]] bool invite_once_more(Leg& leg);

  // ---- extensions.cc
  // Supported and Require of our INVITE. False: without session timers.
  [[nodiscard]] static bool write_extensions(const Leg& leg, sip::HeaderWriter& out);
  // A 420 or 421 to our INVITE: true when it is worth another try.
  [[nodiscard]] static bool changes_extensions(Leg& leg, const sip::MessageView& response);
  // A 420 to our re-INVITE that names 100rel alone: true when it is worth another try.
  [[nodiscard]] static bool refuses_100rel(Leg& leg, Relay& relay, const sip::MessageView& response);

  [[nodiscard]] std::string invite_headers(Call& call, Leg& leg, std::string_view uri, bool with_sdp);
  void write_contact(const Leg& leg, sip::HeaderWriter& out) const;
  [[nodiscard]] static response_map::LocalError media_error(media::MediaFault fault);

  // The INVITE of that leg, the first or one more with credentials.
  [[nodiscard]] std::expected<sip::ClientId, sip::TransactionError> send_invite(Leg& leg,
                                                                                const std::string& sdp);

  // ---- authentication.cc
  // Authorization lines of a request on that leg; empty when its peer has not asked for any.
  [[nodiscard]] std::string authorization(Leg& leg, std::string_view method, std::string_view uri,
                                          std::string_view body);
  [[nodiscard]] static sip::DigestCredentials credentials_of(const config::Peer& peer);
  [[nodiscard]] static bool is_challenge(const sip::MessageView& response);
  // A 401 or 407 that the credentials of the peer answer: the request is worth sending again.
  [[nodiscard]] bool answers_challenge(sip::Authenticator& authenticator, config::PeerIndex peer,
                                       const sip::MessageView& response) const;
  [[nodiscard]] bool answers_challenge(Leg& leg, const sip::MessageView& response);
  // True when the INVITE or the request inside the dialog has gone out once more.
  [[nodiscard]] bool invited_again(Leg& leg, const sip::MessageView& response);
  [[nodiscard]] bool relayed_again(Leg& leg, Relay& relay, const sip::MessageView& response);
  struct SentAgain {
    sip::ClientId client;
    std::uint32_t cseq = 0;
  };
  // The same of a request of ours inside a dialog of that leg: nothing of it is kept but its transaction.
  std::optional<SentAgain> sent_again(Leg& leg, sip::ClientId id, const sip::MessageView& response,
                                      std::uint64_t token);
  struct OnceMore {
    sip::Authenticator& authenticator;
    config::PeerIndex peer;
    std::uint32_t cseq;
    std::uint64_t token;
  };
  std::optional<SentAgain> send_once_more(const sip::MessageView& sent, const OnceMore& how);
  void on_stray_response(sip::ClientId id, std::uint64_t token, const sip::MessageView& response);

  // ---- redirect.cc
  // A 3xx that is not the response map's alone: its Contacts are tried, or it is a local error.
  [[nodiscard]] bool redirected(Leg& leg, const sip::MessageView& response);
  // Its Contacts as the caller may see them: the numbers at our own host, so that he calls us again.
  [[nodiscard]] std::string passed_contacts(const Leg& leg, const std::vector<std::string>& fields) const;
  // The URI that is called on that leg, in the numbers of its peer.
  [[nodiscard]] std::string called_uri(const Leg& leg) const;

  // ---- response.cc
  void on_invite_response(Leg& leg, const sip::MessageView& response);
  void on_success(Leg& leg, const sip::MessageView& response);
  // The 2xx may go to the caller.
  void finish_success(Leg& leg, const sip::MessageView& response);
  [[nodiscard]] bool confirm_dialog(Leg& leg, const sip::MessageView& response);
  [[nodiscard]] static bool has_open_offer(const Call& call);
  [[nodiscard]] static bool waits_for_offer(const Leg& leg);
  void end_lost_offers(const Leg& leg, std::string_view winner);
  void on_rejected(Leg& leg, const sip::MessageView& response);
  // A 2xx to an INVITE that no leg waits for, of another fork: ACK and BYE.
  void end_fork(sip::ClientId id, const sip::MessageView& response);
  [[nodiscard]] std::optional<sip::Dialog> acknowledge_stray(sip::ClientId id,
                                                             const sip::MessageView& response);
  // The SDP of a response on leg B, for the caller; nullopt: it was refused, and the call is being ended.
  [[nodiscard]] std::optional<std::string> cross_body(Leg& leg, const sip::MessageView& response);
  // The call fails on what the target's SDP says, or does not say.
  void refuse_answer(Leg& leg, response_map::LocalError error);
  void answer_caller(Leg& leg, const sip::MessageView& response, std::string body);
  [[nodiscard]] std::string response_headers(const Leg& to, const sip::MessageView& response,
                                             std::string& sdp);
  // An attempt is over without an answer: the next target, or the caller hears of it.
  void attempt_failed(Leg& leg, response_map::Input failure);
  void refuse_caller(Call& call, const response_map::Verdict& verdict);
  // What the response map needs to know of a response that goes from `leg` to the leg of peer `to`.
  [[nodiscard]] response_map::Input heard(const Leg& leg, config::PeerIndex to,
                                          const sip::MessageView& response) const;
  void note_answered(Leg& leg, std::uint16_t received, std::uint16_t sent);
  // `brought`: the ACK that crosses, with the session description that `sdp` stands for; its other parts
  // cross too.
  void send_ack(Leg& leg, sip::ClientId invite, std::uint32_t cseq, std::string_view to_tag,
                std::string_view sdp, const sip::MessageView* brought = nullptr);
  static void count_mapped(stats::PairStatistics& counters, const response_map::Verdict& verdict);

  // ---- provisional.cc
  // An INVITE on its way through: `asker` has sent it to us, `answerer` has got it from us.
  struct InviteCrossing {
    Leg& asker;
    Leg& answerer;
    sip::ServerId server;
    sip::ClientId client;
    std::uint32_t server_cseq = 0;
    bool is_first = true;  // it began the call
    bool has_offer = false;
  };
  struct EarlySdp {
    std::string body;     // for the asker
    bool offers = false;  // it is an offer
  };
  void on_provisional(Leg& leg, const sip::MessageView& response);
  void open_early_dialog(Leg& leg, const sip::MessageView& response);
  void choose_fork(Leg& leg, std::string_view remote_tag);
  [[nodiscard]] static bool is_next_reliable(InviteDialog& dialog, std::uint32_t rseq);
  void cross_provisional(const InviteCrossing& crossing, const sip::MessageView& response);
  void note_ringing(Leg& leg);
  void forward_provisional(const InviteCrossing& crossing, const response_map::Verdict& verdict,
                           const sip::MessageView& response, EarlySdp sdp, std::optional<OwedPrack> owed);
  [[nodiscard]] std::optional<EarlySdp> cross_early_sdp(const InviteCrossing& crossing,
                                                        const sip::MessageView& response, bool reliable);
  void refuse_early_sdp(const InviteCrossing& crossing, const media::MediaError& fault);
  void on_early_dialog_terminated(const InviteCrossing& crossing, const sip::MessageView& response,
                                  const std::optional<OwedPrack>& owed);
  bool apply_fork_sdp(Leg& leg);

  // ---- other_offer.cc: offers of further forks to an INVITE without SDP
  // That response brings one.
  [[nodiscard]] bool is_other_offer(Leg& leg, const sip::MessageView& response);
  // The answer for it.
  [[nodiscard]] std::string answer_other_offer(Leg& leg, const sip::MessageView& response);
  // The leg speaks with a dialog whose streams are inactive: it is offered what the caller has said.
  void activate(Leg& leg, std::string_view said);
  // Supported, Require and Allow of what the leg has said.
  void note_100rel(Leg& leg, const sip::MessageView& invite);
  void note_capabilities(Leg& leg, const sip::MessageView& message);

  // ---- reliable.cc: reliable provisional responses to the leg's INVITE
  ReliableAction reliable_event(Leg& leg, ReliableEvent event);
  void begin_reliable(Leg& leg, sip::ServerId invite, std::uint32_t cseq);
  void send_reliably(Leg& leg, sip::ServerId invite, std::uint32_t cseq, ReliableResponse response);
  void transmit_reliably(Leg& leg);
  void repeat_reliably(Leg& leg);
  void stop_reliable(Leg& leg);
  void reliable_final(Leg& leg, sip::ServerId invite);
  void on_reliable_timer(Leg& leg, ReliableEvent event);
  void reject_unacknowledged(Leg& leg);
  [[nodiscard]] bool holds_success(const Leg& leg, sip::ServerId invite) const;
  [[nodiscard]] bool is_answered_reliably(const Leg& leg) const;

  // ---- prack.cc
  // The dialog of the leg with that tag of the far end's, an early one of a fork too.
  [[nodiscard]] static sip::Dialog* dialog_with(Leg& leg, std::string_view remote_tag);
  [[nodiscard]] static InviteDialog* invite_dialog(Leg& leg, std::string_view remote_tag);
  // `relay`: the request that waits for its answer, if one does. `brought`: the PRACK that crosses, if one
  // does.
  bool send_prack(Leg& leg, const OwedPrack& owed, std::string_view sdp, Relay* relay,
                  const sip::MessageView* brought = nullptr);
  void on_prack(sip::ServerId id, Leg& leg, const sip::MessageView& prack);
  void acknowledge_far_end(sip::ServerId id, Leg& leg, const ReliableResponse& done,
                           const sip::MessageView& prack);
  void take_prack_answer(sip::ServerId id, Leg& leg, const ReliableResponse& done,
                         const sip::MessageView& prack);
  void fail_offer_of_18x(Leg& leg, const media::MediaError& fault);
  void release_held(Leg& leg);

  // ---- refresh.cc: session timers
  void ask_session(Leg& leg, sip::HeaderWriter& out);
  void session_answered(Leg& leg, const sip::MessageView& response);
  [[nodiscard]] bool refused_session(sip::ServerId id, const Leg& leg, const sip::MessageView& request);
  void agree_session(Leg& leg, const sip::MessageView& request, sip::HeaderWriter& out);
  [[nodiscard]] bool raise_session(Leg& leg, const sip::MessageView& response);
  void session_event(Leg& leg, SessionEvent event);
  void stop_session(Leg& leg);
  void send_refresh(Leg& leg);
  // UPDATE or re-INVITE of ours that tells the leg of the session as it stands.
  [[nodiscard]] std::optional<sip::ClientId> send_session(Leg& leg, sip::Method method,
                                                          const std::string& body, Purpose purpose);
  // RFC 3261 14.1: how long to wait after a 491.
  [[nodiscard]] Nanoseconds glare_pause(const Leg& leg);
  void on_refresh_response(Leg& leg, sip::ClientId id, const sip::MessageView& response);
  void on_refresh_failure(Leg& leg, sip::ClientId id, response_map::LocalError error);

  // ---- restore.cc: an answer that the one who asked cannot be given
  void restore_event(Leg& leg, RestoreEvent event);
  // For what is to be written to it.
  [[nodiscard]] Restore& restoring(Leg& leg);
  void put_back(Leg& leg, std::string_view sdp);
  void ask_restored(Leg& leg);
  void bound_restoring(Leg& leg, sip::ClientId id);
  void on_restore_response(Leg& leg, sip::ClientId id, const sip::MessageView& response);
  void on_restore_failure(Leg& leg, sip::ClientId id);
  void undo_relay(Leg& leg, const Relay& relay, const sip::MessageView& response,
                  const media::MediaError& fault);
  void refuse_relay(Leg& leg, const Relay& relay, const media::MediaError& fault);

  // ---- glare.cc
  [[nodiscard]] std::uint16_t glare(const Leg& leg, const Leg& other, sip::Method method,
                                    bool has_offer) const;
  void refuse_glare(sip::ServerId id, std::uint16_t status);

  // ---- hang_up.cc
  // Ends both legs as far as they are up. An ending without a message has the error's Reason.
  void hang_up(Call& call, stats::EndedBy by, response_map::LocalError error, Ending ending = {});
  void hang_up_leg(Leg& leg, const Ending& ending = {});
  [[nodiscard]] Parting parting_from(const Leg& leg, const Ending& ending) const;
  void send_bye(Leg& leg);
  void carry_out(Leg& leg, LegAction action);
  // One step of the leg's machine. The only place where a leg's state changes.
  LegAction step(Leg& leg, LegEvent event);
  void on_bye(sip::ServerId id, Leg& leg, const sip::MessageView& bye);
  // CANCEL, or BYE before the answer.
  void caller_gave_up(Call& call, const sip::MessageView& request);
  void close_media(Call& call);
  void note_end(Call& call, stats::EndedBy by, response_map::LocalError error);

  // ---- paths.cc
  [[nodiscard]] sip::Path dialog_path(const Leg& leg) const;
  [[nodiscard]] sip::Path path_within(const sip::Dialog& dialog, const sip::Path& known) const;
  // Every request of ours but an ACK begins here: over `path`, or where large_path() says.
  [[nodiscard]] std::expected<sip::ClientId, sip::TransactionError> start_request(
      const sip::RequestDraft& draft, config::PeerIndex peer, const sip::Path& path, std::uint64_t token);
  // Where a request to that peer goes that is too large for `path`; nullopt: nowhere else.
  [[nodiscard]] std::optional<sip::Path> large_path(config::PeerIndex peer, const sip::Path& path) const;

  // ---- in_dialog.cc
  void on_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request);
  void relay_request(sip::ServerId id, Leg& leg, const sip::MessageView& request);
  [[nodiscard]] bool refused_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request);
  // 420: it requires what we do not carry (RFC 3261 8.2.2.3).
  [[nodiscard]] bool refused_extension(sip::ServerId id, const Leg& leg, const sip::MessageView& request);
  [[nodiscard]] static bool is_reachable(const Leg* leg);
  // The Contact of a request that is being accepted is its sender's target from now on.
  static void take_target(Leg& leg, const sip::MessageView& request);
  void take_target(Leg& leg, Relay& relay);
  void answer_refresh(sip::ServerId id, Leg& leg, const sip::MessageView& update);
  void send_keepalive(Leg& leg);
  void start_keepalive(Leg& leg);

  // ---- other_in_dialog.cc: INFO, MESSAGE, NOTIFY, SUBSCRIBE, REFER and methods that we do not know
  void on_other_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request);
  [[nodiscard]] bool refused_other(sip::ServerId id, const Leg& leg, const sip::MessageView& request);
  [[nodiscard]] bool refused_package(sip::ServerId id, const Leg& leg, const sip::MessageView& info);
  [[nodiscard]] bool start_other(const Leg& from, Leg& to, Relay& relay, const sip::MessageView& request);
  void on_other_response(Leg& leg, Relay& relay, const sip::MessageView& response);
  void other_refused(Leg& leg, const Relay& relay, const sip::MessageView& response);
  static void note_recv_info(Leg& leg, const sip::MessageView& message);
  void write_event(const Leg& from, const Leg& to, const sip::MessageView& request, sip::HeaderWriter& out);

  // ---- dialog_event.cc
  // The value of an Event field; a dialog that it names and that has no counterpart there is left out.
  [[nodiscard]] std::string event_across(std::string_view event, config::PeerIndex from,
                                         config::PeerIndex to);
  [[nodiscard]] std::optional<DialogId> dialog_across(const DialogId& id, config::PeerIndex from,
                                                      config::PeerIndex to);

  // ---- refer.cc
  [[nodiscard]] bool refused_refer(sip::ServerId id, const Leg& leg, const sip::MessageView& refer);
  [[nodiscard]] bool refused_refer(sip::ServerId id, config::PeerIndex from, const sip::MessageView& refer);
  // False: to a sips URI, and whoever is there could not call us by one.
  [[nodiscard]] bool may_be_referred(const sip::MessageView& refer, const sip::Path& to) const;
  void write_referral(const sip::MessageView& refer, const routing::NumberPath& path, const sip::Path& to,
                      sip::HeaderWriter& out) const;
  // The same dialog in words that say nothing of the side that it is on, where it is one of ours.
  [[nodiscard]] DialogId hidden_dialog(const DialogId& id) const;

  // ---- join.cc: a leg leaves its call and joins another
  struct Stub {
    LegAddress to;
    std::optional<LegAddress> before;  // where the leg had been lent from: another stub, as long as this one
    sip::Timer timer;                  // runs once its dialog is over
  };
  void post(std::uint8_t shard, JoinMessage message);
  void deliver_messages();
  void on_borrow(const Borrow& borrow);
  void on_lent(Lent& lent);
  void on_refused(const Refused& refused);
  void on_keep(const Keep& keep);
  void on_give_back(GiveBack& back);
  void on_release(const Release& release);
  void on_forwarded(const Forwarded& forwarded);
  // The status that refuses it, or 0.
  [[nodiscard]] std::uint16_t why_not_replaced(const Leg& leg, const DialogId& id) const;
  [[nodiscard]] static bool may_be_lent(const Leg& leg);
  [[nodiscard]] LentLeg travelling(const Leg& leg) const;
  void take_over(Leg& leg, LentLeg& lent);
  void give_back(Leg& leg);
  // The far ends of its borrowed legs have agreed.
  void joined(Call& call);
  void borrowed_bye(Leg& leg);
  // It goes back to its call, or will when the far end has answered.
  void return_leg(Leg& leg);
  [[nodiscard]] bool send_join_invite(Leg& leg, const std::string& sdp, Purpose purpose);
  [[nodiscard]] static std::uint64_t key(Handle handle) {
    return std::uint64_t{handle.slot} << 32 | handle.generation;
  }

  // ---- replacing.cc: an INVITE with Replaces
  [[nodiscard]] bool refused_replaces(sip::ServerId id, const sip::MessageView& invite,
                                      config::PeerIndex from);
  // The leg whose dialog it replaces, where that is one of ours.
  [[nodiscard]] std::optional<LegAddress> leg_named(const DialogId& id) const;
  void borrow(Call& call, const LegAddress& replaced, const DialogId& id);
  // Replaces and Referred-By of an INVITE, as the next side may see them.
  static void write_joining(const sip::MessageView& invite, const Crossing& crossing, sip::HeaderWriter& out);
  void invite_borrowed(Leg& leg, const LentLeg& lent);
  void refuse_with(Call& call, std::uint16_t status);

  // ---- pick_up.cc: an INVITE with Replaces of a dialog that rings
  void pick_up(Leg& ringing, const LegAddress& taker);
  [[nodiscard]] bool may_be_picked_up(const Leg& ringing) const;
  void accept_picked_up(Leg& a, const std::string& sdp);
  // His ACK has come.
  void lend_caller(Call& call);

  // ---- transfer.cc: a REFER that we follow
  void follow_refer(sip::ServerId id, Leg& leg, const sip::MessageView& refer);
  [[nodiscard]] Call* new_transfer(Leg& transferor, Leg& transferee, const sip::MessageView& refer);
  void start_transfer(Call& call, const std::optional<DialogId>& replaces);
  [[nodiscard]] std::string transfer_invite(const Transfer& transfer, const Leg& transferor,
                                            const Leg& transferee, unsigned max_forwards) const;
  void keep_invite(Call& call, const std::string& text, const sip::Path& path);
  void notify_transferor(Call& call, std::uint16_t status, std::string_view phrase, bool is_last = false);
  void transfer_answered(Leg& target, const sip::MessageView& response);
  void invite_seat(Leg& seat);
  void leave_seat(Leg& seat);
  void on_seat_response(Leg& seat, const sip::MessageView& response);
  void take_seat(Leg& seat, const sip::MessageView& response);
  void on_seat_failure(Leg& seat, response_map::LocalError error);
  void fail_transfer(Call& call, response_map::LocalError error);
  void end_transfer(Call& call, const response_map::Verdict& verdict);
  void transfer_failed(Call& call, const response_map::Verdict& verdict);
  void cancel_transfer(Call& first);
  // It has asked for a transfer that is still going on.
  [[nodiscard]] bool awaits_transfer(const Leg& leg);
  [[nodiscard]] bool transferor_leaves(Leg& leg);
  void on_notified(Leg& transferor);
  [[nodiscard]] bool own_subscription(sip::ServerId id, const Leg& leg, const sip::MessageView& subscribe);
  [[nodiscard]] Call* first_call(const Call& transfer);

  // ---- relay.cc
  // Makes the request of `relay` for that leg out of `request`, and sends it.
  [[nodiscard]] bool start_relay(Leg& to, Relay& relay, const sip::MessageView& request);
  // Sends it, the first time or once more with credentials.
  [[nodiscard]] bool send_relay(Leg& to, Relay& relay);
  [[nodiscard]] std::expected<std::string, media::MediaError> cross_relay_sdp(
      Leg& leg, Relay& relay, const sip::MessageView& response);
  void withdraw_offer(const Relay& relay);
  void on_relay_response(Leg& leg, sip::ClientId id, const sip::MessageView& response);
  void accepted_for_nobody(Leg& leg, sip::ClientId id, const sip::MessageView& response);
  void on_relay_failure(Leg& leg, sip::ClientId id, sip::ClientFailure failure);
  // Sends it, the first time or once more with credentials.
  void relay_succeeded(Leg& leg, Relay& relay, const sip::MessageView& response);
  // The re-INVITE that a relay has sent to that leg is cancelled; nobody waits for its end.
  void cancel_relay(Leg& leg, sip::ClientId client);
  void relay_refused(Leg& leg, const Relay& relay, const response_map::Verdict& verdict,
                     const FailureFields& said = {});
  void relay_ack(Leg& from, const Relay& relay, const sip::MessageView& ack);
  [[nodiscard]] Relay* find_relay(Call& call, sip::ClientId id);
  [[nodiscard]] static Relay take_relay(Call& call, sip::ClientId id);
  void end_relays(Call& call);
  void on_missing_ack(Leg& leg, sip::ServerId invite);

  // ---- out_of_dialog.cc
  void on_out_of_dialog(sip::ServerId id, const sip::MessageView& request);
  void respond(sip::ServerId id, std::uint16_t status, std::string_view headers = {},
               std::string_view phrase = {});
  // Answers with what the response map makes of a local error, and says with which code: outside of any call,
  // and to a leg of one.
  std::uint16_t refuse(sip::ServerId id, config::PeerIndex to, response_map::LocalError error,
                       std::string_view headers = {}, std::string_view phrase = {});
  std::uint16_t refuse(sip::ServerId id, const Leg& to, response_map::LocalError error,
                       std::string_view headers = {}, std::string_view phrase = {});
  response_map::Verdict refuse_counted(stats::PairStatistics& counters, sip::ServerId id,
                                       config::PeerIndex to, response_map::LocalError error,
                                       std::string_view headers, std::string_view phrase);
  // `peer`: who is told of what he may ask for.
  void write_capabilities(sip::HeaderWriter& out, config::PeerIndex peer) const;
  // Of a REFER outside of any dialog that is not passed on.
  static sip::HeaderWriter& write_outside_allow(sip::HeaderWriter& out);
  void write_allow(sip::HeaderWriter& out, config::PeerIndex peer) const;
  // Warning, Reason and Retry-After of a verdict. The Warning names us as the leg on `path` knows us.
  // `reason`: the peer's, where it is kept.
  [[nodiscard]] static std::string verdict_headers(const response_map::Verdict& verdict,
                                                   const sip::Path& path, std::string_view reason = {});
  // The same, and what the failure's code has to carry. `said`: of the response that the verdict is about.
  enum class Asked : bool { session, other };
  [[nodiscard]] std::string failure_headers(const response_map::Verdict& verdict, const sip::Path& path,
                                            const FailureFields& said, config::PeerIndex to,
                                            Asked asked) const;

  // ---- standalone.cc: MESSAGE, PUBLISH and, by policy, methods that we do not know, outside of any dialog
  void on_standalone(sip::ServerId id, const sip::MessageView& request, config::PeerIndex from);
  [[nodiscard]] bool refused_standalone(sip::ServerId id, const sip::MessageView& request,
                                        config::PeerIndex from);
  // Tries the targets that are left; without any, the sender hears of `failure`.
  void next_standalone(Standalone& one, response_map::Input failure);
  [[nodiscard]] bool send_standalone(Standalone& one, const sip::MessageView& request);
  void on_standalone_response(std::uint64_t token, const sip::MessageView& response);
  void on_standalone_failure(std::uint64_t token, sip::ClientFailure failure);
  void standalone_failed(Standalone& one, response_map::Input failure, const FailureFields& said);
  [[nodiscard]] Standalone* standalone_of(std::uint64_t token);
  [[nodiscard]] std::vector<routing::TargetId> route_request(Standalone& one,
                                                             const sip::MessageView& request);
  // Its path leads to that target now; else what is in the way.
  [[nodiscard]] response_map::LocalError aim(Standalone& one, routing::TargetId target, bool called_by_sips);
  [[nodiscard]] static unsigned hops_left(const sip::MessageView& request);
  void write_own_contact(const sip::Path& path, bool sips, sip::HeaderWriter& out) const;
  void write_credentials(Standalone& one, const sip::MessageView& request, std::string_view uri,
                         sip::HeaderWriter& out);
  [[nodiscard]] bool answers_challenge(Standalone& one, const sip::MessageView& response) const;
  [[nodiscard]] response_map::Input heard_standalone(const Standalone& one, const sip::MessageView& response);
  void refuse_request(sip::ServerId id, const response_map::Verdict& verdict, const FailureFields& said,
                      config::PeerIndex to);

  // ---- subscription.cc
  void on_subscribe(sip::ServerId id, const sip::MessageView& request, config::PeerIndex from);
  void next_subscribe(Subscription& one, response_map::Input failure);
  [[nodiscard]] std::string event_within(const Subscription& one, Side from, std::string_view event);
  [[nodiscard]] bool send_subscribe(Subscription& one, const sip::MessageView& request);
  void on_subscribe_response(Subscription& one, const sip::MessageView& response);
  void refuse_subscribe(Subscription& one, response_map::Input failure, const FailureFields& said);
  void run_subscription(Subscription& one, std::uint32_t seconds);
  void on_in_subscription(sip::ServerId id, const sip::Arrival& arrival);
  [[nodiscard]] bool speaks_for_subscription(const sip::Arrival& arrival);
  [[nodiscard]] bool relay_in_subscription(Subscription& one, Side from, sip::ServerId id,
                                           const sip::MessageView& request);
  // Of a challenge that came before inside that dialog.
  void write_credentials(SubscriptionSide& side, const sip::MessageView& request,
                         sip::HeaderWriter& out) const;
  void answer_across(Subscription& one, sip::ServerId server, Side to, const sip::MessageView& response);
  void on_subscription_response(sip::ClientId id, std::uint64_t token, const sip::MessageView& response);
  void on_subscription_failure(sip::ClientId id, std::uint64_t token, sip::ClientFailure failure);
  void settle_subscription(Subscription& one);
  void end_subscription(std::uint64_t cookie);
  [[nodiscard]] static std::uint64_t subscription_token(const Subscription& one, Side to);
  [[nodiscard]] Subscription* subscription_of(std::uint32_t slot, std::uint32_t generation);

  // ---- media_watch.cc
  void media_changed(const dp::FlowOwner& owner) override;
  [[nodiscard]] media::SilenceVerdict judge_media(const Call& call) const;
  // Looks again when the silence that there is, if any, would have lasted too long.
  void watch_media(Call& call);
  void on_media_timer(Call& call);
  [[nodiscard]] bool ends_call(const Call& call, const media::SilenceVerdict& verdict) const;

  // ---- record.cc
  void write_record(Call& call);
  // What is known of the call's media, into `record`.
  void record_media(const Call& call, stats::CallRecord& record) const;
  void record_stream(const Call& call, media::Leg leg, std::size_t stream, stats::CallRecord& record) const;
  void observe_media(const Call& call, const stats::CallRecord& record);
  void begin_record(stats::CallRecord& record, config::PeerIndex from, const sip::MessageView& invite) const;
  // What the caller hears by that verdict, with those values of Reason.
  void note_verdict(stats::CallRecord& record, const response_map::Verdict& verdict,
                    std::string_view reason) const;
  // The call is up from now on, and its record says so.
  void mark_answered(Call& call);
  // Of an attempt that becomes no call: before it is answered, and when the answer is known.
  [[nodiscard]] stats::CallRecord begin_refused(config::PeerIndex from, const sip::MessageView& invite);
  void end_refused(stats::CallRecord&& record, const response_map::Verdict& verdict);
  // Of an INVITE from a source that no peer matches, before it gets 403.
  void record_unknown(const sip::MessageView& invite);
  // Whether what costs less than its record may have one: at most kMostShedRecords in a second. Else it is
  // counted.
  [[nodiscard]] bool admit_shed_record();
  // As it stands, while the call lives, as soon as the worker has told its counters; and again in
  // `cdr.interim`.
  void write_interim(Call& call);
  void interim_told(Call& call);
  void start_interim(Call& call);
  void hand_over(stats::CallRecord&& record);
  [[nodiscard]] stats::CallRow row_of(const Call& call) const;
  [[nodiscard]] Call* call_named(std::string_view id);  // nullptr: none of this shard

  // ---- observed.cc
  // The leg of this shard with that tag of ours; nullptr: there is none.
  [[nodiscard]] Leg* leg_with(std::string_view tag);
  // Dialogs and timers, into the rows of the call's legs.
  void complete(const Call& call, stats::CallDetail& detail) const;
  // The messages of a call that has failed are kept longer.
  void keep_failed(const Call& call);

  // ---- probe.cc
  void on_probe_result(std::uint64_t token, bool alive);

  // ---- facts
  // The way of numbers, and of all header fields that may cross, from one leg's peer to the other's.
  [[nodiscard]] routing::NumberPath numbers(const Leg& from, const Leg& to) const;
  void pass_to(const Leg& from, const Leg& to, const sip::MessageView& message, sip::HeaderWriter& out) const;
  // The same for a message of ours that stands for `brought` of the other leg, or for none.
  void pass_or_set(const Leg& to, const sip::MessageView* brought, sip::HeaderWriter& out) const;
  [[nodiscard]] sdp::PolicyInput policy_for(const Leg& leg, const sip::MessageView& message) const;
  [[nodiscard]] media::LegMedia media_facts(config::PeerIndex peer, const sip::Path& path,
                                            const IpAddress& source) const;
  [[nodiscard]] std::optional<config::PeerIndex> peer_of(const sip::Path& path) const;
  // Whether a request by that way may be the leg's far end.
  [[nodiscard]] bool speaks_for(const Leg& leg, const sip::Path& path) const;
  // The far end of what began at that time over `first` with that peer.
  struct FarEnd {
    config::PeerIndex peer;
    const sip::Path& first;
    Nanoseconds began_ns;
  };
  [[nodiscard]] bool is_far_end(const FarEnd& whose, const sip::Path& path) const;
  void count_address_policy(config::PeerIndex peer, const media::StreamActions& actions);
  [[nodiscard]] Nanoseconds now() const { return services_.wheel.now_ns(); }
  [[nodiscard]] Nanoseconds wall_now() const { return services_.wall_clock(); }
  // To no peer as long as no INVITE has left for one.
  [[nodiscard]] stats::PairStatistics& pair(const Call& call);
  [[nodiscard]] std::string mint(steer::TokenKind kind, Handle handle) const;

  static constexpr std::string_view kProduct = "Sallyport";
  static constexpr std::string_view kSupported = "100rel, timer, replaces";
  static constexpr std::size_t kMostForks = 16;
  static constexpr std::uint32_t kMostStandalone = 16'384;
  static constexpr std::uint32_t kMostSubscriptions = 65'536;
  static constexpr std::size_t kMostReferrals = 16;  // whose notifications are told apart by id
  static constexpr std::size_t kMostOthers = 64;     // requests of one call that wait for their answers
  static constexpr std::size_t kMostQueued = 32;     // reliable provisional responses that wait
  static constexpr std::uint32_t kNoCall = kNoLeg | 0x03ffffffu;  // the slot in the names of such attempts
  static constexpr unsigned kMostTooSmall = 2;                    // 422s to one request
  static constexpr unsigned kMostShedRecords = 100;

  Services services_;
  sip::TransactionLayer* transactions_ = nullptr;
  sip::Slab<Call> calls_;
  sip::Slab<Leg> legs_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Stub>> stubs_;  // by the leg that was lent for good
  std::deque<JoinMessage> messages_;                                // from this shard to itself
  sip::Slab<Standalone> standalone_{kMostStandalone};
  sip::Slab<Subscription> subscriptions_{kMostSubscriptions};
  std::vector<Handle> touched_;  // calls that may be over
  std::vector<IpAddress> own_addresses_;
  std::vector<HeaderPolicy> headers_;                            // by peer
  std::vector<std::shared_ptr<const sdp::CodecPolicy>> codecs_;  // by peer
  Nanoseconds succeeded_ns_ = 0;                                 // of the last reload
  std::mt19937_64 random_;
  std::uint8_t next_worker_ = 0;
  std::uint32_t refused_ = 0;                   // attempts that became no call and left a record
  Nanoseconds interim_ns_ = 0;                  // cdr.interim, as the calls that are up have it
  Nanoseconds shed_second_ns_ = INT64_MIN / 2;  // since when shed_records_ are counted
  unsigned shed_records_ = 0;
};

}  // namespace sallyport::b2bua

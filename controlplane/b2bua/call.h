// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A call is a caller's leg (A, UAS), the legs of the attempts to reach a callee (B, UAC;
// one at a time is current, others may still be on their way out), and the media session between A and the
// current B. Legs lie in a slab of their own, since the tags and Call-IDs that we mint name a leg: slot and
// generation. A call is freed when its last leg has ended and the workers have confirmed the end of its
// flows; then its record is written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/b2bua/handle.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/join_message.h"
#include "controlplane/b2bua/leg_machine.h"
#include "controlplane/b2bua/reliable.h"
#include "controlplane/b2bua/restore.h"
#include "controlplane/b2bua/session_timer.h"
#include "controlplane/media/media_session.h"
#include "controlplane/media/offer_answer.h"
#include "controlplane/response_map/response_map.h"
#include "controlplane/routing/peer_health.h"
#include "controlplane/routing/redirect.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/dialog.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"
#include "controlplane/stats/call_record.h"
#include "dataplane/base/kept_text.h"
#include "dataplane/base/seldom.h"

namespace sallyport::b2bua {

struct Call;

// Timers of a leg and of a call, by the name that a sip::Timer carries.
enum class CallTimer : std::uint8_t {
  setup,
  ring,
  duration,
  interim_record,
  nat_keepalive,
  reliable_resend,
  reliable_expire,
  session_refresh,
  session_expiry,
  restore,
  stub,
  subscription,
  media
};

// What is known of a dialog while its INVITE goes on, the first or a later one.
struct InviteDialog {
  std::uint32_t rseq = 0;  // of the last reliable provisional response, in order (RFC 3262 4)
  bool settled = false;    // its SDP came reliably: a later one of the same INVITE counts for nothing
  bool inactive = false;   // its offer was answered by us with inactive streams (other_offer.cc)
  sip::StoredMessage sdp;  // the last response that brought SDP
};

// An early dialog of another fork than the one that the leg speaks with (RFC 3261 12.1.2).
struct Fork {
  sip::Dialog dialog;
  InviteDialog invite;
};

// A 2xx of ours to an INVITE without its ACK so far.
struct Unacknowledged {
  std::uint32_t cseq = 0;
  sip::ServerId invite;
};

// A place to try. `redirect`: where a 3xx of `redirected_by` led, instead of a target of the route.
struct Candidate {
  routing::TargetId target;
  std::optional<routing::RedirectTarget> redirect;
  config::PeerIndex redirected_by = config::kNoIndex;
};

// The extensions that our INVITE offers, as its peer wants them after a 420 or 421 (RFC 3261 8.1.3.5).
struct OfferedExtensions {
  std::uint8_t without = 0;   // bits of kOffered in extensions.cc
  std::uint8_t required = 0;  // likewise: to stand in Require too
  bool changed = false;       // once a leg
};

// What our CANCEL or BYE of a leg says beside what belongs to its transaction and dialog.
struct Parting {
  std::string lines;
  std::string content_lines;  // BYE: of `body`
  std::string body;
};

struct Leg {
  Handle handle;
  Call* call = nullptr;
  LegRole role = LegRole::uas;
  LegState state = LegState::inviting;
  config::PeerIndex peer = config::kNoIndex;
  routing::TargetId target;           // UAC
  Seldom<Candidate> redirect;         // UAC: what `target` came from, where a 3xx led there
  KeptText next_host;                 // UAC: of our Request-URI, with port and transport
  sip::Path path;                     // of the INVITE; UAS: where it came from
  bool sips = false;                  // our Contact is a sips URI (RFC 3261 8.1.1.8, 12.1.1)
  sip::ServerId invite_server;        // UAS
  sip::ClientId invite_client;        // UAC
  std::uint32_t invite_cseq = 0;      // of the INVITE, for its ACK
  KeptText tag;                       // ours
  KeptText call_id;                   // of this leg
  KeptText from;                      // UAC: the From value of our INVITE, tag included
  std::optional<sip::Dialog> dialog;  // UAC, early: of the fork whose SDP came last
  InviteDialog dialog_invite;
  std::vector<Fork> forks;       // UAC: the other early dialogs
  bool supports_100rel = false;  // said in the last INVITE from this leg, as is the next
  bool requires_100rel = false;
  bool knows_100rel = false;  // a message from this leg has listed it
  bool supports_199 = false;
  OfferedExtensions extensions;        // UAC
  bool allows_update = false;          // the last Allow from this leg lists UPDATE
  KeptText recv_info;                  // the Info Packages that this leg takes (RFC 6086), comma-separated
  bool changes_fork = false;           // UAC: its 2xx is another fork's than the one that is heard
  bool offer_pending = false;          // it awaits the answer to the offer of its INVITE, reliably
  sip::StoredMessage held;             // UAC: a 2xx that waits for a PRACK, or for the end of an early offer
  std::unique_ptr<Reliable> reliable;  // from the first INVITE with 100rel on
  SessionTimer session;
  Seldom<Restore> restore;  // restoring() makes it
  std::uint16_t last_code = 0;
  bool admitted = false;                       // holds a place of its peer
  bool invited = false;                        // UAC: an INVITE of this call has left on it
  bool attempt_open = false;                   // UAC: counted as an attempt, not yet as answered or failed
  bool heard = false;                          // UAC: a response above 100 has come
  std::vector<Unacknowledged> unacknowledged;  // an ended leg stays until these are acknowledged or given up
  sip::Timer wait;                             // setup, then ring
  sip::Timer keepalive;
  sip::Authenticator authenticator;  // of challenges that its peer sends
  KeptText authorization;            // of our last INVITE: its ACK repeats it (RFC 3261 22.1)
  Seldom<Parting> parting;           // from the hang-up on: a BYE may have to wait for an ACK, or for a 2xx

  // Of a leg that moves between calls (join_message.h). `away`: this one is lent, or waits to be.
  std::optional<LegAddress> away;
  SessionState session_before = SessionState::off;
  // This one is borrowed, until the far end agrees (`joined`) or it goes back.
  std::optional<LegAddress> lender;
  media::OfferAnswer::Origin origin;  // of its SDP, as it came
  bool joined = false;
  bool lost = false;       // the far end has hung up meanwhile
  bool disturbed = false;  // the far end has taken our SDP meanwhile

  [[nodiscard]] bool is_borrowed() const { return lender && !joined; }
  [[nodiscard]] media::Leg side() const { return role == LegRole::uas ? media::Leg::a : media::Leg::b; }
  [[nodiscard]] bool is_up() const { return state == LegState::answered || state == LegState::confirmed; }
  [[nodiscard]] bool is_over() const { return state == LegState::ended; }
  [[nodiscard]] bool may_go() const { return is_over() && unacknowledged.empty(); }
};

// A request inside the dialogs that goes from one leg to the other and waits for its answer.
struct Relay {
  sip::ServerId server;
  sip::ClientId client;
  Handle from;                                    // the leg that sent it to us
  sip::Method method = sip::Method::none;         // of `server`
  sip::Method client_method = sip::Method::none;  // an UPDATE may go on as a re-INVITE, a PRACK as an UPDATE
  std::uint32_t server_cseq = 0;                  // theirs, of `server`
  std::uint32_t client_cseq = 0;                  // ours, of `client`
  bool has_offer = false;                         // the request carried an offer
  bool answered = false;                          // a re-INVITE: 2xx has gone on, the ACK is awaited
  bool ack_waits = false;       // the other leg's ACK waits for this one's: it brings the answer
  std::string to_tag;           // of the dialog that it went on in
  unsigned too_small = 0;       // 422s that it has met
  bool without_100rel = false;  // a 420 has named it
  sip::StoredMessage held;      // a 2xx that waits for the PRACK of the leg that asked
  std::string lines;            // of the request, behind what its dialog and its credentials say
  std::string sdp;              // of its offer
  std::string body;
  unsigned max_forwards = 70;
  bool took_target = false;  // its Contact is the target of the leg that sent it
  bool is_other = false;     // it has nothing to do with the session (other_in_dialog.cc)
  std::string method_text;   // of a method that we do not know
};

// A REFER that went on to the other leg: the `id` of its notifications is its CSeq number, which is another
// one there (RFC 3515 2.4.6).
struct Referral {
  Handle from;                    // the leg that sent it to us
  std::uint32_t server_cseq = 0;  // theirs
  std::uint32_t client_cseq = 0;  // ours
};

// Why a leg is hung up: by a BYE or CANCEL of another leg of its call, which crosses; or with a Reason line
// of ours, if any. Views.
struct Ending {
  const Leg* from = nullptr;
  const sip::MessageView* message = nullptr;
  std::string_view reason = {};
};

// What a call is for that carries out a REFER. Its leg A is the seat of the one who is referred: he stays in
// the first call until the target has answered.
struct Transfer {
  Handle transferor;  // legs of the first call
  Handle transferee;
  std::uint32_t refer_cseq = 0;
  bool numbered = false;  // not his first: the notifications say which (RFC 3515 2.4.6)
  bool silent = false;    // Refer-Sub: false (RFC 4488)
  bool ended = false;     // its final notification has left
  std::string place;      // the URI that he is referred to
  std::string referred_by;
  std::string other_dialog;  // a Replaces value that names no dialog of ours
};

struct Call {
  Handle handle;
  Leg* a = nullptr;
  Leg* b = nullptr;        // the current attempt; null before the first
  std::vector<Leg*> legs;  // all, also of attempts that were given up; freed with the call
  config::PeerIndex from = config::kNoIndex;
  std::vector<Candidate> candidates;
  routing::RedirectTrail trail;
  KeptText redirect_lines;             // Contacts of the last 3xx, for a caller who hears it
  Seldom<FailureFields> refused_with;  // of the last target's final response
  std::size_t next_candidate = 0;
  std::optional<std::size_t> route;  // index into the configuration's routes
  sip::StoredMessage invite;         // the caller's, until it is answered
  std::unique_ptr<media::MediaSession> media;
  std::unique_ptr<media::OfferAnswer> offer_answer;
  std::vector<Relay> relays;
  std::vector<Referral> referrals;
  std::unique_ptr<Transfer> transfer;  // this call carries out a REFER
  Handle carried_out_by;               // of the call that carries out a REFER of this one's
  std::optional<LegAddress> taker;     // it gets leg A as soon as that has its ACK (pick_up.cc)
  bool picked_up = false;              // leg A has been answered for such a one
  bool hangs_up_when_told = false;     // the transferor has still to hear that it is done
  sip::Timer duration;
  sip::Timer interim_record;
  std::unique_ptr<stats::CallRecord> interim;              // it waits for the workers' counters
  Nanoseconds interim_ns = 0;                              // monotonic: the last one's
  sip::Timer media_timer;                                  // silent media
  Nanoseconds hold_since_ns = 0;                           // 0: media flows both ways
  media::Silence reported_silence = media::Silence::none;  // until another kind, or none
  bool admitted = false;
  bool answered = false;       // 2xx has gone to the caller
  bool over = false;           // the caller has a final failure, or a leg was hung up
  bool late_offer = false;     // the INVITE had no SDP
  bool ack_waits = false;      // the 2xx brought an offer: B's ACK waits for A's
  Nanoseconds started_ns = 0;  // monotonic
  Nanoseconds ringing_ns = 0;
  Nanoseconds answered_ns = 0;
  std::uint32_t messages = 0;  // of SIP that have passed, as the recorder counts them
  stats::CallRecord record;

  [[nodiscard]] Leg* other(const Leg& leg) const { return &leg == a ? b : &leg == b ? a : nullptr; }
};

}  // namespace sallyport::b2bua

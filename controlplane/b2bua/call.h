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

#include "controlplane/b2bua/leg_machine.h"
#include "controlplane/media/media_session.h"
#include "controlplane/media/offer_answer.h"
#include "controlplane/response_map/response_map.h"
#include "controlplane/routing/peer_health.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/dialog.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"
#include "controlplane/stats/call_record.h"

namespace sallyport::b2bua {

struct Call;

struct Handle {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const Handle&, const Handle&) = default;
};

// Timers of a leg and of a call, by the name that a sip::Timer carries.
enum class CallTimer : std::uint8_t { setup, ring, duration, nat_keepalive };

// A 2xx of ours to an INVITE without its ACK so far.
struct Unacknowledged {
  std::uint32_t cseq = 0;
  sip::ServerId invite;
};

struct Leg {
  Handle handle;
  Call* call = nullptr;
  LegRole role = LegRole::uas;
  LegState state = LegState::inviting;
  config::PeerIndex peer = config::kNoIndex;
  routing::TargetId target;       // UAC
  sip::Path path;                 // of the INVITE; UAS: where it came from
  sip::ServerId invite_server;    // UAS
  sip::ClientId invite_client;    // UAC
  std::uint32_t invite_cseq = 0;  // of the INVITE, for its ACK
  std::string tag;                // ours
  std::string call_id;            // of this leg
  std::string from;               // UAC: the From value of our INVITE, tag included
  std::optional<sip::Dialog> dialog;
  std::uint16_t last_code = 0;
  bool admitted = false;      // holds a place of its peer
  bool attempt_open = false;  // UAC: counted as an attempt, not yet as answered or failed
  bool heard = false;         // UAC: a response above 100 has come
  std::vector<Unacknowledged> unacknowledged;  // an ended leg stays until these are acknowledged or given up
  sip::Timer wait;            // setup, then ring
  sip::Timer keepalive;
  sip::Authenticator authenticator;  // of challenges that its peer sends
  std::string invite_body;           // UAC whose peer may challenge: of our INVITE, to send it again
  std::string authorization;         // of our last INVITE: its ACK repeats it (RFC 3261 22.1)

  [[nodiscard]] media::Leg side() const { return role == LegRole::uas ? media::Leg::a : media::Leg::b; }
  [[nodiscard]] bool is_over() const { return state == LegState::ended; }
  [[nodiscard]] bool may_go() const { return is_over() && unacknowledged.empty(); }
};

// A request inside the dialogs that goes from one leg to the other and waits for its answer.
struct Relay {
  sip::ServerId server;
  sip::ClientId client;
  Handle from;  // the leg that sent it to us
  sip::Method method = sip::Method::none;
  std::uint32_t server_cseq = 0;  // theirs, of `server`
  std::uint32_t client_cseq = 0;  // ours, of `client`
  bool has_offer = false;         // the request carried an offer
  bool answered = false;          // a re-INVITE: 2xx has gone on, the ACK is awaited
  bool ack_waits = false;         // the other leg's ACK waits for this one's: it brings the answer
  std::string to_tag;             // of that 2xx
  std::string lines;              // of the request, behind what its dialog and its credentials say
  std::string body;
  unsigned max_forwards = 70;
};

struct Call {
  Handle handle;
  Leg* a = nullptr;
  Leg* b = nullptr;        // the current attempt; null before the first
  std::vector<Leg*> legs;  // all, also of attempts that were given up; freed with the call
  config::PeerIndex from = config::kNoIndex;
  std::vector<routing::TargetId> candidates;
  std::size_t next_candidate = 0;
  std::optional<std::size_t> route;  // index into the configuration's routes
  sip::StoredMessage invite;         // the caller's
  std::unique_ptr<media::MediaSession> media;
  std::unique_ptr<media::OfferAnswer> offer_answer;
  std::vector<Relay> relays;
  sip::Timer duration;
  bool admitted = false;
  bool answered = false;       // 2xx has gone to the caller
  bool over = false;           // the caller has a final failure, or a leg was hung up
  bool late_offer = false;     // the INVITE had no SDP: B's ACK waits for A's
  Nanoseconds started_ns = 0;  // monotonic
  Nanoseconds ringing_ns = 0;
  Nanoseconds answered_ns = 0;
  stats::CallRecord record;

  [[nodiscard]] Leg* other(const Leg& leg) const { return &leg == a ? b : &leg == b ? a : nullptr; }
};

}  // namespace sallyport::b2bua

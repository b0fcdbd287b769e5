// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The offer/answer state of one call (RFC 3264), seen from the middle: an offer comes in
// on one leg and goes out, rewritten, on the other; its answer comes back the same way.
//
//              offer(leg)                    answer(other leg)
//     idle ───────────────▶ offered by leg ───────────────────▶ stable ──┐
//                            ▲   │ ▲  └─ answer again: a second answer to  │ offer(leg)
//                            │   │ │     the same offer (18x, then 200)    │
//                            └───┼─┴──────────────────────────────────────┘
//                                └─ withdraw(): the offer was refused, what was agreed before stands (RFC
//                                6141)
//
// The first offer opens ports and flows before it leaves; a later one changes flows only with its answer, so
// the session goes on untouched until then. Each leg has an o= line of its own with a version of its own.
// Forks: until end_forks() the first offer is kept, since another early dialog may answer it once more, also
// after one has done so for good (in a reliable 18x): the media goes to the one that answered last. Where the
// forks make the offers (to an INVITE without SDP) the first one's goes to the other leg; each further one is
// answered with what that leg has said, or, where that does not fit, with all streams inactive.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/media/media_session.h"
#include "dataplane/base/kept_text.h"
#include "sdp_rewriter/address_policy.h"
#include "sdp_rewriter/codec_policy.h"
#include "sdp_rewriter/description.h"
#include "sdp_rewriter/offer_answer.h"
#include "sdp_rewriter/rewrite.h"

namespace sallyport::media {

enum class MediaFault : std::uint8_t {
  sdp,  // cannot be read
  too_many_streams,
  private_address,  // the policy refused a private address
  refused_address,  // loopback, multicast, own address...: refused whatever the policy
  no_codec,         // the codec policy leaves none
  no_ports,
  answer,  // does not fit the offer
  state    // an offer while another one is open, or an answer to none
};

struct MediaError {
  MediaFault fault = MediaFault::sdp;
  std::string detail;  // for a reason phrase or a record
};

// What the policy said of each stream of the last SDP, for counters.
using StreamActions = std::vector<sdp::Action>;

class OfferAnswer {
 public:
  // `session_ids`: for the o= line towards leg A and leg B.
  OfferAnswer(MediaSession& session, std::array<std::uint64_t, 2> session_ids)
      : session_(session), session_id_(session_ids) {}

  // What that leg may say and hear; nullptr: anything.
  void set_codecs(Leg leg, std::shared_ptr<const sdp::CodecPolicy> policy) {
    codecs_[static_cast<std::size_t>(leg)] = std::move(policy);
  }

  enum class State : std::uint8_t { idle, offered, stable };
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool offered_by(Leg leg) const { return state_ == State::offered && open_.from == leg; }

  // An offer from that leg. The text for the other leg, or what is wrong (then nothing has changed).
  [[nodiscard]] std::expected<std::string, MediaError> offer(Leg from, std::string_view body,
                                                             const sdp::PolicyInput& policy,
                                                             Nanoseconds now_ns);
  // The answer from the leg that got the offer. `provisional`: it came in a 18x, so another may follow.
  [[nodiscard]] std::expected<std::string, MediaError> answer(Leg from, std::string_view body,
                                                              const sdp::PolicyInput& policy,
                                                              bool provisional);
  // Another early dialog answers the first offer: its media takes the place of the other's. The text for the
  // offerer, who may be past hearing it.
  [[nodiscard]] std::expected<std::string, MediaError> fork_answer(Leg from, std::string_view body,
                                                                   const sdp::PolicyInput& policy);
  // Another early dialog makes an offer of its own beside the first one's, which the other leg got: the
  // answer for it. `active`: it is what that leg has said last, and the media goes to this dialog now. Else
  // it takes the streams as inactive, for this dialog to be asked once more where it wins. An error: its SDP
  // cannot be taken at all; then nothing has changed.
  struct ForkAnswer {
    std::string text;
    bool active = false;
  };
  [[nodiscard]] std::expected<ForkAnswer, MediaError> fork_offer(Leg from, std::string_view body,
                                                                 const sdp::PolicyInput& policy);
  // The open offer, the first of the call, is answered by us, since nobody else will: with what a 18x has
  // said, else with inactive streams. The text for the offerer. An error: there is none such.
  [[nodiscard]] std::expected<std::string, MediaError> answer_for_nobody();
  // The first offer, of ours to that leg, of no stream (RFC 3264 5): its media comes by a later one. Nothing
  // is to be learnt from the answer, so it counts as given.
  [[nodiscard]] std::string offer_nothing(Leg to);
  // The 2xx has come: no other dialog answers the first offer any more.
  void end_forks();
  // The answer to a refresh of ours that offered what was agreed already (RFC 4028 7.4): only where that leg
  // wants its media may be new. False: it may not be there, or has left a stream; then nothing has changed.
  bool readdress(Leg from, std::string_view body, const sdp::PolicyInput& policy);
  // What is agreed, for a leg that has accepted something else meanwhile: with a version above all that it
  // has been told. nullopt: it knows of more `streams` than are agreed, and none can be taken back (RFC 3264
  // 8).
  [[nodiscard]] std::optional<std::string> restate(Leg to, std::size_t streams);
  // The answer to that offer of `to` that takes none of its streams; empty: it cannot be read.
  [[nodiscard]] std::string rejection(Leg to, std::string_view body);
  // What that leg was told last, and what of it is agreed. Empty: nothing yet.
  [[nodiscard]] std::string told(Leg leg) const { return std::string(told_[index(leg)].text); }
  [[nodiscard]] std::string agreed(Leg leg) const { return std::string(agreed_text(leg)); }
  // What that leg said last, as it came. Empty: nothing yet.
  [[nodiscard]] std::string said(Leg leg) const { return std::string(said_[index(leg)]); }
  // A leg that moves to another call hears of one session all the same (RFC 3264 8): its o= line goes on from
  // what it was told there.
  struct Origin {
    std::uint64_t session_id = 0;
    std::uint64_t version = 0;
  };
  [[nodiscard]] Origin origin(Leg leg) const { return {session_id_[index(leg)], top_version_[index(leg)]}; }
  void continue_origin(Leg leg, const Origin& last);
  // What that leg was told last in this call, or what is agreed of it, as its next version after `last`.
  [[nodiscard]] std::string tell_again(Leg leg, const Origin& last);
  // A 18x has answered the open offer.
  [[nodiscard]] bool has_answer() const { return state_ == State::offered && had_answer_; }
  // The 2xx came without an SDP of its own: what the 18x said holds (RFC 6337 2.2).
  void settle();
  // The open offer was refused.
  void withdraw();
  // The call tries another target before anything was agreed: back to idle.
  void forget();
  // The call tries another target: the answerer's side is forgotten, the offer stays open and is written
  // again for the family that session().leg(other) now has.
  [[nodiscard]] std::expected<std::string, MediaError> offer_again(Nanoseconds now_ns);

  [[nodiscard]] const StreamActions& last_actions() const { return actions_; }
  // What the policy said of that leg's SDP that stands; of the refused one where none was ever taken.
  [[nodiscard]] const StreamActions& actions(Leg leg) const { return judged_[index(leg)]; }
  // The answer of what is agreed, as that leg said or heard it: its codecs are the call's. Empty: nothing is.
  [[nodiscard]] std::string_view answer_of(Leg leg) const;
  [[nodiscard]] bool any_latched(Leg leg) const { return latched_[static_cast<std::size_t>(leg)]; }

 private:
  struct Agreed {
    bool open = false;
    Seldom<std::array<RemoteMedia, 2>> before;  // as the session has it, while another offer is open
  };
  struct Offer {
    std::unique_ptr<sdp::Description> description;
    std::vector<RemoteMedia> media;  // what it says of the offerer
    Leg from = Leg::a;
    bool first = false;
  };
  struct Told {
    KeptText text;
    std::uint64_t version = 0;
  };
  static constexpr std::size_t index(Leg leg) { return static_cast<std::size_t>(leg); }
  [[nodiscard]] std::expected<sdp::Verdict, MediaError> read(Leg from, sdp::Description& into,
                                                             std::string_view body,
                                                             const sdp::PolicyInput& policy);
  [[nodiscard]] bool open_streams(const sdp::Description& offer, Nanoseconds now_ns);
  [[nodiscard]] std::string write(const sdp::Description& description, Leg to, bool is_offer);
  [[nodiscard]] sdp::CodecRules codec_rules(Leg to, bool is_offer) const;
  // Without the choice of codecs.
  [[nodiscard]] sdp::Plan plan_for(const sdp::Description& description, Leg to, std::uint64_t version) const;
  [[nodiscard]] std::string render(const sdp::Description& description, Leg to, bool is_offer,
                                   std::uint64_t version) const;
  // Reads an answer to `offer`, sets the flows by it and writes it for the offerer.
  [[nodiscard]] std::expected<std::string, MediaError> apply(const Offer& offer, std::string_view body,
                                                             const sdp::PolicyInput& policy);
  // What an answer settles, for the flows. `answerers`: what it says of the answerer, by stream.
  void settle_streams(const Offer& offer, const sdp::Description& answer,
                      const std::vector<sdp::NegotiatedStream>& negotiated,
                      const std::vector<RemoteMedia>& answerers);
  // Whether that description answers the offer as it stands: every codec of it is offered by the same number.
  [[nodiscard]] bool fits(const sdp::Description& offered, const sdp::Description& answer) const;
  [[nodiscard]] std::expected<std::string, MediaError> inactive_answer(const sdp::Description& offered,
                                                                       Leg to);
  [[nodiscard]] const KeptText& agreed_text(Leg leg) const {
    return state_ == State::offered ? before_[index(leg)].text : told_[index(leg)].text;
  }
  void close_refused();
  void remember_agreed();
  void keep_remotes();

  MediaSession& session_;
  std::array<std::uint64_t, 2> session_id_;
  std::array<std::shared_ptr<const sdp::CodecPolicy>, 2> codecs_;
  std::array<std::uint64_t, 2> top_version_{};  // the highest that each leg has seen
  std::array<KeptText, 2> said_;
  KeptText said_before_;  // by the one whose offer is open
  std::array<Told, 2> told_;
  std::array<Told, 2> before_;  // told_ as it was before the open offer
  State state_ = State::idle;
  bool had_answer_ = false;  // a provisional answer to the open offer
  bool forks_ = true;        // other dialogs may answer the first offer
  Offer open_;
  Offer first_;                // kept for the other dialogs once it is answered for good
  std::vector<bool> refused_;  // streams, by the last answer
  std::vector<Agreed> agreed_;
  StreamActions actions_;
  std::array<StreamActions, 2> judged_;
  Leg answerer_ = Leg::b;  // of what is agreed
  std::array<bool, 2> latched_{};
};

}  // namespace sallyport::media

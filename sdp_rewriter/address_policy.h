// SPDX-License-Identifier: Apache-2.0
// Theory of operation. `private_media` as a pure function: what to do with each stream of an offer or an
// answer, given the addresses it names and what is known of the packet that brought it. Every address in use
// is judged (each c=, a=rtcp); the strictest verdict is the stream's.
//   always refused: a host name, loopback, multicast, broadcast (also of a subnet of the realm), 0/8 and ::
//   other
//                   than as hold, our own address unless it is an open media port of ours
//   private:        1. in trusted_private: trusted. 2. mode trust, latch, reject. 3. auto: realm, source and
//   SDP address
//                   private and the latter two equal: no_nat; Via or Contact private and the source not:
//                   latched; otherwise rejected
//   public:         public; with `latch: auto` it still latches where far-end NAT is evident
// IPv4-mapped IPv6 addresses count as the IPv4 address inside, in every argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

enum class PrivateMedia : std::uint8_t { automatic, latch, reject, trust };

// RFC 7362; the same meanings as the dataplane's. Media maps one to the other.
enum class LatchMode : std::uint8_t { off, once, same_address, asymmetric };
// `latch:` of a realm.
enum class LatchSetting : std::uint8_t { automatic, off, once, same_address, asymmetric };

// In rising strictness: a stream's action is the highest of its addresses'.
enum class Action : std::uint8_t {
  not_judged,  // port 0
  public_address,
  own_media,       // an open media port of ours: the call passes us twice
  trusted,         // private; the SDP address counts
  no_nat,          // private, and so are we and the source: trusted, counted apart
  latched,         // private; the address is learned from the packets
  hold,            // no address: 0.0.0.0 or ::
  rejected,        // private and not allowed
  rejected_always  // whatever the mode: see Refusal
};

enum class Refusal : std::uint8_t {
  none,
  private_address,
  host_name,
  loopback,
  multicast,
  broadcast,
  unspecified,
  own_address
};

// The line of the policy that decided.
enum class Rule : std::uint8_t {
  port_zero,
  always_refused,
  hold,
  own_open_port,
  public_address,
  trusted_private,  // 1
  mode_trust,       // 2
  mode_latch,
  mode_reject,
  auto_no_nat,  // 3
  auto_far_end_nat,
  auto_otherwise
};

[[nodiscard]] std::string_view name(PrivateMedia mode);
[[nodiscard]] std::string_view name(LatchMode mode);        // "off", "once", "same-address", "asymmetric"
[[nodiscard]] std::string_view name(LatchSetting setting);  // the same and "auto"
[[nodiscard]] std::string_view name(
    Action action);  // the metrics' words: "latched", "rejected", "trusted", "no_nat" ...
[[nodiscard]] std::string_view name(Refusal refusal);
[[nodiscard]] std::string_view name(Rule rule);

// Everything is borrowed for the time of the call.
struct PolicyInput {
  PrivateMedia mode = PrivateMedia::automatic;  // the peer's, or else the realm's
  LatchSetting latch = LatchSetting::automatic;
  std::span<const Prefix> trusted_private;   // the peer's
  std::span<const Prefix> realm_addresses;   // of the leg's realm, with their prefix lengths
  std::span<const IpAddress> own_addresses;  // of every realm; those of realm_addresses count anyway
  IpAddress source;                          // of the packet that brought the SDP
  IpAddress via;                             // top Via's sent-by; none when it is a name
  IpAddress contact;                         // Contact's host; none when absent or a name
  std::function<bool(const Endpoint&)> is_open_media_port;  // empty: none is
};

// A host as it stands in a Via or a URI: IPv6 with or without brackets. A name: Family::none.
[[nodiscard]] IpAddress host_address(std::string_view host);

// The Via's or the Contact's address is private and the packet's source is not.
[[nodiscard]] bool far_end_nat(const PolicyInput& input);

struct StreamVerdict {
  Action action = Action::not_judged;
  Rule rule = Rule::port_zero;
  Refusal refusal = Refusal::none;  // for rejected and rejected_always
  LatchMode latch = LatchMode::off;
  bool decided_by_rtcp = false;  // the address is a=rtcp's, not c='s
  IpAddress address;             // that decided; none for a host name
  std::string_view host;         // its text, a view into the Description

  [[nodiscard]] bool refused() const { return action >= Action::rejected; }
};

struct Verdict {
  std::vector<StreamVerdict> streams;  // one per m=, in order
  std::size_t deciding_stream = 0;     // the first of the strictest; 0 when there is no stream
  bool refused = false;                // one stream or more is refused: the whole SDP is (488)
  bool far_end_nat = false;

  [[nodiscard]] Action action() const {
    return streams.empty() ? Action::not_judged : streams[deciding_stream].action;
  }
};

[[nodiscard]] Verdict judge(const Description& description, const PolicyInput& input);

// `latch` of a stream. An explicit setting wins, except that a stream to be latched is latched (by `once`
// where the setting, off or asymmetric, would send to an address that cannot be reached), that a trusted
// private address (`trusted`, `no_nat`) is taken strictly, and that our own port, a hold and a refused stream
// have nothing to learn. Automatic: once for `latched` and, with far-end NAT, for `public_address`.
[[nodiscard]] LatchMode latch_mode(Action action, bool far_end_nat, LatchSetting setting);

// One line for a log or a record, ASCII: "c= 10.20.0.10 is private (RFC 1918): far-end NAT is evident:
// Via 10.20.0.10, source 198.51.100.2".
[[nodiscard]] std::string reason_text(const StreamVerdict& verdict, const PolicyInput& input);

}  // namespace sallyport::sdp

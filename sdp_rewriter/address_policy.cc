// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/address_policy.h"

#include <algorithm>
#include <optional>

#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {
namespace {

// One address of a stream, as it stands in c= or in a=rtcp.
struct Subject {
  IpAddress address;
  std::uint16_t port = 0;
  std::string_view host;
  bool in_rtcp = false;
  bool hold_allowed = false;  // unspecified means hold here, not nonsense
};

// The arguments with IPv4-mapped addresses taken apart, once per SDP.
struct Facts {
  const PolicyInput& input;
  IpAddress source;
  bool nat = false;
};

bool is_own(const IpAddress& address, const PolicyInput& input) {
  return std::ranges::any_of(input.own_addresses,
                             [&](const auto& own) { return own.unmapped() == address; }) ||
         std::ranges::any_of(input.realm_addresses,
                             [&](const auto& realm) { return realm.address.unmapped() == address; });
}

// The last address of a subnet that one of our realm's addresses is in (RFC 919). A /31 or /32 has none.
bool is_subnet_broadcast(const IpAddress& address, const PolicyInput& input) {
  if (!address.is_v4()) return false;
  return std::ranges::any_of(input.realm_addresses, [&](const Prefix& realm) {
    const Prefix prefix = realm.unmapped();
    if (!prefix.address.is_v4() || prefix.length > 30 || !prefix.contains(address)) return false;
    const std::uint32_t host_bits = 0xffffffffu >> prefix.length;
    return (address.v4_host_order() & host_bits) == host_bits;
  });
}

// 0.0.0.0/8 is "this network" (RFC 1122 3.2.1.3): as little an address as 0.0.0.0 itself.
bool is_unspecified(const IpAddress& address) {
  return address.is_unspecified() || (address.is_v4() && address.bytes()[0] == 0);
}

Refusal always_refused(const Subject& subject, const PolicyInput& input) {
  const IpAddress& address = subject.address;
  if (!address) return Refusal::host_name;
  if (is_unspecified(address)) return Refusal::unspecified;
  if (address.is_loopback()) return Refusal::loopback;
  if (address.is_multicast()) return Refusal::multicast;
  if (address.is_broadcast() || is_subnet_broadcast(address, input)) return Refusal::broadcast;
  return Refusal::none;
}

bool is_trusted(const IpAddress& address, const PolicyInput& input) {
  return std::ranges::any_of(input.trusted_private,
                             [&](const Prefix& prefix) { return prefix.unmapped().contains(address); });
}

bool no_nat_between(const IpAddress& address, const Facts& facts) {
  const bool realm_is_private = std::ranges::any_of(facts.input.realm_addresses, [&](const Prefix& realm) {
    const IpAddress ours = realm.address.unmapped();
    return ours.family() == address.family() && ours.is_private();
  });
  return realm_is_private && facts.source == address;  // equal, so the source is as private as the address
}

StreamVerdict decide(Action action, Rule rule) {
  StreamVerdict verdict{.action = action, .rule = rule};
  if (action == Action::rejected) verdict.refusal = Refusal::private_address;
  return verdict;
}

StreamVerdict judge_private(const IpAddress& address, const Facts& facts) {
  if (is_trusted(address, facts.input)) return decide(Action::trusted, Rule::trusted_private);
  switch (facts.input.mode) {
    case PrivateMedia::trust:
      return decide(Action::trusted, Rule::mode_trust);
    case PrivateMedia::latch:
      return decide(Action::latched, Rule::mode_latch);
    case PrivateMedia::reject:
      return decide(Action::rejected, Rule::mode_reject);
    case PrivateMedia::automatic:
      break;
  }
  if (no_nat_between(address, facts)) return decide(Action::no_nat, Rule::auto_no_nat);
  if (facts.nat) return decide(Action::latched, Rule::auto_far_end_nat);
  return decide(Action::rejected, Rule::auto_otherwise);
}

StreamVerdict judge_address(const Subject& subject, const Facts& facts) {
  const PolicyInput& input = facts.input;
  if (subject.hold_allowed && subject.address.is_unspecified()) return decide(Action::hold, Rule::hold);
  if (const Refusal refusal = always_refused(subject, input); refusal != Refusal::none) {
    return {.action = Action::rejected_always, .rule = Rule::always_refused, .refusal = refusal};
  }
  if (is_own(subject.address, input)) {
    if (input.is_open_media_port && input.is_open_media_port({subject.address, subject.port})) {
      return decide(Action::own_media, Rule::own_open_port);
    }
    return {.action = Action::rejected_always, .rule = Rule::always_refused, .refusal = Refusal::own_address};
  }
  if (!subject.address.is_private()) return decide(Action::public_address, Rule::public_address);
  return judge_private(subject.address, facts);
}

void hold_against(const Subject& subject, const Facts& facts, StreamVerdict& strictest) {
  StreamVerdict verdict = judge_address(subject, facts);
  if (verdict.action <= strictest.action) return;
  verdict.decided_by_rtcp = subject.in_rtcp;
  verdict.address = subject.address;
  verdict.host = subject.host;
  strictest = verdict;
}

StreamVerdict judge_stream(const Stream& stream, const Facts& facts) {
  StreamVerdict strictest;
  if (stream.disabled()) return strictest;
  for (const Connection& connection : stream.connections) {
    hold_against({connection.address, stream.port, connection.host, false, true}, facts, strictest);
  }
  if (const auto& rtcp = stream.rtcp_attribute) {
    const Connection& main = stream.connections.front();
    const IpAddress& address = rtcp->has_host ? rtcp->address : main.address;
    // With rtcp-mux "a=rtcp:9 IN IP4 0.0.0.0" says that there is no other RTCP address (RFC 8829 5.2.1).
    const bool hold_allowed = main.address.is_unspecified();
    const bool nothing_said = stream.rtcp_mux && address.is_unspecified();
    const std::string_view host = rtcp->has_host ? rtcp->host : main.host;
    if (!nothing_said) hold_against({address, rtcp->port, host, true, hold_allowed}, facts, strictest);
  }
  strictest.latch = latch_mode(strictest.action, facts.nat, facts.input.latch);
  return strictest;
}

}  // namespace

IpAddress host_address(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return literal(host);
}

bool far_end_nat(const PolicyInput& input) {
  if (!input.source || input.source.unmapped().is_private()) return false;
  return input.via.unmapped().is_private() || input.contact.unmapped().is_private();
}

LatchMode latch_mode(Action action, bool far_end_nat_evident, LatchSetting setting) {
  const bool learns = action == Action::latched;
  switch (action) {
    case Action::not_judged:
    case Action::own_media:
    case Action::hold:
    case Action::rejected:
    case Action::rejected_always:
    case Action::trusted:  // trusted is trusted strictly: what comes from elsewhere must not move it
    case Action::no_nat:
      return LatchMode::off;
    case Action::public_address:
    case Action::latched:
      break;
  }
  switch (setting) {
    case LatchSetting::automatic:
      return learns || (far_end_nat_evident && action == Action::public_address) ? LatchMode::once
                                                                                 : LatchMode::off;
    case LatchSetting::off:
      return learns ? LatchMode::once : LatchMode::off;
    case LatchSetting::once:
      return LatchMode::once;
    case LatchSetting::same_address:
      return LatchMode::same_address;
    case LatchSetting::asymmetric:
      return learns ? LatchMode::once : LatchMode::asymmetric;
  }
  return LatchMode::off;
}

Verdict judge(const Description& description, const PolicyInput& input) {
  const Facts facts{input, input.source.unmapped(), far_end_nat(input)};
  Verdict verdict;
  verdict.far_end_nat = facts.nat;
  verdict.streams.reserve(description.streams().size());
  for (const Stream& stream : description.streams()) {
    verdict.streams.push_back(judge_stream(stream, facts));
    if (verdict.streams.back().action > verdict.action())
      verdict.deciding_stream = verdict.streams.size() - 1;
  }
  verdict.refused = verdict.action() >= Action::rejected;
  return verdict;
}

}  // namespace sallyport::sdp

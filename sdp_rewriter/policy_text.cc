// SPDX-License-Identifier: Apache-2.0
// The policy's words: names of its enums and the reason of a verdict.
#include "sdp_rewriter/address_policy.h"

namespace sallyport::sdp {
namespace {

std::string_view private_kind(const IpAddress& address) {
  if (address.is_v6()) return address.is_link_local() ? "RFC 4291 link-local" : "RFC 4193";
  if (address.is_link_local()) return "RFC 3927";
  return address.bytes()[0] == 100 ? "RFC 6598" : "RFC 1918";
}

std::string_view refusal_text(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "is accepted";
    case Refusal::private_address:
      return "is private";
    case Refusal::host_name:
      return "is a host name, which is always refused";
    case Refusal::loopback:
      return "is a loopback address, which is always refused";
    case Refusal::multicast:
      return "is a multicast address, which is always refused";
    case Refusal::broadcast:
      return "is a broadcast address, which is always refused";
    case Refusal::unspecified:
      return "is unspecified and no hold, which is always refused";
    case Refusal::own_address:
      return "is our own and no open media port of ours, which is always refused";
  }
  return "is unknown";
}

std::string nat_evidence(const PolicyInput& input) {
  const bool by_via = input.via.unmapped().is_private();
  return (by_via ? "Via " + input.via.to_text() : "Contact " + input.contact.to_text()) + ", source " +
         input.source.to_text();
}

std::string rule_text(const StreamVerdict& verdict, const PolicyInput& input) {
  switch (verdict.rule) {
    case Rule::trusted_private:
      return "it is in trusted_private";
    case Rule::mode_trust:
      return "private_media is trust";
    case Rule::mode_latch:
      return "private_media is latch";
    case Rule::mode_reject:
      return "private_media is reject";
    case Rule::auto_no_nat:
      return "we are private too and the packet came from it, so there is no NAT between";
    case Rule::auto_far_end_nat:
      return "far-end NAT is evident: " + nat_evidence(input);
    case Rule::auto_otherwise:
      return "no evidence of far-end NAT, source " + input.source.to_text();
    case Rule::port_zero:
    case Rule::always_refused:
    case Rule::hold:
    case Rule::own_open_port:
    case Rule::public_address:
      break;
  }
  return {};
}

}  // namespace

std::string_view name(PrivateMedia mode) {
  switch (mode) {
    case PrivateMedia::automatic:
      return "auto";
    case PrivateMedia::latch:
      return "latch";
    case PrivateMedia::reject:
      return "reject";
    case PrivateMedia::trust:
      return "trust";
  }
  return "unknown";
}

std::string_view name(LatchMode mode) {
  switch (mode) {
    case LatchMode::off:
      return "off";
    case LatchMode::once:
      return "once";
    case LatchMode::same_address:
      return "same-address";
    case LatchMode::asymmetric:
      return "asymmetric";
  }
  return "unknown";
}

std::string_view name(LatchSetting setting) {
  switch (setting) {
    case LatchSetting::automatic:
      return "auto";
    case LatchSetting::off:
      return "off";
    case LatchSetting::once:
      return "once";
    case LatchSetting::same_address:
      return "same-address";
    case LatchSetting::asymmetric:
      return "asymmetric";
  }
  return "unknown";
}

std::string_view name(Action action) {
  switch (action) {
    case Action::not_judged:
      return "not_judged";
    case Action::public_address:
      return "public";
    case Action::own_media:
      return "own_media";
    case Action::trusted:
      return "trusted";
    case Action::no_nat:
      return "no_nat";
    case Action::latched:
      return "latched";
    case Action::hold:
      return "hold";
    case Action::rejected:
      return "rejected";
    case Action::rejected_always:
      return "rejected_always";
  }
  return "unknown";
}

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "none";
    case Refusal::private_address:
      return "private";
    case Refusal::host_name:
      return "host-name";
    case Refusal::loopback:
      return "loopback";
    case Refusal::multicast:
      return "multicast";
    case Refusal::broadcast:
      return "broadcast";
    case Refusal::unspecified:
      return "unspecified";
    case Refusal::own_address:
      return "own-address";
  }
  return "unknown";
}

std::string_view name(Rule rule) {
  switch (rule) {
    case Rule::port_zero:
      return "port 0";
    case Rule::always_refused:
      return "always refused";
    case Rule::hold:
      return "hold";
    case Rule::own_open_port:
      return "own open media port";
    case Rule::public_address:
      return "public address";
    case Rule::trusted_private:
      return "trusted_private";
    case Rule::mode_trust:
      return "private_media: trust";
    case Rule::mode_latch:
      return "private_media: latch";
    case Rule::mode_reject:
      return "private_media: reject";
    case Rule::auto_no_nat:
      return "private_media: auto, no NAT between";
    case Rule::auto_far_end_nat:
      return "private_media: auto, far-end NAT";
    case Rule::auto_otherwise:
      return "private_media: auto, otherwise";
  }
  return "unknown";
}

std::string reason_text(const StreamVerdict& verdict, const PolicyInput& input) {
  if (verdict.rule == Rule::port_zero) return "port 0: not in use, not judged";
  std::string text(verdict.decided_by_rtcp ? "a=rtcp " : "c= ");
  text.append(verdict.host).append(" ");
  switch (verdict.rule) {
    case Rule::always_refused:
      return text.append(refusal_text(verdict.refusal));
    case Rule::hold:
      return text.append("holds: nothing is sent there");
    case Rule::own_open_port:
      return text.append("is an open media port of ours: the call passes us twice");
    case Rule::public_address:
      return text.append(far_end_nat(input) ? "is public; far-end NAT is evident: " + nat_evidence(input)
                                            : "is public");
    default:
      break;
  }
  text.append("is private (").append(private_kind(verdict.address)).append("): ");
  return text.append(rule_text(verdict, input));
}

}  // namespace sallyport::sdp

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/next_leg.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/sips.h"
#include "controlplane/b2bua/target_uri.h"

namespace sallyport::b2bua {
namespace {

using response_map::Explanation;
using response_map::LocalError;
using routing::Party;

// A message of our own making, read as one that came.
class MadeUp {
 public:
  explicit MadeUp(std::string text)
      : text_(std::move(text)),
        index_(std::make_unique<sip::MessageIndex>()),
        view_{text_, index_.get(), {}} {
    (void)sip::parse(text_, sip::Framing::datagram, *index_);
  }
  MadeUp(const MadeUp&) = delete;
  MadeUp& operator=(const MadeUp&) = delete;
  [[nodiscard]] const sip::MessageView& view() const { return view_; }

 private:
  std::string text_;
  std::unique_ptr<sip::MessageIndex> index_;
  sip::MessageView view_;
};

std::string begun(std::string_view start_line, std::string_view from, std::string_view to) {
  return fmt::format(
      "{}\r\nVia: SIP/2.0/UDP here.invalid;branch=z9hG4bKdry\r\nFrom: <{}>;tag=dry\r\nTo: <{}>\r\n"
      "Call-ID: dry\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n",
      start_line, from, to);
}

constexpr std::string_view kEnd = "Content-Length: 0\r\n\r\n";

// The values of that field in header lines of ours.
std::vector<std::string> values_in(std::string_view lines, std::string_view name) {
  const std::string start = std::string(name) + ": ";
  std::vector<std::string> values;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    if (line.starts_with(start)) values.emplace_back(line.substr(start.size()));
    lines.remove_prefix(std::min(end + 2, lines.size()));
  }
  return values;
}

std::string crossed(const sip::MessageView& message, const Crossing& crossing) {
  std::string lines;
  sip::HeaderWriter out(lines);
  pass_headers(message, crossing, out);
  return lines;
}

// Our address on a leg of that realm, as a URI has it.
std::string own_host(const config::Realm& realm, const IpAddress& far) {
  const IpAddress own = far ? realm.address(far.family()) : realm.addresses.front().address;
  return own.to_uri_text();
}

bool by_sips(const IncomingCall& call, const config::Target& target) {
  return is_sips(call.uri) || is_sips(target.uri);
}

NextLeg next_leg(const config::Config& config, const IncomingCall& call, std::optional<std::size_t> route,
                 const routing::DryRunTarget& target) {
  const config::PeerIndex to = target.step.id.peer;
  const config::Peer& caller = config.peers[call.from];
  const config::Peer& callee = config.peers[to];
  const HeaderPolicy callers(caller), callees(callee);
  const std::string there = own_host(config.realms[callee.realm], target.target.endpoint.address);
  const std::string here = own_host(config.realms[caller.realm], {});
  const Crossing forth{callers, callees, there, {config, call.from, route, to}};
  const Crossing back{callees, callers, here, {config, to, route, call.from, false}};
  NextLeg leg;
  const bool sips = by_sips(call, target.target);
  leg.request_uri = request_uri_for(forth.numbers.uri(Party::called, called_as_sip(call.uri)),
                                    next_host(target.target, sips), sips);
  leg.to = "<" + leg.request_uri + ">";
  const MadeUp invite(begun(fmt::format("INVITE {} SIP/2.0", call.uri), call.calling, call.uri) +
                      fmt::format("P-Asserted-Identity: <{0}>\r\nDiversion: <{0}>\r\n", call.calling) +
                      std::string(kEnd));
  leg.from = crossing_from(invite.view(), forth);
  const std::string lines = crossed(invite.view(), forth);
  leg.asserted = values_in(lines, "P-Asserted-Identity");
  leg.diversion = values_in(lines, "Diversion");
  // Who answers writes his own number as callers' numbers are written there.
  const routing::NumberPath heard_as(config, call.from, std::nullopt, config::kNoIndex);
  const routing::NumberPath written_as(config, config::kNoIndex, route, to);
  const std::string answerer = written_as.uri(Party::calling, heard_as.uri(Party::called, call.uri));
  const MadeUp ok(begun("SIP/2.0 200 OK", call.calling, leg.request_uri) +
                  fmt::format("P-Asserted-Identity: <{}>\r\n", answerer) + std::string(kEnd));
  leg.answered = values_in(crossed(ok.view(), back), "P-Asserted-Identity");
  return leg;
}

std::vector<std::string> lines_of(const NextLeg& leg) {
  std::vector<std::string> lines{"Request-URI: " + leg.request_uri, "To: " + leg.to, "From: " + leg.from};
  const auto add = [&](std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) lines.push_back(fmt::format("{}: none", name));
    for (const std::string& value : values) lines.push_back(fmt::format("{}: {}", name, value));
  };
  add("P-Asserted-Identity", leg.asserted);
  add("Diversion", leg.diversion);
  add("P-Asserted-Identity of an answer", leg.answered);
  return lines;
}

// A name may lead to TLS, unless it says otherwise.
bool may_go(const config::Config& config, const IncomingCall& call, const routing::DryRunTarget& to) {
  const config::Target& target = to.target;
  const bool open = !target.host.empty() && !target.transport_given && !target.secure;
  if (open) return !is_sips(call.uri) || config.realms[config.peers[to.step.id.peer].realm].sip_tls != 0;
  return may_go_by(target.secure ? config::Transport::tls : target.transport, is_sips(call.uri));
}

std::string text_of(const Explanation& refusal) {
  return fmt::format("local error {}, {} {}", refusal.local, refusal.sent, refusal.sent_phrase);
}

}  // namespace

NextLegs next_legs(const config::Config& config, const response_map::Maps& maps, const IncomingCall& call,
                   routing::DryRun& run) {
  NextLegs legs;
  const config::Peer& caller = config.peers[call.from];
  response_map::Input input;
  input.local = LocalError::sips_not_allowed;
  const Explanation refusal = response_map::explain(maps, nullptr, caller, input);
  bool any = false;
  for (routing::DryRunTarget& to : run.targets) {
    NextLegs::Target& target = legs.targets.emplace_back();
    const bool may = may_go(config, call, to);
    any |= may && to.step.tried;
    if (may && !call.calling.empty()) {
      target.leg = next_leg(config, call, run.choice.route, to);
      to.lines = lines_of(*target.leg);
    }
    if (may) continue;
    target.refusal = refusal;
    to.step.tried = false;
    to.refusal = text_of(refusal);
  }
  // Nor does it come by another transport (RFC 5630 3.2).
  const bool at_the_door = is_sips(call.uri) && config.realms[caller.realm].sip_tls == 0;
  if (run.choice.route && (at_the_door || !any)) {
    legs.refusal = refusal;
    run.refusal = text_of(refusal);
  }
  return legs;
}

}  // namespace sallyport::b2bua

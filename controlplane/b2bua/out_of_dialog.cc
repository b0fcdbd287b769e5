// SPDX-License-Identifier: Apache-2.0
// Requests that begin no call: OPTIONS is answered, MESSAGE and its like go on (standalone.cc), everything
// else is refused by name.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/response_map/reason.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {
// REFER is not served to every peer, and outside of a dialog only where it is passed on.
constexpr std::string_view kOutsideToo =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, SUBSCRIBE, PUBLISH";
}  // namespace

void CallManager::respond(sip::ServerId id, std::uint16_t status, std::string_view headers,
                          std::string_view phrase) {
  // A transaction that is gone has nobody left to hear the answer.
  (void)transactions_->respond(id, {.status = status, .phrase = phrase, .headers = headers});
}

std::string CallManager::verdict_headers(const response_map::Verdict& verdict, const sip::Path& path,
                                         std::string_view reason) {
  std::string lines;
  sip::HeaderWriter out(lines);
  if (verdict.warning != 0)
    out.line(HeaderId::warning,
             response_map::warning_value(verdict.warning, path.local.address.to_uri_text()));
  // A kept Reason stands for our own, unless a rule has said another cause. RFC 3326 2: one value a protocol.
  const std::uint8_t kept = response_map::q850_of(reason);
  const bool keeps = !reason.empty() && (kept == 0 || kept == verdict.q850);
  if (keeps) out.line(HeaderId::reason, reason);
  if (verdict.q850 != 0 && !(keeps && kept != 0))
    out.line(HeaderId::reason, response_map::q850_reason(verdict.q850));
  if (verdict.retry_after_s != 0) out.line(HeaderId::retry_after, std::uint64_t{verdict.retry_after_s});
  return lines;
}

std::string CallManager::failure_headers(const response_map::Verdict& verdict, const sip::Path& path,
                                         const FailureFields& said, config::PeerIndex to, Asked asked) const {
  const bool is_about_it = said.code != 0 && said.code == verdict.received;
  const bool same = said.stand(verdict.received, verdict.code);
  std::string lines =
      verdict_headers(verdict, path, same ? std::string_view(said.reason) : std::string_view{});
  if (same) lines += said.lines;
  if (is_about_it) lines += said.listed;
  // RFC 3261 21.4.6, 21.4.13: whoever says so, and by whatever rule, it is what we take that counts on this
  // leg.
  sip::HeaderWriter out(lines);
  if (verdict.code == 405) write_allow(out, to);
  if (verdict.code == 415 && asked == Asked::session) out.line(HeaderId::accept, "application/sdp");
  return lines;
}

std::uint16_t CallManager::refuse(sip::ServerId id, config::PeerIndex to, LocalError error,
                                  std::string_view headers, std::string_view phrase) {
  return refuse_counted(services_.statistics.pair(to, stats::kNone), id, to, error, headers, phrase).code;
}

std::uint16_t CallManager::refuse(sip::ServerId id, const Leg& to, LocalError error, std::string_view headers,
                                  std::string_view phrase) {
  return refuse_counted(pair(*to.call), id, to.peer, error, headers, phrase).code;
}

response_map::Verdict CallManager::refuse_counted(stats::PairStatistics& counters, sip::ServerId id,
                                                  config::PeerIndex to, LocalError error,
                                                  std::string_view headers, std::string_view phrase) {
  response_map::Input input;
  input.local = error;
  input.phrase = phrase;
  input.exhausted = true;
  if (to != config::kNoIndex) input.send = services_.config.peers[to].map_send;
  const response_map::Verdict verdict = services_.maps.map(input);
  const sip::StoredMessage* request = transactions_->request_of(id);
  std::string lines = verdict_headers(verdict, request != nullptr ? request->view().path : sip::Path{});
  lines += headers;
  respond(id, verdict.code, lines, verdict.phrase);
  count_mapped(counters, verdict);
  return verdict;
}

sip::HeaderWriter& CallManager::write_outside_allow(sip::HeaderWriter& out) {
  return out.line(HeaderId::allow, kOutsideToo);
}

void CallManager::write_allow(sip::HeaderWriter& out, config::PeerIndex peer) const {
  const bool refers =
      peer == config::kNoIndex || services_.config.peers[peer].refer != config::ReferMode::refuse;
  out.line(HeaderId::allow, {kOutsideToo, refers ? ", REFER" : ""});
}

void CallManager::write_capabilities(sip::HeaderWriter& out, config::PeerIndex peer) const {
  write_allow(out, peer);
  out.line(HeaderId::accept, "application/sdp");
}

void CallManager::on_out_of_dialog(sip::ServerId id, const sip::MessageView& request) {
  const config::PeerIndex from = peer_of(request.path).value_or(config::kNoIndex);
  std::string lines;
  sip::HeaderWriter out(lines);
  switch (request.method()) {
    case Method::options:
      break;
    case Method::bye:
    case Method::update:
    case Method::info:
    case Method::prack:
    case Method::notify:
      return respond(id, 481);
    case Method::subscribe:
    case Method::refer:
      return on_subscribe(id, request, from);
    case Method::message:
    case Method::publish:
      return on_standalone(id, request, from);
    case Method::other:
      if (from != config::kNoIndex &&
          services_.config.peers[from].unknown_methods == config::UnknownMethods::pass) {
        return on_standalone(id, request, from);
      }
      write_capabilities(out, from);
      return respond(id, 501, lines);
    default:
      write_capabilities(out, from);
      return (void)refuse(id, from, LocalError::method_not_allowed, lines);
  }
  const auto uri = sip::parse_uri(request.request_uri());
  if (!uri || uri->scheme == sip::Scheme::other)
    return (void)refuse(id, from, LocalError::unsupported_scheme);
  if (const std::string tags = unsupported_tags(request); !tags.empty()) {
    out.line(HeaderId::unsupported, tags);
    return (void)refuse(id, from, LocalError::bad_extension, lines);
  }
  if (services_.admission.draining()) return (void)refuse(id, from, LocalError::draining);
  write_capabilities(out, from);
  out.line(HeaderId::supported, "100rel, timer, 199, replaces");
  respond(id, 200, lines);
}

}  // namespace sallyport::b2bua

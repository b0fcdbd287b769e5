// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/dialog.h"

#include <algorithm>

#include "dataplane/sip/uri.h"

namespace sallyport::sip {

namespace {

std::expected<std::string, DialogFault> target_of(const MessageView& message) {
  const auto contact = message.contact();
  if (!contact || contact->uri.empty() || contact->uri == "*")
    return std::unexpected(DialogFault::bad_contact);
  return unfold(contact->uri);
}

std::expected<std::vector<std::string>, DialogFault> routes_of(const MessageView& message) {
  std::vector<std::string> routes;
  bool good = true;
  for_each_value(message, HeaderId::record_route, [&](std::string_view value) {
    const auto route = parse_name_addr(value);
    good = good && route && route->bracketed;
    routes.push_back(unfold(value));
  });
  if (!good) return std::unexpected(DialogFault::bad_route);
  return routes;
}

std::string with_tag(std::string_view party, std::string_view tag) {
  std::string text = unfold(party);
  if (!tag.empty() && tag_of(text).empty()) text.append(";tag=").append(tag);
  return text;
}

// RFC 3261 12.1.1: over TLS with a sips Request-URI.
bool is_secure(const MessageView& request) {
  const auto uri = parse_uri(request.request_uri());
  return uri && uri->scheme == Scheme::sips && request.path.transport == Transport::tls;
}

// Of a sips URI always TLS, whatever its transport parameter says ("tcp", by RFC 3261 26.2.2).
std::optional<Transport> transport_of(const Uri& uri) {
  if (uri.scheme == Scheme::sips) return Transport::tls;
  const auto param = find_param(uri.parameters, "transport");
  if (!param) return std::nullopt;
  for (const Transport transport : {Transport::udp, Transport::tcp, Transport::tls}) {
    if (iequals(param->value, transport_name(transport))) return transport;
  }
  return std::nullopt;
}

std::string_view uri_of(std::string_view route) {
  const auto value = parse_name_addr(route);
  return value ? value->uri : std::string_view{};
}

bool is_sips(std::string_view text) {
  const auto uri = parse_uri(text);
  return uri && uri->scheme == Scheme::sips;
}

}  // namespace

// By its Request-URI, or the way back to its sender: the top Record-Route, without one the Contact.
bool asks_for_sips(const MessageView& request) {
  if (is_sips(request.request_uri())) return true;
  if (request.has(HeaderId::record_route)) {
    ValueReader routes(request.header(HeaderId::record_route));
    return is_sips(uri_of(routes.next().value_or("")));
  }
  const auto contact = request.contact();
  return contact && is_sips(contact->uri);
}

std::expected<Dialog, DialogFault> Dialog::uas(const MessageView& request, std::string_view local_tag) {
  auto target = target_of(request);
  if (!target) return std::unexpected(target.error());
  auto routes = routes_of(request);
  if (!routes) return std::unexpected(routes.error());
  Dialog dialog;
  dialog.call_id_ = request.call_id();
  dialog.local_ = with_tag(request.header(HeaderId::to), local_tag);
  dialog.remote_ = unfold(request.header(HeaderId::from));
  dialog.remote_target_ = std::move(*target);
  dialog.route_set_ = std::move(*routes);
  dialog.remote_cseq_ = request.cseq();
  dialog.secure_ = is_secure(request);
  return dialog;
}

std::expected<Dialog, DialogFault> Dialog::uac(std::string_view from, std::string_view call_id,
                                               const MessageView& response) {
  Dialog dialog;
  dialog.call_id_ = call_id;
  dialog.local_ = unfold(from);
  dialog.remote_ = unfold(response.header(HeaderId::to));
  dialog.local_cseq_ = response.cseq();
  const auto taken = dialog.take_route_and_target(response);
  if (!taken) return std::unexpected(taken.error());
  if (response.status() >= 200) dialog.confirm();
  return dialog;
}

Dialog Dialog::uac_to_source(std::string_view from, std::string_view call_id, const MessageView& response) {
  Dialog dialog;
  dialog.call_id_ = call_id;
  dialog.local_ = unfold(from);
  dialog.local_cseq_ = response.cseq();
  dialog.confirm_to_source(response);
  return dialog;
}

void Dialog::confirm_to_source(const MessageView& response) {
  remote_ = unfold(response.header(HeaderId::to));
  state_ = DialogState::confirmed;
  if (auto routes = routes_of(response)) {
    std::reverse(routes->begin(), routes->end());
    route_set_ = std::move(*routes);
  } else {
    nat_source_ = response.path.remote;
  }
  if (auto target = target_of(response)) {
    remote_target_ = std::move(*target);
  } else if (remote_target_.empty()) {
    remote_target_ =
        ("sip:" + response.path.remote.to_text()).append(transport_param(response.path.transport));
  }
}

// The route set of a UAC is the Record-Route backwards (12.1.2).
std::expected<void, DialogFault> Dialog::take_route_and_target(const MessageView& response) {
  auto routes = routes_of(response);
  if (!routes) return std::unexpected(routes.error());
  auto target = target_of(response);
  // A provisional response may lack the Contact that 12.1.1 asks for; nothing can be sent to it before the
  // 2xx.
  if (!target && (response.status() >= 200 || response.has(HeaderId::contact)))
    return std::unexpected(target.error());
  std::reverse(routes->begin(), routes->end());
  route_set_ = std::move(*routes);
  if (target) remote_target_ = std::move(*target);
  return {};
}

std::expected<void, DialogFault> Dialog::confirm(const MessageView& response) {
  // The tag may be new where the early dialog's response had none (RFC 2543).
  remote_ = unfold(response.header(HeaderId::to));
  state_ = DialogState::confirmed;
  return take_route_and_target(response);
}

std::expected<void, DialogFault> Dialog::accept_request(const MessageView& request) {
  if (request.method() == Method::ack || request.method() == Method::cancel) return {};
  // Retransmissions ended at their transaction, so an equal number is as wrong as a lower one.
  if (remote_cseq_ && request.cseq() <= *remote_cseq_) return std::unexpected(DialogFault::out_of_order);
  remote_cseq_ = request.cseq();
  return {};
}

std::expected<void, DialogFault> Dialog::refresh_target(const MessageView& message) {
  if (!message.has(HeaderId::contact)) return {};
  auto target = target_of(message);
  if (!target) return std::unexpected(target.error());
  remote_target_ = std::move(*target);
  return {};
}

bool Dialog::may_refresh_target(const MessageView& message) {
  return !message.has(HeaderId::contact) || target_of(message).has_value();
}

// A first route without lr is a strict router of RFC 2543: it takes the Request-URI, and the target goes
// last.
bool Dialog::strict_first() const {
  if (route_set_.empty()) return false;
  const auto uri = parse_uri(uri_of(route_set_.front()));
  return uri && !find_param(uri->parameters, "lr");
}

std::string_view Dialog::request_uri() const {
  return strict_first() ? uri_of(route_set_.front()) : std::string_view(remote_target_);
}

void Dialog::write_headers(HeaderWriter& out, Method method, std::uint32_t cseq,
                           unsigned max_forwards) const {
  write_headers(out, method_name(method), cseq, max_forwards);
}

void Dialog::write_headers(HeaderWriter& out, std::string_view method, std::uint32_t cseq,
                           unsigned max_forwards) const {
  const bool strict = strict_first();
  out.line(HeaderId::max_forwards, std::uint64_t{max_forwards});
  for (std::size_t i = strict ? 1 : 0; i < route_set_.size(); ++i) out.line(HeaderId::route, route_set_[i]);
  if (strict) out.line(HeaderId::route, {"<", remote_target_, ">"});
  out.line(HeaderId::from, local_);
  out.line(HeaderId::to, remote_);
  out.line(HeaderId::call_id, call_id_);
  out.line(HeaderId::cseq, {std::to_string(cseq), " ", method});
}

std::string_view Dialog::next_hop_uri() const {
  return route_set_.empty() ? std::string_view(remote_target_) : uri_of(route_set_.front());
}

std::optional<Endpoint> Dialog::next_hop() const {
  if (nat_source_) return nat_source_;
  const auto uri = parse_uri(next_hop_uri());
  if (!uri) return std::nullopt;
  const auto maddr = find_param(uri->parameters, "maddr");  // RFC 3263 4
  const IpAddress address = host_address(maddr ? maddr->value : uri->host);
  if (!address) return std::nullopt;
  const std::uint16_t standard = default_port(transport_of(*uri).value_or(Transport::udp));
  return Endpoint{address, uri->port != 0 ? uri->port : standard};
}

std::optional<Transport> Dialog::next_hop_transport() const {
  const auto uri = parse_uri(next_hop_uri());
  return uri ? transport_of(*uri) : std::nullopt;
}

}  // namespace sallyport::sip

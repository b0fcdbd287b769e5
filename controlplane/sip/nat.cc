// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/nat.h"

#include "dataplane/sip/uri.h"

namespace sallyport::sip {

namespace {

IpAddress via_address(const MessageView& request) {
  const auto via = request.top_via();
  return via ? host_address(via->host) : IpAddress{};
}

IpAddress contact_address(const MessageView& message) {
  const auto contact = message.contact();
  if (!contact) return {};
  const auto uri = parse_uri(contact->uri);
  return uri ? host_address(uri->host) : IpAddress{};
}

}  // namespace

bool via_differs_from_source(const MessageView& request) {
  const IpAddress address = via_address(request);
  return address && address.unmapped() != request.path.remote.address.unmapped();
}

Path response_path(const MessageView& request) {
  Path path = request.path;
  const auto via = request.top_via();
  if (!via) return path;
  const bool to_source = via->has_rport || via_differs_from_source(request);
  if (to_source && !is_reliable(path.transport)) return path;
  path.remote.port = via->port != 0 ? via->port : default_port(path.transport);
  return path;
}

bool far_end_nat(const MessageView& message) {
  if (message.path.remote.address.unmapped().is_private()) return false;
  return (message.is_request() && via_address(message).is_private()) || contact_address(message).is_private();
}

bool nat_evident(const MessageView& message) {
  return (message.is_request() && via_differs_from_source(message)) || far_end_nat(message);
}

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/compose.h"

#include <array>
#include <initializer_list>

#include "controlplane/sip/nat.h"
#include "controlplane/sip/writer.h"

namespace sallyport::sip {

namespace {

std::string_view method_text(const RequestDraft& draft) {
  return draft.method == Method::other ? draft.method_text : method_name(draft.method);
}

// Of a field that should stand once but may not, in a broken request: the first.
void copy_first(HeaderWriter& out, const MessageView& from, HeaderId id) {
  if (from.has(id)) out.line(id, from.header(id));
}

void copy_fields(HeaderWriter& out, const MessageView& from, HeaderId id) {
  for (const HeaderField* field = from.index->find(id); field != nullptr; field = from.index->next(*field)) {
    out.line(id, field->value.in(from.octets));
  }
}

// RFC 3261 18.2.1: received when sent-by is a name or another address; RFC 3581 4: both when rport was asked
// for.
bool wants_received(const MessageView& request, const Via& via) {
  return via.has_rport || !host_address(via.host) || via_differs_from_source(request);
}

// The top Via as we send it back. Whatever the sender said of received and rport is ours to say.
std::string completed_via(const MessageView& request, const Via& via, std::string_view value) {
  std::string out(value.substr(0, static_cast<std::size_t>(via.params.data() - value.data())));
  while (!out.empty() && (trim(std::string_view(out).substr(out.size() - 1)).empty() || out.back() == ';')) {
    out.pop_back();
  }
  ParamReader params(via.params);
  while (const auto param = params.next()) {
    if (iequals(param->name, "received") || iequals(param->name, "rport")) continue;
    out.append(";").append(param->name);
    if (param->has_value) out.append("=").append(param->value);
  }
  if (wants_received(request, via)) out += ";received=" + request.path.remote.address.to_text();
  if (via.has_rport) out += ";rport=" + std::to_string(request.path.remote.port);
  return out;
}

void copy_vias(HeaderWriter& out, const MessageView& request) {
  const HeaderField* field = request.index->find(HeaderId::via);
  if (field == nullptr) return;
  const std::string_view value = field->value.in(request.octets);
  const std::string_view top = request.first_value(HeaderId::via);
  const auto via = parse_via(top);
  if (!via || via->params.empty()) {
    // Nothing to complete or not a Via at all: as it came, and received if that can be said.
    const bool append = via && wants_received(request, *via);
    const std::string received =
        append ? ";received=" + request.path.remote.address.to_text() : std::string();
    out.line(HeaderId::via, {top, received});
  } else {
    out.line(HeaderId::via, completed_via(request, *via, top));
  }
  const std::size_t end = static_cast<std::size_t>(top.data() - value.data()) + top.size();
  const std::size_t comma = value.find(',', end);
  if (comma != std::string_view::npos) out.line(HeaderId::via, trim(value.substr(comma + 1)));
  for (field = request.index->next(*field); field != nullptr; field = request.index->next(*field)) {
    out.line(HeaderId::via, field->value.in(request.octets));
  }
}

void copy_to(HeaderWriter& out, const MessageView& request, std::uint16_t status, std::string_view to_tag) {
  if (!request.has(HeaderId::to)) return;
  const bool add = request.to_tag().empty() && !to_tag.empty() && status != 100;
  out.line(HeaderId::to,
           {request.header(HeaderId::to), add ? ";tag=" : "", add ? to_tag : std::string_view{}});
}

bool creates_dialog(Method method, std::uint16_t status) {
  const bool can = method == Method::invite || method == Method::subscribe || method == Method::refer ||
                   method == Method::notify;
  return can && status > 100 && status < 300;
}

std::string via_for(const Path& path, std::string_view branch) {
  std::string via = "SIP/2.0/";
  via.append(transport_name(path.transport)).append(" ").append(path.local.to_text());
  via.append(";branch=").append(branch).append(is_reliable(path.transport) ? ";rport;alias" : ";rport");
  return via;
}

// The header fields that a CANCEL and an ACK for a non-2xx share with their INVITE (9.1, 17.1.1.3).
void begin_like(MessageWriter& writer, const MessageView& invite, std::string_view method,
                std::string_view to) {
  writer.request_line(method, invite.request_uri());
  HeaderWriter& headers = writer.headers();
  headers.line(HeaderId::via, invite.first_value(HeaderId::via));
  headers.line(HeaderId::max_forwards, std::uint64_t{70});
  copy_fields(headers, invite, HeaderId::route);
  headers.line(HeaderId::from, invite.header(HeaderId::from));
  headers.line(HeaderId::to, to);
  headers.line(HeaderId::call_id, invite.call_id());
  headers.line(HeaderId::cseq, {std::to_string(invite.cseq()), " ", method});
}

}  // namespace

void compose_request(std::string& out, const RequestDraft& draft, const Path& path, std::string_view branch) {
  MessageWriter writer(out);
  writer.request_line(method_text(draft), draft.request_uri);
  writer.headers().line(HeaderId::via, via_for(path, branch));
  writer.headers().raw(draft.headers);
  writer.finish(draft.body);
}

void compose_again(std::string& out, std::string_view request, const Path& path, std::string_view branch) {
  const std::size_t via = request.find("\r\n") + 2;  // the Via stands first (MessageWriter)
  const std::size_t rest = request.find("\r\n", via) + 2;
  out = request.substr(0, via);
  HeaderWriter(out).line(HeaderId::via, via_for(path, branch)).raw(request.substr(rest));
}

void compose_cancel(std::string& out, const MessageView& invite, std::string_view headers) {
  MessageWriter writer(out);
  begin_like(writer, invite, "CANCEL", invite.header(HeaderId::to));
  writer.headers().raw(headers);
  writer.finish({});
}

void compose_ack(std::string& out, const MessageView& invite, std::string_view to) {
  MessageWriter writer(out);
  begin_like(writer, invite, "ACK", to);
  writer.finish({});
}

void compose_response(std::string& out, const MessageView& request, const ResponseDraft& draft,
                      std::string_view to_tag) {
  MessageWriter writer(out);
  writer.status_line(draft.status, draft.phrase);
  HeaderWriter& headers = writer.headers();
  copy_vias(headers, request);
  if (creates_dialog(request.method(), draft.status)) copy_fields(headers, request, HeaderId::record_route);
  copy_first(headers, request, HeaderId::from);
  copy_to(headers, request, draft.status, to_tag);
  copy_first(headers, request, HeaderId::call_id);
  copy_first(headers, request, HeaderId::cseq);
  if (draft.status == 100) copy_first(headers, request, HeaderId::timestamp);
  headers.raw(draft.headers);
  writer.finish(draft.body);
}

std::string stateless_tag(SipHashKey key, const MessageView& request) {
  SipHash hash(key);
  for (const std::string_view part : {request.call_id(), request.from_tag(), request.header(HeaderId::cseq),
                                      request.first_value(HeaderId::via)}) {
    hash.update(part);
    hash.update(std::string_view("\0", 1));
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string tag;
  for (std::uint64_t bits = hash.finish(), i = 0; i < 16; ++i, bits >>= 4) tag += kDigits[bits & 15];
  return tag;
}

}  // namespace sallyport::sip

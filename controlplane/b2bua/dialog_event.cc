// SPDX-License-Identifier: Apache-2.0
// "Event: dialog;call-id=...;to-tag=...;from-tag=..." (RFC 4235 3.2) names one dialog to hear of, in the
// words of the side that it comes from.
#include <algorithm>
#include <utility>

#include "controlplane/b2bua/call_manager.h"
#include "dataplane/sip/params.h"

namespace sallyport::b2bua {
namespace {

std::string_view unquoted(std::string_view value) {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

// Whichever tag is ours names our leg; the dialog on the other leg of its call has ours in the other place
// then, since there it is the far end's that was ours here.
std::optional<DialogId> CallManager::dialog_across(const DialogId& id, config::PeerIndex from,
                                                   config::PeerIndex to) {
  const Leg* called = leg_with(id.to_tag);
  const Leg* leg = called != nullptr ? called : leg_with(id.from_tag);
  const Leg* there = leg != nullptr ? leg->call->other(*leg) : nullptr;
  if (there == nullptr || leg->peer != from || there->peer != to || !leg->dialog || !there->dialog)
    return std::nullopt;
  const std::string_view his = called != nullptr ? id.from_tag : id.to_tag;
  if (leg->dialog->call_id() != id.call_id || leg->dialog->remote_tag() != his) return std::nullopt;
  const sip::Dialog& dialog = *there->dialog;
  DialogId across{.call_id = std::string(dialog.call_id()),
                  .to_tag = std::string(dialog.remote_tag()),
                  .from_tag = std::string(dialog.local_tag())};
  if (called == nullptr) std::swap(across.to_tag, across.from_tag);
  return across;
}

std::string CallManager::event_across(std::string_view event, config::PeerIndex from, config::PeerIndex to) {
  const std::string_view type = sip::trim(event.substr(0, event.find(';')));
  if (!sip::iequals(type, "dialog")) return std::string(event);
  DialogId named;
  std::string out(type);
  sip::ParamReader params(event.substr(std::min(event.find(';'), event.size())));
  while (const auto param = params.next()) {
    if (sip::iequals(param->name, "call-id")) {
      named.call_id = unquoted(param->value);
    } else if (sip::iequals(param->name, "to-tag")) {
      named.to_tag = param->value;
    } else if (sip::iequals(param->name, "from-tag")) {
      named.from_tag = param->value;
    } else {
      out.append(";").append(param->name);
      if (param->has_value) out.append("=").append(param->value);
    }
  }
  // It is quoted, since a Call-ID may hold what a token may not.
  if (const auto across = dialog_across(named, from, to))
    out.append(";call-id=\"" + across->call_id + "\";to-tag=" + across->to_tag +
               ";from-tag=" + across->from_tag);
  return out;
}

}  // namespace sallyport::b2bua

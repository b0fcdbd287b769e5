// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/explain.h"

#include "controlplane/response_map/reason.h"

namespace sallyport::response_map {
namespace {

void line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out.append(name.size() < 10 ? 10 - name.size() : 1, ' ');
  out += value;
  out += '\n';
}

std::string code_and_phrase(unsigned code, std::string_view phrase) {
  return std::to_string(code) + (phrase.empty() ? "" : " ") + std::string(phrase);
}

std::string number_or_dash(unsigned number) {
  return number != 0 ? std::to_string(number) : "-";
}
std::string_view or_dash(std::string_view text) {
  return text.empty() ? "-" : text;
}

template <typename... Fields>
void row(std::string& out, const Fields&... fields) {
  std::string separator;
  ((out += separator, out += fields, separator = "\t"), ...);
  out += '\n';
}

std::string list_codes() {
  std::string out;
  row(out, "code", "phrase", "defined_in", "q850_cause", "to_other_leg", "in_dialog");
  for (const CodeRow& r : code_rows()) {
    std::string treatment(treatment_name(r.treatment));
    if (r.map_to != 0) treatment += ":" + std::to_string(r.map_to);
    row(out, std::to_string(r.code), r.phrase, r.defined_in,
        r.q850_by_warning ? "warning" : number_or_dash(r.q850), treatment, or_dash(ends_name(r.in_dialog)));
  }
  return out;
}

std::string list_vendors() {
  std::string out;
  row(out, "code", "phrase", "meaning", "normalised_code", "q850_cause", "failover");
  for (const VendorRow& r : vendor_rows()) {
    row(out, std::to_string(r.code), r.phrase, r.meaning, std::to_string(r.normalised),
        number_or_dash(r.q850), r.failover ? "yes" : "no");
  }
  return out;
}

std::string list_causes() {
  std::string out;
  row(out, "cause", "name", "sip_status");
  for (const CauseRow& r : cause_rows())
    row(out, std::to_string(r.cause), r.name, number_or_dash(r.sip_status));
  return out;
}

std::string list_warnings() {
  std::string out;
  row(out, "code", "meaning", "q850_cause");
  for (const WarningRow& r : warning_rows())
    row(out, std::to_string(r.code), r.meaning, number_or_dash(r.q850));
  return out;
}

std::string list_local_errors() {
  std::string out;
  row(out, "name", "code", "phrase", "warning", "q850_cause", "failover", "retry_after");
  for (std::size_t i = 1; i < kLocalErrors; ++i) {
    const LocalDefault& r = local_default(static_cast<LocalError>(i));
    row(out, r.name, std::to_string(r.code), r.phrase, number_or_dash(r.warning), number_or_dash(r.q850),
        r.failover ? "yes" : "no", number_or_dash(r.retry_after_s));
  }
  return out;
}

}  // namespace

Explanation explain(const Maps& maps, const config::Peer* from, const config::Peer& to, Input input) {
  input.receive = from != nullptr ? from->map_receive : config::kNoIndex;
  input.send = to.map_send;
  const bool tries_the_next = maps.map(input).failover;
  input.exhausted = true;
  const Verdict verdict = maps.map(input);
  Explanation out;
  if (from != nullptr) out.from = from->name;
  out.to = to.name;
  out.local = local_error_name(verdict.local);
  out.received = verdict.received;
  if (verdict.local == LocalError::none) out.received_phrase = input.phrase;
  out.sent = verdict.code;
  out.sent_phrase = verdict.phrase;
  out.forwarded = verdict.forward;
  out.q850 = verdict.q850;
  if (verdict.q850 != 0) out.reason = q850_reason(verdict.q850);
  out.warning = verdict.warning;
  out.retry_after_s = verdict.retry_after_s;
  out.failover = tries_the_next;
  out.treatment = treatment_name(verdict.treatment);
  out.in_dialog = ends_name(verdict.ends);
  out.rule = verdict.rule_text();
  return out;
}

std::string to_text(const Explanation& e) {
  std::string out;
  if (e.local.empty()) {
    line(out, "received", code_and_phrase(e.received, e.received_phrase) + " from " + e.from);
  } else {
    line(out, "local", e.local);
  }
  const std::string sent = code_and_phrase(e.sent, e.sent_phrase);
  line(out, "sent", e.forwarded ? sent + " to " + e.to : "nothing to " + e.to);
  if (!e.reason.empty()) line(out, "reason", e.reason);
  if (e.warning != 0) line(out, "warning", std::to_string(e.warning));
  if (e.retry_after_s != 0) line(out, "retry", "after " + std::to_string(e.retry_after_s) + "s");
  line(out, "failover", e.failover ? "yes, the next target first" : "no");
  line(out, "treatment", e.treatment);
  line(out, "in dialog", e.in_dialog.empty() ? "ends nothing" : "ends the " + e.in_dialog);
  line(out, "rule", e.rule);
  return out;
}

std::optional<std::string> base_listing(std::string_view name) {
  if (name == "rfc3398") return list_codes();
  if (name == "vendor") return list_vendors();
  if (name == "q850") return list_causes();
  if (name == "warning") return list_warnings();
  if (name == "local") return list_local_errors();
  return std::nullopt;
}

}  // namespace sallyport::response_map

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/tables.h"

#include <algorithm>
#include <array>

#include "controlplane/response_map/local_error.h"
#include "controlplane/response_map/tsv.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::response_map {
namespace {

using tsv::Fields;

constexpr std::string_view kCodeText =
#include "controlplane/response_map/response_codes.inc"
    ;
constexpr std::string_view kVendorText =
#include "controlplane/response_map/vendor_reasons.inc"
    ;
constexpr std::string_view kCauseText =
#include "controlplane/response_map/q850_causes.inc"
    ;
constexpr std::string_view kWarningText =
#include "controlplane/response_map/warning_codes.inc"
    ;
constexpr std::string_view kLocalText =
#include "controlplane/response_map/local_errors.inc"
    ;

constexpr std::array<std::string_view, 9> kTreatments{
    "hop", "pass", "if-supported", "redirect-policy", "auth-policy", "failover", "dialog", "local", "map"};
constexpr std::array<std::string_view, 4> kEnds{"", "transaction", "usage", "dialog"};
constexpr std::array<std::string_view, 4> kStatuses{"current", "deprecated", "obsolete", "reserved"};

template <typename Enum, std::size_t N>
constexpr Enum word(const std::array<std::string_view, N>& words, std::string_view field) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == field) return static_cast<Enum>(i);
  }
  throw std::invalid_argument("not one of the words");
}

constexpr CodeRow read_code(Fields& fields) {
  CodeRow row;
  row.code = fields.number();
  row.phrase = fields.text();
  row.defined_in = fields.text();
  row.status = word<CodeStatus>(kStatuses, fields.text());
  const std::string_view cause = fields.text();
  row.q850_by_warning = cause == "warning";
  row.q850 = row.q850_by_warning ? std::uint8_t{31} : static_cast<std::uint8_t>(Fields::to_number(cause));
  const std::string_view treatment = fields.text();
  const std::size_t colon = treatment.find(':');
  row.treatment = word<Treatment>(kTreatments, treatment.substr(0, colon));
  if (colon != std::string_view::npos) row.map_to = Fields::to_number(treatment.substr(colon + 1));
  row.in_dialog = word<Ends>(kEnds, fields.text());
  row.note = fields.text();
  return row;
}

constexpr VendorRow read_vendor(Fields& fields) {
  VendorRow row;
  row.code = fields.number();
  row.phrase = fields.text();
  row.meaning = fields.text();
  row.normalised = fields.number();
  row.q850 = static_cast<std::uint8_t>(fields.number());
  row.failover = fields.yes_or_no();
  return row;
}

constexpr CauseRow read_cause(Fields& fields) {
  CauseRow row;
  row.cause = static_cast<std::uint8_t>(fields.number());
  row.name = fields.text();
  row.sip_status = fields.number();
  return row;
}

constexpr WarningRow read_warning(Fields& fields) {
  WarningRow row;
  row.code = fields.number();
  row.meaning = fields.text();
  row.q850 = static_cast<std::uint8_t>(fields.number());
  return row;
}

constexpr LocalDefault read_local(Fields& fields) {
  LocalDefault row;
  row.name = fields.text();
  row.code = fields.number();
  row.phrase = fields.text();
  row.warning = fields.number();
  row.q850 = static_cast<std::uint8_t>(fields.number());
  row.failover = fields.yes_or_no();
  row.retry_after_s = fields.number();
  static_cast<void>(fields.text());
  return row;
}

constexpr auto kCodes = tsv::read_rows<CodeRow, tsv::count_rows(kCodeText)>(kCodeText, read_code);
constexpr auto kVendors = tsv::read_rows<VendorRow, tsv::count_rows(kVendorText)>(kVendorText, read_vendor);
constexpr auto kCauses = tsv::read_rows<CauseRow, tsv::count_rows(kCauseText)>(kCauseText, read_cause);
constexpr auto kWarnings =
    tsv::read_rows<WarningRow, tsv::count_rows(kWarningText)>(kWarningText, read_warning);
constexpr auto kLocals = tsv::read_rows<LocalDefault, tsv::count_rows(kLocalText)>(kLocalText, read_local);

// Tables are searched by halves: they stand in order.
static_assert(std::ranges::is_sorted(kCodes, std::ranges::less{}, &CodeRow::code));
static_assert(std::ranges::is_sorted(kVendors, std::ranges::less{}, &VendorRow::code));
static_assert(std::ranges::is_sorted(kCauses, std::ranges::less{}, &CauseRow::cause));
static_assert(std::ranges::is_sorted(kWarnings, std::ranges::less{}, &WarningRow::code));
static_assert(kLocals.size() + 1 == kLocalErrors, "local_errors.inc and enum LocalError differ");

template <typename Rows, typename Key>
constexpr auto find_row(const Rows& rows, unsigned key, Key member) -> decltype(&rows[0]) {
  const auto at = std::ranges::lower_bound(rows, key, std::ranges::less{}, member);
  return at != rows.end() && (*at).*member == key ? &*at : nullptr;
}

constexpr unsigned class_code(unsigned code) {
  if (code < 100 || code > 699) return 502;  // not SIP
  if (code < 200) return 183;
  return code / 100 * 100;
}

}  // namespace

std::string_view treatment_name(Treatment treatment) {
  return kTreatments[static_cast<std::size_t>(treatment)];
}
std::string_view ends_name(Ends ends) {
  return kEnds[static_cast<std::size_t>(ends)];
}

std::span<const CodeRow> code_rows() {
  return kCodes;
}
std::span<const VendorRow> vendor_rows() {
  return kVendors;
}
std::span<const CauseRow> cause_rows() {
  return kCauses;
}
std::span<const WarningRow> warning_rows() {
  return kWarnings;
}

const CodeRow* find_code(unsigned code) {
  return find_row(kCodes, code, &CodeRow::code);
}

const CodeRow& code_row(unsigned code) {
  const CodeRow* row = find_code(code);
  return row != nullptr ? *row : *find_code(class_code(code));
}

const VendorRow* find_vendor(unsigned code, std::string_view phrase) {
  const std::string_view wanted = sip::trim(phrase);
  for (const VendorRow& row :
       std::ranges::equal_range(kVendors, code, std::ranges::less{}, &VendorRow::code)) {
    if (sip::iequals(row.phrase, wanted)) return &row;
  }
  return nullptr;
}

const CauseRow* find_cause(unsigned cause) {
  return find_row(kCauses, cause, &CauseRow::cause);
}
const WarningRow* find_warning(unsigned code) {
  return find_row(kWarnings, code, &WarningRow::code);
}

std::string_view standard_phrase(unsigned code) {
  return code_row(code).phrase;
}

// ---- local errors
// ------------------------------------------------------------------------------------------------

const LocalDefault& local_default(LocalError error) {
  static constexpr LocalDefault kNone;
  const auto n = static_cast<std::size_t>(error);
  return n == 0 || n > kLocals.size() ? kNone : kLocals[n - 1];
}

std::string_view local_error_name(LocalError error) {
  return local_default(error).name;
}

std::optional<LocalError> local_error_from(std::string_view name) {
  for (std::size_t i = 0; i < kLocals.size(); ++i) {
    if (kLocals[i].name == name) return static_cast<LocalError>(i + 1);
  }
  return std::nullopt;
}

}  // namespace sallyport::response_map

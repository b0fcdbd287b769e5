// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/e_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "dataplane/sip/names.h"

namespace sallyport::ops {
namespace {

// Tables I.1 and I.4: G.711 with the concealment of its own Appendix I, G.723.1 and G.729A with silence
// suppression.
struct CodecRow {
  std::string_view encoding;
  Impairment impairment;
};
constexpr std::array<CodecRow, 6> kCodecs{{{"PCMU", {0, 25.1}},
                                           {"PCMA", {0, 25.1}},
                                           {"G729", {11, 19.0}},
                                           {"G729A", {11, 19.0}},
                                           {"G723", {15, 16.1}},
                                           {"GSM-EFR", {5, 10.0}}}};

// The value of a parameter of an fmtp line; empty: it is not there.
std::string_view parameter(std::string_view fmtp, std::string_view name) {
  while (!fmtp.empty()) {
    std::string_view one = fmtp.substr(0, fmtp.find(';'));
    fmtp.remove_prefix(std::min(fmtp.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(' ')));
    const std::size_t sign = one.find('=');
    if (sign == std::string_view::npos || !sip::iequals(one.substr(0, sign), name)) continue;
    return one.substr(sign + 1);
  }
  return {};
}

// Id of a one-way delay (7.4), by default SLR 8, RLR 2, TELR 65, WEPL 110, T = Ta, Tr = 2 Ta.
double delay_impairment(double ta_ms) {
  constexpr double kNo = -61.18;  // of all noise sources at their defaults (7.2)
  constexpr double kRlr = 2, kSlr = 8, kTelr = 65, kWepl = 110;
  const double terv =
      kTelr - 40 * std::log10((1 + ta_ms / 10) / (1 + ta_ms / 150)) + 6 * std::exp(-0.3 * ta_ms * ta_ms);
  const double talker = (-1.5 * (kNo - kRlr) - (80 + 2.5 * (terv - 14))) / 2;
  // Of very little delay the formula makes less than nothing.
  const double idte = std::max(0.0, (talker + std::sqrt(talker * talker + 100) - 1) * (1 - std::exp(-ta_ms)));
  const double ro = 15 - 1.5 * (kSlr + kNo);
  const double listener = (ro - 10.5 * (kWepl + 7) * std::pow(2 * ta_ms + 1, -0.25)) / 2;
  const double idle = listener + std::sqrt(listener * listener + 169);
  double idd = 0;
  if (ta_ms > 100) {
    const double x = std::log2(ta_ms / 100);
    idd = 25 * (std::pow(1 + std::pow(x, 6), 1.0 / 6) - 3 * std::pow(1 + std::pow(x / 3, 6), 1.0 / 6) + 2);
  }
  return idte + idle + idd;
}

}  // namespace

std::optional<Impairment> impairment_of(const sdp::Format& format) {
  if (format.clock_rate != 8000 || format.channels != 1) return std::nullopt;
  // AMR held to 12.2 kbit/s is GSM-EFR (3GPP TS 26.071 4); of its other modes nothing is published.
  if (sip::iequals(format.encoding, "AMR")) {
    if (parameter(format.fmtp, "mode-set") != "7") return std::nullopt;
    return Impairment{5, 10.0};
  }
  // The values are of 6.3 kbit/s; of 5.3 there is no Bpl.
  if (parameter(format.fmtp, "bitrate") == "5.3") return std::nullopt;
  const auto named = [&](const CodecRow& row) { return sip::iequals(row.encoding, format.encoding); };
  const auto row = std::ranges::find_if(kCodecs, named);
  return row != kCodecs.end() ? std::optional(row->impairment) : std::nullopt;
}

std::optional<double> loss_ratio(const dp::FlowCounters& counters) {
  const std::uint64_t expected = counters.packets + counters.lost;
  if (counters.packets == 0) return std::nullopt;
  return static_cast<double>(counters.lost) / static_cast<double>(expected);
}

double estimate_mos(const Impairment& codec, double loss, Nanoseconds one_way_ns) {
  constexpr double kRating = 93.2;  // with all defaults; the Id of no delay is in it
  const double percent = std::clamp(loss, 0.0, 1.0) * 100;
  const double ie_eff = codec.ie + (95 - codec.ie) * percent / (percent + codec.bpl);
  const double ta_ms = static_cast<double>(std::max<Nanoseconds>(one_way_ns, 0)) / kMillisecond;
  const double r = kRating - (delay_impairment(ta_ms) - delay_impairment(0)) - ie_eff;
  if (r <= 0) return 1;
  return std::max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

std::optional<double> mos_of(const stats::MediaRecord& media, const stats::CallRecord& call) {
  const auto loss = loss_ratio(media.counters);
  if (!loss || media.rtcp) return std::nullopt;
  const auto description = sdp::Description::parse(call.answer_sdp[media.leg == 0 ? 0 : 1]);
  if (!description || media.stream >= description->streams().size()) return std::nullopt;
  for (const sdp::Format& format : description->streams()[media.stream].formats) {
    if (format.is_telephone_event() || sip::iequals(format.encoding, "CN")) continue;
    const auto codec = impairment_of(format);
    if (!codec) return std::nullopt;
    return estimate_mos(*codec, *loss, media.counters.rtt_us * kMicrosecond / 2);
  }
  return std::nullopt;
}

}  // namespace sallyport::ops

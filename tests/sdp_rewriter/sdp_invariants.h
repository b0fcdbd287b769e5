// SPDX-License-Identifier: Apache-2.0
// What must hold for any octets whatever; for the fuzzer and for the test that runs its corpus.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sdp_rewriter/codec_policy.h"
#include "sdp_rewriter/dry_run.h"
#include "sdp_rewriter/offer_answer.h"
#include "sdp_rewriter/rewrite.h"

namespace sallyport::sdp {

inline Plan plan_for(const Description& description) {
  const IpAddress ours = IpAddress::v4(0xc0000201);  // 192.0.2.1
  Plan plan{.session_id = 7, .session_version = 3, .address = ours};
  std::uint16_t port = 20000;
  for (std::size_t i = 0; i < description.streams().size(); ++i) {
    plan.streams.push_back(
        {.refused = i % 5 == 4, .local = {ours, port}, .rtcp = {ours, static_cast<std::uint16_t>(port + 3)}});
    port = static_cast<std::uint16_t>(port + 2);
  }
  return plan;
}

// Every view lies within the body; every line is accounted for.
inline const char* broken_views(const Description& d) {
  const auto inside = [&](std::string_view view) {
    return view.empty() ||
           (view.data() >= d.text().data() && view.data() + view.size() <= d.text().data() + d.text().size());
  };
  std::size_t lines = d.session_lines().size();
  std::string whole;
  for (const Line& line : d.lines()) {
    if (!inside(line.text) || !inside(line.end)) return "a line lies outside the body";
    whole.append(line.text).append(line.end);
  }
  if (!d.text().starts_with(whole)) return "the lines are not the body";
  for (const Stream& stream : d.streams()) {
    lines += stream.lines.size();
    if (stream.formats.empty() || stream.lines.empty()) return "a stream without lines or formats";
    for (const Format& format : stream.formats) {
      if (!inside(format.text) || !inside(format.fmtp)) return "a format lies outside the body";
    }
  }
  return lines == d.lines().size() ? nullptr : "a line belongs to nobody";
}

// A rewritten description parses, keeps its streams, names no address but ours, and rewriting it again
// changes nothing.
inline const char* broken_rewrite(const Description& d) {
  const Plan plan = plan_for(d);
  const std::string text = rewrite(d, plan);
  if (text.size() > kMaxBytes || d.lines().size() + 3 * kMaxStreams > kMaxLines)
    return nullptr;  // beyond the limits
  const auto again = Description::parse(text);
  if (!again) return "the rewritten description does not parse";
  if (again->streams().size() != d.streams().size()) return "streams were lost";
  if (again->origin().host != "192.0.2.1") return "the origin is not ours";
  for (std::size_t i = 0; i < d.streams().size(); ++i) {
    const Stream& stream = again->streams()[i];
    const bool in_use = !d.streams()[i].disabled() && !plan.streams[i].refused;
    if (stream.disabled() == in_use) return "a stream changed between in use and not";
    if (in_use && stream.rtp() != plan.streams[i].local) return "an address is not ours";
    if (stream.payload_types() != d.streams()[i].payload_types()) return "formats changed";
    if (in_use && stream.direction != d.streams()[i].effective_direction()) return "the direction changed";
    if (in_use && stream.rtcp_attribute && stream.rtcp() != plan.streams[i].rtcp) return "a=rtcp is not ours";
  }
  if (rewrite(*again, plan_for(*again)) != text) {
    // A refused stream is disabled the second time; nothing else may differ.
    return "rewriting twice differs";
  }
  const std::array<IpAddress, 1> own{plan.address};
  const PolicyInput policy{.mode = PrivateMedia::reject,
                           .own_addresses = own,
                           .is_open_media_port = [](const Endpoint&) { return true; }};
  for (const StreamVerdict& verdict : judge(*again, policy).streams) {
    if (verdict.action != Action::own_media && verdict.action != Action::not_judged)
      return "an address is not our own";
  }
  return check_answer(d, *again) ? nullptr : "the rewritten description does not answer the first";
}

// Under a codec policy: what is left is a part of what was offered, and a second time changes nothing.
inline const char* broken_codecs(const Description& d) {
  const CodecPolicy policy{.remove = {{"PCMU", 0}, {"H264", 0}},
                           .order = {{"PCMA", 8000}, {"telephone-event", 0}}};
  const CodecRules rules{.reader = &policy};
  Plan plan = plan_for(d);
  (void)apply_codecs(d, rules, plan);
  const std::string text = rewrite(d, plan);
  if (text.size() > kMaxBytes || d.lines().size() + 3 * kMaxStreams > kMaxLines) return nullptr;
  const auto again = Description::parse(text);
  if (!again) return "the description with chosen codecs does not parse";
  for (std::size_t i = 0; i < d.streams().size(); ++i) {
    const PayloadTypes before = d.streams()[i].payload_types();
    const PayloadTypes after = again->streams()[i].payload_types();
    if (((after[0] & ~before[0]) | (after[1] & ~before[1])) != 0) return "a format came from nowhere";
    if (again->streams()[i].disabled() || !again->streams()[i].is_rtp()) continue;
    if (choose_codecs(again->streams()[i], rules).changed) return "choosing codecs twice differs";
  }
  return nullptr;
}

// nullptr: all well.
inline const char* broken_invariant(std::string_view body) {
  const auto d = Description::parse(body);
  if (!d) {
    const bool placed = d.error().line >= 1 && d.error().offset <= body.size();
    return placed ? nullptr : "a fault outside the body";
  }
  if (const char* broken = broken_views(*d)) return broken;
  const std::array<Prefix, 2> realm{Prefix{IpAddress::v4(0xc6336401), 24},
                                    Prefix{IpAddress::v4(0x0a000001), 8}};
  for (const auto mode :
       {PrivateMedia::automatic, PrivateMedia::latch, PrivateMedia::reject, PrivateMedia::trust}) {
    const DryRun shown =
        dry_run({.sdp = body,
                 .policy = {.mode = mode, .realm_addresses = realm, .source = IpAddress::v4(0x0a000002)},
                 .local = IpAddress::v4(0xc0000201)});
    if (render(shown).empty() || shown.streams.size() != d->streams().size()) return "the dry run differs";
    if (shown.refused != shown.rewritten.empty()) return "refused and rewritten at once";
  }
  if (const char* broken = broken_codecs(*d)) return broken;
  return broken_rewrite(*d);
}

}  // namespace sallyport::sdp

// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/dry_run.h"

#include "sdp_rewriter/rewrite.h"

namespace sallyport::sdp {
namespace {

// An address that is a name still has to be shown.
std::string endpoint_text(const Endpoint& endpoint, std::string_view host) {
  return endpoint.address ? endpoint.to_text() : std::string(host) + ":" + std::to_string(endpoint.port);
}

std::string rtcp_text(const Stream& stream) {
  const Endpoint rtcp = stream.rtcp();
  if (rtcp.port == 0) return {};
  return endpoint_text(rtcp, stream.rtcp_attribute ? stream.rtcp_attribute->host : std::string_view{});
}

DryRunStream describe(const Stream& stream, const StreamVerdict& verdict, const PolicyInput& policy) {
  DryRunStream shown;
  shown.media = stream.media;
  if (!stream.disabled()) {
    shown.address = endpoint_text(stream.rtp(), stream.connections.front().host);
    shown.rtcp = rtcp_text(stream);
  }
  shown.direction = name(stream.effective_direction());
  shown.action = name(verdict.action);
  shown.rule = name(verdict.rule);
  if (verdict.refused()) shown.refusal = name(verdict.refusal);
  shown.latch = name(verdict.latch);
  shown.reason = reason_text(verdict, policy);
  return shown;
}

Plan make_plan(const Description& description, const DryRunInput& input) {
  Plan plan{.session_id = input.session_id, .session_version = input.session_version, .address = input.local};
  std::uint16_t port = input.first_port;
  for (std::size_t i = 0; i < description.streams().size(); ++i) {
    StreamPlan stream{.local = {input.local, port}};
    if (description.streams()[i].is_rtp()) stream.rtcp = {input.local, static_cast<std::uint16_t>(port + 1)};
    plan.streams.push_back(stream);
    port = static_cast<std::uint16_t>(port + 2);
  }
  return plan;
}

void append_field(std::string& out, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  out.append("  ").append(label).append(10 - label.size(), ' ').append(value).append("\n");
}

void append_stream(std::string& out, const DryRunStream& stream) {
  out.append("stream ").append(std::to_string(stream.index)).append(" ").append(stream.media).append("\n");
  append_field(out, "address", stream.address);
  append_field(out, "rtcp", stream.rtcp);
  append_field(out, "direction", stream.direction);
  append_field(out, "verdict", stream.action);
  append_field(out, "rule", stream.rule);
  append_field(out, "refusal", stream.refusal);
  append_field(out, "latch", stream.latch);
  append_field(out, "reason", stream.reason);
}

void append_sdp(std::string& out, std::string_view sdp) {
  out.append("rewritten\n");
  while (!sdp.empty()) {
    const std::size_t lf = sdp.find('\n');
    std::string_view text = sdp.substr(0, lf);
    sdp = lf == std::string_view::npos ? std::string_view{} : sdp.substr(lf + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    out.append("  ").append(text).append("\n");
  }
}

}  // namespace

DryRun dry_run(const DryRunInput& input) {
  DryRun result;
  const auto description = Description::parse(input.sdp);
  if (!description) {
    result.fault = description.error();
    result.refused = true;
    result.verdict = "not a session description: " + std::string(name(result.fault->fault)) + " in line " +
                     std::to_string(result.fault->line);
    return result;
  }
  const Verdict verdict = judge(*description, input.policy);
  result.refused = verdict.refused;
  result.far_end_nat = verdict.far_end_nat;
  for (std::size_t i = 0; i < verdict.streams.size(); ++i) {
    result.streams.push_back(describe(description->streams()[i], verdict.streams[i], input.policy));
    result.streams.back().index = i;
  }
  // As a call judges: the number of streams before their addresses.
  if (description->streams().size() > kMaxRelayedStreams) {
    result.refused = true;
    result.verdict = "refused: " + std::string(kTooManyRelayedStreams);
    return result;
  }
  result.verdict =
      verdict.refused ? "refused: " + result.streams[verdict.deciding_stream].reason : "accepted";
  if (!verdict.refused) result.rewritten = rewrite(*description, make_plan(*description, input));
  return result;
}

std::string render(const DryRun& result) {
  std::string out;
  for (const DryRunStream& stream : result.streams) append_stream(out, stream);
  out.append("far-end NAT ").append(result.far_end_nat ? "evident" : "not evident").append("\n");
  out.append(result.verdict).append("\n");
  if (!result.rewritten.empty()) append_sdp(out, result.rewritten);
  return out;
}

}  // namespace sallyport::sdp

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/admin_commands.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "controlplane/config/load.h"
#include "controlplane/ops/ask_shards.h"
#include "controlplane/ops/log.h"
#include "controlplane/ops/over_workers.h"
#include "controlplane/ops/trace_json.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;

constexpr std::size_t kLadderBytes = 1 << 20;  // of the messages of one call, on each shard

json refusal(std::string sentence) {
  return {{"error", std::move(sentence)}};
}
double seconds(Nanoseconds ns) {
  return static_cast<double>(ns / kMillisecond) / 1000.0;
}
json endpoint(const Endpoint& value) {
  return value ? json(value.to_text()) : json(nullptr);
}
json number_or_null(unsigned value) {
  return value != 0 ? json(value) : json(nullptr);
}

template <typename F, typename Take>
std::vector<unsigned> ask_all(const AdminSources& sources, F read, Take take) {
  if (sources.shards == nullptr) return {};
  return ask_shards(*sources.shards, sources.shard_timeout, std::move(read), std::move(take));
}

json row_of(const stats::CallRow& row) {
  return {{"id", row.id},
          {"state", row.state},
          {"from", row.from_peer},
          {"to", row.to_peer},
          {"caller", row.caller},
          {"callee", row.callee},
          {"age_seconds", seconds(row.age_ns)},
          {"answered_seconds", row.answered_ns > 0 ? json(seconds(row.answered_ns)) : json(nullptr)},
          {"received", number_or_null(row.received)},
          {"sent", number_or_null(row.sent)}};
}

json leg_of(const stats::LegRow& leg) {
  return {{"role", leg.role},
          {"state", leg.state},
          {"peer", leg.peer},
          {"realm", leg.realm},
          {"call_id", leg.call_id},
          {"local_tag", leg.local_tag},
          {"remote_tag", leg.remote_tag},
          {"local", endpoint(leg.local)},
          {"remote", endpoint(leg.remote)},
          {"code", number_or_null(leg.code)},
          {"dialog", leg.dialog},
          {"local_cseq", number_or_null(leg.local_cseq)},
          {"remote_cseq", number_or_null(leg.remote_cseq)},
          {"remote_target", leg.remote_target}};
}

json timer_of(const stats::TimerRow& timer) {
  return {{"timer", timer.name}, {"of", timer.of}, {"left_seconds", seconds(timer.left_ns)}};
}

json stream_of(const stats::StreamRow& stream) {
  return {{"leg", stream.leg},
          {"stream", stream.stream},
          {"kind", stream.kind},
          {"local", endpoint(stream.local)},
          {"remote", endpoint(stream.remote)},
          {"latch", stream.latch},
          {"slot", stream.slot}};
}

json detail_of(const stats::CallDetail& detail) {
  json out = row_of(detail.row);
  out["legs"] = json::array();
  for (const stats::LegRow& leg : detail.legs) out["legs"].push_back(leg_of(leg));
  out["streams"] = json::array();
  for (const stats::StreamRow& stream : detail.streams) out["streams"].push_back(stream_of(stream));
  out["timers"] = json::array();
  for (const stats::TimerRow& timer : detail.timers) out["timers"].push_back(timer_of(timer));
  out["received_phrase"] = detail.received_phrase;
  out["reason_received"] = detail.reason_received;
  out["sent_phrase"] = detail.sent_phrase;
  out["reason_sent"] = detail.reason_sent;
  out["local"] = detail.local_error;
  out["rule"] = detail.rule;
  return out;
}

json failure_of(const FailedCall& call) {
  return {{"ended_ms", call.ended_ns / kMillisecond},
          {"id", call.id},
          {"from", call.from},
          {"to", call.to},
          {"caller", call.caller},
          {"callee", call.callee},
          {"received", number_or_null(call.received)},
          {"received_phrase", call.received_phrase},
          {"reason_received", call.reason_received},
          {"sent", number_or_null(call.sent)},
          {"sent_phrase", call.phrase},
          {"reason_sent", call.reason_sent},
          {"local", call.local_error},
          {"rule", call.rule}};
}

const char* latch_name(dp::LatchMode mode) {
  switch (mode) {
    case dp::LatchMode::off:
      return "off";
    case dp::LatchMode::once:
      return "once";
    case dp::LatchMode::same_address:
      return "same-address";
    case dp::LatchMode::asymmetric:
      return "asymmetric";
  }
  return "off";
}

const char* kind_name(dp::FlowKind kind) {
  switch (kind) {
    case dp::FlowKind::rtp:
      return "rtp";
    case dp::FlowKind::rtcp:
      return "rtcp";
    case dp::FlowKind::udptl:
      return "udptl";
    case dp::FlowKind::opaque:
      return "opaque";
  }
  return "rtp";
}

json flow_of(const dp::FlowRow& row, const Labels& labels) {
  const dp::FlowSpec& spec = row.spec;
  return {{"slot", spec.self.slot},
          {"generation", spec.self.generation},
          {"pair", spec.pair.slot != dp::kNoSlot ? json(spec.pair.slot) : json(nullptr)},
          {"realm", spec.realm < labels.realms.size() ? labels.realms[spec.realm] : ""},
          {"kind", kind_name(spec.kind)},
          {"local", endpoint(spec.local)},
          {"remote", endpoint(spec.remote)},
          {"latch", latch_name(spec.latch)},
          {"latched", endpoint(row.counters.latched)},
          {"shard", spec.owner.shard},
          {"packets", row.counters.packets},
          {"bytes", row.counters.bytes},
          {"sent_packets", row.counters.sent_packets},
          {"sent_bytes", row.counters.sent_bytes},
          {"dropped", row.counters.dropped},
          {"lost", row.counters.lost},
          {"jitter_ms", row.counters.jitter_us / 1000.0},
          {"rtt_ms", row.counters.rtt_us / 1000.0},
          {"reported_lost", row.counters.reported_lost}};
}

// How each port is steered, and what its device does for us.
json ports_of(const dp::Dataplane& dataplane) {
  json rows = json::array();
  for (std::size_t p = 0; const dp::PortState& port : dataplane.ports()) {
    rows.push_back({{"port", port.port},
                    {"steering", dp::steering_name(port.steering)},
                    {"rules", port.rules},
                    {"handed_over", over_workers(dataplane,
                                                 [p](const dp::WorkerCounters& w) -> const dp::Counter& {
                                                   return w.ports[p].handed_over;
                                                 })},
                    {"mtu", port.mtu},
                    {"node", port.node >= 0 ? json(port.node) : json(nullptr)},
                    {"checks_received", port.receives_checksums},
                    {"checks_sent", port.sends_checksums},
                    {"interrupts", port.interrupts}});
    ++p;
  }
  return rows;
}

}  // namespace

AdminCommands::AdminCommands(AdminSources sources)
    : sources_(std::move(sources)), trace_(sources_.shards, sources_.mirror, sources_.shard_timeout) {}

std::string AdminCommands::handle(std::string_view request) {
  json out;
  try {
    const json parsed = json::parse(request, nullptr, false);
    out = parsed.is_object() ? answer(parsed) : refusal("a request is one JSON object in one line");
  } catch (const std::exception& error) {
    out = refusal(error.what());
  }
  // What came from the network need not be UTF-8.
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

json AdminCommands::answer(const json& request) {
  const std::string command = request.value("command", "");
  if (command == "show") return show(request);
  if (command == "trace") return trace_.answer(request);
  if (command == "drain") return drain(request);
  if (command == "reload") return reload();
  if (command == "log-level") return set_level(request);
  return refusal("no command is named '" + command + "'");
}

json AdminCommands::drain(const json& request) {
  if (!sources_.drain) return refusal("drain is not possible here");
  std::optional<Nanoseconds> limit_ns;
  if (request.contains("limit")) {
    const std::string text = request["limit"].is_string() ? request["limit"].get<std::string>() : "";
    limit_ns = config::parse_duration(text);
    if (!limit_ns) return refusal("a limit is a time like 90s, 10m or 2h, not '" + text + "'");
  }
  const auto done = sources_.drain(limit_ns);
  return done ? json{{"done", *done}} : refusal(done.error());
}

json AdminCommands::reload() {
  if (!sources_.reload) return refusal("reload is not possible here");
  const auto done = sources_.reload();
  if (!done) return refusal(done.error());
  return {{"done", done->text}, {"changed", done->changed}, {"waiting", done->waiting}};
}

json AdminCommands::set_level(const json& request) {
  const std::string name = request.value("level", "");
  const auto level = log_level_named(name);
  if (!level) return refusal("a level is debug, info, warning or error, not '" + name + "'");
  const std::string before(config::to_text(log_level()));
  set_log_level(*level);
  log(*level, "the log's level was changed", {{"before", before}, {"now", name}});
  return {
      {"done", "the log's level is " + name + ", after " + before + "; a reload sets what the file says"}};
}

json AdminCommands::show(const json& request) {
  const std::string what = request.value("what", "");
  if (what == "calls") return show_calls();
  if (what == "call") return show_call(request.value("id", ""));
  if (what == "failures") return show_failures();
  if (what == "peers") return show_peers();
  if (what == "process") return show_process();
  const bool dataplane = what == "flows" || what == "workers" || what == "drops";
  if (!dataplane)
    return refusal("show knows calls, call ID, failures, peers, flows, workers, drops and process, not '" + what +
                   "'");
  if (sources_.dataplane == nullptr) return refusal("there is no dataplane here");
  return what == "flows" ? show_flows() : what == "workers" ? show_workers() : show_drops();
}

json AdminCommands::show_calls() {
  using Answer = std::pair<std::vector<stats::CallRow>, std::size_t>;
  json rows = json::array();
  std::size_t total = 0;
  const auto read = [](stats::ShardView& view) {
    return Answer(view.calls(kMaxRowsShown), view.call_count());
  };
  const auto silent = ask_all(sources_, read, [&](unsigned shard, Answer answer) {
    total += answer.second;
    for (const stats::CallRow& row : answer.first) {
      if (rows.size() >= kMaxRowsShown) break;
      rows.push_back(row_of(row));
      rows.back()["shard"] = shard;
    }
  });
  return {{"calls", std::move(rows)}, {"total", total}, {"not_answering", silent}};
}

json AdminCommands::show_call(const std::string& id) {
  json found;
  const auto read = [id](stats::ShardView& view) { return view.call(id); };
  const auto silent = ask_all(sources_, read, [&](unsigned shard, std::optional<stats::CallDetail> answer) {
    if (!answer) return;
    found = detail_of(*answer);
    found["shard"] = shard;
  });
  const std::vector<trace::Message> messages = messages_of(id);
  if (found.is_null()) found = ended_call(id, !messages.empty());
  if (found.contains("streams")) add_counters(found["streams"]);
  if (!found.is_null()) return {{"call", std::move(found)}, {"ladder", ladder_json(messages)}};
  json out = refusal("there is no call '" + id + "', and no message of it is left");
  if (!silent.empty()) out["not_answering"] = silent;
  return out;
}

// One that has ended is known among the latest failures, or by what the rings have left of it.
json AdminCommands::ended_call(const std::string& id, bool has_messages) const {
  if (sources_.tally != nullptr) {
    for (const FailedCall& call : sources_.tally->failures()) {
      if (call.id != id) continue;
      json out = failure_of(call);
      out["state"] = "failed";
      out["legs"] = json::array();
      out["streams"] = json::array();
      return out;
    }
  }
  return has_messages ? json{{"id", id}, {"state", "ended"}} : json();
}

json AdminCommands::show_failures() const {
  json rows = json::array();
  if (sources_.tally != nullptr) {
    for (const FailedCall& call : sources_.tally->failures()) rows.push_back(failure_of(call));
  }
  return {{"failures", std::move(rows)}};
}

std::vector<trace::Message> AdminCommands::messages_of(const std::string& id) {
  std::vector<trace::Message> messages;
  const auto read = [id](stats::ShardView& view) { return view.ends_of_call(id, kLadderBytes); };
  static_cast<void>(ask_all(sources_, read, [&](unsigned, std::vector<trace::Message> answer) {
    messages.insert(messages.end(), std::make_move_iterator(answer.begin()),
                    std::make_move_iterator(answer.end()));
  }));
  std::ranges::sort(messages, {},
                    [](const trace::Message& one) { return std::pair(one.monotonic_ns, one.sequence); });
  return messages;
}

// What the workers have counted, to the RTP flow of each stream and leg.
void AdminCommands::add_counters(json& streams) const {
  if (sources_.dataplane == nullptr) return;
  std::vector<std::uint32_t> slots;
  for (const json& stream : streams) slots.push_back(stream.at("slot").get<std::uint32_t>());
  std::map<std::uint32_t, dp::FlowCounters> counters;
  for (const dp::FlowRow& row : sources_.dataplane->flows_at(slots)) {
    counters[row.spec.self.slot] = row.counters;
  }
  for (json& stream : streams) {
    const auto found = counters.find(stream.at("slot").get<std::uint32_t>());
    if (found == counters.end()) continue;
    stream["packets"] = found->second.packets;
    stream["sent_packets"] = found->second.sent_packets;
    stream["dropped"] = found->second.dropped;
    stream["lost"] = found->second.lost;
    stream["jitter_ms"] = found->second.jitter_us / 1000.0;
  }
}

json AdminCommands::show_peers() {
  std::vector<stats::PeerRow> merged;
  std::map<std::string, std::size_t> place;
  const auto read = [](stats::ShardView& view) { return view.peers(); };
  // Shards tell each other of targets, so the first one's word on them is everybody's.
  const auto silent = ask_all(sources_, read, [&](unsigned, std::vector<stats::PeerRow> answer) {
    for (stats::PeerRow& row : answer) {
      const auto [at, is_new] = place.try_emplace(row.name, merged.size());
      if (is_new) {
        merged.push_back(std::move(row));
        continue;
      }
      merged[at->second].calls += row.calls;
      merged[at->second].usable |= row.usable;
    }
  });
  json rows = json::array();
  for (const stats::PeerRow& row : merged) {
    rows.push_back({{"name", row.name},
                    {"realm", row.realm},
                    {"removed", row.removed},
                    {"usable", row.usable},
                    {"calls", row.calls},
                    {"targets", row.targets}});
  }
  return {{"peers", std::move(rows)}, {"not_answering", silent}};
}

json AdminCommands::show_process() {
  if (!sources_.process) return refusal("there is no process here");
  const ProcessState state = sources_.process();
  return {{"process",
           {{"state", state.phase},
            {"calls", state.calls},
            {"config", state.config_file},
            {"log_level", config::to_text(log_level())},
            {"reloads_done", state.reloads.done},
            {"reloads_refused", state.reloads.refused},
            {"waiting", state.waiting}}}};
}

json AdminCommands::show_flows() {
  json rows = json::array();
  for (const dp::FlowRow& row : sources_.dataplane->flows(kMaxRowsShown)) {
    rows.push_back(flow_of(row, sources_.labels));
  }
  std::uint64_t active = 0;
  for (std::size_t r = 0; r < sources_.labels.realms.size(); ++r) {
    active += over_workers(*sources_.dataplane, [r](const dp::WorkerCounters& w) -> const dp::Counter& {
      return w.realms[r].flows_active;
    });
  }
  return {{"flows", std::move(rows)}, {"total", active}};
}

json AdminCommands::show_workers() {
  const dp::Dataplane& dataplane = *sources_.dataplane;
  const std::vector<dp::CoreLoad> load = dataplane.load();
  json rows = json::array();
  for (unsigned w = 0; w < dataplane.workers(); ++w) {
    const dp::WorkerCounters& counters = dataplane.counters(w);
    json row{{"worker", w}, {"packets", counters.packets.get()}, {"latches", counters.latches.get()}};
    row["core"] = w < load.size() ? json(load[w].core) : json(nullptr);
    row["node"] = w < load.size() && load[w].node >= 0 ? json(load[w].node) : json(nullptr);
    row["busy_ratio"] = w < load.size() ? json(load[w].busy_ratio) : json(nullptr);
    row["cycles_per_packet"] = w < load.size() ? json(load[w].cycles_per_packet) : json(nullptr);
    rows.push_back(std::move(row));
  }
  return {
      {"workers", std::move(rows)}, {"ports", ports_of(dataplane)}, {"memory", dataplane.memory_in_use()}};
}

json AdminCommands::show_drops() {
  const dp::Dataplane& dataplane = *sources_.dataplane;
  json drops = json::array();
  json law = json::array();
  for (std::size_t p = 0; p < sources_.labels.ports.size(); ++p) {
    const std::string& port = sources_.labels.ports[p];
    std::uint64_t received = 0, relayed = 0, sip = 0, kernel = 0, dropped = 0;
    std::array<std::uint64_t, dp::kDropReasons> by_reason{};
    for (unsigned w = 0; w < dataplane.workers(); ++w) {
      const dp::PortCounters& counters = dataplane.counters(w).ports[p];
      received += counters.received_packets.get();
      relayed += counters.relayed.get();
      sip += counters.sip.get();
      kernel += counters.kernel.get();
      for (std::size_t r = 0; r < by_reason.size(); ++r) by_reason[r] += counters.drops[r].get();
    }
    for (std::size_t r = 0; r < by_reason.size(); ++r) {
      dropped += by_reason[r];
      if (by_reason[r] == 0) continue;
      drops.push_back({{"port", port}, {"reason", dp::kDropReasonNames[r]}, {"packets", by_reason[r]}});
    }
    law.push_back({{"port", port},
                   {"received", received},
                   {"relay", relayed},
                   {"sip", sip},
                   {"kernel", kernel},
                   {"drops", dropped},
                   {"unaccounted", static_cast<std::int64_t>(received - relayed - sip - kernel - dropped)}});
  }
  for (const dp::NicLoss& loss : dataplane.nic_losses()) {
    if (loss.packets != 0)
      drops.push_back({{"port", loss.port}, {"reason", "nic " + loss.cause}, {"packets", loss.packets}});
  }
  return {{"drops", std::move(drops)}, {"law", std::move(law)}};
}

}  // namespace sallyport::ops

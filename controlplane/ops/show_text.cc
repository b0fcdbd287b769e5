// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controlplane/ops/admin_commands.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;

std::string cell(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_array()) {
    std::string text;
    for (const json& one : value) text += (text.empty() ? "" : ", ") + cell(one);
    return text.empty() ? "-" : text;
  }
  if (!value.is_number_float()) return value.dump();
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value.get<double>());
  return text;
}

using Row = std::vector<std::string>;

// Columns as wide as their widest cell, two spaces between them.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

std::string table_of(const json& objects, const std::vector<const char*>& columns) {
  std::vector<Row> rows{Row(columns.begin(), columns.end())};
  for (const json& object : objects) {
    Row& row = rows.emplace_back();
    for (const char* column : columns) row.push_back(cell(object.value(column, json())));
  }
  return table(rows);
}

std::string silent_shards(const json& answer) {
  const json silent = answer.value("not_answering", json::array());
  return silent.empty() ? "" : "not answering: shard " + cell(silent) + "\n";
}

std::string shown_of(std::size_t shown, std::size_t total) {
  return shown < total ? fmt::format("{} of {} are shown\n", shown, total) : "";
}

std::string call_text(const json& call) {
  std::vector<Row> rows;
  for (const char* name : {"id", "shard", "state", "from", "to", "caller", "callee", "age_seconds",
                           "answered_seconds", "received", "received_phrase", "reason_received", "sent",
                           "sent_phrase", "reason_sent", "local", "rule"}) {
    if (call.contains(name)) rows.push_back({name, cell(call.at(name))});
  }
  std::string out = table(rows);
  if (call.value("legs", json::array()).empty()) return out;
  out += "\n" + table_of(call.at("legs"), {"role", "state", "peer", "realm", "local", "remote", "code",
                                           "call_id", "local_tag", "remote_tag"});
  out += "\n" + table_of(call.at("legs"), {"role", "dialog", "local_cseq", "remote_cseq", "remote_target"});
  out += "\n" + table_of(call.at("streams"), {"leg", "stream", "kind", "local", "remote", "latch", "slot",
                                              "packets", "sent_packets", "dropped", "lost", "jitter_ms"});
  return out + "\n" + table_of(call.at("timers"), {"timer", "of", "left_seconds"});
}

std::string ladder_text(const json& ladder) {
  std::string out;
  for (const json& line : ladder.at("lines")) out += line.get<std::string>() + "\n";
  return out.empty() ? "no message of it is left\n" : out;
}

}  // namespace

std::string show_text(std::string_view what, const json& answer) {
  if (what == "calls") {
    return table_of(answer.at("calls"), {"id", "state", "from", "to", "caller", "callee", "age_seconds",
                                         "answered_seconds", "received", "sent", "shard"}) +
           "calls: " + cell(answer.at("total")) + "\n" + silent_shards(answer);
  }
  if (what == "call") return call_text(answer.at("call")) + "\n" + ladder_text(answer.at("ladder"));
  if (what == "failures") {
    return table_of(answer.at("failures"),
                    {"id", "from", "to", "caller", "callee", "received", "received_phrase", "reason_received",
                     "sent", "sent_phrase", "reason_sent", "local", "rule"});
  }
  if (what == "peers") {
    return table_of(answer.at("peers"), {"name", "realm", "removed", "usable", "calls", "targets"}) +
           silent_shards(answer);
  }
  if (what == "process") {
    const json& process = answer.at("process");
    std::vector<Row> rows;
    for (const char* name :
         {"state", "calls", "config", "log_level", "reloads_done", "reloads_refused", "waiting"})
      rows.push_back({name, cell(process.at(name))});
    return table(rows);
  }
  if (what == "flows") {
    return table_of(answer.at("flows"),
                    {"slot", "realm", "kind", "local", "remote", "latch", "latched", "packets",
                     "sent_packets", "dropped", "lost", "jitter_ms", "rtt_ms", "pair", "shard"}) +
           shown_of(answer.at("flows").size(), answer.at("total").get<std::size_t>());
  }
  if (what == "workers") {
    return table_of(answer.at("workers"),
                    {"worker", "core", "node", "busy_ratio", "cycles_per_packet", "packets", "latches"}) +
           "\n" +
           table_of(answer.at("ports"), {"port", "steering", "rules", "handed_over", "mtu", "node",
                                         "checks_received", "checks_sent", "interrupts"}) +
           "memory: " + cell(answer.at("memory")) + "\n";
  }
  if (what == "drops") {
    return table_of(answer.at("drops"), {"port", "reason", "packets"}) + "\n" +
           table_of(answer.at("law"), {"port", "received", "relay", "sip", "kernel", "drops", "unaccounted"});
  }
  return answer.dump() + "\n";
}

}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
// What the admin socket answers. Requests: {"command": "show", "what": "calls"}, {"command": "show", "what":
// "call", "id": "..."}, {"command": "drain", "limit": "10m"}, {"command": "reload"}, {"command": "log-level",
// "level": "debug"}, {"command": "trace", ...} (trace_answers.h). An answer is an object; one with "error" is a
// refusal.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/metrics.h"
#include "controlplane/ops/trace_answers.h"
#include "controlplane/stats/shard_query.h"
#include "dataplane/dataplane.h"

namespace sallyport::ops {

inline constexpr std::size_t kMaxRowsShown = 10'000;

// What a reload has done.
struct ReloadReport {
  std::string text;                  // for a person, one or several lines
  std::vector<std::string> changed;  // "peer office: changed"
  std::vector<std::string> waiting;  // keys whose new values wait for a restart
};

// The process as a whole.
struct ProcessState {
  std::string phase;  // "running", "draining", "ending"
  std::uint32_t calls = 0;
  std::string config_file;
  ReloadCounts reloads;
  std::vector<std::string> waiting;
};

struct AdminSources {
  stats::ShardQuery* shards = nullptr;
  const dp::Dataplane* dataplane = nullptr;  // null: no flows, workers and drops
  const CallTally* tally = nullptr;          // null: no failures
  Labels labels;
  // Both run on the admin thread. Empty: the command is refused. The errors are for a person; drain says one
  // sentence. `limit_ns`: none: as long as calls last.
  std::function<std::expected<std::string, std::string>(std::optional<Nanoseconds> limit_ns)> drain;
  std::function<std::expected<ReloadReport, std::string>()> reload;
  std::function<ProcessState()> process;          // empty: `show process` is refused
  std::chrono::milliseconds shard_timeout{1000};  // for all shards together
  dp::Dataplane* mirror = nullptr;                // whose copies of media are handed out; null: none
};

class AdminCommands {
 public:
  explicit AdminCommands(AdminSources sources);
  // An AdminHandler. Never throws.
  [[nodiscard]] std::string handle(std::string_view request);

 private:
  [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);
  [[nodiscard]] nlohmann::json drain(const nlohmann::json& request);
  [[nodiscard]] nlohmann::json reload();
  [[nodiscard]] static nlohmann::json set_level(const nlohmann::json& request);
  [[nodiscard]] nlohmann::json show(const nlohmann::json& request);
  [[nodiscard]] nlohmann::json show_process();
  [[nodiscard]] nlohmann::json show_calls();
  [[nodiscard]] nlohmann::json show_call(const std::string& id);
  // A call that is gone: it failed lately, or has left messages; null: none of that name.
  [[nodiscard]] nlohmann::json ended_call(const std::string& id, bool has_messages) const;
  [[nodiscard]] nlohmann::json show_failures() const;
  [[nodiscard]] nlohmann::json show_peers();
  [[nodiscard]] nlohmann::json show_flows();
  [[nodiscard]] nlohmann::json show_workers();
  [[nodiscard]] nlohmann::json show_drops();

  // The call's messages that are left, of all shards; of those that answer.
  [[nodiscard]] std::vector<trace::Message> messages_of(const std::string& id);
  void add_counters(nlohmann::json& streams) const;

  AdminSources sources_;
  TraceAnswers trace_;
};

// The text of an answer of `show WHAT`.
[[nodiscard]] std::string show_text(std::string_view what, const nlohmann::json& answer);

}  // namespace sallyport::ops

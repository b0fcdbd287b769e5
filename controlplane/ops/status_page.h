// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A page for a person with a browser, served by the process on status.listen: plain
// HTML, a style and a script that asks for /status.json every two seconds and works out the rates, and for
// the ladder of a call or of a failure when it is pressed. Nothing can be changed through it: GET and HEAD
// are answered, all else is 405. The HTTP is civetweb's, on two threads of its own; shards are asked as
// `sallyport show` asks them.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/ops/admin_commands.h"
#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/metrics.h"

namespace sallyport::ops {

struct StatusSources {
  AdminCommands* commands = nullptr;  // the process, peers, workers and drops, as show has them
  stats::ShardQuery* shards = nullptr;
  std::vector<const stats::ShardStatistics*> statistics;
  const CallTally* tally = nullptr;
  std::string version = SALLYPORT_VERSION;
};

// What /status.json says. Any thread.
[[nodiscard]] std::string status_json(const StatusSources& sources);
// What /call.json?id=ID says: the call and its ladder as `show call` has them. Any thread.
[[nodiscard]] std::string call_json(const StatusSources& sources, std::string_view id);

class StatusServer {
 public:
  // The error is one sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<StatusServer>, std::string> start(const Endpoint& listen,
                                                                                       StatusSources sources);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

 private:
  StatusServer();
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace sallyport::ops

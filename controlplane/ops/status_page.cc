// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/status_page.h"

#include <civetweb.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "controlplane/ops/ask_shards.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;

constexpr std::size_t kCallsShown = 20;
constexpr std::chrono::milliseconds kShardTimeout{500};

constexpr std::string_view kIndex =
#include "controlplane/ops/page/index_html.inc"
    ;
constexpr std::string_view kStyle =
#include "controlplane/ops/page/style_css.inc"
    ;
constexpr std::string_view kScript =
#include "controlplane/ops/page/script_js.inc"
    ;

json shown(AdminCommands& commands, const char* what) {
  return json::parse(commands.handle(json{{"command", "show"}, {"what", what}}.dump()), nullptr, false);
}

json totals_of(const std::vector<const stats::ShardStatistics*>& shards) {
  std::uint64_t attempts = 0, answered = 0, failed = 0;
  for (const stats::ShardStatistics* shard : shards) {
    for (const stats::PairStatistics* pair : shard->pairs()) {
      attempts += pair->attempts.get();
      answered += pair->answered.get();
      for (const dp::Counter& code : pair->failed) failed += code.get();
    }
  }
  return {{"attempts", attempts}, {"answered", answered}, {"failed", failed}};
}

json calls_of(stats::ShardQuery& query) {
  using Answer = std::pair<std::vector<stats::CallRow>, std::size_t>;
  json rows = json::array();
  std::size_t total = 0;
  const auto read = [](stats::ShardView& view) { return Answer(view.calls(kCallsShown), view.call_count()); };
  const auto silent = ask_shards(query, kShardTimeout, read, [&](unsigned, const Answer& answer) {
    total += answer.second;
    for (const stats::CallRow& row : answer.first) {
      if (rows.size() == kCallsShown) break;
      rows.push_back({{"id", row.id},
                      {"state", row.state},
                      {"from", row.from_peer},
                      {"to", row.to_peer},
                      {"caller", row.caller},
                      {"callee", row.callee},
                      {"age_seconds", row.age_ns / kSecond}});
    }
  });
  return {{"total", total}, {"rows", std::move(rows)}, {"not_answering", silent}};
}

json failures_of(const CallTally& tally) {
  json rows = json::array();
  for (const FailedCall& call : tally.failures()) {
    rows.push_back({{"ended_ms", call.ended_ns / kMillisecond},
                    {"id", call.id},
                    {"from", call.from},
                    {"to", call.to},
                    {"caller", call.caller},
                    {"callee", call.callee},
                    {"received", call.received},
                    {"received_phrase", call.received_phrase},
                    {"reason_received", call.reason_received},
                    {"sent", call.sent},
                    {"phrase", call.phrase},
                    {"reason_sent", call.reason_sent},
                    {"rule", call.rule}});
  }
  return rows;
}

// ---- HTTP

struct Resource {
  std::string_view path;
  std::string_view type;
  std::string_view body;
};
constexpr std::array<Resource, 3> kResources{{{"/", "text/html; charset=utf-8", kIndex},
                                              {"/style.css", "text/css; charset=utf-8", kStyle},
                                              {"/script.js", "text/javascript; charset=utf-8", kScript}}};

void answer(mg_connection* connection, int status, std::string_view type, std::string_view body, bool head) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; connect-src "
            "'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
            "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
            status, mg_get_response_code_text(connection, status), static_cast<int>(type.size()), type.data(),
            body.size());
  if (!head) mg_write(connection, body.data(), body.size());
}

int on_request(mg_connection* connection, void* data) {
  const mg_request_info& request = *mg_get_request_info(connection);
  const std::string_view method = request.request_method;
  const std::string_view path = request.local_uri;
  const bool head = method == "HEAD";
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  if (method != "GET" && !head) {
    answer(connection, 405, kPlain, "this page is read-only\n", false);
    return 405;
  }
  if (path == "/status.json") {
    answer(connection, 200, "application/json", status_json(*static_cast<const StatusSources*>(data)), head);
    return 200;
  }
  if (path == "/call.json") {
    const std::string_view query = request.query_string == nullptr ? "" : request.query_string;
    const std::string_view id = query.starts_with("id=") ? query.substr(3) : std::string_view{};
    answer(connection, 200, "application/json", call_json(*static_cast<const StatusSources*>(data), id),
           head);
    return 200;
  }
  for (const Resource& resource : kResources) {
    if (path != resource.path) continue;
    answer(connection, 200, resource.type, resource.body, head);
    return 200;
  }
  answer(connection, 404, kPlain, "there is /, /status.json and /call.json?id=ID\n", head);
  return 404;
}

}  // namespace

std::string status_json(const StatusSources& sources) {
  json out{{"version", sources.version}, {"totals", totals_of(sources.statistics)}};
  if (sources.shards != nullptr) out["calls"] = calls_of(*sources.shards);
  if (sources.tally != nullptr) out["failures"] = failures_of(*sources.tally);
  if (sources.commands != nullptr) {
    for (const char* what : {"process", "peers", "workers", "drops"})
      out[what] = shown(*sources.commands, what);
  }
  // What came from the network need not be UTF-8.
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string call_json(const StatusSources& sources, std::string_view id) {
  if (sources.commands == nullptr) return "{}";
  return sources.commands->handle(json{{"command", "show"}, {"what", "call"}, {"id", id}}.dump(
      -1, ' ', false, json::error_handler_t::replace));
}

struct StatusServer::Context {
  StatusSources sources;
  mg_context* server = nullptr;
};

StatusServer::StatusServer() : context_(std::make_unique<Context>()) {}

StatusServer::~StatusServer() {
  if (context_->server == nullptr) return;
  mg_stop(context_->server);
  mg_exit_library();
}

std::expected<std::unique_ptr<StatusServer>, std::string> StatusServer::start(const Endpoint& listen,
                                                                              StatusSources sources) {
  std::unique_ptr<StatusServer> server(new StatusServer);
  server->context_->sources = std::move(sources);
  const std::string where = listen.to_text();
  const char* options[] = {
      "listening_ports",   where.c_str(), "num_threads", "2", "request_timeout_ms", "5000",
      "enable_keep_alive", "no",          nullptr};
  mg_init_library(0);
  mg_callbacks callbacks{};
  server->context_->server = mg_start(&callbacks, nullptr, options);
  if (server->context_->server == nullptr) {
    mg_exit_library();
    return std::unexpected("status cannot listen on " + where +
                           ": is the address this machine's and the port free?");
  }
  mg_set_request_handler(server->context_->server, "/", on_request, &server->context_->sources);
  return server;
}

}  // namespace sallyport::ops

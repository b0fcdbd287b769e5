// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>

#include "controlplane/cli/dry_runs.h"
#include "controlplane/cli/loaded.h"
#include "controlplane/cli/run.h"
#include "controlplane/ops/admin_client.h"
#include "controlplane/ops/catalogue.h"
#include "controlplane/ops/trace_client.h"
#include "dataplane/dataplane.h"

namespace {

using namespace sallyport;

constexpr const char* kDefaultSocket = "/run/sallyport/admin.sock";

void add_dry_runs(CLI::App& app, int& status) {
  auto* check = app.add_subcommand("check", "report every fault of a configuration");
  static std::string check_config;
  check->add_option("--config", check_config, "configuration file")->required();
  check->callback([&] { status = cli::check(check_config, std::cout, std::cerr); });

  auto* map = app.add_subcommand("map", "dry run of the response map");
  static cli::MapArguments m;
  map->add_option("--config", m.config, "configuration file");
  map->add_option("--from", m.from, "peer that sent the response");
  map->add_option("--to", m.to, "peer that would hear of it");
  map->add_option("--local", m.local, "a local error instead of a response");
  map->add_option("--base", m.base, "show a built-in table: rfc3398, vendor, q850, warning, local");
  map->add_option("--q850", m.q850, "cause of the response's Reason header")->check(CLI::Range(1, 127));
  map->add_option("--warning", m.warning, "code of its Warning header")->check(CLI::Range(300, 399));
  map->add_flag("--json", m.json);
  map->add_option("code", m.code, "response code");
  map->add_option("phrase", m.phrase, "reason phrase");
  map->callback([&] {
    const bool complete = !m.base.empty() || (!m.config.empty() && !m.to.empty() &&
                                              (!m.local.empty() || (!m.from.empty() && !m.code.empty())));
    if (!complete) {
      throw CLI::ValidationError("map",
                                 "needs --config, --to and either --local or --from and a code; or --base");
    }
    status = cli::map(m, std::cout, std::cerr);
  });

  auto* route = app.add_subcommand("route", "dry run of routing");
  static cli::RouteArguments r;
  route->add_option("--config", r.config, "configuration file")->required();
  route->add_option("--from", r.from, "peer that calls")->required();
  route->add_option("--calling", r.calling, "URI of the caller: shows what the next leg says of both");
  route->add_flag("--json", r.json);
  route->add_option("uri", r.uri, "Request-URI")->required();
  route->callback([&] { status = cli::route(r, std::cout, std::cerr); });

  auto* nat = app.add_subcommand("nat", "dry run of the address policy and the rewrite");
  static cli::NatArguments n;
  nat->add_option("--config", n.config, "configuration file")->required();
  nat->add_option("--peer", n.peer, "peer that sent the SDP")->required();
  nat->add_option("--source", n.source, "source address of its packet")->required();
  nat->add_option("--via", n.via, "address in its top Via (default: the source)");
  nat->add_option("--contact", n.contact, "address in its Contact (default: the source)");
  nat->add_flag("--json", n.json);
  nat->add_option("sdp", n.file, "file with the SDP, - for standard input")->required();
  nat->callback([&] { status = cli::nat(n, std::cout, std::cerr); });
}

// The socket: given, or the configuration's, or the default.
struct Admin {
  std::string socket;
  std::string config;
  bool json = false;

  void add_to(CLI::App& command) {
    command.add_option("--socket", socket, "admin socket");
    command.add_option("--config", config, "configuration file that names it");
    command.add_flag("--json", json);
  }
  // Empty: the configuration has faults.
  [[nodiscard]] std::string path() const {
    if (!socket.empty()) return socket;
    if (config.empty()) return kDefaultSocket;
    const auto loaded = cli::load(config, std::cerr);
    return loaded ? loaded->config.admin.socket : std::string{};
  }
};

// `argument`: what goes along; a value that is empty does not.
int ask(const Admin& admin, const char* command, const ops::Argument& argument = {}) {
  const std::string path = admin.path();
  if (path.empty()) return 1;
  const auto along = argument.value.empty() ? std::nullopt : std::optional(argument);
  return ops::command(path, command, along, admin.json, std::cout, std::cerr);
}

void add_commands(CLI::App& app, int& status) {
  static Admin drains, reloads, levels;
  static std::string limit, level;
  auto* drain = app.add_subcommand("drain", "refuse new calls, end with the last one");
  drain->add_option("--limit", limit, "after so long (90s, 10m, 2h) end the calls that are left");
  drains.add_to(*drain);
  drain->callback([&status] { status = ask(drains, "drain", {"limit", limit}); });
  auto* reload = app.add_subcommand("reload", "read the configuration and its files again; calls go on");
  reloads.add_to(*reload);
  reload->callback([&status] { status = ask(reloads, "reload"); });
  auto* log = app.add_subcommand("log-level", "change the log's level until the next reload");
  log->add_option("level", level, "debug, info, warning, error")->required();
  levels.add_to(*log);
  log->callback([&status] { status = ask(levels, "log-level", {"level", level}); });
}

void add_admin(CLI::App& app, int& status) {
  static Admin admin;
  auto* show = app.add_subcommand("show", "look into the running process");
  static std::string what, id;
  show->add_option("what", what,
                   "calls, call, failures (the latest calls that failed), peers, flows, workers, drops, process")
      ->required()
      ->check(CLI::IsMember({"calls", "call", "failures", "peers", "flows", "workers", "drops", "process"}));
  show->add_option("id", id, "of the call");
  admin.add_to(*show);
  show->callback([&] {
    const std::string path = admin.path();
    status = path.empty() ? 1 : ops::show(path, what, id, admin.json, std::cout, std::cerr);
  });
  add_commands(app, status);
}

void add_trace(CLI::App& app, int& status) {
  auto* trace = app.add_subcommand("trace", "write both legs of calls as a pcap, from the running process");
  static Admin admin;
  static ops::TraceArguments t;
  auto* what = trace->add_option_group("what", "which calls");
  what->add_option("--call-id", t.filter.call_id, "Call-ID of either leg, or the call's id");
  what->add_option("--user", t.filter.user, "user part of Request-URI, From or To");
  what->add_option("--peer", t.filter.peer, "peer of either leg");
  what->require_option(1);
  trace->add_option("--pcap", t.pcap, "file to write")->required();
  auto* follow =
      trace->add_option("--follow", t.follow_s, "go on for so many seconds")->check(CLI::Range(1, 86'400));
  trace->add_flag("--rtp", t.rtp, "media too, of calls that are up meanwhile")->needs(follow);
  admin.add_to(*trace);
  trace->callback([&status] {
    const std::string path = admin.path();
    status = path.empty() ? 1 : ops::trace(path, t, admin.json, std::cout, std::cerr);
  });
}

void add_metrics(CLI::App& app) {
  auto* metrics = app.add_subcommand("metrics", "what the metrics port tells");
  static bool list = false, markdown = false;
  metrics->add_flag("--list", list, "every metric: name, type, labels, meaning")->required();
  metrics->add_flag("--markdown", markdown, "as the page controlplane/ops/METRICS.md");
  metrics->callback([] { std::cout << (markdown ? ops::catalogue_markdown() : ops::catalogue_text()); });
}

}  // namespace

int main(int argc, char** argv) {
  int status = 0;
  CLI::App app{"Sallyport: session border controller on DPDK"};
  app.require_subcommand(1);

  std::string config;
  auto* run = app.add_subcommand("run", "run in the foreground");
  run->add_option("--config", config, "configuration file")->required();
  run->callback([&] { status = cli::run(config, std::cerr); });
  add_dry_runs(app, status);
  add_admin(app, status);
  add_trace(app, status);
  add_metrics(app);
  app.add_subcommand("version", "show the version")->callback([] {
    std::cout << "sallyport " << SALLYPORT_VERSION << " (" << dp::dpdk_version() << ")\n";
  });

  CLI11_PARSE(app, argc, argv);
  return status;
}

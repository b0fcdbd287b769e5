// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/dry_runs.h"

#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "controlplane/b2bua/next_leg.h"
#include "controlplane/cli/loaded.h"
#include "controlplane/config/check.h"
#include "controlplane/response_map/explain.h"
#include "controlplane/routing/dry_run.h"
#include "dataplane/dataplane.h"
#include "dataplane/sip/uri.h"
#include "sdp_rewriter/dry_run.h"

namespace sallyport::cli {
namespace {

using nlohmann::ordered_json;

constexpr int kFaults = 1;
constexpr int kArguments = 2;

// What was given as a phrase or an SDP need not be UTF-8.
std::string text_of(const ordered_json& answer) {
  return answer.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

// The peer of that name, or kNoIndex after saying which names there are.
config::PeerIndex peer_named(const config::Config& config, const std::string& name, std::ostream& error) {
  const config::PeerIndex index = config.find_peer(name);
  if (index != config::kNoIndex) return index;
  error << "no peer is named '" << name << "'; there are:";
  for (const config::Peer& peer : config.peers) error << ' ' << peer.name;
  error << '\n';
  return index;
}

ordered_json to_json(const response_map::Explanation& e) {
  return {{"from", e.from},
          {"to", e.to},
          {"local", e.local},
          {"received", e.received},
          {"received_phrase", e.received_phrase},
          {"sent", e.sent},
          {"sent_phrase", e.sent_phrase},
          {"forwarded", e.forwarded},
          {"q850", e.q850},
          {"reason", e.reason},
          {"warning", e.warning},
          {"retry_after", e.retry_after_s},
          {"failover", e.failover},
          {"treatment", e.treatment},
          {"in_dialog", e.in_dialog},
          {"rule", e.rule}};
}

ordered_json to_json(const b2bua::NextLeg& leg) {
  return {{"request_uri", leg.request_uri},
          {"to", leg.to},
          {"from", leg.from},
          {"p_asserted_identity", leg.asserted},
          {"diversion", leg.diversion},
          {"answer_p_asserted_identity", leg.answered}};
}

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? to_json(*value) : ordered_json(nullptr);
}

ordered_json to_json(const config::Config& config, const RouteArguments& arguments,
                     const routing::DryRun& run, const b2bua::NextLegs& legs) {
  const auto& route = run.choice.route;
  ordered_json json{
      {"from", arguments.from}, {"uri", arguments.uri}, {"user", run.user}, {"number", run.number}};
  json["number_rule"] = run.number_rule ? ordered_json(*run.number_rule + 1) : ordered_json(nullptr);
  json["phone_context"] = run.context.empty() ? ordered_json(nullptr) : ordered_json(run.context);
  json["passed_over"] = run.passed_over;
  json["route"] = route ? ordered_json(*route + 1) : ordered_json(nullptr);
  json["line"] = route ? ordered_json(config.routes[*route].at.line) : ordered_json(nullptr);
  json["refused"] = or_null(legs.refusal);
  json["targets"] = ordered_json::array();
  for (std::size_t i = 0; i < run.targets.size(); ++i) {
    const routing::DryRunTarget& to = run.targets[i];
    json["targets"].push_back({{"peer", config.peers[to.step.id.peer].name},
                               {"target", to.target.uri},
                               {"user", to.user},
                               {"passed_over", to.passed_over},
                               {"tried", to.step.tried},
                               {"why", to.step.why},
                               {"refused", or_null(legs.targets[i].refusal)},
                               {"next_leg", or_null(legs.targets[i].leg)}});
  }
  return json;
}

std::optional<std::string> read_file(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

ordered_json to_json(const sdp::DryRun& run) {
  ordered_json json{{"refused", run.refused}, {"far_end_nat", run.far_end_nat}, {"verdict", run.verdict}};
  if (run.fault) json["fault"] = {{"line", run.fault->line}, {"name", sdp::name(run.fault->fault)}};
  json["streams"] = ordered_json::array();
  for (const sdp::DryRunStream& s : run.streams) {
    json["streams"].push_back({{"index", s.index},
                               {"media", s.media},
                               {"address", s.address},
                               {"rtcp", s.rtcp},
                               {"direction", s.direction},
                               {"action", s.action},
                               {"rule", s.rule},
                               {"refusal", s.refusal},
                               {"latch", s.latch},
                               {"reason", s.reason}});
  }
  json["sdp"] = run.rewritten;
  return json;
}

std::string memory_line(const config::Config& config) {
  std::vector<std::uint16_t> mtus;
  for (const config::Port& port : config.dataplane.ports) mtus.push_back(port.mtu);
  const auto workers = static_cast<unsigned>(config.dataplane.cores.size());
  return "packet memory: " + std::to_string(dp::memory_needed(mtus, workers) >> 20) + " MB for " +
         std::to_string(mtus.size()) + (mtus.size() == 1 ? " port and " : " ports and ") +
         std::to_string(workers) + (workers == 1 ? " core\n" : " cores\n");
}

}  // namespace

int check(const std::string& config_file, std::ostream& out, std::ostream& error) {
  const auto loaded = load(config_file, error);
  if (!loaded) return kFaults;
  out << config::summary(config_file, loaded->config) << memory_line(loaded->config);
  return 0;
}

int map(const MapArguments& arguments, std::ostream& out, std::ostream& error) {
  if (!arguments.base.empty()) {
    const auto listing = response_map::base_listing(arguments.base);
    if (!listing) {
      error << "no base is named '" << arguments.base << "'; there are: rfc3398 vendor q850 warning local\n";
      return kArguments;
    }
    out << *listing;
    return 0;
  }
  const auto loaded = load(arguments.config, error);
  if (!loaded) return kFaults;
  const config::PeerIndex to = peer_named(loaded->config, arguments.to, error);
  if (to == config::kNoIndex) return kArguments;

  response_map::Input input;
  const config::Peer* from = nullptr;
  input.phrase = arguments.phrase;
  input.q850 = static_cast<std::uint8_t>(arguments.q850);
  input.warning = static_cast<std::uint16_t>(arguments.warning);
  if (!arguments.local.empty()) {
    const auto local = response_map::local_error_from(arguments.local);
    if (!local) {
      error << "no local error is named '" << arguments.local
            << "'; 'sallyport map --base local' lists them\n";
      return kArguments;
    }
    input.local = *local;
  } else {
    const config::PeerIndex sender = peer_named(loaded->config, arguments.from, error);
    if (sender == config::kNoIndex) return kArguments;
    from = &loaded->config.peers[sender];
    const char* const end = arguments.code.data() + arguments.code.size();
    if (const auto [stop, fault] = std::from_chars(arguments.code.data(), end, input.code);
        fault != std::errc{} || stop != end) {
      error << "'" << arguments.code << "' is not a response code\n";
      return kArguments;
    }
  }
  const auto explanation = response_map::explain(loaded->maps, from, loaded->config.peers[to], input);
  if (arguments.json) {
    out << text_of(to_json(explanation)) << '\n';
  } else {
    out << response_map::to_text(explanation);
  }
  return 0;
}

int route(const RouteArguments& arguments, std::ostream& out, std::ostream& error) {
  const auto loaded = load(arguments.config, error);
  if (!loaded) return kFaults;
  const config::Config& config = loaded->config;
  const config::PeerIndex from = peer_named(config, arguments.from, error);
  if (from == config::kNoIndex) return kArguments;
  auto run = routing::dry_run(config, arguments.from, arguments.uri, 0);
  if (!run) {
    error << run.error() << '\n';
    return kArguments;
  }
  const auto calling = sip::parse_uri(arguments.calling);
  if (!arguments.calling.empty() && (!calling || calling->scheme == sip::Scheme::other)) {
    error << "'" << arguments.calling << "' is not a sip, sips or tel URI\n";
    return kArguments;
  }
  const b2bua::IncomingCall call{from, arguments.uri, arguments.calling};
  const b2bua::NextLegs legs = b2bua::next_legs(config, loaded->maps, call, *run);
  if (arguments.json) {
    out << text_of(to_json(config, arguments, *run, legs)) << '\n';
  } else {
    out << routing::render(config, *run);
  }
  return 0;
}

int nat(const NatArguments& arguments, std::ostream& out, std::ostream& error) {
  const auto loaded = load(arguments.config, error);
  if (!loaded) return kFaults;
  const config::PeerIndex index = peer_named(loaded->config, arguments.peer, error);
  if (index == config::kNoIndex) return kArguments;
  const auto source = IpAddress::parse(arguments.source);
  if (!source) {
    error << "'" << arguments.source << "' is not an IP address\n";
    return kArguments;
  }
  const auto text = read_file(arguments.file);
  if (!text) {
    error << "cannot read " << arguments.file << '\n';
    return kArguments;
  }
  const config::Peer& peer = loaded->config.peers[index];
  const config::Realm& realm = loaded->config.realms[peer.realm];
  std::vector<IpAddress> own;
  for (const config::Realm& each : loaded->config.realms) {
    for (const Prefix& prefix : each.addresses) own.push_back(prefix.address);
  }
  sdp::DryRunInput input;
  input.sdp = *text;
  input.policy.mode = static_cast<sdp::PrivateMedia>(peer.media.private_media);
  input.policy.latch = static_cast<sdp::LatchSetting>(peer.media.latch);
  input.policy.trusted_private = peer.trusted_private;
  input.policy.realm_addresses = realm.addresses;
  input.policy.own_addresses = own;
  input.policy.source = *source;
  input.policy.via = arguments.via.empty() ? *source : sdp::host_address(arguments.via);
  input.policy.contact = arguments.contact.empty() ? *source : sdp::host_address(arguments.contact);
  input.local = realm.address(source->family());
  input.first_port = realm.media_first;
  const sdp::DryRun result = sdp::dry_run(input);
  if (arguments.json) {
    out << text_of(to_json(result)) << '\n';
  } else {
    out << sdp::render(result);
  }
  return result.fault ? kArguments : 0;
}

}  // namespace sallyport::cli

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/procedure.h"

#include <algorithm>
#include <tuple>

namespace sallyport::resolver {
namespace {

using config::Transport;
using routing::NameState;
using routing::ResolvedPlace;

constexpr std::uint16_t standard_port(Transport transport) {
  return transport == Transport::tls ? 5061 : 5060;
}

// RFC 3263 4.1. SIPS+D2U (DTLS) is not spoken.
std::optional<Transport> transport_of_service(std::string_view service) {
  if (service == "sip+d2u") return Transport::udp;
  if (service == "sip+d2t") return Transport::tcp;
  if (service == "sips+d2t") return Transport::tls;
  return std::nullopt;
}

std::string srv_name(Transport transport, const std::string& host) {
  const char* prefix = transport == Transport::udp   ? "_sip._udp."
                       : transport == Transport::tcp ? "_sip._tcp."
                                                     : "_sips._tcp.";
  return prefix + host;
}

// A SRV name and what it is for.
struct Service {
  Transport transport;
  std::string name;
};

class Walk {
 public:
  Walk(const Wanted& wanted, const Known& known) : wanted_(wanted), known_(known) {}

  Outcome run() {
    if (wanted_.port != 0) {
      add_host(wanted_.transports.front(), wanted_.port);
    } else if (wanted_.transport_given) {
      by_services(services_of_host());
    } else {
      by_naptr();
    }
    return finish();
  }

 private:
  // nullptr: not known yet, and noted as missing.
  const Answer* ask(const std::string& name, RecordType type) {
    const auto found = known_.find({name, type});
    if (found == known_.end()) {
      out_.missing.push_back({name, type});
      return nullptr;
    }
    const Answer& answer = found->second;
    discard(Discard::too_many, answer.left_out);
    return &answer;
  }
  void use(const Answer& answer) {
    if (answer.ttl_s) out_.ttl_s = std::min(out_.ttl_s.value_or(*answer.ttl_s), *answer.ttl_s);
  }
  static bool failed(const Answer& answer) {
    return answer.kind == AnswerKind::failure || answer.kind == AnswerKind::timeout;
  }
  void discard(Discard reason, unsigned count = 1) {
    out_.discarded[static_cast<std::size_t>(reason)] += count;
  }
  [[nodiscard]] bool may_use(Transport transport) const {
    return std::ranges::find(wanted_.transports, transport) != wanted_.transports.end();
  }

  std::vector<Service> services_of_host() const {
    std::vector<Service> services;
    for (const Transport transport : wanted_.transports)
      services.push_back({transport, srv_name(transport, wanted_.host)});
    return services;
  }

  void by_naptr() {
    const Answer* answer = ask(wanted_.host, RecordType::naptr);
    if (answer == nullptr) return;
    // A guess past a failed look-up could lead elsewhere than the domain wants.
    if (failed(*answer)) {
      out_.incomplete = true;
      return;
    }
    use(*answer);
    std::vector<Service> services = services_of(*answer);
    by_services(services.empty() ? services_of_host() : std::move(services));
  }

  // RFC 3403 4.1: sorted by order and preference; what has an order above the first that can be used is not
  // looked at.
  std::vector<Service> services_of(const Answer& answer) {
    std::vector<Service> services;
    std::optional<std::uint16_t> order;
    for (const NaptrRecord& record : answer.naptr) {
      const auto transport = transport_of_service(record.service);
      const bool usable = transport && may_use(*transport) && record.flags == "s" && !record.has_regexp &&
                          !record.replacement.empty();
      if (!usable || (order && record.order != *order)) continue;
      if (services.size() == kMostServices) {
        discard(Discard::too_many);
        continue;
      }
      order = record.order;
      services.push_back({*transport, record.replacement});
    }
    return services;
  }

  void by_services(const std::vector<Service>& services) {
    std::vector<const Answer*> answers;
    for (const Service& service : services) answers.push_back(ask(service.name, RecordType::srv));
    if (!out_.missing.empty()) return;
    bool offered = false;
    for (std::size_t i = 0; i < services.size(); ++i) {
      if (failed(*answers[i])) {
        out_.incomplete = true;
        continue;
      }
      use(*answers[i]);
      offered |= !answers[i]->srv.empty();
      add_servers(services[i].transport, answers[i]->srv);
    }
    // RFC 3263 4.2: no SRV record at all. One that failed may be there.
    if (offered || out_.incomplete) return;
    const Transport transport = services.front().transport;
    add_host(transport, standard_port(transport));
  }

  void add_servers(Transport transport, const std::vector<SrvRecord>& records) {
    std::optional<std::uint16_t> priority;
    for (const SrvRecord& record : records) {  // by priority
      if (record.target.empty()) continue;
      if (servers_++ >= kMostServers) {
        discard(Discard::too_many);
        continue;
      }
      if (priority && *priority != record.priority) ++rank_;
      priority = record.priority;
      for (const Family family : wanted_.families) {
        add_addresses(record.target, family, {{{}, record.port}, transport, rank_, entry_, record.weight});
      }
      ++entry_;
    }
    if (priority) ++rank_;
  }

  // Each address is drawn for itself, the realm's first family before the other.
  void add_host(Transport transport, std::uint16_t port) {
    for (const Family family : wanted_.families) {
      const std::size_t before = out_.places.size();
      add_addresses(wanted_.host, family, {{{}, port}, transport, rank_, entry_, 0});
      for (std::size_t i = before; i < out_.places.size(); ++i) out_.places[i].entry = entry_++;
      ++rank_;
    }
  }

  void add_addresses(const std::string& host, Family family, ResolvedPlace place) {
    const Answer* answer = ask(host, family == Family::v4 ? RecordType::a : RecordType::aaaa);
    if (answer == nullptr) return;
    if (failed(*answer)) {
      out_.incomplete = true;
      return;
    }
    use(*answer);
    no_name_ |= answer->kind == AnswerKind::no_name && host == wanted_.host;
    for (const IpAddress& address : answer->addresses) {
      found_ = true;
      place.endpoint.address = address;
      if (const auto reason = unfit(place)) {
        discard(*reason);
      } else if (!is_there(place)) {
        out_.places.push_back(place);
      }
    }
  }

  [[nodiscard]] std::optional<Discard> unfit(const ResolvedPlace& place) const {
    const IpAddress& address = place.endpoint.address;
    if (std::ranges::find(wanted_.families, address.family()) == wanted_.families.end())
      return Discard::family;
    if (std::ranges::find(wanted_.own, address) != wanted_.own.end()) return Discard::own_address;
    if (address.is_multicast() || address.is_broadcast() || address.is_unspecified() ||
        address.is_loopback() || address.is_link_local()) {
      return Discard::no_unicast;
    }
    if (out_.places.size() >= kMostPlaces) return Discard::too_many;
    return std::nullopt;
  }

  [[nodiscard]] bool is_there(const ResolvedPlace& place) const {
    return std::ranges::any_of(out_.places, [&](const ResolvedPlace& other) {
      return other.endpoint == place.endpoint && other.transport == place.transport;
    });
  }

  Outcome finish() {
    if (!out_.missing.empty()) {
      std::ranges::sort(out_.missing);
      const auto rest = std::ranges::unique(out_.missing);
      out_.missing.erase(rest.begin(), rest.end());
      return std::move(out_);
    }
    if (!out_.places.empty()) {
      out_.state = NameState::resolved;
    } else if (out_.incomplete) {
      out_.state = NameState::server_failure;
    } else if (found_) {
      out_.state = NameState::unusable;
    } else {
      out_.state = no_name_ ? NameState::no_such_name : NameState::no_records;
    }
    return std::move(out_);
  }

  const Wanted& wanted_;
  const Known& known_;
  Outcome out_;
  std::uint16_t rank_ = 0;
  std::uint16_t entry_ = 0;
  std::size_t servers_ = 0;
  bool found_ = false;    // an address, whatever it is good for
  bool no_name_ = false;  // of the target's own name
};

}  // namespace

Wanted wanted(const config::Config& config, const config::Peer& peer, const config::Target& target) {
  const config::Realm& realm = config.realms[peer.realm];
  Wanted out{.host = target.host, .port = target.host_port, .transport_given = target.transport_given};
  for (const Transport transport : {Transport::udp, Transport::tcp, Transport::tls}) {
    // sips over "tcp" is TLS over TCP (RFC 3261 26.2.2); what a sip URI says is taken as it is said.
    const bool given = target.secure ? transport == Transport::tls
                                     : !target.transport_given || transport == target.transport;
    if (given && realm.sip_port(transport) != 0) out.transports.push_back(transport);
  }
  for (const Prefix& prefix : realm.addresses) {
    const Family family = prefix.address.family();
    if (std::ranges::find(out.families, family) == out.families.end()) out.families.push_back(family);
  }
  for (const config::Realm& each : config.realms) {
    for (const Prefix& prefix : each.addresses) out.own.push_back(prefix.address);
  }
  return out;
}

Outcome procedure(const Wanted& wanted, const Known& known) {
  return Walk(wanted, known).run();
}

}  // namespace sallyport::resolver

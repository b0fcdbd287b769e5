// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "controlplane/response_map/compiled_map.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::response_map {
namespace {

using config::Fault;
using config::MapConfig;
using config::MapRule;
using config::Place;

enum class Kind : std::uint8_t { provisional, success, failure };

constexpr Kind kind_of(unsigned code) {
  return code >= 100 && code < 200   ? Kind::provisional
         : code >= 200 && code < 300 ? Kind::success
                                     : Kind::failure;
}

Place or_else(Place at, Place otherwise) {
  return at.line != 0 ? at : otherwise;
}

class Compiler {
 public:
  explicit Compiler(const MapConfig& config) : config_(config) { map_.name = config.name; }

  CompiledMap run() {
    read_bases();
    for (std::size_t i = 0; i < config_.rules.size(); ++i) read_rule(config_.rules[i], i + 1);
    std::ranges::sort(map_.rules, more_specific);
    for (const CompiledRule& rule : map_.local_rules)
      map_.by_local[static_cast<std::size_t>(rule.local)] = &rule;
    refuse_loops();
    return std::move(map_);
  }
  [[nodiscard]] std::vector<Fault>& faults() { return faults_; }

 private:
  void fault(Place at, std::string message) { faults_.push_back({at, std::move(message)}); }

  void read_bases() {
    for (const config::MapBase& base : config_.base) {
      if (base.name == "vendor") {
        map_.vendor = true;
      } else if (base.name != "rfc3398") {
        fault(base.at, "no base is named '" + base.name + "': rfc3398 and vendor are");
      }
    }
  }

  void read_rule(const MapRule& from, std::size_t number) {
    CompiledRule rule;
    rule.number = static_cast<std::uint16_t>(number);
    rule.at = from.at;
    if (!read_conditions(from, rule)) return;
    read_outputs(from, rule);
    const std::size_t before = faults_.size();
    check_kinds(from, rule);
    check_terminated(from, rule);
    check_repeated(rule);
    if (faults_.size() != before) return;
    (rule.local != LocalError::none ? map_.local_rules : map_.rules).push_back(std::move(rule));
  }

  bool read_conditions(const MapRule& from, CompiledRule& rule) {
    if (from.local) {
      if (from.code || from.phrase || from.q850) {
        fault(or_else(from.local_at, from.at),
              "a rule is of a local error or of a peer's response, never of both");
        return false;
      }
      const auto local = local_error_from(*from.local);
      if (!local) {
        fault(or_else(from.local_at, from.at), "no local error is named '" + *from.local + "'");
        return false;
      }
      rule.local = *local;
      return true;
    }
    if (!from.code && !from.phrase && !from.q850) {
      fault(from.at, "a rule needs a condition: code, phrase, q850 or local");
      return false;
    }
    rule.first = from.code ? from.code->first : std::uint16_t{300};
    rule.last = from.code ? from.code->last : std::uint16_t{0xffff};
    rule.code_rank = !from.code ? 0 : code_rank(*from.code);
    rule.has_phrase = from.phrase.has_value();
    if (from.phrase) rule.phrase = sip::trim(*from.phrase);
    rule.q850 = from.q850.value_or(0);
    return true;
  }

  static std::uint8_t code_rank(const config::CodeSpan& span) {
    if (span.first == span.last) return 3;
    return span.kind == config::CodeSpan::Kind::status_class ? 1 : 2;
  }

  void read_outputs(const MapRule& from, CompiledRule& rule) {
    rule.send = from.send.value_or(0);
    rule.send_phrase = from.send_phrase;
    rule.send_q850 = from.send_q850.value_or(0);
    rule.warning = from.warning.value_or(0);
    if (from.retry_after_ns) {
      rule.retry_after_s = static_cast<std::uint32_t>((*from.retry_after_ns + kSecond - 1) / kSecond);
    }
    rule.failover = from.failover;
    // A line end in a phrase would start a header field of its own on the wire.
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (rule.send_phrase && std::ranges::any_of(*rule.send_phrase, is_control)) {
      fault(from.at, "send_phrase has a control character");
    }
  }

  // RFC 3261 7.2: a provisional response ends nothing, a final one ends the transaction, and 2xx makes a
  // dialog: none can stand for another.
  void check_kinds(const MapRule& from, const CompiledRule& rule) {
    const Place at = or_else(from.send_at, from.at);
    if (rule.first == 100 && rule.last == 100) {
      fault(or_else(from.code_at, from.at), "100 never leaves its hop: no rule can map it");
      return;
    }
    if (rule.send == 100) {
      fault(at, "100 never leaves its hop: it cannot be sent to the other leg");
      return;
    }
    const Kind first = rule.local != LocalError::none ? Kind::failure : kind_of(rule.first);
    const Kind last = rule.local != LocalError::none ? Kind::failure : kind_of(rule.last);
    if (rule.failover.value_or(false) &&
        (first != Kind::failure || rule.send / 100 == 1 || rule.send / 100 == 2)) {
      fault(from.at, "failover is for failures: 300 and above");
    }
    if (rule.send == 0) return;
    const Kind sent = kind_of(rule.send);
    const auto covers = [&](Kind kind) { return first <= kind && kind <= last; };
    if (sent == Kind::provisional && (covers(Kind::success) || covers(Kind::failure))) {
      fault(at, "a final response cannot become the provisional " + std::to_string(rule.send));
    } else if (sent == Kind::success && (covers(Kind::provisional) || covers(Kind::failure))) {
      fault(at, "what is not a 2xx cannot become " + std::to_string(rule.send));
    } else if (sent == Kind::failure && covers(Kind::provisional)) {
      fault(at, "a provisional response cannot become the final " + std::to_string(rule.send));
    } else if (sent == Kind::failure && covers(Kind::success)) {
      fault(at, "a 2xx cannot become " + std::to_string(rule.send) + ": the callee has answered");
    }
  }

  // RFC 3261 9.1, 15: 487 says that a CANCEL or BYE was obeyed. It stays 487, in particular where our own
  // CANCEL drew it. (A range that covers 487 among others does not see that one: Maps::map.)
  void check_terminated(const MapRule& from, const CompiledRule& rule) {
    if (rule.send == 0 || rule.send == 487) return;
    const bool local = rule.local == LocalError::cancelled;
    const bool exact = rule.local == LocalError::none && rule.first == 487 && rule.last == 487;
    const bool by_phrase = rule.local == LocalError::none && rule.first <= 487 && rule.last >= 487 &&
                           sip::iequals(rule.phrase, standard_phrase(487));
    if (local || exact || by_phrase) {
      fault(
          or_else(from.send_at, from.at),
          "487 answers a CANCEL or BYE, our own among them, and cannot become " + std::to_string(rule.send));
    }
  }

  void check_repeated(const CompiledRule& rule) {
    const auto same = [&](const CompiledRule& other) {
      return other.local == rule.local && other.first == rule.first && other.last == rule.last &&
             (other.code_rank == 0) == (rule.code_rank == 0) && other.has_phrase == rule.has_phrase &&
             sip::iequals(other.phrase, rule.phrase) && other.q850 == rule.q850;
    };
    const auto& rules = rule.local != LocalError::none ? map_.local_rules : map_.rules;
    const auto at = std::ranges::find_if(rules, same);
    if (at == rules.end()) return;
    fault(rule.at, "the rule never decides: rule " + std::to_string(at->number) + " (line " +
                       std::to_string(at->at.line) + ") has the same conditions");
  }

  // ---- loops: what a rule sends, heard again by the same map (a call may pass Sallyport twice), must come
  // to rest ----

  struct Step {
    Heard heard;
    std::size_t rule = kBase;  // that made it, an index into map_.rules
    static constexpr std::size_t kBase = static_cast<std::size_t>(-1);
  };

  [[nodiscard]] static Step sent_by(const CompiledRule& rule, std::size_t index) {
    Step step;
    step.rule = index;
    step.heard.code = rule.send;
    step.heard.phrase = rule.send_phrase ? std::string_view(*rule.send_phrase) : standard_phrase(rule.send);
    step.heard.q850 = rule.send_q850 != 0 ? rule.send_q850
                      : rule.q850 != 0    ? rule.q850
                                          : cause_of(rule.send, 0);
    return step;
  }

  // nullopt: it has come to rest.
  [[nodiscard]] std::optional<Step> next(const Heard& heard) const {
    if (const CompiledRule* rule = map_.find(heard); rule != nullptr && rule->send != 0) {
      return sent_by(*rule, static_cast<std::size_t>(rule - map_.rules.data()));
    }
    Step step;
    const VendorRow* vendor = map_.vendor ? find_vendor(heard.code, heard.phrase) : nullptr;
    step.heard.code = vendor != nullptr ? vendor->normalised : code_row(heard.code).map_to;
    if (step.heard.code == 0) return std::nullopt;
    step.heard.phrase = standard_phrase(step.heard.code);
    step.heard.q850 = cause_of(step.heard.code, 0);
    return step;
  }

  void refuse_loops() {
    std::vector<bool> reported(map_.rules.size());
    for (std::size_t i = 0; i < map_.rules.size(); ++i) {
      if (map_.rules[i].send != 0 && !reported[i]) walk(i, reported);
    }
  }

  void walk(std::size_t start, std::vector<bool>& reported) {
    std::vector<Step> path{sent_by(map_.rules[start], start)};
    // Each step is made by a rule or by a row: a path longer than this has met itself.
    const std::size_t longest = map_.rules.size() + code_rows().size() + vendor_rows().size() + 1;
    while (path.size() <= longest) {
      const auto step = next(path.back().heard);
      if (!step || step->heard.code == path.back().heard.code) return;
      path.push_back(*step);
      if (step->rule == start) {
        report(path, reported);
        return;
      }
    }
  }

  void report(const std::vector<Step>& path, std::vector<bool>& reported) {
    const CompiledRule* first = &map_.rules[path.front().rule];
    std::string codes;
    for (const Step& step : path) {
      codes += (codes.empty() ? "" : ", then ") + std::to_string(step.heard.code);
      if (step.rule == Step::kBase) continue;
      reported[step.rule] = true;
      if (map_.rules[step.rule].number < first->number) first = &map_.rules[step.rule];
    }
    const MapRule& source = config_.rules[first->number - 1u];
    fault(or_else(source.send_at, first->at), "the rules loop: they would send " + codes + ", and so on");
  }

  const MapConfig& config_;
  CompiledMap map_;
  std::vector<Fault> faults_;
};

}  // namespace

std::expected<Maps, std::vector<Fault>> Maps::compile(std::span<const MapConfig> configs) {
  Maps maps;
  std::vector<Fault> faults;
  maps.maps_.reserve(configs.size());
  for (const MapConfig& config : configs) {
    Compiler compiler(config);
    maps.maps_.push_back(compiler.run());
    std::ranges::move(compiler.faults(), std::back_inserter(faults));
  }
  if (faults.empty()) return maps;
  std::ranges::sort(faults);
  return std::unexpected(std::move(faults));
}

}  // namespace sallyport::response_map

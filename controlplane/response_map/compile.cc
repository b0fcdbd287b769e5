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
      } else if (base.name != "rfc3398") {  // that one lies beneath every map: Maps::map
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

  // ---- loops. The map is applied once to a response (response_map.h), but a call may pass Sallyport, or two
  // of them, any number of times: what the rules say, heard again by the same map, must come to rest. What
  // counts is all that a rule can ask for: code, phrase and cause. Two maps of one peer are no loop between
  // them: 486 to 480 in `receive` and 480 to 486 in `send` are each applied to what the other side of them
  // has said. ----

  struct Step {
    std::uint16_t code = 0;
    std::string phrase;
    std::uint8_t q850 = 0;
    std::size_t rule = kBase;  // that made it, an index into map_.rules
    static constexpr std::size_t kBase = static_cast<std::size_t>(-1);

    [[nodiscard]] Heard heard() const { return {code, phrase, q850}; }
    [[nodiscard]] bool is_like(const Step& other) const {
      return code == other.code && q850 == other.q850 && sip::iequals(phrase, other.phrase);
    }
    void become(std::uint16_t other) {
      if (other == code) return;
      code = other;
      phrase = standard_phrase(other);
    }
  };

  // As Maps::map does it: the rule over the vendor row over the code table.
  void take_rule(std::size_t index, Step& step) const {
    const CompiledRule& rule = map_.rules[index];
    step.rule = index;
    // A cause that no rule asks for or sends goes with its code here: at run time the peer's own would cross,
    // but whether it does is the peer's doing and not the rules'.
    if (rule.send != 0 && rule.send != step.code) step.q850 = rule.q850;
    if (rule.send != 0) step.become(rule.send);
    if (rule.send_phrase) step.phrase = sip::trim(*rule.send_phrase);
    if (rule.send_q850 != 0) step.q850 = rule.send_q850;
    if (step.phrase.empty()) step.phrase = standard_phrase(step.code);
    if (step.q850 == 0) step.q850 = cause_of(step.code, rule.warning);
  }

  // What the map makes of that when it is heard again.
  [[nodiscard]] Step next(const Step& before) const {
    Step step = before;
    step.rule = Step::kBase;
    const CompiledRule* rule = map_.find(before.heard());
    const bool has_code = rule != nullptr && rule->send != 0;
    const VendorRow* vendor = map_.vendor ? find_vendor(step.code, step.phrase) : nullptr;
    if (vendor != nullptr && !has_code) {
      if (vendor->normalised != step.code || step.q850 == 0) step.q850 = vendor->q850;
      step.code = vendor->normalised;
      step.phrase = standard_phrase(step.code);
    }
    if (rule != nullptr) take_rule(static_cast<std::size_t>(rule - map_.rules.data()), step);
    if (!has_code) step.become(code_row(step.code).map_to != 0 ? code_row(step.code).map_to : step.code);
    if (step.q850 == 0) step.q850 = cause_of(step.code, 0);
    return step;
  }

  void refuse_loops() {
    std::vector<bool> reported(map_.rules.size());
    for (std::size_t i = 0; i < map_.rules.size(); ++i) {
      const CompiledRule& rule = map_.rules[i];
      if (rule.send != 0) {
        walk_from(i, rule.first, reported);
      } else if (rule.send_phrase || rule.send_q850 != 0) {
        // The code stays: what follows differs from code to code.
        for (unsigned code = rule.first; code <= std::min<unsigned>(rule.last, 699); ++code)
          walk_from(i, static_cast<std::uint16_t>(code), reported);
      }
    }
  }

  // From what rule `start` makes of a response that it matches. A loop is found from each rule of it that
  // asks for a phrase or a cause, since there is nothing else that a response could bring.
  void walk_from(std::size_t start, std::uint16_t code, std::vector<bool>& reported) {
    const CompiledRule& rule = map_.rules[start];
    Step first;
    first.code = code;
    first.phrase = rule.has_phrase ? rule.phrase : std::string(standard_phrase(code));
    first.q850 = rule.q850;
    take_rule(start, first);
    std::vector<Step> path{std::move(first)};
    while (true) {
      Step step = next(path.back());
      if (step.is_like(path.back())) return;  // at rest
      const auto met = std::ranges::find_if(path, [&](const Step& seen) { return seen.is_like(step); });
      const bool loops = met != path.end();
      path.push_back(std::move(step));
      if (!loops) continue;
      path.erase(path.begin(),
                 std::ranges::find_if(path, [&](const Step& seen) { return seen.is_like(path.back()); }));
      return report(path, reported);
    }
  }

  // `path` begins and ends with the same.
  void report(const std::vector<Step>& path, std::vector<bool>& reported) {
    const CompiledRule* first = nullptr;
    std::string codes;
    bool is_known = false;
    for (std::size_t i = 0; i < path.size(); ++i) {
      const Step& step = path[i];
      codes += (i == 0 ? "" : ", then ") + std::to_string(step.code);
      if (!sip::iequals(step.phrase, standard_phrase(step.code))) codes += " " + step.phrase;
      if (i == 0 || step.rule == Step::kBase) continue;
      is_known = is_known || reported[step.rule];
      reported[step.rule] = true;
      if (first == nullptr || map_.rules[step.rule].number < first->number) first = &map_.rules[step.rule];
    }
    if (is_known || first == nullptr) return;
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

// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/codec_policy.h"

#include <algorithm>
#include <array>

#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {
namespace {

constexpr std::array<std::string_view, 9> kHelpers{
    "telephone-event", "CN", "red", "rtx", "ulpfec", "parityfec", "flexfec", "flexfec-03", "tone"};

bool is_helper(const Format& format) {
  return std::ranges::any_of(kHelpers,
                             [&](std::string_view name) { return equal_nocase(format.encoding, name); });
}

bool named_in(const std::vector<CodecName>& list, const Format& format) {
  return std::ranges::any_of(list, [&](const CodecName& name) { return name.names(format); });
}

bool removed_by(const CodecPolicy* policy, const Format& format) {
  if (policy == nullptr) return false;
  if (named_in(policy->remove, format)) return true;
  return !policy->allow.empty() && !is_helper(format) && !named_in(policy->allow, format);
}

// The payload types that a helper's fmtp names: "97/98" of red, "apt=97;rtx-time=..." of rtx.
std::vector<std::string_view> helped_by(const Format& format) {
  std::vector<std::string_view> types;
  std::string_view rest = format.fmtp;
  const bool is_rtx = equal_nocase(format.encoding, "rtx");
  if (!is_rtx && !equal_nocase(format.encoding, "red")) return types;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(is_rtx ? "; " : "/ "), rest.size());
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (is_rtx && (word.size() <= 4 || !equal_nocase(word.substr(0, 4), "apt="))) continue;
    if (is_rtx) word.remove_prefix(4);
    if (!word.empty()) types.push_back(word);
  }
  return types;
}

class Chooser {
 public:
  Chooser(const Stream& stream, const CodecRules& rules)
      : formats_(stream.formats), rules_(rules), kept_(stream.formats.size(), true) {}

  CodecChoice run() {
    drop_unwanted();
    if (!drop_orphans()) return {{}, true};
    CodecChoice choice;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      if (kept_[i]) choice.formats.push_back(static_cast<std::uint16_t>(i));
    }
    put_in_order(choice.formats);
    choice.changed = choice.formats.size() != formats_.size() || !std::ranges::is_sorted(choice.formats);
    return choice;
  }

 private:
  void drop_unwanted() {
    for (std::size_t i = 0; i < formats_.size(); ++i) {
      kept_[i] = !removed_by(rules_.writer, formats_[i]) && !removed_by(rules_.reader, formats_[i]);
    }
  }

  // Helpers that help nobody any more. A red may name a telephone-event, an rtx a red: until nothing changes.
  // False: no codec is left.
  bool drop_orphans() {
    bool codec_left = false;
    for (std::size_t i = 0; i < formats_.size(); ++i) codec_left |= kept_[i] && !is_helper(formats_[i]);
    if (!codec_left) return false;
    for (bool dropped = true; dropped;) {
      dropped = false;
      for (std::size_t i = 0; i < formats_.size(); ++i) {
        if (!kept_[i] || !is_helper(formats_[i]) || !is_orphan(formats_[i])) continue;
        kept_[i] = false;
        dropped = true;
      }
    }
    return true;
  }

  [[nodiscard]] bool is_orphan(const Format& helper) const {
    for (const std::string_view type : helped_by(helper)) {
      for (std::size_t i = 0; i < formats_.size(); ++i) {
        if (formats_[i].text == type && !kept_[i]) return true;
      }
    }
    bool rate_was_there = false;
    for (std::size_t i = 0; i < formats_.size(); ++i) {
      if (is_helper(formats_[i]) || formats_[i].clock_rate != helper.clock_rate) continue;
      if (kept_[i]) return false;
      rate_was_there = true;
    }
    return rate_was_there;
  }

  void put_in_order(std::vector<std::uint16_t>& positions) const {
    const bool reader_has = rules_.reader != nullptr && !rules_.reader->order.empty();
    const CodecPolicy* policy = reader_has ? rules_.reader : rules_.writer;
    if (!rules_.is_offer || policy == nullptr || policy->order.empty()) return;
    const auto rank = [&](std::uint16_t position) {
      const Format& format = formats_[position];
      const auto found =
          std::ranges::find_if(policy->order, [&](const CodecName& name) { return name.names(format); });
      const auto place = found - policy->order.begin();
      return found == policy->order.end() && is_helper(format) ? place + 1 : place;
    };
    // Positions are told apart, so that the order among equals stays.
    std::ranges::sort(positions, [&](std::uint16_t a, std::uint16_t b) {
      const auto x = rank(a), y = rank(b);
      return x != y ? x < y : a < b;
    });
  }

  std::span<const Format> formats_;
  const CodecRules& rules_;
  std::vector<bool> kept_;
};

bool judges(const CodecPolicy* policy) {
  return policy != nullptr && !policy->empty();
}

std::vector<CodecName> parse_all(std::span<const std::string> texts) {
  std::vector<CodecName> names;
  for (const std::string& text : texts) names.push_back(CodecName::parse(text));
  return names;
}

}  // namespace

CodecName CodecName::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  CodecName name{std::string(text.substr(0, slash)), 0};
  if (slash != std::string_view::npos)
    name.clock_rate = number<std::uint32_t>(text.substr(slash + 1)).value_or(0);
  return name;
}

bool CodecName::names(const Format& format) const {
  return equal_nocase(format.encoding, encoding) && (clock_rate == 0 || clock_rate == format.clock_rate);
}

CodecPolicy CodecPolicy::parse(std::span<const std::string> allow, std::span<const std::string> remove,
                               std::span<const std::string> order) {
  return {parse_all(allow), parse_all(remove), parse_all(order)};
}

CodecChoice choose_codecs(const Stream& stream, const CodecRules& rules) {
  return Chooser(stream, rules).run();
}

bool apply_codecs(const Description& description, const CodecRules& rules, Plan& plan) {
  if (!judges(rules.writer) && !judges(rules.reader)) return true;
  const auto streams = description.streams();
  plan.streams.resize(std::max(plan.streams.size(), streams.size()));
  bool lost = false;
  bool left = false;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i].disabled()) continue;
    CodecChoice choice;
    if (streams[i].is_rtp()) choice = choose_codecs(streams[i], rules);
    if (choice.changed && choice.formats.empty()) {
      plan.streams[i].refused = true;
      lost = true;
      continue;
    }
    left = true;
    if (choice.changed) plan.streams[i].formats = std::move(choice.formats);
  }
  return left || !lost;
}

bool codecs_left(const Description& description, const CodecRules& rules) {
  Plan plan;
  return apply_codecs(description, rules, plan);
}

}  // namespace sallyport::sdp

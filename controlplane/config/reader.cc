// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/reader.h"

#include <algorithm>
#include <map>

#include "controlplane/config/load.h"
#include "controlplane/config/text.h"

namespace sallyport::config {
namespace {

std::string_view kind_text(yaml::Node::Kind kind) {
  switch (kind) {
    case yaml::Node::Kind::null:
      return "nothing";
    case yaml::Node::Kind::scalar:
      return "a single value";
    case yaml::Node::Kind::sequence:
      return "a list";
    case yaml::Node::Kind::map:
      return "a map";
  }
  return "";
}

std::string duration_text(Nanoseconds ns) {
  if (ns == 0) return "0";
  if (ns % (3600 * kSecond) == 0) return std::to_string(ns / (3600 * kSecond)) + "h";
  if (ns % kSecond == 0) return std::to_string(ns / kSecond) + "s";
  return std::to_string(ns / kMillisecond) + "ms";
}

constexpr std::array<std::pair<std::string_view, unsigned>, 3> kSizeUnits{
    {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};

std::string bytes_text(std::size_t bytes) {
  for (auto unit = kSizeUnits.rbegin(); unit != kSizeUnits.rend(); ++unit) {
    if (bytes % (std::size_t{1} << unit->second) == 0)
      return std::to_string(bytes >> unit->second) + std::string(unit->first);
  }
  return std::to_string(bytes);
}

std::optional<std::size_t> parse_bytes(std::string_view text) {
  for (const auto& [unit, bits] : kSizeUnits) {
    if (!text.ends_with(unit)) continue;
    const auto number = parse_number(text.substr(0, text.size() - unit.size()));
    if (!number || *number > std::uint64_t{1} << 20) return std::nullopt;
    return static_cast<std::size_t>(*number << bits);
  }
  return std::nullopt;
}

// The key of a map's entry, or nullptr (and a fault) where it is no plain word.
const std::string* key_text(const yaml::Node& key, const std::string& path, Faults& faults) {
  if (key.kind == yaml::Node::Kind::scalar) return &key.text;
  faults.add(key.at, fmt::format("{}: a key must be a word, not {}", path, kind_text(key.kind)));
  return nullptr;
}

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

}  // namespace

void Faults::add(Place at, std::string message) {
  if (faults_.size() < kMost) faults_.push_back({at, std::move(message)});
}

std::vector<Fault> Faults::take_sorted() {
  std::sort(faults_.begin(), faults_.end());
  // A node that several aliases name is read, and complains, several times.
  faults_.erase(std::unique(faults_.begin(), faults_.end()), faults_.end());
  return std::move(faults_);
}

const std::string* Value::scalar(std::string_view wanted) const {
  if (node_->kind == yaml::Node::Kind::scalar) return &node_->text;
  fault("must be {}, not {}", wanted, kind_text(node_->kind));
  return nullptr;
}

void Value::bad_choice(std::string_view written, std::span<const std::string_view> words) const {
  fault("must be {}, not {}", one_of(words), in_quotes(written));
}

std::optional<std::string> Value::text(std::size_t longest) const {
  const std::string* written = scalar("text");
  if (written == nullptr) return std::nullopt;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (written->empty()) {
    fault("is empty");
  } else if (written->size() > longest) {
    fault("is longer than {} octets", longest);
  } else if (std::any_of(written->begin(), written->end(), is_control)) {
    fault("holds a control character");
  } else {
    return *written;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Value::number(std::uint64_t least, std::uint64_t most) const {
  const std::string* written = scalar("a number");
  if (written == nullptr) return std::nullopt;
  const auto value = node_->quoted ? std::nullopt : parse_number(*written);
  if (value && *value >= least && *value <= most) return value;
  fault("must be a number from {} to {}, not {}", least, most, in_quotes(*written));
  return std::nullopt;
}

std::optional<Nanoseconds> Value::duration(Nanoseconds least, Nanoseconds most, bool may_be_off) const {
  const std::string* written = scalar("a duration");
  if (written == nullptr) return std::nullopt;
  if (may_be_off && *written == "off") return 0;
  const auto value = parse_duration(*written);
  if (!value) {
    fault("must be a duration with its unit, such as 250ms, 10s or 4h, not {}", in_quotes(*written));
  } else if (may_be_off && *value == 0) {
    return 0;
  } else if (*value < least || *value > most) {
    fault("must be from {} to {}{}, not {}", duration_text(least), duration_text(most),
          may_be_off ? ", or off" : "", in_quotes(*written));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<std::size_t> Value::bytes(std::size_t least, std::size_t most, bool may_be_off) const {
  const std::string* written = scalar("a size");
  if (written == nullptr) return std::nullopt;
  if (may_be_off && (*written == "off" || *written == "0")) return 0;
  const auto value = parse_bytes(*written);
  if (value && *value >= least && *value <= most) return value;
  fault("must be a size from {} to {}{}, not {}", bytes_text(least), bytes_text(most),
        may_be_off ? ", or off" : "", in_quotes(*written));
  return std::nullopt;
}

std::optional<bool> Value::boolean() const {
  static constexpr std::array<std::pair<std::string_view, bool>, 4> kWords{
      {{"yes", true}, {"no", false}, {"true", true}, {"false", false}}};
  return choice<bool>(kWords);
}

std::optional<IpAddress> Value::address() const {
  const std::string* written = scalar("an IP address");
  if (written == nullptr) return std::nullopt;
  const auto value = IpAddress::parse(*written);
  if (!value) fault("must be an IP address, not {}", in_quotes(*written));
  return value;
}

std::optional<Prefix> Value::prefix() const {
  const std::string* written = scalar("an IP address or network");
  if (written == nullptr) return std::nullopt;
  const auto value = Prefix::parse(*written);
  if (!value) fault("must be an IP address, alone or with a prefix length, not {}", in_quotes(*written));
  return value;
}

std::optional<Endpoint> Value::endpoint() const {
  const std::string* written = scalar("an address and port");
  if (written == nullptr) return std::nullopt;
  const auto value = Endpoint::parse(*written);
  if (value && *value) return value;
  fault("must be an IP address and a port, such as \"127.0.0.1:9464\" or \"[::1]:9464\", not {}",
        in_quotes(*written));
  return std::nullopt;
}

std::optional<std::string> Value::absolute_path(std::size_t longest) const {
  auto written = text(longest);
  if (!written || written->front() == '/') return written;
  fault("must be a path from the root, not {}", in_quotes(*written));
  return std::nullopt;
}

std::vector<Value> Value::list() const {
  std::vector<Value> items;
  if (!is_list()) {
    fault("must be a list, not {}", kind_text(node_->kind));
    return items;
  }
  for (std::size_t i = 0; i < node_->items.size(); ++i) {
    items.emplace_back(*node_->items[i], fmt::format("{}[{}]", path_, i + 1), *faults_);
  }
  return items;
}

std::vector<Value> Value::list_or_one() const {
  if (node_->kind == yaml::Node::Kind::scalar) return {*this};
  return list();
}

std::vector<Value::Named> Value::named() const {
  std::vector<Named> result;
  if (!is_map()) {
    fault("must be a map of names, not {}", kind_text(node_->kind));
    return result;
  }
  std::map<std::string_view, Place> seen;
  for (const auto& [key, value] : node_->entries) {
    const std::string* name = key_text(*key, path_, *faults_);
    if (name == nullptr) continue;
    if (!is_name(*name)) {
      faults_->add(key->at, fmt::format("{}: {} is not a name: letters, digits, '-', '_' and '.', at most 63",
                                        path_, in_quotes(*name)));
    } else if (const auto [first, fresh] = seen.emplace(*name, key->at); !fresh) {
      faults_->add(key->at,
                   fmt::format("{}: given twice, first on line {}", join(path_, *name), first->second.line));
    } else {
      result.push_back({*name, Value(*value, join(path_, *name), *faults_), key->at});
    }
  }
  return result;
}

MapReader::MapReader(const Value& value) : value_(value) {
  if (!value_.is_map()) {
    value_.fault("must be a map, not {}", kind_text(value_.node_->kind));
  } else {
    find_duplicates();
  }
}

void MapReader::find_duplicates() {
  std::map<std::string_view, Place> seen;
  for (const auto& [key, value] : value_.node_->entries) {
    const std::string* name = key_text(*key, value_.path(), *value_.faults_);
    if (name == nullptr) continue;
    const auto [first, fresh] = seen.emplace(*name, key->at);
    if (!fresh) {
      value_.faults_->add(key->at, fmt::format("{}: given twice, first on line {}",
                                               join(value_.path(), *name), first->second.line));
    }
  }
}

std::optional<Value> MapReader::get(std::string_view key) {
  known_.push_back(key);
  for (const auto& [name, node] : value_.node_->entries) {
    if (name->kind != yaml::Node::Kind::scalar || name->text != key) continue;
    Value found(*node, join(value_.path(), key), *value_.faults_);
    if (node->kind != yaml::Node::Kind::null) return found;
    value_.faults_->add(name->at, found.path() + ": is empty");
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Value> MapReader::need(std::string_view key) {
  auto found = get(key);
  const auto holds = [&](const auto& entry) { return entry.first->text == key; };
  if (!found && value_.is_map() &&
      std::none_of(value_.node_->entries.begin(), value_.node_->entries.end(), holds)) {
    value_.fault("needs '{}'", key);
  }
  return found;
}

void MapReader::finish() {
  for (const auto& [key, node] : value_.node_->entries) {
    if (key->kind != yaml::Node::Kind::scalar) continue;
    if (std::find(known_.begin(), known_.end(), key->text) != known_.end()) continue;
    const std::string_view near = nearest(key->text, known_);
    const std::string where = value_.path().empty() ? "" : value_.path() + ": ";
    value_.faults_->add(key->at, near.empty() ? fmt::format("{}unknown key {}", where, in_quotes(key->text))
                                              : fmt::format("{}unknown key {}, did you mean '{}'?", where,
                                                            in_quotes(key->text), near));
  }
}

void MapReader::text(std::string_view key, std::string& out, std::size_t longest) {
  if (const auto v = get(key)) {
    if (auto written = v->text(longest)) out = std::move(*written);
  }
}

void MapReader::duration(std::string_view key, Nanoseconds& out, Nanoseconds least, Nanoseconds most) {
  if (const auto v = get(key)) {
    if (const auto ns = v->duration(least, most, false)) out = *ns;
  }
}

void MapReader::duration_or_off(std::string_view key, Nanoseconds& out, Nanoseconds least, Nanoseconds most) {
  if (const auto v = get(key)) {
    if (const auto ns = v->duration(least, most, true)) out = *ns;
  }
}

}  // namespace sallyport::config

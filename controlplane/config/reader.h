// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/config/fault.h"
#include "controlplane/config/yaml.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"

namespace sallyport::config {

// Collects faults; a file that is wrong all over is told so at most this often.
class Faults {
 public:
  static constexpr std::size_t kMost = 500;
  void add(Place at, std::string message);
  [[nodiscard]] bool empty() const { return faults_.empty(); }
  [[nodiscard]] std::vector<Fault> take_sorted();

 private:
  std::vector<Fault> faults_;
};

template <typename T>
using Words = std::span<const std::pair<std::string_view, T>>;

class MapReader;

// A node with its path ("realms.access.vlan"). Each reader yields the value, or reports one fault and yields
// nothing.
class Value {
 public:
  Value(const yaml::Node& node, std::string path, Faults& faults)
      : node_(&node), path_(std::move(path)), faults_(&faults) {}

  [[nodiscard]] Place at() const { return node_->at; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_list() const { return node_->kind == yaml::Node::Kind::sequence; }
  [[nodiscard]] bool is_map() const { return node_->kind == yaml::Node::Kind::map; }

  template <typename... Args>
  void fault(fmt::format_string<Args...> format, Args&&... args) const {
    faults_->add(at(),
                 (path_.empty() ? "" : path_ + ": ") + fmt::format(format, std::forward<Args>(args)...));
  }

  // Any scalar, as it stands; 1 to `longest` octets, no control characters.
  [[nodiscard]] std::optional<std::string> text(std::size_t longest = 1024) const;
  [[nodiscard]] std::optional<std::uint64_t> number(std::uint64_t least, std::uint64_t most) const;
  // "10s"; with `may_be_off` also "off" (0).
  [[nodiscard]] std::optional<Nanoseconds> duration(Nanoseconds least, Nanoseconds most,
                                                    bool may_be_off) const;
  // "16MiB", in octets; with `may_be_off` also "off" (0).
  [[nodiscard]] std::optional<std::size_t> bytes(std::size_t least, std::size_t most, bool may_be_off) const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<IpAddress> address() const;
  [[nodiscard]] std::optional<Prefix> prefix() const;
  // "127.0.0.1:9464"; port 0 is a fault.
  [[nodiscard]] std::optional<Endpoint> endpoint() const;
  // A file name from the root.
  [[nodiscard]] std::optional<std::string> absolute_path(std::size_t longest) const;
  template <typename T>
  [[nodiscard]] std::optional<T> choice(Words<T> words) const;

  // The items; a fault and none where it is no list.
  [[nodiscard]] std::vector<Value> list() const;
  // The items; a single scalar counts as a list of one.
  [[nodiscard]] std::vector<Value> list_or_one() const;
  // {name, value} pairs of a map whose keys are names; bad and duplicate names are faults and left out.
  struct Named;
  [[nodiscard]] std::vector<Named> named() const;

 private:
  friend class MapReader;
  [[nodiscard]] const std::string* scalar(std::string_view wanted) const;
  void bad_choice(std::string_view text, std::span<const std::string_view> words) const;

  const yaml::Node* node_;
  std::string path_;
  Faults* faults_;
};

struct Value::Named {
  std::string name;
  Value value;
  Place at;  // of the name
};

// A map with known keys. Whatever is asked for is known; finish() reports every other key.
class MapReader {
 public:
  explicit MapReader(const Value& value);

  [[nodiscard]] const Value& value() const { return value_; }
  // What stands at `key`, if it stands there and is not empty (an empty one is a fault).
  [[nodiscard]] std::optional<Value> get(std::string_view key);
  // The same; its absence is a fault.
  [[nodiscard]] std::optional<Value> need(std::string_view key);
  void finish();

  // Into `out` where the key is there and good; `out` stays as it is otherwise.
  void text(std::string_view key, std::string& out, std::size_t longest = 1024);
  void duration(std::string_view key, Nanoseconds& out, Nanoseconds least, Nanoseconds most);
  void duration_or_off(std::string_view key, Nanoseconds& out, Nanoseconds least, Nanoseconds most);
  template <std::unsigned_integral T>
  void number(std::string_view key, T& out, std::uint64_t least, std::uint64_t most) {
    if (const auto v = get(key)) {
      if (const auto n = v->number(least, most)) out = static_cast<T>(*n);
    }
  }
  template <typename T>
  void choice(std::string_view key, T& out, Words<T> words) {
    if (const auto v = get(key)) {
      if (const auto c = v->choice<T>(words)) out = *c;
    }
  }

 private:
  void find_duplicates();

  Value value_;
  std::vector<std::string_view> known_;
};

template <typename T>
std::optional<T> Value::choice(Words<T> words) const {
  const std::string* written = scalar("a word");
  if (written == nullptr) return std::nullopt;
  std::vector<std::string_view> names;
  for (const auto& [name, value] : words) {
    if (name == *written) return value;
    names.push_back(name);
  }
  bad_choice(*written, names);
  return std::nullopt;
}

}  // namespace sallyport::config

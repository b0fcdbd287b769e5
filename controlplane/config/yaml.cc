// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <unordered_map>

namespace sallyport::config::yaml {
namespace {

Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

// Builds the tree from yaml-cpp's events. `stack_` holds the open collections; a map's entry is open between
// its key and its value.
class Builder : public YAML::EventHandler {
 public:
  [[nodiscard]] NodeRef root() const { return root_ ? root_ : std::make_shared<Node>(); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(make(Node::Kind::null, mark, anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::scalar, mark, anchor);
    node->text = value;
    node->quoted = tag == "!";  // yaml-cpp's word for "not plain"
    if (tag != "!" && tag != "?" && !tag.empty()) {
      throw YAML::ParserException(mark, "tags such as " + tag + " are not used here");
    }
    // The parser reports `~` and `null` as scalars when they are quoted, and as null otherwise.
    finish(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw YAML::ParserException(mark, "an alias to a node that is not complete");
    add(found->second, mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::sequence, mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    YAML::Mark mark;
    NodeRef key;  // read, its value not yet
  };

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->at = place_of(mark);
    if (anchor != YAML::NullAnchor && kind != Node::Kind::sequence && kind != Node::Kind::map) {
      anchors_[anchor] = node;
    }
    last_mark_ = mark;
    return node;
  }
  void open(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxDepth) throw YAML::ParserException(mark, "nested too deeply");
    stack_.push_back({make(kind, mark, anchor), anchor, mark, nullptr});
  }
  void close() {
    Open top = std::move(stack_.back());
    stack_.pop_back();
    // Only now may aliases name it: so no node holds itself.
    if (top.anchor != YAML::NullAnchor) anchors_[top.anchor] = top.node;
    add(top.node, top.mark);
  }
  void finish(std::shared_ptr<Node> node) { add(std::move(node), last_mark_); }

  void add(NodeRef node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    top.node->weight += node->weight;
    if (top.node->weight > kMaxWeight) throw YAML::ParserException(mark, "aliases make this too large");
    if (top.node->kind == Node::Kind::sequence) {
      top.node->items.push_back(std::move(node));
    } else if (top.key == nullptr) {
      top.key = std::move(node);
    } else {
      top.node->entries.emplace_back(std::exchange(top.key, nullptr), std::move(node));
    }
  }

  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, NodeRef> anchors_;
  NodeRef root_;
  YAML::Mark last_mark_;
};

// Octets of the UTF-8 sequence that starts at `text`; 0: none does (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const unsigned lead = at(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  if (length >= 3) {
    const unsigned second = at(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
  }
  return length;
}

// yaml-cpp takes octet 4 for the end of the file, guesses UTF-16 from NULs and mends bad UTF-8 in silence.
// None of that may change what a configuration says, so such text does not reach it.
std::optional<Fault> judge_encoding(std::string_view text) {
  Place at{1, 1};
  while (!text.empty()) {
    const unsigned char c = static_cast<unsigned char>(text.front());
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
      return Fault{at, "a control character"};
    const std::size_t length = utf8_length(text);
    if (length == 0) return Fault{at, "not UTF-8"};
    at = c == '\n' ? Place{at.line + 1, 1} : Place{at.line, at.column + 1};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace

std::expected<NodeRef, Fault> parse(std::string_view text) {
  if (auto fault = judge_encoding(text)) return std::unexpected(std::move(*fault));
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return builder.root();
    Builder second;
    if (parser.HandleNextDocument(second))
      return std::unexpected(Fault{second.root()->at, "a second document"});
    return builder.root();
  } catch (const YAML::Exception& e) {
    return std::unexpected(Fault{place_of(e.mark), e.msg});
  }
}

}  // namespace sallyport::config::yaml

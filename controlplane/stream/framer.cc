// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/framer.h"

#include <algorithm>

#include "dataplane/sip/message_index.h"

namespace sallyport::stream {

namespace {

constexpr std::string_view kEmptyLine = "\r\n\r\n";
// A buffer beyond this is given back when it has run empty.
constexpr std::size_t kKeptBytes = 8192;

// RFC 3261 25.1: a start line begins with a token ("INVITE", "SIP"). Anything else is no SIP, and waiting for
// an empty line would only give its sender time.
bool can_begin(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-.!%*_+`'~").find(c) != std::string_view::npos;
}

}  // namespace

void Framer::append(std::string_view octets) {
  if (begin_ != 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(octets);
}

void Framer::drop(std::size_t octets) {
  begin_ += octets;
  searched_ = 0;
  size_ = 0;
  if (begin_ < buffer_.size()) return;
  begin_ = 0;
  buffer_.clear();
  if (buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
}

Framer::Item Framer::next() {
  for (;;) {
    const std::string_view octets = rest();
    if (octets.empty() || octets == "\r") return {};
    if (octets.starts_with(kEmptyLine)) return {Kind::ping, octets.substr(0, kEmptyLine.size()), {}};
    if (octets.front() != '\r') return find_message(octets);
    if (!octets.starts_with("\r\n")) return {Kind::broken, {}, sip::Fault::not_sip};
    if (kEmptyLine.starts_with(octets)) return {};  // half a ping, or a pong
    drop(2);  // RFC 3261 7.5: empty lines before a start line are nothing
  }
}

Framer::Item Framer::find_message(std::string_view octets) {
  if (!can_begin(octets.front())) return {Kind::broken, {}, sip::Fault::not_sip};
  if (size_ == 0) {
    const std::size_t end = octets.find(kEmptyLine, searched_);
    if (end == std::string_view::npos) {
      searched_ = octets.size() - std::min(octets.size(), kEmptyLine.size() - 1);
      if (octets.size() >= max_bytes_) return {Kind::broken, {}, sip::Fault::message_too_large};
      return {};
    }
    searched_ = end;
    const std::string_view header = octets.substr(0, end + kEmptyLine.size());
    const auto size = sip::find_message_size(header, max_bytes_);
    if (!size) return {Kind::broken, header, size.error()};
    size_ = *size;
  }
  if (octets.size() < size_) return {};
  return {Kind::message, octets.substr(0, size_), {}};
}

void Framer::take() {
  const Item item = next();
  if (item.kind == Kind::message || item.kind == Kind::ping) drop(item.octets.size());
}

}  // namespace sallyport::stream

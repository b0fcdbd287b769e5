// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/sip/fault.h"

namespace sallyport::stream {

// Cuts a connection's octets into messages by Content-Length (RFC 3261 18.3) and finds the keep-alives
// between them (RFC 5626 4.4.1), however the octets are divided into segments. Each octet of a header section
// is looked at once.
class Framer {
 public:
  enum class Kind : std::uint8_t {
    none,     // more octets are needed
    message,  // `octets` is a whole message
    ping,     // CRLFCRLF: to be answered with CRLF
    broken    // the stream cannot be read on; `octets`: the header section if there is one, for the answer
  };
  struct Item {
    Kind kind = Kind::none;
    std::string_view octets;  // until append() or take()
    sip::Fault fault = sip::Fault::none;
  };

  explicit Framer(std::size_t max_message_bytes) : max_bytes_(max_message_bytes) {}

  void append(std::string_view octets);
  // What stands first. The same again until take().
  [[nodiscard]] Item next();
  // Gives up what next() returned. Not after `broken`.
  void take();
  // True between a message's first octet and its last.
  [[nodiscard]] bool in_message() const { return begin_ < buffer_.size() && buffer_[begin_] != '\r'; }
  [[nodiscard]] std::size_t buffered() const { return buffer_.size() - begin_; }

 private:
  [[nodiscard]] Item find_message(std::string_view rest);
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }
  void drop(std::size_t octets);

  std::string buffer_;
  std::size_t begin_ = 0;     // of what was not taken yet
  std::size_t searched_ = 0;  // from begin_: no end of a header section before it
  std::size_t size_ = 0;      // of the message at begin_, once its header section is whole
  std::size_t max_bytes_;
};

}  // namespace sallyport::stream

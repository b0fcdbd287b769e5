// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/connection.h"

namespace sallyport::stream {

namespace {

constexpr std::string_view kPong = "\r\n";  // RFC 5626 4.4.1

}  // namespace

void Connection::queue_pong() {
  if (!queue_.empty()) return;
  queue({.path = path, .octets = std::string(kPong), .retried = true});
}

Connection::Flushed Connection::flush() {
  Flushed flushed;
  while (!queue_.empty()) {
    Outgoing& message = queue_.front();
    const IoResult result = channel->write(std::string_view(message.octets).substr(written_));
    if (result.io != Io::done) {
      flushed.io = result.io;
      break;
    }
    written_ += result.octets;
    flushed.octets += result.octets;
    if (written_ < message.octets.size()) continue;
    queued_bytes_ -= message.octets.size();
    if (message.octets.size() > kPong.size()) {
      ++flushed.messages;
      sent_.push_back({std::move(message), channel->wire_octets()});
    }
    queue_.pop_front();
    written_ = 0;
  }
  forget_delivered();
  return flushed;
}

void Connection::forget_delivered() {
  if (sent_.empty()) return;
  const std::uint64_t delivered = channel->wire_octets() - unacknowledged(fd->get());
  while (!sent_.empty() && sent_.front().end <= delivered) sent_.pop_front();
}

std::vector<Outgoing> Connection::take_undelivered(bool refused) {
  std::vector<Outgoing> left;
  if (channel && !refused) forget_delivered();
  for (Sent& sent : sent_) left.push_back(std::move(sent.message));
  for (Outgoing& message : queue_) {
    if (message.octets.size() > kPong.size()) left.push_back(std::move(message));
  }
  sent_.clear();
  queue_.clear();
  queued_bytes_ = 0;
  written_ = 0;
  return left;
}

}  // namespace sallyport::stream

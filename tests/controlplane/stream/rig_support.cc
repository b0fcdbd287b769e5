// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/stream/rig_support.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sallyport::stream {

FarEnd FarEnd::connect(const IpAddress& from, const Endpoint& to) {
  auto fd = connect_from(from, to);
  if (!fd) return {};
  pollfd made{fd->get(), POLLOUT, 0};
  if (::poll(&made, 1, 2000) != 1 || connect_error(fd->get()) != 0) return {};
  return FarEnd(std::move(*fd));
}

void FarEnd::send(std::string_view octets) {
  EXPECT_EQ(::send(fd_.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(octets.size()));
}

std::string FarEnd::take() {
  std::string all;
  std::array<char, 65536> some;
  for (ssize_t got = 1; got > 0;) {
    got = ::recv(fd_.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (got > 0) all.append(some.data(), static_cast<std::size_t>(got));
  }
  return all;
}

bool FarEnd::is_closed() {
  std::array<char, 65536> some;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (got > 0) continue;
    return got == 0 || (errno != EAGAIN && errno != EINTR);
  }
}

Rig::Rig(const std::function<void(config::Config&, Options&)>& change) {
  config::Realm realm;
  realm.name = "access";
  realm.addresses = {{kOurs, 8}};
  realm.sip_tcp = 5060;
  config.realms.push_back(realm);
  const auto peer = [&](const char* name, const IpAddress& source) {
    config::Peer& added = config.peers.emplace_back();
    added.name = name;
    added.match = {{source, 32}};
  };
  peer("office", kOffice);
  peer("carrier", kCarrier);
  options.key = steer::random_node_key();
  options.listeners = {{0, {kOurs, 0}, sip::Transport::tcp}};
  options.ring_bytes = 1 << 20;
  if (change) change(config, options);
  auto started = StreamTransport::start(options, config, [this](unsigned) { ++wakes; });
  EXPECT_TRUE(started.has_value()) << (started ? "" : started.error());
  transport = std::move(*started);
}

bool Rig::until(const std::function<bool()>& done) {
  for (int step = 0; step < 3000; ++step) {
    transport->turn(now, step == 0 ? 0 : 10);
    if (done()) return true;
  }
  return false;
}

void Rig::turns(int count) {
  for (int i = 0; i < count; ++i) transport->turn(now, 5);
}

void Rig::pass(Nanoseconds span) {
  now += span;
  turns(2);
}

Heard Rig::hear() {
  Heard heard;
  dp::RecordRing& ring = transport->events(0);
  if (!until([&] { return !ring.empty(); })) return heard;
  const dp::RecordRing::Record record = ring.front();
  heard.kind = static_cast<Event>(record.kind);
  if (heard.kind == Event::received) {
    std::memcpy(&heard.head, record.bytes.data(), sizeof(Received));
    const std::byte* const index = record.bytes.data() + sizeof(Received);
    std::memcpy(static_cast<void*>(&heard.index), index, heard.head.index_bytes);
    const char* const octets = reinterpret_cast<const char*>(index) + ((heard.head.index_bytes + 7u) & ~7u);
    heard.text.assign(octets, heard.head.message_bytes);
  } else {
    std::memcpy(&heard.unreachable, record.bytes.data(), sizeof(Unreachable));
  }
  ring.pop();
  return heard;
}

bool Rig::nothing_heard() {
  turns(3);
  return transport->events(0).empty();
}

void Rig::send(const sip::Path& path, std::string_view octets) {
  const Send head{path, static_cast<std::uint32_t>(octets.size())};
  ASSERT_TRUE(transport->commands(0).push(static_cast<std::uint16_t>(Command::send), head,
                                          std::as_bytes(std::span(octets))));
  transport->wake();
  transport->turn(now, 0);
}

FarEnd Rig::connect(const IpAddress& from) {
  const std::uint64_t before = counters().accepted.get();
  FarEnd end = FarEnd::connect(from, at());
  std::uint64_t refused = 0;
  for (const dp::Counter& counter : counters().closed) refused += counter.get();
  (void)until([&] {
    std::uint64_t now_refused = 0;
    for (const dp::Counter& counter : counters().closed) now_refused += counter.get();
    return counters().accepted.get() != before || now_refused != refused;
  });
  return end;
}

std::string Rig::reading(FarEnd& end) {
  std::string all;
  (void)until([&] {
    all += end.take();
    return !all.empty();
  });
  return all;
}

bool Rig::closes(FarEnd& end) {
  return until([&] { return end.is_closed(); });
}

std::uint64_t Rig::closed(Close reason) const {
  return counters().closed[static_cast<std::size_t>(reason)].get();
}

sip::Path Rig::path_to(const Endpoint& remote) const {
  return {.local = {kOurs, 5060}, .remote = remote, .realm = 0, .transport = sip::Transport::tcp};
}

Waiting::Waiting(const IpAddress& at) {
  auto fd = listen_on({at, 0});
  EXPECT_TRUE(fd.has_value());
  fd_ = std::move(*fd);
}

bool Waiting::has_one() {
  if (!next_) {
    auto accepted = accept_from(fd_.get());
    if (accepted) next_ = std::move(*accepted);
  }
  return next_.has_value();
}

FarEnd Waiting::accept(Rig& rig) {
  if (!rig.until([&] { return has_one(); })) return {};
  FarEnd end(std::move(next_->fd));
  next_.reset();
  return end;
}

std::string options_request(std::string_view call_id, std::string_view via_params, std::string_view body) {
  return "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2:5060;branch=z9hG4bK" +
         std::string(call_id) + std::string(via_params) +
         "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: " + std::string(call_id) +
         "\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

std::string our_request(const steer::NodeKey& key, std::uint32_t slot, std::string_view body) {
  const steer::IdentifierCodec codec(key);
  const std::string branch = codec.mint({steer::TokenKind::branch, 0, slot, 7});
  return options_request(branch, "", body);
}

}  // namespace sallyport::stream

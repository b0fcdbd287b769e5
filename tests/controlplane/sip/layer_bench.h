// SPDX-License-Identifier: Apache-2.0
// A transaction layer with a scripted transport below, a recording user above, and a clock that the test
// turns.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/transaction_layer.h"
#include "controlplane/sip/writer.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/steer/identifier.h"
#include "dataplane/steer/steering.h"

namespace sallyport::sip::testing {

inline constexpr Nanoseconds kStart = 1'000 * kSecond;

inline Endpoint at(std::string_view text) {
  return Endpoint::parse(text).value();
}

inline Path path_to(std::string_view remote, Transport transport = Transport::udp) {
  return {.local = at("192.0.2.1:5060"), .remote = at(remote), .realm = 1, .transport = transport};
}

inline steer::NodeKey test_key() {
  steer::NodeKey key;
  for (std::size_t i = 0; i < key.cipher.size(); ++i) key.cipher[i] = static_cast<std::uint8_t>(i * 7 + 1);
  key.hash = {0x0123456789abcdef, 0xfedcba9876543210};
  key.node = 3;
  key.epoch = 9;
  return key;
}

// A message's text, parsed. Owns both.
struct Parsed {
  explicit Parsed(std::string message, const Path& path = path_to("192.0.2.10:5060"))
      : octets(std::move(message)), index(std::make_unique<MessageIndex>()) {
    whole = parse(octets, Framing::datagram, *index);
    view = {octets, index.get(), path};
  }
  Parsed(const Parsed&) = delete;
  std::string octets;
  std::unique_ptr<MessageIndex> index;
  MessageView view;
  bool whole = false;
};

struct Sent {
  Path path;
  std::string octets;
  Nanoseconds at_ms = 0;  // since kStart
  [[nodiscard]] std::string start_line() const { return octets.substr(0, octets.find("\r\n")); }
};

class ScriptedSink final : public MessageSink {
 public:
  explicit ScriptedSink(const TimerWheel& wheel) : wheel_(wheel) {}
  bool send(const Path& path, std::string_view octets) override {
    if (refuse) return false;
    sent.push_back({path, std::string(octets), (wheel_.now_ns() - kStart) / kMillisecond});
    return true;
  }
  // Instants in ms of the messages whose start line begins so.
  [[nodiscard]] std::vector<Nanoseconds> instants(std::string_view start) const {
    std::vector<Nanoseconds> out;
    for (const Sent& s : sent) {
      if (s.octets.starts_with(start)) out.push_back(s.at_ms);
    }
    return out;
  }
  [[nodiscard]] std::vector<std::string> start_lines() const {
    std::vector<std::string> out;
    for (const Sent& s : sent) out.push_back(s.start_line());
    return out;
  }
  [[nodiscard]] const Sent& last() const { return sent.back(); }
  bool refuse = false;
  std::deque<Sent> sent;

 private:
  const TimerWheel& wheel_;
};

// Writes down what it is told as words, and does what the test asks on the way.
class RecordingUser final : public TransactionUser {
 public:
  void on_request(ServerId id, const Arrival& arrival) override {
    told.push_back("request " + std::string(arrival.message.method_text()));
    request = id;
    if (when_request) when_request(id, arrival);
  }
  void on_refused(const MessageView& message, std::uint16_t status, std::string_view phrase) override {
    refused.push_back(std::string(message.method_text()) + " " + std::to_string(status) + " " +
                      std::string(phrase));
  }
  void on_ack(const Arrival& arrival) override {
    told.push_back("ack " + std::to_string(arrival.slot));
    if (when_ack) when_ack(arrival);
  }
  void on_cancel(ServerId invite, std::uint64_t token, const MessageView&) override {
    told.push_back("cancel " + std::to_string(token));
    if (when_cancel) when_cancel(invite);
  }
  void on_server_done(ServerId, std::uint64_t token, ServerEnd end) override {
    const char* word = end == ServerEnd::no_ack     ? "no_ack "
                       : end == ServerEnd::not_sent ? "not_sent "
                                                    : "server_done ";
    told.push_back(word + std::to_string(token));
  }
  void on_response(ClientId id, std::uint64_t token, const MessageView& response) override {
    told.push_back("response " + std::to_string(response.status()) + " " + std::to_string(token));
    if (when_response) when_response(id, response);
  }
  void on_failure(ClientId, std::uint64_t token, ClientFailure failure) override {
    told.push_back("failure " + std::to_string(status_of(failure)) + " " + std::to_string(token));
  }
  void on_client_done(ClientId, std::uint64_t token) override {
    told.push_back("client_done " + std::to_string(token));
  }
  [[nodiscard]] std::vector<std::string> take() { return std::exchange(told, {}); }

  std::vector<std::string> told;
  std::vector<std::string> refused;  // by the layer itself
  ServerId request;
  std::function<void(ServerId, const Arrival&)> when_request;
  std::function<void(const Arrival&)> when_ack;
  std::function<void(ServerId)> when_cancel;
  std::function<void(ClientId, const MessageView&)> when_response;
};

class LayerTest : public ::testing::Test {
 protected:
  explicit LayerTest(TransactionOptions with = {.trying_after = -1}) : options(with) {}
  // Whatever a test does: in the end nothing is left.
  void TearDown() override {
    run(70 * kSecond);
    EXPECT_EQ(layer.clients(), 0u);
    EXPECT_EQ(layer.servers(), 0u);
    EXPECT_EQ(wheel.running(), 0u);
  }
  void run(Nanoseconds span) {
    const Nanoseconds end = wheel.now_ns() + span;
    while (wheel.now_ns() < end) {
      const Nanoseconds next = wheel.next_deadline_ns();
      wheel.advance(std::min(end, next));
      layer.settle();
    }
  }
  void run_ms(Nanoseconds ms) { run(ms * kMillisecond); }
  void arrive(const std::string& octets, const Path& path = path_to("192.0.2.10:5060")) {
    const Parsed message(octets, path);
    const auto steering = steer::steer(*message.index, message.octets, codec, key.hash, 1);
    static constexpr dp::SteerVerdict kVerdicts[] = {dp::SteerVerdict::by_branch, dp::SteerVerdict::by_tag,
                                                     dp::SteerVerdict::by_hash,
                                                     dp::SteerVerdict::unknown_tag};
    if (steering.verdict == steer::Verdict::foreign_response) return;  // the worker's drop
    layer.receive(
        {message.view, kVerdicts[static_cast<int>(steering.verdict)], steering.slot, steering.generation});
  }

  // ---- client side
  [[nodiscard]] static std::string request_headers(std::string_view method) {
    std::string headers;
    HeaderWriter(headers)
        .line(HeaderId::max_forwards, std::uint64_t{70})
        .line(HeaderId::from, "<sip:a@192.0.2.1>;tag=ours")
        .line(HeaderId::to, "<sip:b@192.0.2.10>")
        .line(HeaderId::call_id, "call-1")
        .line(HeaderId::cseq, {"7 ", method});
    return headers;
  }
  ClientId start(Method method, Transport transport = Transport::udp, std::uint64_t token = 1) {
    const std::string headers = request_headers(method_name(method));
    return layer
        .start({.method = method, .request_uri = "sip:b@192.0.2.10", .headers = headers},
               path_to("192.0.2.10:5060", transport), token)
        .value();
  }
  // The response of a peer to what we sent.
  [[nodiscard]] static std::string response_to(const std::string& request, unsigned status,
                                               std::string_view to_tag = "peer") {
    const Parsed parsed(request);
    std::string out = "SIP/2.0 " + std::to_string(status) + " Something\r\n";
    out += "Via: " + std::string(parsed.view.header(HeaderId::via)) + "\r\n";
    out += "From: " + std::string(parsed.view.header(HeaderId::from)) + "\r\n";
    out += "To: " + std::string(parsed.view.header(HeaderId::to)) + ";tag=" + std::string(to_tag) + "\r\n";
    out += "Call-ID: " + std::string(parsed.view.call_id()) + "\r\n";
    out += "CSeq: " + std::string(parsed.view.header(HeaderId::cseq)) + "\r\n";
    return out + "Content-Length: 0\r\n\r\n";
  }

  // ---- server side
  [[nodiscard]] static std::string request(std::string_view method, std::string_view branch = "z9hG4bKpeer1",
                                           std::string_view to_params = "", unsigned cseq = 1) {
    const std::string m(method);
    return m + " sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5062" +
           (branch.empty() ? "" : ";branch=" + std::string(branch)) +
           "\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.10>;tag=theirs\r\nTo: <sip:b@192.0.2.1>" +
           std::string(to_params) + "\r\nCall-ID: call-2\r\nCSeq: " + std::to_string(cseq) + " " + m +
           "\r\nContact: <sip:a@192.0.2.10:5062>\r\nContent-Length: 0\r\n\r\n";
  }
  void respond(unsigned status) {
    ASSERT_TRUE(
        layer.respond(user.request, {.status = static_cast<std::uint16_t>(status), .to_tag = "mine"}));
  }

  TransactionOptions options;
  steer::NodeKey key = test_key();
  steer::IdentifierCodec codec{key};
  TimerWheel wheel{kStart};
  ScriptedSink sink{wheel};
  RecordingUser user;
  TransactionLayer layer{options, wheel, sink, user, codec, key.hash};
};

using Told = std::vector<std::string>;
using Instants = std::vector<Nanoseconds>;

}  // namespace sallyport::sip::testing

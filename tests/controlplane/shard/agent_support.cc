// SPDX-License-Identifier: Apache-2.0
// What both halves of an agent use.
#include "tests/controlplane/shard/agent_support.h"

#include <algorithm>

namespace sallyport::shard {

std::string branch_of(const Sent& message) {
  const std::string via = message.header("Via");
  const auto at = via.find(";branch=") + 8;
  return via.substr(at, via.find(';', at) - at);
}

std::string method_of_cseq(const Sent& message) {
  const std::string cseq = message.header("CSeq");
  return cseq.substr(cseq.find(' ') + 1);
}

unsigned number_of_cseq(const Sent& message) {
  return static_cast<unsigned>(std::stoul(message.header("CSeq")));
}

std::string tag_in(const std::string& party) {
  const auto at = party.find(";tag=");
  return at == std::string::npos ? std::string{} : party.substr(at + 5);
}

std::string uri_of(const std::string& contact) {
  return contact.empty() ? std::string{} : contact.substr(1, contact.find('>') - 1);
}

bool lists(const Sent& message, std::string_view header, std::string_view token) {
  return message.header(header).find(token) != std::string::npos;
}

std::string with_body(std::string head, std::string_view body, std::string_view type) {
  if (!body.empty()) head += "Content-Type: " + std::string(type) + "\r\n";
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

unsigned audio_port(std::string_view sdp) {
  const auto at = sdp.find("m=audio ");
  return at == std::string_view::npos ? 0
                                      : static_cast<unsigned>(std::stoul(std::string(sdp.substr(at + 8, 5))));
}

std::string Agent::fresh(std::string_view what) {
  return std::string(what) + std::to_string(++names_) + "x" + std::to_string(random_() % 1'000'000);
}

Agent::Described Agent::describe() {
  static constexpr std::string_view kDirections[] = {"", "", "", "a=sendonly\r\n", "a=inactive\r\n"};
  const std::string host = own_.substr(0, own_.find(':'));
  const unsigned port = 4000 + 2 * static_cast<unsigned>(random_() % 500);
  return {sdp(host, port, kDirections[random_() % 5]), port};
}

std::string Agent::hidden() const {
  return sdp("192.168.1.1", 6000);
}

std::string Agent::abilities(bool with_timer) {
  std::string lines = "Allow: INVITE, ACK, BYE, CANCEL, PRACK";
  lines += nature.updates != 0 ? ", UPDATE\r\n" : "\r\n";
  if (nature.reliable != 0) lines += "Supported: 100rel\r\n";
  if (nature.timers == 0) return lines;
  lines += "Supported: timer\r\n";
  if (!with_timer || !chance(nature.timers)) return lines;
  return lines + (chance(50) ? "Session-Expires: 90;refresher=uac\r\n" : "Session-Expires: 90\r\n");
}

void Agent::note(Session& session, const Sent& message) {
  if (!message.header("Allow").empty()) session.peer_updates = lists(message, "Allow", "UPDATE");
}

void Agent::run() {
  while (!agenda_.empty() && agenda_.begin()->first <= now()) {
    const auto act = std::move(agenda_.begin()->second);
    agenda_.erase(agenda_.begin());
    act();
  }
}

Nanoseconds Agent::next() const {
  return agenda_.empty() ? sip::TimerWheel::kNever : agenda_.begin()->first;
}

void Agent::die() {
  dead_ = true;
  agenda_.clear();
}

bool Agent::quiet() const {
  const auto open_client = [](const auto& entry) { return !entry.second.done; };
  const auto open_server = [](const auto& entry) {
    const Server& server = entry.second;
    return !server.last.empty() && (!server.final || (server.method == "INVITE" && !server.acked));
  };
  return std::ranges::none_of(clients_, open_client) && std::ranges::none_of(servers_, open_server);
}

void Agent::end(Session& session, std::string how) {
  if (session.state == State::over) return;
  session.state = State::over;
  session.end = std::move(how);
}

void Agent::receive(const std::string& text) {
  if (dead_) return;
  const Sent message{.local = {}, .remote = {}, .realm = 0, .text = text};
  if (message.is("SIP/2.0 ")) {
    on_response(message);
  } else {
    on_request(message);
  }
}

}  // namespace sallyport::shard

// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/shard/agent_support.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sallyport::shard {
namespace {

constexpr Nanoseconds kT1 = 500 * kMillisecond;
constexpr Nanoseconds kT2 = 4 * kSecond;

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

std::string with_body(std::string head, std::string_view body) {
  if (!body.empty()) head += "Content-Type: application/sdp\r\n";
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace

std::string Agent::fresh(std::string_view what) {
  return std::string(what) + std::to_string(++names_) + "x" + std::to_string(random_() % 1'000'000);
}

std::string Agent::offer() {
  static constexpr std::string_view kDirections[] = {"", "", "", "a=sendonly\r\n", "a=inactive\r\n"};
  const std::string host = own_.substr(0, own_.find(':'));
  return sdp(host, 4000 + 2 * static_cast<unsigned>(random_() % 500), kDirections[random_() % 5]);
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

// ---- client
// ------------------------------------------------------------------------------------------------

void Agent::start(Session& session, std::string method, std::string branch, std::string text) {
  const std::string key = branch + " " + method;
  clients_[key] = {
      .text = text, .method = method, .session = &session, .heard = false, .done = false, .ack = {}};
  send(*this, text);
  later(kT1, [this, key] { resend(key, kT1); });
  later(64 * kT1, [this, key] { give_up(key); });
}

void Agent::resend(const std::string& key, Nanoseconds interval) {
  Client& client = clients_[key];
  const bool invite = client.method == "INVITE";
  if (client.done || (invite && client.heard)) return;
  send(*this, client.text);
  const Nanoseconds following = invite ? 2 * interval : std::min(2 * interval, kT2);
  later(following, [this, key, following] { resend(key, following); });
}

void Agent::give_up(const std::string& key) {
  Client& client = clients_[key];
  if (client.done || (client.method == "INVITE" && client.heard)) return;
  client.done = true;
  Session& session = *client.session;
  const bool relayed = client.method == "INFO" || client.method == "UPDATE";
  ++(relayed ? session.unrelayed : session.unanswered);
  if (client.method == "CANCEL") return;
  const bool initial = client.text == session.invite;
  if (initial || client.method == "BYE") return end(session, client.method + " was not answered");
  session.asking = false;
  hang_up(session);
}

void Agent::call(std::string_view user) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>());
  session.caller = true;
  session.call_id = fresh("call");
  session.local = "<sip:alice@" + own_ + ">;tag=" + fresh("f");
  session.remote = "<sip:" + std::string(user) + "@198.51.100.1>";
  session.cseq = 1 + static_cast<unsigned>(random_() % 100);
  const std::string branch = fresh("z9hG4bK");
  const std::string body = chance(nature.late_offers) ? std::string{} : offer();
  session.invite =
      with_body("INVITE sip:" + std::string(user) + "@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ +
                    ";branch=" + branch + "\r\nFrom: " + session.local + "\r\nTo: " + session.remote +
                    "\r\nCall-ID: " + session.call_id + "\r\nCSeq: " + std::to_string(session.cseq) +
                    " INVITE\r\nMax-Forwards: 70\r\nContact: <sip:alice@" + own_ + ">\r\n",
                body);
  start(session, "INVITE", branch, session.invite);
  if (chance(nature.cancels)) later(span(0, 20'000), [this, &session] { hang_up(session); });
}

void Agent::request(Session& session, std::string_view method, std::string_view body) {
  const std::string branch = fresh("z9hG4bK");
  const std::string text =
      with_body(std::string(method) + " " + session.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ +
                    ";branch=" + branch + "\r\nFrom: " + session.local + "\r\nTo: " + session.remote +
                    "\r\nCall-ID: " + session.call_id + "\r\nCSeq: " + std::to_string(++session.cseq) + " " +
                    std::string(method) + "\r\nMax-Forwards: 70\r\nContact: <sip:x@" + own_ + ">\r\n",
                body);
  if (method == "INVITE" || method == "UPDATE") session.asking = true;
  start(session, std::string(method), branch, text);
}

void Agent::hang_up(Session& session) {
  if (session.state == State::up ||
      (session.caller && session.state == State::ringing && !session.target.empty() && chance(20))) {
    if (session.state == State::up) session.state = State::ending;
    session.hung_up_early = session.state == State::ringing;
    request(session, "BYE");
  } else if (session.caller && (session.state == State::calling || session.state == State::ringing)) {
    session.cancel_wanted = true;
    if (session.heard) send_cancel(session);
  }
}

void Agent::hang_up_everything() {
  for (const auto& session : sessions_) hang_up(*session);
}

void Agent::send_cancel(Session& session) {
  const std::string cancel = make_cancel(session.invite);
  const std::string branch = branch_of({.local = {}, .remote = {}, .realm = 0, .text = cancel});
  if (clients_.contains(branch + " CANCEL")) return;
  start(session, "CANCEL", branch, cancel);
}

void Agent::on_response(const Sent& response) {
  const std::string key = branch_of(response) + " " + method_of_cseq(response);
  const auto found = clients_.find(key);
  if (found == clients_.end()) return;
  Client& client = found->second;
  const auto status = static_cast<unsigned>(std::stoul(response.text.substr(8)));
  client.heard = true;
  Session& session = *client.session;
  const bool initial = client.method == "INVITE" && client.text == session.invite;
  if (initial && status > 100) {
    const std::string to = response.header("To");
    if (tag_in(session.remote).empty()) session.remote = to;
    EXPECT_EQ(tag_in(session.remote), tag_in(to)) << "the caller sees one dialog\n" << response.text;
  }
  if (status >= 200) return on_final(key, client, status, response);
  if (!initial) return;
  session.heard = true;
  if (status > 100 && session.state == State::calling) session.state = State::ringing;
  if (session.target.empty()) session.target = uri_of(response.header("Contact"));
  if (session.cancel_wanted) send_cancel(session);
}

void Agent::on_final(const std::string&, Client& client, unsigned status, const Sent& response) {
  Session& session = *client.session;
  const bool first = !client.done;
  client.done = true;
  if (client.method == "INVITE") {
    if (status < 300) session.target = uri_of(response.header("Contact"));
    send_ack(client, response);
  }
  if (!first) return;
  if (client.text == session.invite) return on_answer(session, status, response);
  if (client.method == "BYE") {
    if (session.state == State::ending) end(session, "BYE sent");
  } else if (client.method != "CANCEL") {
    session.asking = false;
    if (status == 481 || status == 408) hang_up(session);  // RFC 3261 12.2.1.2
  }
}

void Agent::on_answer(Session& session, unsigned status, const Sent& response) {
  if (status >= 300) return end(session, "final " + std::to_string(status));
  session.no_sdp_in_answer = response.body().empty();
  if (session.state == State::over) {  // given up before
    request(session, "BYE");
  } else {
    session.state = State::up;
    if (session.cancel_wanted || session.hung_up_early) return hang_up(session);
    come_up(session);
  }
}

// For a 2xx with a branch of its own, kept for its repetitions; for a failure with the INVITE's (17.1.1.3).
void Agent::send_ack(Client& client, const Sent& response) {
  const Session& session = *client.session;
  const bool success = response.is("SIP/2.0 2");
  if (success && !client.ack.empty()) return send(*this, client.ack);
  const Sent invite{.local = {}, .remote = {}, .realm = 0, .text = client.text};
  const std::string uri = success ? session.target : client.text.substr(7, client.text.find(" SIP/2.0") - 7);
  const std::string branch = success ? fresh("z9hG4bK") : branch_of(invite);
  const bool answers = success && invite.body().empty() && !response.body().empty();
  const std::string ack =
      with_body("ACK " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ + ";branch=" + branch +
                    "\r\nFrom: " + invite.header("From") + "\r\nTo: " + response.header("To") +
                    "\r\nCall-ID: " + session.call_id +
                    "\r\nCSeq: " + std::to_string(number_of_cseq(invite)) + " ACK\r\nMax-Forwards: 70\r\n",
                answers && !chance(nature.odd_answers) ? offer() : std::string{});
  if (success) client.ack = ack;
  send(*this, ack);
}

void Agent::come_up(Session& session) {
  for (auto i = random_() % (nature.acts + 1); i > 0; --i) {
    later(span(0, 25'000), [this, &session] { act(session); });
  }
}

void Agent::act(Session& session) {
  if (session.state != State::up) return;
  if (chance(nature.hangs_up)) return hang_up(session);
  const auto what = random_() % 5;
  if (what == 0) return request(session, "INFO");
  if (session.asking && !chance(10)) return;
  if (what == 1) return request(session, "UPDATE", offer());
  request(session, "INVITE", chance(nature.late_offers) ? std::string{} : offer());
}

// ---- server
// ------------------------------------------------------------------------------------------------

void Agent::on_request(const Sent& request) {
  const std::string method = request.text.substr(0, request.text.find(' '));
  if (method == "ACK") return on_ack(request);
  const std::string key = branch_of(request) + " " + method;
  if (const auto known = servers_.find(key); known != servers_.end()) {
    if (!known->second.last.empty() && !known->second.success) send(*this, known->second.last);
    return;
  }
  Server& server = servers_[key];
  server.request = request;
  server.method = method;
  if (method == "CANCEL") return on_cancel(request);
  if (!request.tag_of("To").empty()) return on_in_dialog(key, server);
  if (method == "INVITE") return on_invite(server);
  respond(server, method == "OPTIONS" ? "200 OK" : "481 Gone");
}

void Agent::respond(Server& server, std::string_view status, std::string_view body, std::string_view more,
                    std::string_view contact) {
  if (server.final) return;
  const std::string tag = server.session != nullptr ? tag_in(server.session->local) : "none";
  const std::string own = contact == "own" ? "<sip:callee@" + own_ + ">" : std::string(contact);
  server.last = make_response(server.request, status, status.starts_with("100") ? "" : tag, own, body, more);
  server.final = status[0] != '1';
  server.success = server.method == "INVITE" && status[0] == '2';
  send(*this, server.last);
  if (!server.final || server.method != "INVITE") return;
  const std::string key = branch_of(server.request) + " INVITE";
  later(kT1, [this, key] { repeat(key, kT1); });
  later(64 * kT1, [this, key] { await_ack(key); });
}

void Agent::repeat(const std::string& key, Nanoseconds interval) {
  Server& server = servers_[key];
  if (server.acked) return;
  send(*this, server.last);
  const Nanoseconds following = std::min(2 * interval, kT2);
  later(following, [this, key, following] { repeat(key, following); });
}

// RFC 3261 13.3.1.4: no ACK to a 2xx ends the session.
void Agent::await_ack(const std::string& key) {
  Server& server = servers_[key];
  if (server.acked) return;
  server.acked = true;
  if (!server.success || server.session == nullptr) return;
  ++server.session->missed_acks;
  if (server.session->state == State::answered) server.session->state = State::up;
  hang_up(*server.session);
}

void Agent::on_ack(const Sent& ack) {
  if (const auto own = servers_.find(branch_of(ack) + " INVITE"); own != servers_.end()) {
    own->second.acked = true;
    return;
  }
  for (auto& [key, server] : servers_) {
    if (server.method != "INVITE" || !server.success || server.session == nullptr) continue;
    Session& session = *server.session;
    if (session.call_id != ack.header("Call-ID") || tag_in(session.local) != ack.tag_of("To")) continue;
    if (number_of_cseq(server.request) != number_of_cseq(ack) || server.acked) continue;
    server.acked = true;
    if (session.state != State::answered) continue;
    session.state = State::up;
    come_up(session);
  }
}

void Agent::on_cancel(const Sent& cancel) {
  Server& own = servers_[branch_of(cancel) + " CANCEL"];
  const auto found = servers_.find(branch_of(cancel) + " INVITE");
  if (found == servers_.end()) return respond(own, "481 Gone");
  Server& invite = found->second;
  own.session = invite.session;
  respond(own, "200 OK");
  if (invite.final) return;
  const bool initial = invite.request.tag_of("To").empty();
  respond(invite, "487 Request Terminated");
  if (initial) end(*invite.session, "cancelled");
}

void Agent::on_invite(Server& server) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>());
  const Sent& invite = server.request;
  session.call_id = invite.header("Call-ID");
  session.local = invite.header("To") + ";tag=" + fresh("t");
  session.remote = invite.header("From");
  session.target = uri_of(invite.header("Contact"));
  session.remote_cseq = number_of_cseq(invite);
  server.session = &session;
  const std::string key = branch_of(invite) + " INVITE";
  if (chance(nature.silent)) return;
  session.said = true;
  if (chance(60)) respond(server, "100 Trying");
  if (chance(nature.early)) {
    later(span(0, 6'000), [this, key] {
      Server& ringing = servers_[key];
      const bool media = chance(50) && !ringing.request.body().empty();
      respond(ringing, media ? "183 Session Progress" : "180 Ringing", media ? offer() : std::string{});
    });
  }
  later(span(0, 15'000), [this, key] { answer(key); });
}

void Agent::answer(const std::string& key) {
  Server& server = servers_[key];
  if (server.final) return;
  Session& session = *server.session;
  if (chance(nature.refuses)) {
    static constexpr std::string_view kFailures[] = {"486 Busy Here", "503 Service Unavailable",
                                                     "404 Not Found", "600 Busy Everywhere",
                                                     "302 Moved",     "499 Codec Mismatch"};
    const bool rest = chance(10);
    respond(server, kFailures[random_() % 6], {}, rest ? "Retry-After: 3\r\n" : "");
    return end(session, "refused");
  }
  session.state = State::answered;
  const unsigned odd = chance(nature.odd_answers) ? 1 + static_cast<unsigned>(random_() % 4) : 0;
  const std::string body = odd == 1 ? std::string{} : odd == 2 ? sdp("192.168.1.1", 6000) : offer();
  if (odd == 3) {
    // Nobody can end that dialog but we.
    excused.insert(session.call_id);
    return respond(server, "200 OK", body, {}, "");
  }
  respond(server, "200 OK", odd == 4 ? body + "m=video 7000 RTP/AVP 96\r\n" : body);
  if (chance(nature.forks)) fork(server);
}

// A proxy in between has asked somebody else too, and he has answered as well.
void Agent::fork(const Server& server) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>(*server.session));
  session.local = server.request.header("To") + ";tag=" + fresh("fork");
  session.cseq = 100;
  Server& second = servers_[branch_of(server.request) + " INVITE fork"];
  second = server;
  second.session = &session;
  second.final = false;
  later(span(0, 12'000), [this, key = branch_of(server.request) + " INVITE fork"] {
    Server& late = servers_[key];
    late.last = make_response(late.request, "200 OK", tag_in(late.session->local), "<sip:fork@" + own_ + ">",
                              offer());
    late.final = late.success = true;
    send(*this, late.last);
    later(kT1, [this, key] { repeat(key, kT1); });
    later(64 * kT1, [this, key] { await_ack(key); });
  });
}

void Agent::on_in_dialog(const std::string& key, Server& server) {
  const Sent& request = server.request;
  for (const auto& session : sessions_) {
    if (session->call_id == request.header("Call-ID") && tag_in(session->local) == request.tag_of("To")) {
      server.session = session.get();
    }
  }
  if (server.session == nullptr || server.session->state == State::over) return respond(server, "481 Gone");
  Session& session = *server.session;
  if (number_of_cseq(request) <= session.remote_cseq) return respond(server, "500 Out of order");
  session.remote_cseq = number_of_cseq(request);
  if (server.method == "BYE") {
    respond(server, "200 OK");
    for (auto& [other_key, other] : servers_) {
      if (other.session != &session || other.method != "INVITE") continue;
      if (!other.final) respond(other, "487 Request Terminated");
    }
    return end(session, "BYE received");
  }
  const bool offers = server.method == "INVITE" || server.method == "UPDATE";
  if (!offers) return respond(server, chance(90) ? "200 OK" : "405 Method Not Allowed");
  if (session.asking) return respond(server, "491 Request Pending");
  if (server.method == "UPDATE") return respond(server, "200 OK", request.body().empty() ? "" : offer());
  if (chance(20))
    return respond(server, chance(50) ? "488 Not Acceptable Here" : "480 Temporarily Unavailable");
  if (chance(30)) respond(server, "180 Ringing");
  later(span(0, 8'000), [this, key] { respond(servers_[key], "200 OK", offer()); });
}

}  // namespace sallyport::shard

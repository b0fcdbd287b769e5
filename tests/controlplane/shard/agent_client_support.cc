// SPDX-License-Identifier: Apache-2.0
// An agent asks.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/controlplane/shard/agent_support.h"

namespace sallyport::shard {

Agent::Client& Agent::start(Session& session, std::string method, std::string branch, std::string text) {
  const std::string key = branch + " " + method;
  Client& client = clients_[key];
  client.text = std::move(text);
  client.method = std::move(method);
  client.session = &session;
  send(*this, client.text);
  later(kT1, [this, key] { resend(key, kT1); });
  later(64 * kT1, [this, key] { give_up(key); });
  return client;
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
  const bool offers = client.text.find("m=audio") != std::string::npos;
  static constexpr std::string_view kRelayed[] = {"INFO", "UPDATE", "REFER", "NOTIFY"};
  const bool relayed = std::ranges::find(kRelayed, client.method) != std::end(kRelayed) ||
                       (client.method == "PRACK" && offers);
  ++(relayed ? session.unrelayed : session.unanswered);
  if (client.method == "CANCEL") return;
  const bool initial = client.text == session.invite;
  if (initial || client.method == "BYE") return end(session, client.method + " was not answered");
  session.asking = false;
  hang_up(session);
}

void Agent::call(std::string_view user, std::string_view further) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>());
  session.caller = true;
  session.call_id = fresh("call");
  session.local = "<sip:alice@" + own_ + ">;tag=" + fresh("f");
  session.remote = "<sip:" + std::string(user) + "@" + door_ + ">";
  session.cseq = 1 + static_cast<unsigned>(random_() % 100);
  const std::string branch = fresh("z9hG4bK");
  const Described offer = chance(nature.late_offers) ? Described{} : describe();
  std::string more = abilities(true) + std::string(further);
  if (nature.reliable != 0 && chance(20)) more += "Require: 100rel\r\n";
  session.invite =
      with_body("INVITE sip:" + std::string(user) + "@" + door_ + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ +
                    ";branch=" + branch + "\r\nFrom: " + session.local + "\r\nTo: " + session.remote +
                    "\r\nCall-ID: " + session.call_id + "\r\nCSeq: " + std::to_string(session.cseq) +
                    " INVITE\r\nMax-Forwards: 70\r\nContact: <sip:alice@" + own_ + ">\r\n" + more,
                offer.text);
  session.port = offer.port;
  start(session, "INVITE", branch, session.invite);
  if (chance(nature.cancels)) later(span(0, 20'000), [this, &session] { hang_up(session); });
}

Agent::Client& Agent::request(Session& session, std::string_view method, std::string_view body,
                              std::string_view more, std::string_view type) {
  const std::string branch = fresh("z9hG4bK");
  const std::string text =
      with_body(std::string(method) + " " + session.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ +
                    ";branch=" + branch + "\r\nFrom: " + session.local + "\r\nTo: " + session.remote +
                    "\r\nCall-ID: " + session.call_id + "\r\nCSeq: " + std::to_string(++session.cseq) + " " +
                    std::string(method) + "\r\nMax-Forwards: 70\r\nContact: <sip:x@" + own_ + ">\r\n" +
                    std::string(more),
                body, type);
  return start(session, std::string(method), branch, text);
}

// A re-INVITE or UPDATE.
void Agent::ask(Session& session, std::string_view method, bool with_offer) {
  const Described offer = with_offer ? describe() : Described{};
  session.asking = true;
  request(session, method, offer.text, abilities(true)).port = offer.port;
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
  note(session, response);
  if (status >= 200) return on_final(client, status, response);
  if (initial && !client.done) on_provisional(session, response);
}

void Agent::on_provisional(Session& session, const Sent& response) {
  session.heard = true;
  if (response.is("SIP/2.0 100")) {
    if (session.cancel_wanted) send_cancel(session);
    return;
  }
  if (session.state == State::calling) session.state = State::ringing;
  if (session.target.empty()) session.target = uri_of(response.header("Contact"));
  if (!response.body().empty()) session.described = true;
  if (lists(response, "Require", "100rel")) send_prack(session, response);
  if (session.cancel_wanted) send_cancel(session);
}

// RFC 3262 4: in order, each once; the answer where the response brought an offer.
void Agent::send_prack(Session& session, const Sent& response) {
  const auto rseq = static_cast<unsigned>(std::stoul("0" + response.header("RSeq")));
  EXPECT_NE(rseq, 0u) << response.text;
  EXPECT_NE(nature.reliable, 0u) << "he has not said that he knows it";
  if (session.state != State::ringing || (session.rseq != 0 && rseq != session.rseq + 1)) return;
  session.rseq = rseq;
  const Sent invite{.local = {}, .remote = {}, .realm = 0, .text = session.invite};
  const std::string rack =
      "RAck: " + response.header("RSeq") + " " + std::to_string(number_of_cseq(invite)) + " INVITE\r\n";
  const bool has_sdp = !response.body().empty();
  const bool answers = has_sdp && invite.body().empty() && !session.settled;
  if (has_sdp) session.settled = true;
  const bool offers = !answers && session.settled && !session.asking && chance(15);
  const Described body = answers || offers ? describe() : Described{};
  if (answers) session.port = body.port;
  if (offers) session.asking = true;
  request(session, "PRACK", body.text, rack).port = offers ? body.port : 0;
  later(span(100, 3'000), [this, &session] { act_early(session); });
}

void Agent::on_final(Client& client, unsigned status, const Sent& response) {
  Session& session = *client.session;
  const bool first = !client.done;
  client.done = true;
  const bool initial = client.text == session.invite;
  if (client.method == "INVITE") {
    if (status < 300) session.target = uri_of(response.header("Contact"));
    send_ack(client, response);
  }
  if (!first) return;
  if (status < 300 && client.port != 0) {
    EXPECT_NE(audio_port(response.body()), 0u) << "an answer is due\n" << response.text;
    session.port = client.port;
  }
  if (initial) return on_answer(session, status, response);
  if (client.method == "BYE") {
    if (session.state == State::ending) end(session, "BYE sent");
  } else if (client.method != "CANCEL") {
    const bool asked = client.method == "INVITE" || client.method == "UPDATE" || client.port != 0;
    if (asked) session.asking = false;
    if (status == 481 || status == 408) hang_up(session);  // RFC 3261 12.2.1.2
  }
}

void Agent::on_answer(Session& session, unsigned status, const Sent& response) {
  if (status >= 300) return end(session, "final " + std::to_string(status));
  const bool described = session.described || !response.body().empty();
  EXPECT_TRUE(described) << "neither a 18x nor the 2xx had an SDP\n" << response.text;
  session.settled = true;
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
  Session& session = *client.session;
  const bool success = response.is("SIP/2.0 2");
  if (success && !client.ack.empty()) return send(*this, client.ack);
  const Sent invite{.local = {}, .remote = {}, .realm = 0, .text = client.text};
  const std::string uri = success ? session.target : client.text.substr(7, client.text.find(" SIP/2.0") - 7);
  const std::string branch = success ? fresh("z9hG4bK") : branch_of(invite);
  const bool answers = success && invite.body().empty() && !response.body().empty();
  Described answer = answers && !chance(nature.odd_answers / 2) ? describe() : Described{};
  if (response.body().find("m=") == std::string::npos) {  // of no stream, the answer has none either
    answer = {answer.text.substr(0, answer.text.find("m=")), 0};
    if (answers) session.port = 0;
  }
  if (answer.port != 0) session.port = answer.port;
  const std::string ack =
      with_body("ACK " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own_ + ";branch=" + branch +
                    "\r\nFrom: " + invite.header("From") + "\r\nTo: " + response.header("To") +
                    "\r\nCall-ID: " + session.call_id +
                    "\r\nCSeq: " + std::to_string(number_of_cseq(invite)) + " ACK\r\nMax-Forwards: 70\r\n",
                answer.text);
  if (success) client.ack = ack;
  send(*this, ack);
}

void Agent::come_up(Session& session) {
  for (auto i = random_() % (nature.acts + 1); i > 0; --i) {
    later(span(0, 25'000), [this, &session] { act(session); });
  }
  if (chance(nature.timers)) later(45 * kSecond, [this, &session] { refresh(session); });
}

void Agent::refresh(Session& session) {
  if (session.state != State::up) return;
  later(45 * kSecond, [this, &session] { refresh(session); });
  if (session.asking) return;
  if (session.peer_updates && chance(70)) {
    session.asking = true;
    request(session, "UPDATE", {}, abilities(true));
  } else {
    ask(session, "INVITE", true);
  }
}

void Agent::act(Session& session) {
  if (session.state != State::up) return;
  if (chance(nature.hangs_up)) return hang_up(session);
  if (chance(nature.transfers)) return refer(session);
  const auto what = random_() % 5;
  if (what == 0) return (void)request(session, "INFO");
  if (session.asking && !chance(10)) return;
  if (what == 1 && session.peer_updates) return ask(session, "UPDATE", true);
  ask(session, "INVITE", !chance(nature.late_offers));
}

// ---- transfers

namespace {
// RFC 3891 3: the dialog as we know it.
std::string dialog_of(const Agent::Session& session) {
  return session.call_id + ";to-tag=" + tag_in(session.remote) + ";from-tag=" + tag_in(session.local);
}

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) text += c == ';' ? "%3B" : c == '=' ? "%3D" : std::string(1, c);
  return text;
}
}  // namespace

Agent::Session* Agent::another(const Session* but) {
  for (const auto& session : sessions_) {
    if (session.get() != but && session->state == State::up) return session.get();
  }
  return nullptr;
}

Agent::Session* Agent::ringing() {
  for (const auto& session : sessions_) {
    if (session->rings && session->state == State::calling) return session.get();
  }
  return nullptr;
}

// RFC 5589: to somebody new, to who is at the end of another session, or to who calls us.
void Agent::refer(Session& session) {
  ++referred_;
  std::string place = "sip:0555@10.9.8.7";
  const Session* other = chance(30) ? ringing() : nullptr;
  if (other == nullptr) other = another(&session);
  if (other != nullptr && chance(70)) {
    place += "?Replaces=" + escaped(dialog_of(*other));
  }
  request(session, "REFER", {}, "Refer-To: <" + place + ">\r\n");
}

void Agent::notify(Session& session, std::string_view status, std::string_view state) {
  if (session.state != State::up) return;
  request(session, "NOTIFY", "SIP/2.0 " + std::string(status) + "\r\n",
          "Event: refer\r\nSubscription-State: " + std::string(state) + "\r\n",
          "message/sipfrag;version=2.0");
}

void Agent::take_over() {
  if (dead_) return;
  if (const Session* session = another(nullptr)) {
    call("0555", "Replaces: " + dialog_of(*session) + (chance(10) ? ";early-only\r\n" : "\r\n"));
  }
}

// RFC 3891 1: from another line, as long as it rings.
void Agent::pick_up(const Session& session) {
  if (dead_ || session.state != State::calling) return;
  call("0555", "Replaces: " + dialog_of(session) + (chance(30) ? ";early-only\r\n" : "\r\n"));
}

// Before the answer: UPDATE, where the first offer has its answer for good.
void Agent::act_early(Session& session) {
  const bool early = session.state == State::ringing || (!session.caller && session.state == State::calling);
  if (!early || !session.settled || session.asking || !session.peer_updates || !chance(40)) return;
  ask(session, "UPDATE", !chance(20));
}

}  // namespace sallyport::shard

// SPDX-License-Identifier: Apache-2.0
// An agent answers.
#include <algorithm>
#include <utility>

#include "tests/controlplane/shard/agent_support.h"

namespace sallyport::shard {

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
  const bool asks = server.method == "INVITE" || server.method == "UPDATE";
  std::string lines = (asks ? abilities(false) : std::string{}) + std::string(more);
  const bool timer = asks && status[0] == '2' && nature.timers != 0;
  const bool they_ask = !server.request.header("Session-Expires").empty();
  if (timer && they_ask) {
    const std::string asked = server.request.header("Session-Expires");
    const bool by_us = asked.find("refresher=uas") != std::string::npos;
    lines += "Session-Expires: " + asked.substr(0, asked.find(';')) +
             (by_us ? ";refresher=uas" : ";refresher=uac") + "\r\n" + (by_us ? "" : "Require: timer\r\n");
  }
  server.last = make_response(server.request, status, status.starts_with("100") ? "" : tag, own, body, lines);
  server.final = status[0] != '1';
  server.success = server.method == "INVITE" && status[0] == '2';
  send(*this, server.last);
  if (server.final) server.prack_waits = false;
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
  server.missed = true;
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
    if (number_of_cseq(server.request) != number_of_cseq(ack)) continue;
    if (std::exchange(server.missed, false)) --session.missed_acks;  // it was on its way
    if (server.acked) continue;
    server.acked = true;
    if (server.port != 0 && audio_port(ack.body()) != 0) session.port = server.port;
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
  if (initial && chance(10)) return;  // it will answer, or refuse, all the same
  respond(invite, "487 Request Terminated");
  if (initial) end(*invite.session, "cancelled");
}

// ---- a call comes in

void Agent::on_invite(Server& server) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>());
  const Sent& invite = server.request;
  session.call_id = invite.header("Call-ID");
  session.local = invite.header("To") + ";tag=" + fresh("t");
  session.remote = invite.header("From");
  session.target = uri_of(invite.header("Contact"));
  session.remote_cseq = number_of_cseq(invite);
  session.rseq = static_cast<unsigned>(random_() % 1000);
  note(session, invite);
  server.session = &session;
  const std::string key = branch_of(invite) + " INVITE";
  if (chance(nature.silent)) return;
  session.said = true;
  if (lists(invite, "Require", "100rel") && nature.reliable == 0) {
    respond(server, "420 Bad Extension", {}, "Unsupported: 100rel\r\n");
    return end(session, "refused");
  }
  if (chance(60)) respond(server, "100 Trying");
  for (int rings = 0; rings < 2; ++rings) {
    if (chance(nature.early)) later(span(0, 6'000), [this, key] { ring(key); });
  }
  later(span(0, 15'000), [this, key] { answer(key); });
}

void Agent::ring(const std::string& key) {
  Server& server = servers_[key];
  Session& session = *server.session;
  if (server.final || server.prack_waits || session.state == State::over) return;
  session.rings = true;
  if (chance(nature.picks_up)) later(span(100, 5'000), [this, &session] { pick_up(session); });
  const bool media = chance(50) && !session.settled;
  const bool knows =
      lists(server.request, "Supported", "100rel") || lists(server.request, "Require", "100rel");
  const bool must = lists(server.request, "Require", "100rel");
  const std::string_view status = media ? "183 Session Progress" : "180 Ringing";
  if (knows && (must || chance(nature.reliable))) {
    return ring_reliably(key, status, media ? describe() : Described{});
  }
  const bool answers = media && !server.request.body().empty();
  if (chance(nature.forks)) {
    // A fork rings: another tag. It may say when it is over (RFC 6228).
    const std::string tag = fresh("early");
    if (chance(50)) {
      later(span(500, 8'000), [this, key, tag] {
        Server& open = servers_[key];
        if (!open.final) send(*this, make_response(open.request, "199 Early Dialog Terminated", tag));
      });
    }
    send(*this, make_response(server.request, status, tag, "<sip:fork@" + own_ + ">",
                              answers ? describe().text : std::string{}, abilities(false)));
    return;
  }
  if (!answers) return respond(server, status);
  // RFC 6337 2.2: one answer, however often it is said. Unreliable ones may come in any order.
  const Described described = describe();
  if (session.early_answer.empty()) {
    session.early_answer = described.text;
    session.port = described.port;
  }
  respond(server, status, session.early_answer);
}

void Agent::ring_reliably(const std::string& key, std::string_view status, const Described& described) {
  Server& server = servers_[key];
  Session& session = *server.session;
  const unsigned rseq = ++session.rseq;
  server.prack_waits = true;
  server.has_sdp = described.port != 0;
  server.port = server.has_sdp && server.request.body().empty() ? described.port : 0;
  if (server.has_sdp && server.port == 0) session.port = described.port;
  respond(server, status, described.text, "Require: 100rel\r\nRSeq: " + std::to_string(rseq) + "\r\n");
  later(kT1, [this, key, rseq] { repeat_reliably(key, rseq, kT1); });
  later(64 * kT1, [this, key, rseq] {
    Server& open = servers_[key];
    if (!open.prack_waits || open.session->rseq != rseq) return;
    respond(open, "504 No PRACK");
    end(*open.session, "no PRACK");
  });
}

void Agent::repeat_reliably(const std::string& key, unsigned rseq, Nanoseconds interval) {
  Server& server = servers_[key];
  if (!server.prack_waits || server.session->rseq != rseq) return;
  send(*this, server.last);
  later(2 * interval, [this, key, rseq, interval] { repeat_reliably(key, rseq, 2 * interval); });
}

void Agent::on_prack(Server& prack) {
  Session& session = *prack.session;
  for (auto& [key, server] : servers_) {
    if (server.session != &session || server.method != "INVITE" || !server.prack_waits) continue;
    if (prack.request.header("RAck") !=
        std::to_string(session.rseq) + " " + std::to_string(number_of_cseq(server.request)) + " INVITE") {
      continue;
    }
    server.prack_waits = false;
    const bool answered = server.port != 0;
    if (server.has_sdp) session.settled = true;
    if (answered && audio_port(prack.request.body()) != 0) session.port = server.port;
    const bool offers = !answered && audio_port(prack.request.body()) != 0;
    server.port = 0;
    if (!offers) return respond(prack, "200 OK");
    const Described body = describe();
    session.port = body.port;
    respond(prack, "200 OK", body.text);
    return later(span(100, 3'000), [this, &session] { act_early(session); });
  }
  respond(prack, "481 No such response");
}

void Agent::answer(const std::string& key) {
  Server& server = servers_[key];
  if (server.final) return;
  Session& session = *server.session;
  if (chance(nature.refuses)) return refuse(server);
  // RFC 3262 3: not before the SDP that is out has been acknowledged; RFC 3311: nor while an offer is open.
  if (server.prack_waits || session.asking) return later(kSecond, [this, key] { answer(key); });
  session.state = State::answered;
  const unsigned odd = chance(nature.odd_answers) ? 1 + static_cast<unsigned>(random_() % 4) : 0;
  const Described described = session.settled ? Described{} : describe();
  if (server.request.body().empty()) {
    server.port = described.port;
  } else if (described.port != 0 && odd != 1) {
    session.port = described.port;
  }
  const std::string body = session.settled ? described.text : odd_answer(server, odd, described.text);
  // Nobody but we can end a dialog without a Contact.
  if (odd == 3) excused.insert(session.call_id);
  respond(server, "200 OK", body, {}, odd == 3 ? "" : "own");
  if (odd == 0 && chance(nature.forks)) fork(server);
}

void Agent::refuse(Server& server) {
  static constexpr std::string_view kFailures[] = {"486 Busy Here", "503 Service Unavailable",
                                                   "404 Not Found", "600 Busy Everywhere",
                                                   "302 Moved",     "499 Codec Mismatch"};
  const bool rest = chance(10);
  respond(server, kFailures[random_() % 6], {}, rest ? "Retry-After: 3\r\n" : "");
  end(*server.session, "refused");
}

std::string Agent::odd_answer(Server&, unsigned odd, const std::string& body) {
  switch (odd) {
    case 1:
      return {};
    case 2:
      return hidden();
    case 4:
      return body + "m=video 7000 RTP/AVP 96\r\n";
    default:
      return body;
  }
}

// A proxy in between has asked somebody else too, and he has answered as well.
void Agent::fork(const Server& server) {
  Session& session = *sessions_.emplace_back(std::make_unique<Session>(*server.session));
  session.local = server.request.header("To") + ";tag=" + fresh("fork");
  session.cseq = 100;
  session.remote_cseq = number_of_cseq(server.request);  // each dialog counts for itself
  session.asking = false;
  Server& second = servers_[branch_of(server.request) + " INVITE fork"];
  second = server;
  second.session = &session;
  second.final = false;
  later(span(0, 12'000), [this, key = branch_of(server.request) + " INVITE fork"] {
    Server& late = servers_[key];
    const Described described = describe();
    late.session->port = described.port;
    late.port = late.request.body().empty() ? described.port : 0;
    late.last = make_response(late.request, "200 OK", tag_in(late.session->local), "<sip:fork@" + own_ + ">",
                              described.text);
    late.final = late.success = true;
    send(*this, late.last);
    later(kT1, [this, key] { repeat(key, kT1); });
    later(64 * kT1, [this, key] { await_ack(key); });
  });
}

// ---- inside a dialog

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
  note(session, request);
  if (server.method == "BYE") return on_bye(server);
  if (server.method == "PRACK") return on_prack(server);
  if (server.method == "INVITE" || server.method == "UPDATE") return on_offer(key, server);
  if (server.method == "REFER") return on_refer(server);
  respond(server, chance(90) ? "200 OK" : "405 Method Not Allowed");
}

void Agent::on_bye(Server& server) {
  respond(server, "200 OK");
  for (auto& [key, other] : servers_) {
    if (other.session != server.session || other.method != "INVITE" || other.last.empty()) continue;
    if (!other.final) respond(other, "487 Request Terminated");
  }
  end(*server.session, "BYE received");
}

// It was passed on to us: whoever is named there may be called, and the other side hears how that goes.
void Agent::on_refer(Server& server) {
  Session& session = *server.session;
  if (session.state != State::up || chance(20)) return respond(server, "603 Decline");
  respond(server, "202 Accepted");
  notify(session, "100 Trying", "active;expires=60");
  later(span(0, 5'000), [this, &session] { notify(session, "200 OK", "terminated;reason=noresource"); });
  if (!chance(nature.follows)) return;
  std::string place = uri_of(server.request.header("Refer-To"));
  const auto at = place.find("?Replaces=");
  std::string replaces = at == std::string::npos ? std::string{} : place.substr(at + 10);
  for (std::size_t i = 0; (i = replaces.find('%', i)) != std::string::npos; ++i) {
    replaces.replace(i, 3, 1, static_cast<char>(std::stoi(replaces.substr(i + 1, 2), nullptr, 16)));
  }
  call("0555", replaces.empty() ? std::string{} : "Replaces: " + replaces + "\r\n");
}

void Agent::on_offer(const std::string& key, Server& server) {
  Session& session = *server.session;
  const bool has_offer = !server.request.body().empty();
  if (server.method == "UPDATE" && nature.updates == 0) return respond(server, "405 Method Not Allowed");
  if (server.method == "UPDATE" && !has_offer) return respond(server, "200 OK");
  // RFC 3311 5.2: nor while an offer of its own in a 2xx waits for the ACK that answers it.
  const bool offer_is_out = std::ranges::any_of(servers_, [&](const auto& entry) {
    const Server& other = entry.second;
    return other.session == &session && other.success && !other.acked && other.port != 0;
  });
  if (session.asking || offer_is_out) return respond(server, "491 Request Pending");
  if (!session.settled && session.state < State::answered) {
    return respond(server, "500 Too early", {}, "Retry-After: 1\r\n");
  }
  if (server.method == "UPDATE") return answer_offer(server);
  if (chance(20))
    return respond(server, chance(50) ? "488 Not Acceptable Here" : "480 Temporarily Unavailable");
  if (chance(30)) respond(server, "180 Ringing");
  later(span(0, 8'000), [this, key] { answer_offer(servers_[key]); });
}

void Agent::answer_offer(Server& server) {
  if (server.final) return;
  Session& session = *server.session;
  if (chance(nature.odd_answers / 2)) {
    session.port = 0;  // nobody follows him there
    return respond(server, "200 OK", hidden());
  }
  const Described described = describe();
  if (server.request.body().empty()) {
    server.port = described.port;
  } else {
    session.port = described.port;
  }
  respond(server, "200 OK", described.text);
}

}  // namespace sallyport::shard

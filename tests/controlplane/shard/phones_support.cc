// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/shard/phones_support.h"

#include <algorithm>

namespace sallyport::shard {

namespace {

std::string with_fields(std::string head, std::string_view more, std::string_view body) {
  head += more;
  const bool typed = more.find("Content-Type:") != std::string_view::npos;
  if (!body.empty() && !typed) head += "Content-Type: application/sdp\r\n";
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace

Phones::Phones(bool from_carrier, std::string_view yaml) : bench(yaml) {
  Phone office{.realm = "access", .ip = "198.51.100.20", .media_port = 4000};
  Phone carrier{.realm = "core", .ip = "192.0.2.10", .media_port = 6000};
  caller = from_carrier ? carrier : office;
  callee = from_carrier ? office : carrier;
  caller.is_caller = true;
  caller.tag = "caller-tag";
  callee.tag = "callee-tag";
}

void Phones::send(Phone& phone, std::string_view text) {
  bench.receive(phone.realm, phone.address(), text);
}

void Phones::place(std::string_view body, std::string_view more) {
  const std::string ours = caller.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  caller.call_id = "call@" + caller.ip;
  caller.local = "<sip:caller@" + caller.ip + ">;tag=" + caller.tag;
  caller.remote = "<sip:4930123@" + ours + ">";
  caller.target = "sip:4930123@" + ours;
  caller.cseq = 1;
  const std::string head = "INVITE " + caller.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + caller.via() +
                           ";branch=z9hG4bKinvite\r\nFrom: " + caller.local + "\r\nTo: " + caller.remote +
                           "\r\nCall-ID: " + caller.call_id +
                           "\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: " + caller.contact() + "\r\n";
  caller.invite = with_fields(head, more, body);
  send(caller, caller.invite);
}

Sent Phones::call(std::string_view body, std::string_view more) {
  place(body, more);
  (void)expect(caller, "SIP/2.0 100");
  callee.incoming = expect(callee, "INVITE ");
  callee.call_id = callee.incoming.header("Call-ID");
  callee.local = callee.incoming.header("To") + ";tag=" + callee.tag;
  callee.remote = callee.incoming.header("From");
  callee.cseq = 100;
  return callee.incoming;
}

void Phones::establish(std::string_view invite_more, std::string_view answer_more) {
  (void)call(caller.sdp(), invite_more);
  answer(callee, callee.incoming, "200 OK", callee.sdp(), answer_more);
  (void)expect(caller, "SIP/2.0 200");
  (void)expect(callee, "ACK ");
  ack(caller, 1);
}

void Phones::end() {
  forget();
  (void)request(caller, "BYE");
  (void)expect(caller, "SIP/2.0 200");
  answer(callee, expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

std::string Phones::request(Phone& phone, std::string_view method, std::string_view body,
                            std::string_view more) {
  const unsigned cseq = method == "ACK" ? phone.cseq : ++phone.cseq;
  const bool needs_no_contact = phone.terse && (method == "ACK" || method == "PRACK");
  const std::string contact = needs_no_contact ? "" : "Contact: " + phone.contact() + "\r\n";
  const std::string head = std::string(method) + " " + phone.target + " SIP/2.0\r\nVia: SIP/2.0/UDP " +
                           phone.via() + ";branch=z9hG4bKin" + std::to_string(++branches_) +
                           "\r\nFrom: " + phone.local + "\r\nTo: " + phone.remote +
                           "\r\nCall-ID: " + phone.call_id + "\r\nCSeq: " + std::to_string(cseq) + " " +
                           std::string(method) + "\r\nMax-Forwards: 70\r\n" + contact;
  std::string text = with_fields(head, more, body);
  send(phone, text);
  return text;
}

void Phones::ack(Phone& phone, unsigned cseq, std::string_view body) {
  const unsigned last = std::exchange(phone.cseq, cseq);
  (void)request(phone, "ACK", body);
  phone.cseq = last;
}

void Phones::answer(Phone& phone, const Sent& request, std::string_view status, std::string_view body,
                    std::string_view more, std::string_view tag) {
  std::string to = request.header("To");
  if (to.find(";tag=") == std::string::npos) to += ";tag=" + (tag.empty() ? phone.tag : std::string(tag));
  const std::string head = "SIP/2.0 " + std::string(status) + "\r\nVia: " + request.header("Via") +
                           "\r\nFrom: " + request.header("From") + "\r\nTo: " + to +
                           "\r\nCall-ID: " + request.header("Call-ID") +
                           "\r\nCSeq: " + request.header("CSeq") + "\r\nContact: " + phone.contact() + "\r\n";
  send(phone, with_fields(head, more, body));
}

std::vector<Sent>& Phones::inbox() {
  for (Sent& sent : bench.take()) inbox_.push_back(std::move(sent));
  return inbox_;
}

bool Phones::heard(const Phone& phone, std::string_view start) {
  return std::ranges::any_of(
      inbox(), [&](const Sent& sent) { return sent.is(start) && sent.remote.to_text() == phone.address(); });
}

Sent Phones::expect(Phone& phone, std::string_view start) {
  const auto it = std::ranges::find_if(
      inbox(), [&](const Sent& sent) { return sent.is(start) && sent.remote.to_text() == phone.address(); });
  if (it == inbox_.end()) {
    std::string what;
    for (const Sent& sent : inbox_) what += "\n  " + sent.remote.to_text() + " " + sent.start_line();
    ADD_FAILURE() << phone.address() << " has not heard '" << start << "'; there is:" << what;
    return {};
  }
  Sent sent = *it;
  inbox_.erase(it);
  if (sent.is("SIP/2.0 ") && phone.is_caller && !sent.tag_of("To").empty()) phone.remote = sent.header("To");
  const std::string contact = sent.header("Contact");
  if (contact.size() > 2) phone.target = contact.substr(1, contact.find('>') - 1);
  return sent;
}

void Phones::cancel() {
  std::string text = caller.invite.substr(0, caller.invite.find("\r\n\r\n") + 4);
  text.replace(0, 6, "CANCEL");
  text.replace(text.find("1 INVITE"), 8, "1 CANCEL");
  const auto type = text.find("Content-Type");
  if (type != std::string::npos) text.erase(type, text.find("\r\n", type) + 2 - type);
  const auto length = text.find("Content-Length: ") + 16;
  text.replace(length, text.find("\r\n", length) - length, "0");
  send(caller, text);
}

const dp::FlowSpec* Phones::flow(const Phone& phone, std::size_t stream) {
  for (const auto& [slot, spec] : bench.flows) {
    const bool rtp = spec.kind == dp::FlowKind::rtp;
    if (rtp && spec.owner.stream == stream && (spec.owner.leg == 0) == phone.is_caller) return &spec;
  }
  return nullptr;
}

}  // namespace sallyport::shard

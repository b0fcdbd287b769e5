// SPDX-License-Identifier: Apache-2.0
#include "perf/calls/endpoints.h"

#include <stdexcept>
#include <utility>

namespace sallyport::perf {
namespace {

constexpr std::uint8_t kAccess = 0, kCore = 1;
constexpr std::uint32_t kCallers = 0xc6336400;     // 198.51.100.0
constexpr std::uint32_t kCarrierNet = 0xc0000200;  // 192.0.2.0
const Endpoint kAccessSip{IpAddress::v4(kCallers + 1), 5060};

constexpr const char* kDigits = "0123456789abcdef";

// The whole value of the first field of that name, which Sallyport writes in full.
std::string_view field(std::string_view text, std::string_view name) {
  std::size_t at = 0;
  for (;;) {
    at = text.find(name, at);
    if (at == std::string_view::npos) return {};
    if (text[at - 1] == '\n' && text.substr(at + name.size()).starts_with(": ")) break;
    ++at;
  }
  const std::size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\r', begin) - begin);
}

std::string sdp(const Endpoint& media, std::uint64_t number) {
  static constexpr const char* kTypes[] = {"8 0 101", "0 8 101", "8 101", "18 8 101"};
  const std::string address = media.address.to_text();
  return "v=0\r\no=- " + std::to_string(number * 7919 + 1) + " 1 IN IP4 " + address + "\r\ns=-\r\nc=IN IP4 " +
         address + "\r\nt=0 0\r\nm=audio " + std::to_string(media.port) + " RTP/AVP " + kTypes[number % 4] +
         "\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
         "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
}

std::string with_body(std::string head, const std::string& body) {
  if (!body.empty()) head += "Content-Type: application/sdp\r\n";
  return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string response(std::string_view request, std::string_view status, const std::string& tag,
                     const std::string& contact = {}, const std::string& body = {}) {
  std::string head = "SIP/2.0 ";
  head.append(status).append("\r\nVia: ").append(field(request, "Via"));
  head.append("\r\nFrom: ").append(field(request, "From"));
  head.append("\r\nTo: ").append(field(request, "To"));
  if (!tag.empty()) head.append(";tag=").append(tag);
  head.append("\r\nCall-ID: ").append(field(request, "Call-ID"));
  head.append("\r\nCSeq: ").append(field(request, "CSeq")).append("\r\n");
  if (!contact.empty()) head += "Contact: " + contact + "\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n";
  return with_body(std::move(head), body);
}

// A request of the caller in the dialog of that 200.
std::string in_dialog(std::string_view ok, const char* method, unsigned cseq, const Endpoint& self) {
  std::string_view target = field(ok, "Contact");
  target = target.substr(target.find('<') + 1);
  target = target.substr(0, target.find('>'));
  const std::string_view call_id = field(ok, "Call-ID");
  std::string head = method;
  head.append(" ").append(target).append(" SIP/2.0\r\nVia: SIP/2.0/UDP ").append(self.to_text());
  head.append(";branch=z9hG4bK").append(method).append(call_id.substr(0, call_id.find('@')));
  head.append("\r\nMax-Forwards: 70\r\nFrom: ").append(field(ok, "From"));
  head.append("\r\nTo: ").append(field(ok, "To")).append("\r\nCall-ID: ").append(call_id);
  head.append("\r\nCSeq: ").append(std::to_string(cseq)).append(" ").append(method).append("\r\n");
  return with_body(std::move(head), {});
}

Endpoint caller_of(std::uint64_t number) {
  return {IpAddress::v4(kCallers + 16 + static_cast<std::uint32_t>(number % (16 * kOffices))),
          static_cast<std::uint16_t>(5060 + number % 4 * 10)};
}

std::uint16_t media_port(std::uint64_t number) {
  return static_cast<std::uint16_t>(10'000 + number * 2 % 40'000);
}

std::string invite(std::uint64_t number, const Endpoint& self) {
  const std::string n = std::to_string(number);
  const std::string own = self.to_text();
  const std::string to =
      std::string("<sip:9") + kDigits[number % kCarriers] + "0049301" + n + "@198.51.100.1>";
  const std::string head =
      "INVITE " + to.substr(1, to.size() - 2) + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own + ";branch=z9hG4bKi" +
      n + "x" + std::to_string(number * 2654435761u) + ";rport\r\nMax-Forwards: 70\r\n" + "From: \"Caller " +
      n + "\" <sip:+4420" + n + "@" + own + ">;tag=f" + n + "\r\nTo: " + to + "\r\nCall-ID: c" + n + "@" +
      self.address.to_text() + "\r\nCSeq: 1 INVITE\r\nContact: <sip:+4420" + n + "@" + own +
      ">\r\nUser-Agent: Phone/" + std::to_string(number % 7) +
      ".1\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, INFO, NOTIFY\r\nSupported: timer, replaces\r\n"
      "P-Preferred-Identity: <sip:+4420" +
      n + "@office.example>\r\n";
  return with_body(head, sdp({self.address, media_port(number)}, number));
}

}  // namespace

std::string endpoints_config(unsigned addresses, unsigned max_calls) {
  const auto list = [addresses](const std::string& net) {
    std::string all;
    for (unsigned i = 1; i <= addresses; ++i) {
      if (!all.empty()) all += ", ";
      all += "\"" + net + std::to_string(i) + "/24\"";
    }
    return all;
  };
  std::string yaml =
      "dataplane: {cores: [1], ports: {access: {device: net_ring0}, core: {device: net_ring1}}}\n"
      "controlplane: {shards: 1, max_calls: " +
      std::to_string(max_calls) +
      "}\nrealms:\n"
      "  access: {port: access, addresses: [" +
      list("198.51.100.") +
      "], sip: {udp: 5060}, media: {ports: 20000-59999, idle_timeout: 4h}, private_media: auto}\n"
      "  core: {port: core, addresses: [" +
      list("192.0.2.") +
      "], sip: {udp: 5060}, media: {ports: 20000-59999, idle_timeout: 4h}, private_media: reject}\npeers:\n";
  for (unsigned i = 0; i < kOffices; ++i) {
    yaml += "  office-" + std::to_string(i) + ": {realm: access, match: [\"198.51.100." +
            std::to_string(16 + 16 * i) + "/28\"], response_map: {receive: clean}}\n";
  }
  std::string routes;
  for (unsigned i = 0; i < kCarriers; ++i) {
    const std::string name = "carrier-" + std::to_string(i);
    yaml += "  " + name + ": {realm: core, match: [\"192.0.2." + std::to_string(10 + i) +
            "\"], targets: [\"sip:192.0.2." + std::to_string(10 + i) +
            ":5060\"], limits: {setup: 10s, ring: 180s, duration: 12h}, response_map: {receive: clean}}\n";
    routes += std::string("  - {user: \"9") + kDigits[i] + "*\", to: [" + name + "]}\n";
  }
  return yaml + "routes:\n" + routes + "response_maps:\n  clean: {base: [rfc3398, vendor]}\n" +
         "cdr: {file: /dev/null}\n";
}

void Endpoints::say(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string text) {
  due_.push_back({port, from, to, std::move(text)});
}

void Endpoints::say_later(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string text) {
  later_.push_back({port, from, to, std::move(text)});
}

void Endpoints::place_call() {
  const std::uint64_t number = placed_++;
  const Endpoint self = caller_of(number);
  say(kAccess, self, kAccessSip, invite(number, self));
}

void Endpoints::deliver() {
  for (const Due& due : due_) {
    if (!rig_.put(due.port, due.from, due.to, due.text)) throw std::runtime_error("the bench's wire is full");
  }
  due_ = std::exchange(later_, {});
}

void Endpoints::turn(Nanoseconds now_ns) {
  deliver();
  rig_.turn(now_ns);
  rig_.sent([this](std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string_view text) {
    port == kAccess ? at_caller(to, from, text) : at_carrier(to, from, text);
  });
}

void Endpoints::at_caller(const Endpoint& self, const Endpoint& peer, std::string_view text) {
  if (text.starts_with("SIP/2.0 1")) return;
  if (!text.starts_with("SIP/2.0 200")) {
    ++failed_;
    return;
  }
  if (field(text, "CSeq") != "1 INVITE") {
    ++ended_;
    return;
  }
  ++established_;
  say(kAccess, self, peer, in_dialog(text, "ACK", 1, self));
  if (!hold_) say_later(kAccess, self, peer, in_dialog(text, "BYE", 2, self));
}

void Endpoints::at_carrier(const Endpoint& self, const Endpoint& peer, std::string_view text) {
  if (text.starts_with("BYE ")) return say(kCore, self, peer, response(text, "200 OK", {}));
  if (!text.starts_with("INVITE ")) return;
  const std::string_view call_id = field(text, "Call-ID");
  const std::uint64_t number = established_ + call_id.size();
  const std::string tag = "t" + std::string(call_id.substr(0, 12));
  const std::string contact = "<sip:gw@" + self.to_text() + ">";
  say(kCore, self, peer, response(text, "100 Trying", {}));
  say(kCore, self, peer, response(text, "180 Ringing", tag, contact));
  say_later(kCore, self, peer,
            response(text, "200 OK", tag, contact, sdp({self.address, media_port(number)}, number)));
}

}  // namespace sallyport::perf

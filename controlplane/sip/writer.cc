// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/writer.h"

#include <array>
#include <charconv>

#include "controlplane/sip/message.h"

namespace sallyport::sip {

namespace {

struct Phrase {
  std::uint16_t status;
  std::string_view text;
};

// RFC 3261 21, and 3262 to 8876 as registered with IANA.
constexpr std::array kPhrases{
    Phrase{100, "Trying"},
    Phrase{180, "Ringing"},
    Phrase{181, "Call Is Being Forwarded"},
    Phrase{182, "Queued"},
    Phrase{183, "Session Progress"},
    Phrase{199, "Early Dialog Terminated"},
    Phrase{200, "OK"},
    Phrase{202, "Accepted"},
    Phrase{204, "No Notification"},
    Phrase{300, "Multiple Choices"},
    Phrase{301, "Moved Permanently"},
    Phrase{302, "Moved Temporarily"},
    Phrase{305, "Use Proxy"},
    Phrase{380, "Alternative Service"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{402, "Payment Required"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{406, "Not Acceptable"},
    Phrase{407, "Proxy Authentication Required"},
    Phrase{408, "Request Timeout"},
    Phrase{410, "Gone"},
    Phrase{412, "Conditional Request Failed"},
    Phrase{413, "Request Entity Too Large"},
    Phrase{414, "Request-URI Too Long"},
    Phrase{415, "Unsupported Media Type"},
    Phrase{416, "Unsupported URI Scheme"},
    Phrase{417, "Unknown Resource-Priority"},
    Phrase{420, "Bad Extension"},
    Phrase{421, "Extension Required"},
    Phrase{422, "Session Interval Too Small"},
    Phrase{423, "Interval Too Brief"},
    Phrase{424, "Bad Location Information"},
    Phrase{425, "Bad Alert Message"},
    Phrase{428, "Use Identity Header"},
    Phrase{429, "Provide Referrer Identity"},
    Phrase{430, "Flow Failed"},
    Phrase{433, "Anonymity Disallowed"},
    Phrase{436, "Bad Identity Info"},
    Phrase{437, "Unsupported Credential"},
    Phrase{438, "Invalid Identity Header"},
    Phrase{439, "First Hop Lacks Outbound Support"},
    Phrase{440, "Max-Breadth Exceeded"},
    Phrase{469, "Bad Info Package"},
    Phrase{470, "Consent Needed"},
    Phrase{480, "Temporarily Unavailable"},
    Phrase{481, "Call/Transaction Does Not Exist"},
    Phrase{482, "Loop Detected"},
    Phrase{483, "Too Many Hops"},
    Phrase{484, "Address Incomplete"},
    Phrase{485, "Ambiguous"},
    Phrase{486, "Busy Here"},
    Phrase{487, "Request Terminated"},
    Phrase{488, "Not Acceptable Here"},
    Phrase{489, "Bad Event"},
    Phrase{491, "Request Pending"},
    Phrase{493, "Undecipherable"},
    Phrase{494, "Security Agreement Required"},
    Phrase{500, "Server Internal Error"},
    Phrase{501, "Not Implemented"},
    Phrase{502, "Bad Gateway"},
    Phrase{503, "Service Unavailable"},
    Phrase{504, "Server Time-out"},
    Phrase{505, "Version Not Supported"},
    Phrase{513, "Message Too Large"},
    Phrase{555, "Push Notification Service Not Supported"},
    Phrase{580, "Precondition Failure"},
    Phrase{600, "Busy Everywhere"},
    Phrase{603, "Decline"},
    Phrase{604, "Does Not Exist Anywhere"},
    Phrase{606, "Not Acceptable"},
    Phrase{607, "Unwanted"},
    Phrase{608, "Rejected"},
};

constexpr std::array<std::string_view, 7> kClassPhrases{
    "", "Progress", "Success", "Redirection", "Request Failure", "Server Failure", "Global Failure"};

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

// Without a way out of the loop, so that the compiler looks at many octets at once.
bool is_plain(std::string_view value) {
  bool plain = true;
  for (const char c : value) plain &= (static_cast<unsigned char>(c) >= 0x20 || c == '\t') && c != 0x7f;
  return plain;
}

}  // namespace

std::string_view default_phrase(std::uint16_t status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  const unsigned status_class = status / 100u;
  return status_class < kClassPhrases.size() ? kClassPhrases[status_class] : std::string_view{};
}

void HeaderWriter::append_value(std::string_view value) {
  if (is_plain(value)) {
    out_ += value;
  } else {
    out_ += unfold(value);
  }
}

HeaderWriter& HeaderWriter::line(HeaderId id, std::string_view value) {
  return line(header_name(id), value);
}

HeaderWriter& HeaderWriter::line(std::string_view name, std::string_view value) {
  out_ += name;
  out_ += ": ";
  append_value(value);
  out_ += "\r\n";
  return *this;
}

HeaderWriter& HeaderWriter::line(HeaderId id, std::initializer_list<std::string_view> parts) {
  out_ += header_name(id);
  out_ += ": ";
  for (const std::string_view part : parts) append_value(part);
  out_ += "\r\n";
  return *this;
}

HeaderWriter& HeaderWriter::line(HeaderId id, std::uint64_t number) {
  out_ += header_name(id);
  out_ += ": ";
  append_number(out_, number);
  out_ += "\r\n";
  return *this;
}

HeaderWriter& HeaderWriter::raw(std::string_view lines) {
  out_ += lines;
  return *this;
}

void MessageWriter::request_line(std::string_view method, std::string_view uri) {
  std::string& out = headers_.out();
  out += method;
  out += ' ';
  out += is_plain(uri) ? std::string(uri) : unfold(uri);
  out += " SIP/2.0\r\n";
}

void MessageWriter::status_line(std::uint16_t status, std::string_view phrase) {
  std::string& out = headers_.out();
  out += "SIP/2.0 ";
  append_number(out, status);
  out += ' ';
  // A phrase may come from a peer or the configuration: it may not end its line either.
  if (phrase.empty()) phrase = default_phrase(status);
  out += is_plain(phrase) ? std::string(phrase) : unfold(phrase);
  out += "\r\n";
}

void MessageWriter::finish(std::string_view body) {
  headers_.line(HeaderId::content_length, std::uint64_t{body.size()});
  headers_.out() += "\r\n";
  headers_.out() += body;
}

}  // namespace sallyport::sip

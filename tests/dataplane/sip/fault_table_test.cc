// SPDX-License-Identifier: Apache-2.0
// One message, one thing wrong with it, one fault at one place; and what looks wrong but is not. Modelled on
// the sections of RFC 4475 and on RFC 3261's own examples, so that they run where the RFC's messages are not
// at hand.
#include "dataplane/sip/message_index.h"

#include "tests/dataplane/sip/text_support.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sip {
namespace {

struct Parts {
  std::string_view start = "INVITE sip:u@example.com SIP/2.0";
  std::string_view via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKabc";
  std::string_view from = "From: <sip:a@example.net>;tag=ft";
  std::string_view to = "To: <sip:u@example.com>";
  std::string_view call_id = "Call-ID: c1@192.0.2.1";
  std::string_view cseq = "CSeq: 8 INVITE";
  std::string_view more = "";
};

struct Row {
  std::string_view title;
  Parts parts;
  Fault fault;
  std::string_view at;  // the text at which the fault is reported
};

std::string build(const Parts& parts) {
  std::string text;
  for (const std::string_view line :
       {parts.start, parts.via, parts.from, parts.to, parts.call_id, parts.cseq, parts.more}) {
    if (!line.empty()) text += std::string(line) + "\n";
  }
  return crlf(text + "\nv=0\n");
}

const Row kFaults[] = {
    // request line (RFC 3261 7.1, RFC 4475 3.1.2.7 to 3.1.2.11, 3.1.2.16)
    {"two spaces before the URI", {.start = "INVITE  sip:u@h SIP/2.0"}, Fault::request_line, " sip:u@h SIP"},
    {"two spaces behind the URI", {.start = "INVITE sip:u@h  SIP/2.0"}, Fault::request_line, "sip:u@h  SIP"},
    {"no URI", {.start = "INVITE  SIP/2.0"}, Fault::request_line, " SIP/2.0"},
    {"spaces at the end", {.start = "INVITE sip:u@h SIP/2.0  "}, Fault::request_line, "  \r\nVia"},
    {"a space first", {.start = " INVITE sip:u@h SIP/2.0"}, Fault::request_line, " INVITE"},
    {"a method that is no token", {.start = "INV@TE sip:u@h SIP/2.0"}, Fault::request_line, "INV@TE"},
    {"URI in brackets", {.start = "INVITE <sip:u@h> SIP/2.0"}, Fault::request_uri, "<sip:u@h>"},
    {"white space in the URI", {.start = "INVITE sip:u@h; lr SIP/2.0"}, Fault::request_uri, "sip:u@h; lr"},
    {"headers in the URI",
     {.start = "INVITE sip:u@h?Route=%3Csip:x%3E SIP/2.0"},
     Fault::request_uri,
     "sip:u@h?R"},
    {"a bad escape in the URI", {.start = "INVITE sip:u%4@h SIP/2.0"}, Fault::request_uri, "sip:u%4@h"},
    {"another version", {.start = "INVITE sip:u@h SIP/7.0"}, Fault::version, "SIP/7.0"},
    {"another version's prefix", {.start = "INVITE sip:u@h SIP/2.0.1"}, Fault::version, "SIP/2.0.1"},
    // status line (RFC 3261 7.2, RFC 4475 3.1.2.19)
    {"an overlarge code", {.start = "SIP/2.0 4294967301 x"}, Fault::bad_status_code, "4294967301"},
    {"a code below 100", {.start = "SIP/2.0 099 x"}, Fault::bad_status_code, "099"},
    {"a code above 999", {.start = "SIP/2.0 1000 x"}, Fault::bad_status_code, "1000"},
    {"a code of four digits", {.start = "SIP/2.0 0200 x"}, Fault::bad_status_code, "0200"},
    {"a code that is none", {.start = "SIP/2.0 2x0 x"}, Fault::status_line, "2x0"},
    {"no code", {.start = "SIP/2.0"}, Fault::status_line, "\r\nVia"},
    {"a response of another version", {.start = "SIP/3.0 200 OK"}, Fault::version, "SIP/3.0"},
    // header lines
    {"no colon", {.more = "NoColonHere"}, Fault::bad_header, "NoColonHere"},
    {"no name", {.more = ": value"}, Fault::bad_header, ": value"},
    {"a name that is no token", {.more = "X[1]: value"}, Fault::bad_header, "X[1]"},
    {"a name with a space in it", {.more = "X 1: value"}, Fault::bad_header, "X 1"},
    {"a fold under the start line",
     {.via = " x", .more = "Via: SIP/2.0/UDP h;branch=z9hG4bKq"},
     Fault::bad_header,
     " x"},
    // what must be there (RFC 3261 8.1.1)
    {"no Via", {.via = ""}, Fault::missing_via, "v=0"},
    {"no From", {.from = ""}, Fault::missing_from, "v=0"},
    {"no To", {.to = ""}, Fault::missing_to, "v=0"},
    {"no Call-ID", {.call_id = ""}, Fault::missing_call_id, "v=0"},
    {"no CSeq", {.cseq = ""}, Fault::missing_cseq, "v=0"},
    // what may be there once (RFC 4475 3.3.8)
    {"two From", {.more = "f: <sip:b@h>;tag=2"}, Fault::duplicate_from, "f: "},
    {"two To", {.more = "t: <sip:b@h>"}, Fault::duplicate_to, "t: "},
    {"two Call-ID", {.more = "i: c2"}, Fault::duplicate_call_id, "i: c2"},
    {"two CSeq", {.more = "CSEQ: 8 INVITE"}, Fault::duplicate_cseq, "CSEQ"},
    {"two Max-Forwards",
     {.more = "Max-Forwards: 70\nmax-forwards: 70"},
     Fault::duplicate_max_forwards,
     "max-for"},
    {"two Content-Length", {.more = "Content-Length: 5\nl: 5"}, Fault::duplicate_content_length, "l: 5"},
    // scalars (RFC 4475 3.1.2.3, 3.1.2.4)
    {"CSeq of 2^32", {.cseq = "CSeq: 4294967296 INVITE"}, Fault::bad_cseq, "4294967296"},
    {"CSeq without a number", {.cseq = "CSeq: INVITE"}, Fault::bad_cseq, "INVITE\r\n\r"},
    {"CSeq without a method", {.cseq = "CSeq: 8"}, Fault::bad_cseq, "8\r\n\r"},
    {"CSeq with two methods", {.cseq = "CSeq: 8 INVITE ACK"}, Fault::bad_cseq, "8 INVITE ACK"},
    {"CSeq run together", {.cseq = "CSeq: 8INVITE"}, Fault::bad_cseq, "8INVITE"},
    {"CSeq of another method", {.cseq = "CSeq: 8 OPTIONS"}, Fault::cseq_method, "OPTIONS"},
    {"CSeq method in another case", {.cseq = "CSeq: 8 invite"}, Fault::cseq_method, "invite"},
    {"a Call-ID with white space", {.call_id = "Call-ID: a b"}, Fault::bad_call_id, "a b"},
    {"an empty Call-ID", {.call_id = "Call-ID:"}, Fault::bad_call_id, "\r\nCSeq"},
    {"a Call-ID with two @", {.call_id = "Call-ID: a@b@c"}, Fault::bad_call_id, "a@b@c"},
    {"a Call-ID that ends in @", {.call_id = "Call-ID: a@"}, Fault::bad_call_id, "a@\r"},
    {"Max-Forwards of 256", {.more = "Max-Forwards: 256"}, Fault::bad_max_forwards, "256"},
    {"Max-Forwards below 0", {.more = "Max-Forwards: -1"}, Fault::bad_max_forwards, "-1"},
    {"Content-Length below 0", {.more = "l: -999"}, Fault::bad_content_length, "-999"},
    {"Content-Length beyond the end", {.more = "l: 9999"}, Fault::body_shorter, "v=0"},
    {"Expires of 2^32", {.more = "Expires: 4294967296"}, Fault::bad_expires, "4294967296"},
    {"Expires of no number", {.more = "Expires: soon"}, Fault::bad_expires, "soon"},
    // Via (RFC 4475 3.1.2.1, 3.2.1)
    {"separators only", {.via = "Via: SIP/2.0/UDP 192.0.2.15;;,;,,"}, Fault::bad_via, "SIP/2.0/UDP 192"},
    {"an empty Via", {.via = "Via:"}, Fault::bad_via, "\r\nFrom"},
    {"an empty Via under another", {.more = "v:"}, Fault::bad_via, "\r\n\r\nv=0"},
    {"a lower Via that is none", {.via = "Via: SIP/2.0/UDP h;branch=z9hG4bKq, junk"}, Fault::bad_via, "junk"},
    {"a comma at the end", {.via = "Via: SIP/2.0/UDP h;branch=z9hG4bKq,"}, Fault::bad_via, "\r\nFrom"},
    {"the magic cookie alone", {.via = "Via: SIP/2.0/UDP h;branch=z9hG4bK"}, Fault::bad_branch, "z9hG4bK\r"},
    // From, To, Contact, routes (RFC 4475 3.1.2.6, 3.1.2.13 to 3.1.2.15)
    {"an open quote", {.to = "To: \"Mr. U <sip:u@h>"}, Fault::bad_to, "\"Mr. U"},
    {"a comma in a bare name", {.from = "From: B, A <sip:a@h>;tag=1"}, Fault::bad_from, "B, A"},
    {"spaces in the brackets", {.to = "To: \"W\" < sip:t@h >"}, Fault::bad_to, "\"W\" < sip"},
    {"an empty tag", {.from = "From: <sip:a@h>;tag="}, Fault::bad_from, "<sip:a@h>;tag="},
    {"a tag without a value", {.from = "From: <sip:a@h>;tag"}, Fault::bad_from, "<sip:a@h>;tag"},
    {"a quoted tag", {.from = "From: <sip:a@h>;tag=\"x\""}, Fault::bad_from, "<sip:a@h>;tag=\"x"},
    {"two tags", {.to = "To: <sip:a@h>;tag=1;tag=2"}, Fault::bad_to, "<sip:a@h>;tag=1;tag=2"},
    {"a From URI without a host", {.from = "From: <sip:a@>;tag=1"}, Fault::bad_from, "<sip:a@>;tag"},
    {"a To URI without a scheme", {.to = "To: <u@h>"}, Fault::bad_to, "<u@h>"},
    {"Contact parameters empty", {.more = "Contact: \"Joe\" <sip:j@h>;;;;"}, Fault::bad_contact, "\"Joe\""},
    {"a bare Contact with headers",
     {.more = "m: sip:u@h?Route=%3Csip:x%3E"},
     Fault::bad_contact,
     "sip:u@h?R"},
    {"the second Contact", {.more = "m: <sip:u@h>, <sip:u@>"}, Fault::bad_contact, "<sip:u@>"},
    {"a Route without brackets", {.more = "Route: sip:h;lr"}, Fault::bad_route, "sip:h;lr"},
    {"a Record-Route without brackets",
     {.more = "Record-Route: sip:h;lr"},
     Fault::bad_record_route,
     "sip:h;lr"},
    {"the first of two faults", {.call_id = "Call-ID: a b", .more = "l: -1"}, Fault::bad_call_id, "a b"},
};

TEST(FaultTable, Each_fault_is_named_and_placed) {
  for (const Row& row : kFaults) {
    const std::string message = build(row.parts);
    MessageIndex index;
    EXPECT_FALSE(parse(message, Framing::datagram, index)) << row.title;
    EXPECT_EQ(fault_name(index.fault), fault_name(row.fault)) << row.title;
    EXPECT_EQ(message.substr(index.fault_offset, row.at.size()), row.at) << row.title;
  }
}

TEST(FaultTable, A_message_with_a_fault_can_still_be_answered) {
  for (const Row& row : kFaults) {
    const std::string message = build(row.parts);
    MessageIndex index;
    static_cast<void>(parse(message, Framing::datagram, index));
    EXPECT_NE(index.kind, Kind::none) << row.title;
    EXPECT_EQ(index.body.in(message), "v=0\r\n") << row.title;
    EXPECT_EQ(index.find(HeaderId::call_id) != nullptr, !row.parts.call_id.empty()) << row.title;
    EXPECT_EQ(index.find(HeaderId::cseq) != nullptr, !row.parts.cseq.empty()) << row.title;
  }
}

TEST(FaultTable, What_looks_wrong_and_is_right_has_no_fault) {
  const Parts rows[] = {
      {},
      {.start = "INVITE tel:+1-201-555-0123 SIP/2.0"},
      {.start = "INVITE urn:service:sos sip/2.0"},
      {.start = "INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"},
      {.start = "SIP/2.0 100 "},
      {.start = "SIP/2.0 100"},
      {.start = "SIP/2.0 700 x"},
      {.start = "SIP/2.0 999 x"},
      {.start = "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe"},
      {.start = "RE%47IST%45R sip:h SIP/2.0", .cseq = "CSeq: 8 RE%47IST%45R"},
      {.start = "!i-M0_*+`.%indeed'~ "
                "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
                "(doesn't-it)@example.com SIP/2.0",
       .cseq = "CSeq: 8 !i-M0_*+`.%indeed'~"},
      {.via = "Via: SIP/2.0/UDP iftgw.example.com", .from = "From: <sip:a@h;user=phone>"},  // RFC 2543
      {.via = "v  :  SIP  / 2.0  / TCP     h   ;\n  branch  =   z9hG4bK9  ,\n SIP / 2.0 / UDP  "
              "192.168.255.111   ; branch=\n z9hG4bK3"},
      {.to = "TO :\n sip:u@h ;   tag    = 1918181833n"},
      {.from = "f: caller<sip:a@h>;tag=1"},
      {.to = "To: isbn:2983792873", .more = "Contact: <name:John_Smith>"},
      {.call_id = "i: w%ZK-!.*_+'@word`~)(><:\\/\"][?}{"},
      {.cseq = "cseq: 0009\n  INVITE"},
      {.cseq = "CSeq: 4294967295 INVITE"},
      {.more = "Max-Forwards: 0068"},
      {.more = "Max-Forwards: 0"},
      {.more = "Contact: *"},
      {.more = "Contact: sip:+1@h;unknownparam"},
      {.more = "m:\"Quoted \\\"\\\"\" <sip:j@h> ; newparam =\n      newvalue ;\n  secondparam ; q = 0.33"},
      {.more = "Contact: <sip:a@h?Route=%3Csip:x%3E>"},
      {.more = "Contact:"},
      {.more = "Date: Fri, 01 Jan 2010 16:00:00 EST"},
      {.more = "Authorization: NoOneKnowsThisScheme opaque-data=here"},
      {.more = "s :"},
      {.more = "UnknownHeaderWithUnusualValue: ;;,,;;,;"},
      {.more = "Supported:"},
      {.more = "Route: <sip:[2001:db8::1];lr>, <sips:b:5061;lr>"},
  };
  for (const Parts& parts : rows) {
    const std::string message = build(parts);
    MessageIndex index;
    EXPECT_TRUE(parse(message, Framing::datagram, index)) << fault_name(index.fault) << " in\n" << message;
  }
}

TEST(FaultTable, What_is_no_message_is_told_apart) {
  using namespace std::string_view_literals;
  const struct {
    std::string_view octets;
    Fault fault;
  } rows[] = {
      {""sv, Fault::keep_alive},
      {"\r\n"sv, Fault::keep_alive},
      {"\r\n\r\n"sv, Fault::keep_alive},
      {"\0\0\0\0"sv, Fault::keep_alive},
      {"\r\n\0"sv, Fault::keep_alive},
      {"hello"sv, Fault::not_sip},
      {"GET / HTTP/1.1\r\n\r\n"sv, Fault::not_sip},
      {"\x80\x60\x12\x34\0\0"sv, Fault::not_sip},
      {"\0\x01\0\x08!\x12\xa4\x42"sv, Fault::not_sip},
      {"INVITE sip:a@b SIP/2.0\0\r\n\r\n"sv, Fault::not_sip},
      {"INVITE sip:a@b"sv, Fault::not_sip},
      {"SIP/2.0\r\n\r\n"sv, Fault::status_line},
      {"INVITE sip:a@b SIP/2.0"sv, Fault::too_short},
      {"INVITE sip:a@b SIP/2.0\r\n"sv, Fault::too_short},
      {"INVITE sip:a@b SIP/2.0\nVia: x\n\n"sv, Fault::not_sip},
  };
  for (const auto& row : rows) {
    MessageIndex index;
    EXPECT_FALSE(parse(row.octets, Framing::datagram, index));
    EXPECT_EQ(fault_name(index.fault), fault_name(row.fault)) << row.octets;
  }
}

}  // namespace
}  // namespace sallyport::sip

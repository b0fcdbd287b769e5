// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/message_index.h"

#include "dataplane/sip/field_values.h"
#include "dataplane/sip/via.h"
#include "tests/dataplane/sip/text_support.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <tuple>
#include <vector>

namespace sallyport::sip {
namespace {

const std::string kInvite = crlf(
    "INVITE sip:bob@biloxi.example.com SIP/2.0\n"
    "Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bKnashds8\n"
    "v: SIP/2.0/UDP a;branch=z9hG4bK2, SIP/2.0/TCP b;branch=z9hG4bK3\n"
    "Max-Forwards: 70\n"
    "t: Bob <sip:bob@biloxi.example.com>\n"
    "From : Alice <sip:alice@atlanta.example.com>;tag=1928301774\n"
    "Call-ID: a84b4c76e66710\n"
    "CSeq: 314159 INVITE\n"
    "Subject: folded\n"
    "  twice \n"
    "\tover \n"
    "X-Private: 1\n"
    "Contact: <sip:alice@pc33.atlanta.example.com>\n"
    "l: 4\n"
    "\n"
    "v=0\n");

TEST(MessageIndex, Holds_what_every_message_needs) {
  MessageIndex index;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, index)) << fault_name(index.fault);
  EXPECT_EQ(index.kind, Kind::request);
  EXPECT_EQ(index.method, Method::invite);
  EXPECT_EQ(index.cseq_method, Method::invite);
  EXPECT_EQ(index.cseq, 314159u);
  EXPECT_EQ(index.max_forwards, 70);
  EXPECT_EQ(index.content_length, 4);
  EXPECT_EQ(index.method_text.in(kInvite), "INVITE");
  EXPECT_EQ(index.request_uri.in(kInvite), "sip:bob@biloxi.example.com");
  EXPECT_EQ(index.call_id.in(kInvite), "a84b4c76e66710");
  EXPECT_EQ(index.from_tag.in(kInvite), "1928301774");
  EXPECT_FALSE(index.to_tag);
  EXPECT_EQ(index.cseq_method_text.in(kInvite), "INVITE");
  EXPECT_EQ(index.branch.in(kInvite), "z9hG4bKnashds8");
  EXPECT_EQ(index.body.in(kInvite), kInvite.substr(kInvite.find("v=0"), 4));
  EXPECT_TRUE(index.has_body);
  EXPECT_EQ(index.field_count, 11);
  EXPECT_EQ(index.header_octets, index.body.offset);
  EXPECT_EQ(index.value_of(HeaderId::subject, kInvite), "folded\r\n  twice \r\n\tover");
  EXPECT_EQ(index.value_of(HeaderId::accept, kInvite), "");
}

TEST(MessageIndex, Fields_stand_in_the_order_of_the_message_with_their_names_as_received) {
  MessageIndex index;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, index));
  std::string names;
  for (std::size_t i = 0; i < index.field_count; ++i)
    names += std::string(index.fields[i].name.in(kInvite)) + " ";
  EXPECT_EQ(names, "Via v Max-Forwards t From Call-ID CSeq Subject X-Private Contact l ");
  EXPECT_EQ(index.fields[8].id, HeaderId::other);
}

TEST(MessageIndex, Values_of_one_field_are_walked_over_all_its_lines) {
  MessageIndex index;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, index));
  FieldValues vias(index, kInvite, HeaderId::via);
  std::string hosts;
  while (const auto value = vias.next()) hosts += std::string(parse_via(*value)->host) + " ";
  EXPECT_EQ(hosts, "pc33.atlanta.example.com a b ");
  EXPECT_FALSE(FieldValues(index, kInvite, HeaderId::route).next().has_value());
}

TEST(MessageIndex, A_response_takes_its_method_from_cseq) {
  const std::string message = crlf(
      "sip/2.0 183 Session  Progress\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nf: <sip:a@b>;tag=1\n"
      "To: <sip:c@d>;tag=2\ni: x\nCSeq: 7 PRACK\n\n");
  MessageIndex index;
  ASSERT_TRUE(parse(message, Framing::datagram, index));
  EXPECT_EQ(index.kind, Kind::response);
  EXPECT_EQ(index.status, 183);
  EXPECT_EQ(index.reason_phrase.in(message), "Session  Progress");
  EXPECT_EQ(index.method, Method::prack);
  EXPECT_EQ(index.to_tag.in(message), "2");
  EXPECT_EQ(index.content_length, -1);
  EXPECT_EQ(index.max_forwards, -1);
}

TEST(MessageIndex, A_scan_holds_the_same_and_leaves_the_structured_fields_to_parse) {
  MessageIndex parsed;
  MessageIndex scanned;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, parsed));
  ASSERT_TRUE(scan(kInvite, Framing::datagram, scanned));
  EXPECT_EQ(std::memcmp(&parsed, &scanned, parsed.used_bytes()), 0);
  std::string message = kInvite;
  message.replace(message.find("<sip:alice@pc33"), 5, "<sip ");
  EXPECT_TRUE(scan(message, Framing::datagram, scanned));
  EXPECT_FALSE(parse(message, Framing::datagram, parsed));
  EXPECT_EQ(parsed.fault, Fault::bad_contact);
}

TEST(MessageIndex, What_a_ring_carries_is_what_is_in_use) {
  MessageIndex index;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, index));
  EXPECT_EQ(sizeof(index) - index.used_bytes(), (kMaxFields - 11) * sizeof(HeaderField));
}

TEST(MessageIndex, Nothing_of_the_message_before_is_left_in_an_index_used_again) {
  MessageIndex index;
  ASSERT_TRUE(parse(kInvite, Framing::datagram, index));
  EXPECT_FALSE(parse("SIP/2.0 200 OK\r\n\r\n", Framing::datagram, index));
  EXPECT_EQ(index.fault, Fault::missing_via);
  EXPECT_EQ(index.find(HeaderId::via), nullptr);
  EXPECT_EQ(index.field_count, 0);
  EXPECT_EQ(index.max_forwards, -1);
  EXPECT_FALSE(index.call_id);
  EXPECT_EQ(index.method, Method::none);
}

// ---- body
// -----------------------------------------------------------------------------------------------------

std::string with_length(std::string_view content_length, std::string_view body) {
  return crlf(
             "OPTIONS sip:h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nf: <sip:a@b>;tag=1\nt: "
             "<sip:c@d>\ni: x\n"
             "CSeq: 1 OPTIONS\n") +
         std::string(content_length) + "\r\n" + std::string(body);
}

TEST(Body, Ends_where_content_length_says_or_with_the_datagram) {
  const struct {
    std::string_view length;
    std::string_view body;
    std::string_view expected;
    Fault fault;
  } rows[] = {
      {"", "", "", Fault::none},
      {"", "abc", "abc", Fault::none},
      {"Content-Length: 2\r\n", "abc", "ab", Fault::none},
      {"l:0003\r\n", "abc", "abc", Fault::none},
      {"l: 0\r\n", "abc", "", Fault::none},
      {"l: 4\r\n", "abc", "abc", Fault::body_shorter},
      {"l: 2147483647\r\n", "abc", "abc", Fault::body_shorter},
      {"l: 2147483648\r\n", "abc", "abc", Fault::bad_content_length},
      {"l: -1\r\n", "abc", "abc", Fault::bad_content_length},
      {"l: 1, 1\r\n", "abc", "abc", Fault::bad_content_length},
      {"l: +1\r\n", "abc", "abc", Fault::bad_content_length},
      {"l:\r\n", "abc", "abc", Fault::bad_content_length},
      {"l: 1\r\nContent-length: 1\r\n", "abc", "a", Fault::duplicate_content_length},
  };
  for (const auto& row : rows) {
    const std::string message = with_length(row.length, row.body);
    MessageIndex index;
    EXPECT_EQ(parse(message, Framing::datagram, index), row.fault == Fault::none);
    EXPECT_EQ(fault_name(index.fault), fault_name(row.fault)) << row.length;
    EXPECT_EQ(index.body.in(message), row.expected) << row.length;
    EXPECT_EQ(index.has_body, !row.expected.empty()) << row.length;
    EXPECT_EQ(index.total_octets, index.header_octets + index.body.length) << row.length;
  }
}

TEST(Body, A_stream_must_have_content_length) {
  MessageIndex index;
  EXPECT_FALSE(parse(with_length("", ""), Framing::stream, index));
  EXPECT_EQ(index.fault, Fault::bad_content_length);
  EXPECT_TRUE(parse(with_length("l: 0\r\n", ""), Framing::stream, index));
}

TEST(Body, Crlf_before_the_start_line_counts_but_is_no_fault) {
  const std::string message = "\r\n\r\n" + with_length("l: 3\r\n", "abcdef");
  MessageIndex index;
  ASSERT_TRUE(parse(message, Framing::datagram, index));
  EXPECT_EQ(index.body.in(message), "abc");
  EXPECT_EQ(index.total_octets, message.size() - 3);
}

// ---- limits
// ---------------------------------------------------------------------------------------------------

TEST(Limits, One_field_too_many_is_a_fault_and_the_rest_is_still_framed) {
  std::string fields;
  for (std::size_t i = 0; i < kMaxFields - 5; ++i) fields += "X: 1\r\n";
  MessageIndex index;
  EXPECT_TRUE(parse(with_length(fields, "abc"), Framing::datagram, index));
  EXPECT_EQ(index.field_count, kMaxFields);
  const std::string message = with_length(fields + "X: 1\r\n", "abc");
  EXPECT_FALSE(parse(message, Framing::datagram, index));
  EXPECT_EQ(index.fault, Fault::too_many_headers);
  EXPECT_EQ(index.fault_offset, message.size() - 3 - 2 - 6);
  EXPECT_EQ(index.body.in(message), "abc");
}

TEST(Limits, The_largest_datagram_is_read_and_a_larger_one_refused) {
  MessageIndex index;
  const std::size_t head = with_length("", "").size();
  EXPECT_TRUE(parse(with_length("", std::string(kMaxMessageBytes - head, 'x')), Framing::datagram, index));
  EXPECT_EQ(index.total_octets, kMaxMessageBytes);
  EXPECT_FALSE(
      parse(with_length("", std::string(kMaxMessageBytes - head + 1, 'x')), Framing::datagram, index));
  EXPECT_EQ(index.fault, Fault::message_too_large);
  EXPECT_EQ(index.kind, Kind::request);
}

// ---- line ends
// ------------------------------------------------------------------------------------------------

TEST(Lines, Faults_stand_at_every_distance_from_the_start_of_a_line) {
  // 40 distances cross the width of every vector that the scanner may use.
  for (std::size_t n = 0; n < 40; ++n) {
    const std::string head = "X: " + std::string(n, 'a');
    for (const std::string_view bad :
         {std::string_view("\0", 1), std::string_view("\n"), std::string_view("\r"), std::string_view("\x1f"),
          std::string_view("\\\n"), std::string_view("\\\\\x01")}) {
      const std::string message = with_length(head + std::string(bad) + "b\r\n", "");
      MessageIndex index;
      EXPECT_FALSE(parse(message, Framing::datagram, index)) << n;
      EXPECT_EQ(fault_name(index.fault), "bad_header") << n;
      EXPECT_EQ(index.fault_offset, message.find(head) + head.size() + bad.size() - 1) << n;
    }
    MessageIndex index;
    EXPECT_TRUE(parse(with_length(head + "\\\x01\t\x7f\xff\r\n", ""), Framing::datagram, index)) << n;
  }
}

TEST(Lines, Without_the_empty_line_the_message_is_too_short_but_its_fields_are_there) {
  const std::string whole = with_length("", "");
  MessageIndex index;
  EXPECT_FALSE(parse(std::string_view(whole).substr(0, whole.size() - 2), Framing::datagram, index));
  EXPECT_EQ(index.fault, Fault::too_short);
  EXPECT_EQ(index.call_id.in(whole), "x");
  EXPECT_EQ(index.cseq, 1u);
  EXPECT_FALSE(parse(std::string_view(whole).substr(0, whole.size() - 1), Framing::datagram, index));
  EXPECT_EQ(index.fault, Fault::too_short);
}

// A line that is as nearly all are is read in one path, any other in another: both have to read alike.
TEST(MessageIndex, Blanks_round_a_field_change_nothing_of_it) {
  const std::string rest =
      "Via: SIP/2.0/UDP a.example;branch=z9hG4bKx\nFrom: <sip:a@a.example>;tag=f\nTo: <sip:b@b.example>\n"
      "Call-ID: c\nCSeq: 1 OPTIONS\n";
  for (const std::string_view name :
       {"Subject", "s", "X-Own", "Content-Language", "P-Asserted-Identity", "Session-Expires"}) {
    for (const std::string_view value : {"x", "a: b", "value with  blanks", "\"quoted\""}) {
      const auto id_and_value = [&](std::string_view before, std::string_view behind, std::string_view end) {
        const std::string text = crlf("OPTIONS sip:b@b.example SIP/2.0\n" + rest) + std::string(name) +
                                 std::string(before) + ":" + std::string(behind) + std::string(value) +
                                 std::string(end) + "\r\n\r\n";
        MessageIndex index;
        EXPECT_TRUE(parse(text, Framing::datagram, index)) << text;
        const HeaderField& last = index.fields[index.field_count - 1u];
        return std::tuple(index.field_count, last.id, std::string(last.name.in(text)),
                          std::string(last.value.in(text)));
      };
      const auto plain = id_and_value("", " ", "");
      EXPECT_EQ(std::get<2>(plain), name);
      EXPECT_EQ(std::get<3>(plain), value);
      for (const std::string_view before : {"", " ", "\t "}) {
        for (const std::string_view behind : {"", " ", "  ", "\t", "\r\n "}) {
          for (const std::string_view end : {"", " ", "\t\t", "\r\n\t"}) {
            EXPECT_EQ(id_and_value(before, behind, end), plain) << name << value;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::sip

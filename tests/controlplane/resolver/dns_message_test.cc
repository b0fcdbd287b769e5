// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/dns_message.h"

#include <gtest/gtest.h>

#include "tests/controlplane/resolver/zone_support.h"

namespace sallyport::resolver {
namespace {

constexpr auto kA = static_cast<std::uint16_t>(RecordType::a);
const Question kQuestion{"x.test", RecordType::a};

std::string text(const Answer& answer) {
  std::string out(to_text(answer.kind));
  for (const IpAddress& address : answer.addresses) out += " " + address.to_text();
  for (const SrvRecord& srv : answer.srv) {
    out += " " + std::to_string(srv.priority) + "/" + std::to_string(srv.weight) + "/" + srv.target + ":" +
           std::to_string(srv.port);
  }
  for (const NaptrRecord& naptr : answer.naptr) {
    out += " " + std::to_string(naptr.order) + "/" + std::to_string(naptr.preference) + "/" + naptr.flags +
           "/" + naptr.service + (naptr.has_regexp ? "/regexp/" : "/") + naptr.replacement;
  }
  if (answer.ttl_s) out += " ttl " + std::to_string(*answer.ttl_s);
  if (answer.left_out != 0) out += " left out " + std::to_string(answer.left_out);
  return out;
}

std::string read(MessageWriter& message, const Question& question = kQuestion) {
  return text(read_answer(message.take(), question));
}

TEST(ReadAnswer, Has_addresses_sorted_once_each_with_the_least_TTL) {
  MessageWriter message;
  message.question("x.test", kA)
      .answer("x.test", 300, "A 192.0.2.11")
      .answer("X.Test", 60, "A 192.0.2.10")
      .answer("x.test", 90, "A 192.0.2.11");
  EXPECT_EQ(read(message), "records 192.0.2.10 192.0.2.11 ttl 60");
}

TEST(ReadAnswer, Reads_every_type) {
  MessageWriter aaaa, srv, naptr;
  aaaa.answer("x.test", 5, "AAAA 2001:db8::1").answer("x.test", 5, "AAAA ::ffff:192.0.2.1");
  EXPECT_EQ(read(aaaa, {"x.test", RecordType::aaaa}), "records 2001:db8::1 192.0.2.1 ttl 5");
  srv.answer("_sip._udp.x.test", 7, "SRV 20 1 5060 b.test")
      .answer("_sip._udp.x.test", 9, "SRV 10 60 5070 A.test");
  EXPECT_EQ(read(srv, {"_sip._udp.x.test", RecordType::srv}),
            "records 10/60/a.test:5070 20/1/b.test:5060 ttl 7");
  naptr.answer("x.test", 8, "NAPTR 10 50 S SIP+D2U _sip._udp.x.test")
      .answer("x.test", 8, "NAPTR 10 20 u E2U !^.*$!x! .");
  EXPECT_EQ(read(naptr, {"x.test", RecordType::naptr}),
            "records 10/20/u/e2u/regexp/ 10/50/s/sip+d2u/_sip._udp.x.test ttl 8");
}

TEST(ReadAnswer, Follows_CNAMEs_of_the_same_answer_and_nothing_else) {
  MessageWriter chain;
  chain.answer("z.test", 300, "A 192.0.2.10")
      .answer("y.test", 20, "CNAME z.test")
      .answer("x.test", 100, "CNAME y.test")
      .answer("evil.test", 1, "A 203.0.113.66");
  EXPECT_EQ(read(chain), "records 192.0.2.10 ttl 20");
  MessageWriter ring;
  ring.answer("x.test", 10, "CNAME y.test")
      .answer("y.test", 10, "CNAME x.test")
      .answer("q.test", 10, "A 192.0.2.1");
  EXPECT_EQ(read(ring), "no_data ttl 10");
}

TEST(ReadAnswer, Takes_a_negative_TTL_from_the_SOA) {
  MessageWriter no_name(1, 3), no_data, bare(1, 3);
  no_name.authority("test", 900, "SOA 60");
  no_data.authority("test", 30, "SOA 600");
  EXPECT_EQ(read(no_name), "no_name ttl 60");
  EXPECT_EQ(read(no_data), "no_data ttl 30");
  EXPECT_EQ(read(bare), "no_name");
}

TEST(ReadAnswer, Has_no_answer_where_the_server_failed) {
  for (const unsigned code : {1u, 2u, 4u, 5u, 9u}) {
    MessageWriter message(1, code);
    message.answer("x.test", 5, "A 192.0.2.1");
    EXPECT_EQ(read(message), "failure") << code;
  }
}

TEST(ReadAnswer, Leaves_out_names_that_are_none_and_ports_of_0) {
  MessageWriter message;
  message.answer("x.test", 5, "SRV 1 1 5060 bad;name.test")
      .answer("x.test", 5, "SRV 1 1 0 a.test")
      .answer("x.test", 5, "SRV 1 1 0 .")
      .answer("x.test", 5, "SRV 1 1 5060 _a.b-c.test");
  EXPECT_EQ(read(message, {"x.test", RecordType::srv}),
            "records 1/1/:0 1/1/_a.b-c.test:5060 ttl 5 left out 2");
}

TEST(ReadAnswer, Takes_so_many_records_and_no_more) {
  MessageWriter message;
  for (int i = 0; i < 40; ++i) message.answer("x.test", 5, "A 192.0.2." + std::to_string(i));
  const Answer answer = read_answer(message.take(), kQuestion);
  EXPECT_EQ(answer.addresses.size(), kMostRecords);
  EXPECT_EQ(answer.left_out, 8u);
}

TEST(ReadAnswer, A_TTL_with_its_first_bit_set_is_0) {
  MessageWriter message;
  message.answer("x.test", 0x80000001, "A 192.0.2.1");
  EXPECT_EQ(read(message), "records 192.0.2.1 ttl 0");
}

TEST(ReadAnswer, Refuses_a_message_that_does_not_hold_what_it_says) {
  MessageWriter whole;
  whole.question("x.test", kA).answer("x.test", 5, "A 192.0.2.1").authority("test", 5, "SOA 60");
  const Octets octets = whole.take();
  EXPECT_EQ(text(read_answer(octets, kQuestion)), "records 192.0.2.1 ttl 5");
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_EQ(text(read_answer({octets.data(), size}, kQuestion)), "failure") << size;
  }
  MessageWriter counts;
  counts.answer("x.test", 5, "A 192.0.2.1").count(1, 60'000);
  EXPECT_EQ(read(counts), "failure");
}

TEST(ReadAnswer, Refuses_data_of_the_wrong_size_and_pointers_in_a_ring) {
  MessageWriter shorter;
  shorter.name("x.test");
  for (const unsigned value : {1u, 1u, 0u, 5u, 3u}) shorter.u16(value);
  for (int i = 0; i < 3; ++i) shorter.u8(1);
  shorter.count(1);
  EXPECT_EQ(read(shorter), "failure");
  MessageWriter ring;
  ring.u16(0xc000 | 12);  // a name that points at itself
  for (const unsigned value : {1u, 1u, 0u, 5u, 4u, 0u, 0u}) ring.u16(value);
  ring.count(1);
  EXPECT_EQ(read(ring), "failure");
}

TEST(ReadAnswer, A_record_of_another_class_is_none) {
  MessageWriter message;
  message.name("x.test");
  for (const unsigned value : {1u, 3u, 0u, 5u, 4u, 0xc000u, 0x0201u}) message.u16(value);
  message.count(1);
  EXPECT_EQ(read(message), "no_data");
}

}  // namespace
}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/compose.h"

#include "controlplane/sip/nat.h"
#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

std::string invite(std::string_view via, std::string_view more = "", std::string_view to_params = "") {
  return "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: " + std::string(via) + "\r\n" + std::string(more) +
         "From: \"A\" <sip:a@x.example>;tag=theirs\r\nTo: <sip:b@192.0.2.1>" + std::string(to_params) +
         "\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\nContent-Length: 0\r\n\r\n";
}

// The whole field lines of that name.
std::vector<std::string> lines(const std::string& octets, std::string_view name) {
  const Parsed parsed(octets);
  std::vector<std::string> out;
  for_each_field(parsed.view, [&](const HeaderField&, std::string_view n, std::string_view value) {
    if (n == name) out.emplace_back(value);
  });
  return out;
}

struct ViaCase {
  std::string_view description;
  std::string_view via;
  std::string_view source;
  std::string_view top;  // the response's
  std::string_view goes_to;
};

// RFC 3261 18.2.1 and 18.2.2, RFC 3581 4, and never to another address than the packet's source.
constexpr ViaCase kVias[] = {
    {"sent-by is the source", "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1", "192.0.2.10:7000",
     "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1", "192.0.2.10:5062"},
    {"no port means 5060", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "192.0.2.10:7000",
     "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "192.0.2.10:5060"},
    {"rport is filled, with received even when the address is the same",
     "SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bK1", "192.0.2.10:7000",
     "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1;received=192.0.2.10;rport=7000", "192.0.2.10:7000"},
    {"another address is a NAT: the source's port without rport too",
     "SIP/2.0/UDP 10.20.0.10:5060;branch=z9hG4bK1", "198.51.100.2:41000",
     "SIP/2.0/UDP 10.20.0.10:5060;branch=z9hG4bK1;received=198.51.100.2", "198.51.100.2:41000"},
    {"a host name gets received and the sent-by port", "SIP/2.0/UDP pc33.example.com:5070;branch=z9hG4bK1",
     "192.0.2.10:7000", "SIP/2.0/UDP pc33.example.com:5070;branch=z9hG4bK1;received=192.0.2.10",
     "192.0.2.10:5070"},
    {"what the sender says of received and rport is replaced",
     "SIP/2.0/UDP 192.0.2.10:5062;received=203.0.113.9;rport=9;branch=z9hG4bK1;x=y", "192.0.2.10:7000",
     "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1;x=y;received=192.0.2.10;rport=7000", "192.0.2.10:7000"},
    {"maddr cannot turn us into a reflector", "SIP/2.0/UDP 192.0.2.10:5062;maddr=203.0.113.9;branch=z9hG4bK1",
     "192.0.2.10:7000", "SIP/2.0/UDP 192.0.2.10:5062;maddr=203.0.113.9;branch=z9hG4bK1", "192.0.2.10:5062"},
    {"IPv6", "SIP/2.0/UDP [2001:db8:1::20]:5062;rport;branch=z9hG4bK1", "[2001:db8:1::20]:7000",
     "SIP/2.0/UDP [2001:db8:1::20]:5062;branch=z9hG4bK1;received=2001:db8:1::20;rport=7000",
     "[2001:db8:1::20]:7000"},
    {"no parameters at all", "SIP/2.0/UDP 10.0.0.1", "192.0.2.10:7000",
     "SIP/2.0/UDP 10.0.0.1;received=192.0.2.10", "192.0.2.10:7000"},
    {"white space round everything", "SIP / 2.0 / UDP  192.0.2.10 : 5062 ; rport ; branch = z9hG4bK1",
     "192.0.2.10:7000", "SIP / 2.0 / UDP  192.0.2.10 : 5062;branch=z9hG4bK1;received=192.0.2.10;rport=7000",
     "192.0.2.10:7000"},
};

TEST(Compose, Responses_tell_and_use_the_packets_source) {
  for (const ViaCase& c : kVias) {
    SCOPED_TRACE(c.description);
    Path path = path_to("192.0.2.10:5060");
    path.remote = at(c.source);
    const Parsed request(invite(c.via), path);
    ASSERT_TRUE(request.whole);
    std::string out;
    compose_response(out, request.view, {.status = 180}, "mine");
    EXPECT_EQ(lines(out, "Via"), std::vector<std::string>{std::string(c.top)});
    EXPECT_EQ(response_path(request.view).remote, at(c.goes_to));
    EXPECT_EQ(response_path(request.view).local, path.local);
  }
}

TEST(Compose, Responses_of_a_stream_go_back_on_its_connection) {
  Path path = path_to("198.51.100.2:41000", Transport::tcp);
  path.connection = 17;
  const Parsed request(invite("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK1"), path);
  // Where a new connection is made when that one is gone (RFC 3261 18.2.2): the source, at the sent-by port.
  path.remote.port = 5060;
  EXPECT_EQ(response_path(request.view), path);
  const Parsed other(invite("SIP/2.0/TLS h;branch=z9hG4bK1;rport"), path_to("198.51.100.2:41000", Transport::tls));
  EXPECT_EQ(response_path(other.view).remote, at("198.51.100.2:5061"));
}

TEST(Compose, A_request_over_a_stream_offers_its_connection_for_reuse) {
  Path path = path_to("198.51.100.2:5060", Transport::tcp);
  std::string text;
  const RequestDraft draft{.method = Method::options, .request_uri = "sip:h", .headers = "From: <sip:a>\r\n", .body = "b"};
  compose_request(text, draft, path, "z9hG4bKx");
  EXPECT_NE(text.find("Via: SIP/2.0/TCP " + path.local.to_text() + ";branch=z9hG4bKx;rport;alias\r\n"), std::string::npos);
  // The same again over UDP is what it would have been over UDP from the start.
  const std::string over_tcp = text;
  path.transport = Transport::udp;
  std::string again;
  compose_again(again, over_tcp, path, "z9hG4bKx");
  compose_request(text, draft, path, "z9hG4bKx");
  EXPECT_EQ(again, text);
}

TEST(Compose, Further_Vias_are_kept_as_they_stand_in_order) {
  const Parsed request(
      invite("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1 , SIP/2.0/UDP b;branch=2, SIP/2.0/TCP c",
             "v: SIP/2.0/TLS d;received=1.2.3.4\r\n"));
  ASSERT_TRUE(request.whole);
  std::string out;
  compose_response(out, request.view, {.status = 404}, "mine");
  EXPECT_EQ(lines(out, "Via"), (std::vector<std::string>{"SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1",
                                                         "SIP/2.0/UDP b;branch=2, SIP/2.0/TCP c",
                                                         "SIP/2.0/TLS d;received=1.2.3.4"}));
}

TEST(Compose, A_response_is_whole_and_in_canonical_order) {
  const Parsed request(invite("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1",
                              "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nTimestamp: 54\r\n"));
  std::string out;
  compose_response(out, request.view, {.status = 200, .headers = "Contact: <sip:c>\r\n", .body = "v=0\r\n"},
                   "mine");
  EXPECT_EQ(out,
            "SIP/2.0 200 OK\r\n"
            "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n"
            "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"
            "From: \"A\" <sip:a@x.example>;tag=theirs\r\n"
            "To: <sip:b@192.0.2.1>;tag=mine\r\n"
            "Call-ID: c\r\n"
            "CSeq: 5 INVITE\r\n"
            "Contact: <sip:c>\r\n"
            "Content-Length: 5\r\n\r\nv=0\r\n");
}

TEST(Compose, Tag_Record_Route_and_Timestamp_stand_only_where_they_belong) {
  const std::string_view route = "Record-Route: <sip:p1;lr>\r\nTimestamp: 54\r\n";
  const Parsed request(invite("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", route));
  std::string out;
  compose_response(out, request.view, {.status = 100}, "mine");
  EXPECT_EQ(lines(out, "To"), std::vector<std::string>{"<sip:b@192.0.2.1>"});
  EXPECT_EQ(lines(out, "Timestamp"), std::vector<std::string>{"54"});
  EXPECT_TRUE(lines(out, "Record-Route").empty());
  compose_response(out, request.view, {.status = 486}, "mine");
  EXPECT_TRUE(lines(out, "Record-Route").empty());
  EXPECT_TRUE(lines(out, "Timestamp").empty());
  const Parsed inside(invite("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "", ";tag=old"));
  compose_response(out, inside.view, {.status = 200}, "mine");
  EXPECT_EQ(lines(out, "To"), std::vector<std::string>{"<sip:b@192.0.2.1>;tag=old"});
}

TEST(Compose, A_broken_request_gets_an_answer_as_whole_as_it_was) {
  const Parsed request("INVITE sip:b@x SIP/2.0\r\nVia: nonsense\r\nTo: <sip:b@x>\r\nTo: <sip:c@x>\r\n\r\n");
  ASSERT_FALSE(request.whole);
  std::string out;
  compose_response(out, request.view, {.status = 400, .phrase = "Missing\r\nX: y"}, "t");
  EXPECT_EQ(out,
            "SIP/2.0 400 Missing X: y\r\nVia: nonsense\r\nTo: <sip:b@x>;tag=t\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(response_path(request.view), request.view.path);
}

TEST(Writer, No_value_can_end_its_line) {
  std::string out;
  HeaderWriter(out)
      .line("X-A", "a\r\n b\n\tc\r\nEvil: 1")
      .line(HeaderId::subject, std::string_view("x\0y\x7f", 4));
  EXPECT_EQ(out, "X-A: a b c Evil: 1\r\nSubject: xy\r\n");
}

TEST(Writer, Every_status_has_a_phrase) {
  for (std::uint16_t status = 100; status < 700; ++status) EXPECT_FALSE(default_phrase(status).empty());
  EXPECT_EQ(default_phrase(488), "Not Acceptable Here");
  EXPECT_EQ(default_phrase(599), "Server Failure");
}

// ---- evidence of NAT

struct NatCase {
  std::string_view description;
  std::string_view via_host;
  std::string_view contact_host;
  std::string_view source;
  bool differs;
  bool far_end;
};

constexpr NatCase kNats[] = {
    {"all public and equal", "198.51.100.20", "198.51.100.20", "198.51.100.20:5060", false, false},
    {"behind a NAT", "10.20.0.10", "10.20.0.10", "198.51.100.2:40000", true, true},
    {"Contact alone is private", "198.51.100.2", "10.20.0.10", "198.51.100.2:40000", false, true},
    {"Via alone is private", "100.64.1.1", "198.51.100.2", "198.51.100.2:40000", true, true},
    {"all private, no NAT between", "10.20.0.10", "10.20.0.10", "10.20.0.10:5060", false, false},
    {"private source hides nothing", "10.20.0.10", "10.20.0.10", "10.99.0.1:5060", true, false},
    {"another public address", "203.0.113.5", "203.0.113.5", "198.51.100.20:5060", true, false},
    {"names say nothing", "ua.example.com", "ua.example.com", "198.51.100.20:5060", false, false},
};

TEST(Nat, Evidence_comes_from_Via_Contact_and_source) {
  for (const NatCase& c : kNats) {
    SCOPED_TRACE(c.description);
    Path path = path_to("192.0.2.10:5060");
    path.remote = at(c.source);
    const Parsed request(invite("SIP/2.0/UDP " + std::string(c.via_host) + ";branch=z9hG4bK1",
                                "Contact: <sip:a@" + std::string(c.contact_host) + ">\r\n"),
                         path);
    EXPECT_EQ(via_differs_from_source(request.view), c.differs);
    EXPECT_EQ(far_end_nat(request.view), c.far_end);
    EXPECT_EQ(nat_evident(request.view), c.differs || c.far_end);
  }
}

TEST(Nat, A_response_is_judged_by_its_Contact_since_the_Via_is_ours) {
  Path path = path_to("198.51.100.2:40000");
  const std::string head =
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
      "To: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:b@";
  EXPECT_TRUE(nat_evident(Parsed(head + "192.168.1.5>\r\nContent-Length: 0\r\n\r\n", path).view));
  EXPECT_FALSE(nat_evident(Parsed(head + "198.51.100.7>\r\nContent-Length: 0\r\n\r\n", path).view));
}

TEST(StoredMessage, Keeps_octets_index_and_path_after_the_original_is_gone) {
  BufferPool pool;
  StoredMessage stored;
  {
    Parsed request(
        invite("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "Supported: timer, 100rel\r\nX-Own: 1\r\n"));
    stored = StoredMessage(pool, request.view);
    request.octets.assign(request.octets.size(), '!');
  }
  const MessageView view = stored.view();
  EXPECT_EQ(view.call_id(), "c");
  EXPECT_EQ(view.header("x-own"), "1");
  EXPECT_TRUE(view.lists(HeaderId::supported, "100REL"));
  EXPECT_FALSE(view.lists(HeaderId::supported, "replaces"));
  EXPECT_EQ(view.from()->display, "\"A\"");
  EXPECT_EQ(view.path, path_to("192.0.2.10:5060"));
  stored.reset();
  EXPECT_EQ(pool.on_loan(), 0u);
}

}  // namespace
}  // namespace sallyport::sip::testing

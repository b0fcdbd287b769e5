// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/dialog.h"

#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

std::string request(std::string_view method, unsigned cseq, std::string_view more,
                    std::string_view uri = "sip:b@192.0.2.1") {
  const std::string m(method);
  return m + " " + std::string(uri) + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n" +
         std::string(more) +
         "From: \"A\" <sip:a@x.example>;tag=theirs\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: c\r\nCSeq: " +
         std::to_string(cseq) + " " + m + "\r\nContent-Length: 0\r\n\r\n";
}

std::string response(unsigned status, std::string_view to_tag, std::string_view more) {
  return "SIP/2.0 " + std::to_string(status) + " X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" +
         std::string(more) +
         "From: <sip:us@192.0.2.1>;tag=ours\r\nTo: <sip:b@x.example>;tag=" + std::string(to_tag) +
         "\r\nCall-ID: k\r\nCSeq: 9 INVITE\r\nContent-Length: 0\r\n\r\n";
}

constexpr std::string_view kContact = "Contact: <sip:a@192.0.2.10:5062>\r\n";
constexpr std::string_view kFrom = "<sip:us@192.0.2.1>;tag=ours";

TEST(Dialog, Uas_side_keeps_the_route_set_in_order_and_swaps_the_parties) {
  const Parsed invite(request("INVITE", 5,
                              "Record-Route: <sip:192.0.2.20;lr>, <sip:p2;lr>\r\nRecord-Route: "
                              "<sip:p3;lr>\r\nContact: <sip:a@192.0.2.10:5062>\r\n"));
  auto dialog = Dialog::uas(invite.view, "mine");
  ASSERT_TRUE(dialog);
  EXPECT_EQ(dialog->state(), DialogState::early);
  EXPECT_EQ(dialog->local_tag(), "mine");
  EXPECT_EQ(dialog->remote_tag(), "theirs");
  EXPECT_EQ(dialog->request_uri(), "sip:a@192.0.2.10:5062");
  EXPECT_EQ(dialog->next_hop(), at("192.0.2.20:5060"));
  std::string out;
  HeaderWriter writer(out);
  dialog->write_headers(writer, Method::bye, dialog->next_cseq());
  EXPECT_EQ(out,
            "Max-Forwards: 70\r\nRoute: <sip:192.0.2.20;lr>\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n"
            "From: <sip:b@192.0.2.1>;tag=mine\r\nTo: \"A\" <sip:a@x.example>;tag=theirs\r\nCall-ID: "
            "c\r\nCSeq: 1 BYE\r\n");
}

TEST(Dialog, Uac_side_reverses_the_route_set_and_takes_it_anew_with_the_2xx) {
  const Parsed ringing(
      response(180, "t1", "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContact: <sip:b@192.0.2.10>\r\n"));
  auto dialog = Dialog::uac(kFrom, "k", ringing.view);
  ASSERT_TRUE(dialog);
  EXPECT_EQ(dialog->state(), DialogState::early);
  EXPECT_EQ(dialog->route_set(), (std::vector<std::string>{"<sip:p2;lr>", "<sip:p1;lr>"}));
  EXPECT_EQ(dialog->local_cseq(), 9u);
  const Parsed ok(response(200, "t1", "Record-Route: <sip:p3;lr>\r\nContact: <sip:b@192.0.2.11:5080>\r\n"));
  ASSERT_TRUE(dialog->confirm(ok.view));
  EXPECT_EQ(dialog->state(), DialogState::confirmed);
  EXPECT_EQ(dialog->route_set(), (std::vector<std::string>{"<sip:p3;lr>"}));
  EXPECT_EQ(dialog->remote_target(), "sip:b@192.0.2.11:5080");
  EXPECT_EQ(dialog->next_hop(), std::nullopt);  // a name: the user's to resolve
  EXPECT_EQ(dialog->next_hop_uri(), "sip:p3;lr");
  std::string out;
  HeaderWriter writer(out);
  dialog->write_headers(writer, Method::ack, 9);
  EXPECT_NE(out.find("CSeq: 9 ACK\r\n"), std::string::npos);
  EXPECT_EQ(dialog->next_cseq(), 10u);
}

// RFC 3261 13.2.2.4: its ACK is owed whatever it lacks.
TEST(Dialog, A_2xx_that_names_no_target_gets_its_ACK_where_it_came_from) {
  const Parsed bare(response(200, "t1", ""));
  ASSERT_FALSE(Dialog::uac(kFrom, "k", bare.view));
  Dialog dialog = Dialog::uac_to_source(kFrom, "k", bare.view);
  EXPECT_EQ(dialog.state(), DialogState::confirmed);
  EXPECT_EQ(dialog.remote_tag(), "t1");
  EXPECT_EQ(dialog.local_tag(), "ours");
  EXPECT_EQ(dialog.request_uri(), "sip:192.0.2.10:5060");
  EXPECT_EQ(dialog.next_hop(), at("192.0.2.10:5060"));
  EXPECT_EQ(dialog.next_cseq(), 10u);

  const Parsed stream(response(200, "t1", ""), path_to("192.0.2.10:40000", Transport::tcp));
  EXPECT_EQ(Dialog::uac_to_source(kFrom, "k", stream.view).request_uri(),
            "sip:192.0.2.10:40000;transport=tcp");

  const Parsed routed(response(200, "t1", "Record-Route: <sip:192.0.2.20;lr>\r\n"));
  EXPECT_EQ(Dialog::uac_to_source(kFrom, "k", routed.view).next_hop(), at("192.0.2.20:5060"));

  const Parsed misrouted(
      response(200, "t1", "Record-Route: sip:192.0.2.20;lr\r\nContact: <sip:b@192.0.2.11>\r\n"));
  const Dialog direct = Dialog::uac_to_source(kFrom, "k", misrouted.view);
  EXPECT_EQ(direct.request_uri(), "sip:b@192.0.2.11");
  EXPECT_EQ(direct.next_hop(), at("192.0.2.10:5060"));
}

TEST(Dialog, A_2xx_that_names_no_target_is_acknowledged_where_its_18x_said) {
  const Parsed ringing(response(180, "t1", "Contact: <sip:b@192.0.2.11>\r\n"));
  auto dialog = Dialog::uac(kFrom, "k", ringing.view);
  ASSERT_TRUE(dialog);
  const Parsed bare(response(200, "t1", ""));
  ASSERT_FALSE(dialog->confirm(bare.view));
  dialog->confirm_to_source(bare.view);
  EXPECT_EQ(dialog->request_uri(), "sip:b@192.0.2.11");
}

TEST(Dialog, Strict_router_takes_the_Request_URI_and_the_target_goes_last) {
  const Parsed invite(request(
      "INVITE", 5, "Record-Route: <sip:192.0.2.20:5070>, <sip:p2;lr>\r\nContact: <sip:a@192.0.2.10>\r\n"));
  const auto dialog = Dialog::uas(invite.view, "mine");
  ASSERT_TRUE(dialog);
  EXPECT_EQ(dialog->request_uri(), "sip:192.0.2.20:5070");
  EXPECT_EQ(dialog->next_hop(), at("192.0.2.20:5070"));
  std::string out;
  HeaderWriter writer(out);
  dialog->write_headers(writer, Method::bye, 1);
  EXPECT_NE(out.find("\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:a@192.0.2.10>\r\nFrom"), std::string::npos)
      << out;
}

TEST(Dialog, CSeq_must_grow_but_for_ACK_and_CANCEL) {
  auto dialog = Dialog::uas(Parsed(request("INVITE", 5, kContact)).view, "mine");
  ASSERT_TRUE(dialog);
  struct Case {
    std::string_view method;
    unsigned cseq;
    bool good;
  };
  constexpr Case kCases[] = {{"ACK", 5, true},  {"CANCEL", 5, true},  {"BYE", 5, false}, {"INFO", 4, false},
                             {"INFO", 7, true}, {"UPDATE", 6, false}, {"BYE", 8, true}};
  for (const Case& c : kCases) {
    const auto accepted = dialog->accept_request(Parsed(request(c.method, c.cseq, "")).view);
    EXPECT_EQ(accepted.has_value(), c.good) << c.method << " " << c.cseq;
    if (!accepted) {
      EXPECT_EQ(status_of(accepted.error()), 500);
    }
  }
}

TEST(Dialog, Target_is_refreshed_by_a_Contact_and_only_by_one) {
  auto dialog = Dialog::uas(Parsed(request("INVITE", 5, kContact)).view, "mine");
  ASSERT_TRUE(dialog);
  ASSERT_TRUE(dialog->refresh_target(Parsed(request("UPDATE", 6, "")).view));
  EXPECT_EQ(dialog->remote_target(), "sip:a@192.0.2.10:5062");
  ASSERT_TRUE(dialog->refresh_target(Parsed(request("UPDATE", 7, "Contact: sip:a@192.0.2.77\r\n")).view));
  EXPECT_EQ(dialog->remote_target(), "sip:a@192.0.2.77");
}

TEST(Dialog, Nat_source_overrides_Contact_and_route_as_the_destination) {
  auto dialog =
      Dialog::uas(Parsed(request("INVITE", 5, "Contact: <sip:a@10.20.0.10:5060>\r\n")).view, "mine");
  ASSERT_TRUE(dialog);
  dialog->set_nat_source(at("198.51.100.2:41000"));
  EXPECT_EQ(dialog->next_hop(), at("198.51.100.2:41000"));
  EXPECT_EQ(dialog->request_uri(), "sip:a@10.20.0.10:5060");
}

TEST(Dialog, Without_a_Contact_there_is_no_dialog_but_an_early_one_may_wait_for_the_2xx) {
  EXPECT_EQ(Dialog::uas(Parsed(request("INVITE", 5, "")).view, "mine").error(), DialogFault::bad_contact);
  EXPECT_EQ(Dialog::uac(kFrom, "k", Parsed(response(200, "t", "")).view).error(), DialogFault::bad_contact);
  auto early = Dialog::uac(kFrom, "k", Parsed(response(180, "t", "")).view);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->next_hop(), std::nullopt);
  ASSERT_TRUE(early->confirm(Parsed(response(200, "t", "Contact: <sip:b@[2001:db8:2::10]>\r\n")).view));
  EXPECT_EQ(early->next_hop(), at("[2001:db8:2::10]:5060"));
}

TEST(Dialog, Record_Route_without_brackets_is_refused) {
  const Parsed invite(request("INVITE", 5, "Contact: <sip:a@192.0.2.10>\r\nRecord-Route: sip:p1;lr\r\n"));
  EXPECT_FALSE(Dialog::uas(invite.view, "mine"));
}

TEST(Dialog, Is_secure_when_a_sips_request_came_over_TLS) {
  const std::string text = request("INVITE", 5, kContact, "sips:b@192.0.2.1");
  EXPECT_TRUE(Dialog::uas(Parsed(text, path_to("192.0.2.10:5061", Transport::tls)).view, "m")->secure());
  EXPECT_FALSE(Dialog::uas(Parsed(text).view, "m")->secure());
}

}  // namespace
}  // namespace sallyport::sip::testing

// SPDX-License-Identifier: Apache-2.0
// Responses that would be above 65,535 octets: of requests that leave no room, and of users who say too much.
#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

class LargeResponses : public LayerTest {
 protected:
  // That request with so many octets in all, the rest of them in `field`, which stands below the first Via.
  [[nodiscard]] static std::string padded(std::string text, std::size_t octets, std::string_view field) {
    std::string line = std::string(field) + "\r\n";
    line.insert(line.size() - 2, octets - text.size() - line.size(), 'a');
    text.insert(text.find("Max-Forwards"), line);
    EXPECT_EQ(text.size(), octets);
    return text;
  }
  [[nodiscard]] static Path tcp() { return path_to("192.0.2.10:40000", Transport::tcp); }
  // More than any message holds.
  [[nodiscard]] static std::string too_much() { return "X-Much: " + std::string(66'000, 'x') + "\r\n"; }

  static constexpr std::string_view kVia = "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKold;x=";
};

TEST_F(LargeResponses, A_request_whose_Vias_leave_no_room_is_refused_on_arrival) {
  for (const char* method : {"OPTIONS", "INVITE", "BYE"}) {
    SCOPED_TRACE(method);
    sink.sent.clear();
    const std::uint64_t before = layer.counters().refused_large.get();
    arrive(padded(request(method), 65'480, kVia), tcp());
    ASSERT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 513 Message Too Large"}));
    EXPECT_LE(sink.last().octets.size(), kMaxMessageBytes);
    EXPECT_NE(sink.last().octets.find("z9hG4bKold"), std::string::npos) << "its Vias, all of them";
    EXPECT_EQ(layer.counters().refused_large.get(), before + 1);
    EXPECT_EQ(layer.servers(), 0u);
  }
  EXPECT_EQ(user.take(), Told{});
}

// Written out, compact names are longer.
TEST_F(LargeResponses, A_request_whose_Vias_fit_no_answer_meets_silence_and_is_counted) {
  std::string text = request("OPTIONS");
  std::string more;
  for (int i = 0; i < 100; ++i) more += "v:SIP/2.0/UDP h;branch=z9hG4bKx\r\n";
  text.insert(text.find("Max-Forwards"), more);
  arrive(padded(text, 65'535, kVia), tcp());
  EXPECT_EQ(sink.sent.size(), 0u);
  EXPECT_EQ(layer.counters().refused_large.get(), 1u);
  EXPECT_EQ(layer.counters().large_responses.get(), 1u);
  EXPECT_EQ(layer.servers(), 0u);
  EXPECT_EQ(user.take(), Told{});
}

TEST_F(LargeResponses, A_large_request_whose_bulk_does_not_come_back_is_let_in) {
  arrive(padded(request("OPTIONS"), 65'000, "Subject: "), tcp());
  EXPECT_EQ(user.take(), (Told{"request OPTIONS"}));
  respond(200);
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 200 OK"}));
}

TEST_F(LargeResponses, A_CANCEL_that_leaves_no_room_cancels_all_the_same) {
  arrive(request("INVITE"), tcp());
  arrive(padded(request("CANCEL"), 65'400, kVia), tcp());
  EXPECT_EQ(user.take(), (Told{"request INVITE", "cancel 0"}));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 200 OK"}));
  EXPECT_EQ(layer.servers(), 1u);
  respond(487);
}

TEST_F(LargeResponses, A_failure_that_is_too_large_is_sent_without_its_lines) {
  arrive(request("INVITE"));
  const auto done =
      layer.respond(user.request, {.status = 486, .phrase = "Busy", .to_tag = "mine", .headers = too_much()});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), TransactionError::too_large);
  ASSERT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 486 Busy Here"}));
  const std::string& sent = sink.last().octets;
  for (const char* field :
       {"\r\nVia: ", "\r\nFrom: ", ";tag=mine\r\n", "\r\nCall-ID: ", "\r\nCSeq: 1 INVITE"})
    EXPECT_NE(sent.find(field), std::string::npos) << field;
  EXPECT_EQ(sent.find("X-Much"), std::string::npos);
  arrive(request("ACK", "z9hG4bKpeer1", ";tag=mine"));
  run(6 * kSecond);
  EXPECT_EQ(user.take(), (Told{"request INVITE", "server_done 0"}));
  EXPECT_EQ(layer.servers(), 0u);
  EXPECT_EQ(layer.counters().large_responses.get(), 1u);
}

TEST_F(LargeResponses, A_2xx_to_an_INVITE_that_is_too_large_is_a_500_and_its_user_hears_so_once) {
  arrive(request("INVITE"));
  layer.set_token(user.request, 77);
  const std::string body(66'000, 'x');
  EXPECT_EQ(layer.respond(user.request, {.status = 200, .to_tag = "mine", .body = body}).error(),
            TransactionError::too_large);
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 500 Server Internal Error"}));
  EXPECT_EQ(user.take(), (Told{"request INVITE"})) << "never from within a call";
  layer.settle();
  EXPECT_EQ(user.take(), (Told{"not_sent 77"}));
  EXPECT_EQ(layer.servers(), 1u) << "it waits for the ACK of the 500";
  run(40 * kSecond);
  EXPECT_EQ(user.take(), Told{});
  EXPECT_EQ(layer.servers(), 0u);
}

TEST_F(LargeResponses, A_2xx_to_another_request_that_is_too_large_is_a_500) {
  arrive(request("MESSAGE"));
  EXPECT_FALSE(layer.respond(user.request, {.status = 200, .headers = too_much()}));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 500 Server Internal Error"}));
  run(33 * kSecond);
  EXPECT_EQ(user.take(), (Told{"request MESSAGE", "server_done 0"}));
}

TEST_F(LargeResponses, A_provisional_that_is_too_large_is_not_sent_and_changes_nothing) {
  arrive(request("INVITE"));
  EXPECT_FALSE(layer.respond(user.request, {.status = 183, .to_tag = "mine", .headers = too_much()}));
  EXPECT_EQ(sink.sent.size(), 0u);
  respond(486);
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 486 Busy Here"}));
}

TEST_F(LargeResponses, Where_nothing_fits_the_transaction_ends_and_its_user_hears_so) {
  const std::string tag(66'000, 't');
  for (const char* method : {"INVITE", "OPTIONS"}) {
    SCOPED_TRACE(method);
    arrive(request(method));
    EXPECT_FALSE(layer.respond(user.request, {.status = 486, .to_tag = tag}));
    layer.settle();
    EXPECT_EQ(user.take(), (Told{"request " + std::string(method), "not_sent 0"}));
    EXPECT_EQ(layer.servers(), 0u);
  }
  EXPECT_EQ(sink.sent.size(), 0u);
}

}  // namespace
}  // namespace sallyport::sip::testing

// SPDX-License-Identifier: Apache-2.0
// Messages with octets changed, lost and doubled by a seeded hand: the layer survives them all, and what it
// answers is well formed wherever the request's own fields let it be.
#include <random>

#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

class DamagedMessageTest : public LayerTest {
 protected:
  std::string damaged(std::string text) {
    static constexpr std::string_view kOctets = "\r\n\t :;,<>\"=@%\\z9\x00\x7f\xff";
    for (std::uint64_t n = 1 + random() % 4; n > 0 && !text.empty(); --n) {
      const std::size_t i = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[i] = kOctets[random() % kOctets.size()];
          break;
        case 1:
          text.erase(i, 1 + random() % 12);
          break;
        case 2:
          text.insert(i, text.substr(random() % text.size(), 40));
          break;
        default:
          text[i] = static_cast<char>(random());
          break;
      }
    }
    return text;
  }
  std::mt19937_64 random{20260101};
};

TEST_F(DamagedMessageTest, Layer_answers_or_is_silent_and_never_forwards_a_line_break) {
  user.when_request = [this](ServerId id, const Arrival&) {
    static constexpr std::uint16_t kAnswers[] = {180, 200, 404};
    ASSERT_TRUE(layer.respond(id, {.status = kAnswers[random() % 3], .to_tag = "mine"}));
    ASSERT_TRUE(layer.request_of(id) == nullptr || layer.request_of(id)->view().index->fault == Fault::none);
    (void)layer.respond(id, {.status = 500});
  };
  start(Method::invite);
  const std::string sent = sink.last().octets;
  const std::string samples[] = {request("INVITE"),     request("OPTIONS"),    request("CANCEL"),
                                 request("ACK"),        request("INVITE", ""), response_to(sent, 180),
                                 response_to(sent, 486)};
  std::size_t answers = 0;
  for (int i = 0; i < 20'000; ++i) {
    sink.sent.clear();
    arrive(damaged(samples[random() % std::size(samples)]));
    for (const Sent& s : sink.sent) {
      if (!s.octets.starts_with("SIP/2.0 ")) continue;
      ++answers;
      EXPECT_EQ(s.path.remote.address, at("192.0.2.10:5060").address);
      const Parsed answer(s.octets);
      EXPECT_EQ(answer.view.index->total_octets, s.octets.size()) << s.octets;
      EXPECT_NE(answer.view.index->fault, Fault::bad_header) << s.octets;
      EXPECT_NE(answer.view.index->fault, Fault::too_short) << s.octets;
    }
    if (i % 100 == 0) run(40 * kSecond);
    user.told.clear();
  }
  EXPECT_GT(answers, 1000u);
}

}  // namespace
}  // namespace sallyport::sip::testing

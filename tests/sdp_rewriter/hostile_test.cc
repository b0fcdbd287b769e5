// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/sdp_rewriter/sdp_invariants.h"

namespace sallyport::sdp {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> bodies;
  const std::filesystem::path folder =
      std::filesystem::path(SALLYPORT_SOURCE_DIR) / "tests/sdp_rewriter/corpus/sdp_fuzz";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    bodies.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return bodies;
}

TEST(Hostile, Corpus_keeps_the_invariants) {
  const auto bodies = corpus();
  ASSERT_GE(bodies.size(), 10u);
  for (const auto& body : bodies) EXPECT_STREQ(broken_invariant(body), nullptr) << body;
}

TEST(Hostile, Every_prefix_of_every_corpus_body_keeps_the_invariants) {
  for (const auto& body : corpus()) {
    for (std::size_t length = 0; length < std::min<std::size_t>(body.size(), 1500); ++length) {
      ASSERT_STREQ(broken_invariant(std::string_view(body).substr(0, length)), nullptr)
          << body.substr(0, length);
    }
  }
}

TEST(Hostile, Mutated_bodies_keep_the_invariants) {
  const auto bodies = corpus();
  std::minstd_rand random(20260730);
  constexpr std::string_view kInteresting("\0\r\n =/:.%0:9vosctmabI", 21);
  for (int round = 0; round < 3000; ++round) {
    std::string body = bodies[random() % bodies.size()].substr(0, 2000);
    for (auto changes = random() % 6 + 1; changes != 0 && !body.empty(); --changes) {
      const std::size_t at = random() % body.size();
      switch (random() % 4) {
        case 0:
          body[at] = kInteresting[random() % kInteresting.size()];
          break;
        case 1:
          body.erase(at, random() % 40);
          break;
        case 2:
          body.insert(at, body.substr(random() % body.size(), random() % 60));
          break;
        default:
          body.insert(at, 1, static_cast<char>(random() % 256));
          break;
      }
    }
    ASSERT_STREQ(broken_invariant(body), nullptr) << body;
  }
}

TEST(Hostile, Largest_bodies_are_read_without_trouble) {
  std::string attributes =
      "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP";
  for (int i = 0; i < 128; ++i) attributes += " " + std::to_string(i);
  attributes += "\r\n";
  while (attributes.size() < kMaxBytes - 40) attributes += "a=rtpmap:127 x/1\r\n";
  EXPECT_STREQ(broken_invariant(attributes), nullptr);
  EXPECT_STREQ(broken_invariant(std::string(kMaxBytes, '\n')), nullptr);
  EXPECT_STREQ(broken_invariant(std::string(kMaxBytes, '=')), nullptr);
  EXPECT_STREQ(broken_invariant("v=0\r\no=" + std::string(kMaxBytes - 10, ' ')), nullptr);
}

}  // namespace
}  // namespace sallyport::sdp

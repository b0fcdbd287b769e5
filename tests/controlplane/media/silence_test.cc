// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/silence.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::media {
namespace {

constexpr SilenceLimits kLimits{
    .idle_ns = 60 * kSecond, .one_way_ns = {20 * kSecond, 30 * kSecond}, .hold_ns = 600 * kSecond};
constexpr SideSilence kHeard{true, 0};
constexpr SideSilence kListens{false, 0};

constexpr SideSilence silent(Nanoseconds since_s) {
  return {true, since_s * kSecond};
}

TEST(Silence, Is_judged_over_both_legs_and_all_streams) {
  struct Case {
    const char* description;
    std::vector<StreamSilence> streams;
    Silence kind;
    Nanoseconds due_s;
    std::uint8_t leg = 0;
  };
  const Case cases[] = {
      {"no stream", {}, Silence::none, 0},
      {"both are heard", {{kHeard, kHeard}}, Silence::none, 0},
      {"nobody is: from the last that was", {{silent(110), silent(130)}}, Silence::idle, 190},
      {"before the answer silence counts for nothing", {{silent(10), silent(20)}}, Silence::idle, 160},
      {"the caller is not", {{silent(110), kHeard}}, Silence::one_way, 130, 0},
      {"the callee is not", {{kHeard, silent(110)}}, Silence::one_way, 140, 1},
      {"one way, since before the answer", {{kHeard, silent(50)}}, Silence::one_way, 130, 1},
      {"a muted camera", {{kHeard, kHeard}, {silent(110), kHeard}}, Silence::none, 0},
      {"the caller in no stream", {{silent(110), kHeard}, {silent(120), kHeard}}, Silence::one_way, 140, 0},
      {"nobody in any stream", {{silent(110), silent(111)}, {silent(120), silent(140)}}, Silence::idle, 200},
      {"music on hold", {{kHeard, kListens}}, Silence::none, 0},
      {"held without music", {{silent(130), kListens}}, Silence::hold, 730},
      {"inactive", {{kListens, kListens}}, Silence::hold, 700},
      {"a video that only shows, beside audio that talks",
       {{kHeard, kHeard}, {kHeard, kListens}},
       Silence::none,
       0},
      {"and is all that is heard",
       {{silent(110), silent(111)}, {kHeard, kListens}},
       Silence::one_way,
       141,
       1},
  };
  for (const Case& c : cases) {
    const SilenceVerdict verdict = judge_silence(c.streams, 100 * kSecond, kLimits);
    EXPECT_EQ(verdict.kind, c.kind) << c.description;
    EXPECT_EQ(verdict.due_ns, c.due_s * kSecond) << c.description;
    EXPECT_EQ(verdict.leg, c.leg) << c.description;
  }
}

TEST(Silence, Without_a_limit_is_none) {
  const SilenceLimits none;
  EXPECT_EQ(judge_silence(std::vector<StreamSilence>{{silent(1), silent(1)}}, 0, none).kind, Silence::none);
  EXPECT_EQ(judge_silence(std::vector<StreamSilence>{{silent(1), kHeard}}, 0, none).kind, Silence::none);
  EXPECT_EQ(judge_silence(std::vector<StreamSilence>{{kListens, kListens}}, 0, none).kind, Silence::none);
}

}  // namespace
}  // namespace sallyport::media

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. When the media of an answered call has been silent for too long, and in which way.
// Workers tell which flows are silent; here that becomes one of three cases of the whole call, over all its
// streams:
//   idle     nobody who may send is heard
//   one_way  one leg may send and is not heard, while the other leg is
//   hold     no stream is open both ways, and nobody is heard (music on hold is heard)
// A muted phone, or one that suppresses silence, is `one_way` at most, and any packet of its RTCP port keeps
// it out of that too.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/base/clock.h"

namespace sallyport::media {

enum class Silence : std::uint8_t { none, idle, one_way, hold };

// How long each may last; 0: for ever.
struct SilenceLimits {
  Nanoseconds idle_ns = 0;
  std::array<Nanoseconds, 2> one_way_ns{};  // by the leg that is not heard
  Nanoseconds hold_ns = 0;
};

// One leg of one open stream.
struct SideSilence {
  bool may_send = false;
  Nanoseconds since_ns = 0;  // the last that was heard; 0: it is heard
};
using StreamSilence = std::array<SideSilence, 2>;  // by leg

struct SilenceVerdict {
  Silence kind = Silence::none;
  std::uint8_t leg = 0;    // one_way: who is not heard
  Nanoseconds due_ns = 0;  // when it has lasted too long
};

[[nodiscard]] bool on_hold(std::span<const StreamSilence> streams);
// `not_before_ns`: from when on the call is watched: its answer, and the begin of a hold.
[[nodiscard]] SilenceVerdict judge_silence(std::span<const StreamSilence> streams, Nanoseconds not_before_ns,
                                           const SilenceLimits& limits);

}  // namespace sallyport::media

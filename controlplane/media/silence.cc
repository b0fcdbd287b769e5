// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/silence.h"

#include <algorithm>

namespace sallyport::media {
namespace {

// One leg over all streams.
struct LegSilence {
  bool may_send = false;
  bool heard = false;
  Nanoseconds since_ns = 0;
};

LegSilence of_leg(std::span<const StreamSilence> streams, std::size_t leg) {
  LegSilence out;
  for (const StreamSilence& stream : streams) {
    const SideSilence& side = stream[leg];
    if (!side.may_send) continue;
    out.may_send = true;
    out.heard |= side.since_ns == 0;
    out.since_ns = std::max(out.since_ns, side.since_ns);
  }
  return out;
}

SilenceVerdict verdict(Silence kind, std::size_t leg, Nanoseconds since_ns, Nanoseconds limit_ns) {
  if (limit_ns == 0) return {};
  return {kind, static_cast<std::uint8_t>(leg), since_ns + limit_ns};
}

}  // namespace

bool on_hold(std::span<const StreamSilence> streams) {
  return !streams.empty() && std::ranges::none_of(streams, [](const StreamSilence& stream) {
    return stream[0].may_send && stream[1].may_send;
  });
}

SilenceVerdict judge_silence(std::span<const StreamSilence> streams, Nanoseconds not_before_ns,
                             const SilenceLimits& limits) {
  if (streams.empty()) return {};
  const std::array<LegSilence, 2> legs{of_leg(streams, 0), of_leg(streams, 1)};
  const Nanoseconds last = std::max({legs[0].since_ns, legs[1].since_ns, not_before_ns});
  const bool heard = legs[0].heard || legs[1].heard;
  if (on_hold(streams)) return heard ? SilenceVerdict{} : verdict(Silence::hold, 0, last, limits.hold_ns);
  if (!heard) return verdict(Silence::idle, 0, last, limits.idle_ns);
  for (const std::size_t leg : {std::size_t{0}, std::size_t{1}}) {
    if (!legs[leg].may_send || legs[leg].heard) continue;
    return verdict(Silence::one_way, leg, std::max(legs[leg].since_ns, not_before_ns),
                   limits.one_way_ns[leg]);
  }
  return {};
}

}  // namespace sallyport::media

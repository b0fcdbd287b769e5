// SPDX-License-Identifier: Apache-2.0
// Theory of operation. How a call will have sounded, by ITU-T G.107 (06/2015) with its defaults: the rating
// R = 93.2 - Id - Ie-eff, and from R the mean opinion score (Annex B). Ie-eff = Ie + (95 - Ie) Ppl / (Ppl +
// Bpl) for random loss, Ie and Bpl of the codec by ITU-T G.113 (11/2007) Appendix I. Id is of delay: the
// talker's and the listener's echo and the delay itself (7.4). What is known is what an endpoint's line to us
// lost and half of its round trip; jitter buffers, the codec's own delay and the other line are not, so it is
// what the one line allows at best. Of a codec without both published values no score is given.
#pragma once

#include <optional>

#include "controlplane/stats/call_record.h"
#include "sdp_rewriter/description.h"

namespace sallyport::ops {

// Of a codec (G.113 Appendix I).
struct Impairment {
  double ie = 0;   // equipment impairment factor
  double bpl = 0;  // packet-loss robustness factor
};

// nullopt: no value is published for that format, or it is no speech codec.
[[nodiscard]] std::optional<Impairment> impairment_of(const sdp::Format& format);
// Share of RTP packets that an endpoint sent and we missed (RFC 3550 6.4.1, A.3); nullopt: none were
// expected.
[[nodiscard]] std::optional<double> loss_ratio(const dp::FlowCounters& counters);
// 1 to 4.5. `loss`: 0 to 1. `one_way_ns`: 0 where it is not known.
[[nodiscard]] double estimate_mos(const Impairment& codec, double loss, Nanoseconds one_way_ns);
// Of what that endpoint of `call` sent, with the codec that its side agreed on first; nullopt: nothing came,
// or there is no value of its codec.
[[nodiscard]] std::optional<double> mos_of(const stats::MediaRecord& media, const stats::CallRecord& call);

}  // namespace sallyport::ops

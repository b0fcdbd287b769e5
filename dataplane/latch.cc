// SPDX-License-Identifier: Apache-2.0
#include "dataplane/latch.h"

namespace sallyport::dp {
namespace {

constexpr std::size_t kStates = static_cast<std::size_t>(LatchState::kCount);
constexpr std::size_t kEvents = static_cast<std::size_t>(LatchEvent::kCount);

constexpr auto kTable = [] {
  using enum LatchState;
  using enum LatchAction;
  std::array<std::array<LatchStep, kEvents>, kStates> table{};
  // clang-format off
  //                              own             stranger           first              next
  //                              proof           gap                rival              takeover
  //                              silent          reopen             moved
  table[std::size_t(strict)] = {{{strict, pass},   {strict, refuse},  {strict, refuse},  {strict, refuse},
                                 {strict, refuse}, {strict, refuse},  {strict, refuse},  {strict, refuse},
                                 {strict, forget}, {strict, forget},  {strict, refuse}}};
  table[std::size_t(open)] = {{{open, refuse},     {open, refuse},    {proving, restart}, {open, refuse},
                               {locked, lock},     {open, refuse},    {open, refuse},    {open, refuse},
                               {open, forget},     {open, forget},    {open, refuse}}};
  table[std::size_t(proving)] = {{{proving, refuse}, {proving, refuse},  {proving, refuse}, {proving, hold},
                                  {locked, lock},    {proving, restart}, {proving, refuse}, {proving, restart},
                                  {open, forget},    {open, forget},     {proving, refuse}}};
  table[std::size_t(locked)] = {{{locked, pass},   {locked, refuse},  {locked, refuse},  {locked, refuse},
                                 {locked, lock},   {locked, refuse},  {locked, refuse},  {locked, refuse},
                                 {locked, forget}, {open, forget},    {moving, restart}}};
  table[std::size_t(moving)] = {{{locked, pass},   {moving, refuse},  {moving, refuse},  {moving, hold},
                                 {locked, lock},   {moving, restart}, {moving, refuse},  {moving, restart},
                                 {locked, forget}, {open, forget},    {moving, refuse}}};
  // clang-format on
  return table;
}();

}  // namespace

LatchStep latch_step(LatchState state, LatchEvent event) {
  return kTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

bool latch_allows(const FlowSpec& spec, const Endpoint& source) {
  const bool is_remote = static_cast<bool>(spec.remote) && source.address == spec.remote.address;
  switch (spec.latch) {
    case LatchMode::off:
      return static_cast<bool>(spec.remote) && source == spec.remote;
    case LatchMode::same_address:
      return is_remote || source.address == spec.signalling_source;
    case LatchMode::once:
    case LatchMode::asymmetric:
      break;
  }
  // Of IPv6 the mask counts from bit 96: 32, every bit; 0, any address behind the same /96.
  const unsigned bits = source.address.is_v6() ? spec.latch_mask + 96u : spec.latch_mask;
  return is_remote || same_prefix(source.address, spec.signalling_source, bits) ||
         (static_cast<bool>(spec.remote) && same_prefix(source.address, spec.remote.address, bits));
}

LatchEvent latch_event(LatchState state, const LatchCandidate& candidate, const LatchEvidence& evidence,
                       unsigned proof, Nanoseconds now_ns) {
  if (state == LatchState::open) return proof <= 1 ? LatchEvent::proof : LatchEvent::first;
  if (state == LatchState::locked) return proof <= 1 ? LatchEvent::proof : LatchEvent::moved;
  if (state == LatchState::strict) return LatchEvent::stranger;
  const bool alive = now_ns - candidate.last_ns < kCandidateSilence;
  if (evidence.source != candidate.source) return alive ? LatchEvent::rival : LatchEvent::takeover;
  const bool in_sequence =
      !evidence.sequenced || (evidence.ssrc == candidate.ssrc &&
                              evidence.sequence == static_cast<std::uint16_t>(candidate.sequence + 1));
  if (!in_sequence) return LatchEvent::gap;
  return candidate.count + 1u >= proof ? LatchEvent::proof : LatchEvent::next;
}

void latch_note(LatchCandidate& candidate, const LatchEvidence& evidence, LatchAction action,
                Nanoseconds now_ns) {
  candidate.count =
      action == LatchAction::restart ? std::uint8_t{1} : static_cast<std::uint8_t>(candidate.count + 1);
  candidate.source = evidence.source;
  candidate.ssrc = evidence.ssrc;
  candidate.sequence = evidence.sequence;
  candidate.last_ns = now_ns;
}

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/latch.h"

#include <gtest/gtest.h>

#include <iterator>

namespace sallyport::dp {
namespace {

using enum LatchState;
using enum LatchAction;

// The figure of latch.h, pair by pair.
TEST(Latch, does_in_every_state_with_every_event_what_the_figure_says) {
  struct Case {
    LatchState state;
    LatchEvent event;
    LatchState next;
    LatchAction action;
  };
  using E = LatchEvent;
  const Case cases[] = {
      {strict, E::own, strict, pass},        {strict, E::stranger, strict, refuse},
      {strict, E::first, strict, refuse},    {strict, E::next, strict, refuse},
      {strict, E::proof, strict, refuse},    {strict, E::gap, strict, refuse},
      {strict, E::rival, strict, refuse},    {strict, E::takeover, strict, refuse},
      {strict, E::silent, strict, forget},   {strict, E::reopen, strict, forget},
      {strict, E::moved, strict, refuse},    {open, E::own, open, refuse},
      {open, E::stranger, open, refuse},     {open, E::first, proving, restart},
      {open, E::next, open, refuse},         {open, E::proof, locked, lock},
      {open, E::gap, open, refuse},          {open, E::rival, open, refuse},
      {open, E::takeover, open, refuse},     {open, E::silent, open, forget},
      {open, E::reopen, open, forget},       {open, E::moved, open, refuse},
      {proving, E::own, proving, refuse},    {proving, E::stranger, proving, refuse},
      {proving, E::first, proving, refuse},  {proving, E::next, proving, hold},
      {proving, E::proof, locked, lock},     {proving, E::gap, proving, restart},
      {proving, E::rival, proving, refuse},  {proving, E::takeover, proving, restart},
      {proving, E::silent, open, forget},    {proving, E::reopen, open, forget},
      {proving, E::moved, proving, refuse},  {locked, E::own, locked, pass},
      {locked, E::stranger, locked, refuse}, {locked, E::first, locked, refuse},
      {locked, E::next, locked, refuse},     {locked, E::proof, locked, lock},
      {locked, E::gap, locked, refuse},      {locked, E::rival, locked, refuse},
      {locked, E::takeover, locked, refuse}, {locked, E::silent, locked, forget},
      {locked, E::reopen, open, forget},     {locked, E::moved, moving, restart},
      {moving, E::own, locked, pass},        {moving, E::stranger, moving, refuse},
      {moving, E::first, moving, refuse},    {moving, E::next, moving, hold},
      {moving, E::proof, locked, lock},      {moving, E::gap, moving, restart},
      {moving, E::rival, moving, refuse},    {moving, E::takeover, moving, restart},
      {moving, E::silent, locked, forget},   {moving, E::reopen, open, forget},
      {moving, E::moved, moving, refuse},
  };
  static_assert(std::size(cases) == std::size_t(LatchState::kCount) * std::size_t(LatchEvent::kCount));
  for (const Case& c : cases) {
    const LatchStep step = latch_step(c.state, c.event);
    EXPECT_EQ(step.next, c.next) << int(c.state) << " " << int(c.event);
    EXPECT_EQ(step.action, c.action) << int(c.state) << " " << int(c.event);
  }
}

TEST(Latch, allows_addresses_by_mode_and_mask) {
  struct Case {
    const char* description;
    LatchMode mode;
    const char* remote;
    const char* signalling;
    std::uint8_t mask;
    const char* source;
    bool allowed;
  };
  const Case cases[] = {
      {"off, exact", LatchMode::off, "192.0.2.9:10", "192.0.2.9", 32, "192.0.2.9:10", true},
      {"off, port", LatchMode::off, "192.0.2.9:10", "192.0.2.9", 32, "192.0.2.9:11", false},
      {"once, signalling", LatchMode::once, "10.0.0.1:10", "192.0.2.9", 32, "192.0.2.9:11", true},
      {"once, SDP", LatchMode::once, "192.0.2.8:10", "192.0.2.9", 32, "192.0.2.8:11", true},
      {"once, neighbour", LatchMode::once, "10.0.0.1:10", "192.0.2.9", 32, "192.0.2.10:11", false},
      {"once, neighbour within the mask", LatchMode::once, "10.0.0.1:10", "192.0.2.9", 24, "192.0.2.10:11",
       true},
      {"once, beyond the mask", LatchMode::once, "10.0.0.1:10", "192.0.2.9", 24, "192.0.3.10:11", false},
      {"once, no SDP address", LatchMode::once, "", "192.0.2.9", 32, "192.0.2.9:11", true},
      {"same address ignores the mask", LatchMode::same_address, "10.0.0.1:10", "192.0.2.9", 24,
       "192.0.2.10:1", false},
      {"same address", LatchMode::same_address, "10.0.0.1:10", "192.0.2.9", 32, "192.0.2.9:1", true},
      {"asymmetric as once", LatchMode::asymmetric, "10.0.0.1:10", "192.0.2.9", 32, "192.0.2.9:1", true},
      {"IPv6, exact", LatchMode::once, "[fd00::1]:10", "2001:db8::9", 32, "[2001:db8::9]:1", true},
      {"IPv6, another of the /64", LatchMode::once, "[fd00::1]:10", "2001:db8::9", 32, "[2001:db8::a]:1",
       false},
      {"IPv6, mask counts from bit 96", LatchMode::once, "[fd00::1]:10", "2001:db8::9", 24, "[2001:db8::a]:1",
       true},
      {"another family", LatchMode::once, "[fd00::1]:10", "2001:db8::9", 0, "192.0.2.9:1", false},
  };
  for (const Case& c : cases) {
    FlowSpec spec;
    spec.latch = c.mode;
    if (*c.remote != '\0') spec.remote = *Endpoint::parse(c.remote);
    spec.signalling_source = *IpAddress::parse(c.signalling);
    spec.latch_mask = c.mask;
    EXPECT_EQ(latch_allows(spec, *Endpoint::parse(c.source)), c.allowed) << c.description;
  }
}

TEST(Latch, tells_packets_apart_by_source_SSRC_sequence_and_time) {
  const Endpoint source = *Endpoint::parse("192.0.2.9:4000");
  const Endpoint other = *Endpoint::parse("192.0.2.9:4001");
  const LatchCandidate candidate{
      .source = source, .ssrc = 7, .sequence = 65535, .count = 1, .last_ns = kSecond};
  struct Case {
    const char* description;
    LatchState state;
    LatchEvidence evidence;
    std::uint8_t count;
    Nanoseconds now;
    LatchEvent event;
  };
  const Case cases[] = {
      {"first of all", open, {source, 7, 5, true}, 0, kSecond, LatchEvent::first},
      {"in sequence, over the wrap", proving, {source, 7, 0, true}, 1, kSecond, LatchEvent::next},
      {"the last that is needed", proving, {source, 7, 0, true}, 2, kSecond, LatchEvent::proof},
      {"repeated", proving, {source, 7, 65535, true}, 1, kSecond, LatchEvent::gap},
      {"one left out", proving, {source, 7, 1, true}, 1, kSecond, LatchEvent::gap},
      {"another SSRC", proving, {source, 8, 0, true}, 1, kSecond, LatchEvent::gap},
      {"another port", proving, {other, 7, 0, true}, 1, kSecond, LatchEvent::rival},
      {"another port, later",
       proving,
       {other, 7, 0, true},
       1,
       kSecond + kCandidateSilence,
       LatchEvent::takeover},
      {"no sequence to judge", proving, {source, 0, 0, false}, 1, kSecond, LatchEvent::next},
  };
  for (const Case& c : cases) {
    LatchCandidate at = candidate;
    at.count = c.count;
    EXPECT_EQ(latch_event(c.state, at, c.evidence, kProof, c.now), c.event) << c.description;
  }
  EXPECT_EQ(latch_event(open, {}, {source, 0, 0, false}, proof_of(FlowKind::rtcp), 0), LatchEvent::proof);
}

}  // namespace
}  // namespace sallyport::dp

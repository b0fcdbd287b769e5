// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdp_rewriter/address_policy.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

// What `sallyport nat` shows: the policy and the rewrite without a call. Plain strings, so that it prints as
// text or JSON.
struct DryRunInput {
  std::string_view sdp;
  PolicyInput policy;
  IpAddress local;                   // the media address of ours that the other leg would read
  std::uint16_t first_port = 20000;  // of the first stream; each takes a pair
  std::uint64_t session_id = 1;
  std::uint64_t session_version = 1;
};

struct DryRunStream {
  std::size_t index = 0;  // from 0
  std::string media;      // "audio"
  std::string address;    // "10.20.0.10:6000"
  std::string rtcp;       // "10.20.0.10:6001"; empty when there is none
  std::string direction;  // "sendrecv"
  std::string action;     // name(Action)
  std::string rule;       // name(Rule)
  std::string refusal;    // name(Refusal); empty when not refused
  std::string latch;      // name(LatchMode)
  std::string reason;
};

struct DryRun {
  std::optional<ParseFault> fault;  // set: nothing else is
  bool refused = false;
  bool far_end_nat = false;
  std::string verdict;  // "accepted", "refused: ..."
  std::vector<DryRunStream> streams;
  std::string rewritten;  // empty when refused
};

[[nodiscard]] DryRun dry_run(const DryRunInput& input);

// Lines end in LF; the rewritten SDP is printed without CR, indented by two.
[[nodiscard]] std::string render(const DryRun& result);

}  // namespace sallyport::sdp

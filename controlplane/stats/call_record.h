// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/kept_text.h"

namespace sallyport::stats {

enum class RecordKind : std::uint8_t { end, interim };
enum class EndedBy : std::uint8_t { none, caller, callee, sallyport };

// Of the Reason fields of a message so much is kept.
inline constexpr std::size_t kMostReasonBytes = 512;

// One target that was tried. The last is the one that the call ended on.
struct AttemptRecord {
  KeptText peer;
  Endpoint target;
  KeptText call_id;            // of the outgoing leg
  std::uint16_t received = 0;  // 0: none
  KeptText received_phrase;
  KeptText local_error;  // empty: none
  KeptText rule;         // what decided
  KeptText reason_received;
};

// One flow, with its last counters (the worker's flow_removed).
struct MediaRecord {
  std::uint8_t leg = 0;  // 0: the caller's, 1: the callee's
  std::uint8_t stream = 0;
  bool rtcp = false;
  std::string private_action;  // latched, rejected, trusted, no_nat; empty: a public address, or none was said
  Endpoint local;
  Endpoint remote;  // from the SDP
  dp::FlowCounters counters;
};

// The call detail record: one for each call attempt at its end, and where configured interim ones. Instants
// are of the wall clock, ns since 1970; 0: never. Spans are of the monotonic clock, so that no step of the
// other makes them wrong; nullopt: it did not come to that.
struct CallRecord {
  RecordKind kind = RecordKind::end;
  KeptText id;         // Sallyport's name of the call, as in `show call ID`
  KeptText from_peer;  // empty: no peer matches its source
  KeptText to_peer;    // empty: never routed
  KeptText from_realm;
  KeptText to_realm;
  KeptText caller;   // the From URI as received
  KeptText callee;   // the Request-URI as received
  KeptText call_id;  // of the incoming leg
  Endpoint source;
  Nanoseconds started_ns = 0;
  Nanoseconds ringing_ns = 0;
  Nanoseconds answered_ns = 0;
  Nanoseconds ended_ns = 0;
  Nanoseconds written_ns = 0;              // when the shard left this record
  std::optional<Nanoseconds> setup_ns;     // from its INVITE to its answer
  std::optional<Nanoseconds> duration_ns;  // from its answer to its end; interim: so far
  EndedBy ended_by = EndedBy::none;
  std::uint16_t received = 0;  // the last attempt's final code; 0: none
  KeptText received_phrase;
  KeptText reason_received;     // the values of its Reason fields (RFC 3326, 6432), as they came
  std::uint16_t sent = 0;       // what the caller got
  KeptText sent_phrase;
  KeptText reason_sent;  // likewise, as they left
  std::uint8_t q850 = 0;
  KeptText reason;         // the Reason header field of the BYE or CANCEL that ended it
  KeptText local_error;    // empty: none
  KeptText media_timeout;  // the last that passed, whether it ended the call or not; empty: none
  KeptText rule;
  std::vector<AttemptRecord> attempts;
  std::vector<MediaRecord> media;
  std::array<KeptText, 2> answer_sdp;  // by leg: the answer that was agreed, for its codecs; empty: none
};

// Where a shard leaves its records. Never blocks; false: the queue was full and the record is lost (count
// it).
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  [[nodiscard]] virtual bool write(CallRecord&& record) noexcept = 0;
};

}  // namespace sallyport::stats

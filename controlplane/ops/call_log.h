// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/ops/log.h"
#include "controlplane/stats/call_record.h"

namespace sallyport::ops {

// What the log says of calls, each line with `call=`, the identifier of `show call ID` and of the record: one
// that failed or was ended by us at level info, the others at debug, so many a second of each level at most.
// On the thread that writes the records, so that no shard waits for the log.
class CallLog {
 public:
  void tell(const stats::CallRecord& record, Nanoseconds now_ns);

 private:
  void tell_at_debug(const stats::CallRecord& record, Nanoseconds now_ns);

  RateLimit limit_{100 * kMillisecond, 50};
  RateLimit debug_limit_{10 * kMillisecond, 100};
};

}  // namespace sallyport::ops

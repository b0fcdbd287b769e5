// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/fault.h"

namespace sallyport::sdp {

std::string_view name(Fault fault) {
  switch (fault) {
    case Fault::empty:
      return "empty";
    case Fault::too_long:
      return "too-long";
    case Fault::too_many_lines:
      return "too-many-lines";
    case Fault::too_many_streams:
      return "too-many-streams";
    case Fault::too_many_formats:
      return "too-many-formats";
    case Fault::forbidden_octet:
      return "forbidden-octet";
    case Fault::not_a_line:
      return "not-a-line";
    case Fault::version:
      return "version";
    case Fault::missing_origin:
      return "missing-origin";
    case Fault::duplicate_line:
      return "duplicate-line";
    case Fault::misplaced_line:
      return "misplaced-line";
    case Fault::origin:
      return "origin";
    case Fault::connection:
      return "connection";
    case Fault::missing_connection:
      return "missing-connection";
    case Fault::media:
      return "media";
    case Fault::port:
      return "port";
    case Fault::rtcp:
      return "rtcp";
  }
  return "unknown";
}

}  // namespace sallyport::sdp

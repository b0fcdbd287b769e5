// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

#include "controlplane/trace/filter.h"

namespace sallyport::ops {

struct TraceArguments {
  trace::Filter filter;   // one of them
  unsigned follow_s = 0;  // 0: only what is there already
  bool rtp = false;       // the media of calls that are up, while it follows
  std::string pcap;       // file to write
};

// `sallyport trace`: both legs of every call that matches, and messages that match and are of no call, from
// the rings of the running process into a pcap, in the order in which they passed. An interrupt ends the
// following, and what came until then is written. The file is written beside its place (.part) and put there
// at the end, so that what was there stays until there is something better. The exit status: 0 something was
// found; 1 nothing was, the process refused or is not there, or the file cannot be written; 2 an argument
// cannot be asked with; 3 a later look failed (the process has ended, say), and what came until then is in the
// file.
int trace(const std::string& socket, const TraceArguments& arguments, bool json, std::ostream& out,
          std::ostream& error);

}  // namespace sallyport::ops

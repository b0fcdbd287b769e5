// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

namespace sallyport::cli {

// `sallyport run`: brings everything up, runs in the foreground and returns the exit status: 0 after SIGTERM
// or SIGINT, 1 when the configuration has faults (said on `error`) or something cannot be brought up (one
// sentence in the log says what to do). SIGTERM drains for at most `controlplane.drain`, then ends what is left; a second one does so at once.
// SIGUSR1 opens the record file anew, SIGHUP reads the configuration again.
int run(const std::string& config_file, std::ostream& error);

}  // namespace sallyport::cli

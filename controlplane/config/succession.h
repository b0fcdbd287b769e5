// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A reload makes a new configuration follow the one that runs. Calls, counters and
// health know peers, realms, routes and response maps by index, so indices are kept by name: a peer keeps
// the place that it has, a new one comes behind the others, and one that the file no longer has stays as
// `retired`, with all that was said of it, for the calls that it still has. Nobody is known by it and no
// route leads there. One that comes back has its old place again. A route that is gone stays for its
// `numbers` only; Config::route_order says which are walked.
//
// What is laid out at the start cannot follow: cores, ports, memory, and of realms what the ports, the taps,
// the flow tables and the listeners were made of, so also a realm more or less. There the running values
// stay, and the new ones are named as waiting for a restart. A file that asks for more than can be had
// without them (a peer of a new realm, or one that is reached from an address that waits) is refused as a
// whole.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::config {

struct Succession {
  Config config;
  std::vector<std::string> changed;  // "peer office: changed", "routes"; in the order of the file's sections
  std::vector<std::string> waiting;  // keys whose new values wait for a restart: "realms.core.addresses"
};

// `next`: as load() gives it. The faults are all there are, sorted, at their places in the new file.
[[nodiscard]] std::expected<Succession, std::vector<Fault>> succeed(const Config& running, Config next);

}  // namespace sallyport::config

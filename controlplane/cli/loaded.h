// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "controlplane/config/config.h"
#include "controlplane/response_map/response_map.h"

namespace sallyport::cli {

// A configuration and what is compiled from it.
struct Loaded {
  std::string file;
  config::Config config;
  response_map::Maps maps;
};

// nullptr: every fault, also those of the response maps and of the certificates, has been written to `error`.
[[nodiscard]] std::unique_ptr<Loaded> load(const std::string& file, std::ostream& error);

}  // namespace sallyport::cli

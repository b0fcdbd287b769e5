// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/loaded.h"

#include "controlplane/config/load.h"

namespace sallyport::cli {

std::unique_ptr<Loaded> load(const std::string& file, std::ostream& error) {
  auto config = config::load_file(file);
  if (!config) {
    error << config::format_faults(file, config.error());
    return nullptr;
  }
  auto maps = response_map::Maps::compile(config->response_maps);
  if (!maps) {
    error << config::format_faults(file, maps.error());
    return nullptr;
  }
  return std::make_unique<Loaded>(std::move(*config), std::move(*maps));
}

}  // namespace sallyport::cli

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/loaded.h"

#include <algorithm>
#include <vector>

#include "controlplane/config/load.h"
#include "controlplane/stream/tls_context.h"

namespace sallyport::cli {

std::unique_ptr<Loaded> load(const std::string& file, std::ostream& error) {
  auto config = config::load_file(file);
  if (!config) {
    error << config::format_faults(file, config.error());
    return nullptr;
  }
  auto maps = response_map::Maps::compile(config->response_maps);
  const auto certificates = stream::TlsContexts::load(*config);
  if (!maps || !certificates) {
    std::vector<config::Fault> faults = maps ? std::vector<config::Fault>{} : maps.error();
    if (!certificates) faults.insert(faults.end(), certificates.error().begin(), certificates.error().end());
    std::ranges::sort(faults);
    error << config::format_faults(file, faults);
    return nullptr;
  }
  return std::make_unique<Loaded>(file, std::move(*config), std::move(*maps));
}

}  // namespace sallyport::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "controlplane/config/config.h"
#include "controlplane/routing/resolved.h"

namespace sallyport::cli {

// Logs what names lead to whenever that changes.
class NameNews {
 public:
  // Any thread: names of this configuration come from now on. Those of another are not told of.
  void succeed(std::shared_ptr<const config::Config> config);
  // The resolver's thread.
  void tell(const routing::SharedNames& names);

 private:
  std::mutex mutex_;
  std::shared_ptr<const config::Config> config_;
  std::map<std::pair<std::string, std::string>, routing::ResolvedName> before_;  // by peer and target
};

}  // namespace sallyport::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/config/config.h"
#include "controlplane/routing/resolved.h"

namespace sallyport::cli {

// Logs what names lead to whenever that changes. The resolver's thread.
class NameNews {
 public:
  // `config` must outlive it.
  explicit NameNews(const config::Config& config) : config_(config) {}
  void tell(const routing::SharedNames& names);

 private:
  const config::Config& config_;
  routing::SharedNames before_;
};

}  // namespace sallyport::cli

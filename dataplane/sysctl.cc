// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sysctl.h"

#include <fstream>

namespace sallyport::dp {

std::optional<std::string> SysctlKeeper::get(const std::string& key) const {
  std::ifstream file(root_ + key);
  std::string value;
  if (!std::getline(file, value)) return std::nullopt;
  return value;
}

bool SysctlKeeper::set(const std::string& key, const std::string& value) const {
  std::ofstream file(root_ + key);
  file << value << '\n' << std::flush;
  return file.good();
}

bool SysctlKeeper::change(const std::string& key, const std::string& value) {
  const auto before = get(key);
  if (!before) return false;
  if (*before == value) return true;
  if (!set(key, value)) return false;
  before_.emplace_back(key, *before);
  return true;
}

void SysctlKeeper::restore() {
  for (; !before_.empty(); before_.pop_back()) set(before_.back().first, before_.back().second);
}

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/load.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "controlplane/config/read.h"
#include "controlplane/config/yaml.h"

namespace sallyport::config {
namespace {

void read_all(const yaml::Node& root, Draft& draft, Faults& faults) {
  MapReader top(Value(root, "", faults));
  if (root.kind != yaml::Node::Kind::map) return;
  read_dataplane(top, draft);
  read_controlplane(top, draft);
  read_realms(top, draft);
  read_response_maps(top, draft);
  read_peers(top, draft);
  read_routes(top, draft);
  read_dns(top, draft);
  read_operations(top, draft);
  read_trace(top, draft);
  top.finish();
  cross_check(draft, faults);
}

std::vector<Fault> one(Place at, std::string message) {
  return {Fault{at, std::move(message)}};
}

}  // namespace

std::expected<Config, std::vector<Fault>> load(std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return std::unexpected(one({}, "longer than " + std::to_string(kMaxConfigBytes) + " octets"));
  }
  const auto root = yaml::parse(text);
  if (!root) return std::unexpected(one(root.error().at, root.error().message));
  if ((*root)->kind == yaml::Node::Kind::null) return std::unexpected(one({}, "is empty"));
  Draft draft;
  Faults faults;
  read_all(**root, draft, faults);
  if (!faults.empty()) return std::unexpected(faults.take_sorted());
  return std::move(draft.config);
}

std::expected<Config, std::vector<Fault>> load_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(one({}, std::string("cannot be opened: ") + std::strerror(errno)));
  std::string text;
  char buffer[65536];
  while (text.size() <= kMaxConfigBytes && (file.read(buffer, sizeof(buffer)), file.gcount() > 0)) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad() || (errno != 0 && text.empty())) {
    return std::unexpected(one({}, std::string("cannot be read: ") + std::strerror(errno)));
  }
  return load(text);
}

}  // namespace sallyport::config

// SPDX-License-Identifier: Apache-2.0
// The first octet says how the rest is cut into segments; the items must not depend on it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/stream/framer.h"

namespace {

using sallyport::stream::Framer;

std::vector<std::string> items_of(std::string_view octets, std::size_t segment) {
  std::vector<std::string> items;
  Framer framer(4096);
  while (!octets.empty()) {
    framer.append(octets.substr(0, segment));
    octets.remove_prefix(std::min(segment, octets.size()));
    for (;;) {
      const Framer::Item item = framer.next();
      if (item.kind == Framer::Kind::none) break;
      if (item.kind == Framer::Kind::broken) {
        items.push_back("broken");
        return items;
      }
      if (item.octets.empty() || item.octets.size() > 4096) std::abort();
      items.emplace_back(item.octets);
      framer.take();
    }
    if (framer.buffered() > 4096) std::abort();
  }
  return items;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t segment = std::size_t{data[0]} + 1;
  if (items_of(octets, segment) != items_of(octets, 1)) std::abort();
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/read.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kSmallest = 256 << 10;  // the largest message is a quarter of it
constexpr std::size_t kLargest = std::size_t{4} << 30;

void read_size(MapReader& reader, std::string_view key, std::size_t& out) {
  if (const auto value = reader.get(key)) out = value->bytes(kSmallest, kLargest, true).value_or(out);
}

void read_hep(const Value& value, Trace& trace) {
  MapReader reader(value);
  Hep hep;
  const auto server = reader.need("server");
  if (server) {
    const auto endpoint = server->endpoint();
    if (endpoint) hep.server = *endpoint;
  }
  reader.number("id", hep.id, 0, UINT32_MAX);
  if (const auto file = reader.get("password_file")) hep.password = secret_of(*file).value_or("");
  reader.finish();
  if (trace.ring_bytes == 0) value.fault("takes its messages from 'ring', which is off");
  trace.hep = hep;
}

}  // namespace

void read_trace(MapReader& top, Draft& draft) {
  const auto value = top.get("trace");
  if (!value) return;
  Trace& trace = draft.config.trace;
  MapReader reader(*value);
  read_size(reader, "ring", trace.ring_bytes);
  read_size(reader, "failed", trace.failed_bytes);
  read_size(reader, "media", trace.media_bytes);
  if (const auto hep = reader.get("hep")) read_hep(*hep, trace);
  reader.finish();
}

}  // namespace sallyport::config

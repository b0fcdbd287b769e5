// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/name_addr.h"

#include "dataplane/sip/name_addr_reader.h"
#include "dataplane/sip/params.h"

namespace sallyport::sip {

std::expected<NameAddr, Fault> parse_name_addr(std::string_view value) {
  std::expected<NameAddr, Fault> out;
  if (!read_name_addr(trim(value), *out, [](const Param&) { return true; }))
    out = std::unexpected(Fault::bad_contact);
  return out;
}

std::string_view tag_of(std::string_view value) {
  const auto parsed = parse_name_addr(value);
  if (!parsed) return {};
  const auto tag = find_param(parsed->params, "tag");
  return tag ? tag->value : std::string_view{};
}

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
// The first line is the Content-Type, the rest the body. Whatever they are: the parts lie in the body, and
// putting the description that was found back in its place gives the body again, its own Content-Length
// apart.
#include <cstdlib>
#include <string>

#include "controlplane/sip/multipart.h"

namespace {

bool inside(std::string_view part, std::string_view body) {
  return part.data() >= body.data() && part.data() + part.size() <= body.data() + body.size();
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::sip;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string_view type = text.substr(0, line);
  const std::string_view body = text.substr(line + 1);
  if (const auto parts = parse_multipart(type, body)) {
    for (const BodyPart& part : *parts) require(inside(part.headers, body) && inside(part.content, body));
  }
  const auto found = find_session_description(type, body);
  if (!found) return 0;
  require(inside(found->headers, body) && inside(found->content, body));
  if (part_header(*found, "Content-Length").empty()) {
    require(replace_content(body, *found, found->content) == body);
  }
  const std::string changed = replace_content(body, *found, "v=0\r\n");
  const auto again = find_session_description(type, changed);
  require(again && again->content == "v=0\r\n");
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/session_text.h"

#include <algorithm>

namespace sallyport::b2bua {
namespace {

// Each line, without its line end.
template <typename Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(line);
  }
}

// "m=audio 4000 RTP/AVP 8" as "m=audio 0 RTP/AVP 8".
std::string refused(std::string_view line) {
  const std::size_t port = std::min(line.find(' '), line.size());
  const std::size_t rest = std::min(line.find(' ', port + 1), line.size());
  return std::string(line.substr(0, port)) + " 0" + std::string(line.substr(rest));
}

}  // namespace

std::size_t stream_count(std::string_view sdp) {
  std::size_t count = 0;
  for_each_line(sdp, [&](std::string_view line) { count += line.starts_with("m=") ? 1 : 0; });
  return count;
}

std::string without_hold(std::string_view sdp) {
  std::string out;
  for_each_line(sdp, [&](std::string_view line) {
    if (line == "a=sendonly" || line == "a=recvonly" || line == "a=inactive") return;
    out.append(line).append("\r\n");
  });
  return out;
}

std::string with_streams_of(std::string sdp, std::string_view told) {
  const std::size_t has = stream_count(sdp);
  std::size_t at = 0;
  for_each_line(told, [&](std::string_view line) {
    if (!line.starts_with("m=") || at++ < has) return;
    sdp += refused(line) + "\r\n";
  });
  return sdp;
}

}  // namespace sallyport::b2bua

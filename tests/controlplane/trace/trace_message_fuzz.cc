// SPDX-License-Identifier: Apache-2.0
// Whatever a stranger sends is kept, drawn and searched: nothing outside of it is read, lengths stay, what is
// blank stays blank, and a ladder is printable.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "controlplane/trace/filter.h"
#include "controlplane/trace/keys.h"
#include "controlplane/trace/ladder.h"
#include "controlplane/trace/recorder.h"

using namespace sallyport::trace;

namespace {

void check_blanks(const std::string& text) {
  std::string once = text;
  static_cast<void>(read_and_blank(once));
  if (once.size() != text.size()) std::abort();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (once[i] != text[i] && once[i] != '*') std::abort();
  }
  std::string twice = once;
  static_cast<void>(read_and_blank(twice));
  if (twice != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_blanks(text);
  static Recorder recorder({.recent_bytes = 1 << 16, .failed_bytes = 1 << 14, .key = {1, 2}});
  Passing message;
  message.direction = size % 2 == 0 ? Direction::received : Direction::sent;
  message.octets = text;
  recorder.add(message);
  const std::uint64_t kept = recorder.counters().kept.get();
  const Slice slice = recorder.recent(kept > 4 ? kept - 4 : 0, 1 << 20);
  for (const std::string& line : ladder(slice.messages)) {
    for (const char c : line) {
      if (c < ' ' || c > '~') std::abort();
    }
  }
  if (!slice.messages.empty()) static_cast<void>(matches({"x", "y", ""}, slice.messages.back()));
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Whatever a server challenges with: the answer is one header line, and reads back as one challenge's worth
// of parameters with the server's own realm and nonce.
#include <cstdlib>
#include <string>

#include "controlplane/sip/digest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::sip;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const DigestChallenge& challenge : parse_challenges(text)) {
    const std::string answer = digest_answer(
        challenge,
        {.user = "u\"x", .password = "p", .method = "INVITE", .uri = "sip:a@h", .body = text, .cnonce = "c"});
    if (answer.find_first_of("\r\n") != std::string::npos) std::abort();
    const auto again = parse_challenges(answer);
    if (again.size() != 1 || again[0].realm != challenge.realm || again[0].nonce != challenge.nonce)
      std::abort();
  }
  return 0;
}

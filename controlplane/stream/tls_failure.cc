// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/tls_failure.h"

#include <array>

namespace sallyport::stream {

std::string_view tls_failure_name(TlsFailure failure) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(TlsFailure::kCount)> kNames{
      "closed",  "timeout",   "not_tls", "version", "cipher", "no_certificate",
      "expired", "untrusted", "name",    "refused", "other"};
  return kNames[static_cast<std::size_t>(failure)];
}

}  // namespace sallyport::stream

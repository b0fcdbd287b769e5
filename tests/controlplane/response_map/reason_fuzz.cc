// SPDX-License-Identifier: Apache-2.0
// Reason and Warning values as they come from the network, and the map that they lead to.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/response_map/reason.h"
#include "controlplane/response_map/response_map.h"

using namespace sallyport::response_map;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

const Maps& vendor_map() {
  static const Maps maps = [] {
    sallyport::config::MapConfig config;
    config.name = "m";
    config.base.push_back({"vendor", {}});
    return *Maps::compile({&config, 1});
  }();
  return maps;
}

}  // namespace

// The first two octets are a status code, the rest is a field value and a reason phrase.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::uint8_t cause = q850_of(text);
  require(cause <= 127);
  if (const auto reason = find_reason(text, "SIP")) require(reason->cause >= 1 && reason->cause <= 699);
  const std::uint16_t warning = warning_code_of(text);
  require(warning == 0 || (warning >= 100 && warning <= 999));
  const std::string written = sip_reason(486, text);
  const auto read_back = find_reason(written, "SIP");
  require(read_back && read_back->cause == 486);
  require(warning_code_of(warning_value(399, "x", text)) == 399);
  require(warning_value(399, "x", text).find('\n') == std::string::npos);

  Input input;
  input.receive = 0;
  input.code = static_cast<std::uint16_t>(data[0] << 8 | data[1]);
  input.phrase = text;
  input.q850 = cause;
  input.warning = warning;
  input.exhausted = (size & 1) != 0;
  const Verdict verdict = vendor_map().map(input);
  require(verdict.code >= 100 && verdict.code <= 699);
  require(!verdict.phrase.empty());
  // What a peer says never changes its kind.
  const bool is_sip = input.code >= 100 && input.code <= 699;
  require(!is_sip || (verdict.code < 200) == (input.code < 200));
  require(!is_sip || (verdict.code / 100 == 2) == (input.code / 100 == 2));
  return 0;
}

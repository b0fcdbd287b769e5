// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::config {

// Decimal digits only.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

// A name of the configuration: letters, digits, '-', '_' and '.', at most 63 of them. It stands in metrics'
// labels, in records and on the command line.
[[nodiscard]] bool is_name(std::string_view text);

// The one of `words` that `text` was probably meant to be, or empty.
[[nodiscard]] std::string_view nearest(std::string_view text, std::span<const std::string_view> words);

// "a, b or c".
[[nodiscard]] std::string one_of(std::span<const std::string_view> words);

// A host name in lower case and without its last dot: letters, digits and inner hyphens, labels of at most
// 63, 253 octets in all, a last label that is no number (RFC 1123 2.1). nullopt: it is none.
[[nodiscard]] std::optional<std::string> host_name(std::string_view text);

// For messages: `text` shortened to 40 characters, control characters and quotes made harmless, in quotes.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace sallyport::config

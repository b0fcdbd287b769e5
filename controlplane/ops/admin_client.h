// SPDX-License-Identifier: Apache-2.0
// The commands that ask the running process. Each returns the exit status: 0 well, 1 the process refused or
// is not there, 2 an argument cannot be asked with; `out` gets text, or with `json` the answer as one line of
// JSON.
#pragma once

#include <chrono>
#include <expected>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::ops {

// One line there and one line back. The error is one sentence that says what to do.
[[nodiscard]] std::expected<std::string, std::string> ask_admin(const std::string& socket,
                                                                std::string_view request,
                                                                std::chrono::milliseconds timeout);

// Requests are JSON, whose text is UTF-8 (RFC 8259 8.1). False: `value` is not, and `error` says so of `what`.
[[nodiscard]] bool can_be_asked(std::string_view what, std::string_view value, std::ostream& error);

// `what`: calls, call, failures, peers, flows, workers, drops, process; `id` for call.
int show(const std::string& socket, const std::string& what, const std::string& id, bool json,
         std::ostream& out, std::ostream& error);
// `command`: drain, reload, log-level. `argument`: its name and value in the request, where it has one
// ("limit", "10m").
struct Argument {
  std::string name;
  std::string value;
};
int command(const std::string& socket, const std::string& command, const std::optional<Argument>& argument,
            bool json, std::ostream& out, std::ostream& error);

}  // namespace sallyport::ops

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/target_uri.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "controlplane/sip/path.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {
namespace {

std::string folded_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

// RFC 3261 19.1.6: isdn-subaddress and post-dial first, the others by name.
std::size_t param_rank(std::string_view name) {
  return name == "isub" ? 0 : name == "postd" ? 1 : 2;
}

// RFC 3261 19.1.6: what is compared without case is folded to lower case, so that one number is one user
// part. The values of extensions are not.
bool folds_value(std::string_view name) {
  constexpr std::array<std::string_view, 4> kKnown{"ext", "isub", "phone-context", "postd"};
  return std::ranges::find(kKnown, name) != kKnown.end();
}

// ";isub=1;phone-context=+44" of "phone-context=+44;ISUB=1".
std::string telephone_params(std::string_view list) {
  struct One {
    std::string name, text;
  };
  std::vector<One> all;
  sip::ParamReader params(list);
  while (const auto param = params.next()) {
    One one{.name = folded_case(param->name), .text = {}};
    one.text = ";" + one.name;
    if (param->has_value)
      one.text.append("=").append(folds_value(one.name) ? folded_case(param->value)
                                                        : std::string(param->value));
    all.push_back(std::move(one));
  }
  std::ranges::stable_sort(all, {}, [](const One& one) { return std::pair(param_rank(one.name), one.name); });
  std::string out;
  for (const One& one : all) out += one.text;
  return out;
}

}  // namespace

std::string called_as_sip(std::string_view text) {
  const auto uri = sip::parse_uri(text);
  if (!uri || uri->scheme != sip::Scheme::tel) return std::string(text);
  return "sip:" + sip::escape_user(std::string(uri->user) + telephone_params(uri->parameters)) +
         "@invalid;user=phone";
}

std::string next_host(const config::Target& target, bool sips) {
  const auto transport = static_cast<sip::Transport>(target.transport);
  if (!target.host.empty()) {
    const std::string port = target.host_port == 0 ? "" : ":" + std::to_string(target.host_port);
    return target.host + port +
           std::string(target.transport_given && !sips ? transport_param(transport) : "");
  }
  const bool standard = target.endpoint.port == sip::default_port(transport);
  return (standard ? target.endpoint.address.to_uri_text() : target.endpoint.to_text())
      .append(sips ? "" : transport_param(transport));
}

std::string request_uri_for(std::string_view received, std::string_view host, bool sips) {
  const auto uri = sip::parse_uri(received);
  std::string out = sips ? "sips:" : "sip:";
  if (uri && uri->has_user) out.append(sip::escape_user(uri->user)).append("@");
  out += host;
  if (uri) {
    const auto user = sip::find_param(uri->parameters, "user");
    if (user && sip::iequals(user->value, "phone")) out += ";user=phone";
  }
  return out;
}

// Neither a user part nor what stands behind a host has an '@' of its own; what breaks that rule is rather
// taken for a password than shown as one.
std::string without_password(std::string_view uri) {
  std::string out(uri);
  const std::size_t scheme = out.find(':');
  const std::size_t host = out.rfind('@');
  if (scheme == std::string::npos || host == std::string::npos) return out;
  const std::size_t password = out.find(':', scheme + 1);
  if (password < host) out.replace(password + 1, host - password - 1, "***");
  return out;
}

}  // namespace sallyport::b2bua

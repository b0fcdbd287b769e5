// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>

#include "controlplane/ops/admin_commands.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

// A reload reads and compiles a configuration; all else answers within a second or so.
constexpr auto kTimeout = std::chrono::seconds(10);
constexpr int kCannotAsk = 2;

struct Socket {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

bool connect_to(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Up to the end of the line; false when it does not come in time.
bool read_line(int fd, Clock::time_point limit, std::string& line) {
  char buffer[65'536];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - Clock::now()).count();
    pollfd polled{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) == 0) return false;
    const ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    line.append(buffer, static_cast<std::size_t>(n));
    if (line.back() == '\n') {
      line.pop_back();
      return true;
    }
  }
}

// The answer as an object, or exit status 1 with the reason on `error`.
int ask_and(const std::string& socket, const json& request, std::ostream& error, json& answer) {
  const auto line = ask_admin(socket, request.dump(), kTimeout);
  if (!line) {
    error << line.error() << "\n";
    return 1;
  }
  answer = json::parse(*line, nullptr, false);
  if (!answer.is_object()) {
    error << "the answer of the running process cannot be read\n";
    return 1;
  }
  if (!answer.contains("error")) return 0;
  error << answer["error"].get<std::string>() << "\n";
  return 1;
}

}  // namespace

std::expected<std::string, std::string> ask_admin(const std::string& socket, std::string_view request,
                                                  std::chrono::milliseconds timeout) {
  const Clock::time_point limit = Clock::now() + timeout;
  const Socket to;
  if (!connect_to(to.fd, socket)) {
    return std::unexpected("nothing answers at " + socket + " (" + std::strerror(errno) +
                           "): is Sallyport running, and is this its admin.socket?");
  }
  std::string line(request);
  line += '\n';
  if (!send_all(to.fd, line)) return std::unexpected("the running process does not take the request");
  std::string answer;
  if (!read_line(to.fd, limit, answer)) return std::unexpected("the running process does not answer");
  return answer;
}

bool can_be_asked(std::string_view what, std::string_view value, std::ostream& error) {
  try {
    static_cast<void>(json(value).dump());
    return true;
  } catch (const json::type_error&) {
    error << "the " << what << " is not UTF-8: it cannot be asked for\n";
    return false;
  }
}

int show(const std::string& socket, const std::string& what, const std::string& id, bool json_wanted,
         std::ostream& out, std::ostream& error) {
  if (!can_be_asked("id", id, error)) return kCannotAsk;
  json request{{"command", "show"}, {"what", what}};
  if (!id.empty()) request["id"] = id;
  json answer;
  if (const int status = ask_and(socket, request, error, answer); status != 0) return status;
  if (json_wanted) {
    out << answer.dump() << "\n";
  } else {
    out << show_text(what, answer);
  }
  return 0;
}

int command(const std::string& socket, const std::string& command, const std::optional<Argument>& argument,
            bool json_wanted, std::ostream& out, std::ostream& error) {
  if (argument && !can_be_asked(argument->name, argument->value, error)) return kCannotAsk;
  json request{{"command", command}};
  if (argument) request[argument->name] = argument->value;
  json answer;
  if (const int status = ask_and(socket, request, error, answer); status != 0) return status;
  if (json_wanted) {
    out << answer.dump() << "\n";
  } else {
    out << answer.value("done", "") << "\n";
  }
  return 0;
}

}  // namespace sallyport::ops

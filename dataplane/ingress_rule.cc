// SPDX-License-Identifier: Apache-2.0
#include "dataplane/ingress_rule.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

extern char** environ;

namespace sallyport::dp {
namespace {

// A file in memory: unlike a pipe it cannot fill up or raise SIGPIPE.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(::memfd_create("sallyport-nft", MFD_CLOEXEC)) {
    if (fd_ < 0) return;
    while (!content.empty()) {
      const ssize_t wrote = ::write(fd_, content.data(), content.size());
      if (wrote <= 0) break;
      content.remove_prefix(static_cast<std::size_t>(wrote));
    }
    ::lseek(fd_, 0, SEEK_SET);
  }
  ~MemoryFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::string first_line() const {
    std::array<char, 256> text{};
    const ssize_t got = ::pread(fd_, text.data(), text.size(), 0);
    std::string_view line(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return std::string(line.substr(0, line.find('\n')));
  }

 private:
  int fd_;
};

// Runs `nft -f -`. Empty: done; else what it said.
std::string run_nft(const std::string& script) {
  const MemoryFile input(script);
  const MemoryFile output("");
  if (input.fd() < 0 || output.fd() < 0) return std::strerror(errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDERR_FILENO);
  std::array<char*, 4> arguments{const_cast<char*>("nft"), const_cast<char*>("-f"), const_cast<char*>("-"),
                                 nullptr};
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, "nft", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return "nft is not installed (package nftables)";
  if (error != 0) return std::string("nft: ") + std::strerror(error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::string("nft: ") + std::strerror(errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string said = output.first_line();
  return said.empty() ? "nft failed" : said;
}

}  // namespace

std::string IngressRule::table_name(const std::string& interface) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name = "sallyport_";
  for (const char c : interface) {
    const auto octet = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      name += c;
    } else {
      name += '_';
      name += kDigits[octet >> 4u];
      name += kDigits[octet & 15u];
    }
  }
  return name;
}

std::string IngressRule::script(const std::string& interface) {
  const std::string table = "table netdev " + table_name(interface);
  // Adding before deleting makes the deletion right whether or not the table is there; all in one
  // transaction.
  return table + "\ndelete " + table + "\n" + table +
         " {\n  chain ingress {\n    type filter hook ingress device \"" + interface +
         "\" priority -500; policy drop;\n    counter\n  }\n}\n";
}

std::expected<IngressRule, std::string> IngressRule::install(const std::string& interface) {
  if (std::string said = run_nft(script(interface)); !said.empty()) return std::unexpected(std::move(said));
  return IngressRule(table_name(interface));
}

IngressRule::IngressRule(IngressRule&& other) noexcept : table_(std::move(other.table_)) {
  other.table_.clear();
}

IngressRule::~IngressRule() {
  if (!table_.empty()) (void)run_nft("delete table netdev " + table_ + "\n");
}

}  // namespace sallyport::dp

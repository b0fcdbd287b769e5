// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The admin socket is a Unix socket of mode 0600 that speaks lines of JSON: one request
// a line, one answer a line, in turn. One thread serves all clients with non-blocking sockets: a client that
// reads slowly keeps its own answer waiting and nobody else's, one that says nothing for long is closed, and
// sizes and numbers are bounded.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace sallyport::ops {

inline constexpr std::size_t kMaxRequestBytes = 4096;
inline constexpr std::size_t kMaxClients = 32;

// One request line without its end to one answer line without its end. Runs on the server's thread.
using AdminHandler = std::function<std::string(std::string_view request)>;

class AdminServer {
 public:
  // Listens; nobody is answered before begin(). A socket file that a dead process left is replaced; one that is served is an error. The error is one
  // sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<AdminServer>, std::string> open(const std::string& path,
                                                                                     AdminHandler handler);
  void begin();
  // Both at once.
  [[nodiscard]] static std::expected<std::unique_ptr<AdminServer>, std::string> start(const std::string& path,
                                                                                      AdminHandler handler);
  // Lets the answer in hand go out, closes all clients and removes the socket file. Not on the server's thread.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

 private:
  AdminServer();
  struct Loop;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace sallyport::ops

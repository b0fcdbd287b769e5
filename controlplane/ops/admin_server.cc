// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/admin_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace sallyport::ops {
namespace {

using Clock = std::chrono::steady_clock;

// A client that neither asks nor reads for that long is closed.
constexpr auto kIdleLimit = std::chrono::seconds(30);

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

struct Client {
  Fd fd;
  std::string in;
  std::string out;
  std::size_t sent = 0;  // octets of `out`
  Clock::time_point last = Clock::now();
  bool closing = false;  // once `out` is sent
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// True when a process answers there.
bool is_served(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// A socket file that nobody serves goes; anything else that stands there stays.
void remove_stale(const std::string& path) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) ::unlink(path.c_str());
}

std::expected<Fd, std::string> listen_at(const std::string& path) {
  const auto fault = [&](const std::string& what) {
    return std::unexpected("admin.socket " + path + ": " + what);
  };
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
    return fault("the path is too long for a socket");
  std::error_code ignored;  // bind says it better
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const sockaddr_un address = address_of(path);
  if (is_served(address)) return fault("another process serves it: is Sallyport running already?");
  remove_stale(path);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Nobody can connect between bind and listen, so the mode is right before anybody can.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 16) != 0) {
    return fault(std::string(std::strerror(errno)) + ": may we write there?");
  }
  return fd;
}

}  // namespace

struct AdminServer::Loop {
  std::string path;
  AdminHandler handler;
  Fd listener;
  Fd wake;
  std::atomic<bool> stop{false};
  std::vector<Client> clients;

  void run() {
    while (!stop.load(std::memory_order_acquire)) turn();
  }

  void turn() {
    std::vector<pollfd> polled{{wake.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
    for (const Client& client : clients) {
      // While an answer waits to be read, no further request is: that bounds what a client may hold.
      polled.push_back({client.fd.get(), static_cast<short>(client.out.empty() ? POLLIN : POLLOUT), 0});
    }
    if (::poll(polled.data(), polled.size(), 1000) < 0 && errno != EINTR) return;
    for (std::size_t i = 0; i + 2 < polled.size(); ++i) {
      if (polled[i + 2].revents != 0) serve(clients[i]);
    }
    const Clock::time_point now = Clock::now();
    std::erase_if(clients, [&](const Client& client) {
      return (client.closing && client.out.empty()) || now - client.last > kIdleLimit;
    });
    if ((polled[1].revents & POLLIN) != 0) accept_clients();
  }

  void accept_clients() {
    for (;;) {
      Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd.get() < 0) return;
      if (clients.size() < kMaxClients) clients.push_back({std::move(fd), {}, {}});
    }
  }

  void serve(Client& client) {
    client.last = Clock::now();
    if (client.out.empty()) read(client);
    answer(client);
    flush(client);
  }

  static void read(Client& client) {
    char buffer[kMaxRequestBytes];
    const ssize_t n = ::recv(client.fd.get(), buffer, sizeof(buffer), 0);
    if (n > 0) {
      client.in.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      client.closing = true;
    }
  }

  void answer(Client& client) {
    for (std::size_t end; client.out.empty() && (end = client.in.find('\n')) != std::string::npos;) {
      const std::string request = client.in.substr(0, end);
      client.in.erase(0, end + 1);
      if (request.size() > kMaxRequestBytes) break;
      client.out = handler(request) + "\n";
      client.sent = 0;
    }
    if (client.out.empty() && client.in.size() > kMaxRequestBytes) {
      client.in.clear();
      client.out = "{\"error\":\"the request is too long\"}\n";
      client.sent = 0;
      client.closing = true;
    }
  }

  void flush(Client& client) {
    while (client.sent < client.out.size()) {
      const ssize_t n = ::send(client.fd.get(), client.out.data() + client.sent,
                               client.out.size() - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        client.closing = true;
        break;
      }
      client.sent += static_cast<std::size_t>(n);
    }
    client.out.clear();
    // Further requests may have come with this one.
    if (!client.closing && client.in.find('\n') != std::string::npos) {
      answer(client);
      if (!client.out.empty()) flush(client);
    }
  }
};

AdminServer::AdminServer() : loop_(std::make_unique<Loop>()) {}

std::expected<std::unique_ptr<AdminServer>, std::string> AdminServer::open(const std::string& path,
                                                                           AdminHandler handler) {
  std::unique_ptr<AdminServer> server(new AdminServer);
  auto listener = listen_at(path);
  if (!listener) return std::unexpected(listener.error());
  Loop& loop = *server->loop_;
  loop.path = path;
  loop.handler = std::move(handler);
  loop.listener = std::move(*listener);
  loop.wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return server;
}

void AdminServer::begin() {
  thread_ = std::thread([this] { loop_->run(); });
}

std::expected<std::unique_ptr<AdminServer>, std::string> AdminServer::start(const std::string& path,
                                                                            AdminHandler handler) {
  auto server = open(path, std::move(handler));
  if (server) (*server)->begin();
  return server;
}

AdminServer::~AdminServer() {
  if (loop_->listener.get() < 0) return;
  if (thread_.joinable()) {
    loop_->stop.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(loop_->wake.get(), &one, sizeof(one)));
    thread_.join();
  }
  ::unlink(loop_->path.c_str());
}

}  // namespace sallyport::ops

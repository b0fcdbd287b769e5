// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/hep_exporter.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/trace/hep.h"

namespace sallyport::ops {
namespace {

constexpr std::size_t kMostBytesAsked = 256 << 10;
constexpr std::chrono::milliseconds kHepTimeout{500};

// Connects `fd`, so that each message is a plain send.
bool connect_socket(int fd, const Endpoint& server) {
  const auto& bytes = server.address.bytes();
  if (server.address.is_v4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    std::memcpy(&to.sin_addr, bytes.data(), 4);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  }
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(server.port);
  std::memcpy(&to.sin6_addr, bytes.data(), 16);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

}  // namespace

struct HepExporter::Loop {
  HepOptions options;
  stats::ShardQuery* shards = nullptr;
  int fd = -1;
  HepCounters* counters = nullptr;
  std::vector<std::uint64_t> sent;  // the last sequence number, by shard
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  std::thread thread;

  void run() {
    if (options.place) options.place();
    for (bool last = false; !last;) {
      {
        std::unique_lock lock(mutex);
        last = wake.wait_for(lock, options.every, [this] { return stop; });
      }
      for (unsigned shard = 0; shard < sent.size(); ++shard) catch_up(shard);
    }
  }

  void catch_up(unsigned shard) {
    for (bool more = true; more;) {
      const std::uint64_t behind = sent[shard];
      const auto slice = stats::ask(*shards, shard, kHepTimeout, [behind](stats::ShardView& view) {
        return view.messages(behind, kMostBytesAsked);
      });
      if (!slice) return;
      for (const trace::Message& message : slice->messages) send(message, shard);
      more = !slice->is_last;
    }
  }

  void send(const trace::Message& message, unsigned shard) {
    counters->overwritten.add(message.sequence - sent[shard] - 1);
    sent[shard] = message.sequence;
    const std::string datagram = trace::hep_datagram(message, options.id, options.password);
    ssize_t done = ::send(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL);
    // An ICMP error of an earlier one is told once, in place of this one's sending.
    if (done < 0 && errno == ECONNREFUSED) done = ::send(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL);
    (done >= 0 ? counters->sent : counters->refused).add();
  }
};

HepExporter::HepExporter() : loop_(std::make_unique<Loop>()) {}

std::expected<std::unique_ptr<HepExporter>, std::string> HepExporter::connect(HepOptions options,
                                                                              HepCounters& counters) {
  std::unique_ptr<HepExporter> exporter(new HepExporter);
  Loop& loop = *exporter->loop_;
  const Endpoint server = options.server;
  loop.fd = ::socket(server.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (loop.fd < 0 || !connect_socket(loop.fd, server)) {
    return std::unexpected("trace.hep: " + server.to_text() + " cannot be reached (" + std::strerror(errno) +
                           "): has this host a route there?");
  }
  loop.options = std::move(options);
  loop.counters = &counters;
  return exporter;
}

void HepExporter::begin(stats::ShardQuery& shards, std::vector<std::uint64_t> behind) {
  Loop& loop = *loop_;
  loop.shards = &shards;
  loop.sent = std::move(behind);
  loop.sent.resize(shards.shards());
  loop.thread = std::thread([&loop] { loop.run(); });
}

std::vector<std::uint64_t> HepExporter::end() {
  if (loop_->thread.joinable()) {
    {
      const std::lock_guard lock(loop_->mutex);
      loop_->stop = true;
    }
    loop_->wake.notify_one();
    loop_->thread.join();
  }
  return loop_->sent;
}

HepExporter::~HepExporter() {
  static_cast<void>(end());
  if (loop_->fd >= 0) ::close(loop_->fd);
}

}  // namespace sallyport::ops

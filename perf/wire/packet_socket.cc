// SPDX-License-Identifier: Apache-2.0
#include "perf/wire/packet_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace sallyport::perf {
namespace {

constexpr std::size_t kSlotBytes = 512, kSlots = 65'536, kBlockBytes = 1 << 16;
constexpr int kSendBuffer = 16 << 20;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Moves the thread into a namespace and back again; a socket stays where it was made.
class Inside {
 public:
  explicit Inside(const std::string& space) {
    if (space.empty()) return;
    home_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there = open(("/run/netns/" + space).c_str(), O_RDONLY | O_CLOEXEC);
    const bool moved = there >= 0 && setns(there, CLONE_NEWNET) == 0;
    if (there >= 0) close(there);
    if (!moved) fail("namespace " + space);
  }
  ~Inside() {
    if (home_ < 0) return;
    if (setns(home_, CLONE_NEWNET) != 0) std::abort();
    close(home_);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  int home_ = -1;
};

int bound_socket(const Place& place, int protocol) {
  const Inside inside(place.space);
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("a packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(static_cast<std::uint16_t>(protocol));
  address.sll_ifindex = static_cast<int>(if_nametoindex(place.device.c_str()));
  if (address.sll_ifindex == 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    fail("interface " + place.device);
  return fd;
}

template <typename T>
void set(int fd, int level, int option, const T& value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) != 0) fail(what);
}

}  // namespace

Place read_place(const std::string& text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos) return {"", text};
  return {text.substr(0, comma), text.substr(comma + 1)};
}

PacketSender::PacketSender(const Place& place) : fd_(bound_socket(place, 0)) {
  set(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer, "SO_SNDBUFFORCE");
}

PacketSender::~PacketSender() {
  close(fd_);
}

std::size_t PacketSender::send(std::span<mmsghdr> frames) {
  const int sent = sendmmsg(fd_, frames.data(), static_cast<unsigned>(frames.size()), 0);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sending");
  return 0;
}

PacketReceiver::PacketReceiver(const Place& place) : fd_(bound_socket(place, ETH_P_ALL)) {
  set(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  set(fd_, SOL_PACKET, PACKET_VERSION, static_cast<int>(TPACKET_V2), "PACKET_VERSION");
  tpacket_req ring{};
  ring.tp_block_size = kBlockBytes;
  ring.tp_frame_size = kSlotBytes;
  ring.tp_frame_nr = kSlots;
  ring.tp_block_nr = kSlots * kSlotBytes / kBlockBytes;
  set(fd_, SOL_PACKET, PACKET_RX_RING, ring, "PACKET_RX_RING");
  void* memory =
      mmap(nullptr, kSlots * kSlotBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, 0);
  if (memory == MAP_FAILED) fail("the ring");
  ring_ = static_cast<std::uint8_t*>(memory);
}

PacketReceiver::~PacketReceiver() {
  munmap(ring_, kSlots * kSlotBytes);
  close(fd_);
}

bool PacketReceiver::front(Frame& frame) const {
  auto* slot = reinterpret_cast<tpacket2_hdr*>(ring_ + next_ * kSlotBytes);
  if ((std::atomic_ref(slot->tp_status).load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return false;
  frame.at = reinterpret_cast<std::uint8_t*>(slot) + slot->tp_mac;
  frame.bytes = slot->tp_snaplen;
  frame.arrived_ns = std::uint64_t{slot->tp_sec} * 1'000'000'000 + slot->tp_nsec;
  return true;
}

void PacketReceiver::pop() {
  auto* slot = reinterpret_cast<tpacket2_hdr*>(ring_ + next_ * kSlotBytes);
  std::atomic_ref(slot->tp_status).store(TP_STATUS_KERNEL, std::memory_order_release);
  next_ = (next_ + 1) % kSlots;
}

std::uint64_t PacketReceiver::overrun() {
  tpacket_stats statistics{};
  socklen_t bytes = sizeof(statistics);
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &statistics, &bytes) == 0)
    overrun_ += statistics.tp_drops;
  return overrun_;
}

}  // namespace sallyport::perf

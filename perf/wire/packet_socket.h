// SPDX-License-Identifier: Apache-2.0
// Raw sockets on an interface of a network namespace: one that sends frames past the queueing discipline, one
// that takes what comes in from a ring shared with the kernel, stamped by it at its arrival.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <sys/socket.h>

namespace sallyport::perf {

struct Place {
  std::string space;  // name of the network namespace; empty: this process's
  std::string device;
};
[[nodiscard]] Place read_place(const std::string& text);  // "NAMESPACE,DEVICE" or "DEVICE"

class PacketSender {
 public:
  explicit PacketSender(const Place& place);  // throws std::runtime_error
  ~PacketSender();
  PacketSender(const PacketSender&) = delete;
  PacketSender& operator=(const PacketSender&) = delete;
  // How many of them the interface has taken.
  std::size_t send(std::span<mmsghdr> frames);

 private:
  int fd_ = -1;
};

class PacketReceiver {
 public:
  explicit PacketReceiver(const Place& place);  // throws std::runtime_error
  ~PacketReceiver();
  PacketReceiver(const PacketReceiver&) = delete;
  PacketReceiver& operator=(const PacketReceiver&) = delete;

  // Calls take(frame, octets, arrival of CLOCK_REALTIME in ns) for all that there is; how many.
  template <typename Take>
  std::size_t poll(Take&& take) {
    std::size_t taken = 0;
    for (Frame frame; front(frame); ++taken) {
      take(frame.at, frame.bytes, frame.arrived_ns);
      pop();
    }
    return taken;
  }
  // What the kernel dropped here because the ring was full: the receiver's fault, nobody else's.
  [[nodiscard]] std::uint64_t overrun();

 private:
  struct Frame {
    const std::uint8_t* at = nullptr;
    std::size_t bytes = 0;
    std::uint64_t arrived_ns = 0;
  };
  [[nodiscard]] bool front(Frame& frame) const;
  void pop();

  int fd_ = -1;
  std::uint8_t* ring_ = nullptr;
  std::size_t next_ = 0;
  std::uint64_t overrun_ = 0;
};

}  // namespace sallyport::perf

// SPDX-License-Identifier: Apache-2.0
// media_load --near [NAMESPACE,]DEVICE --far [NAMESPACE,]DEVICE --streams FILE --rate PPS --seconds S
//            [--warm PACKETS] [--core N]
// Sends RTP of all streams in turn at PPS packets a second in all (0: as fast as it can) and receives what
// is relayed on the other side. Prints what was sent and received, and the delay from one to the other by
// the receiving kernel's clock. --warm: so many packets of each stream before, for latches, not counted.
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "perf/common/series.h"
#include "perf/wire/packet_socket.h"
#include "perf/wire/streams.h"

namespace sallyport::perf {
namespace {

constexpr std::size_t kBurst = 32;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kSettleNs = kSecondNs / 5;  // after the last packet: what is still on its way
constexpr std::uint64_t kWarmPps = 40'000;          // of all streams together, gentle for whoever relays

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs + static_cast<std::uint64_t>(now.tv_nsec);
}

void nap(std::uint64_t ns) {
  const timespec time{0, static_cast<long>(ns)};
  nanosleep(&time, nullptr);
}

// Frames of one side that leave by one system call.
class Batch {
 public:
  explicit Batch(const Place& place) : sender_(place) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      parts_[i] = {frames_[i].data(), kFrameBytes};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  void add(const Stream& stream) {
    frames_[count_++] = stream.frame;
    if (count_ == kBurst) flush();
  }
  void flush() {
    for (std::size_t done = 0; done < count_;)
      done += sender_.send(std::span(messages_).subspan(done, count_ - done));
    count_ = 0;
  }

 private:
  PacketSender sender_;
  std::array<WireFrame, kBurst> frames_{};
  std::array<iovec, kBurst> parts_{};
  std::array<mmsghdr, kBurst> messages_{};
  std::size_t count_ = 0;
};

struct Received {
  std::uint64_t packets = 0;
  std::vector<std::uint32_t> delays_ns;
};

// Takes packets of run 1 from both sides until told to stop.
class Receiver {
 public:
  Receiver(const Place& near, const Place& far) : near_(near), far_(far), thread_([this] { run(); }) {}
  Received finish() {
    stop_ = true;
    thread_.join();
    if (const std::uint64_t lost = near_.overrun() + far_.overrun(); lost != 0)
      throw std::runtime_error("the receiver itself lost " + std::to_string(lost) + " packets");
    return std::move(received_);
  }

 private:
  void run() {
    const auto take = [this](const std::uint8_t* frame, std::size_t bytes, std::uint64_t arrived_ns) {
      Stamp stamp;
      if (!read_stamp(frame, bytes, stamp) || stamp.run != 1) return;
      ++received_.packets;
      const std::uint64_t delay = arrived_ns > stamp.sent_ns ? arrived_ns - stamp.sent_ns : 0;
      received_.delays_ns.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(delay, UINT32_MAX)));
    };
    received_.delays_ns.reserve(1 << 22);
    while (!stop_) {
      if (near_.poll(take) + far_.poll(take) == 0) nap(kSecondNs / 2000);
    }
    near_.poll(take);
    far_.poll(take);
  }

  PacketReceiver near_, far_;
  Received received_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Sent {
  std::uint64_t packets = 0;
  double seconds = 0;
};

class Sender {
 public:
  Sender(const Place& near, const Place& far, std::vector<Stream> streams)
      : near_(near), far_(far), streams_(std::move(streams)) {}

  // `packets` at `pps`, evenly, or as many as `seconds` hold.
  Sent send(std::uint32_t run, std::uint64_t pps, std::uint64_t packets, double seconds) {
    const std::uint64_t start = clock_ns(CLOCK_MONOTONIC);
    const auto most_ns = static_cast<std::uint64_t>(seconds * static_cast<double>(kSecondNs));
    Sent sent;
    for (std::uint64_t now = 0; sent.packets < packets && now < most_ns;) {
      now = clock_ns(CLOCK_MONOTONIC) - start;
      const std::uint64_t due = pps == 0 ? sent.packets + kBurst : now * pps / kSecondNs + 1;
      if (due <= sent.packets) {
        const std::uint64_t wait = (sent.packets * kSecondNs + pps - 1) / pps - now;
        nap(std::clamp<std::uint64_t>(wait, 1'000, kSecondNs / 1000));
        continue;
      }
      const std::uint64_t count =
          std::min<std::uint64_t>({due - sent.packets, kBurst, packets - sent.packets});
      burst(run, count);
      sent.packets += count;
    }
    sent.seconds = static_cast<double>(clock_ns(CLOCK_MONOTONIC) - start) / static_cast<double>(kSecondNs);
    return sent;
  }
  [[nodiscard]] std::size_t streams() const { return streams_.size(); }

 private:
  void burst(std::uint32_t run, std::uint64_t count) {
    const std::uint64_t now = clock_ns(CLOCK_REALTIME);
    for (std::uint64_t i = 0; i < count; ++i) {
      Stream& stream = streams_[next_];
      advance(stream, {run, static_cast<std::uint32_t>(next_), now});
      (stream.side == 0 ? near_ : far_).add(stream);
      next_ = (next_ + 1) % streams_.size();
    }
    near_.flush();
    far_.flush();
  }

  Batch near_, far_;
  std::vector<Stream> streams_;
  std::size_t next_ = 0;
};

double quantile_us(std::vector<std::uint32_t>& delays, double share) {
  if (delays.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(delays.size() - 1));
  std::nth_element(delays.begin(), delays.begin() + static_cast<std::ptrdiff_t>(at), delays.end());
  return delays[at] / 1000.0;
}

void report(const Sent& sent, Received& received) {
  Results results;
  results.add("sent", static_cast<double>(sent.packets));
  results.add("received", static_cast<double>(received.packets));
  results.add("lost", static_cast<double>(sent.packets) - static_cast<double>(received.packets));
  results.add("pps", static_cast<double>(sent.packets) / sent.seconds);
  results.add("seconds", sent.seconds);
  for (const auto& [name, share] : {std::pair{"p50_us", 0.5}, {"p99_us", 0.99}, {"max_us", 1.0}})
    results.add(name, quantile_us(received.delays_ns, share));
  results.print();
}

std::map<std::string, std::string> read_options(int argc, char** argv) {
  std::map<std::string, std::string> options{{"--rate", "5000"}, {"--seconds", "5"}, {"--warm", "0"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  for (const char* needed : {"--near", "--far", "--streams"}) {
    if (!options.contains(needed)) throw std::runtime_error(std::string(needed) + " is missing");
  }
  return options;
}

void pin(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
    throw std::runtime_error("no core " + std::to_string(core));
}

int run(int argc, char** argv) {
  auto options = read_options(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1'000ul, 0, 0, 0);
  if (options.contains("--core")) pin(static_cast<unsigned>(std::stoul(options["--core"])));
  const Place near = read_place(options["--near"]), far = read_place(options["--far"]);
  Sender sender(near, far, read_streams(options["--streams"]));
  sender.send(0, kWarmPps, sender.streams() * std::stoull(options["--warm"]), 3600);
  nap(kSettleNs);
  Receiver receiver(near, far);
  const Sent sent =
      sender.send(1, std::stoull(options["--rate"]), UINT64_MAX, std::stod(options["--seconds"]));
  nap(kSettleNs);
  Received received = receiver.finish();
  report(sent, received);
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  try {
    return sallyport::perf::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "media_load: " << error.what() << "\n";
    return 1;
  }
}

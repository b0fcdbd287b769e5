// SPDX-License-Identifier: Apache-2.0
#include "dataplane/exception.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "dataplane/ingress_rule.h"
#include "dataplane/kernel_link.h"
#include "dataplane/kernel_mirror.h"
#include "dataplane/netlink.h"
#include "dataplane/sysctl.h"
#include "dataplane/tcp_segment.h"

namespace sallyport::dp {
namespace {

constexpr std::size_t kAddressBytes = 12;
constexpr std::size_t kTagBytes = 4;
constexpr std::uint8_t kNoLink = 0xff;
constexpr int kTapFramesATurn = 256;
constexpr int kLongestSleepMs = 1;
// A second in all for new gateways to answer.
constexpr int kGatewayLooks = 50;
constexpr std::chrono::milliseconds kGatewayLook{20};

// The VLAN of a frame, 0: untagged or priority-tagged (802.1Q). `tagged`: there is a tag to take off.
std::uint16_t vlan_of(std::span<const std::byte> frame, bool& tagged) {
  tagged =
      frame.size() >= kAddressBytes + kTagBytes && frame[12] == std::byte{0x81} && frame[13] == std::byte{0};
  if (!tagged) return 0;
  return static_cast<std::uint16_t>((std::to_integer<unsigned>(frame[14]) & 0x0f) << 8 |
                                    std::to_integer<unsigned>(frame[15]));
}

// The links of the realms: one for each port and VLAN that a realm uses.
std::vector<KernelLinkPlan> plan_links(const ExceptionOptions& options,
                                       std::vector<std::uint8_t>& link_of_realm) {
  std::vector<KernelLinkPlan> links;
  for (const ExceptionRealm& realm : options.realms) {
    auto link = std::ranges::find_if(
        links, [&](const KernelLinkPlan& l) { return l.port == realm.port && l.vlan == realm.vlan; });
    if (link == links.end()) {
      const ExceptionPort& port = options.ports[realm.port];
      links.push_back({tap_name(port.name, realm.port, realm.vlan),
                       static_cast<std::uint8_t>(links.size()),
                       realm.port,
                       realm.vlan,
                       port.mac,
                       port.mtu,
                       {},
                       {}});
      link = links.end() - 1;
    }
    link->addresses.insert(link->addresses.end(), realm.addresses.begin(), realm.addresses.end());
    link->gateways.insert(link->gateways.end(), realm.gateways.begin(), realm.gateways.end());
    link_of_realm.push_back(link->link);
  }
  return links;
}

}  // namespace

struct ExceptionPath::Impl {
  explicit Impl(const ExceptionOptions& options)
      : ports(options.ports), connections(std::make_shared<KernelConnections>(options.key)) {
    plans = plan_links(options, link_of_realm);
    table = std::make_unique<NextHopTable>(link_of_realm, options.workers);
    for (unsigned i = 0; i < options.workers; ++i) {
      to_kernel.push_back(std::make_unique<RecordRing>(options.ring_bytes));
    }
    from_kernel = std::make_unique<RecordRing>(options.ring_bytes);
  }
  ~Impl() {
    stop();
    if (wake >= 0) ::close(wake);
    if (poller >= 0) ::close(poller);
  }

  std::expected<void, std::string> set_up();
  std::expected<void, std::string> take_device(const ExceptionPort& port);
  std::expected<void, std::string> watch();
  std::expected<void, std::string> set_gateways(const std::vector<std::vector<IpAddress>>& by_realm);
  void await_gateways(const std::vector<std::vector<IpAddress>>& by_link);
  void begin();
  void stop();
  void run();
  void turn(int ready, const epoll_event* events);
  int drain_workers();
  void to_tap(unsigned port, std::span<const std::byte> frame);
  void from_tap(const KernelLink& link);
  void note_tcp(std::span<const std::byte> frame);

  std::vector<ExceptionPort> ports;
  std::vector<std::uint8_t> link_of_realm;
  std::vector<KernelLinkPlan> plans;

  // The order matters for destruction: taps go first, so that no address of ours is left when the rules that
  // keep the raw devices silent go.
  SysctlKeeper sysctl;
  std::vector<IngressRule> ingress;
  std::unique_ptr<Netlink> netlink;
  std::vector<KernelLink> links;          // with a tap
  std::vector<std::uint8_t> tap_of_link;  // by link: index into links, kNoLink without

  std::unique_ptr<NextHopTable> table;
  std::unique_ptr<KernelMirror> mirror;
  std::shared_ptr<KernelConnections> connections;
  std::vector<std::unique_ptr<RecordRing>> to_kernel;
  std::unique_ptr<RecordRing> from_kernel;
  ExceptionCounters counters;

  int poller = -1;
  int wake = -1;
  std::atomic<bool> stopping{false};
  std::thread thread;
  Nanoseconds now_ns = 0;
};

std::expected<void, std::string> ExceptionPath::Impl::take_device(const ExceptionPort& port) {
  if (port.interface.empty()) return {};
  // The raw device's own link-local address would answer beside the tap's.
  sysctl.change("net/ipv6/conf/" + port.interface + "/disable_ipv6", "1");
  auto rule = IngressRule::install(port.interface);
  if (rule) {
    ingress.push_back(std::move(*rule));
  } else if (port.kernel_gets_copies) {
    return std::unexpected("port " + port.name + ": cannot keep the kernel off " + port.interface +
                           " (nftables): " + rule.error());
  }
  return {};
}

std::expected<void, std::string> ExceptionPath::Impl::set_up() {
  tap_of_link.assign(plans.size(), kNoLink);
  if (std::ranges::none_of(ports, &ExceptionPort::has_kernel)) {
    for (const KernelLinkPlan& plan : plans) table->set_fixed(plan.link, ports[plan.port].fixed_peer);
    return watch();
  }
  netlink = Netlink::open(0);
  if (!netlink) return std::unexpected(std::string("cannot open rtnetlink: ") + std::strerror(errno));
  std::vector<KernelMirror::Link> mirrored(plans.size());
  for (const KernelLinkPlan& plan : plans) {
    if (!ports[plan.port].has_kernel) {
      table->set_fixed(plan.link, ports[plan.port].fixed_peer);
      continue;
    }
    auto link = KernelLink::make(plan, *netlink, sysctl);
    if (!link) return std::unexpected("port " + ports[plan.port].name + ": " + link.error());
    tap_of_link[plan.link] = static_cast<std::uint8_t>(links.size());
    mirrored[plan.link].ifindex = link->tap().ifindex();
    links.push_back(std::move(*link));
  }
  for (const ExceptionPort& port : ports) {
    if (auto taken = take_device(port); !taken) return taken;
  }
  mirror = KernelMirror::start(std::move(mirrored), *table);
  if (!mirror)
    return std::unexpected(std::string("cannot read neighbours and routes: ") + std::strerror(errno));
  return watch();
}

std::expected<void, std::string> ExceptionPath::Impl::watch() {
  poller = ::epoll_create1(EPOLL_CLOEXEC);
  wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const auto add = [this](int fd, std::uint64_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = what;
    return ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  bool good = poller >= 0 && wake >= 0 && add(wake, ~std::uint64_t{0});
  if (mirror) good = good && add(mirror->fd(), ~std::uint64_t{1});
  for (std::size_t i = 0; i < links.size(); ++i) good = good && add(links[i].tap().fd(), i);
  if (!good) return std::unexpected(std::string("cannot watch the taps: ") + std::strerror(errno));
  return {};
}

// The links' requests are this thread's: the exception thread has sockets of its own in the mirror.
std::expected<void, std::string> ExceptionPath::Impl::set_gateways(
    const std::vector<std::vector<IpAddress>>& by_realm) {
  std::vector<std::vector<IpAddress>> wanted(links.size());
  for (std::size_t realm = 0; realm < by_realm.size(); ++realm) {
    const std::uint8_t index = tap_of_link[link_of_realm[realm]];
    if (index == kNoLink) continue;
    wanted[index].insert(wanted[index].end(), by_realm[realm].begin(), by_realm[realm].end());
  }
  await_gateways(wanted);
  std::vector<std::vector<IpAddress>> before;
  for (std::size_t i = 0; i < links.size(); ++i) {
    before.push_back(links[i].gateways());
    const auto done = links[i].set_gateways(wanted[i]);
    if (done) continue;
    for (std::size_t back = 0; back <= i; ++back) (void)links[back].set_gateways(before[back]);
    return std::unexpected("port " + ports[links[i].port()].name + ": " + done.error());
  }
  return {};
}

// One that does not answer is used all the same: the file says so, and it may come up later.
void ExceptionPath::Impl::await_gateways(const std::vector<std::vector<IpAddress>>& by_link) {
  for (int look = 0; look < kGatewayLooks; ++look) {
    bool all = true;
    for (std::size_t i = 0; i < links.size(); ++i) {
      const auto& there = links[i].gateways();
      const unsigned ifindex = links[i].tap().ifindex();
      for (const IpAddress& gateway : by_link[i]) {
        if (std::ranges::find(there, gateway) != there.end()) continue;
        if (netlink->knows_neighbour(ifindex, gateway)) continue;
        if (look == 0) (void)netlink->use_neighbour(ifindex, gateway);
        all = false;
      }
    }
    if (all) return;
    std::this_thread::sleep_for(kGatewayLook);
  }
}

void ExceptionPath::Impl::begin() {
  // Signals are main's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread = std::thread([this] { run(); });
  pthread_setname_np(thread.native_handle(), "sp-kernel");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ExceptionPath::Impl::stop() {
  if (!thread.joinable()) return;
  stopping.store(true);
  const std::uint64_t one = 1;
  (void)!::write(wake, &one, sizeof(one));
  thread.join();
}

void ExceptionPath::Impl::run() {
  std::array<epoll_event, 32> events;
  while (!stopping.load()) {
    const int ready = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), kLongestSleepMs);
    now_ns = monotonic_now_ns();
    turn(ready, events.data());
  }
}

void ExceptionPath::Impl::turn(int ready, const epoll_event* events) {
  for (int i = 0; i < ready; ++i) {
    const std::uint64_t what = events[i].data.u64;
    if (what < links.size()) {
      from_tap(links[what]);
    } else if (what == ~std::uint64_t{1}) {
      mirror->read_events();
    }
  }
  drain_workers();
  if (!mirror) {
    table->drain_requests([](const auto&) {});
    return;
  }
  counters.resolutions.add(mirror->resolve_requests(now_ns));
  counters.probes.add(mirror->probe_used(now_ns));
}

int ExceptionPath::Impl::drain_workers() {
  int done = 0;
  for (auto& ring : to_kernel) {
    for (int i = 0; i < kTapFramesATurn; ++i) {
      const auto record = ring->front();
      if (record.kind == 0) break;
      to_tap(record.kind - 1u, record.bytes);
      ring->pop();
      ++done;
    }
  }
  return done;
}

void ExceptionPath::Impl::to_tap(unsigned port, std::span<const std::byte> frame) {
  bool tagged = false;
  const std::uint16_t vlan = vlan_of(frame, tagged);
  const auto link =
      std::ranges::find_if(links, [&](const KernelLink& l) { return l.port() == port && l.vlan() == vlan; });
  if (link == links.end()) {
    counters.no_tap.add();
  } else if (link->tap().write(frame, tagged)) {
    counters.to_tap.add();
  } else {
    counters.to_tap_failed.add();
  }
}

void ExceptionPath::Impl::note_tcp(std::span<const std::byte> frame) {
  if (const auto tcp = tcp_segment(frame))
    connections->sent(tcp->source, tcp->destination, tcp->flags, now_ns);
}

void ExceptionPath::Impl::from_tap(const KernelLink& link) {
  std::array<std::byte, kTagBytes + kMaxFrameBytes> buffer;
  for (int i = 0; i < kTapFramesATurn; ++i) {
    const std::size_t bytes = link.tap().read({buffer.data() + kTagBytes, kMaxFrameBytes});
    if (bytes < kAddressBytes + 2) return;
    std::span<const std::byte> frame{buffer.data() + kTagBytes, bytes};
    note_tcp(frame);
    if (link.vlan() != 0) {
      std::memmove(buffer.data(), buffer.data() + kTagBytes, kAddressBytes);
      const std::array tag{std::byte{0x81}, std::byte{0}, static_cast<std::byte>(link.vlan() >> 8),
                           static_cast<std::byte>(link.vlan())};
      std::memcpy(buffer.data() + kAddressBytes, tag.data(), tag.size());
      frame = {buffer.data(), bytes + kTagBytes};
    }
    std::byte* to = from_kernel->reserve(static_cast<std::uint16_t>(link.port() + 1), frame.size());
    if (to == nullptr) {
      counters.from_tap_full.add();
      continue;
    }
    std::memcpy(to, frame.data(), frame.size());
    from_kernel->publish();
    counters.from_tap.add();
  }
}

ExceptionPath::ExceptionPath() = default;
ExceptionPath::~ExceptionPath() = default;

std::expected<std::unique_ptr<ExceptionPath>, std::string> ExceptionPath::start(
    const ExceptionOptions& options) {
  std::unique_ptr<ExceptionPath> path(new ExceptionPath());
  path->impl_ = std::make_unique<Impl>(options);
  if (auto done = path->impl_->set_up(); !done) return std::unexpected(done.error());
  path->impl_->begin();
  return path;
}

RecordRing& ExceptionPath::to_kernel(unsigned worker) {
  return *impl_->to_kernel[worker];
}
RecordRing& ExceptionPath::from_kernel() {
  return *impl_->from_kernel;
}
NextHopTable& ExceptionPath::next_hops() {
  return *impl_->table;
}
std::shared_ptr<const KernelConnections> ExceptionPath::connections() const {
  return impl_->connections;
}
const ExceptionCounters& ExceptionPath::counters() const {
  return impl_->counters;
}

std::expected<void, std::string> ExceptionPath::set_gateways(
    const std::vector<std::vector<IpAddress>>& by_realm) {
  return impl_->set_gateways(by_realm);
}

std::string ExceptionPath::tap_of(std::uint16_t realm) const {
  if (realm >= impl_->link_of_realm.size()) return {};
  const std::uint8_t index = impl_->tap_of_link[impl_->link_of_realm[realm]];
  return index == kNoLink ? std::string() : impl_->links[index].tap().name();
}

}  // namespace sallyport::dp

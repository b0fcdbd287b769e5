// SPDX-License-Identifier: Apache-2.0
// The exception path against the real kernel of a network namespace of its own. The test plays worker and
// network: it pushes frames as worker 0 would and reads what the kernel answers. Each test runs on a thread
// that has unshared its namespace, which ends with the thread.
#include "dataplane/exception.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <thread>

#include "dataplane/netlink.h"
#include "dataplane/sysctl.h"
#include "dataplane/tcp_segment.h"

namespace sallyport::dp {
namespace {

constexpr MacAddress kOurs{2, 0, 0, 0, 0, 1};
constexpr MacAddress kPeer{2, 0, 0, 0, 0, 9};

using Frame = std::vector<std::uint8_t>;

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

void append(Frame& frame, std::initializer_list<int> octets) {
  for (const int octet : octets) frame.push_back(static_cast<std::uint8_t>(octet));
}
void append(Frame& frame, const MacAddress& mac) {
  frame.insert(frame.end(), mac.begin(), mac.end());
}
void append(Frame& frame, const IpAddress& address) {
  frame.insert(frame.end(), address.bytes().begin(), address.bytes().begin() + (address.is_v4() ? 4 : 16));
}

std::uint16_t checksum(std::span<const std::uint8_t> octets, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < octets.size(); ++i) sum += i % 2 == 0 ? octets[i] << 8 : octets[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

Frame arp(int operation, const MacAddress& to, const IpAddress& sender, const IpAddress& target,
          std::uint16_t vlan = 0) {
  Frame frame;
  append(frame, to);
  append(frame, kPeer);
  if (vlan != 0) append(frame, {0x81, 0, vlan >> 8, vlan & 0xff});
  append(frame, {8, 6, 0, 1, 8, 0, 6, 4, 0, operation});
  append(frame, kPeer);
  append(frame, sender);
  append(frame, operation == 1 ? MacAddress{} : kOurs);
  append(frame, target);
  return frame;
}

// An ICMPv6 message (checksum filled in) from the peer.
Frame icmp6(const MacAddress& to, const IpAddress& source, const IpAddress& destination, Frame message) {
  Frame pseudo;
  append(pseudo, source);
  append(pseudo, destination);
  append(pseudo, {0, 0, 0, static_cast<int>(message.size()), 0, 0, 0, 58});
  pseudo.insert(pseudo.end(), message.begin(), message.end());
  const std::uint16_t sum = checksum(pseudo);
  message[2] = static_cast<std::uint8_t>(sum >> 8);
  message[3] = static_cast<std::uint8_t>(sum);
  Frame frame;
  append(frame, to);
  append(frame, kPeer);
  append(frame, {0x86, 0xdd, 0x60, 0, 0, 0, 0, static_cast<int>(message.size()), 58, 255});
  append(frame, source);
  append(frame, destination);
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

Frame neighbour_solicitation(const IpAddress& source, const IpAddress& target) {
  Frame message;
  append(message, {135, 0, 0, 0, 0, 0, 0, 0});
  append(message, target);
  append(message, {1, 1});
  append(message, kPeer);
  std::array<std::uint8_t, 16> group = ip("ff02::1:ff00:0").bytes();
  std::copy_n(target.bytes().begin() + 13, 3, group.begin() + 13);
  const MacAddress to{0x33, 0x33, group[12], group[13], group[14], group[15]};
  return icmp6(to, source, IpAddress::from_bytes(Family::v6, group.data()), message);
}

Frame tcp(const Endpoint& source, const Endpoint& destination, int flags) {
  Frame segment;
  append(segment, {source.port >> 8, source.port & 0xff, destination.port >> 8, destination.port & 0xff});
  append(segment, {0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0});
  Frame pseudo;
  append(pseudo, source.address);
  append(pseudo, destination.address);
  append(pseudo, {0, 6, 0, 20});
  pseudo.insert(pseudo.end(), segment.begin(), segment.end());
  const std::uint16_t sum = checksum(pseudo);
  segment[16] = static_cast<std::uint8_t>(sum >> 8);
  segment[17] = static_cast<std::uint8_t>(sum);
  Frame header;
  append(header, {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0});
  append(header, source.address);
  append(header, destination.address);
  const std::uint16_t header_sum = checksum(header);
  header[10] = static_cast<std::uint8_t>(header_sum >> 8);
  header[11] = static_cast<std::uint8_t>(header_sum);
  Frame frame;
  append(frame, kOurs);
  append(frame, kPeer);
  append(frame, {8, 0});
  frame.insert(frame.end(), header.begin(), header.end());
  frame.insert(frame.end(), segment.begin(), segment.end());
  return frame;
}

bool is_arp(const Frame& frame, int operation, std::size_t at = 12) {
  return frame.size() >= at + 30 && frame[at] == 8 && frame[at + 1] == 6 && frame[at + 9] == operation;
}
bool is_icmp6(const Frame& frame, int type) {
  return frame.size() >= 62 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 58 && frame[54] == type;
}

// Waits in real time for the kernel, a few seconds at most: the only thing here that a fake clock cannot
// move.
bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 5'000; ++i) {
    if (holds()) return true;
    ::usleep(1'000);
  }
  return false;
}

struct Network {
  ExceptionOptions options;
  std::unique_ptr<ExceptionPath> path;
  Netlink& netlink() {
    if (!netlink_) netlink_ = Netlink::open(0);
    return *netlink_;
  }

  Network() {
    options.ports.push_back({"access", kOurs, 1500, "", false, true});
    options.realms.push_back({0, 0, {*Prefix::parse("192.0.2.1/24"), *Prefix::parse("2001:db8::1/64")}, {}});
    options.realms.push_back({0, 100, {*Prefix::parse("198.51.100.1/24")}, {ip("198.51.100.254")}});
    options.key = {3, 4};
  }
  void start() {
    auto started = ExceptionPath::start(options);
    ASSERT_TRUE(started.has_value()) << started.error();
    path = std::move(*started);
  }
  void send(const Frame& frame, unsigned port = 0) {
    auto& ring = path->to_kernel(0);
    std::byte* to = ring.reserve(static_cast<std::uint16_t>(port + 1), frame.size());
    ASSERT_NE(to, nullptr);
    std::memcpy(to, frame.data(), frame.size());
    ring.publish();
  }
  // The next frame that the kernel has sent, empty when there is none yet.
  Frame poll() {
    auto& ring = path->from_kernel();
    const auto record = ring.front();
    if (record.kind == 0) return {};
    const auto* octets = reinterpret_cast<const std::uint8_t*>(record.bytes.data());
    Frame frame(octets, octets + record.bytes.size());
    ring.pop();
    return frame;
  }
  // The first frame that is wanted; others are passed over. Empty: none came in seconds.
  Frame receive(const std::function<bool(const Frame&)>& wanted) {
    Frame found;
    eventually([&] {
      for (Frame frame = poll(); !frame.empty() && found.empty(); frame = poll()) {
        if (wanted(frame)) found = frame;
      }
      return !found.empty();
    });
    return found;
  }
  NextHop lookup(std::uint16_t realm, std::string_view address) {
    return path->next_hops().lookup(realm, ip(address), monotonic_now_ns());
  }

 private:
  std::unique_ptr<Netlink> netlink_;
};

void in_namespace(const std::function<void()>& body) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: taps and network namespaces";
  if (::access("/dev/net/tun", R_OK) != 0) GTEST_SKIP() << "needs /dev/net/tun";
  std::thread([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    body();
  }).join();
}

void with_network(const std::function<void(Network&)>& body) {
  in_namespace([&] {
    Network network;
    network.start();
    if (network.path) body(network);
  });
}

TEST(ExceptionPath, the_kernel_answers_arp_once_with_the_ports_mac) {
  with_network([](Network& net) {
    net.send(arp(1, {255, 255, 255, 255, 255, 255}, ip("192.0.2.10"), ip("192.0.2.1")));
    const Frame reply = net.receive([](const Frame& f) { return is_arp(f, 2); });
    ASSERT_FALSE(reply.empty());
    EXPECT_TRUE(std::equal(kOurs.begin(), kOurs.end(), reply.begin() + 6));
    EXPECT_TRUE(std::equal(kOurs.begin(), kOurs.end(), reply.begin() + 22));
    // Another tap's address is not answered (arp_ignore). The advertisement that ends the count was asked for
    // last.
    net.send(arp(1, {255, 255, 255, 255, 255, 255}, ip("192.0.2.10"), ip("198.51.100.1")));
    net.send(neighbour_solicitation(ip("2001:db8::9"), ip("2001:db8::1")));
    int replies = 0;
    EXPECT_FALSE(net.receive([&](const Frame& f) {
                      replies += is_arp(f, 2) ? 1 : 0;
                      return is_icmp6(f, 136);
                    })
                     .empty());
    EXPECT_EQ(replies, 0);
  });
}

TEST(ExceptionPath, vlan_tags_are_taken_off_and_put_on) {
  with_network([](Network& net) {
    EXPECT_EQ(net.path->tap_of(0), "sp-access");
    EXPECT_EQ(net.path->tap_of(1), "sp-access.100");
    net.send(arp(1, {255, 255, 255, 255, 255, 255}, ip("198.51.100.9"), ip("198.51.100.1"), 100));
    const Frame reply = net.receive([](const Frame& f) { return is_arp(f, 2, 16); });
    ASSERT_FALSE(reply.empty());
    EXPECT_EQ((std::vector<int>(reply.begin() + 12, reply.begin() + 16)),
              (std::vector<int>{0x81, 0, 0, 100}));
    net.send(arp(1, {255, 255, 255, 255, 255, 255}, ip("198.51.100.9"), ip("198.51.100.1"), 101));
    EXPECT_TRUE(eventually([&] { return net.path->counters().no_tap.get() == 1; }));
  });
}

TEST(ExceptionPath, the_kernel_answers_neighbour_solicitation_and_ping_over_ipv6) {
  with_network([](Network& net) {
    net.send(neighbour_solicitation(ip("2001:db8::9"), ip("2001:db8::1")));
    const Frame advertisement = net.receive([](const Frame& f) { return is_icmp6(f, 136); });
    ASSERT_FALSE(advertisement.empty());
    EXPECT_TRUE(std::equal(kOurs.begin(), kOurs.end(), advertisement.begin() + 6));
    net.send(icmp6(kOurs, ip("2001:db8::9"), ip("2001:db8::1"), {128, 0, 0, 0, 0, 1, 0, 1}));
    EXPECT_FALSE(net.receive([](const Frame& f) { return is_icmp6(f, 129); }).empty());
  });
}

TEST(ExceptionPath, a_request_has_the_kernel_resolve_and_the_answer_reaches_the_workers) {
  with_network([](Network& net) {
    EXPECT_EQ(net.lookup(0, "192.0.2.10").state, NextHopState::unresolved);
    net.path->next_hops().request(0, 0, ip("192.0.2.10"));
    ASSERT_FALSE(net.receive([](const Frame& f) { return is_arp(f, 1); }).empty());
    net.send(arp(2, kOurs, ip("192.0.2.10"), ip("192.0.2.1")));
    ASSERT_TRUE(eventually([&] { return net.lookup(0, "192.0.2.10").state == NextHopState::ready; }));
    EXPECT_EQ(net.lookup(0, "192.0.2.10").mac, kPeer);
    EXPECT_EQ(net.path->counters().resolutions.get(), 1u);
  });
}

TEST(ExceptionPath, ipv6_neighbours_resolve_too) {
  with_network([](Network& net) {
    EXPECT_EQ(net.lookup(0, "2001:db8::9").state, NextHopState::unresolved);
    net.path->next_hops().request(0, 0, ip("2001:db8::9"));
    const Frame asked = net.receive([](const Frame& f) { return is_icmp6(f, 135); });
    ASSERT_FALSE(asked.empty());
    Frame message;
    append(message, {136, 0, 0, 0, 0x60, 0, 0, 0});
    append(message, ip("2001:db8::9"));
    append(message, {2, 1});
    append(message, kPeer);
    net.send(icmp6(kOurs, ip("2001:db8::9"), IpAddress::from_bytes(Family::v6, asked.data() + 22), message));
    ASSERT_TRUE(eventually([&] { return net.lookup(0, "2001:db8::9").state == NextHopState::ready; }));
    EXPECT_EQ(net.lookup(0, "2001:db8::9").mac, kPeer);
  });
}

TEST(ExceptionPath, gateways_of_the_realm_and_routes_of_the_operator_are_mirrored) {
  with_network([](Network& net) {
    const NextHop through = net.lookup(1, "203.0.113.5");
    EXPECT_EQ(through.state, NextHopState::unresolved);
    EXPECT_EQ(through.neighbour, ip("198.51.100.254"));
    EXPECT_EQ(net.lookup(0, "203.0.113.5").state, NextHopState::no_route);
    ASSERT_EQ(net.netlink().add_default_route(::if_nametoindex("sp-access"), ip("192.0.2.77"), 254, 1), 0);
    EXPECT_TRUE(eventually([&] { return net.lookup(0, "203.0.113.5").neighbour == ip("192.0.2.77"); }));
  });
}

// A new one is resolved before a route leads to it; it comes before the former one goes.
TEST(ExceptionPath, gateways_change_while_it_runs) {
  with_network([](Network& net) {
    ASSERT_EQ(std::system("ip neigh replace 198.51.100.253 lladdr 02:00:00:00:00:09 nud permanent dev "
                          "sp-access.100"),
              0);
    const auto rules = [] { return std::system("ip rule | grep -q 'from 192.0.2.1 '") == 0; };
    EXPECT_FALSE(rules());
    ASSERT_TRUE(net.path->set_gateways({{ip("192.0.2.7")}, {ip("198.51.100.253"), ip("198.51.100.254")}}));
    EXPECT_TRUE(rules());
    EXPECT_TRUE(eventually([&] { return net.lookup(1, "203.0.113.5").neighbour == ip("198.51.100.253"); }));
    EXPECT_EQ(net.lookup(1, "203.0.113.5").mac, kPeer);
    EXPECT_TRUE(eventually([&] { return net.lookup(0, "203.0.113.5").neighbour == ip("192.0.2.7"); }));
    // The order is the preference.
    ASSERT_TRUE(net.path->set_gateways({{}, {ip("198.51.100.254"), ip("198.51.100.253")}}));
    EXPECT_FALSE(rules());
    EXPECT_TRUE(eventually([&] { return net.lookup(1, "203.0.113.5").neighbour == ip("198.51.100.254"); }));
    EXPECT_TRUE(eventually([&] { return net.lookup(0, "203.0.113.5").state == NextHopState::no_route; }));
    EXPECT_EQ(std::system("[ $(ip route show table all dev sp-access.100 | grep -c '^default') = 2 ]"), 0);
  });
}

TEST(ExceptionPath, gateways_that_the_kernel_refuses_leave_the_former_ones) {
  with_network([](Network& net) {
    const auto done = net.path->set_gateways({{ip("192.0.2.7")}, {ip("203.0.113.1")}});
    ASSERT_FALSE(done.has_value());
    EXPECT_THAT(done.error(),
                ::testing::HasSubstr("cannot use the gateway 203.0.113.1 on the tap sp-access.100"));
    EXPECT_EQ(std::system("! ip rule | grep -q 'from 192.0.2.1 '"), 0);
    EXPECT_EQ(std::system("! ip route show table all | grep -q 192.0.2.7"), 0);
    EXPECT_EQ(net.lookup(1, "203.0.113.5").neighbour, ip("198.51.100.254"));
  });
}

TEST(ExceptionPath, a_used_neighbour_is_probed_when_stale_and_forgotten_when_it_fails) {
  with_network([](Network& net) {
    SysctlKeeper().set("net/ipv4/neigh/sp-access/retrans_time_ms", "100");
    const std::string stale = "ip neigh replace 192.0.2.10 lladdr 02:00:00:00:00:09 nud stale dev sp-access";
    ASSERT_EQ(std::system(stale.c_str()), 0);
    ASSERT_TRUE(eventually([&] { return net.lookup(0, "192.0.2.10").state == NextHopState::ready; }));
    // The kernel hears nothing of our traffic and yet asks (unicast), because a worker uses the entry.
    bool asked = false;
    EXPECT_TRUE(eventually([&] {
      EXPECT_EQ(net.lookup(0, "192.0.2.10").state, NextHopState::ready) << "a stale MAC stays in use";
      const Frame probe = net.poll();
      asked = is_arp(probe, 1) && std::equal(kPeer.begin(), kPeer.end(), probe.begin());
      return asked;
    }));
    EXPECT_GE(net.path->counters().probes.get(), 1u);
    // Unanswered, it fails, and workers stop sending there.
    EXPECT_TRUE(eventually([&] { return net.lookup(0, "192.0.2.10").state == NextHopState::unresolved; }));
  });
}

TEST(ExceptionPath, connections_that_the_kernel_opens_are_known_to_the_gate) {
  with_network([](Network& net) {
    net.path->next_hops().request(0, 0, ip("192.0.2.10"));
    ASSERT_FALSE(net.receive([](const Frame& f) { return is_arp(f, 1); }).empty());
    net.send(arp(2, kOurs, ip("192.0.2.10"), ip("192.0.2.1")));
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(5060);
    to.sin_addr.s_addr = htonl(ip("192.0.2.10").v4_host_order());
    EXPECT_LT(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    const Frame syn =
        net.receive([](const Frame& f) { return f.size() >= 54 && f[12] == 8 && f[13] == 0 && f[23] == 6; });
    ASSERT_FALSE(syn.empty());
    const auto segment = tcp_segment(std::as_bytes(std::span(syn)));
    ASSERT_TRUE(segment.has_value());
    EXPECT_TRUE(net.path->connections()->holds(segment->source, segment->destination, monotonic_now_ns()));
    // No offload left the checksum half done.
    Frame pseudo;
    append(pseudo, segment->source.address);
    append(pseudo, segment->destination.address);
    append(pseudo, {0, 6, 0, static_cast<int>(syn.size() - 34)});
    pseudo.insert(pseudo.end(), syn.begin() + 34, syn.end());
    EXPECT_EQ(checksum(pseudo), 0);
    ::close(fd);
  });
}

TEST(ExceptionPath, a_listener_answers_one_syn_with_one_syn_ack) {
  with_network([](Network& net) {
    net.send(arp(1, kOurs, ip("192.0.2.10"), ip("192.0.2.1")));  // so the kernel knows the peer's MAC
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(5060);
    at.sin_addr.s_addr = htonl(ip("192.0.2.1").v4_host_order());
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    ASSERT_EQ(::listen(fd, 4), 0);
    net.send(tcp(*Endpoint::parse("192.0.2.10:30000"), *Endpoint::parse("192.0.2.1:5060"), 2));
    const auto answer = [](const Frame& f) { return f.size() >= 54 && f[23] == 6 && f[47] == 0x12; };
    EXPECT_FALSE(net.receive(answer).empty());
    ::close(fd);
  });
}

TEST(ExceptionPath, leaves_nothing_behind) {
  in_namespace([] {
    SysctlKeeper sysctl;
    ASSERT_EQ(std::system("ip link add raw0 type veth peer name raw1 && ip link set raw0 up"), 0);
    const auto left = [] {
      return std::system(
          "[ -z \"$(nft list ruleset)\" ] && [ -z \"$(ip rule show | grep -E ^50[56])\" ] && "
          "! ip link show sp-access >/dev/null 2>&1");
    };
    Network net;
    net.options.ports[0].interface = "raw0";
    net.options.ports[0].kernel_gets_copies = true;
    for (int round = 0; round < 2; ++round) {
      net.start();
      ASSERT_TRUE(net.path);
      EXPECT_NE(left(), 0);
      EXPECT_EQ(sysctl.get("net/ipv6/conf/raw0/disable_ipv6"), "1");
      net.path.reset();
      EXPECT_EQ(left(), 0);
      EXPECT_EQ(sysctl.get("net/ipv6/conf/raw0/disable_ipv6"), "0");
    }
    // A start that fails half-way leaves as little.
    net.options.realms[1].gateways = {ip("203.0.113.1")};
    const auto failed = ExceptionPath::start(net.options);
    ASSERT_FALSE(failed.has_value());
    EXPECT_THAT(failed.error(),
                ::testing::HasSubstr("cannot use the gateway 203.0.113.1 on the tap sp-access.100"));
    EXPECT_EQ(left(), 0);
  });
}

TEST(ExceptionPath, a_second_one_under_the_same_name_is_refused) {
  with_network([](Network& net) {
    const auto second = ExceptionPath::start(net.options);
    ASSERT_FALSE(second.has_value());
    EXPECT_THAT(second.error(), ::testing::HasSubstr("port access: the tap sp-access is in use"));
  });
}

TEST(ExceptionPath, a_port_without_a_kernel_needs_no_privilege) {
  ExceptionOptions options;
  options.ports.push_back({"ring", kOurs, 1500, "", false, false});
  options.realms.push_back({0, 0, {*Prefix::parse("192.0.2.1/24")}, {}});
  auto path = ExceptionPath::start(options);
  ASSERT_TRUE(path.has_value()) << path.error();
  EXPECT_EQ((*path)->next_hops().lookup(0, ip("203.0.113.1"), 0).mac, options.ports[0].fixed_peer);
  EXPECT_TRUE((*path)->tap_of(0).empty());
}

}  // namespace
}  // namespace sallyport::dp

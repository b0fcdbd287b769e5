// SPDX-License-Identifier: Apache-2.0
// The dataplane as a whole. EAL starts once a process, so each test runs in a process of its own: gtest's
// "threadsafe" death test starts this binary anew for it. The tests over real interfaces make network
// namespaces called dpx-..., need root, and judge by what a capture in the peer's namespace saw.
#include "dataplane/dataplane.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "dataplane/eal.h"

namespace sallyport::dp {
namespace {

// In the child: says what failed and ends it.
void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "REQUIRED: %s\n", what.c_str());
  std::fflush(stderr);
  ::_exit(1);
}

#define IN_A_PROCESS_OF_ITS_OWN(body)               \
  do {                                              \
    GTEST_FLAG_SET(death_test_style, "threadsafe"); \
    EXPECT_EXIT(                                    \
        {                                           \
          body;                                     \
          std::_Exit(0);                            \
        },                                          \
        ::testing::ExitedWithCode(0), "");          \
  } while (false)

RealmOptions realm(const char* name, std::uint8_t port, std::vector<const char*> addresses) {
  RealmOptions options;
  options.name = name;
  options.port = port;
  for (const char* address : addresses) options.addresses.push_back(*Prefix::parse(address));
  options.sip_udp = 5060;
  options.sip_tcp = 5060;
  options.media_first = 20000;
  options.media_last = 20099;
  return options;
}

DataplaneOptions over(const std::string& access, Memory memory) {
  DataplaneOptions options;
  options.cores = {allowed_cores().back()};
  options.memory = memory;
  options.ports = {{"access", access}};
  options.realms = {realm("access", 0, {"198.51.100.1/24", "2001:db8:1::1/64"})};
  options.key = steer::random_node_key();
  return options;
}

std::string fault_of(const DataplaneOptions& options) {
  const auto started = Dataplane::start(options);
  return started ? "it started" : started.error();
}

TEST(Dataplane, runs_over_null_devices_without_privilege_and_starts_a_second_time) {
  IN_A_PROCESS_OF_ITS_OWN({
    if (::geteuid() == 0) require(::setresuid(65534, 65534, 65534) == 0, "setresuid");
    auto options = over("net_null", Memory::ordinary);
    options.shards = 2;
    const auto before = allowed_cores();
    for (int round = 0; round < 2; ++round) {
      auto started = Dataplane::start(options);
      require(started.has_value(), started ? "" : started.error());
      Dataplane& dataplane = **started;
      require(dataplane.workers() == 1 && dataplane.memory_in_use() == "ordinary",
              "one worker, ordinary memory");
      require(dataplane.media().size() == 2 && dataplane.media()[1].slot_base == 100, "the media layout");
      require(dataplane.commands(1, 0).empty() && dataplane.events(0, 1).empty(), "rings of both shards");
      require(before.size() == 1 || allowed_cores() == cores_left(before, options.cores),
              "main is off the worker's core");
      dataplane.kick(0);
      while (dataplane.counters(0).total_cycles.get() == 0) ::usleep(1000);
      require(dataplane.load().size() == 1 && dataplane.nic_losses().size() == 3, "figures for ops");
      require(dataplane.flows(10).empty(), "no flows");
    }
    require(allowed_cores() == before, "the thread's own affinity comes back");
  });
}

// The null device hashes, by source and destination only, and takes no rules.
void two_workers_over_null_devices(Notices tell = {}) {
  auto options = over("net_null", Memory::ordinary);
  options.cores = {allowed_cores()[0], allowed_cores()[1]};
  options.tell = std::move(tell);
  auto started = Dataplane::start(options);
  require(started.has_value(), started ? "" : started.error());
  const auto ports = (*started)->ports();
  require(ports.size() == 1 && ports[0].steering == Steering::hash && ports[0].rules == 0, "by hash");
  require(!ports[0].interrupts && !ports[0].receives_checksums, "a device without help");
  for (const MediaRange& range : (*started)->media())
    require(range.owners == nullptr, "pairs are dealt in turn");
  require((*started)->load().size() == 2, "two cores");
  started->reset();
  std::_Exit(0);
}

TEST(Dataplane, several_workers_say_how_their_media_comes_to_them) {
  if (allowed_cores().size() < 2) GTEST_SKIP() << "needs two cores";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(two_workers_over_null_devices(), ::testing::ExitedWithCode(0),
              "port access: no rules that bring media to its worker: the device refuses them .*\n"
              ".*port access: no hash of the destination alone: the device has none");
}

TEST(Dataplane, what_has_to_be_known_is_told_to_who_asks_for_it) {
  if (allowed_cores().size() < 2) GTEST_SKIP() << "needs two cores";
  const Notices tell = [](std::string_view from, std::string_view notice) {
    std::fprintf(stderr, "TOLD %s, %s\n", std::string(from).c_str(), std::string(notice).c_str());
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(two_workers_over_null_devices(tell), ::testing::ExitedWithCode(0),
              "TOLD dataplane, port access: no rules that bring media to its worker");
}

TEST(Dataplane, faults_are_sentences_that_say_what_to_do) {
  IN_A_PROCESS_OF_ITS_OWN({
    const auto says = [](const DataplaneOptions& options, const std::string& what) {
      const std::string fault = fault_of(options);
      require(fault.find(what) != std::string::npos, fault + " -- should say: " + what);
    };
    auto options = over("net_af_packet,iface=nosuch0", Memory::ordinary);
    says(options, "port access: there is no network interface nosuch0 here: create it");
    options = over("net_af_xdp,iface=nosuch0", Memory::ordinary);
    says(options, "memory: ordinary does not go with net_af_xdp");
    options = over("net_null", Memory::ordinary);
    options.cores = {900};
    says(options, "dataplane.cores: core 900 is not present");
    options = over("net_nosuchdriver", Memory::ordinary);
    says(options, "port access: DPDK cannot make the device net_nosuchdriver0");
    options = over("0000:ff:1f.7", Memory::ordinary);
    says(options, "port access: there is no DPDK device 0000:ff:1f.7: bind it with 'dpdk-devbind.py");
    options = over("net_null", Memory::ordinary);
    says(options, "it started");
  });
}

TEST(Dataplane, does_not_take_an_interface_without_privilege) {
  IN_A_PROCESS_OF_ITS_OWN({
    if (::geteuid() == 0) require(::setresuid(65534, 65534, 65534) == 0, "setresuid");
    const std::string fault = fault_of(over("net_af_packet,iface=lo", Memory::ordinary));
    require(
        fault == "port access: no privilege to take lo: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW",
        fault);
  });
}

// ---- over real interfaces
// ------------------------------------------------------------------------------------

int shell(const std::string& command) {
  const int status = std::system(("{ " + command + "; } >/dev/null 2>&1 </dev/null").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A peer, a wire, and the namespace in which Sallyport runs; the calling process is moved into the latter.
class Wire {
 public:
  explicit Wire(const std::string& tag) : sbc_("dpx-sbc-" + tag), peer_("dpx-peer-" + tag) {
    remove();
    require(shell("ip netns add " + sbc_ + " && ip netns add " + peer_ + " && ip link add access0 netns " +
                  sbc_ + " type veth peer name peer0 netns " + peer_ + " && ip -n " + peer_ +
                  " addr add 198.51.100.20/24 dev peer0 && ip -n " + peer_ +
                  " addr add 2001:db8:1::20/64 dev peer0 nodad && ip -n " + peer_ +
                  " link set lo up && ip -n " + peer_ + " link set peer0 up && ip -n " + sbc_ +
                  " link set lo up && ip netns exec " + peer_ + " ethtool -K peer0 tx off") == 0,
            "the namespaces");
    enter(sbc_);
  }
  ~Wire() { remove(); }
  int in_peer(const std::string& command) const { return shell("ip netns exec " + peer_ + " " + command); }
  void as_peer(const std::function<void()>& body) const {
    std::thread([&] {
      enter(peer_);
      body();
    }).join();
  }
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  static void enter(const std::string& name) {
    const int fd = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    require(fd >= 0 && ::setns(fd, CLONE_NEWNET) == 0, "setns");
    ::close(fd);
  }
  void remove() const { shell("ip netns del " + sbc_ + "; ip netns del " + peer_); }
  std::string sbc_;
  std::string peer_;
};

// In the parent, when the child may have died before it could.
void clear_wire(const std::string& tag) {
  const std::string name = tag + std::to_string(::getpid());
  shell("ip netns del dpx-sbc-" + name + "; ip netns del dpx-peer-" + name);
}

// What went over the wire, seen from the peer.
class Capture {
 public:
  explicit Capture(const Wire& wire) : file_("/tmp/dpx-" + std::to_string(::getpid()) + ".pcap") {
    child_ = ::fork();
    if (child_ == 0) {
      // It ends with us however we end, and holds none of our pipes open.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int null = ::open("/dev/null", O_RDWR);
      ::dup2(null, 1);
      ::dup2(null, 2);
      ::closefrom(3);
      ::execlp("ip", "ip", "netns", "exec", wire.peer().c_str(), "tcpdump", "-Z", "root", "-U",
               "--immediate-mode", "-i", "peer0", "-w", file_.c_str(), nullptr);
      ::_exit(127);
    }
    const auto begun = [this] {
      std::error_code none;
      return std::filesystem::exists(file_, none) && std::filesystem::file_size(file_, none) >= 24;
    };
    for (int i = 0; i < 5'000 && !begun(); ++i) ::usleep(1'000);
    require(begun(), "tcpdump listens");
  }
  void end() {
    ::kill(child_, SIGINT);
    int status = 0;
    ::waitpid(child_, &status, 0);
  }
  ~Capture() { std::filesystem::remove(file_); }
  [[nodiscard]] int count(const std::string& filter) const {
    FILE* pipe = ::popen(("tcpdump -n -r " + file_ + " '" + filter + "' 2>/dev/null | wc -l").c_str(), "r");
    int lines = -1;
    (void)!std::fscanf(pipe, "%d", &lines);
    ::pclose(pipe);
    return lines;
  }

 private:
  std::string file_;
  pid_t child_ = -1;
};

sockaddr_in socket_address(const char* address, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &at.sin_addr);
  return at;
}

int listen_on(const char* address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in at = socket_address(address, port);
  require(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0 && ::listen(fd, 8) == 0,
          "a listener");
  return fd;
}

// From the calling thread's namespace; the answer has to pass the gate.
bool connects(const char* address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_in to = socket_address(address, port);
  (void)!::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  pollfd waited{fd, POLLOUT, 0};
  int error = -1;
  socklen_t size = sizeof(error);
  const bool answered = ::poll(&waited, 1, 5'000) == 1;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  ::close(fd);
  return answered && error == 0;
}

// received = relayed + sip + kernel + drops, at rest.
void require_law(const Dataplane& dataplane) {
  const PortCounters& port = dataplane.counters(0).ports[0];
  std::uint64_t ended = 0;
  for (int i = 0; i < 2'000; ++i) {
    ended = port.relayed.get() + port.sip.get() + port.kernel.get();
    for (const Counter& drop : port.drops) ended += drop.get();
    if (ended == port.received_packets.get()) return;
    ::usleep(1'000);
  }
  require(false, "the law: received " + std::to_string(port.received_packets.get()) + ", ended " +
                     std::to_string(ended));
}

void kernel_answers_once(const std::string& device, Memory memory, const std::string& tag) {
  Wire wire(tag + std::to_string(::getppid()));
  const std::string peer_works = "bash -c 'exec 3<>/dev/tcp/198.51.100.1/5060'";
  auto started = Dataplane::start(over(device, memory));
  require(started.has_value(), started ? "" : started.error());
  const int listener = listen_on("198.51.100.1", 5060);
  Capture capture(wire);
  require(wire.in_peer("ping -c 3 -i 0.2 -W 2 198.51.100.1") == 0, "ping over IPv4");
  require(wire.in_peer("ping -6 -c 3 -i 0.2 -W 2 2001:db8:1::1") == 0, "ping over IPv6");
  require(wire.in_peer(peer_works) == 0, "a TCP connection");
  require(wire.in_peer("timeout 1 bash -c 'exec 3<>/dev/tcp/198.51.100.1/22'") != 0,
          "a port that is not SIP is silent");
  require(wire.in_peer("bash -c 'echo a >/dev/udp/198.51.100.1/20000; echo a >/dev/udp/198.51.100.1/9'") == 0,
          "UDP");
  int far_listener = -1;
  wire.as_peer([&] { far_listener = listen_on("198.51.100.20", 5070); });
  require(connects("198.51.100.20", 5070), "a connection that the kernel opens");
  ::close(far_listener);
  require_law(**started);
  const PortCounters& port = (*started)->counters(0).ports[0];
  require(port.drops[static_cast<std::size_t>(DropReason::tcp_port)].get() >= 1, "tcp_port counted");
  require(port.drops[static_cast<std::size_t>(DropReason::port_closed)].get() == 1, "port_closed counted");
  require(port.drops[static_cast<std::size_t>(DropReason::no_port)].get() == 1, "no_port counted");
  capture.end();
  const auto exactly = [&capture](const std::string& filter, int wanted) {
    const int found = capture.count(filter);
    require(found == wanted, filter + ": " + std::to_string(found) + " instead of " + std::to_string(wanted));
  };
  const int asked = capture.count("arp[6:2] == 1 and arp dst host 198.51.100.1");
  require(asked >= 1, "the peer asked");
  exactly("arp[6:2] == 2 and arp src host 198.51.100.1", asked);
  exactly(
      "src host 198.51.100.1 and tcp port 5060 and tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
      1);
  exactly("icmp[icmptype] == icmp-unreach or icmp6[icmp6type] == icmp6-destinationunreach", 0);
  exactly("src host 198.51.100.1 and tcp[tcpflags] & tcp-rst != 0", 0);
  exactly("icmp[icmptype] == icmp-echoreply and src host 198.51.100.1", 3);
  exactly("icmp6[icmp6type] == icmp6-echoreply and src host 2001:db8:1::1", 3);
  ::close(listener);
  started->reset();
  require(shell("ip link show sp-access") != 0 && shell("[ -z \"$(nft list ruleset)\" ]") == 0,
          "nothing is left");
}

bool skip_reason(std::string& why) {
  if (::geteuid() != 0) return why = "needs root", true;
  if (::access("/dev/net/tun", R_OK) != 0) return why = "needs /dev/net/tun", true;
  if (shell("command -v tcpdump && command -v nft && command -v ethtool") != 0) {
    return why = "needs tcpdump, nft and ethtool", true;
  }
  return false;
}

// 64 pages more than there were, while a test runs, when too few are free.
class HugepageLoan {
 public:
  HugepageLoan() { add(pages_); }
  ~HugepageLoan() { add(-pages_); }
  HugepageLoan(const HugepageLoan&) = delete;
  HugepageLoan& operator=(const HugepageLoan&) = delete;

 private:
  long pages_ = free_hugepage_bytes() < (100u << 20) ? 64 : 0;
  static void add(long pages) {
    constexpr const char* kFile = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    if (pages == 0) return;
    long now = 0;
    std::ifstream(kFile) >> now;
    std::ofstream(kFile) << std::max(now + pages, 0L);
  }
};

TEST(Dataplane, over_af_packet_the_kernel_answers_exactly_once) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  IN_A_PROCESS_OF_ITS_OWN(kernel_answers_once("net_af_packet,iface=access0", Memory::ordinary, "p"));
  clear_wire("p");
}

TEST(Dataplane, over_af_xdp_the_kernel_answers_exactly_once) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  const HugepageLoan loan;
  if (free_hugepage_bytes() < (100u << 20)) GTEST_SKIP() << "needs 100 MB of free hugepages";
  IN_A_PROCESS_OF_ITS_OWN(kernel_answers_once("net_af_xdp,iface=access0", Memory::hugepages, "x"));
  clear_wire("x");
}

// One SIP datagram of ours to the peer, whose kernel verifies its checksum.
bool hears_from(Dataplane& dataplane, const Wire& wire) {
  int fd = -1;
  wire.as_peer([&] {
    fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in at = socket_address("198.51.100.20", 5060);
    require(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0, "a UDP socket of the peer");
  });
  constexpr std::string_view kOctets = "OPTIONS sip:198.51.100.20 SIP/2.0\r\n\r\n";
  const SipSend head{0, kOctets.size(), *Endpoint::parse("198.51.100.1:5060"),
                     *Endpoint::parse("198.51.100.20:5060")};
  require(dataplane.commands(0, 0).push(static_cast<std::uint16_t>(Command::sip_send), head,
                                        std::as_bytes(std::span(kOctets))),
          "room for a command");
  dataplane.kick(0);
  pollfd waited{fd, POLLIN, 0};
  const bool heard = ::poll(&waited, 1, 5'000) == 1;
  ::close(fd);
  return heard;
}

// A tap of DPDK's has what few virtual devices have: receive interrupts, and checksums that it verifies and
// computes. Its kernel end is moved to the peer.
void works_with_what_a_device_has(const std::string& tag) {
  Wire wire(tag + std::to_string(::getppid()));
  auto started = Dataplane::start(over("net_tap", Memory::ordinary));
  require(started.has_value(), started ? "" : started.error());
  const auto ports = (*started)->ports();
  require(ports.size() == 1 && ports[0].interrupts, "receive interrupts");
  require(ports[0].receives_checksums && ports[0].sends_checksums, "checksums of the device");
  require(ports[0].steering == Steering::one_worker && ports[0].mtu == 1500, "one worker");
  require(shell("ip link set dtap0 netns " + wire.peer()) == 0 &&
              wire.in_peer("ip link set dtap0 address 02:00:00:00:00:99") == 0 &&
              wire.in_peer("ip addr flush dev peer0") == 0 &&
              wire.in_peer("ip addr add 198.51.100.20/24 dev dtap0") == 0 &&
              wire.in_peer("ip link set dtap0 up") == 0,
          "the tap at the peer");
  require(wire.in_peer("ping -c 3 -i 0.2 -W 2 198.51.100.1") == 0, "ping, each time to a sleeping worker");
  require(hears_from(**started, wire), "a checksum that the device has computed");
  require_law(**started);
  started->reset();
}

TEST(Dataplane, over_a_tap_the_device_wakes_the_worker_and_computes_checksums) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  IN_A_PROCESS_OF_ITS_OWN(works_with_what_a_device_has("t"));
  clear_wire("t");
}

// Killed without warning, it leaves an ingress table, routing rules and an XDP program; the next start takes
// all over.
void starts_after_a_kill(const std::string& device, Memory memory, const std::string& tag) {
  Wire wire(tag + std::to_string(::getppid()));
  auto options = over(device, memory);
  options.realms[0].gateways = {*IpAddress::parse("198.51.100.254"), *IpAddress::parse("2001:db8:1::fe")};
  int ready[2];
  require(::pipe2(ready, O_CLOEXEC) == 0, "pipe");
  const pid_t victim = ::fork();
  if (victim == 0) {
    const auto started = Dataplane::start(options);
    char word = started ? 'y' : 'n';
    (void)!::write(ready[1], &word, 1);
    ::pause();
  }
  char word = 0;
  require(::read(ready[0], &word, 1) == 1 && word == 'y', "the first start");
  ::kill(victim, SIGKILL);
  ::waitpid(victim, nullptr, 0);
  require(shell("[ -n \"$(nft list ruleset)\" ] && ip rule | grep -qE ^50[56]") == 0,
          "the killed one left something");
  auto started = Dataplane::start(options);
  require(started.has_value(), started ? "" : started.error());
  require(wire.in_peer("ping -c 2 -i 0.2 -W 2 198.51.100.1") == 0, "ping over IPv4");
  require(wire.in_peer("ping -6 -c 2 -i 0.2 -W 2 2001:db8:1::1") == 0, "ping over IPv6");
  require_law(**started);
  started->reset();
  require(shell("[ -z \"$(nft list ruleset)\" ] && ! ip rule | grep -qE ^50[56] && ! ip -6 rule | grep -qE "
                "^50[56] && "
                "! ip link show access0 | grep -q xdp") == 0,
          "nothing is left");
}

TEST(Dataplane, over_af_packet_starts_again_after_a_kill) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  IN_A_PROCESS_OF_ITS_OWN(starts_after_a_kill("net_af_packet,iface=access0", Memory::ordinary, "kp"));
  clear_wire("kp");
}

TEST(Dataplane, over_af_xdp_starts_again_after_a_kill) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  const HugepageLoan loan;
  if (free_hugepage_bytes() < (100u << 20)) GTEST_SKIP() << "needs 100 MB of free hugepages";
  IN_A_PROCESS_OF_ITS_OWN(starts_after_a_kill("net_af_xdp,iface=access0", Memory::hugepages, "kx"));
  clear_wire("kx");
}

// A process that may not lock memory has no hugepages: the same as a machine without.
void give_up_hugepages() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  require(::syscall(SYS_capget, &header, data) == 0, "capget");
  data[0].effective &= ~(1u << CAP_IPC_LOCK);
  require(::syscall(SYS_capset, &header, data) == 0, "capset");
}

TEST(Dataplane, auto_falls_back_to_af_packet_without_hugepages_and_says_so) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Wire wire("f" + std::to_string(::getppid()));
        give_up_hugepages();
        auto started = Dataplane::start(over("net_af_xdp,iface=access0", Memory::automatic));
        require(started.has_value(), started ? "" : started.error());
        require((*started)->memory_in_use() == "ordinary", "ordinary memory");
        require(wire.in_peer("ping -c 1 -W 2 198.51.100.1") == 0, "ping");
        require(Dataplane::start(over("net_af_xdp,iface=access0", Memory::hugepages))
                        .error()
                        .find("are free: run 'sysctl vm.nr_hugepages=") != std::string::npos,
                "hugepages that are not there are a fault");
        started->reset();
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "falling back from AF_XDP to AF_PACKET with ordinary memory");
  clear_wire("f");
}

TEST(Dataplane, more_cores_than_af_xdp_queues_are_refused) {
  if (std::string why; skip_reason(why)) GTEST_SKIP() << why;
  if (allowed_cores().size() < 2) GTEST_SKIP() << "needs two cores";
  const HugepageLoan loan;
  if (free_hugepage_bytes() < (100u << 20)) GTEST_SKIP() << "needs 100 MB of free hugepages";
  IN_A_PROCESS_OF_ITS_OWN({
    Wire wire("q" + std::to_string(::getppid()));
    auto options = over("net_af_xdp,iface=access0", Memory::automatic);
    options.cores = allowed_cores();
    const std::string fault = fault_of(options);
    require(fault.find("each needs a queue, and access0 has 1") != std::string::npos, fault);
  });
  clear_wire("q");
}

}  // namespace
}  // namespace sallyport::dp

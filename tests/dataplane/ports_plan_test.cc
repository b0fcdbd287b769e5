// SPDX-License-Identifier: Apache-2.0
// What the ports side decides from text and numbers alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "dataplane/eal.h"
#include "dataplane/ingress_rule.h"
#include "dataplane/layout.h"
#include "dataplane/port.h"
#include "dataplane/sysctl.h"
#include "dataplane/tap.h"
#include "dataplane/tcp_segment.h"

namespace sallyport::dp {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

TEST(Memory, is_chosen_before_EAL_starts) {
  struct Case {
    const char* description;
    Memory wish;
    bool xdp;
    std::uint64_t free;
    bool good;
    bool hugepages;
    const char* says;  // in the notice or the error
  };
  const Case cases[] = {
      {"auto with enough", Memory::automatic, true, 100 * kMiB, true, true, ""},
      {"auto without, AF_XDP", Memory::automatic, true, 10 * kMiB, true, false,
       "falling back from AF_XDP to AF_PACKET"},
      {"auto without, other devices", Memory::automatic, false, 0, true, false, ""},
      {"hugepages with enough", Memory::hugepages, true, 64 * kMiB, true, true, ""},
      {"hugepages without", Memory::hugepages, true, 63 * kMiB, false, false, "sysctl vm.nr_hugepages=32"},
      {"ordinary", Memory::ordinary, false, 100 * kMiB, true, false, ""},
      {"ordinary with AF_XDP", Memory::ordinary, true, 100 * kMiB, false, false, "needs hugepages"},
  };
  for (const Case& c : cases) {
    const auto choice = choose_memory(c.wish, c.xdp, 64 * kMiB, c.free);
    ASSERT_EQ(choice.has_value(), c.good) << c.description;
    EXPECT_THAT(choice ? choice->notice : choice.error(), HasSubstr(c.says)) << c.description;
    if (choice) {
      EXPECT_EQ(choice->hugepages, c.hugepages) << c.description;
      EXPECT_EQ(choice->notice.empty(), *c.says == 0) << c.description;
    }
  }
}

TEST(Eal, arguments_put_workers_on_their_cores_and_the_main_lcore_elsewhere) {
  EalOptions options;
  options.cores = {3, 1};
  options.main_cores = {0, 2};
  options.hugepages = true;
  options.extra = {"--single-file-segments"};
  EXPECT_THAT(
      eal_arguments(options),
      ::testing::ElementsAre("sallyport", "--lcores=0@3,1@1,2@(0,2)", "--main-lcore=2", "--in-memory", "-m",
                             "64", "--no-telemetry", "--log-level=4", "--no-pci", "--single-file-segments"));
  options.hugepages = false;
  options.pci = {"0000:01:00.0"};
  const auto ordinary = eal_arguments(options);
  EXPECT_THAT(ordinary, ::testing::IsSupersetOf({"--no-huge", "--no-shconf", "-a", "0000:01:00.0"}));
  EXPECT_THAT(ordinary, ::testing::Not(::testing::Contains("--no-pci")));
  EXPECT_THAT(ordinary, ::testing::Not(::testing::Contains("--in-memory")));
}

TEST(Eal, other_threads_get_the_cores_without_workers_or_all_when_there_are_none) {
  EXPECT_EQ(cores_left({0, 1, 2}, {1}), (std::vector<unsigned>{0, 2}));
  EXPECT_EQ(cores_left({0, 1}, {0, 1}), (std::vector<unsigned>{0, 1}));
}

TEST(Eal, run_on_refuses_a_core_that_is_not_present) {
  std::thread([] {
    EXPECT_FALSE(run_on({1023}));
    EXPECT_FALSE(run_on({100'000}));
    const auto all = allowed_cores();
    ASSERT_FALSE(all.empty());
    EXPECT_TRUE(run_on({all.front()}));
    EXPECT_EQ(allowed_cores(), std::vector<unsigned>{all.front()});
  }).join();
}

TEST(Device, text_becomes_a_driver_an_interface_and_a_name_of_its_own) {
  struct Case {
    const char* text;
    DeviceKind kind;
    const char* name;
    const char* arguments;
    const char* interface;
  };
  const Case cases[] = {
      {"net_af_xdp,iface=access0", DeviceKind::af_xdp, "net_af_xdp1", "iface=access0", "access0"},
      {"net_af_xdp7,start_queue=0,iface=core0", DeviceKind::af_xdp, "net_af_xdp7",
       "start_queue=0,iface=core0", "core0"},
      {"net_af_packet,iface=eth0,qpairs=2", DeviceKind::af_packet, "net_af_packet1", "iface=eth0,qpairs=2",
       "eth0"},
      {"0000:01:00.0", DeviceKind::pci, "0000:01:00.0", "", ""},
      {"01:00.1", DeviceKind::pci, "01:00.1", "", ""},
      {"net_ring_access", DeviceKind::software, "net_ring_access", "", ""},
      {"net_null", DeviceKind::software, "net_null1", "", ""},
      {"net_pcap,rx_pcap=a.pcap,tx_pcap=b.pcap", DeviceKind::software, "net_pcap1",
       "rx_pcap=a.pcap,tx_pcap=b.pcap", ""},
      {"net_pcap,iface=lo", DeviceKind::pcap, "net_pcap1", "iface=lo", "lo"},
      {"net_memif0,role=client", DeviceKind::other, "net_memif0", "role=client", ""},
  };
  for (const Case& c : cases) {
    const Device device = parse_device(c.text, 1);
    EXPECT_EQ(device.kind, c.kind) << c.text;
    EXPECT_EQ(device.name, c.name) << c.text;
    EXPECT_EQ(device.arguments, c.arguments) << c.text;
    EXPECT_EQ(device.interface, c.interface) << c.text;
  }
}

TEST(Device, queues_are_asked_of_the_drivers_that_want_to_be_told) {
  EXPECT_EQ(arguments_for(parse_device("net_af_xdp,iface=a", 0), 1), "iface=a");
  EXPECT_EQ(arguments_for(parse_device("net_af_xdp,iface=a", 0), 2), "iface=a,queue_count=2");
  EXPECT_EQ(arguments_for(parse_device("net_af_xdp,iface=a,queue_count=4", 0), 2), "iface=a,queue_count=4");
  EXPECT_EQ(arguments_for(parse_device("net_af_packet,iface=a", 0), 2), "iface=a,qpairs=2");
  EXPECT_EQ(arguments_for(parse_device("net_null", 0), 2), "");
}

rte_eth_dev_info all_able() {
  rte_eth_dev_info info{};
  info.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_L4_DST_ONLY;
  info.rx_offload_capa =
      RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_SCATTER;
  info.tx_offload_capa = RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  return info;
}

TEST(Device, is_asked_for_what_it_has_and_we_use) {
  const rte_eth_conf conf = device_conf(all_able(), {.queues = 2, .interrupts = true});
  EXPECT_EQ(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
  EXPECT_EQ(conf.rx_adv_conf.rss_conf.rss_hf, RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV4)
      << "of source and destination at first";
  EXPECT_EQ(conf.rxmode.offloads, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
  EXPECT_EQ(conf.txmode.offloads, RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
  EXPECT_EQ(conf.intr_conf.rxq, 1u);
  EXPECT_EQ(conf.rxmode.mtu, 0u) << "the device's own";
}

TEST(Device, is_asked_for_no_more_than_it_has) {
  const rte_eth_conf conf = device_conf({}, {.queues = 2, .mtu = 9000});
  EXPECT_EQ(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
  EXPECT_EQ(conf.rxmode.offloads | conf.txmode.offloads, 0u);
  EXPECT_EQ(conf.intr_conf.rxq, 0u);
  EXPECT_EQ(device_conf(all_able(), {.queues = 1}).rxmode.mq_mode, RTE_ETH_MQ_RX_NONE) << "one queue";
}

TEST(Device, may_cut_jumbo_frames_where_it_can) {
  const rte_eth_conf conf = device_conf(all_able(), {.mtu = 9000});
  EXPECT_NE(conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER, 0u);
  EXPECT_EQ(conf.rxmode.mtu, 9000u);
}

TEST(Buffers, hold_the_largest_frame_in_whole_KiB) {
  EXPECT_EQ(buffer_bytes(0), 2176u);
  EXPECT_EQ(buffer_bytes(1500), 2176u);
  EXPECT_EQ(buffer_bytes(2026), 2176u);
  EXPECT_EQ(buffer_bytes(2027), 3200u);
  EXPECT_EQ(buffer_bytes(9000), 9344u);
  EXPECT_EQ(buffer_bytes(9216), 10368u);
}

TEST(Buffers, of_jumbo_frames_are_in_the_memory_that_is_asked_for) {
  const std::uint16_t usual[] = {0, 0}, jumbo[] = {9000, 0};
  const std::uint64_t more = memory_needed(jumbo, 2) - memory_needed(usual, 2);
  const std::uint64_t exact = std::uint64_t{pool_size(2)} * (9344 - 2176);
  EXPECT_GE(more, exact);
  EXPECT_LE(more, exact + exact / 8);
}

TEST(Placement, is_distant_between_two_nodes_that_are_known) {
  EXPECT_TRUE(is_distant(1, 0));
  EXPECT_FALSE(is_distant(1, 1));
  EXPECT_FALSE(is_distant(1, -1)) << "a device of the kernel's has none";
  EXPECT_FALSE(is_distant(-1, 0));
}

TEST(Device, the_fallback_keeps_the_interface) {
  const Device device = as_af_packet(parse_device("net_af_xdp,iface=access0,start_queue=1", 0), 0);
  EXPECT_EQ(device.name, "net_af_packet0");
  EXPECT_EQ(device.arguments, "iface=access0");
}

TEST(Device, an_interface_that_is_not_there_is_named_in_the_fault) {
  const auto checked = Port::check("access", parse_device("net_af_xdp,iface=nosuch0", 0), 1);
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error(), HasSubstr("port access: there is no network interface nosuch0"));
}

RealmOptions realm(const char* name, std::vector<const char*> addresses, std::uint16_t first,
                   std::uint16_t last) {
  RealmOptions options;
  options.name = name;
  for (const char* address : addresses) options.addresses.push_back(*Prefix::parse(address));
  options.media_first = first;
  options.media_last = last;
  options.sip_tcp = 5060;
  return options;
}

TEST(Layout, slots_are_dealt_without_gap_or_overlap) {
  auto realms =
      std::vector{realm("a", {"192.0.2.1/24", "2001:db8::1/64"}, 20000, 59999),
                  realm("n", {"192.0.2.2/24"}, 0, 0), realm("b", {"198.51.100.1/24"}, 10000, 10001)};
  realms[2].sip_tls = 5061;
  const auto media = media_layout(realms);
  ASSERT_EQ(media.size(), 3u);
  EXPECT_EQ(media[0].slot_base, 0u);
  EXPECT_EQ(media[1].slot_base, 40'000u);
  EXPECT_EQ(media[2].slot_base, 80'000u);
  EXPECT_EQ(media[2].realm, 2);
  EXPECT_EQ(media[2].slot_of(10001), 80'001u);
  EXPECT_EQ(tcp_listeners(realms).size(), 5u);
}

TEST(Layout, a_wrong_option_is_named) {
  DataplaneOptions good;
  good.cores = {1};
  good.ports = {{"access", "net_null"}};
  good.realms = {realm("access", {"192.0.2.1/24"}, 20000, 20001)};
  ASSERT_TRUE(check_options(good).has_value());
  struct Case {
    void (*spoil)(DataplaneOptions&);
    const char* says;
  };
  const Case cases[] = {
      {[](DataplaneOptions& o) { o.cores.clear(); }, "dataplane.cores: 1 to 32, not 0"},
      {[](DataplaneOptions& o) { o.cores = {1, 1}; }, "named twice"},
      {[](DataplaneOptions& o) { o.ports.clear(); }, "dataplane.ports: 1 to 8"},
      {[](DataplaneOptions& o) { o.realms.clear(); }, "realms: 1 to 32"},
      {[](DataplaneOptions& o) { o.shards = 0; }, "controlplane.shards"},
      {[](DataplaneOptions& o) { o.realms[0].port = 1; }, "realm access: its port"},
      {[](DataplaneOptions& o) { o.realms[0].vlan = 4095; }, "VLAN"},
      {[](DataplaneOptions& o) { o.realms[0].addresses.clear(); }, "needs an address"},
      {[](DataplaneOptions& o) { o.realms[0].media_first = 20001; }, "even port"},
      {[](DataplaneOptions& o) { o.realms[0].media_last = 20002; }, "even port"},
      {[](DataplaneOptions& o) { o.realms[0].sip_udp = 20000; }, "SIP port is among"},
  };
  for (const Case& c : cases) {
    DataplaneOptions options = good;
    c.spoil(options);
    const auto checked = check_options(options);
    ASSERT_FALSE(checked.has_value()) << c.says;
    EXPECT_THAT(checked.error(), HasSubstr(c.says));
  }
}

TEST(TapName, fits_and_stays_unique) {
  EXPECT_EQ(tap_name("access", 0, 0), "sp-access");
  EXPECT_EQ(tap_name("core", 1, 100), "sp-core.100");
  EXPECT_EQ(tap_name("a-very-long-port-name", 2, 0), "sp-a-very-long2");
  EXPECT_EQ(tap_name("a-very-long-port-name", 3, 4094), "sp-a-very3.4094");
}

TEST(IngressRule, replaces_what_a_killed_process_left) {
  const std::string script = IngressRule::script("core0");
  EXPECT_THAT(script,
              ::testing::StartsWith("table netdev sallyport_core0\ndelete table netdev sallyport_core0\n"));
  EXPECT_THAT(script, HasSubstr("hook ingress device \"core0\" priority -500; policy drop;\n"));
}

TEST(IngressRule, has_a_table_of_its_own_for_each_interface) {
  EXPECT_EQ(IngressRule::table_name("eth0"), "sallyport_eth0");
  EXPECT_EQ(IngressRule::table_name("eth0.1"), "sallyport_eth0_2e1");
  EXPECT_EQ(IngressRule::table_name("eth0-1"), "sallyport_eth0_2d1");
  EXPECT_EQ(IngressRule::table_name("eth0_1"), "sallyport_eth0_5f1");
  EXPECT_EQ(IngressRule::table_name("eth0_2e1"), "sallyport_eth0_5f2e1") << "nor one that looks escaped";
}

TEST(Sysctl, what_was_changed_is_put_back_and_what_was_so_is_left_alone) {
  const auto root = std::filesystem::temp_directory_path() / ("sp-sysctl-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "net");
  const auto write = [&](const char* name, const char* value) {
    std::ofstream(root / "net" / name) << value << '\n';
  };
  const auto read = [&](const char* name) {
    std::string value;
    std::getline(std::ifstream(root / "net" / name) >> std::ws, value);
    return value;
  };
  write("a", "0");
  write("b", "1");
  {
    SysctlKeeper keeper(root.string() + "/");
    EXPECT_TRUE(keeper.change("net/a", "1"));
    EXPECT_TRUE(keeper.change("net/a", "2"));
    EXPECT_TRUE(keeper.change("net/b", "1"));
    EXPECT_FALSE(keeper.change("net/none", "1"));
    EXPECT_EQ(read("a"), "2");
    write("b", "5");  // another's change, not ours
  }
  EXPECT_EQ(read("a"), "0");
  EXPECT_EQ(read("b"), "5");
  std::filesystem::remove_all(root);
}

std::vector<std::byte> bytes(std::initializer_list<int> octets) {
  std::vector<std::byte> out;
  for (const int octet : octets) out.push_back(static_cast<std::byte>(octet));
  return out;
}

const std::vector<std::byte>& ipv4_syn() {
  static const auto frame =
      bytes({2,    0,    0,    0,    0, 1, 2,    0, 0,  0, 0, 2, 8,    0,                        // Ethernet
             0x45, 0,    0,    40,   0, 0, 0x40, 0, 64, 6, 0, 0, 192,  0, 2, 1, 192, 0, 2, 10,   // IPv4
             0x9c, 0x40, 0x13, 0xc4, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 2, 0, 0, 0,   0, 0, 0});  // TCP
  return frame;
}

TEST(TcpSegment, is_read_from_ipv4_with_options_and_from_ipv6) {
  const auto plain = tcp_segment(ipv4_syn());
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->source.to_text(), "192.0.2.1:40000");
  EXPECT_EQ(plain->destination.to_text(), "192.0.2.10:5060");
  EXPECT_EQ(plain->flags, 2);

  auto options = ipv4_syn();
  options[14] = std::byte{0x46};
  options.insert(options.begin() + 34, 4, std::byte{1});
  ASSERT_TRUE(tcp_segment(options).has_value());
  EXPECT_EQ(tcp_segment(options)->source.port, 40000);

  auto six = bytes({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64});
  const auto source = IpAddress::parse("2001:db8::1")->bytes();
  for (int i = 0; i < 2; ++i) {
    for (const auto octet : source) six.push_back(static_cast<std::byte>(octet));
  }
  six.insert(six.end(), ipv4_syn().begin() + 34, ipv4_syn().end());
  ASSERT_TRUE(tcp_segment(six).has_value());
  EXPECT_EQ(tcp_segment(six)->source.to_text(), "[2001:db8::1]:40000");
  for (std::size_t n = 0; n < six.size(); ++n)
    EXPECT_FALSE(tcp_segment(std::span(six).first(n)).has_value()) << n;
}

TEST(TcpSegment, nothing_else_is) {
  for (std::size_t n = 0; n < ipv4_syn().size(); ++n) {
    EXPECT_FALSE(tcp_segment(std::span(ipv4_syn()).first(n)).has_value()) << n;
  }
  struct Case {
    const char* description;
    std::size_t at;
    int octet;
  };
  const Case cases[] = {{"UDP", 23, 17},
                        {"a later fragment", 21, 1},
                        {"version 5", 14, 0x55},
                        {"a header of 16 octets", 14, 0x44},
                        {"a header beyond the end", 14, 0x4f},
                        {"ARP", 13, 6}};
  for (const Case& c : cases) {
    auto frame = ipv4_syn();
    frame[c.at] = static_cast<std::byte>(c.octet);
    EXPECT_FALSE(tcp_segment(frame).has_value()) << c.description;
  }
}

TEST(Doorbell, rings_only_for_a_sleeper_and_is_not_missed) {
  ShardDoorbell bell;
  bell.wake();  // nobody sleeps: nothing is left behind
  bell.prepare_sleep();
  const auto start = monotonic_now_ns();
  bell.wait(5 * kMillisecond);
  EXPECT_GE(monotonic_now_ns() - start, 4 * kMillisecond);
  bell.prepare_sleep();
  bell.wake();  // between the announcement and the wait
  const auto again = monotonic_now_ns();
  bell.wait(10 * kSecond);
  EXPECT_LT(monotonic_now_ns() - again, 5 * kSecond);
}

TEST(Doorbell, a_sleeper_never_misses_what_was_pushed_before_the_ring) {
  ShardDoorbell bell;
  std::atomic<int> pushed{0};
  constexpr int kRounds = 20'000;
  std::thread producer([&] {
    for (int i = 1; i <= kRounds; ++i) {
      pushed.store(i, std::memory_order_release);
      bell.wake();
      while (i % 64 == 0 && pushed.load() > 0) std::this_thread::yield();
    }
  });
  int seen = 0;
  while (seen < kRounds) {
    bell.prepare_sleep();
    const int now = pushed.load(std::memory_order_acquire);
    if (now > seen) {
      bell.cancel_sleep();
      seen = now;
      if (seen % 64 == 0) pushed.store(0);
      continue;
    }
    const auto start = monotonic_now_ns();
    bell.wait(20 * kSecond);
    ASSERT_LT(monotonic_now_ns() - start, 15 * kSecond) << "slept through a ring";
  }
  producer.join();
}

}  // namespace
}  // namespace sallyport::dp

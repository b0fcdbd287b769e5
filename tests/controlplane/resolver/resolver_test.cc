// SPDX-License-Identifier: Apache-2.0
// The thread with c-ares in it, against a name server on loopback.
#include "controlplane/resolver/resolver.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/controlplane/resolver/resolver_config_support.h"
#include "tests/controlplane/resolver/zone_support.h"

namespace sallyport::resolver {
namespace {

using namespace std::chrono_literals;
// Far beyond what anything here takes: its end is a failure, never a measure.
constexpr auto kLong = 30s;

class ResolverTest : public testing::Test {
 protected:
  void start(const std::string& timeout = "100ms", const std::string& transport = "udp") {
    config_ = configured("{p: {realm: in, targets: ['sip:x.test']}}",
                         "{servers: ['" + server_.at().to_text() + "'], min_ttl: 1s, tries: 1, timeout: " +
                             timeout + ", transport: " + transport + "}");
    auto resolver = Resolver::start(config_, [this](const routing::SharedNames& names) {
      const std::lock_guard lock(mutex_);
      published_.push_back(names);
      came_.notify_all();
    });
    ASSERT_TRUE(resolver) << resolver.error();
    resolver_ = std::move(*resolver);
  }
  // Until something was published that is in that state.
  routing::ResolvedName wait_for(routing::NameState state) {
    std::unique_lock lock(mutex_);
    const auto is_there = [&] {
      return !published_.empty() && !published_.back()->empty() && published_.back()->at(0).state == state;
    };
    EXPECT_TRUE(came_.wait_for(lock, kLong, is_there)) << routing::to_text(state);
    return published_.empty() ? routing::ResolvedName{} : published_.back()->at(0);
  }
  std::string place_of(routing::NameState state) {
    const routing::ResolvedName name = wait_for(state);
    return name.places.empty() ? "" : name.places.front().endpoint.to_text();
  }

  NameServer server_;
  config::Config config_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<routing::SharedNames> published_;
  std::unique_ptr<Resolver> resolver_;  // goes first: its thread publishes into what stands above
};

Zone whole_zone(const std::string& address, std::uint32_t ttl = 300) {
  Zone zone;
  zone.add("x.test", "NAPTR 1 1 s SIP+D2U _sip._udp.x.test", ttl);
  zone.add("_sip._udp.x.test", "SRV 1 1 5070 a.test", ttl).add("a.test", "A " + address, ttl);
  return zone;
}

TEST_F(ResolverTest, Goes_from_NAPTR_over_SRV_to_an_address) {
  server_.say(whole_zone("198.51.100.9"));
  start();
  EXPECT_TRUE(resolver_->wait_settled(kLong));
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");
  EXPECT_EQ(server_.asked_over_udp(), 3u);
  EXPECT_EQ(server_.asked_over_tcp(), 0u);
}

TEST_F(ResolverTest, An_answer_that_was_cut_is_fetched_over_TCP) {
  server_.say(whole_zone("198.51.100.9"));
  server_.be(NameServer::Mood::truncates);
  start("5s");
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");
  EXPECT_EQ(server_.asked_over_tcp(), 3u);
}

TEST_F(ResolverTest, With_transport_tcp_no_datagram_leaves) {
  server_.say(whole_zone("198.51.100.9"));
  start("5s", "tcp");
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");
  EXPECT_EQ(server_.asked_over_udp(), 0u);
  EXPECT_EQ(server_.asked_over_tcp(), 3u);
}

TEST_F(ResolverTest, A_change_is_seen_after_the_TTL_and_a_server_that_goes_silent_leaves_the_last) {
  server_.say(whole_zone("198.51.100.9", 1));
  start();
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");
  server_.be(NameServer::Mood::silent);
  EXPECT_EQ(place_of(routing::NameState::stale), "198.51.100.9:5070");
  server_.say(whole_zone("198.51.100.10", 1));
  server_.be(NameServer::Mood::answers);
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.10:5070");
}

TEST_F(ResolverTest, A_server_that_fails_gives_nothing_and_is_asked_again) {
  server_.be(NameServer::Mood::fails);
  server_.say(whole_zone("198.51.100.9"));
  start();
  EXPECT_EQ(place_of(routing::NameState::server_failure), "");
  server_.be(NameServer::Mood::answers);
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");
}

TEST_F(ResolverTest, An_answer_to_another_question_is_none) {
  server_.be(NameServer::Mood::lies);
  start();
  EXPECT_EQ(place_of(routing::NameState::server_failure), "");
  EXPECT_GE(server_.asked_over_udp(), 1u);
}

TEST_F(ResolverTest, A_name_that_is_not_there_is_told) {
  start();
  EXPECT_EQ(place_of(routing::NameState::no_such_name), "");
  EXPECT_TRUE(resolver_->wait_settled(kLong));
}

TEST_F(ResolverTest, A_reload_brings_names_servers_and_takes_them_away) {
  const auto publish = [this](const routing::SharedNames& names) {
    const std::lock_guard lock(mutex_);
    published_.push_back(names);
    came_.notify_all();
  };
  const auto plain = configured("{p: {realm: in, targets: ['sip:198.51.100.2']}}");
  auto started = Resolver::start(plain, publish);
  ASSERT_TRUE(started) << started.error();
  resolver_ = std::move(*started);
  EXPECT_TRUE(resolver_->wait_settled(kLong)) << "without a name there is nothing to wait for";

  server_.say(whole_zone("198.51.100.9"));
  config_ = configured("{p: {realm: in, targets: ['sip:x.test']}}",
                       "{servers: ['" + server_.at().to_text() + "'], tries: 1, timeout: 100ms}");
  config_.generation = 1;
  auto next = Resolver::prepare(config_);
  ASSERT_TRUE(next) << next.error();
  resolver_->succeed(std::move(*next));
  EXPECT_EQ(place_of(routing::NameState::resolved), "198.51.100.9:5070");

  auto without = Resolver::prepare(plain);
  ASSERT_TRUE(without);
  resolver_->succeed(std::move(*without));
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(came_.wait_for(lock, kLong, [&] { return published_.back()->empty(); }));
}

TEST_F(ResolverTest, Ends_while_a_question_is_open) {
  server_.be(NameServer::Mood::silent);
  start("30s");
  resolver_.reset();
  EXPECT_TRUE(published_.empty());
}

TEST(HasNames, Looks_at_every_target) {
  EXPECT_TRUE(has_names(configured("{p: {realm: in, targets: ['sip:198.51.100.2', 'sip:x.test']}}")));
  EXPECT_FALSE(has_names(configured("{p: {realm: in, targets: ['sip:198.51.100.2']}}")));
}

}  // namespace
}  // namespace sallyport::resolver

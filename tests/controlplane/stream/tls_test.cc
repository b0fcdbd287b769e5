// SPDX-License-Identifier: Apache-2.0
// TLS to us: versions, certificates, SNI, who a client is, what fails and by which name.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "controlplane/stream/stream_transport.h"
#include "tests/controlplane/stream/tls_support.h"

namespace sallyport::stream {
namespace {

constexpr std::string_view kAnswer = "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

class TlsServer : public testing::Test {
 protected:
  using Change = std::function<void(config::Config&, Options&)>;
  // A rig whose realm speaks TLS, with `office` known by address and `partner` by its certificate alone.
  [[nodiscard]] std::unique_ptr<Rig> start(const Change& change = {}) {
    return std::make_unique<Rig>([&](config::Config& config, Options& options) {
      config::Realm& realm = config.realms[0];
      realm.sip_tls = 5061;
      realm.tls.own = {ours_.certificate, ours_.key};
      realm.tls.ca = authority_.file();
      config::Peer& partner = config.peers.emplace_back();
      partner.name = "partner";
      partner.match_names = {"partner.example"};
      options.listeners = {{0, {kOurs, 0}, sip::Transport::tls}};
      if (change) change(config, options);
    });
  }
  [[nodiscard]] TlsManner as(const std::string& domain) const {
    return {.own = authority_.issue(domain, {"someone", "DNS:" + domain}), .ca = authority_.file()};
  }
  // That it fails, and by which name we have counted that.
  static void expect_failure(Rig& rig, TlsEnd& client, TlsFailure why) {
    (void)client.shake(rig);  // TLS 1.3: the client may think that it is done
    EXPECT_TRUE(rig.until([&] { return failures(rig, why) == 1; })) << tls_failure_name(why);
    EXPECT_TRUE(client.closes(rig));
    EXPECT_EQ(rig.closed(Close::handshake_failed), 1u);
    EXPECT_EQ(rig.counters().handshakes.get(), 0u);
    EXPECT_TRUE(rig.nothing_heard());
  }
  [[nodiscard]] static std::uint64_t failures(const Rig& rig, TlsFailure why) {
    return rig.counters().handshake_failures[static_cast<std::size_t>(why)].get();
  }

  static constexpr std::uint16_t kPartner = 2;  // behind the rig's own two peers
  Authority authority_;
  Files ours_ = authority_.issue("ours", {"ours", "DNS:ours.example"});
};

TEST_F(TlsServer, Carries_messages_both_ways_over_1_2_and_1_3) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto rig = start();
    TlsEnd office = TlsEnd::client(*rig, kOffice, {.ca = authority_.file(), .most = version});
    ASSERT_TRUE(office.shake(*rig));
    EXPECT_EQ(office.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    office.send(options_request("one"));
    const Heard heard = rig->hear();
    ASSERT_EQ(heard.kind, Event::received);
    EXPECT_EQ(heard.text, options_request("one"));
    EXPECT_EQ(heard.head.path.transport, sip::Transport::tls);
    EXPECT_EQ(heard.head.path.local, rig->at());
    EXPECT_EQ(heard.head.path.peer, sip::kPeerByAddress);
    rig->send(heard.head.path, kAnswer);
    EXPECT_EQ(office.reading(*rig), kAnswer);
    EXPECT_EQ(rig->counters().handshakes.get(), 1u);
  }
}

TEST_F(TlsServer, Frames_what_its_records_cut) {
  const auto rig = start();
  TlsEnd office = TlsEnd::client(*rig, kOffice, {});
  ASSERT_TRUE(office.shake(*rig));
  std::string all;
  for (int i = 0; i < 20; ++i) all += options_request("n" + std::to_string(i), "", std::string(3000, 'b'));
  office.send(all);  // records of 16,384 octets
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(rig->hear().text, options_request("n" + std::to_string(i), "", std::string(3000, 'b')));
  const std::string large = options_request("large", "", std::string(50'000, 'l'));
  for (std::size_t at = 0; at < large.size(); at += 1000)
    office.send(std::string_view(large).substr(at, 1000));
  EXPECT_EQ(rig->hear().text, large);
}

TEST_F(TlsServer, Ends_a_connection_in_order_when_the_far_end_does) {
  const auto rig = start();
  TlsEnd office = TlsEnd::client(*rig, kOffice, {});
  ASSERT_TRUE(office.shake(*rig));
  office.send(options_request("one"));
  (void)rig->hear();
  office.close();
  EXPECT_TRUE(rig->until([&] { return rig->closed(Close::by_peer) == 1; }));
}

TEST_F(TlsServer, Closes_a_connection_that_is_up_and_silent) {
  const auto rig = start();
  TlsEnd office = TlsEnd::client(*rig, kOffice, {});
  ASSERT_TRUE(office.shake(*rig));
  EXPECT_TRUE(rig->until([&] { return rig->counters().handshakes.get() == 1; }));
  rig->pass(rig->options.limits.first_ns + kSecond);
  EXPECT_TRUE(office.closes(*rig));
  EXPECT_EQ(rig->closed(Close::silent), 1u);
}

// ---- who it is

TEST_F(TlsServer, Knows_a_peer_by_its_certificate_from_anywhere) {
  const auto rig = start();
  TlsEnd partner = TlsEnd::client(*rig, kStranger, as("partner.example"));
  ASSERT_TRUE(partner.shake(*rig));
  partner.send(options_request("one") + options_request("two"));
  EXPECT_EQ(rig->hear().head.path.peer, kPartner);
  EXPECT_EQ(rig->hear().head.path.peer, kPartner) << "no stranger: it is heard on";
}

TEST_F(TlsServer, Lets_the_certificate_outweigh_the_address) {
  const auto rig = start();
  TlsEnd partner = TlsEnd::client(*rig, kOffice, as("partner.example"));
  ASSERT_TRUE(partner.shake(*rig));
  partner.send(options_request("one"));
  EXPECT_EQ(rig->hear().head.path.peer, kPartner);
}

TEST_F(TlsServer, Takes_a_good_certificate_of_an_unknown_name_for_no_more_than_its_address) {
  const auto rig = start();
  TlsEnd office = TlsEnd::client(*rig, kOffice, as("nobody.example"));
  ASSERT_TRUE(office.shake(*rig));
  office.send(options_request("one"));
  EXPECT_EQ(rig->hear().head.path.peer, sip::kPeerByAddress);
  TlsEnd stranger = TlsEnd::client(*rig, kStranger, as("nobody.example"));
  ASSERT_TRUE(stranger.shake(*rig));
  stranger.send(options_request("two") + options_request("three"));
  EXPECT_EQ(rig->hear().head.path.peer, sip::kPeerByAddress);
  EXPECT_TRUE(rig->nothing_heard()) << "one message of a stranger, for its 403";
}

TEST_F(TlsServer, Drops_an_unknown_source_that_no_certificate_has_named_where_the_realm_drops) {
  const auto rig = start([](config::Config& config, Options&) {
    config.realms[0].unknown_source = config::UnknownSource::drop;
  });
  TlsEnd stranger = TlsEnd::client(*rig, kStranger, {});
  (void)stranger.shake(*rig);
  EXPECT_TRUE(stranger.closes(*rig));
  EXPECT_EQ(rig->closed(Close::unknown_source), 1u);
  TlsEnd partner = TlsEnd::client(*rig, kStranger, as("partner.example"));
  ASSERT_TRUE(partner.shake(*rig));
  partner.send(options_request("one"));
  EXPECT_EQ(rig->hear().head.path.peer, kPartner);
}

TEST_F(TlsServer, Counts_a_named_connection_to_the_limit_of_its_peer) {
  const auto rig = start([](config::Config& config, Options&) {
    config.peers[kPartner].limits.connections = 1;
    config.peers[kPartner].limits.connections_per_source = 1;
  });
  TlsEnd one = TlsEnd::client(*rig, kStranger, as("partner.example"));
  ASSERT_TRUE(one.shake(*rig));
  one.send(options_request("one"));
  (void)rig->hear();
  TlsEnd two = TlsEnd::client(*rig, kStranger, as("partner.example"));
  (void)two.shake(*rig);
  EXPECT_TRUE(two.closes(*rig));
  EXPECT_EQ(rig->closed(Close::peer_limit), 1u);
}

TEST_F(TlsServer, Shows_the_certificate_of_the_name_that_is_asked_for) {
  const auto rig = start([&](config::Config& config, Options&) {
    for (const char* const name : {"two", "three"}) {
      const Files files = authority_.issue(name, {name, "DNS:" + std::string(name) + ".example"});
      config.realms[0].tls.sni.push_back({files.certificate, files.key});
    }
  });
  const std::vector<std::pair<const char*, const char*>> cases{{"", "ours"},
                                                               {"two.example", "two"},
                                                               {"THREE.example", "three"},
                                                               {"ours.example", "ours"},
                                                               {"x.example", "ours"}};
  for (const auto& [asks, shown] : cases) {
    TlsEnd office = TlsEnd::client(*rig, kOffice, {.ca = authority_.file(), .asks = asks});
    ASSERT_TRUE(office.shake(*rig)) << asks;
    EXPECT_EQ(office.shown(), shown) << asks;
  }
}

// ---- what fails

TEST_F(TlsServer, Refuses_versions_before_1_2) {
  const auto rig = start();
  TlsEnd office = TlsEnd::client(*rig, kOffice, {.most = TLS1_1_VERSION});
  expect_failure(*rig, office, TlsFailure::version);
}

TEST_F(TlsServer, Hangs_up_on_what_is_no_TLS) {
  const auto rig = start();
  FarEnd office = rig->connect(kOffice);
  office.send(options_request("plain"));
  EXPECT_TRUE(rig->closes(office));
  EXPECT_EQ(failures(*rig, TlsFailure::not_tls), 1u);
}

TEST_F(TlsServer, Gives_a_handshake_its_time_and_no_more) {
  const auto rig = start();
  FarEnd silent = rig->connect(kOffice);
  rig->pass(rig->options.limits.handshake_ns - kSecond);
  EXPECT_FALSE(silent.is_closed());
  rig->pass(2 * kSecond);
  EXPECT_TRUE(rig->closes(silent));
  EXPECT_EQ(failures(*rig, TlsFailure::timeout), 1u);
  FarEnd stranger = rig->connect(kStranger);
  rig->pass(rig->options.limits.stranger_handshake_ns + kSecond);
  EXPECT_TRUE(rig->closes(stranger));
  EXPECT_EQ(failures(*rig, TlsFailure::timeout), 2u);
  EXPECT_EQ(rig->counters().handshakes_waiting.get(), 0u);
}

TEST_F(TlsServer, Knows_who_went_away_in_the_middle) {
  const auto rig = start();
  FarEnd office = rig->connect(kOffice);
  office.send(std::string("\x16\x03\x01\x02", 4));
  rig->turns(3);
  office.close();
  EXPECT_TRUE(rig->until([&] { return failures(*rig, TlsFailure::closed) == 1; }));
}

TEST_F(TlsServer, Demands_a_certificate_where_the_realm_says_so) {
  const auto rig =
      start([](config::Config& config, Options&) { config.realms[0].tls.verify = config::TlsVerify::yes; });
  TlsEnd office = TlsEnd::client(*rig, kOffice, {});
  expect_failure(*rig, office, TlsFailure::no_certificate);
}

TEST_F(TlsServer, Refuses_a_certificate_that_leads_to_no_anchor) {
  const auto rig = start();
  const Authority others;
  TlsEnd office = TlsEnd::client(*rig, kOffice, {.own = others.issue("x", {"x", "DNS:partner.example"})});
  expect_failure(*rig, office, TlsFailure::untrusted);
}

TEST_F(TlsServer, Refuses_a_certificate_whose_time_is_over) {
  const auto rig = start();
  const Files old = authority_.issue("old", {.common_name = "x", .begins_s = -7200, .ends_s = -3600});
  TlsEnd office = TlsEnd::client(*rig, kOffice, {.own = old});
  expect_failure(*rig, office, TlsFailure::expired);
}

TEST_F(TlsServer, Takes_no_name_from_a_certificate_that_is_for_something_else) {
  const auto rig = start();
  const Files mail = authority_.issue("mail", {"x", "DNS:partner.example", "emailProtection"});
  TlsEnd office = TlsEnd::client(*rig, kOffice, {.own = mail});
  ASSERT_TRUE(office.shake(*rig));
  office.send(options_request("one"));
  EXPECT_EQ(rig->hear().head.path.peer, sip::kPeerByAddress);
}

TEST_F(TlsServer, Counts_the_alert_of_a_client_that_does_not_like_our_certificate) {
  const auto rig = start();
  const Authority others;
  TlsEnd office = TlsEnd::client(*rig, kOffice, {.ca = others.file()});
  EXPECT_FALSE(office.shake(*rig));
  EXPECT_TRUE(rig->until([&] { return failures(*rig, TlsFailure::refused) == 1; }));
}

TEST_F(TlsServer, Limits_the_handshakes_that_run_at_once_and_those_of_one_unknown_source) {
  const auto rig = start([](config::Config&, Options& options) { options.limits.handshakes = 6; });
  std::vector<FarEnd> pending;
  for (int i = 0; i < 5; ++i) pending.push_back(rig->connect(kStranger));
  EXPECT_TRUE(rig->closes(pending[4])) << "the fifth of one source";
  EXPECT_EQ(rig->closed(Close::unknown_source), 1u);
  for (int i = 0; i < 3; ++i) pending.push_back(rig->connect(kOffice));
  EXPECT_TRUE(rig->closes(pending[7])) << "the seventh of all";
  EXPECT_EQ(rig->closed(Close::process_limit), 1u);
  EXPECT_EQ(rig->counters().handshakes_waiting.get(), 6u);
}

// ---- new certificates

TEST_F(TlsServer, Shows_new_certificates_after_a_reload_and_drops_nobody) {
  const auto rig = start();
  TlsEnd old = TlsEnd::client(*rig, kOffice, {.ca = authority_.file()});
  FarEnd in_the_middle = rig->connect(kOffice);
  ASSERT_TRUE(old.shake(*rig));
  EXPECT_EQ(old.shown(), "ours");
  (void)authority_.issue("ours", {.common_name = "renewed", .ends_s = 3 * 86'400});
  const std::int64_t before = rig->transport->expiries().at(0).not_after_s;
  auto renewed = TlsContexts::load(rig->config);
  ASSERT_TRUE(renewed);
  rig->transport->succeed(std::make_shared<Rules>(rig->config, std::move(*renewed)));
  rig->turns(1);
  EXPECT_GT(rig->transport->expiries().at(0).not_after_s, before + 86'400);
  TlsEnd fresh = TlsEnd::client(*rig, kOffice, {.ca = authority_.file()});
  ASSERT_TRUE(fresh.shake(*rig));
  EXPECT_EQ(fresh.shown(), "renewed");
  old.send(options_request("still"));
  const Heard heard = rig->hear();
  EXPECT_EQ(heard.text, options_request("still"));
  rig->send(heard.head.path, kAnswer);
  EXPECT_EQ(old.reading(*rig), kAnswer);
  EXPECT_FALSE(in_the_middle.is_closed());
}

TEST_F(TlsServer, A_bad_file_is_told_by_its_name) {
  const auto rig = start();
  const std::string bad = authority_.issue("other", {"other"}).key;
  std::filesystem::copy_file(bad, ours_.key, std::filesystem::copy_options::overwrite_existing);
  const auto loaded = TlsContexts::load(rig->config);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().at(0).message, "realms.access.tls: key " + ours_.key + ": key values mismatch");
}

TEST_F(TlsServer, Says_every_fault_of_every_file) {
  const auto rig = start();
  config::Config config = rig->config;
  config.realms[0].tls.at = {3, 5};
  config.realms[0].tls.own.key = authority_.issue("other", {"other"}).key;
  config.peers[0].tls.at = {9, 5};
  config.peers[0].tls.ca = ours_.key;
  const auto contexts = TlsContexts::load(config);
  ASSERT_FALSE(contexts);
  ASSERT_EQ(contexts.error().size(), 2u);
  EXPECT_EQ(contexts.error()[0].at, (config::Place{3, 5}));
  EXPECT_EQ(contexts.error()[1].at, (config::Place{9, 5}));
  EXPECT_TRUE(contexts.error()[1].message.starts_with("peers.office.tls: ca " + ours_.key))
      << contexts.error()[1].message;
}

TEST_F(TlsServer, Tells_when_each_certificate_ends) {
  const Files two = authority_.issue("two", {.common_name = "two", .ends_s = 10 * 86'400});
  const Files peer = authority_.issue("peer", {.common_name = "peer", .ends_s = 20 * 86'400});
  const auto rig = start([&](config::Config& config, Options&) {
    config.realms[0].tls.sni.push_back({two.certificate, two.key});
    for (config::Peer& one : config.peers) one.tls = config.realms[0].tls;
    config.peers[1].tls.own = {peer.certificate, peer.key};
  });
  const std::vector<CertificateExpiry> expiries = rig->transport->expiries();
  ASSERT_EQ(expiries.size(), 3u) << "a peer without a certificate of its own has its realm's";
  EXPECT_EQ(expiries[0].owner, "realm access");
  EXPECT_EQ(expiries[0].file, ours_.certificate);
  EXPECT_EQ(expiries[1].file, two.certificate);
  EXPECT_EQ(expiries[2].owner, "peer carrier");
  EXPECT_NEAR(static_cast<double>(expiries[1].not_after_s - expiries[0].not_after_s), 9 * 86'400, 60);
  EXPECT_NEAR(static_cast<double>(expiries[2].not_after_s - expiries[0].not_after_s), 19 * 86'400, 60);
}

}  // namespace
}  // namespace sallyport::stream

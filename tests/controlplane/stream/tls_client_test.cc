// SPDX-License-Identifier: Apache-2.0
// TLS from us: whom a request of ours reaches, and whom it must not reach (RFC 5922), reuse (RFC 5923).
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "controlplane/stream/stream_transport.h"
#include "tests/controlplane/stream/tls_support.h"

namespace sallyport::stream {
namespace {

constexpr config::PeerIndex kPeer = 1;  // the rig's `carrier`

class TlsClient : public testing::Test {
 protected:
  using Change = std::function<void(config::Config&)>;
  [[nodiscard]] std::unique_ptr<Rig> start(const Change& change = {}) {
    return std::make_unique<Rig>([&](config::Config& config, Options& options) {
      config::Realm& realm = config.realms[0];
      realm.sip_tls = 5061;
      realm.tls.own = {ours_.certificate, ours_.key};
      realm.tls.ca = authority_.file();
      for (config::Peer& peer : config.peers) {
        peer.tls = realm.tls;
        peer.tls.verify = config::TlsVerify::yes;
      }
      config.peers[kPeer].tls.name = "carrier.example";
      options.listeners = {{0, {kOurs, 0}, sip::Transport::tls}};
      if (change) change(config);
    });
  }
  [[nodiscard]] TlsManner as(const Wish& wish) const {
    return {.own = authority_.issue("far", wish), .ca = authority_.file()};
  }
  [[nodiscard]] TlsManner carrier() const { return as({"carrier", "DNS:carrier.example"}); }
  [[nodiscard]] static sip::Path path_to(const Rig& rig, const Endpoint& remote) {
    sip::Path path = rig.path_to(remote);
    path.transport = sip::Transport::tls;
    path.local.port = 5061;
    return path;
  }
  // A request of ours to whoever listens there and behaves so.
  [[nodiscard]] static TlsEnd reach(Rig& rig, Waiting& there, const TlsManner& manner,
                                    std::uint32_t slot = 1) {
    rig.send(path_to(rig, there.at()), our_request(rig.options.key, slot));
    return TlsEnd::server(there.accept(rig).release(), manner);
  }
  static void expect_unreachable(Rig& rig, Waiting& there, const TlsManner& manner, TlsFailure why) {
    TlsEnd end = reach(rig, there, manner, 21);
    (void)end.shake(rig);
    const Heard heard = rig.hear();
    ASSERT_EQ(heard.kind, Event::unreachable) << tls_failure_name(why);
    EXPECT_EQ(heard.unreachable.slot, 21u);
    EXPECT_EQ(failures(rig, why), 1u) << tls_failure_name(why);
    EXPECT_EQ(end.take(), "") << "nothing of ours for a wrong one";
  }
  [[nodiscard]] static std::uint64_t failures(const Rig& rig, TlsFailure why) {
    return rig.counters().handshake_failures[static_cast<std::size_t>(why)].get();
  }

  Authority authority_;
  Files ours_ = authority_.issue("ours", {"ours", "DNS:ours.example"});
};

TEST_F(TlsClient, Sends_to_a_server_that_is_whom_we_mean_and_uses_the_connection_again) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto rig = start();
    Waiting there(kCarrier);
    TlsManner manner = carrier();
    manner.most = version;
    TlsEnd end = reach(*rig, there, manner);
    ASSERT_TRUE(end.shake(*rig));
    EXPECT_EQ(end.asked(), "carrier.example") << "SNI";
    EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
    rig->send(path_to(*rig, there.at()), our_request(rig->options.key, 2));
    EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 2));
    EXPECT_FALSE(there.has_one());
    end.send(options_request("back"));
    const Heard heard = rig->hear();
    EXPECT_EQ(heard.head.path.peer, kPeer) << "its certificate has said who it is";
    EXPECT_EQ(heard.head.path.transport, sip::Transport::tls);
  }
}

TEST_F(TlsClient, Shows_its_own_certificate_to_a_server_that_demands_one) {
  const auto rig = start([&](config::Config& config) {
    const Files own = authority_.issue("for-carrier", {"for-carrier"});
    config.peers[kPeer].tls.own = {own.certificate, own.key};
  });
  Waiting there(kCarrier);
  TlsManner manner = carrier();
  manner.demands = true;
  TlsEnd end = reach(*rig, there, manner);
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.shown(), "for-carrier");
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
}

TEST_F(TlsClient, Sends_nothing_to_a_server_with_a_good_certificate_of_somebody_else) {
  for (const char* const names :
       {"DNS:other.example", "DNS:*.example", "DNS:carrier.example, URI:sip:other.example", "IP:127.0.0.3"}) {
    const auto rig = start();
    Waiting there(kCarrier);
    expect_unreachable(*rig, there, as({"x", names}), TlsFailure::name);
  }
}

TEST_F(TlsClient, Sends_nothing_to_a_server_whose_certificate_is_not_good) {
  const auto rig = start();
  const Authority others;
  Waiting there(kCarrier);
  expect_unreachable(*rig, there, {.own = others.issue("x", {"x", "DNS:carrier.example"})},
                     TlsFailure::untrusted);
  const auto again = start();
  expect_unreachable(*again, there, as({"x", "DNS:carrier.example", "", -7200, -3600}), TlsFailure::expired);
  const auto mail = start();
  expect_unreachable(*mail, there, as({"x", "DNS:carrier.example", "emailProtection"}),
                     TlsFailure::untrusted);
}

TEST_F(TlsClient, Holds_a_server_without_a_name_against_its_address) {
  const auto nameless = [](config::Config& config) { config.peers[kPeer].tls.name.clear(); };
  const auto rig = start(nameless);
  Waiting there(kCarrier);
  TlsEnd end = reach(*rig, there, as({"x", "IP:127.0.0.3"}));
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.asked(), "") << "SNI takes names only";
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
  const auto other = start(nameless);
  expect_unreachable(*other, there, as({"x", "IP:127.0.0.4, DNS:127.0.0.3"}), TlsFailure::name);
}

TEST_F(TlsClient, Takes_any_server_where_the_peer_says_so) {
  const auto rig =
      start([](config::Config& config) { config.peers[kPeer].tls.verify = config::TlsVerify::no; });
  const Authority others;
  Waiting there(kCarrier);
  TlsEnd end = reach(*rig, there, {.own = others.issue("x", {"x"})});
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
  rig->send(path_to(*rig, there.at()), our_request(rig->options.key, 2));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 2));
}

// ---- names of targets, without `tls.name`

class NamedTargets : public TlsClient {
 protected:
  static void give_targets(config::Config& config) {
    config::Peer& peer = config.peers[kPeer];
    peer.tls.name.clear();
    peer.targets = {{.transport = config::Transport::tls, .host = "a.example"},
                    {.transport = config::Transport::tls, .host = "b.example"},
                    {.endpoint = {kCarrier, 5061}, .transport = config::Transport::tls}};
    peer.redirects.allow_names = {"elsewhere.example"};
  }
  [[nodiscard]] static sip::Path path_as(const Rig& rig, const Endpoint& remote, std::string_view host) {
    sip::Path path = path_to(rig, remote);
    path.peer = kPeer;
    path.host = sip::host_key(host);
    return path;
  }
  // A request to that host at an address that shows a certificate for `names`: what is asked for by SNI, with
  // "wrong" behind it where nothing was sent.
  std::string called(std::string_view host, const char* names, const Change& change = {}) {
    const auto rig = start([&](config::Config& config) {
      give_targets(config);
      if (change) change(config);
    });
    Waiting there(kCarrier);
    rig->send(path_as(*rig, there.at(), host), our_request(rig->options.key, 21));
    TlsEnd end = TlsEnd::server(there.accept(*rig).release(), as({"x", names}));
    (void)end.shake(*rig);
    const auto wrong = [&] { return failures(*rig, TlsFailure::name) != 0; };
    EXPECT_TRUE(rig->until([&] { return wrong() || rig->counters().handshakes.get() != 0; }));
    if (wrong()) {
      EXPECT_EQ(rig->hear().kind, Event::unreachable);
      EXPECT_EQ(end.take(), "") << "nothing of ours for a wrong one";
      return end.asked() + " wrong";
    }
    EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 21));
    return end.asked();
  }
};

TEST_F(NamedTargets, Each_is_asked_for_by_its_own_name_and_has_to_prove_that_one) {
  EXPECT_EQ(called("a.example", "DNS:a.example"), "a.example");
  EXPECT_EQ(called("b.example", "DNS:b.example"), "b.example");
  EXPECT_EQ(called("b.example", "DNS:a.example"), "b.example wrong");
  EXPECT_EQ(called("a.example", "DNS:b.example, DNS:c.example"), "a.example wrong");
}

TEST_F(NamedTargets, A_certificate_for_an_address_is_good_only_where_an_address_is_called) {
  EXPECT_EQ(called("a.example", "IP:127.0.0.3"), "a.example wrong");
  EXPECT_EQ(called("", "IP:127.0.0.3"), "");
  EXPECT_EQ(called("", "IP:127.0.0.4"), " wrong");
  EXPECT_EQ(called("", "DNS:a.example"), " wrong");
}

TEST_F(NamedTargets, A_name_that_a_redirect_led_to_is_held_against_that_name) {
  EXPECT_EQ(called("elsewhere.example", "DNS:elsewhere.example"), "elsewhere.example");
  EXPECT_EQ(called("elsewhere.example", "DNS:a.example"), "elsewhere.example wrong");
  const auto named = [](config::Config& config) { config.peers[kPeer].tls.name = "carrier.example"; };
  EXPECT_EQ(called("elsewhere.example", "DNS:elsewhere.example", named), "elsewhere.example");
  EXPECT_EQ(called("elsewhere.example", "DNS:carrier.example", named), "elsewhere.example wrong");
  EXPECT_EQ(called("b.example", "DNS:carrier.example", named), "carrier.example");
}

TEST_F(NamedTargets, A_name_that_the_configuration_no_longer_has_is_nobody_s) {
  EXPECT_EQ(called("gone.example", "DNS:gone.example"), " wrong");
}

TEST_F(NamedTargets, Where_no_name_is_meant_any_of_the_peer_s_will_do) {
  const auto rig = start(give_targets);
  Waiting there(kCarrier);
  TlsEnd end = reach(*rig, there, as({"x", "DNS:b.example"}));
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
  const auto unnamed = start([](config::Config& config) {
    give_targets(config);
    config.peers[kPeer].targets.pop_back();
  });
  expect_unreachable(*unnamed, there, as({"x", "IP:127.0.0.3"}), TlsFailure::name);
}

TEST_F(NamedTargets, Two_names_at_one_address_have_a_connection_each_and_each_is_used_again) {
  const auto rig = start(give_targets);
  Waiting there(kCarrier);
  const TlsManner both = as({"x", "DNS:a.example, DNS:b.example"});
  const auto open = [&](std::string_view host, std::uint32_t slot) {
    rig->send(path_as(*rig, there.at(), host), our_request(rig->options.key, slot));
    TlsEnd end = TlsEnd::server(there.accept(*rig).release(), both);
    EXPECT_TRUE(end.shake(*rig));
    EXPECT_EQ(end.asked(), host);
    EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, slot));
    return end;
  };
  TlsEnd a = open("a.example", 1), b = open("b.example", 2);
  rig->send(path_as(*rig, there.at(), "a.example"), our_request(rig->options.key, 3));
  EXPECT_EQ(a.reading(*rig), our_request(rig->options.key, 3));
  rig->send(path_as(*rig, there.at(), "b.example"), our_request(rig->options.key, 4));
  EXPECT_EQ(b.reading(*rig), our_request(rig->options.key, 4));
  sip::Path any = path_to(*rig, there.at());
  any.peer = kPeer;
  rig->send(any, our_request(rig->options.key, 5));
  EXPECT_EQ(b.reading(*rig), our_request(rig->options.key, 5)) << "the newest";
  EXPECT_FALSE(there.has_one());
}

// RFC 5923 8.2.
TEST_F(NamedTargets, The_connection_of_a_client_serves_the_name_that_its_certificate_has) {
  const auto rig = start([](config::Config& config) {
    give_targets(config);
    config.peers[kPeer].match_names = {"a.example"};
  });
  TlsEnd client = TlsEnd::client(*rig, kCarrier, as({"x", "DNS:a.example"}));
  ASSERT_TRUE(client.shake(*rig));
  client.send(options_request("x", ";alias"));
  (void)rig->hear();
  rig->send(path_as(*rig, {kCarrier, 5060}, "a.example"), our_request(rig->options.key, 1));
  EXPECT_EQ(client.reading(*rig), our_request(rig->options.key, 1));
  rig->send(path_as(*rig, {kCarrier, 5060}, "b.example"), our_request(rig->options.key, 2));
  EXPECT_EQ(rig->hear().kind, Event::unreachable) << "nobody listens there";
  EXPECT_EQ(client.take(), "");
}

// The shard says whom it means where the address does not.
TEST_F(TlsClient, Goes_by_the_peer_that_the_path_names) {
  const auto rig = start([](config::Config& config) { config.peers[kPeer].match.clear(); });
  Waiting there(kCarrier);
  sip::Path path = path_to(*rig, there.at());
  path.peer = kPeer;
  rig->send(path, our_request(rig->options.key, 1));
  TlsEnd end = TlsEnd::server(there.accept(*rig).release(), carrier());
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
  rig->send(path, our_request(rig->options.key, 2));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 2));
  // Somebody else at the same address has to prove that he is.
  path.peer = 0;
  rig->send(path, our_request(rig->options.key, 3));
  EXPECT_TRUE(there.accept(*rig));
}

TEST_F(TlsClient, Hears_of_a_server_that_is_not_there_or_speaks_no_TLS) {
  const auto rig = start();
  Waiting there(kCarrier);
  rig->send(path_to(*rig, there.at()), our_request(rig->options.key, 21));
  FarEnd end = there.accept(*rig);
  end.send("SIP/2.0 400 What is this\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(rig->hear().kind, Event::unreachable);
  EXPECT_EQ(failures(*rig, TlsFailure::not_tls), 1u);
  const Endpoint gone = there.at();
  there.close();
  rig->send(path_to(*rig, gone), our_request(rig->options.key, 22));
  EXPECT_EQ(rig->hear().unreachable.slot, 22u);
  EXPECT_EQ(rig->closed(Close::connect_failed), 1u);
}

TEST_F(TlsClient, Hears_of_a_server_that_lets_the_handshake_hang) {
  const auto rig = start();
  Waiting there(kCarrier);
  rig->send(path_to(*rig, there.at()), our_request(rig->options.key, 21));
  FarEnd end = there.accept(*rig);
  EXPECT_NE(rig->reading(end), "") << "the ClientHello";
  rig->pass(rig->options.limits.handshake_ns + kSecond);
  EXPECT_EQ(rig->hear().kind, Event::unreachable);
  EXPECT_EQ(failures(*rig, TlsFailure::timeout), 1u);
}

// Over TLS 1.3 the alert comes when we think that all is well.
TEST_F(TlsClient, Hears_of_a_server_that_does_not_like_our_certificate) {
  const Authority others;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto rig = start();
    Waiting there(kCarrier);
    TlsManner manner = carrier();
    manner.ca = others.file();
    manner.demands = true;
    manner.most = version;
    TlsEnd end = reach(*rig, there, manner, 21);
    EXPECT_FALSE(end.shake(*rig));
    EXPECT_EQ(rig->hear().kind, Event::unreachable);
    EXPECT_EQ(failures(*rig, TlsFailure::refused), 1u);
    EXPECT_FALSE(there.has_one()) << "nothing is gained by trying again";
  }
}

TEST_F(TlsClient, Sends_once_more_what_a_closed_far_end_never_took) {
  const auto rig = start();
  Waiting there(kCarrier);
  TlsEnd end = reach(*rig, there, carrier());
  ASSERT_TRUE(end.shake(*rig));
  EXPECT_EQ(end.reading(*rig), our_request(rig->options.key, 1));
  end.close();
  rig->send(path_to(*rig, there.at()), our_request(rig->options.key, 2));
  TlsEnd fresh = TlsEnd::server(there.accept(*rig).release(), carrier());
  ASSERT_TRUE(fresh.shake(*rig));
  EXPECT_EQ(fresh.reading(*rig), our_request(rig->options.key, 2));
  EXPECT_EQ(rig->counters().unreachable.get(), 0u);
}

// RFC 5923 8.2: an alias is believed only of who has proven his name.
TEST_F(TlsClient, Uses_the_connection_of_a_client_as_its_own_only_when_a_certificate_names_it) {
  const auto named = [](config::Config& config) { config.peers[kPeer].match_names = {"carrier.example"}; };
  const auto rig = start(named);
  TlsEnd proven = TlsEnd::client(*rig, kCarrier, carrier());
  ASSERT_TRUE(proven.shake(*rig));
  proven.send(options_request("x", ";alias"));
  (void)rig->hear();
  sip::Path path = path_to(*rig, {kCarrier, 5060});
  path.peer = kPeer;
  rig->send(path, our_request(rig->options.key, 1));
  EXPECT_EQ(proven.reading(*rig), our_request(rig->options.key, 1));

  const auto other = start(named);
  TlsEnd claims = TlsEnd::client(*other, kCarrier, {});
  ASSERT_TRUE(claims.shake(*other));
  claims.send(options_request("x", ";alias"));
  (void)other->hear();
  other->send(path, our_request(other->options.key, 1));
  EXPECT_EQ(other->hear().kind, Event::unreachable) << "nobody listens there";
  EXPECT_EQ(claims.take(), "");
}

}  // namespace
}  // namespace sallyport::stream

// SPDX-License-Identifier: Apache-2.0
// Two transaction layers on one clock, with a network between them that loses, repeats and reorders. Whatever
// the seed makes of it: each transaction has exactly one outcome and one end, and in the end nothing is left.
#include <map>
#include <random>

#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

using Random = std::mt19937_64;

struct Weather {
  unsigned loss_percent;
  unsigned repeat_percent;
  Nanoseconds longest_delay;
};

class Side;

// Datagrams on their way, by the instant of their arrival.
class Network {
 public:
  Network(Random& random, Weather weather) : random_(random), weather_(weather) {}
  void send(Side& to, const Path& path, std::string_view octets, Nanoseconds now) {
    const unsigned copies = random_() % 100 < weather_.repeat_percent ? 2 : 1;
    for (unsigned i = 0; i < copies; ++i) {
      if (random_() % 100 < weather_.loss_percent) continue;
      const auto delay =
          static_cast<Nanoseconds>(random_() % static_cast<std::uint64_t>(weather_.longest_delay));
      flying_.emplace(now + kMillisecond + delay, Flight{&to, path, std::string(octets)});
    }
  }
  [[nodiscard]] Nanoseconds next() const {
    return flying_.empty() ? TimerWheel::kNever : flying_.begin()->first;
  }
  void deliver(Nanoseconds now);

 private:
  struct Flight {
    Side* to;
    Path path;
    std::string octets;
  };
  Random& random_;
  Weather weather_;
  std::multimap<Nanoseconds, Flight> flying_;
};

// One end: its layer, and a user that answers, cancels, acknowledges and hangs up as the dice fall.
class Side final : public MessageSink, public TransactionUser, public TimerTarget {
 public:
  Side(Random& random, Network& network, std::string_view address, std::uint16_t node)
      : random_(random), network_(network), address_(at(address)), key_(key_of(node)), codec_(key_) {}
  void connect(Side& other) { other_ = &other; }

  // ---- transport
  bool send(const Path& path, std::string_view octets) override {
    if (random_() % 500 == 0) return false;
    network_.send(*other_, path, octets, wheel.now_ns());
    return true;
  }
  void arrive(const Path& path, const std::string& octets) {
    const Parsed message(octets, {.local = path.remote, .remote = path.local, .realm = 1});
    ASSERT_TRUE(message.whole) << octets;
    const auto steering = steer::steer(*message.index, message.octets, codec_, key_.hash, 1);
    ASSERT_NE(steering.verdict, steer::Verdict::foreign_response);
    ASSERT_NE(steering.verdict, steer::Verdict::unknown_tag) << octets;
    layer.receive({message.view, verdict_of(steering.verdict), steering.slot, steering.generation});
  }

  // ---- client
  void call(Method method, std::string_view to_params = {}) {
    const std::uint64_t token = ++started;
    std::string headers;
    const std::string tag = codec_.mint({steer::TokenKind::tag, 0, static_cast<std::uint32_t>(token), 1});
    HeaderWriter(headers)
        .line(HeaderId::from, {"<sip:x@", address_.to_text(), ">;tag=", tag})
        .line(HeaderId::to, {"<sip:y@", other_->address_.to_text(), ">", to_params})
        .line(HeaderId::call_id, {"c", std::to_string(token)})
        .line(HeaderId::cseq, {std::to_string(token), " ", method_name(method)});
    headers_[token] = headers;
    const Path path{.local = address_, .remote = other_->address_, .realm = 1};
    const auto id =
        layer.start({.method = method, .request_uri = "sip:y@there", .headers = headers}, path, token);
    ASSERT_TRUE(id);
    outcomes[token] = 0;
    if (method == Method::invite && random_() % 2 == 0) later([this, i = *id] { layer.cancel(i); });
  }
  void on_response(ClientId id, std::uint64_t token, const MessageView& response) override {
    if (response.status() < 200) return;
    const bool success = response.status() < 300 && response.index->cseq_method == Method::invite;
    if (!success || !acknowledged_[token]) ++outcomes[token];
    if (!success) return;
    acknowledged_[token] = true;
    if (random_() % 4 == 0) return;  // this copy is not acknowledged: the next one will be
    std::string headers = headers_[token];
    headers.replace(headers.find("INVITE"), 6, "ACK");
    headers.insert(headers.find("\r\nCall-ID"), ";tag=" + std::string(response.to_tag()));
    ASSERT_TRUE(layer.acknowledge(id, response.to_tag(),
                                  {.method = Method::ack, .request_uri = "sip:y@there", .headers = headers},
                                  {.local = address_, .remote = other_->address_, .realm = 1}));
  }
  void on_failure(ClientId, std::uint64_t token, ClientFailure) override { ++outcomes[token]; }
  void on_client_done(ClientId, std::uint64_t) override { ++clients_done; }

  // ---- server
  void on_request(ServerId id, const Arrival& arrival) override {
    const auto leg = static_cast<std::uint32_t>(++requests);
    layer.set_token(id, leg);
    legs_[leg] = id;
    const bool invite = arrival.message.method() == Method::invite;
    if (invite && random_() % 2 == 0) answer(id, leg, 180);
    if (invite && random_() % 5 == 0) return;  // never, unless it is cancelled
    static constexpr std::uint16_t kFinals[] = {200, 200, 486, 503};
    later([this, id, leg, status = kFinals[random_() % 4]] { answer(id, leg, status); });
  }
  void on_ack(const Arrival& arrival) override { layer.acknowledged(legs_[arrival.slot]); }
  void on_cancel(ServerId invite, std::uint64_t leg, const MessageView&) override {
    later([this, invite, leg] { answer(invite, static_cast<std::uint32_t>(leg), 487); });
  }
  void on_server_done(ServerId, std::uint64_t, ServerEnd) override { ++servers_done; }
  void answer(ServerId id, std::uint32_t leg, std::uint16_t status) {
    const std::string tag = codec_.mint({steer::TokenKind::tag, 0, leg, 1});
    const auto done = layer.respond(id, {.status = status, .to_tag = tag});
    ASSERT_TRUE(done || done.error() == TransactionError::state || done.error() == TransactionError::gone);
  }
  // Answers what is still open, as a core must in the end.
  void close_open_requests() {
    for (const auto& [leg, id] : legs_) answer(id, leg, 480);
  }

  void turn(Nanoseconds now) {
    wheel.advance(now);
    layer.settle();
  }
  void on_timer(Timer& timer) override {
    auto work = std::move(work_[timer.cookie()]);
    work_.erase(timer.cookie());
    work.second();
  }

  TimerWheel wheel{kStart};
  std::map<std::uint64_t, int> outcomes;
  std::uint64_t started = 0, requests = 0, clients_done = 0, servers_done = 0;

 private:
  static steer::NodeKey key_of(std::uint16_t node) {
    steer::NodeKey key = test_key();
    key.node = node;
    return key;
  }
  static dp::SteerVerdict verdict_of(steer::Verdict verdict) {
    return verdict == steer::Verdict::by_branch ? dp::SteerVerdict::by_branch
           : verdict == steer::Verdict::by_tag  ? dp::SteerVerdict::by_tag
                                                : dp::SteerVerdict::by_hash;
  }
  void later(std::function<void()> work) {
    const std::uint64_t number = ++work_count_;
    auto timer = std::make_unique<Timer>(*this, std::uint8_t{0}, number);
    wheel.start(*timer, static_cast<Nanoseconds>(random_() % 8000) * kMillisecond);
    work_[number] = {std::move(timer), std::move(work)};
  }
  Random& random_;
  Network& network_;
  Endpoint address_;
  steer::NodeKey key_;
  steer::IdentifierCodec codec_;
  Side* other_ = nullptr;
  std::map<std::uint64_t, std::string> headers_;
  std::map<std::uint64_t, bool> acknowledged_;
  std::map<std::uint32_t, ServerId> legs_;
  std::uint64_t work_count_ = 0;
  std::map<std::uint64_t, std::pair<std::unique_ptr<Timer>, std::function<void()>>> work_;

 public:
  TransactionLayer layer{{}, wheel, *this, *this, codec_, key_.hash};
};

void Network::deliver(Nanoseconds now) {
  while (!flying_.empty() && flying_.begin()->first <= now) {
    const Flight flight = std::move(flying_.begin()->second);
    flying_.erase(flying_.begin());
    flight.to->arrive(flight.path, flight.octets);
  }
}

void run_until(Nanoseconds end, Network& network, Side& a, Side& b) {
  Nanoseconds now = a.wheel.now_ns();
  while (now < end) {
    now = std::max(now,
                   std::min({end, network.next(), a.wheel.next_deadline_ns(), b.wheel.next_deadline_ns()}));
    a.turn(now);
    b.turn(now);
    network.deliver(now);
  }
}

void run(std::uint64_t seed, Weather weather) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Network network(random, weather);
  Side a(random, network, "192.0.2.1:5060", 1);
  Side b(random, network, "192.0.2.2:5060", 2);
  a.connect(b);
  b.connect(a);
  for (int i = 0; i < 12; ++i) {
    Side& side = random() % 2 == 0 ? a : b;
    static constexpr Method kMethods[] = {Method::invite, Method::invite, Method::options, Method::info};
    side.call(kMethods[random() % 4]);
    run_until(a.wheel.now_ns() + static_cast<Nanoseconds>(random() % 3000) * kMillisecond, network, a, b);
  }
  run_until(a.wheel.now_ns() + 100 * kSecond, network, a, b);
  for (Side* side : {&a, &b}) side->close_open_requests();
  run_until(a.wheel.now_ns() + 200 * kSecond, network, a, b);
  for (Side* side : {&a, &b}) {
    EXPECT_EQ(side->layer.clients(), 0u);
    EXPECT_EQ(side->layer.servers(), 0u);
    EXPECT_EQ(side->wheel.running(), 0u);
    EXPECT_EQ(side->clients_done, side->started);
    EXPECT_EQ(side->servers_done, side->requests);
    for (const auto& [token, count] : side->outcomes) EXPECT_EQ(count, 1) << "transaction " << token;
  }
}

TEST(RandomNetwork, Every_transaction_has_one_outcome_and_nothing_is_left) {
  constexpr Weather kWeathers[] = {{0, 0, 20 * kMillisecond},
                                   {5, 5, 200 * kMillisecond},
                                   {30, 20, 2 * kSecond},
                                   {60, 30, 6 * kSecond},
                                   {100, 0, kSecond}};
  for (std::uint64_t seed = 1; seed <= 400 && !::testing::Test::HasFailure(); ++seed) {
    run(seed, kWeathers[seed % std::size(kWeathers)]);
  }
}

}  // namespace
}  // namespace sallyport::sip::testing

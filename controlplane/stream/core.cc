// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/core.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace sallyport::stream {

namespace {

constexpr Nanoseconds kSweepEvery = 100 * kMillisecond;
constexpr std::size_t kReadBytes = 64 * 1024;
// What an epoll event is about: a connection by its handle, a listener, or the bell.
constexpr std::uint64_t kListenerTag = std::uint64_t{1} << 32;
constexpr std::uint64_t kBellTag = std::uint64_t{2} << 32;

bool add_to_epoll(int epoll, int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

// A thousand open files is what a shell gives; every connection is one.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string sentence(const Listener& listener, int error) {
  return "cannot listen for SIP over " + std::string(sip::transport_name(listener.transport)) + " on " +
         listener.at.to_text() + " (" + std::strerror(error) + "): is another program there?";
}

}  // namespace

StreamTransport::Core::Core(const Options& options, const config::Config& config, WakeShard wake_shard)
    : options_(options),
      rules_(std::make_shared<Rules>(config, nullptr)),
      peers_(rules_->peers),
      wake_shard_(std::move(wake_shard)),
      delivery_(options.key, options.shards, options.ring_bytes, counters_),
      scratch_(kReadBytes) {
  for (unsigned shard = 0; shard < options.shards; ++shard) {
    commands_.push_back(std::make_unique<dp::RecordRing>(options.ring_bytes));
  }
}

StreamTransport::Core::~Core() {
  for (const std::uint32_t id : table_.ids()) {
    if (Connection* connection = table_.find(id)) close(*connection, Close::shutdown);
  }
}

std::expected<void, std::string> StreamTransport::Core::open() {
  raise_file_limit();
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  bell_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll_ || !bell_ || !add_to_epoll(epoll_.get(), bell_.get(), EPOLLIN, kBellTag)) {
    return std::unexpected(std::string("cannot set up epoll for SIP over TCP (") + std::strerror(errno) +
                           ")");
  }
  const auto speaks_tls = [](const Listener& listener) { return listener.transport == sip::Transport::tls; };
  if (std::ranges::any_of(options_.listeners, speaks_tls)) {
    auto loaded = TlsContexts::load(config());
    if (!loaded) return std::unexpected(loaded.error().front().message);
    contexts_ = std::move(*loaded);
    // OpenSSL writes to sockets as it finds them, without a flag against the signal.
    std::signal(SIGPIPE, SIG_IGN);
    handshakes_ = std::make_unique<Handshakes>(options_.handshake_threads, [this] { wake(); });
  }
  for (const Listener& listener : options_.listeners) {
    auto fd = listen_on(listener.at, options_.dscp_of(listener.realm));
    if (!fd) return std::unexpected(sentence(listener, fd.error()));
    if (!add_to_epoll(epoll_.get(), fd->get(), EPOLLIN, kListenerTag | listening_.size())) {
      return std::unexpected(sentence(listener, errno));
    }
    Listener where = listener;
    where.at.port = local_endpoint(fd->get()).port;
    listening_.push_back({where, std::move(*fd)});
  }
  return {};
}

// ---- the loop

void StreamTransport::Core::run() {
  while (!stop_.load(std::memory_order_acquire)) turn(monotonic_now_ns(), -1);
  turn(monotonic_now_ns(), 0);  // the last words of the shards, which have ended before us
}

void StreamTransport::Core::stop() {
  stop_.store(true, std::memory_order_release);
  wake();
}

// The exchange is a full barrier, as in dp::ShardDoorbell: the sleeper sees the push, or we see that it
// sleeps.
void StreamTransport::Core::wake() {
  if (!sleeping_.exchange(false)) return;
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof(one));
}

void StreamTransport::Core::learn(routing::SharedNames names) {
  names_.put(std::move(names));
  wake();
}

void StreamTransport::Core::succeed(std::shared_ptr<Rules> rules) {
  next_rules_.put(std::move(rules));
  wake();
}

void StreamTransport::Core::apply_rules() {
  const auto next = next_rules_.take();
  if (!next) return;
  rules_ = std::move(*next);
  peers_ = rules_->peers;
  options_.limits.connections = config().controlplane.max_connections;
  for (std::size_t realm = 0; realm < options_.dscp.size(); ++realm)
    options_.dscp[realm] = config().realms[realm].sip_dscp;
  for (const Listening& listening : listening_)
    mark(listening.fd.get(), listening.where.at.address.family(), options_.dscp_of(listening.where.realm));
  if (rules_->contexts) {
    const std::lock_guard lock(contexts_mutex_);
    contexts_ = rules_->contexts;
  }
  rules_->taken.set_value();
}

// As a shard does it: of what indices a name speaks is said by its generation.
void StreamTransport::Core::apply_names() {
  if (const auto names = names_.take()) next_names_ = std::move(*names);
  if (!next_names_ || next_names_->generation > config().generation) return;
  const routing::SharedNames names = std::exchange(next_names_, nullptr);
  if (names->generation == config().generation) peers_.learn(*names);
}

int StreamTransport::Core::wait_ms(int timeout_ms) {
  const bool work = stop_.load(std::memory_order_acquire) || !waiting_.empty() || names_.waiting() ||
                    next_rules_.waiting() ||
                    std::ranges::any_of(commands_, [](const auto& ring) { return !ring->empty(); });
  if (work || (handshakes_ && !handshakes_->empty())) return 0;
  int most = table_.size() != 0 || listeners_rest_ ? static_cast<int>(kSweepEvery / kMillisecond) : -1;
  if (!stalled_.empty()) most = 1;
  if (timeout_ms < 0) return most;
  return most < 0 ? timeout_ms : std::min(most, timeout_ms);
}

void StreamTransport::Core::turn(Nanoseconds now_ns, int timeout_ms) {
  std::array<epoll_event, 256> events;
  sleeping_.exchange(true);
  const int wait = wait_ms(timeout_ms);
  const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait);
  sleeping_.store(false);
  // Time passed while waiting; a test's clock, which never waits, stands still.
  now_ns_ = wait == 0 || timeout_ms >= 0 ? now_ns : monotonic_now_ns();
  apply_rules();
  apply_names();
  take_commands();
  if (handshakes_) take_handshakes();
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    dispatch(event.data.u64, event.events);
  }
  retry_stalled();
  resend_waiting();
  if (now_ns_ - swept_ns_ >= kSweepEvery) sweep();
  note_levels();
  delivery_.wake_touched(wake_shard_);
}

void StreamTransport::Core::dispatch(std::uint64_t tag, std::uint32_t events) {
  if (tag == kBellTag) {
    std::uint64_t count = 0;
    (void)!::read(bell_.get(), &count, sizeof(count));
  } else if ((tag & kListenerTag) != 0) {
    accept_all(tag & 0xffff'ffff);
  } else if (Connection* connection = table_.find(static_cast<std::uint32_t>(tag))) {
    on_connection(*connection, events);
  }
}

void StreamTransport::Core::on_connection(Connection& connection, std::uint32_t events) {
  const std::uint32_t id = connection.id();
  if (connection.state == Connection::State::connecting) return connected(connection);
  if (connection.state == Connection::State::handshaking) {
    // A hang-up is told also while a step runs: the step will meet it.
    return connection.handshake_waits == Io::done ? void() : step_handshake(connection);
  }
  if ((events & EPOLLOUT) != 0) flush(connection);
  // The end of one connection may have ended others, never made this one another's.
  if (table_.find(id) == nullptr || (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) == 0) return;
  read(connection);
}

// Reads unless held or closing, and writes when something waits.
void StreamTransport::Core::watch(Connection& connection) {
  using State = Connection::State;
  std::uint32_t wanted = 0;
  if (connection.state == State::connecting) {
    wanted = EPOLLOUT;
  } else if (connection.state == State::handshaking) {
    if (connection.handshake_waits == Io::wait_read) wanted = EPOLLIN;
    if (connection.handshake_waits == Io::wait_write) wanted = EPOLLOUT;
  } else {
    if (connection.stalled_ns == 0) wanted |= EPOLLIN | EPOLLRDHUP;
    if (connection.has_unsent()) wanted |= EPOLLOUT;
  }
  if (wanted == connection.watched) return;
  const int fd = connection.fd->get();
  if (wanted == 0) {
    // Not only no events: epoll would tell of a hang-up again and again.
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    connection.watched = 0;
    return;
  }
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = connection.id();
  const int act = connection.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_.get(), act, fd, &event) == 0) connection.watched = wanted;
}

// ---- ends

void StreamTransport::Core::begin_closing(Connection& connection, Close reason) {
  connection.enter(Connection::State::closing, now_ns_);
  connection.closing_reason = reason;
  watch(connection);
}

void StreamTransport::Core::close(Connection& connection, Close reason) {
  counters_.closed[static_cast<std::size_t>(reason)].add();
  std::vector<Outgoing> left = connection.take_undelivered(reason == Close::handshake_failed);
  // Once more on a fresh connection, when it was the far end that closed one that had worked (RFC 3261 18.2.2
  // for responses; a request that has not arrived has harmed nobody).
  const bool again = reason == Close::by_peer && connection.useful;
  if (connection.channel) connection.channel->close();
  // A step of its handshake may hold the socket open a little longer, also the last one that has told its
  // end: epoll would go on to tell of a hang-up that is nobody's.
  if (connection.watched != 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, connection.fd->get(), nullptr);
  if (connection.state == Connection::State::handshaking) {
    --handshaking_;
    end_writing(connection.fd->get());  // the far end need not wait for the step
  }
  const std::uint32_t id = connection.id();
  table_.remove(connection);
  std::erase(stalled_, id);
  for (Outgoing& message : left) {
    if (again && !message.retried) {
      message.retried = true;
      message.path.connection = 0;
      waiting_.push_back(std::move(message));
    } else {
      give_up(message);
    }
  }
}

std::optional<Close> StreamTransport::Core::overdue(const Connection& connection) const {
  using State = Connection::State;
  const Limits& limits = options_.limits;
  const Nanoseconds in_state = now_ns_ - connection.since_ns;
  if (connection.state == State::connecting) {
    return in_state > limits.connect_ns ? std::optional(Close::connect_failed) : std::nullopt;
  }
  if (connection.state == State::handshaking) {
    const Nanoseconds most = connection.stranger ? limits.stranger_handshake_ns : limits.handshake_ns;
    return in_state > most ? std::optional(Close::handshake_failed) : std::nullopt;
  }
  if (connection.state == State::closing) {
    return in_state > limits.linger_ns ? std::optional(connection.closing_reason) : std::nullopt;
  }
  if (connection.stranger && in_state > limits.stranger_ns) return Close::stranger_served;
  if (connection.blocked_ns != 0 && now_ns_ - connection.blocked_ns > limits.write_ns)
    return Close::slow_reader;
  if (connection.message_ns != 0 && now_ns_ - connection.message_ns > limits.message_ns)
    return Close::slow_message;
  if (!connection.useful) return in_state > limits.first_ns ? std::optional(Close::silent) : std::nullopt;
  return now_ns_ - connection.heard_ns > limits.idle_ns ? std::optional(Close::idle) : std::nullopt;
}

void StreamTransport::Core::sweep() {
  swept_ns_ = now_ns_;
  if (listeners_rest_) rest_listeners(false);
  for (const std::uint32_t id : table_.ids()) {
    Connection* const connection = table_.find(id);
    if (connection == nullptr) continue;
    const auto reason = overdue(*connection);
    if (reason == Close::handshake_failed) {
      fail_handshake(*connection, TlsFailure::timeout);
    } else if (reason) {
      close(*connection, *reason);
    }
  }
}

}  // namespace sallyport::stream

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/dns_client.h"

#include <ares.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::resolver {
namespace {

constexpr int kAskedClass = 1;  // IN
// RFC 9715 3.1: what passes everywhere in one piece.
constexpr int kEdnsBytes = 1232;

std::string servers_text(const std::vector<Endpoint>& servers) {
  std::string text;
  for (const Endpoint& server : servers) text += (text.empty() ? "" : ",") + server.to_text();
  return text;
}

int milliseconds_of(Nanoseconds span_ns) {
  return static_cast<int>(std::min<Nanoseconds>((span_ns + kMillisecond - 1) / kMillisecond, 3'600'000));
}

Answer answer_of(int status, const unsigned char* octets, int size, const Question& question) {
  Answer answer;
  switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      if (octets == nullptr) break;
      return read_answer({octets, static_cast<std::size_t>(std::max(size, 0))}, question);
    case ARES_ENOTIMP:
    case ARES_EFORMERR:  // servers that do not know NAPTR or SRV (RFC 3263 4.1: as if there were none)
      if (question.type == RecordType::naptr || question.type == RecordType::srv)
        answer.kind = AnswerKind::no_data;
      break;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
      answer.kind = AnswerKind::timeout;
      break;
    default:
      break;
  }
  return answer;
}

}  // namespace

struct DnsClient::Asked {
  DnsClient* client;
  std::size_t name;
  Question question;
};

std::expected<std::unique_ptr<DnsClient>, std::string> DnsClient::open(const config::Dns& dns) {
  std::unique_ptr<DnsClient> client(new DnsClient);
  const auto fault = [](int status) {
    return std::unexpected(std::string("names cannot be looked up (") + ares_strerror(status) +
                           "): are dns.servers or /etc/resolv.conf as they should be?");
  };
  if (const int status = ares_library_init(ARES_LIB_INIT_ALL); status != ARES_SUCCESS) return fault(status);
  char lookups[] = "b";  // name servers only: /etc/hosts has no SRV
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  if (dns.transport == config::DnsTransport::tcp) options.flags |= ARES_FLAG_USEVC;
  options.timeout = milliseconds_of(dns.timeout_ns);
  options.tries = static_cast<int>(dns.tries);
  options.ednspsz = kEdnsBytes;
  options.lookups = lookups;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                   ARES_OPT_LOOKUPS | ARES_OPT_NOROTATE;
  int status = ares_init_options(&client->channel_, &options, mask);
  if (status == ARES_SUCCESS && !dns.servers.empty()) {
    status = ares_set_servers_ports_csv(client->channel_, servers_text(dns.servers).c_str());
  }
  if (status != ARES_SUCCESS) return fault(status);
  return client;
}

// Ends every question with ARES_EDESTRUCTION first, which frees what on_answer() is given.
DnsClient::~DnsClient() {
  if (channel_ != nullptr) ares_destroy(channel_);
  ares_library_cleanup();
}

void DnsClient::ask(std::size_t name, const Question& question) {
  auto asked = std::make_unique<Asked>(this, name, question);
  ares_query(channel_, question.name.c_str(), kAskedClass, static_cast<int>(question.type), &on_answer,
             asked.release());
}

void DnsClient::on_answer(void* asked, int status, int, unsigned char* octets, int size) {
  const std::unique_ptr<Asked> was(static_cast<Asked*>(asked));
  was->client->answered_.push_back(
      {was->name, was->question, answer_of(status, octets, size, was->question)});
}

std::vector<DnsClient::Answered> DnsClient::take_answers() {
  return std::exchange(answered_, {});
}

void DnsClient::wait(int wake_fd, Nanoseconds longest_ns) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const int wanted = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
  std::array<pollfd, ARES_GETSOCK_MAXNUM + 1> polled{};
  nfds_t count = 0;
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
    if (events != 0) polled[count++] = {sockets[static_cast<std::size_t>(i)], events, 0};
  }
  const nfds_t of_servers = count;
  polled[count++] = {wake_fd, POLLIN, 0};

  int limit_ms = longest_ns < 0 ? -1 : milliseconds_of(longest_ns);
  timeval next{};
  if (const timeval* until = ares_timeout(channel_, nullptr, &next)) {
    const auto left_ms = static_cast<int>(until->tv_sec * 1000 + (until->tv_usec + 999) / 1000);
    limit_ms = limit_ms < 0 ? left_ms : std::min(limit_ms, left_ms);
  }
  if (!answered_.empty()) limit_ms = 0;
  (void)::poll(polled.data(), count, limit_ms);
  for (nfds_t i = 0; i < of_servers; ++i) {
    const short came = polled[i].revents;
    const bool broken = (came & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    ares_process_fd(channel_, (came & POLLIN) != 0 || broken ? polled[i].fd : ARES_SOCKET_BAD,
                    (came & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
}

}  // namespace sallyport::resolver

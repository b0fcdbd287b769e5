// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The transaction layer of RFC 3261 17 with RFC 6026, for one shard. Client transactions
// are found by the slot and generation in the branch that we minted; server transactions by a keyed hash of
// branch and sent-by (17.2.3), or of what RFC 2543 compares when there is no magic cookie. The machines are
// the tables of client_machine.h and server_machine.h; the layer feeds them events and carries out their
// actions. A turn of the shard's loop: wheel.advance(now); receive() for each message; the users' own work;
// settle(); sleep until wheel.next_deadline_ns(). Errors of sending that a user's call met are told to him in
// settle(), not at once. What the layer does by itself: retransmissions, 100, ACK for non-2xx, ACK again for
// a repeated 2xx, CANCEL with its 200 or 481, 482 for merged requests, 481 for tags that are not ours, 400
// and the like for faults, 503 when full, 513 where the request leaves no room for a response.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string_view>

#include "controlplane/sip/drafts.h"
#include "controlplane/sip/statistics.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"
#include "dataplane/base/siphash.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::sip {

struct TransactionOptions {
  Nanoseconds t1 = 500 * kMillisecond;  // RFC 3261 17.1.1.1
  Nanoseconds t2 = 4 * kSecond;
  Nanoseconds t4 = 5 * kSecond;
  Nanoseconds trying_after = 0;  // 100 to an INVITE: 0: when on_request returns without an answer; <0: never
  std::uint32_t max_clients = 1u << 17;
  std::uint32_t max_servers = 1u << 17;
  // Of each table so much, in 1/n, is kept for what goes on: requests inside our dialogs, CANCEL, BYE.
  std::uint32_t reserve_divisor = 8;
  std::uint32_t retry_after_s = 5;  // of the 503 when full
  std::uint8_t shard = 0;
};

// RFC 3261 18.1.1: a request above this that does not know its path's MTU goes by a congestion-controlled
// transport.
inline constexpr std::size_t kLargestDatagram = 1300;

enum class TransactionError : std::uint8_t {
  full,       // no slot left: 503
  too_large,  // over 65,535 octets: 513
  gone,       // the id's transaction is over
  state,      // not in this state: a second final response, a provisional after one
};
[[nodiscard]] constexpr std::uint16_t status_of(TransactionError error) {
  return error == TransactionError::full ? 503 : error == TransactionError::too_large ? 513 : 500;
}

class TransactionLayer {
 public:
  // All references must outlive the layer. `codec` and `hash_key` are those of the node.
  TransactionLayer(const TransactionOptions& options, TimerWheel& wheel, MessageSink& sink,
                   TransactionUser& core, const steer::IdentifierCodec& codec, SipHashKey hash_key,
                   MessageObserver* observer = nullptr);
  ~TransactionLayer();

  // ---- from the transport
  // Any message that was parsed, with or without a fault.
  void receive(const Arrival& arrival);
  // An ICMP error or a broken connection for a request with our branch {slot, generation}.
  void unreachable(std::uint32_t slot, std::uint32_t generation);
  // Tells users what their calls could not tell them, and frees what is over. Once a turn, before sleeping.
  void settle();

  // ---- client side
  // Sends the request over `path` with a Via of our own. `user`: who hears of it; nullptr: the core. `large`:
  // where it goes instead when it is above kLargestDatagram octets and `path` is UDP (RFC 3261 18.1.1); when
  // that way cannot be had, over `path` all the same.
  [[nodiscard]] std::expected<ClientId, TransactionError> start(const RequestDraft& draft, const Path& path,
                                                                std::uint64_t token,
                                                                TransactionUser* user = nullptr,
                                                                const Path* large = nullptr);
  // INVITE only (RFC 3261 9.1): sends CANCEL, at once or when a provisional response has come. `headers`:
  // further lines for the CANCEL (Reason). Nothing happens after a final response.
  void cancel(ClientId id, std::string_view headers = {});
  // Sends the ACK for a 2xx to the INVITE `id` with that To tag (13.2.2.4) with a branch of its own, and
  // sends it again whenever that 2xx is repeated. Works also when the transaction is over, without the
  // repeating. `large` as for start(): when the 2xx is repeated all the same, the ACK goes over `path`.
  [[nodiscard]] std::expected<void, TransactionError> acknowledge(ClientId id, std::string_view to_tag,
                                                                  const RequestDraft& ack, const Path& path,
                                                                  const Path* large = nullptr);
  // The request as it was sent, read again, and its path; empty when its transaction is over.
  [[nodiscard]] StoredMessage request_of(ClientId id);

  // ---- server side
  void set_token(ServerId id, std::uint64_t token);
  // The To tag of all answers that name none, and of the answer to a CANCEL of the request, which should bear
  // the same (RFC 3261 9.2).
  void set_tag(ServerId id, std::string_view tag);
  // A 2xx to an INVITE is repeated from T1, doubling up to T2, until acknowledged() or 64*T1 (13.3.1.4). A
  // final response that is too_large is sent without the user's lines and body, a 2xx as 500, so that the
  // transaction ends; of a 2xx to an INVITE, and where even that does not fit, settle() tells not_sent.
  [[nodiscard]] std::expected<void, TransactionError> respond(ServerId id, const ResponseDraft& draft);
  // The ACK for the 2xx came.
  void acknowledged(ServerId id);
  // The request, as long as the transaction lives.
  [[nodiscard]] const StoredMessage* request_of(ServerId id);

  // A request that its user does not let in: the observer hears of it all the same.
  void note_turned_away(const MessageView& request);
  // Whether it belongs to a server transaction: a repeated request, its ACK or its CANCEL, from the address
  // that began it.
  [[nodiscard]] bool belongs(const MessageView& request);
  // After a reload, for what begins from now on; timers that run go on to their end.
  void set_timers(Nanoseconds t1, Nanoseconds t2, Nanoseconds t4);
  // Answers a request without a transaction (8.2.7). Does nothing for an ACK, a response, or a request so
  // broken that no answer can be made. The rate of such answers is the caller's to limit.
  void respond_stateless(const MessageView& request, const ResponseDraft& draft);

  [[nodiscard]] const TransactionCounters& counters() const;
  [[nodiscard]] std::uint32_t clients() const;
  [[nodiscard]] std::uint32_t servers() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "controlplane/sip/message.h"
#include "dataplane/api/contract.h"

namespace sallyport::sip {

// Handles. {0, 0} is nobody. One of a transaction that is over finds nothing and harms nothing.
struct ClientId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  [[nodiscard]] explicit operator bool() const { return generation != 0; }
  friend bool operator==(const ClientId&, const ClientId&) = default;
};
struct ServerId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  [[nodiscard]] explicit operator bool() const { return generation != 0; }
  friend bool operator==(const ServerId&, const ServerId&) = default;
};

// A message as it reaches the shard. slot and generation are the token's: of the transaction (by_branch) or
// of the leg that minted the To tag (by_tag).
struct Arrival {
  MessageView message;
  dp::SteerVerdict verdict = dp::SteerVerdict::by_hash;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

// How a client transaction ended without a final response.
enum class ClientFailure : std::uint8_t {
  timeout,    // timer B or F: as if 408 (RFC 3261 8.1.3.1)
  transport,  // could not be sent, or ICMP said unreachable: as if 503
  cancelled   // cancelled, and no final response came 64*T1 after the CANCEL (9.1): as if 487
};
[[nodiscard]] constexpr std::uint16_t status_of(ClientFailure failure) {
  return failure == ClientFailure::timeout ? 408 : failure == ClientFailure::transport ? 503 : 487;
}

enum class ServerEnd : std::uint8_t {
  finished,
  no_ack,   // no ACK to the final response: timer H, or 64*T1 of 2xx (13.3.1.4: end the session with BYE)
  not_sent  // the final response was too large: a 2xx has made no session, another may have reached nobody
};

// The core above the transactions (RFC 3261 5). All calls come from TransactionLayer::receive, unreachable
// and settle or from TimerWheel::advance, never from within a call of the user's into the layer. The user may
// call into the layer from any of them. `token` is what the user gave to start() or set_token().
class TransactionUser {
 public:
  virtual ~TransactionUser() = default;

  // A new request, INVITE or any other but ACK and CANCEL, free of faults and no retransmission. It must be
  // answered by respond(id), now or later. `arrival.verdict` by_tag: it is for the leg {slot, generation}.
  virtual void on_request(ServerId id, const Arrival& arrival) = 0;
  // A new request, never an ACK, that the layer answers by itself, and is about to: for a fault of it, for its
  // size, or because no server transaction is free.
  virtual void on_refused(const MessageView& /*request*/, std::uint16_t /*status*/,
                          std::string_view /*phrase*/) {}
  // An ACK for a 2xx: for the leg {slot, generation} when by_tag. Tell acknowledged() when it fits. Never
  // answered.
  virtual void on_ack(const Arrival& arrival) = 0;
  // The INVITE `invite` is to be cancelled; the CANCEL has its 200 already. Answer the INVITE, usually by
  // 487. Only while no final response has been sent.
  virtual void on_cancel(ServerId invite, std::uint64_t token, const MessageView& cancel) = 0;
  // The transaction is over for the user and its id dead. Not called for a transaction that the user never
  // saw.
  virtual void on_server_done(ServerId id, std::uint64_t token, ServerEnd end) = 0;

  // Each provisional response, and one final: except that several 2xx with different To tags may come
  // (forks), and the same 2xx again as long as it has not been acknowledged by acknowledge().
  virtual void on_response(ClientId id, std::uint64_t token, const MessageView& response) = 0;
  // No final response will come. Not after one came.
  virtual void on_failure(ClientId id, std::uint64_t token, ClientFailure failure) = 0;
  // A 2xx to an INVITE of ours that has failed, or whose transaction is long over: nobody waits for it, but
  // whoever sent it believes in a session.
  virtual void on_stray_success(const MessageView& /*response*/) {}
  // The transaction is over and its id dead: no further 2xx will be passed up (timer M).
  virtual void on_client_done(ClientId /*id*/, std::uint64_t /*token*/) {}
};

}  // namespace sallyport::sip

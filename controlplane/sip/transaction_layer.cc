// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/transaction_layer.h"

#include "controlplane/sip/client_transactions.h"
#include "controlplane/sip/layer_context.h"
#include "controlplane/sip/server_transactions.h"

namespace sallyport::sip {

bool LayerContext::send(const Path& path, std::string_view octets, Method method, std::uint16_t status,
                        bool retransmission) {
  if (!sink.send(path, octets)) return false;
  if (observer != nullptr)
    observer->on_message({Direction::sent, method, status, retransmission, &path, octets});
  return true;
}

void LayerContext::note_received(const MessageView& message, bool retransmission) {
  if (observer == nullptr) return;
  observer->on_message({Direction::received, message.method(),
                        message.is_response() ? message.status() : std::uint16_t{0}, retransmission,
                        &message.path, message.octets});
}

class TransactionLayer::Core {
 public:
  Core(const TransactionOptions& options, TimerWheel& wheel, MessageSink& sink, TransactionUser& user,
       const steer::IdentifierCodec& codec, SipHashKey hash_key, MessageObserver* observer)
      : context{options, wheel, sink, user, codec, hash_key, observer}, clients(context), servers(context) {}
  LayerContext context;
  ClientTransactions clients;
  ServerTransactions servers;
};

TransactionLayer::TransactionLayer(const TransactionOptions& options, TimerWheel& wheel, MessageSink& sink,
                                   TransactionUser& core, const steer::IdentifierCodec& codec,
                                   SipHashKey hash_key, MessageObserver* observer)
    : core_(std::make_unique<Core>(options, wheel, sink, core, codec, hash_key, observer)) {}

TransactionLayer::~TransactionLayer() = default;

void TransactionLayer::receive(const Arrival& arrival) {
  if (arrival.message.is_request()) {
    core_->servers.receive(arrival);
  } else if (arrival.message.index->fault == Fault::none) {
    core_->clients.receive(arrival);
  } else {
    // A broken response, or nothing that could be told apart: never answered (RFC 3261 18.1.2).
    core_->context.note_received(arrival.message, false);
    core_->context.counters.faults[static_cast<std::size_t>(arrival.message.index->fault)].add();
  }
  settle();
}

void TransactionLayer::unreachable(std::uint32_t slot, std::uint32_t generation) {
  core_->clients.unreachable(slot, generation);
  settle();
}

// What is told may start, refuse and end further transactions: until nothing is left.
void TransactionLayer::settle() {
  bool again = true;
  while (again) {
    const bool clients_did = core_->clients.settle();
    const bool servers_did = core_->servers.settle();
    again = clients_did || servers_did;
  }
}

std::expected<ClientId, TransactionError> TransactionLayer::start(const RequestDraft& draft, const Path& path,
                                                                  std::uint64_t token, TransactionUser* user,
                                                                  const Path* large) {
  return core_->clients.start(draft, path, token, user, large);
}

void TransactionLayer::cancel(ClientId id, std::string_view headers) {
  core_->clients.cancel(id, headers);
}

std::expected<void, TransactionError> TransactionLayer::acknowledge(ClientId id, std::string_view to_tag,
                                                                    const RequestDraft& ack, const Path& path,
                                                                    const Path* large) {
  return core_->clients.acknowledge(id, to_tag, ack, path, large);
}

void TransactionLayer::set_token(ServerId id, std::uint64_t token) {
  core_->servers.set_token(id, token);
}
void TransactionLayer::set_tag(ServerId id, std::string_view tag) {
  core_->servers.set_tag(id, tag);
}

std::expected<void, TransactionError> TransactionLayer::respond(ServerId id, const ResponseDraft& draft) {
  return core_->servers.respond(id, draft);
}

StoredMessage TransactionLayer::request_of(ClientId id) {
  return core_->clients.request_of(id);
}
void TransactionLayer::acknowledged(ServerId id) {
  core_->servers.acknowledged(id);
}

const StoredMessage* TransactionLayer::request_of(ServerId id) {
  return core_->servers.request_of(id);
}

void TransactionLayer::note_turned_away(const MessageView& request) {
  core_->context.note_received(request, false);
}

bool TransactionLayer::belongs(const MessageView& request) {
  return core_->servers.belongs(request);
}

void TransactionLayer::set_timers(Nanoseconds t1, Nanoseconds t2, Nanoseconds t4) {
  core_->context.options.t1 = t1;
  core_->context.options.t2 = t2;
  core_->context.options.t4 = t4;
}

void TransactionLayer::respond_stateless(const MessageView& request, const ResponseDraft& draft) {
  core_->servers.respond_stateless(request, draft);
}

const TransactionCounters& TransactionLayer::counters() const {
  return core_->context.counters;
}
std::uint32_t TransactionLayer::clients() const {
  return core_->clients.size();
}
std::uint32_t TransactionLayer::servers() const {
  return core_->servers.size();
}

}  // namespace sallyport::sip

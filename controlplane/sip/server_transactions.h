// SPDX-License-Identifier: Apache-2.0
// The server half of the transaction layer. Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "controlplane/sip/hash_index.h"
#include "controlplane/sip/layer_context.h"
#include "controlplane/sip/matching.h"
#include "controlplane/sip/server_machine.h"
#include "controlplane/sip/slab.h"

namespace sallyport::sip {

class ServerTransactions final : private TimerTarget {
 public:
  explicit ServerTransactions(LayerContext& context);

  void receive(const Arrival& arrival);
  bool settle();

  void set_token(ServerId id, std::uint64_t token);
  void set_tag(ServerId id, std::string_view tag);
  [[nodiscard]] std::expected<void, TransactionError> respond(ServerId id, const ResponseDraft& draft);
  void acknowledged(ServerId id);
  [[nodiscard]] const StoredMessage* request_of(ServerId id);
  [[nodiscard]] bool belongs(const MessageView& request);
  void respond_stateless(const MessageView& request, const ResponseDraft& draft);
  [[nodiscard]] std::uint32_t size() const { return slab_.size(); }

 private:
  struct Transaction {
    Transaction() : by_key(*this), by_merge(*this) {}
    ServerId id;
    std::uint64_t token = 0;
    StoredMessage request;
    Path response_path;
    Buffer last_response;
    std::uint16_t last_status = 0;
    Method method = Method::none;
    bool invite = false;
    bool rfc2543 = false;
    bool has_user = false;  // passed to the core: it hears of the end
    bool ack_seen = false;
    invite_server::State invite_state = invite_server::State::proceeding;
    non_invite_server::State state = non_invite_server::State::trying;
    Nanoseconds interval = 0;
    Timer resend;           // trying, then G or resend_2xx
    Timer wait;             // H then I, L; J
    std::string local_tag;  // the To tag of our last response above 100
    ServerEnd end = ServerEnd::finished;
    HashIndex<Transaction>::Link by_key;
    HashIndex<Transaction>::Link by_merge;
  };
  // What an event brings along: the request, or the status of the response that stands in the scratch string.
  struct Input {
    const Arrival* arrival = nullptr;
    std::uint16_t status = 0;
  };

  void answer_fault(const MessageView& request);
  void receive_ack(const Arrival& arrival, const MatchKey& key);
  void receive_cancel(const Arrival& arrival, const MatchKey& key);
  void receive_new(const Arrival& arrival, const MatchKey& key);
  void refuse_full(const MessageView& request);
  void refuse_large(const MessageView& request);
  [[nodiscard]] bool leaves_room(const MessageView& request);
  [[nodiscard]] Transaction* match(const MessageView& request, const MatchKey& key, Method method);
  [[nodiscard]] Transaction* make(const MessageView& request, const MatchKey& key);
  [[nodiscard]] bool is_merged(const MessageView& request, std::uint64_t hash);
  void on_timer(Timer& timer) override;
  void handle(Transaction& transaction, invite_server::Event event, const Input& input);
  void handle(Transaction& transaction, non_invite_server::Event event, const Input& input);
  void carry_out(Transaction& transaction, invite_server::Action action, const Input& input);
  void carry_out(Transaction& transaction, non_invite_server::Action action, const Input& input);
  [[nodiscard]] bool allows(const Transaction& transaction, std::uint16_t status) const;
  void compose(Transaction& transaction, const ResponseDraft& draft);
  // Composes what can be said in place of `draft`; the status, or 0 when nothing fits.
  [[nodiscard]] std::uint16_t compose_short(Transaction& transaction, const ResponseDraft& draft);
  void abandon(Transaction& transaction);
  void transmit(Transaction& transaction, std::uint16_t status);
  void repeat(Transaction& transaction);
  void repeat_later(Transaction& transaction, TimerName name, Nanoseconds interval);
  void wait_for(Transaction& transaction, TimerName name, Nanoseconds span);
  void finish(Transaction& transaction, ServerEnd end);
  // For the layer's own answers, which its own state always allows.
  void answer(Transaction& transaction, const ResponseDraft& draft);
  [[nodiscard]] std::string_view to_tag_for(Transaction& transaction, std::string_view wanted);
  [[nodiscard]] Transaction* find(ServerId id) { return slab_.find(id.slot, id.generation); }

  LayerContext& context_;
  HashIndex<Transaction> keys_;
  HashIndex<Transaction> merges_;
  Slab<Transaction> slab_;  // after the indexes: what it holds leaves them when it goes
  std::vector<ServerId> over_;
  std::vector<ServerId> cut_short_;  // whose 2xx to an INVITE went out as a failure
};

}  // namespace sallyport::sip

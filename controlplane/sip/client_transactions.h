// SPDX-License-Identifier: Apache-2.0
// The client half of the transaction layer. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/sip/client_machine.h"
#include "controlplane/sip/layer_context.h"
#include "controlplane/sip/slab.h"

namespace sallyport::sip {

class ClientTransactions final : private TimerTarget {
 public:
  explicit ClientTransactions(LayerContext& context)
      : context_(context), slab_(context.options.max_clients) {}

  void receive(const Arrival& arrival);
  void unreachable(std::uint32_t slot, std::uint32_t generation);
  // True when there was something to tell or to free.
  bool settle();

  [[nodiscard]] std::expected<ClientId, TransactionError> start(const RequestDraft& draft, const Path& path,
                                                                std::uint64_t token, TransactionUser* user,
                                                                const Path* large);
  void cancel(ClientId id, std::string_view headers);
  [[nodiscard]] std::expected<void, TransactionError> acknowledge(ClientId id, std::string_view to_tag,
                                                                  const RequestDraft& ack, const Path& path,
                                                                  const Path* large);
  [[nodiscard]] StoredMessage request_of(ClientId id);
  [[nodiscard]] std::uint32_t size() const { return slab_.size(); }

 private:
  // An ACK for a 2xx, kept as long as that 2xx may be repeated.
  struct Acknowledgement {
    std::string to_tag;
    Path path;
    std::optional<Path> otherwise;  // as a transaction's
    Buffer octets;
    std::uint32_t number = 0;  // in its branch
  };
  struct Transaction {
    ClientId id;
    TransactionUser* user = nullptr;  // nullptr: a CANCEL, whose outcome nobody asks for
    std::uint64_t token = 0;
    Path path;
    std::optional<Path> otherwise;  // UDP, when a large request cannot go by TCP
    Buffer request;
    Timer resend;        // A, E
    Timer wait;          // B then D or M; F then K
    Timer cancel_guard;  // 64*T1 after CANCEL
    Nanoseconds interval = 0;
    Method method = Method::none;
    invite_client::State invite_state = invite_client::State::calling;
    non_invite_client::State state = non_invite_client::State::trying;
    bool cancel_wanted = false;
    ClientId cancel;  // the CANCEL's transaction, once it has been sent
    std::string cancel_headers;
    std::vector<Acknowledgement> acknowledgements;

    [[nodiscard]] bool is_invite() const { return method == Method::invite; }
  };
  // The response that is an event's, or nullptr.
  using Response = const MessageView*;

  [[nodiscard]] Transaction* make(Method method, const Path& path);
  void launch(Transaction& transaction);
  [[nodiscard]] bool go_otherwise(Transaction& transaction);
  void on_timer(Timer& timer) override;
  void handle(Transaction& transaction, invite_client::Event event, Response response);
  void handle(Transaction& transaction, non_invite_client::Event event, Response response);
  void carry_out(Transaction& transaction, invite_client::Action action, Response response);
  void carry_out(Transaction& transaction, non_invite_client::Action action, Response response);
  void resend(Transaction& transaction, Nanoseconds next_interval);
  void stop_timers(Transaction& transaction);
  void wait_for(Transaction& transaction, TimerName name, Nanoseconds span);
  void pass_up(Transaction& transaction, const MessageView& response);
  void fail(Transaction& transaction, ClientFailure failure);
  void finish(Transaction& transaction);
  void send_cancel(Transaction& invite);
  void send_ack(Transaction& invite, const MessageView& response, bool again);
  // Over UDP, as what is larger cannot go by TCP.
  void compose_otherwise(Path& path, std::optional<Path>& otherwise, Buffer& octets, std::string_view branch);
  [[nodiscard]] bool acknowledge_again(Transaction& invite, const MessageView& response);
  [[nodiscard]] Transaction* find(ClientId id) { return slab_.find(id.slot, id.generation); }
  [[nodiscard]] Transaction* owner_of(const Arrival& arrival);
  [[nodiscard]] bool final_seen(const Transaction& transaction) const;
  [[nodiscard]] std::string branch_of(std::uint32_t slot, std::uint32_t generation) const;

  LayerContext& context_;
  Slab<Transaction> slab_;
  std::vector<ClientId> unsent_;  // the sink refused their request: to be told in settle()
  std::vector<ClientId> over_;    // terminated: to be freed in settle()
  std::uint32_t ack_count_ = 0;
};

}  // namespace sallyport::sip

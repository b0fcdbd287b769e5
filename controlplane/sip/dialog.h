// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"
#include "dataplane/base/kept_text.h"

namespace sallyport::sip {

enum class DialogState : std::uint8_t { early, confirmed };

enum class DialogFault : std::uint8_t {
  bad_contact,   // none or malformed in a message that creates or refreshes: 400
  bad_route,     // malformed Record-Route: 400
  out_of_order,  // CSeq not above the last one (RFC 3261 12.2.2): 500
};
[[nodiscard]] constexpr std::uint16_t status_of(DialogFault fault) {
  return fault == DialogFault::out_of_order ? 500 : 400;
}

// RFC 3261 12.1.1: our Contact in the answers to that request has to be a sips URI.
[[nodiscard]] bool asks_for_sips(const MessageView& request);

// A dialog of RFC 3261 12, from our side: `local` is us, `remote` the peer. Holds text of its own.
class Dialog {
 public:
  // UAS (12.1.1), from the request that creates it and the tag that our responses carry.
  [[nodiscard]] static std::expected<Dialog, DialogFault> uas(const MessageView& request,
                                                              std::string_view local_tag);
  // UAC (12.1.2), from the request's From value (with our tag) and Call-ID, and a response 101 to 299 to it.
  [[nodiscard]] static std::expected<Dialog, DialogFault> uac(std::string_view from, std::string_view call_id,
                                                              const MessageView& response);

  // Of a 2xx that uac() refuses: good for its ACK and a BYE, which are owed all the same (13.2.2.4). What the
  // 2xx does not say of target and route, its source stands for.
  [[nodiscard]] static Dialog uac_to_source(std::string_view from, std::string_view call_id,
                                            const MessageView& response);

  // A 2xx for an early dialog of ours as UAC: confirmed, route set and target taken anew (13.2.2.4). As UAS:
  // call without a response when our 2xx leaves.
  [[nodiscard]] std::expected<void, DialogFault> confirm(const MessageView& response);
  void confirm() { state_ = DialogState::confirmed; }

  // `routes` (name-addr values, first hop first) instead of what a response said: inside a dialog a response
  // says nothing of its route set (12.2).
  void keep_routes(std::vector<std::string> routes) { route_set_ = std::move(routes); }
  // The same for a 2xx that confirm() has refused, as with uac_to_source(); what is known already stays.
  void confirm_to_source(const MessageView& response);

  // Call-ID and both tags are this dialog's (12.2.2); ours is compared by whoever found the dialog by it.
  [[nodiscard]] bool matches(const MessageView& request) const {
    return request.call_id() == call_id_ && request.from_tag() == remote_tag();
  }
  // A request of the peer's inside the dialog: CSeq must grow (ACK and CANCEL are not held against it).
  [[nodiscard]] std::expected<void, DialogFault> accept_request(const MessageView& request);
  // Target refresh (12.2): takes the Contact of a re-INVITE, UPDATE (request or 2xx). No Contact: unchanged.
  [[nodiscard]] std::expected<void, DialogFault> refresh_target(const MessageView& message);
  // Whether it would: of a request that is not accepted yet (RFC 6141 4.10).
  [[nodiscard]] static bool may_refresh_target(const MessageView& message);

  // The next request's CSeq number, taken.
  [[nodiscard]] std::uint32_t next_cseq() { return ++local_cseq_; }
  // Request-URI (12.2.1.1): the remote target, or the first route's URI when that is a strict router.
  [[nodiscard]] std::string_view request_uri() const;
  // Max-Forwards, Route set, From, To, Call-ID, CSeq of a request of ours; ACK and CANCEL take their INVITE's
  // number.
  void write_headers(HeaderWriter& out, Method method, std::uint32_t cseq, unsigned max_forwards = 70) const;
  void write_headers(HeaderWriter& out, std::string_view method, std::uint32_t cseq,
                     unsigned max_forwards = 70) const;

  // Where requests inside the dialog go: the NAT source when set, else the address of the first route or of
  // the remote target, port 5060 by default (5061 for sips). nullopt: a host name, to be resolved by the
  // user.
  [[nodiscard]] std::optional<Endpoint> next_hop() const;
  [[nodiscard]] std::string_view next_hop_uri() const;
  // The transport that the next hop's URI asks for (RFC 3263 4.1); nullopt: it says nothing, or we do not
  // know it.
  [[nodiscard]] std::optional<Transport> next_hop_transport() const;
  // The packet's source where NAT is evident (nat.h): it overrides Contact and route set as the destination.
  void set_nat_source(const Endpoint& source) { nat_source_ = source; }
  [[nodiscard]] const std::optional<Endpoint>& nat_source() const { return nat_source_; }

  [[nodiscard]] DialogState state() const { return state_; }
  [[nodiscard]] std::string_view call_id() const { return call_id_; }
  [[nodiscard]] std::string_view local_tag() const { return tag_of(local_); }
  [[nodiscard]] std::string_view remote_tag() const { return tag_of(remote_); }
  [[nodiscard]] std::string_view local_party() const { return local_; }  // From of our requests, tag included
  [[nodiscard]] std::string_view remote_party() const { return remote_; }  // To of our requests, tag included
  [[nodiscard]] std::string_view remote_target() const { return remote_target_; }
  [[nodiscard]] const std::vector<std::string>& route_set() const { return route_set_; }
  [[nodiscard]] std::uint32_t local_cseq() const { return local_cseq_; }
  [[nodiscard]] std::optional<std::uint32_t> remote_cseq() const { return remote_cseq_; }
  [[nodiscard]] bool secure() const { return secure_; }

 private:
  Dialog() = default;
  [[nodiscard]] bool strict_first() const;
  [[nodiscard]] std::expected<void, DialogFault> take_route_and_target(const MessageView& response);

  KeptText call_id_;
  KeptText local_;
  KeptText remote_;
  KeptText remote_target_;              // a URI
  std::vector<std::string> route_set_;  // name-addr values, first hop first
  std::optional<Endpoint> nat_source_;
  std::uint32_t local_cseq_ = 0;
  std::optional<std::uint32_t> remote_cseq_;
  DialogState state_ = DialogState::early;
  bool secure_ = false;
};

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What of one side's header fields the other side sees. The default is topology hiding:
// only what is on the list in header_policy.cc goes on; whatever tells of hosts, products or routes stays.
// Via, Record-Route, Route, Contact, Call-ID, tags, User-Agent, Server and Organization are ours on each leg.
// Beside the list stand the peers' own `headers`: `remove` of either, `pass` and `set` of the one who is
// told; they hold on every request and response that crosses, a failure, ACK, BYE and CANCEL too. ACK, PRACK,
// BYE and CANCEL of ours, which stand for none of the other side's, have the values of `set` alone.
// The caller's answer to a challenge that has crossed (RFC 3261 22) goes whole to every peer that has no
// credentials of ours: whose realm it is for, only that peer can tell.
// Identities go by `trusted` (RFC 3325), whose rows here are who said it and who is told:
//
//                              from an untrusted peer    to a trusted peer    to an untrusted peer
//     (identity.h)
//     P-Asserted-Identity      dropped                   our host             dropped, but for Privacy: none
//     Diversion, History-Info  dropped                   our host             dropped
//     From                     our host                  our host             anonymous for Privacy: id or
//     user Privacy (RFC 3323)       -                         what is still to do: header and session are
//     done by every
//                                                        B2BUA; untrusted peers are not asked for user either
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/numbers.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

// A header field as the configuration names it: its compact form and any case are the same field.
struct FieldName {
  sip::HeaderId id = sip::HeaderId::other;
  std::string name;

  explicit FieldName(std::string_view text) : id(sip::header_from(text)), name(text) {}
  [[nodiscard]] bool is(sip::HeaderId other_id, std::string_view other) const {
    return id == sip::HeaderId::other ? sip::iequals(name, other) : id == other_id;
  }
};

// `trusted` and `headers` of one peer, made ready once.
class HeaderPolicy {
 public:
  explicit HeaderPolicy(const config::Peer& peer);

  struct Set {
    FieldName name;
    std::string value;
    std::optional<FieldName> from;
  };
  [[nodiscard]] bool trusted() const { return trusted_; }
  // Its challenges are answered by us.
  [[nodiscard]] bool has_credentials() const { return has_credentials_; }
  [[nodiscard]] bool passes(sip::HeaderId id, std::string_view name) const;
  [[nodiscard]] bool removes(sip::HeaderId id, std::string_view name) const;
  [[nodiscard]] bool sets(sip::HeaderId id, std::string_view name) const;
  [[nodiscard]] const std::vector<Set>& set() const { return set_; }
  // Those of `set` that are values: for what is ours.
  void write_values(sip::HeaderWriter& out) const;

 private:
  bool trusted_;
  bool has_credentials_;
  std::vector<FieldName> pass_;
  std::vector<FieldName> remove_;
  std::vector<Set> set_;
};

// One message's way from a peer to a peer. Views: looked at during the calls only.
struct Crossing {
  const HeaderPolicy& from;
  const HeaderPolicy& to;
  std::string_view host;  // ours on the leg that it goes to, as it stands in a URI
  routing::NumberPath numbers;
};

// Writes the fields of `message` that may cross, a request or a response below 300.
void pass_headers(const sip::MessageView& message, const Crossing& crossing, sip::HeaderWriter& out);

// A Reason field without what names an address of the side that it comes from: the parameter that it stands
// in (as a rule the text, which is for humans) is left out. The cause stays, and with it the field's meaning.
[[nodiscard]] std::string reason_across(std::string_view field);

// Authorization and Proxy-Authorization of `request`; and where they go on to that peer.
[[nodiscard]] std::string authorization_of(const sip::MessageView& request);
[[nodiscard]] std::string passed_authorization(const sip::MessageView& request, const HeaderPolicy& to);

// Content-Type, Content-Disposition, Content-Language and Content-Encoding as received.
void pass_content_headers(const sip::MessageView& message, sip::HeaderWriter& out);

// Delta-seconds of a Retry-After field (RFC 3261 20.33); 0: none.
[[nodiscard]] std::uint32_t retry_after_of(const sip::MessageView& response);

// What a failure says beside its code, and means the same on the other leg where that hears the same code:
// the challenge of a 401 or 407, Unsupported of a 420 and so on; the table stands in header_policy.cc.
struct FailureFields {
  std::uint16_t code = 0;  // of the response that they are from
  // That response is the one that was received, and its code is sent on.
  [[nodiscard]] bool stand(std::uint16_t received, std::uint16_t sent) const {
    return code != 0 && code == received && code == sent;
  }
  std::string lines;
  std::string
      reason;  // values of Reason that are kept as they are; empty: only the cause goes on, by the map
  std::string content;  // of an INVITE's: the lines of what crosses of its body, and that
  std::string body;
  std::string listed;  // by `pass` and `set` of the one who is told: whatever code he hears
};
[[nodiscard]] FailureFields failure_fields(const sip::MessageView& response, const HeaderPolicy& from,
                                           const HeaderPolicy& to);

// The values of its Reason fields as they came, ", " between them, at most stats::kMostReasonBytes.
[[nodiscard]] std::string reasons_of(const sip::MessageView& message);
// The same of header lines of ours.
[[nodiscard]] std::string reasons_in(std::string_view lines);

// True when the request has no Accept or one that takes application/sdp (RFC 3261 20.1).
[[nodiscard]] bool accepts_sdp(const sip::MessageView& request);

// The option tags of Require and Proxy-Require that Sallyport does not serve.
[[nodiscard]] std::string unsupported_tags(const sip::MessageView& request);

}  // namespace sallyport::b2bua

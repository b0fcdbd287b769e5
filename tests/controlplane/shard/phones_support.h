// SPDX-License-Identifier: Apache-2.0
// Two endpoints, one in each realm, that a test plays by hand; either may call the other. Each keeps what its
// dialog needs (tags, CSeq, the target that it was told), so that a test reads as the ladder on the wire.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/controlplane/shard/bench_support.h"

namespace sallyport::shard {

struct Phone {
  std::string realm;
  std::string ip;
  unsigned media_port = 4000;
  bool is_caller = false;
  std::string call_id;
  std::string local;   // From of its requests
  std::string remote;  // To of its requests, with our tag once it is known
  std::string target;  // our Contact
  std::string tag;
  unsigned cseq = 0;
  std::string invite;  // the caller's, as sent
  Sent incoming;       // the callee's

  std::string contact_ip;  // what it takes for its address, in Contact; empty: ip
  std::string via_ip;      // the same, in Via
  bool terse = false;      // no Contact in PRACK and ACK, which need none

  [[nodiscard]] std::string address() const { return ip + ":5060"; }
  [[nodiscard]] std::string contact() const {
    return "<sip:" + (contact_ip.empty() ? ip : contact_ip) + ":5060>";
  }
  [[nodiscard]] std::string via() const { return (via_ip.empty() ? ip : via_ip) + ":5060"; }
  [[nodiscard]] std::string sdp(std::string_view more = {}) const { return shard::sdp(ip, media_port, more); }
};

class Phones {
 public:
  // `from_carrier`: the carrier calls the office, else the office calls the carrier.
  explicit Phones(bool from_carrier, std::string_view yaml = Bench::default_config());

  // The caller's INVITE alone.
  void place(std::string_view body, std::string_view more = {});
  // The same, up to the INVITE at the callee.
  Sent call(std::string_view body, std::string_view more = {});
  // A call that is up: 200 with SDP, ACK.
  void establish(std::string_view invite_more = {}, std::string_view answer_more = {});
  // BYE by the caller, and nothing is left.
  void end();

  void send(Phone& phone, std::string_view text);
  // A request inside the dialog; the new transaction's text.
  std::string request(Phone& phone, std::string_view method, std::string_view body = {},
                      std::string_view more = {});
  // The same with that CSeq number: ACK.
  void ack(Phone& phone, unsigned cseq, std::string_view body = {});
  // A response to a request that it has got. `tag`: of a fork; empty: the phone's own.
  void answer(Phone& phone, const Sent& request, std::string_view status, std::string_view body = {},
              std::string_view more = {}, std::string_view tag = {});
  // Takes the first message to that phone that starts so, and learns tag and target from it.
  Sent expect(Phone& phone, std::string_view start);
  // Nothing to that phone that starts so.
  [[nodiscard]] bool heard(const Phone& phone, std::string_view start);
  void forget() { (void)inbox(), inbox_.clear(); }
  void cancel();

  // The RTP flow towards that phone.
  [[nodiscard]] const dp::FlowSpec* flow(const Phone& phone, std::size_t stream = 0);

  Bench bench;
  Phone caller;
  Phone callee;

 private:
  std::vector<Sent>& inbox();
  std::vector<Sent> inbox_;
  unsigned branches_ = 0;
};

// Both directions of each test.
class BothWays : public ::testing::TestWithParam<bool> {
 protected:
  explicit BothWays(std::string_view yaml = Bench::default_config()) : phones(GetParam(), yaml) {}
  Phones phones;
  Bench& bench = phones.bench;
  Phone& caller = phones.caller;
  Phone& callee = phones.callee;
};

inline std::string direction_name(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "carrier_to_office" : "office_to_carrier";
}

// Both directions of the call, and in each either side asks for a change.
struct Sides {
  bool from_carrier;
  bool by_callee;
};
inline constexpr Sides kAllSides[] = {{false, false}, {false, true}, {true, false}, {true, true}};

class EitherSide : public ::testing::TestWithParam<Sides> {
 protected:
  EitherSide() : phones(GetParam().from_carrier) {}
  Phones phones;
  Phone& asker = GetParam().by_callee ? phones.callee : phones.caller;
  Phone& other = GetParam().by_callee ? phones.caller : phones.callee;
};

inline std::string sides_name(const ::testing::TestParamInfo<Sides>& info) {
  return std::string(info.param.from_carrier ? "from_carrier" : "from_office") +
         (info.param.by_callee ? "_by_callee" : "_by_caller");
}

}  // namespace sallyport::shard

// SPDX-License-Identifier: Apache-2.0
// Calls among four endpoints, played by hand: a transferor with two lines, in the office or at the carrier,
// and on the other side whoever is transferred and the target.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {

inline std::string transfer_config(std::string_view refer = "follow", unsigned shards = 1) {
  std::string yaml(Bench::default_config());
  const auto put = [&](std::string_view before, std::string_view text) {
    const std::size_t at = yaml.find(before);
    EXPECT_NE(at, std::string::npos) << before;
    yaml.insert(at + before.size(), text);
  };
  const std::string key = "    refer: " + std::string(refer) + "\n";
  put("  office:\n", key);
  put("  carrier-a:\n", key);
  put("match: [\"192.0.2.10\"", ", \"192.0.2.12\"");
  put("peers:\n", "  desk:\n    realm: access\n    targets: [\"sip:198.51.100.30:5060\"]\n" + key);
  put("routes:\n", "  - {from: carrier-a, user: \"0*\", to: [desk]}\n");
  yaml.replace(yaml.find("shards: 1"), 9, "shards: " + std::to_string(shards));
  return yaml + "cdr: {file: /var/log/cdr.jsonl, interim: 24h}\n";
}

class TransferTest : public ::testing::TestWithParam<bool> {
 protected:
  explicit TransferTest(const std::string& yaml) : phones(GetParam(), yaml) {
    const bool carrier = GetParam();
    line2 = {.realm = line1.realm, .ip = carrier ? "192.0.2.12" : "198.51.100.21", .media_port = 4200};
    target = {.realm = transferee.realm, .ip = carrier ? "198.51.100.30" : "192.0.2.11", .media_port = 7000};
    line1.tag = "line1";
    line2.tag = "line2";
    transferee.tag = "transferee";
    target.tag = "target";
    line2.is_caller = true;
  }

  // A call that is up. Its INVITE at the other end is kept in `to.incoming`.
  void connect(Phone& from, Phone& to, std::string_view user, std::string_view call_id) {
    const std::string ours = from.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    from.call_id = call_id;
    from.local = "<sip:caller@" + from.ip + ">;tag=" + from.tag;
    from.remote = "<sip:" + std::string(user) + "@" + ours + ">";
    from.target = "sip:" + std::string(user) + "@" + ours;
    from.cseq = 0;
    (void)phones.request(from, "INVITE", from.sdp());
    (void)phones.expect(from, "SIP/2.0 100");
    ring(to);
    phones.answer(to, to.incoming, "200 OK", to.sdp());
    (void)phones.expect(from, "SIP/2.0 200");
    (void)phones.expect(to, "ACK ");
    phones.ack(from, 1);
  }
  // The INVITE that a call begins with there.
  Sent ring(Phone& phone) {
    phone.incoming = phones.expect(phone, "INVITE ");
    phone.call_id = phone.incoming.header("Call-ID");
    phone.local = phone.incoming.header("To") + ";tag=" + phone.tag;
    phone.remote = phone.incoming.header("From");
    phone.cseq = 100;
    return phone.incoming;
  }
  // Line 1 is with the transferee, and its second line with the target.
  void connect_both(std::string_view second = "second") {
    connect(line1, transferee, "4930123", "first");
    connect(line2, target, "0555", second);
  }
  // Its REFER, accepted, and the first notification.
  void refer(std::string_view place, std::string_view more = {}) {
    (void)phones.request(line1, "REFER", {},
                         "Refer-To: <" + std::string(place) + ">\r\n" + std::string(more));
    EXPECT_NE(phones.expect(line1, "SIP/2.0 202").header("Contact"), "");
    EXPECT_EQ(notified("active"), "SIP/2.0 100 Trying\r\n");
  }
  // A notification on line 1, answered.
  std::string notified(std::string_view state) {
    const Sent notify = phones.expect(line1, "NOTIFY ");
    EXPECT_TRUE(notify.header("Subscription-State").starts_with(state)) << notify.text;
    EXPECT_TRUE(notify.header("Event").starts_with("refer")) << notify.text;
    EXPECT_EQ(notify.header("Content-Type"), "message/sipfrag;version=2.0");
    EXPECT_EQ(notify.header("Call-ID"), line1.call_id);
    phones.answer(line1, notify, "200 OK");
    return notify.body();
  }
  // Line 2's dialog, as its far end knows it.
  [[nodiscard]] std::string dialog(std::string_view more = {}) const {
    const std::string ours = line2.remote.substr(line2.remote.find(";tag=") + 5);
    return line2.call_id + ";to-tag=" + ours + ";from-tag=" + line2.tag + std::string(more);
  }
  [[nodiscard]] std::string referred_dialog() const {
    std::string text = dialog();
    for (std::size_t at = 0; (at = text.find_first_of(";=", at)) != std::string::npos; at += 3)
      text.replace(at, 1, text[at] == ';' ? "%3B" : "%3D");
    return "sip:0555@10.9.8.7?Replaces=" + text;
  }
  // A re-INVITE there, in the dialog that it has had all along, answered.
  void rejoin(Phone& phone, std::string_view status = "200 OK") {
    const Sent invite = phones.expect(phone, "INVITE ");
    EXPECT_EQ(invite.header("Call-ID"), phone.call_id);
    EXPECT_EQ(invite.tag_of("To"), phone.tag);
    const bool success = status.starts_with("2");
    phones.answer(phone, invite, status, success ? phone.sdp() : "");
    (void)phones.expect(phone, "ACK ");
    last_offer = invite.body();
  }
  // The third word of the o= line that the phone was sent, and the second.
  static std::string origin(const std::string& sdp, int word) {
    std::size_t at = sdp.find("o=");
    for (int i = 0; i < word; ++i) at = sdp.find(' ', at) + 1;
    return sdp.substr(at, sdp.find(' ', at) - at);
  }
  // Media goes between these two, and to nobody else.
  void expect_media(const Phone& one, const Phone& other) {
    int found = 0;
    for (const auto& [slot, spec] : bench.flows) {
      if (spec.kind != dp::FlowKind::rtp) continue;
      ++found;
      const std::string remote = spec.remote.to_text();
      EXPECT_TRUE(remote == one.ip + ":" + std::to_string(one.media_port) ||
                  remote == other.ip + ":" + std::to_string(other.media_port))
          << remote;
    }
    EXPECT_EQ(found, 2);
  }
  // What comes from there goes nowhere yet.
  void expect_no_media_to(const Phone& phone) {
    for (const auto& [slot, spec] : bench.flows) EXPECT_NE(spec.remote.address.to_text(), phone.ip);
  }
  void hang_up(Phone& phone, Phone& other) {
    (void)phones.request(phone, "BYE");
    (void)phones.expect(phone, "SIP/2.0 200");
    phones.answer(other, phones.expect(other, "BYE "), "200 OK");
  }
  void hung_up(Phone& phone) { phones.answer(phone, phones.expect(phone, "BYE "), "200 OK"); }
  void nothing_left() {
    for (const Phone* phone : {&line1, &line2, &transferee, &target})
      EXPECT_FALSE(phones.heard(*phone, "BYE ")) << phone->ip;
    bench.expect_nothing_left();
    expect_one_interim_each();
  }
  // Whoever is answered, and however: a line at the answer, before the one at the end. None else.
  void expect_one_interim_each() {
    std::map<std::string, int> interims;
    for (const stats::CallRecord& record : bench.records.records) {
      if (record.kind == stats::RecordKind::end) {
        EXPECT_EQ(interims[record.id], record.answered_ns != 0 ? 1 : 0) << record.call_id.view();
      } else {
        ++interims[record.id];
      }
    }
  }

  Phones phones;
  Bench& bench = phones.bench;
  Phone& line1 = phones.caller;
  Phone& transferee = phones.callee;
  Phone line2;
  Phone target;
  std::string last_offer;
};

inline std::string transfer_name(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "by_the_carrier" : "by_the_office";
}

}  // namespace sallyport::shard

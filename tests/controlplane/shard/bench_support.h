// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A bench drives real shards with a fake clock: the test plays the endpoints, the bench
// plays the workers. What endpoints say is parsed and steered as on a worker and pushed into the event ring
// of the one that serves the realm; what a shard sends is read from its command rings; flows are kept in a
// map, each at the worker whose port it has, and each removal is confirmed in the next turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/shard/shard.h"

namespace sallyport::shard {

struct Sent {
  Endpoint local;
  Endpoint remote;
  std::uint16_t realm = 0;
  std::string text;
  sip::Path path = {};  // of what goes to the stream transport, whole

  [[nodiscard]] std::string start_line() const { return text.substr(0, text.find("\r\n")); }
  // The first field of that name, whole; empty when there is none.
  [[nodiscard]] std::string header(std::string_view name) const;
  [[nodiscard]] std::string body() const;
  [[nodiscard]] std::string tag_of(std::string_view name) const;
  [[nodiscard]] bool is(std::string_view start) const { return text.starts_with(start); }
};

// SDP with one audio stream.
[[nodiscard]] std::string sdp(std::string_view address, unsigned port, std::string_view more = {});

struct InviteOptions {
  std::string user = "4930123";
  std::string call_id = "caller-1@198.51.100.20";
  std::string via = "198.51.100.20:5060";
  std::string contact = "<sip:alice@198.51.100.20:5060>";
  std::string body = sdp("198.51.100.20", 4000);
  std::string more;  // further header lines
  std::string branch = "z9hG4bKcaller1";
  int max_forwards = 70;
};
[[nodiscard]] std::string make_invite(const InviteOptions& options = {});

// The CANCEL of that INVITE (RFC 3261 9.1).
[[nodiscard]] std::string make_cancel(std::string_view invite);

// A response as a UAS writes it. `tag` is put on To where there is none.
[[nodiscard]] std::string make_response(const Sent& request, std::string_view status, std::string_view tag,
                                        std::string_view contact = {}, std::string_view body = {},
                                        std::string_view more = {});
// A request inside the dialog that `response` (to `invite`, as the endpoint that sent it sees it) has made.
[[nodiscard]] std::string make_in_dialog(std::string_view method, std::string_view invite,
                                         const Sent& response, unsigned cseq, std::string_view branch,
                                         std::string_view body = {});
// The same from the side that got `invite` from us and answered it with To tag `tag`.
[[nodiscard]] std::string make_uas_request(std::string_view method, const Sent& invite, std::string_view tag,
                                           std::string_view via, unsigned cseq, std::string_view branch,
                                           std::string_view body = {});

class Records final : public stats::RecordSink {
 public:
  bool write(stats::CallRecord&& record) noexcept override {
    records.push_back(std::move(record));
    return true;
  }
  std::vector<stats::CallRecord> records;
};

// The clock that dates records: the machine's, less what the test has set it back by.
struct WallClock {
  static inline Nanoseconds back_ns = 0;
  [[nodiscard]] static Nanoseconds now() { return wall_now_ns() - back_ns; }
};

class Bench {
 public:
  // As many shards and workers as the configuration says. `command_bytes`: size of each command ring;
  // `ring_bytes`: of each of the others. To clear them takes longer than a call does.
  explicit Bench(std::string_view yaml = default_config(), std::size_t command_bytes = 1 << 20,
                 std::size_t ring_bytes = 1 << 20);
  ~Bench();
  [[nodiscard]] static std::string_view default_config();

  // From an endpoint to our SIP port of that realm.
  void receive(std::string_view realm, std::string_view from, std::string_view text);
  // The same from the stream transport: over TCP or TLS, on that connection, from whom its certificate has
  // named.
  struct Stream {
    sip::Transport transport = sip::Transport::tls;
    std::uint32_t connection = 1;
    std::uint16_t peer = sip::kPeerByAddress;
  };
  void receive(std::string_view realm, std::string_view from, std::string_view text, const Stream& stream);
  // Turns of the loop, a millisecond or `step` apart.
  void advance(Nanoseconds span, Nanoseconds step = 50 * kMillisecond);
  void turn();
  // The clock goes to that instant, and the loop turns once.
  void advance_to(Nanoseconds now_ns);
  [[nodiscard]] Nanoseconds now() const { return now_ns_; }
  // When the next timer of a shard is due.
  [[nodiscard]] Nanoseconds next_deadline_ns() const;

  // What has been sent since the last call of take().
  std::vector<Sent> take();
  // The only one that starts so; a failed test and an empty Sent when there is none or there are several.
  Sent take_one(std::string_view start);

  // Flows as the workers have them, by slot.
  std::map<std::uint32_t, dp::FlowSpec> flows;
  // Whose share of the media ports that slot is.
  [[nodiscard]] unsigned worker_of(std::uint32_t slot) const;
  // Hears of each command to install, update or remove a flow.
  std::function<void(unsigned worker, unsigned shard, const dp::RecordRing::Record&)> on_flow_command;
  std::set<std::uint32_t> mirrored;  // slots
  // What the worker says that a flow has counted, now and at its end.
  std::map<std::uint32_t, dp::FlowCounters> counters;
  // Of that flow; `active`: that it is heard again.
  void report_idle(std::uint32_t slot, bool active = false);
  // Every flow that is to be heard of has just been silent for its idle_timeout.
  void report_silence();
  // Port unreachable, or that it was too big for a link on its way.
  void report_unreachable(const Sent& request, bool too_big = false);
  // The kernel stops the shard for so long while an event waits for it.
  void fall_behind(Nanoseconds span);
  // The workers read no commands while this is set; afterwards, what waits.
  bool worker_stopped = false;
  // They confirm no removal while this is set.
  bool removals_held = false;
  void confirm_removals();

  // The shards take this configuration after the one that they have, in their next turn.
  void reload(std::string_view yaml);
  // What the worker was last told of each realm.
  std::map<std::uint16_t, dp::RealmSettings> realm_settings;

  Shard& shard(std::size_t index = 0) { return *lanes_[index]->shard; }
  [[nodiscard]] const config::Config& config() const { return config_; }
  Records records;
  [[nodiscard]] std::uint32_t ports_in_use();
  // After everything has run out: no call, leg, transaction, timer, flow or port is left.
  void expect_nothing_left();
  // The same without any time going by; the statistics are balanced too.
  void expect_empty();

 private:
  // A shard and its rings.
  struct Lane {
    Lane(unsigned shard_index, unsigned workers, std::size_t command_bytes, std::size_t ring_bytes);
    unsigned index;
    std::vector<std::unique_ptr<dp::RecordRing>> commands;  // by worker
    std::vector<std::unique_ptr<dp::RecordRing>> events;
    dp::RecordRing to_stream;
    dp::RecordRing from_stream;
    dp::ShardDoorbell bell;
    std::unique_ptr<Shard> shard;
  };
  static void expect_balanced(const stats::ShardStatistics& statistics);
  void take_commands(Lane& lane);
  void take_command(Lane& lane, unsigned worker, const dp::RecordRing::Record& record);
  void take_flow_command(Lane& lane, unsigned worker, const dp::RecordRing::Record& record);
  // Where a worker says something of that flow to its shard.
  dp::RecordRing& events_of(const dp::FlowSpec& flow);
  void take_stream(Lane& lane);
  // What a message from that source is steered to; nullptr: dropped by name.
  template <typename Head, typename RingOf>
  void push_message(Head head, std::string_view text, sip::Framing framing, std::uint16_t kind,
                    RingOf ring_of);
  config::Config config_;
  steer::NodeKey key_;
  std::vector<dp::MediaRange> media_;
  std::unique_ptr<media::OpenPorts> open_ports_;
  std::unique_ptr<Exchange> exchange_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<steer::IdentifierCodec> codec_;
  std::vector<Sent> sent_;
  std::vector<std::pair<Lane*, dp::FlowRemoved>> held_;
  Nanoseconds received_ns_ = 0;  // 0: now
  Nanoseconds now_ns_ = 1'000 * kSecond;
};

}  // namespace sallyport::shard

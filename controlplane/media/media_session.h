// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A call has one media session: per stream (m= line) a pair of ports on each leg, and
// the flows on them: RTP and RTCP towards leg A, RTP and RTCP towards leg B. What arrives at a flow leaves by
// its counterpart on the other leg. The session is the only writer of flow commands. It keeps what the SDPs
// of both sides last said, installs flows before the SDP that names them leaves, and gives ports back only
// after the worker has confirmed the removal of their flows. All streams of a call live on one worker.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "controlplane/media/port_allocator.h"
#include "controlplane/media/silence.h"
#include "dataplane/api/contract.h"
#include "dataplane/base/seldom.h"
#include "sdp_rewriter/description.h"

namespace sallyport::media {

// Carries flow commands to a worker, in order. Never loses one: what the ring cannot take waits on the shard.
class FlowCommandSink {
 public:
  virtual ~FlowCommandSink() = default;
  virtual void send(std::uint8_t worker, const dp::FlowInstall& command) = 0;
  virtual void send(std::uint8_t worker, const dp::FlowUpdate& command) = 0;
  virtual void send(std::uint8_t worker, const dp::FlowRemove& command) = 0;
  // A sink that carries none of these loses nothing that a call needs.
  virtual void send(std::uint8_t /*worker*/, const dp::FlowMirror& /*command*/) {}
  virtual void send(std::uint8_t /*worker*/, const dp::FlowReport& /*command*/) {}
};

enum class Leg : std::uint8_t { a = 0, b = 1 };
[[nodiscard]] constexpr Leg other(Leg leg) {
  return leg == Leg::a ? Leg::b : Leg::a;
}

// What one leg's SDP says of one stream, as far as flows need it.
struct RemoteMedia {
  Endpoint rtp;      // port 0: not known
  Endpoint rtcp;     // port 0: rtp's port plus one, or the same when rtcp_mux
  IpAddress source;  // of the packet that brought the SDP; none: the leg's
  dp::LatchMode latch = dp::LatchMode::off;
  dp::FlowKind kind = dp::FlowKind::rtp;
  bool rtcp_mux = false;
  bool secured = false;                          // SRTP
  bool may_send = true;                          // the endpoint sends (sendrecv, sendonly)
  bool may_receive = true;                       // the endpoint receives (sendrecv, recvonly)
  std::array<std::uint64_t, 2> payload_types{};  // all zero: any
  std::uint32_t police_pps = 0;                  // 0: no limit
  std::uint32_t police_bytes_per_s = 0;

  friend bool operator==(const RemoteMedia&, const RemoteMedia&) = default;
};

// What a leg brings besides its SDP.
struct LegMedia {
  std::uint16_t realm = 0;
  Family family = Family::none;
  IpAddress address;  // ours, of that family: for an SDP in which no stream is in use
  IpAddress signalling_source;
  std::uint8_t latch_mask = 32;
  std::uint8_t dscp = 0;
  bool police = true;             // hold the endpoint to what was negotiated
  bool any_payload_type = false;  // take what was not negotiated too
  std::uint32_t relatch_after_ms = 0;
  // How long silence may last, as Silence; 0: for ever. Of idle and hold the shorter of both legs' counts.
  std::uint32_t idle_timeout_ms = 0;
  std::uint32_t one_way_timeout_ms = 0;
  std::uint32_t hold_timeout_ms = 0;
};

inline constexpr std::size_t kMaxStreams = sdp::kMaxRelayedStreams;

// Counters of one direction of one stream, for the call's record: the last from its flow_removed events.
struct StreamTotals {
  std::array<dp::FlowCounters, 2> rtp{};  // by leg: what came from that leg's endpoint
  std::array<dp::FlowCounters, 2> rtcp{};
};

// Hears of each change of a session's flows: directions, addresses, streams. It only notes it.
class MediaSessionUser {
 public:
  virtual ~MediaSessionUser() = default;
  virtual void media_changed(const dp::FlowOwner& owner) = 0;
};

class MediaSession {
 public:
  MediaSession(PortAllocator& ports, FlowCommandSink& sink, dp::FlowOwner owner, std::uint8_t worker,
               MediaSessionUser* user = nullptr);
  MediaSession(const MediaSession&) = delete;
  MediaSession& operator=(const MediaSession&) = delete;
  ~MediaSession();  // asserts that nothing is installed

  // The facts of a leg; before its first stream is opened. Leg B's may change while nothing is open there
  // (failover to a target of another family): close_leg first.
  void set_leg(Leg leg, const LegMedia& facts);
  [[nodiscard]] const LegMedia& leg(Leg leg) const { return legs_[index(leg)]; }

  // Ports of stream `stream` on both legs. False: a realm has none left (nothing is changed). Idempotent.
  [[nodiscard]] bool open(std::size_t stream, Nanoseconds now_ns);
  [[nodiscard]] bool is_open(std::size_t stream) const;
  // Our RTP and RTCP address towards that leg; the stream is open.
  [[nodiscard]] Endpoint local_rtp(Leg leg, std::size_t stream) const;
  [[nodiscard]] Endpoint local_rtcp(Leg leg, std::size_t stream) const;

  // What a leg's SDP said. The flows follow at the next commit(). A changed address re-opens the latch.
  void set_remote(Leg leg, std::size_t stream, const RemoteMedia& remote);
  [[nodiscard]] const RemoteMedia& remote(Leg leg, std::size_t stream) const;
  // Installs or updates every flow that has changed. Call it before the message that names our ports is sent.
  void commit();

  // Asks the worker what each flow has counted; totals() have it once are_counters_told() says so.
  void ask_counters();
  [[nodiscard]] bool are_counters_told() const { return awaited_reports_ == 0; }

  // Copies of what its flows relay are made from now on, or no longer.
  void set_mirror(bool on);

  // One stream ends (port 0 in an answer, removed by a re-offer); its index may be opened again.
  void close(std::size_t stream);
  void close_all();
  // The process ends: forgets everything without a word to the worker.
  void abandon();
  // Everything of the session is confirmed gone, and its ports are back.
  [[nodiscard]] bool is_closed() const { return pending_removals_ == 0 && open_streams_ == 0; }

  // The worker's word. `now_ns` starts the ports' cool-down.
  void on_removed(const dp::FlowRemoved& event, Nanoseconds now_ns);
  // Its word on one flow that ask_counters() asked of.
  void on_reported(const dp::FlowReported& event);
  void on_latched(const dp::FlowLatched& event);
  void on_idle(const dp::FlowIdle& event);
  void on_active(const dp::FlowActive& event);
  // The open streams as judge_silence() wants them, and how long silence may last.
  [[nodiscard]] std::vector<StreamSilence> silence() const;
  [[nodiscard]] SilenceLimits silence_limits() const;

  [[nodiscard]] std::size_t stream_count() const { return streams_.size(); }
  [[nodiscard]] const StreamTotals& totals(std::size_t stream) const { return *streams_[stream].totals; }
  [[nodiscard]] Endpoint latched(Leg leg, std::size_t stream) const {
    return streams_[stream].sides[index(leg)].latched;
  }
  [[nodiscard]] std::uint8_t worker() const { return worker_; }

 private:
  struct Side {
    PortPair ports;
    RemoteMedia remote;
    Endpoint latched;
    Nanoseconds silent_ns = 0;  // what the worker told of its silence; 0: it is heard
    bool dirty = false;
    bool reopen = false;
    bool told = false;  // its SDP has said where it is
  };
  struct Stream {
    std::array<Side, 2> sides;
    Seldom<StreamTotals> totals;
    bool open = false;
    bool installed = false;
  };
  struct Leaving {  // a port pair that waits for its two confirmations
    PortPair ports;
    std::uint8_t stream = 0;
    std::uint8_t leg = 0;
    std::uint8_t left = 2;
  };
  static constexpr std::size_t index(Leg leg) { return static_cast<std::size_t>(leg); }
  [[nodiscard]] dp::FlowSpec spec(std::size_t stream, Leg leg, bool rtcp) const;
  void police(dp::FlowSpec& spec, const RemoteMedia& remote, bool rtcp) const;
  [[nodiscard]] std::uint32_t report_silence_after_ms(Leg leg) const;
  [[nodiscard]] Side* side_of(const dp::FlowRef& rtp, const dp::FlowOwner& owner);
  void remove_side(std::size_t stream, Leg leg);
  [[nodiscard]] std::optional<std::array<PortPair, 2>> take_ports(Nanoseconds now_ns);
  void mirror(const Stream& stream);

  PortAllocator& ports_;
  FlowCommandSink& sink_;
  dp::FlowOwner owner_;
  std::uint8_t worker_;
  MediaSessionUser* user_;
  std::array<LegMedia, 2> legs_;
  bool mirror_ = false;
  std::vector<Stream> streams_;
  std::vector<Leaving> leaving_;
  std::uint32_t pending_removals_ = 0;
  std::uint32_t open_streams_ = 0;
  std::uint32_t awaited_reports_ = 0;
};

}  // namespace sallyport::media

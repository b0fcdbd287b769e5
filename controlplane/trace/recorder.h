// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What a shard keeps of the SIP messages that pass it: the last ones in a ring, and
// those of calls that failed in a second, smaller one, where the many that go well do not push them out. A
// message is told to be of a call by our tag in it, which names the leg. Without one (a first INVITE, its
// 100, CANCEL), or once its leg is gone, it is of the call that the last message of its Call-ID and tags was
// of; so are those of an attempt that was refused and has no leg. Memory is fixed at start. Everything here is the shard's thread's; others read the counters, and ask
// the shard for the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/trace/keys.h"
#include "controlplane/trace/message.h"
#include "controlplane/trace/ring.h"
#include "dataplane/api/contract.h"
#include "dataplane/base/siphash.h"

namespace sallyport::trace {

// One message that passes.
struct Passing {
  Direction direction = Direction::received;
  bool retransmission = false;
  Transport transport = Transport::udp;
  Endpoint local;
  Endpoint remote;
  std::string_view realm;
  std::string_view peer;
  std::string_view octets;
};

// The call that one of our tags leads to. `messages`: how many of it have passed; the recorder counts.
struct Subject {
  std::string_view call;
  Side side = Side::none;
  std::uint32_t* messages = nullptr;
};

class SubjectFinder {
 public:
  // By the shard's legs; nullopt: no leg of that tag lives here.
  [[nodiscard]] virtual std::optional<Subject> find_subject(std::string_view tag) = 0;

 protected:
  ~SubjectFinder() = default;
};

// shard: wo, everyone: ro
struct Counters {
  dp::Counter kept;
  dp::Counter overwritten;
  dp::Counter too_large;    // not kept: above half of the ring
  dp::Counter failed_kept;  // of failed calls
  dp::Counter failed_overwritten;
};

struct RecorderOptions {
  std::size_t recent_bytes = 0;  // 0: nothing is kept
  std::size_t failed_bytes = 0;
  SipHashKey key;  // so that nobody can choose what chains his messages meet
};

class Recorder {
 public:
  explicit Recorder(const RecorderOptions& options);  // throws std::bad_alloc
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void set_subjects(SubjectFinder& subjects) { subjects_ = &subjects; }
  void add(const Passing& message);
  // The INVITE that has just been added has begun that call.
  void begin(const Subject& subject, std::string_view call_id);
  // The call has failed: its last messages are kept apart, and so are those that still come.
  void failed(std::string_view call);

  // What the first ring has behind a sequence number (0: all), oldest first: at least one message, and else
  // no more than that many octets; `next` is the last one's sequence number.
  [[nodiscard]] Slice recent(std::uint64_t sequence, std::size_t most_bytes) const;
  // What both rings have of a call, likewise.
  [[nodiscard]] Slice of_call(std::string_view call, std::uint64_t sequence, std::size_t most_bytes) const;
  // The first few and the newest of them, which fit into so many octets: at least the newest.
  [[nodiscard]] std::vector<Message> ends_of_call(std::string_view call, std::size_t most_bytes) const;
  [[nodiscard]] bool keeps() const { return recent_.keeps(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  [[nodiscard]] std::uint64_t hash(std::string_view text) const;
  void attribute(Entry& entry, std::string_view own_tag);
  [[nodiscard]] std::optional<Entry> kin(const Ring& ring, const Entry& entry) const;
  [[nodiscard]] std::uint32_t last_number(std::string_view call) const;
  [[nodiscard]] std::vector<std::uint64_t> positions(const Ring& ring, std::string_view call,
                                                     std::uint64_t sequence, std::size_t most) const;
  [[nodiscard]] std::vector<Entry> entries_of(std::string_view call, std::uint64_t sequence) const;
  void keep_failed(const Entry& entry);
  void note_overwritten();

  SipHashKey key_;
  Ring recent_;
  Ring failed_;
  SubjectFinder* subjects_ = nullptr;
  // Of the message in hand.
  std::string copy_;
  std::string call_;
  std::uint64_t newest_ = Ring::kNone;
  std::uint64_t sequence_ = 0;
  Counters counters_;
};

}  // namespace sallyport::trace

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/recorder.h"

#include <algorithm>
#include <span>

namespace sallyport::trace {

namespace {

// How far back in a Call-ID's messages its call is looked for: a sender may repeat one Call-ID for ever.
constexpr unsigned kMostSteps = 32;
// Of a failed call; its end says more than its beginning.
constexpr std::size_t kMostOfFailed = 200;
// Of a call that is shown.
constexpr std::size_t kMostOfCall = 20'000;
// Of one that is shown by its ends.
constexpr std::size_t kFirstOfCall = 10;

// Whether two messages of one Call-ID are of one leg. Each may lack our tag; the far end's may not then
// differ.
bool same_leg(const Entry& a, const Entry& b) {
  if (a.own_hash != 0 && b.own_hash != 0) return a.own_hash == b.own_hash;
  return a.far_hash != 0 && a.far_hash == b.far_hash;
}

// Who was refused may try again with the same Call-ID and From tag (RFC 3261 8.1.3.5).
bool is_new_attempt(const Entry& entry) {
  return entry.direction == Direction::received && !entry.retransmission && entry.own_hash == 0 &&
         entry.octets.starts_with("INVITE ");
}

}  // namespace

Recorder::Recorder(const RecorderOptions& options)
    : key_(options.key), recent_(options.recent_bytes), failed_(options.failed_bytes) {}

std::uint64_t Recorder::hash(std::string_view text) const {
  return text.empty() ? 0 : siphash(key_, text) | 1;  // 0 says that there is none
}

void Recorder::add(const Passing& message) {
  if (!recent_.keeps()) return;
  copy_.assign(message.octets);
  const Keys keys = read_and_blank(copy_);
  // What we sent as a request, or hear as a response, has our tag in From (RFC 3261 8.1.1.3, 8.2.6.2).
  const bool is_response = copy_.starts_with("SIP/");
  const bool own_is_from = (message.direction == Direction::sent) != is_response;
  const std::string_view own = own_is_from ? keys.from_tag : keys.to_tag;
  const std::string_view far = own_is_from ? keys.to_tag : keys.from_tag;
  Entry entry;
  entry.sequence = sequence_ + 1;
  entry.monotonic_ns = monotonic_now_ns();
  entry.wall_ns = wall_now_ns();
  entry.direction = message.direction;
  entry.retransmission = message.retransmission;
  entry.transport = message.transport;
  entry.local = message.local;
  entry.remote = message.remote;
  entry.call_id_hash = hash(keys.call_id);
  entry.own_hash = hash(own);
  entry.far_hash = hash(far);
  entry.realm = message.realm.substr(0, kMostNameChars);
  entry.peer = message.peer.substr(0, kMostNameChars);
  entry.octets = copy_;
  attribute(entry, own);
  entry.call = call_;
  newest_ = recent_.add(entry);
  if (newest_ == Ring::kNone) return counters_.too_large.add();
  ++sequence_;  // without a gap: who reads on takes one for messages that were overwritten
  counters_.kept.add();
  if (!call_.empty() && failed_.newest_of_call(call_) != Ring::kNone) keep_failed(entry);
  note_overwritten();
}

// Whose message it is, into `entry` and call_.
void Recorder::attribute(Entry& entry, std::string_view own_tag) {
  call_.clear();
  std::optional<Subject> subject;
  if (subjects_ != nullptr && !own_tag.empty()) subject = subjects_->find_subject(own_tag);
  if (subject) {
    call_ = subject->call;
    entry.side = subject->side;
    entry.number = ++*subject->messages;
    return;
  }
  auto before = kin(recent_, entry);
  if (!before) before = kin(failed_, entry);
  if (!before) return;
  // A call is named by our tag on its caller's leg.
  if (subjects_ != nullptr) subject = subjects_->find_subject(before->call);
  const bool is_over = !subject || failed_.newest_of_call(before->call) != Ring::kNone;
  if (is_over && is_new_attempt(entry)) return;
  call_ = before->call;
  entry.side = before->side;
  entry.number = subject ? ++*subject->messages : last_number(call_) + 1;
}

// The newest message of the same leg that is known to be of a call.
std::optional<Entry> Recorder::kin(const Ring& ring, const Entry& entry) const {
  if (entry.call_id_hash == 0) return std::nullopt;
  std::uint64_t at = ring.newest_of_call_id(entry.call_id_hash);
  for (unsigned step = 0; at != Ring::kNone && step < kMostSteps; ++step, at = ring.before_of_call_id(at)) {
    const Entry found = ring.at(at);
    if (!found.call.empty() && same_leg(found, entry)) return found;
  }
  return std::nullopt;
}

std::uint32_t Recorder::last_number(std::string_view call) const {
  std::uint32_t number = 0;
  for (const Ring* ring : {&recent_, &failed_}) {
    const std::uint64_t at = ring->newest_of_call(call);
    if (at != Ring::kNone) number = std::max(number, ring->at(at).number);
  }
  return number;
}

void Recorder::begin(const Subject& subject, std::string_view call_id) {
  if (newest_ == Ring::kNone) return;
  const Entry entry = recent_.at(newest_);
  if (!entry.call.empty() || entry.call_id_hash != hash(call_id)) return;
  recent_.name(newest_, subject.call, subject.side, ++*subject.messages);
}

void Recorder::keep_failed(const Entry& entry) {
  if (failed_.add(entry) != Ring::kNone) counters_.failed_kept.add();
}

void Recorder::failed(std::string_view call) {
  if (!failed_.keeps()) return;
  std::vector<std::uint64_t> places = positions(recent_, call, 0, kMostOfFailed);
  for (const std::uint64_t at : places) keep_failed(recent_.at(at));
  note_overwritten();
}

// Of a call, behind `sequence`, oldest first: the newest `most`.
std::vector<std::uint64_t> Recorder::positions(const Ring& ring, std::string_view call,
                                               std::uint64_t sequence, std::size_t most) const {
  std::vector<std::uint64_t> places;
  std::uint64_t at = ring.newest_of_call(call);
  for (; at != Ring::kNone && places.size() < most; at = ring.before_in_call(at)) {
    if (ring.at(at).sequence <= sequence) break;
    places.push_back(at);
  }
  std::ranges::reverse(places);
  return places;
}

Slice Recorder::recent(std::uint64_t sequence, std::size_t most_bytes) const {
  Slice slice;
  slice.next = sequence;
  std::uint64_t at = recent_.behind(sequence);
  for (std::size_t bytes = 0; recent_.has(at); at = recent_.after(at)) {
    const Entry entry = recent_.at(at);
    bytes += entry.octets.size();
    if (bytes > most_bytes && !slice.messages.empty()) {
      slice.is_last = false;
      break;
    }
    slice.messages.push_back(entry.copy());
    slice.next = entry.sequence;
  }
  return slice;
}

// What both rings have of it behind `sequence`, each message once, oldest first.
std::vector<Entry> Recorder::entries_of(std::string_view call, std::uint64_t sequence) const {
  std::vector<Entry> entries;
  for (const Ring* ring : {&failed_, &recent_}) {
    for (const std::uint64_t at : positions(*ring, call, sequence, kMostOfCall))
      entries.push_back(ring->at(at));
  }
  std::ranges::sort(entries, {}, &Entry::sequence);
  const auto twice = std::ranges::unique(entries, {}, &Entry::sequence);
  entries.erase(twice.begin(), twice.end());
  return entries;
}

Slice Recorder::of_call(std::string_view call, std::uint64_t sequence, std::size_t most_bytes) const {
  Slice slice;
  slice.next = sequence;
  std::size_t bytes = 0;
  for (const Entry& entry : entries_of(call, sequence)) {
    bytes += entry.octets.size();
    if (bytes > most_bytes && !slice.messages.empty()) {
      slice.is_last = false;
      break;
    }
    slice.messages.push_back(entry.copy());
    slice.next = entry.sequence;
  }
  return slice;
}

std::vector<Message> Recorder::ends_of_call(std::string_view call, std::size_t most_bytes) const {
  const std::vector<Entry> entries = entries_of(call, 0);
  std::size_t bytes = 0;
  std::size_t first = 0;  // behind the first ones that are taken
  for (; first < std::min(entries.size(), kFirstOfCall); ++first) {
    if (bytes + entries[first].octets.size() > most_bytes / 2) break;
    bytes += entries[first].octets.size();
  }
  std::size_t last = entries.size();  // the oldest of the newest
  for (; last > first; --last) {
    bytes += entries[last - 1].octets.size();
    if (bytes > most_bytes && last != entries.size()) break;
  }
  std::vector<Message> messages;
  for (const Entry& entry : std::span(entries).first(first)) messages.push_back(entry.copy());
  for (const Entry& entry : std::span(entries).subspan(last)) messages.push_back(entry.copy());
  if (last != first) messages[first].left_out = static_cast<std::uint32_t>(last - first);
  return messages;
}

void Recorder::note_overwritten() {
  counters_.overwritten.set(recent_.overwritten());
  counters_.failed_overwritten.set(failed_.overwritten());
}

}  // namespace sallyport::trace

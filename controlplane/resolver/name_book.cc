// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/name_book.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sallyport::resolver {

using routing::NameState;

namespace {

constexpr std::uint32_t kNegativeWithoutTtl_s = 30;

Nanoseconds span_of(std::uint32_t ttl_s) {
  return static_cast<Nanoseconds>(ttl_s) * kSecond;
}

}  // namespace

NameBook::NameBook(const config::Config& config, Counters& counters) : counters_(counters) {
  take_names(config);
}

void NameBook::take_names(const config::Config& config) {
  dns_ = config.dns;
  shown_.generation = config.generation;
  for (std::size_t p = 0; p < config.peers.size(); ++p) {
    const config::Peer& peer = config.peers[p];
    const auto add = [&](const config::Target& target, std::size_t configured) {
      if (peer.retired || target.host.empty()) return;
      names_.push_back({.wanted = wanted(config, peer, target)});
      shown_.push_back({static_cast<config::PeerIndex>(p),
                        static_cast<std::uint16_t>(configured),
                        NameState::pending,
                        {}});
    };
    for (std::size_t t = 0; t < peer.targets.size(); ++t) add(peer.targets[t], t);
    const auto& allowed = peer.redirects.allow_names;
    for (std::size_t n = 0; n < allowed.size(); ++n)
      add({.endpoint = {}, .uri = "sip:" + allowed[n], .host = allowed[n]}, routing::kFirstAllowedName + n);
  }
  unsettled_ = names_.size();
  count_names();
}

void NameBook::count_names() {
  for (dp::Counter& count : counters_.names) count.set(0);
  for (const routing::ResolvedName& shown : shown_)
    counters_.names[static_cast<std::size_t>(shown.state)].add();
}

void NameBook::succeed(const config::Config& config) {
  first_ += names_.size();
  std::vector<Name> old = std::exchange(names_, {});
  const routing::ResolvedNames old_shown = std::exchange(shown_, {});
  running_ = 0;
  take_names(config);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto same = std::ranges::find(old, names_[i].wanted, &Name::wanted);
    if (same == old.end()) continue;
    const routing::ResolvedName& was = old_shown[static_cast<std::size_t>(same - old.begin())];
    names_[i] = {.wanted = same->wanted,
                 .settled = same->settled,
                 .due_ns = same->running ? 0 : same->due_ns,
                 .good_until_ns = same->good_until_ns,
                 .failures = same->failures};
    shown_[i].state = was.state;
    shown_[i].places = was.places;
    if (same->settled) --unsettled_;
  }
  count_names();
  changed_ = true;
}

void NameBook::turn(Nanoseconds now_ns, const Ask& ask) {
  for (std::size_t i = 0; i < names_.size() && running_ < kMostLookups; ++i) {
    Name& name = names_[i];
    if (name.running || now_ns < name.due_ns) continue;
    name.running = true;
    ++running_;
    go_on(i, now_ns, ask);
  }
}

void NameBook::go_on(std::size_t index, Nanoseconds now_ns, const Ask& ask) {
  Name& name = names_[index];
  Outcome outcome = procedure(name.wanted, name.known);
  if (outcome.missing.empty()) return settle(index, std::move(outcome), now_ns);
  for (const Question& question : outcome.missing) {
    if (name.asked.insert(question).second) ask(first_ + index, question);
  }
}

void NameBook::answered(std::size_t called, const Question& question, Answer answer, Nanoseconds now_ns,
                        const Ask& ask) {
  if (called < first_) return;
  const std::size_t index = called - first_;
  Name& name = names_[index];
  if (name.asked.erase(question) == 0) return;
  counters_.query(question.type, answer.kind).add();
  name.known[question] = std::move(answer);
  // The rest of a step is waited for, so that each step is walked once.
  if (name.asked.empty()) go_on(index, now_ns, ask);
}

void NameBook::settle(std::size_t index, Outcome outcome, Nanoseconds now_ns) {
  Name& name = names_[index];
  routing::ResolvedName shown{shown_[index].peer, shown_[index].configured, outcome.state, {}};
  name.running = false;
  name.known.clear();
  --running_;
  if (!name.settled) --unsettled_;
  name.settled = true;
  for (std::size_t i = 0; i < outcome.discarded.size(); ++i) counters_.discarded[i].add(outcome.discarded[i]);
  if (outcome.state == NameState::server_failure) {
    shown.places = shown_[index].places;
    on_failure(name, shown, now_ns);
  } else {
    on_places(name, shown, outcome, now_ns);
  }
  counters_.lookups[static_cast<std::size_t>(shown.state)].add();
  if (shown == shown_[index]) return;
  dp::Counter& before = counters_.names[static_cast<std::size_t>(shown_[index].state)];
  before.set(before.get() - 1);
  counters_.names[static_cast<std::size_t>(shown.state)].add();
  shown_[index] = std::move(shown);
  changed_ = true;
}

// RFC 8767: what was good is better than nothing, for a while.
void NameBook::on_failure(Name& name, routing::ResolvedName& shown, Nanoseconds now_ns) {
  const bool stale = !shown.places.empty() && now_ns < name.good_until_ns;
  shown.state = stale ? NameState::stale : NameState::server_failure;
  if (!stale) shown.places.clear();
  const Nanoseconds wait = std::min(kSecond << std::min(name.failures, 8u), kLongestRetry);
  ++name.failures;
  name.due_ns = now_ns + wait;
  if (stale) name.due_ns = std::min(name.due_ns, name.good_until_ns);
}

void NameBook::on_places(Name& name, routing::ResolvedName& shown, Outcome& outcome, Nanoseconds now_ns) {
  name.failures = 0;
  const bool good = outcome.state == NameState::resolved;
  const Nanoseconds longest = good ? dns_.max_ttl_ns : std::min(dns_.max_ttl_ns, kLongestNegative);
  const Nanoseconds said = span_of(outcome.ttl_s.value_or(kNegativeWithoutTtl_s));
  Nanoseconds ttl = std::clamp(said, dns_.min_ttl_ns, std::max(longest, dns_.min_ttl_ns));
  if (outcome.incomplete) ttl = std::min(ttl, kLongestRetry);
  name.due_ns = now_ns + ttl;
  name.good_until_ns = now_ns + ttl + dns_.max_stale_ns;
  shown.places = std::move(outcome.places);
}

Nanoseconds NameBook::next_ns() const {
  Nanoseconds next = std::numeric_limits<Nanoseconds>::max();
  if (running_ >= kMostLookups) return next;
  for (const Name& name : names_) {
    if (!name.running) next = std::min(next, name.due_ns);
  }
  return next;
}

routing::SharedNames NameBook::take_changed() {
  if (!changed_) return nullptr;
  changed_ = false;
  return std::make_shared<const routing::ResolvedNames>(shown_);
}

}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/name_book.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/controlplane/resolver/resolver_config_support.h"
#include "tests/controlplane/resolver/zone_support.h"

namespace sallyport::resolver {
namespace {

using routing::NameState;

class NameBookTest : public testing::Test {
 protected:
  void open(const std::string& peers, const std::string& dns = "{min_ttl: 5s, max_ttl: 1h, max_stale: 10m}") {
    config_ = configured(peers, dns);
    book_.emplace(config_, counters_);
  }
  // Lets the book do what is due, and the server answer.
  void run() {
    const Ask ask = [&](std::size_t name, const Question& question) { asked_.emplace_back(name, question); };
    book_->turn(now_, ask);
    while (!asked_.empty() && !holds_) {
      const auto [name, question] = asked_.front();
      asked_.erase(asked_.begin());
      ++questions_;
      book_->answered(name, question, fails_ ? Answer{} : zone_.answer(question), now_, ask);
    }
  }
  // The next instant at which the book wants a turn, in seconds from now; then it has it.
  Nanoseconds next_turn() {
    const Nanoseconds before = now_;
    now_ = book_->next_ns();
    run();
    return (now_ - before) / kSecond;
  }
  // "resolved 192.0.2.10:5060"; "unchanged".
  std::string news(std::size_t name = 0) {
    const routing::SharedNames names = book_->take_changed();
    if (!names) return "unchanged";
    std::string out(routing::to_text(names->at(name).state));
    for (const routing::ResolvedPlace& place : names->at(name).places) out += " " + place.endpoint.to_text();
    return out;
  }
  std::uint64_t lookups(NameState state) { return counters_.lookups[static_cast<std::size_t>(state)].get(); }
  std::uint64_t names(NameState state) { return counters_.names[static_cast<std::size_t>(state)].get(); }

  config::Config config_;
  Counters counters_;
  std::optional<NameBook> book_;
  Zone zone_;
  bool fails_ = false;
  bool holds_ = false;
  unsigned questions_ = 0;
  Nanoseconds now_ = 1000 * kSecond;
  std::vector<std::pair<std::size_t, Question>> asked_;
};

constexpr const char* kOne = "{p: {realm: out, targets: ['sip:x.test:5060']}}";

TEST_F(NameBookTest, Looks_names_up_at_once_and_again_when_the_TTL_has_passed) {
  open(kOne);
  zone_.add("x.test", "A 192.0.2.10", 40);
  EXPECT_EQ(names(NameState::pending), 1u);
  EXPECT_FALSE(book_->has_settled());
  run();
  EXPECT_TRUE(book_->has_settled());
  EXPECT_EQ(news(), "resolved 192.0.2.10:5060");
  EXPECT_EQ(names(NameState::pending), 0u);
  EXPECT_EQ(names(NameState::resolved), 1u);
  zone_.clear();
  zone_.add("x.test", "A 192.0.2.11", 40);
  EXPECT_EQ(next_turn(), 40);
  EXPECT_EQ(news(), "resolved 192.0.2.11:5060");
  EXPECT_EQ(next_turn(), 40);
  EXPECT_EQ(news(), "unchanged");
  EXPECT_EQ(lookups(NameState::resolved), 3u);
}

TEST_F(NameBookTest, Holds_a_TTL_to_its_bounds) {
  open(kOne);
  zone_.add("x.test", "A 192.0.2.10", 0);
  run();
  EXPECT_EQ(next_turn(), 5);
  zone_.clear();
  zone_.add("x.test", "A 192.0.2.10", 1'000'000);
  EXPECT_EQ(next_turn(), 5);
  EXPECT_EQ(next_turn(), 3600);
}

TEST_F(NameBookTest, Keeps_the_last_good_places_while_the_servers_fail_and_no_longer_than_max_stale) {
  open(kOne);
  zone_.add("x.test", "A 192.0.2.10", 60);
  run();
  EXPECT_EQ(news(), "resolved 192.0.2.10:5060");
  fails_ = true;
  EXPECT_EQ(next_turn(), 60);
  EXPECT_EQ(news(), "stale 192.0.2.10:5060");
  EXPECT_EQ(next_turn(), 1);
  EXPECT_EQ(next_turn(), 2);
  EXPECT_EQ(next_turn(), 4);
  EXPECT_EQ(next_turn(), 8);
  EXPECT_EQ(next_turn(), 16);
  EXPECT_EQ(next_turn(), 30);
  EXPECT_EQ(news(), "unchanged");
  const Nanoseconds until = now_ + 600 * kSecond;
  std::string last = "unchanged";
  while (last == "unchanged" && now_ < until) {
    (void)next_turn();
    last = news();
  }
  EXPECT_EQ(last, "no answer from the name servers");
  EXPECT_EQ(now_, 1000 * kSecond + 660 * kSecond);
  EXPECT_EQ(names(NameState::server_failure), 1u);
  fails_ = false;
  EXPECT_LE(next_turn(), 30);
  EXPECT_EQ(news(), "resolved 192.0.2.10:5060");
}

TEST_F(NameBookTest, Believes_a_server_that_says_no) {
  open(kOne);
  zone_.add("x.test", "A 192.0.2.10", 60);
  run();
  (void)news();
  zone_.clear();
  EXPECT_EQ(next_turn(), 60);
  EXPECT_EQ(news(), "no such name");
  fails_ = true;
  EXPECT_EQ(next_turn(), 30);
  EXPECT_EQ(news(), "no answer from the name servers") << "nothing good is kept of a name that is gone";
}

TEST_F(NameBookTest, Without_max_stale_nothing_is_kept) {
  open(kOne, "{max_stale: off}");
  zone_.add("x.test", "A 192.0.2.10", 60);
  run();
  (void)news();
  fails_ = true;
  (void)next_turn();
  EXPECT_EQ(news(), "no answer from the name servers");
}

TEST_F(NameBookTest, Names_that_never_answered_are_asked_again_soon) {
  open(kOne);
  fails_ = true;
  run();
  EXPECT_EQ(news(), "no answer from the name servers");
  EXPECT_TRUE(book_->has_settled());
  EXPECT_EQ(next_turn(), 1);
  EXPECT_EQ(next_turn(), 2);
}

TEST_F(NameBookTest, Only_so_many_look_ups_run_at_once) {
  std::string peers = "{";
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    peers += (i == 0 ? "p" : ", p") + n + ": {realm: in, targets: ['sip:h" + n + ".test:5060']}";
    zone_.add("h" + n + ".test", "A 198.51.100." + std::to_string(i + 10));
  }
  open(peers + "}");
  holds_ = true;
  run();
  EXPECT_EQ(asked_.size(), NameBook::kMostLookups);
  EXPECT_EQ(book_->next_ns(), std::numeric_limits<Nanoseconds>::max());
  holds_ = false;
  for (int turns = 0; turns < 4; ++turns) run();
  EXPECT_TRUE(book_->has_settled());
  EXPECT_EQ(news(99), "resolved 198.51.100.109:5060");
  EXPECT_EQ(questions_, 100u);
}

TEST_F(NameBookTest, Counts_questions_by_what_came) {
  open("{p: {realm: in, targets: ['sip:x.test', 'sip:198.51.100.7', 'sip:gone.test:5060']}}");
  EXPECT_EQ(book_->size(), 2u);
  zone_.add("x.test", "A 198.51.100.9").add("x.test", "A 127.0.0.1");
  run();
  EXPECT_EQ(counters_.query(RecordType::naptr, AnswerKind::no_data).get(), 1u);
  EXPECT_EQ(counters_.query(RecordType::srv, AnswerKind::no_name).get(), 1u);
  EXPECT_EQ(counters_.query(RecordType::a, AnswerKind::records).get(), 1u);
  EXPECT_EQ(counters_.query(RecordType::a, AnswerKind::no_name).get(), 1u);
  EXPECT_EQ(counters_.discarded[static_cast<std::size_t>(Discard::no_unicast)].get(), 1u);
  const routing::SharedNames names = book_->take_changed();
  ASSERT_NE(names, nullptr);
  EXPECT_EQ((*names)[1].configured, 2u);
  EXPECT_EQ((*names)[1].state, NameState::no_such_name);
}

TEST_F(NameBookTest, Looks_up_the_names_that_redirects_allow_beside_those_of_targets) {
  open(
      "{p: {realm: in, targets: ['sip:x.test'], redirects: {mode: follow, allow: [203.0.113.0/24, "
      "y.test]}}}");
  ASSERT_EQ(book_->size(), 2u);
  zone_.add("x.test", "A 198.51.100.9").add("y.test", "A 198.51.100.10");
  run();
  const routing::SharedNames names = book_->take_changed();
  ASSERT_NE(names, nullptr);
  EXPECT_TRUE(names->at(0).is_target());
  EXPECT_FALSE(names->at(1).is_target());
  EXPECT_EQ(names->at(1).configured, routing::kFirstAllowedName);
  EXPECT_EQ(names->at(1).places.at(0).endpoint.to_text(), "198.51.100.10:5060");
}

TEST_F(NameBookTest, An_answer_that_nobody_asked_for_changes_nothing) {
  open(kOne);
  holds_ = true;
  run();
  const Ask none = [](std::size_t, const Question&) { FAIL() << "nothing is to be asked"; };
  Zone evil;
  evil.add("evil.test", "A 203.0.113.66");
  const Question question{"evil.test", RecordType::a};
  book_->answered(0, question, evil.answer(question), now_, none);
  EXPECT_EQ(news(), "unchanged");
  EXPECT_FALSE(book_->has_settled());
}

// ---- after a reload

TEST_F(NameBookTest, A_name_that_stays_keeps_its_places_and_its_time) {
  open("{p: {realm: out, targets: ['sip:x.test:5060']}, q: {realm: out, targets: ['sip:y.test:5060']}}");
  zone_.add("x.test", "A 192.0.2.10", 40).add("y.test", "A 192.0.2.20", 40).add("z.test", "A 192.0.2.30", 40);
  run();
  (void)book_->take_changed();
  now_ += 10 * kSecond;
  config::Config next = configured(
      "{r: {realm: out, targets: ['sip:z.test:5060']}, q: {realm: out, targets: ['sip:192.0.2.9', "
      "'sip:y.test:5060']}}");
  next.generation = 7;
  book_->succeed(next);
  EXPECT_FALSE(book_->has_settled());
  const routing::SharedNames names = book_->take_changed();
  ASSERT_NE(names, nullptr) << "the places are by other indices now";
  EXPECT_EQ(names->generation, 7u);
  ASSERT_EQ(names->size(), 2u);
  EXPECT_EQ(names->at(0).state, NameState::pending);
  EXPECT_EQ(names->at(1).peer, 1u);
  EXPECT_EQ(names->at(1).configured, 1u);
  EXPECT_EQ(names->at(1).places.at(0).endpoint.to_text(), "192.0.2.20:5060");
  const unsigned before = questions_;
  run();
  EXPECT_EQ(news(), "resolved 192.0.2.30:5060");
  EXPECT_EQ(this->names(NameState::resolved), 2u);
  EXPECT_GT(questions_, before);
  EXPECT_EQ(next_turn(), 30) << "y.test, whose TTL goes on";
}

TEST_F(NameBookTest, Answers_to_what_was_asked_before_a_reload_count_for_nothing) {
  open(kOne);
  holds_ = true;
  run();
  ASSERT_FALSE(asked_.empty());
  const auto old = asked_;
  asked_.clear();
  book_->succeed(configured("{p: {realm: out, targets: ['sip:y.test:5060']}}"));
  zone_.add("x.test", "A 192.0.2.10").add("y.test", "A 192.0.2.20");
  const Ask none = [](std::size_t, const Question&) { FAIL() << "nothing is to be asked"; };
  for (const auto& [name, question] : old)
    book_->answered(name, question, zone_.answer(question), now_, none);
  EXPECT_EQ(news(), "not looked up yet");
  holds_ = false;
  run();
  EXPECT_EQ(news(), "resolved 192.0.2.20:5060");
}

TEST_F(NameBookTest, A_look_up_that_runs_begins_anew_and_a_removed_peer_has_none) {
  open("{p: {realm: out, targets: ['sip:x.test:5060']}, q: {realm: out, targets: ['sip:y.test:5060']}}");
  holds_ = true;
  run();
  config::Config next = config_;
  next.peers[1].retired = true;
  asked_.clear();
  book_->succeed(next);
  EXPECT_EQ(book_->size(), 1u);
  zone_.add("x.test", "A 192.0.2.10");
  holds_ = false;
  run();
  EXPECT_EQ(news(), "resolved 192.0.2.10:5060");
  EXPECT_EQ(names(NameState::pending), 0u);
}

TEST_F(NameBookTest, New_bounds_of_TTLs_hold_from_the_next_answer_on) {
  open(kOne);
  zone_.add("x.test", "A 192.0.2.10", 40);
  run();
  book_->succeed(configured(kOne, "{max_ttl: 10s}"));
  EXPECT_EQ(next_turn(), 40);
  EXPECT_EQ(next_turn(), 10);
}

}  // namespace
}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A SIP user agent of the tests, written after the RFCs and apart from the product:
// transactions that repeat, 2xx that are repeated until their ACK, dialogs, CANCEL, BYE, re-INVITE, UPDATE
// (RFC 3311), reliable provisional responses (RFC 3262), session timers (RFC 4028), forks, REFER (RFC 3515)
// and INVITE with Replaces (RFC 3891), of dialogs that are up and of those that ring. What it does next falls
// with the dice of its nature. It writes down how each of its sessions ended, what it missed (an ACK that
// never came, a request that nobody answered), and where it has agreed to have its media. Each thing that it
// will do is an entry of its agenda.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/controlplane/shard/bench_support.h"

namespace sallyport::shard {

// RFC 3261 17.1.1.1, of the agents.
inline constexpr Nanoseconds kT1 = 500 * kMillisecond;
inline constexpr Nanoseconds kT2 = 4 * kSecond;

// How an agent behaves, in percent.
struct Nature {
  unsigned silent = 0;       // says nothing at all to an INVITE
  unsigned early = 50;       // answers with 180 or 183 first
  unsigned refuses = 30;     // a call with a final failure
  unsigned forks = 0;        // other tags answer too, early or for good
  unsigned odd_answers = 0;  // without SDP, without Contact, private, too few streams
  unsigned cancels = 0;      // the caller gives up
  unsigned late_offers = 0;  // INVITE and re-INVITE without SDP
  unsigned reliable = 0;     // knows 100rel, and uses it
  unsigned updates = 0;      // knows UPDATE
  unsigned timers = 0;       // asks for a session timer, and refreshes
  unsigned acts = 2;         // at most so many in a call
  unsigned hangs_up = 50;    // of its acts
  unsigned transfers = 0;    // of the others: REFER
  unsigned follows = 0;      // a REFER that has come, by a call of its own
  unsigned picks_up = 0;     // what rings at one of its lines, by a call from another
};

class Agent {
 public:
  enum class State { calling, ringing, answered, up, ending, over };
  struct Session {
    bool caller = false;
    State state = State::calling;
    std::string call_id;
    std::string local;   // our From or To value, tag included
    std::string remote;  // theirs; without tag before the first response
    std::string target;  // of requests inside the dialog
    unsigned cseq = 0;
    unsigned remote_cseq = 0;
    std::string invite;  // the caller's
    bool cancel_wanted = false;
    bool hung_up_early = false;  // a BYE before the answer
    bool heard = false;          // a provisional response to the INVITE
    bool said = false;           // any response to the INVITE
    bool rings = false;          // who calls us has a dialog with us
    std::string early_answer;    // in an unreliable 18x of ours
    bool asking = false;         // an INVITE or UPDATE of ours inside the dialog is open
    bool settled = false;        // the first offer has its answer, for good
    bool described = false;      // the caller: any response had an SDP
    bool peer_updates = false;   // the last Allow had UPDATE
    unsigned rseq = 0;           // of the last reliable response, theirs or ours
    unsigned port = 0;           // where our media is agreed to be; 0: nowhere
    std::string end;             // how it ended
    unsigned missed_acks = 0;
    unsigned unanswered = 0;
    unsigned unrelayed = 0;  // the same, of what only the other side can answer
  };

  // `source`: where its packets come from; `own`: what it takes for its address; `door`: ours.
  Agent(std::string realm, std::string source, std::string own, std::string door, std::mt19937_64& random)
      : realm_(std::move(realm)),
        source_(std::move(source)),
        own_(std::move(own)),
        door_(std::move(door)),
        random_(random) {}

  Nature nature;
  std::function<void(Agent&, const std::string&)> send;  // to Sallyport
  std::function<Nanoseconds()> now;

  // `more`: further header lines.
  void call(std::string_view user, std::string_view more = {});
  // Calls once more, to take the place of one of its own sessions.
  void take_over();
  void receive(const std::string& text);
  void run();
  [[nodiscard]] Nanoseconds next() const;
  // Ends what is up, cancels what is not.
  void hang_up_everything();
  // Never says or hears anything again.
  void die();

  [[nodiscard]] bool dead() const { return dead_; }
  // No transaction of it is open.
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] const std::string& realm() const { return realm_; }
  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] const std::string& own() const { return own_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  // How many REFERs it has sent.
  [[nodiscard]] unsigned referred() const { return referred_; }
  // Call-IDs for which the network lied.
  std::set<std::string> excused;

 private:
  struct Client {
    std::string text;
    std::string method;
    Session* session = nullptr;
    bool heard = false;
    bool done = false;
    unsigned port = 0;  // of its offer
    std::string ack;    // for a 2xx
  };
  struct Server {
    Sent request;
    std::string method;
    Session* session = nullptr;
    std::string last;
    bool final = false;
    bool success = false;
    bool acked = false;
    bool missed = false;       // no ACK within 64*T1
    bool prack_waits = false;  // the last response is reliable, and out
    bool has_sdp = false;      // that one, or the 2xx
    unsigned port = 0;         // of an offer of ours in a 2xx or 18x, until its answer has come
  };
  struct Described {
    std::string text;
    unsigned port = 0;
  };

  [[nodiscard]] bool chance(unsigned percent) { return random_() % 100 < percent; }
  [[nodiscard]] Nanoseconds span(unsigned low_ms, unsigned high_ms) {
    return (low_ms + static_cast<Nanoseconds>(random_() % (high_ms - low_ms + 1))) * kMillisecond;
  }
  void later(Nanoseconds delay, std::function<void()> act) { agenda_.emplace(now() + delay, std::move(act)); }
  [[nodiscard]] std::string fresh(std::string_view what);
  [[nodiscard]] Described describe();
  [[nodiscard]] std::string hidden() const;  // an SDP with a private address
  // Supported, Allow and Session-Expires.
  [[nodiscard]] std::string abilities(bool with_timer);
  void note(Session& session, const Sent& message);
  void end(Session& session, std::string how);

  // ---- client
  Client& start(Session& session, std::string method, std::string branch, std::string text);
  Client& request(Session& session, std::string_view method, std::string_view body = {},
                  std::string_view more = {}, std::string_view type = "application/sdp");
  void ask(Session& session, std::string_view method, bool with_offer);
  void resend(const std::string& key, Nanoseconds interval);
  void give_up(const std::string& key);
  void on_response(const Sent& response);
  void on_provisional(Session& session, const Sent& response);
  void send_prack(Session& session, const Sent& response);
  void on_final(Client& client, unsigned status, const Sent& response);
  void on_answer(Session& session, unsigned status, const Sent& response);
  void send_ack(Client& client, const Sent& response);
  void send_cancel(Session& session);
  void hang_up(Session& session);
  void act(Session& session);
  void act_early(Session& session);
  void come_up(Session& session);
  void refresh(Session& session);
  void refer(Session& session);
  void notify(Session& session, std::string_view status, std::string_view state);
  // A session that is up, but for that one; nullptr: there is none.
  [[nodiscard]] Session* another(const Session* but);
  // A call that rings here; nullptr: none does.
  [[nodiscard]] Session* ringing();
  void pick_up(const Session& session);

  // ---- server
  void on_request(const Sent& request);
  void on_ack(const Sent& ack);
  void on_cancel(const Sent& cancel);
  void on_invite(Server& server);
  void ring(const std::string& key);
  void ring_reliably(const std::string& key, std::string_view status, const Described& session);
  void repeat_reliably(const std::string& key, unsigned rseq, Nanoseconds interval);
  void on_prack(Server& prack);
  void answer(const std::string& key);
  void refuse(Server& server);
  [[nodiscard]] std::string odd_answer(Server& server, unsigned odd, const std::string& body);
  void on_in_dialog(const std::string& key, Server& server);
  void on_bye(Server& server);
  void on_refer(Server& server);
  void on_offer(const std::string& key, Server& server);
  void answer_offer(Server& server);
  void respond(Server& server, std::string_view status, std::string_view body = {},
               std::string_view more = {}, std::string_view contact = "own");
  void repeat(const std::string& key, Nanoseconds interval);
  void await_ack(const std::string& key);
  void fork(const Server& server);

  std::string realm_;
  std::string source_;
  std::string own_;
  std::string door_;
  std::mt19937_64& random_;
  bool dead_ = false;
  unsigned names_ = 0;
  unsigned referred_ = 0;
  std::multimap<Nanoseconds, std::function<void()>> agenda_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<std::string, Client> clients_;  // by branch and method
  std::map<std::string, Server> servers_;
};

// ---- of messages
[[nodiscard]] std::string branch_of(const Sent& message);
[[nodiscard]] std::string method_of_cseq(const Sent& message);
[[nodiscard]] unsigned number_of_cseq(const Sent& message);
[[nodiscard]] std::string tag_in(const std::string& party);
[[nodiscard]] std::string uri_of(const std::string& contact);
[[nodiscard]] bool lists(const Sent& message, std::string_view header, std::string_view token);
[[nodiscard]] std::string with_body(std::string head, std::string_view body,
                                    std::string_view type = "application/sdp");
// The port of the first stream; 0: there is none, or it is refused.
[[nodiscard]] unsigned audio_port(std::string_view sdp);

}  // namespace sallyport::shard

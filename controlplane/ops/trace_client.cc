// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/trace_client.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/ops/admin_client.h"
#include "controlplane/ops/trace_json.h"
#include "controlplane/trace/pcap.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTraceTimeout{10};
constexpr std::chrono::milliseconds kPause{200};  // between two looks
// A filter that fits everything on a busy machine must not take all of this one's memory.
constexpr std::size_t kMostCalls = 10'000;
constexpr std::size_t kMostMirrored = 200;  // calls whose media is asked for
constexpr std::size_t kMostPcapBytes = std::size_t{1} << 30;
// Exit statuses.
constexpr int kNothing = 1;
constexpr int kBadArgument = 2;
constexpr int kCutShort = 3;

std::atomic<bool> interrupted{false};

class Collector {
 public:
  Collector(const std::string& socket, const TraceArguments& arguments)
      : socket_(socket),
        arguments_(arguments),
        who_(std::to_string(::getpid()) + "-" + std::to_string(wall_now_ns())) {}

  // One look at all shards; false: error() says why it cannot be.
  bool look() {
    for (unsigned shard = 0; shard < shards_; ++shard) {
      if (!search(shard)) return false;
    }
    for (auto& [place, behind] : calls_) {
      if (!fetch(place, behind)) return false;
    }
    return !arguments_.rtp || take_media();
  }
  [[nodiscard]] bool is_full() const { return bytes_ > kMostPcapBytes; }

  struct Found {
    // By time; of one time in the order in which they came.
    std::multimap<Nanoseconds, trace::Message> messages;
    std::multimap<Nanoseconds, trace::MediaPacket> packets;
    std::size_t calls = 0;
    std::uint64_t gone = 0;  // messages of these calls that were overwritten
    std::uint64_t media_lost = 0;
    bool too_many = false;
  };
  [[nodiscard]] Found take() {
    found_.calls = calls_.size();
    found_.too_many |= arguments_.rtp && calls_.size() > kMostMirrored;
    std::map<std::string, std::uint32_t> first;
    for (const auto& [time, message] : found_.messages) {
      if (message.call.empty()) continue;
      auto& number = first.try_emplace(message.call, message.number).first->second;
      number = std::min(number, message.number);
    }
    for (const auto& [call, number] : first) found_.gone += number > 0 ? number - 1 : 0;
    return std::move(found_);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  using Place = std::pair<unsigned, std::string>;  // shard, our name of the call

  std::optional<json> ask(json request) {
    request["command"] = "trace";
    const auto line = ask_admin(socket_, request.dump(), kTraceTimeout);
    if (!line) {
      error_ = line.error();
      return std::nullopt;
    }
    json answer = json::parse(*line, nullptr, false);
    if (answer.is_object() && !answer.contains("error")) return answer;
    error_ = answer.is_object() ? answer["error"].get<std::string>()
                                : "the answer of the running process cannot be read";
    return std::nullopt;
  }

  void keep(const json& messages) {
    for (const json& message : messages) {
      trace::Message one = message_of(message);
      bytes_ += one.octets.size();
      found_.messages.emplace(one.wall_ns, std::move(one));
    }
  }

  bool search(unsigned shard) {
    json request{{"shard", shard}};
    const trace::Filter& filter = arguments_.filter;
    if (!filter.call_id.empty()) request["call_id"] = filter.call_id;
    if (!filter.user.empty()) request["user"] = filter.user;
    if (!filter.peer.empty()) request["peer"] = filter.peer;
    for (bool more = true; more && !is_full();) {
      request["behind"] = searched_[shard];
      const auto answer = ask(request);
      if (!answer) return false;
      shards_ = answer->at("shards");
      searched_[shard] = answer->at("next");
      keep(answer->at("messages"));
      for (const json& call : answer->at("calls")) {
        found_.too_many |= calls_.size() >= kMostCalls;
        if (calls_.size() < kMostCalls) calls_.try_emplace({shard, call.get<std::string>()}, 0);
      }
      more = answer->at("more");
    }
    return true;
  }

  bool fetch(const Place& place, std::uint64_t& behind) {
    for (bool more = true; more && !is_full();) {
      const auto answer = ask({{"shard", place.first}, {"call", place.second}, {"behind", behind}});
      if (!answer) return false;
      keep(answer->at("messages"));
      behind = answer->at("next");
      more = answer->at("more");
    }
    return true;
  }

  bool take_media() {
    std::size_t asked = 0;
    for (const auto& [place, behind] : calls_) {
      if (asked++ == kMostMirrored) break;
      if (!ask({{"who", who_}, {"media", place.second}, {"shard", place.first}})) return false;
    }
    for (bool more = true; more && !is_full();) {
      const auto answer = ask({{"who", who_}, {"take", true}});
      if (!answer) return false;
      for (const json& packet : answer->at("packets")) {
        trace::MediaPacket one = packet_of(packet);
        bytes_ += one.payload.size();
        found_.packets.emplace(one.wall_ns, std::move(one));
      }
      found_.media_lost = answer->at("lost");
      more = answer->at("more");
    }
    return true;
  }

  std::string socket_;
  const TraceArguments& arguments_;
  std::string who_;
  unsigned shards_ = 1;  // until the first answer says
  std::map<unsigned, std::uint64_t> searched_;
  std::map<Place, std::uint64_t> calls_;  // the last sequence number that we have
  Found found_;
  std::size_t bytes_ = 0;
  std::string error_;
};

// A pcap beside its place, until it is whole. Where no regular file is or would be (a pipe), it has none.
class PcapFile {
 public:
  explicit PcapFile(const std::string& path) : path_(path), written_(path) {
    std::error_code none;
    const auto status = std::filesystem::status(path, none);
    if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) written_ += ".part";
    file_.open(written_, std::ios::binary | std::ios::trunc);
  }
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;
  ~PcapFile() {
    std::error_code ignored;
    if (file_.is_open() && !done_ && written_ != path_) std::filesystem::remove(written_, ignored);
  }
  [[nodiscard]] bool is_open() const { return file_.is_open(); }

  // False: it could not be written to its end, and its place is as it was.
  bool write(const Collector::Found& found) {
    file_ << trace::PcapWriter::head();
    trace::PcapWriter writer;
    auto packet = found.packets.begin();
    for (const auto& [time, message] : found.messages) {
      for (; packet != found.packets.end() && packet->first < time; ++packet)
        file_ << writer.add(packet->second);
      file_ << writer.add(message);
    }
    for (; packet != found.packets.end(); ++packet) file_ << writer.add(packet->second);
    file_.flush();
    std::error_code failed;
    if (file_.good() && written_ != path_) std::filesystem::rename(written_, path_, failed);
    done_ = file_.good() && !failed;
    return done_;
  }

 private:
  std::string path_;
  std::string written_;
  std::ofstream file_;
  bool done_ = false;
};

std::string summary(const Collector::Found& found, const TraceArguments& arguments) {
  std::string text = std::to_string(found.messages.size()) + " messages of " + std::to_string(found.calls) +
                     (found.calls == 1 ? " call" : " calls");
  if (arguments.rtp) text += " and " + std::to_string(found.packets.size()) + " media packets";
  text += " are in " + arguments.pcap;
  if (found.gone != 0) text += "; " + std::to_string(found.gone) + " messages before are gone";
  if (found.media_lost != 0)
    text += "; " + std::to_string(found.media_lost) + " media packets found no room in the mirror ring";
  if (found.too_many) text += "; not all that match are in it";
  return text;
}

// Looks once, or until the time has passed or somebody interrupts.
bool collect(Collector& collector, unsigned follow_s) {
  const auto until = Clock::now() + std::chrono::seconds(follow_s);
  interrupted = false;
  const auto before = std::signal(SIGINT, [](int) { interrupted = true; });
  bool good = collector.look();
  while (good && !interrupted && !collector.is_full() && Clock::now() < until) {
    std::this_thread::sleep_for(kPause);
    good = collector.look();
  }
  if (good && interrupted) good = collector.look();  // what has come since the last one
  std::signal(SIGINT, before);
  return good;
}

}  // namespace

int trace(const std::string& socket, const TraceArguments& arguments, bool json_wanted, std::ostream& out,
          std::ostream& error) {
  const trace::Filter& filter = arguments.filter;
  if (!can_be_asked("Call-ID", filter.call_id, error) || !can_be_asked("user", filter.user, error) ||
      !can_be_asked("peer", filter.peer, error))
    return kBadArgument;
  PcapFile file(arguments.pcap);
  if (!file.is_open()) {
    error << arguments.pcap << " cannot be written\n";
    return kNothing;
  }
  Collector collector(socket, arguments);
  const bool good = collect(collector, arguments.follow_s);
  if (!good) error << collector.error() << "\n";
  const Collector::Found found = collector.take();
  if (found.messages.empty()) {
    if (good) error << "no message that is left matches\n";
    return kNothing;
  }
  if (!file.write(found)) {
    error << arguments.pcap << " cannot be written to its end\n";
    return kNothing;
  }
  if (!good) error << "what came until then is kept\n";
  if (json_wanted) {
    out << json{{"messages", found.messages.size()},
                {"calls", found.calls},
                {"media_packets", found.packets.size()},
                {"gone", found.gone},
                {"media_lost", found.media_lost},
                {"complete", good && !found.too_many && !collector.is_full()}}
               .dump()
        << "\n";
  } else {
    out << summary(found, arguments) << "\n";
  }
  return good ? 0 : kCutShort;
}

}  // namespace sallyport::ops

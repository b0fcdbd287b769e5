// SPDX-License-Identifier: Apache-2.0
// sip_parse_bench FOLDER [ROUNDS]: times parsers on the messages of FOLDER, all in rotation, by the processor
// time of the thread: who else has the core in between does not count. In a round each parser gets its turn,
// so that what disturbs the machine disturbs all of them. First every message is read by us and by Sofia-SIP,
// and every field that either has must be equal in both.
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "perf/common/series.h"
#include "perf/parser/contender.h"

namespace sallyport::perf {
namespace {

const Contender* const kAll[] = {&kIndex, &kParse, &kSip, &kFull, &kSofia, &kOsip, &kRe};

std::vector<std::string> load(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".sip") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> messages;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    messages.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return messages;
}

// Every difference is told; true when there is none.
bool same_reading(const std::string& message, std::size_t number) {
  Reading ours = kFull.read(message);
  Reading theirs = kSofia.read(message);
  bool same = !ours.empty();
  Reading all = ours;
  all.merge(Reading(theirs));
  for (const auto& [name, unused] : all) {
    if (ours[name] == theirs[name]) continue;
    std::cerr << "message " << number << ", " << name << ": ours '" << ours[name] << "', Sofia-SIP's '"
              << theirs[name] << "'\n";
    same = false;
  }
  return same;
}

bool all_accept(const std::vector<std::string>& messages) {
  bool good = true;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    for (const Contender* one : kAll) {
      if (one->parse(messages[i])) continue;
      std::cerr << "message " << i << ": " << one->name << " refuses it\n";
      good = false;
    }
    good = same_reading(messages[i], i) && good;
  }
  return good;
}

double processor_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// ns a message, over about two milliseconds.
double time_once(const Contender& one, const std::vector<std::string>& messages, unsigned repeats) {
  const double begin = processor_ns();
  for (unsigned i = 0; i < repeats; ++i) {
    for (const std::string& message : messages) keep(one.parse(message));
  }
  return (processor_ns() - begin) / static_cast<double>(repeats * messages.size());
}

unsigned repeats_for(const Contender& one, const std::vector<std::string>& messages) {
  const double ns = std::max(50.0, time_once(one, messages, 20));
  return std::max(4u, static_cast<unsigned>(2e6 / ns / static_cast<double>(messages.size())));
}

// `only`: that one and no other, for a profile; empty: all in turn.
int run(const char* folder, unsigned rounds, const std::string& only) {
  const std::vector<std::string> messages = load(folder);
  if (messages.size() < 20 || !all_accept(messages)) {
    std::cerr << "sip_parse_bench: " << messages.size() << " messages in " << folder
              << "; at least 20 that all parsers read alike are needed\n";
    return 1;
  }
  Results results;
  std::vector<unsigned> repeats;
  for (const Contender* one : kAll) repeats.push_back(repeats_for(*one, messages));
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < std::size(kAll); ++i) {
      if (!only.empty() && only != kAll[i]->name) continue;
      results.add(kAll[i]->name, time_once(*kAll[i], messages, repeats[i]));
    }
  }
  results.print();
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: sip_parse_bench FOLDER [ROUNDS [PARSER]]\n";
    return 2;
  }
  return sallyport::perf::run(argv[1], argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 30,
                              argc > 3 ? argv[3] : "");
}

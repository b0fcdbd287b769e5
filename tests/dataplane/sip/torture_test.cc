// SPDX-License-Identifier: Apache-2.0
// The messages of RFC 4475, where they are at hand: what the grammar alone says of each. Refusals that need
// more than the grammar (416, 420, 481, 483...) are no faults here.
#include "dataplane/sip/message_index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace sallyport::sip {
namespace {

struct Expected {
  Kind kind;
  Fault fault;
};

const std::map<std::string, Expected>& expectations() {
  static const std::map<std::string, Expected> kExpected{
      {"wsinv", {Kind::request, Fault::none}},
      {"intmeth", {Kind::request, Fault::none}},
      {"esc01", {Kind::request, Fault::none}},
      {"escnull", {Kind::request, Fault::none}},
      {"esc02", {Kind::request, Fault::none}},
      {"lwsdisp", {Kind::request, Fault::none}},
      {"longreq", {Kind::request, Fault::none}},
      {"dblreq", {Kind::request, Fault::none}},
      {"semiuri", {Kind::request, Fault::none}},
      {"transports", {Kind::request, Fault::none}},
      {"mpart01", {Kind::request, Fault::none}},
      {"unreason", {Kind::response, Fault::none}},
      {"noreason", {Kind::response, Fault::none}},
      {"badinv01", {Kind::request, Fault::bad_via}},
      {"clerr", {Kind::request, Fault::body_shorter}},
      {"ncl", {Kind::request, Fault::bad_content_length}},
      {"scalar02", {Kind::request, Fault::bad_cseq}},
      {"scalarlg", {Kind::response, Fault::bad_cseq}},
      {"quotbal", {Kind::request, Fault::bad_to}},
      {"ltgtruri", {Kind::request, Fault::request_uri}},
      {"lwsruri", {Kind::request, Fault::request_uri}},
      {"lwsstart", {Kind::request, Fault::request_line}},
      {"trws", {Kind::request, Fault::request_line}},
      {"escruri", {Kind::request, Fault::request_uri}},
      {"baddate", {Kind::request, Fault::none}},
      {"regbadct", {Kind::request, Fault::bad_contact}},
      {"badaspec", {Kind::request, Fault::bad_to}},
      {"baddn", {Kind::request, Fault::bad_from}},
      {"badvers", {Kind::request, Fault::version}},
      {"mismatch01", {Kind::request, Fault::cseq_method}},
      {"mismatch02", {Kind::request, Fault::cseq_method}},
      {"bigcode", {Kind::response, Fault::bad_status_code}},
      {"badbranch", {Kind::request, Fault::bad_branch}},
      {"insuf", {Kind::request, Fault::missing_from}},
      {"unkscm", {Kind::request, Fault::none}},
      {"novelsc", {Kind::request, Fault::none}},
      {"unksm2", {Kind::request, Fault::none}},
      {"bext01", {Kind::request, Fault::none}},
      {"invut", {Kind::request, Fault::none}},
      {"regaut01", {Kind::request, Fault::none}},
      {"multi01", {Kind::request, Fault::duplicate_cseq}},
      {"mcl01", {Kind::request, Fault::duplicate_content_length}},
      {"bcast", {Kind::response, Fault::none}},
      {"zeromf", {Kind::request, Fault::none}},
      {"cparam01", {Kind::request, Fault::none}},
      {"cparam02", {Kind::request, Fault::none}},
      {"regescrt", {Kind::request, Fault::none}},
      {"sdp01", {Kind::request, Fault::none}},
      {"inv2543", {Kind::request, Fault::none}},
  };
  return kExpected;
}

std::filesystem::path folder() {
  return std::filesystem::path(SALLYPORT_SOURCE_DIR) / ".." / "shared" / "torture";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Torture : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(folder())) {
      GTEST_SKIP() << "the RFC 4475 messages are not here: " << folder().string() << " is no folder";
    }
  }
};

TEST_F(Torture, Every_message_gets_its_verdict_as_a_datagram) {
  for (const auto& [name, expected] : expectations()) {
    const std::string message = read_file(folder() / (name + ".dat"));
    ASSERT_FALSE(message.empty()) << name;
    MessageIndex index;
    EXPECT_EQ(parse(message, Framing::datagram, index), expected.fault == Fault::none) << name;
    EXPECT_EQ(fault_name(index.fault), fault_name(expected.fault)) << name;
    EXPECT_EQ(index.kind, expected.kind) << name;
    EXPECT_LE(index.fault_offset, message.size()) << name;
  }
}

TEST_F(Torture, Every_message_of_the_folder_has_a_verdict) {
  std::size_t messages = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() != ".dat") continue;
    ++messages;
    EXPECT_TRUE(expectations().contains(entry.path().stem().string())) << entry.path();
  }
  EXPECT_EQ(messages, expectations().size());
}

TEST_F(Torture, Cut_short_anywhere_no_message_is_read_beyond_its_end) {
  for (const auto& [name, expected] : expectations()) {
    const std::string message = read_file(folder() / (name + ".dat"));
    for (std::size_t size = 0; size <= message.size(); size += size < 300 ? 1 : 7) {
      // A copy of exactly that size, so that the address sanitizer sees any octet beyond it.
      const std::vector<char> cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      MessageIndex index;
      static_cast<void>(parse({cut.data(), cut.size()}, Framing::datagram, index));
      EXPECT_LE(std::size_t{index.header_octets} + index.body.length, size) << name;
    }
  }
}

TEST_F(Torture, Every_message_sent_over_a_stream_is_framed_whole) {
  std::ifstream manifest(folder() / "manifest.tsv");
  std::string line;
  int framed = 0;
  while (std::getline(manifest, line)) {
    if (!line.contains("\tTCP\t") && !line.contains("\tTLS\t")) continue;
    const std::string name = line.substr(0, line.find('.'));
    const std::string message = read_file(folder() / (name + ".dat"));
    EXPECT_EQ(find_message_end(message + "NEXT sip:h SIP/2.0", kMaxMessageBytes).value_or(0), message.size())
        << name;
    MessageIndex index;
    static_cast<void>(parse(message, Framing::stream, index));
    EXPECT_EQ(fault_name(index.fault), fault_name(expectations().at(name).fault)) << name;
    ++framed;
  }
  EXPECT_GE(framed, 10);
}

TEST_F(Torture, The_second_request_of_dblreq_is_left_out) {
  const std::string message = read_file(folder() / "dblreq.dat");
  MessageIndex index;
  ASSERT_TRUE(parse(message, Framing::datagram, index));
  EXPECT_EQ(index.method, Method::register_);
  EXPECT_EQ(index.total_octets, message.find("\r\n\r\n") + 4);
  EXPECT_FALSE(index.has_body);
}

}  // namespace
}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
// The commands that need no running process: exit status, what is said, and to which stream.
#include "controlplane/cli/dry_runs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace sallyport::cli {
namespace {

constexpr const char* kExample = SALLYPORT_SOURCE_DIR "/tests/controlplane/config/example.yaml";

// What a command says and returns.
struct Said {
  int status = 0;
  std::string out;
  std::string error;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(out); }
};

template <typename Command, typename Arguments>
Said say(Command command, const Arguments& arguments) {
  std::ostringstream out, error;
  Said said;
  said.status = command(arguments, out, error);
  said.out = out.str();
  said.error = error.str();
  return said;
}

// A file that goes with the test.
class File {
 public:
  explicit File(const std::string& text) {
    char path[] = "/tmp/sallyport-cli-XXXXXX";
    const int fd = mkstemp(path);
    EXPECT_GE(fd, 0);
    close(fd);
    path_ = path;
    std::ofstream(path_, std::ios::binary) << text;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string sdp(const std::string& address) {
  return "v=0\r\no=x 1 1 IN IP4 " + address + "\r\ns=-\r\nc=IN IP4 " + address +
         "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
}

TEST(Check, A_good_file_is_summed_up_and_a_bad_one_told_with_every_fault) {
  const Said good = say(check, std::string(kExample));
  EXPECT_EQ(good.status, 0);
  EXPECT_FALSE(good.out.empty());
  EXPECT_EQ(good.error, "");
  const File bad("realms: 7\nnonsense: yes\n");
  const Said said = say(check, bad.path());
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.error.find(bad.path() + ":1:"), std::string::npos) << said.error;
  EXPECT_NE(said.error.find(bad.path() + ":2:1:"), std::string::npos) << said.error;
}

TEST(Check, A_fault_of_a_response_map_is_one_too) {
  std::ifstream in(kExample);
  std::string yaml((std::istreambuf_iterator<char>(in)), {});
  const auto at = yaml.find("response_maps:");
  ASSERT_NE(at, std::string::npos);
  yaml.insert(yaml.find('\n', at) + 1, "  broken:\n    rules:\n      - {code: 180, send: 486}\n");
  const File file(yaml);
  const Said said = say(check, file.path());
  EXPECT_EQ(said.status, 1);
  EXPECT_NE(said.error.find(file.path() + ":"), std::string::npos);
}

TEST(Check, A_file_that_is_not_there_is_a_fault) {
  const Said said = say(check, std::string("/nowhere/at/all.yaml"));
  EXPECT_EQ(said.status, 1);
  EXPECT_NE(said.error.find("/nowhere/at/all.yaml"), std::string::npos);
}

TEST(Map, Says_what_the_other_leg_hears_and_which_rule_decided) {
  const Said said = say(map, MapArguments{.config = kExample,
                                          .from = "carrier-a",
                                          .to = "office",
                                          .local = {},
                                          .base = {},
                                          .code = "503",
                                          .phrase = {},
                                          .q850 = 0,
                                          .warning = 0,
                                          .json = true});
  ASSERT_EQ(said.status, 0) << said.error;
  EXPECT_EQ(said.json()["received"], 503);
  EXPECT_EQ(said.json()["sent"], 480);
  EXPECT_FALSE(said.json()["rule"].get<std::string>().empty());
}

TEST(Map, Knows_codes_that_are_none_of_SIP_and_local_errors) {
  MapArguments arguments{.config = kExample,
                         .from = "carrier-a",
                         .to = "office",
                         .local = {},
                         .base = {},
                         .code = "701",
                         .phrase = {},
                         .q850 = 0,
                         .warning = 0,
                         .json = true};
  EXPECT_EQ(say(map, arguments).json()["sent"], 502);
  arguments.code.clear();
  arguments.local = "private-media";
  const Said said = say(map, arguments);
  ASSERT_EQ(said.status, 0) << said.error;
  EXPECT_EQ(said.json()["sent"], 488);
  EXPECT_EQ(said.json()["local"], "private-media");
}

TEST(Map, Refuses_arguments_that_do_not_fit_the_configuration) {
  const MapArguments good{.config = kExample,
                          .from = "carrier-a",
                          .to = "office",
                          .local = {},
                          .base = {},
                          .code = "486",
                          .phrase = {},
                          .q850 = 0,
                          .warning = 0,
                          .json = false};
  EXPECT_EQ(say(map, good).status, 0);
  auto wrong = good;
  wrong.to = "nobody";
  EXPECT_EQ(say(map, wrong).status, 2);
  EXPECT_NE(say(map, wrong).error.find("office"), std::string::npos) << "it says which there are";
  wrong = good;
  wrong.from = "nobody";
  EXPECT_EQ(say(map, wrong).status, 2);
  for (const char* code : {"", "48x", "four", "99999999"}) {
    wrong = good;
    wrong.code = code;
    EXPECT_EQ(say(map, wrong).status, 2) << code;
  }
  wrong = good;
  wrong.local = "no-such-error";
  EXPECT_EQ(say(map, wrong).status, 2);
}

TEST(Map, Lists_its_bases_without_a_configuration) {
  for (const char* base : {"rfc3398", "vendor", "q850", "warning", "local"}) {
    MapArguments arguments;
    arguments.base = base;
    const Said said = say(map, arguments);
    EXPECT_EQ(said.status, 0) << base;
    EXPECT_FALSE(said.out.empty()) << base;
  }
  MapArguments arguments;
  arguments.base = "nonsense";
  EXPECT_EQ(say(map, arguments).status, 2);
}

TEST(Route, Says_which_targets_are_tried_in_which_order) {
  const Said said =
      say(route, RouteArguments{.config = kExample, .from = "office", .uri = "sip:+441234@x", .json = true});
  ASSERT_EQ(said.status, 0) << said.error;
  const auto json = said.json();
  ASSERT_GE(json["targets"].size(), 1u);
  EXPECT_EQ(json["targets"][0]["peer"], "carrier-a");
  EXPECT_FALSE(json["route"].is_null());
  const Said text =
      say(route, RouteArguments{.config = kExample, .from = "office", .uri = "sip:+441234@x", .json = false});
  EXPECT_NE(text.out.find("carrier-a"), std::string::npos);
}

TEST(Route, Refuses_an_unknown_peer_and_what_is_no_URI) {
  EXPECT_EQ(say(route, RouteArguments{.config = kExample, .from = "nobody", .uri = "sip:1@x", .json = false})
                .status,
            2);
  EXPECT_EQ(say(route, RouteArguments{.config = kExample, .from = "office", .uri = "fly:away", .json = false})
                .status,
            2);
}

TEST(Nat, Judges_and_rewrites_a_description) {
  const File public_sdp(sdp("198.51.100.20"));
  NatArguments arguments{.config = kExample,
                         .peer = "office",
                         .source = "198.51.100.20",
                         .via = {},
                         .contact = {},
                         .file = public_sdp.path(),
                         .json = true};
  Said said = say(nat, arguments);
  ASSERT_EQ(said.status, 0) << said.error;
  EXPECT_EQ(said.json()["refused"], false);
  EXPECT_NE(said.json()["sdp"].get<std::string>().find("c=IN IP4 198.51.100.1\r\n"), std::string::npos);
  const File private_sdp(sdp("10.20.0.10"));
  arguments.file = private_sdp.path();
  EXPECT_EQ(say(nat, arguments).json()["refused"], true);
  arguments.contact = "10.20.0.10";
  said = say(nat, arguments);
  EXPECT_EQ(said.json()["refused"], false);
  EXPECT_EQ(said.json()["streams"][0]["action"], "latched");
}

TEST(Nat, Refuses_arguments_that_do_not_fit) {
  const File file(sdp("198.51.100.20"));
  const NatArguments good{.config = kExample,
                          .peer = "office",
                          .source = "198.51.100.20",
                          .via = {},
                          .contact = {},
                          .file = file.path(),
                          .json = false};
  EXPECT_EQ(say(nat, good).status, 0);
  auto wrong = good;
  wrong.peer = "nobody";
  EXPECT_EQ(say(nat, wrong).status, 2);
  wrong = good;
  wrong.source = "here";
  EXPECT_EQ(say(nat, wrong).status, 2);
  wrong = good;
  wrong.file = "/nowhere/at/all.sdp";
  EXPECT_EQ(say(nat, wrong).status, 2);
  wrong = good;
  wrong.config = "/nowhere/at/all.yaml";
  EXPECT_EQ(say(nat, wrong).status, 1);
}

TEST(Nat, Names_the_fault_of_a_description_that_is_none) {
  const File file("v=0\r\nnonsense");
  const Said said = say(nat, NatArguments{.config = kExample,
                                          .peer = "office",
                                          .source = "198.51.100.20",
                                          .via = {},
                                          .contact = {},
                                          .file = file.path(),
                                          .json = true});
  EXPECT_EQ(said.status, 2) << "as for what is no URI and no response code";
  EXPECT_TRUE(said.json().contains("fault")) << said.out;
}

}  // namespace
}  // namespace sallyport::cli

// SPDX-License-Identifier: Apache-2.0
// The commands that need no running process: exit status, what is said, and to which stream.
#include "controlplane/cli/dry_runs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/controlplane/stream/certificates_support.h"

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
  EXPECT_NE(good.out.find(": no fault ("), std::string::npos);
  EXPECT_NE(good.out.find("\npacket memory: "), std::string::npos) << good.out;
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

TEST(Map, Takes_a_phrase_that_is_not_UTF_8) {
  const Said said = say(map, MapArguments{.config = kExample,
                                          .from = "carrier-a",
                                          .to = "office",
                                          .local = {},
                                          .base = {},
                                          .code = "503",
                                          .phrase = "d\xe9rang\xe9",
                                          .q850 = 0,
                                          .warning = 0,
                                          .json = true});
  EXPECT_EQ(said.status, 0);
  EXPECT_EQ(said.json()["received_phrase"], "d\xef\xbf\xbdrang\xef\xbf\xbd");
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
  const Said said = say(
      route, RouteArguments{
                 .config = kExample, .from = "office", .calling = {}, .uri = "sip:+441234@x", .json = true});
  ASSERT_EQ(said.status, 0) << said.error;
  const auto json = said.json();
  ASSERT_GE(json["targets"].size(), 1u);
  EXPECT_EQ(json["targets"][0]["peer"], "carrier-a");
  EXPECT_FALSE(json["route"].is_null());
  const Said text = say(
      route, RouteArguments{
                 .config = kExample, .from = "office", .calling = {}, .uri = "sip:+441234@x", .json = false});
  EXPECT_NE(text.out.find("carrier-a"), std::string::npos);
}

TEST(Route, Refuses_an_unknown_peer_and_what_is_no_URI) {
  EXPECT_EQ(say(route,
                RouteArguments{
                    .config = kExample, .from = "nobody", .calling = {}, .uri = "sip:1@x", .json = false})
                .status,
            2);
  EXPECT_EQ(say(route,
                RouteArguments{
                    .config = kExample, .from = "office", .calling = {}, .uri = "fly:away", .json = false})
                .status,
            2);
}

// Numbers of both peers, both ways; the office's realm has no TLS.
constexpr const char* kNumbers = R"(
dataplane: {ports: {p: {device: net_null}}}
realms:
  in: {port: p, addresses: [198.51.100.1/24]}
  out:
    port: p
    addresses: [192.0.2.1/24]
    sip: {udp: 5060, tcp: 5060, tls: 5061}
    tls: {certificate: FILE, key: FILE}
peers:
  office:
    realm: in
    targets: [sip:198.51.100.20]
    trusted: yes
    numbers: {plan: {country: "44", national: "0", international: "00"}, in: {form: e164}, out: {form: national}}
  carrier:
    realm: out
    targets: [sip:192.0.2.10]
    trusted: yes
    numbers:
      in: {apply: calling, match: "44*", prefix: "+"}
      out: [{apply: called, strip: 1, tech_prefix: "77#"}, {apply: calling, match: "+*", strip: 1}]
  stranger: {realm: out, targets: [sip:192.0.2.11]}
  safe: {realm: out, targets: ["sips:192.0.2.12"]}
  named: {realm: out, targets: ["sip:named.example", "sip:named.example;transport=tcp"]}
routes:
  - {from: office, user: "+44*", to: [carrier, stranger]}
  - {from: stranger, user: "1", to: [office]}
  - {from: stranger, user: "2", to: [named, office, safe]}
)";

// With a certificate that can be read.
std::string numbers_config() {
  static const stream::Authority authority;
  static const stream::Files files = authority.issue("ours", {.common_name = "sbc.example"});
  std::string text(kNumbers);
  text.replace(text.find("FILE"), 4, files.certificate);
  text.replace(text.find("FILE"), 4, files.key);
  return text;
}

RouteArguments route_of(const File& file, const char* from, const char* calling, const char* uri,
                        bool json = false) {
  return {.config = file.path(), .from = from, .calling = calling, .uri = uri, .json = json};
}

TEST(Route, Says_of_the_caller_and_the_called_what_the_next_leg_says) {
  const File file(numbers_config());
  const Said said = say(route, route_of(file, "office", "sip:02079461111@h", "sip:02079460000@h"));
  ASSERT_EQ(said.status, 0) << said.error;
  EXPECT_EQ(said.out,
            "number 02079460000 becomes +442079460000 (numbers.in, rule 1)\n"
            "route 1 (line 27): from office, user \"+44*\", in order\n"
            "  1. carrier sip:192.0.2.10 (up) as 77%23442079460000\n"
            "       Request-URI: sip:77%23442079460000@192.0.2.10\n"
            "       To: <sip:77%23442079460000@192.0.2.10>\n"
            "       From: <sip:442079461111@192.0.2.1>\n"
            "       P-Asserted-Identity: <sip:442079461111@192.0.2.1>\n"
            "       Diversion: <sip:442079461111@192.0.2.1>\n"
            "       P-Asserted-Identity of an answer: <sip:02079460000@198.51.100.1>\n"
            "  2. stranger sip:192.0.2.11 (up) as +442079460000\n"
            "       Request-URI: sip:+442079460000@192.0.2.11\n"
            "       To: <sip:+442079460000@192.0.2.11>\n"
            "       From: <sip:+442079461111@192.0.2.1>\n"
            "       P-Asserted-Identity: none\n"
            "       Diversion: none\n"
            "       P-Asserted-Identity of an answer: none\n");
  const auto json =
      say(route, route_of(file, "office", "tel:+442079461111", "sip:02079460000@h", true)).json();
  const auto& leg = json["targets"][0]["next_leg"];
  EXPECT_EQ(leg["from"], "<tel:+442079461111>");
  EXPECT_EQ(leg["p_asserted_identity"], nlohmann::json::array({"<tel:+442079461111>"}));
  EXPECT_EQ(leg["to"], "<sip:77%23442079460000@192.0.2.10>");
  EXPECT_TRUE(json["targets"][1]["next_leg"]["diversion"].empty());
  EXPECT_TRUE(json["refused"].is_null());
}

TEST(Route, Without_the_caller_shows_the_targets_alone_and_refuses_one_that_is_no_URI) {
  const File file(numbers_config());
  const Said said = say(route, route_of(file, "office", "", "sip:02079460000@h"));
  EXPECT_EQ(said.out.find("From:"), std::string::npos) << said.out;
  const Said wrong = say(route, route_of(file, "office", "02079461111", "sip:02079460000@h"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.error, "'02079461111' is not a sip, sips or tel URI\n");
  EXPECT_EQ(wrong.out, "");
}

TEST(Route, Shows_a_sips_URI_as_refused_where_no_TLS_leads) {
  const File file(numbers_config());
  EXPECT_EQ(say(route, route_of(file, "stranger", "", "sips:1@h")).out,
            "route 2 (line 28): from stranger, user \"1\", in order\n"
            "  - office sip:198.51.100.20 (up) as 1, refused: local error sips-not-allowed, "
            "480 Temporarily Unavailable\n"
            "refused: local error sips-not-allowed, 480 Temporarily Unavailable\n");
  EXPECT_EQ(say(route, route_of(file, "stranger", "", "sip:1@h")).out.find("refused"), std::string::npos);
  const auto json = say(route, route_of(file, "stranger", "sips:3@h", "sips:2@h", true)).json();
  EXPECT_TRUE(json["refused"].is_null());
  const auto& targets = json["targets"];
  ASSERT_EQ(targets.size(), 4u);
  EXPECT_TRUE(targets[0]["refused"].is_null()) << "a name may lead to TLS";
  for (const std::size_t refused : {1, 2}) {
    EXPECT_EQ(targets[refused]["tried"], false);
    EXPECT_EQ(targets[refused]["refused"]["sent"], 480);
    EXPECT_EQ(targets[refused]["refused"]["local"], "sips-not-allowed");
    EXPECT_TRUE(targets[refused]["next_leg"].is_null());
  }
  EXPECT_EQ(targets[3]["tried"], true);
  EXPECT_EQ(targets[3]["next_leg"]["request_uri"], "sips:2@192.0.2.12");
}

TEST(Route, Shows_a_sips_URI_as_refused_that_cannot_have_come_by_TLS) {
  const File file(numbers_config());
  const Said said = say(route, route_of(file, "office", "", "sips:02079460000@h", true));
  ASSERT_EQ(said.status, 0) << said.error;
  EXPECT_EQ(said.json()["refused"]["sent"], 480);
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

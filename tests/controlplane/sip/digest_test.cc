// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/digest.h"

#include <gmock/gmock.h>

#include "dataplane/sip/params.h"
#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

// The value of one parameter of "Digest a=b, c=d", as it stands.
std::string parameter(std::string_view answer, std::string_view name) {
  ValueReader parts(answer.substr(answer.find(' ') + 1));
  while (const auto part = parts.next()) {
    const std::size_t equals = part->find('=');
    if (part->substr(0, equals) == name) return std::string(part->substr(equals + 1));
  }
  return "absent";
}

struct Vector {
  const char* name;
  const char* challenge;
  DigestInput input;
  const char* response;
};

class DigestVectors : public ::testing::TestWithParam<Vector> {};

TEST_P(DigestVectors, give_the_published_response) {
  const auto challenges = parse_challenges(GetParam().challenge);
  ASSERT_EQ(challenges.size(), 1u);
  EXPECT_EQ(parameter(digest_answer(challenges[0], GetParam().input), "response"),
            "\"" + std::string(GetParam().response) + "\"");
}

const DigestInput kMufasa{.user = "Mufasa",
                          .password = "Circle of Life",
                          .method = "GET",
                          .uri = "/dir/index.html",
                          .body = {},
                          .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"};
const DigestInput kOldMufasa{.user = "Mufasa",
                             .password = "Circle Of Life",
                             .method = "GET",
                             .uri = "/dir/index.html",
                             .body = {},
                             .cnonce = "0a4f113b"};
const DigestInput kAlice{.user = "alice",
                         .password = "secret",
                         .method = "INVITE",
                         .uri = "sip:bob@192.0.2.10",
                         .body = "body",
                         .cnonce = "c1",
                         .nonce_count = 2};
const DigestInput kQuotes{
    .user = "a\"b\\c", .password = "s", .method = "BYE", .uri = "sip:x", .body = {}, .cnonce = {}};

#define HTTP_AUTH                                                    \
  "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", " \
  "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "         \
  "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", "        \
  "algorithm="
#define TEST_REALM "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""

// RFC 7616 3.9.1, RFC 2617 3.5 with and without qop; the others were computed with another library.
INSTANTIATE_TEST_SUITE_P(
    Table, DigestVectors,
    ::testing::Values(
        Vector{"RFC_7616_MD5", HTTP_AUTH "MD5", kMufasa, "8ca523f5e9506fed4657c9700eebdbec"},
        Vector{"RFC_7616_SHA_256", HTTP_AUTH "SHA-256", kMufasa,
               "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
        Vector{"SHA_512_256", HTTP_AUTH "SHA-512-256", kMufasa,
               "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0"},
        Vector{"RFC_2617", TEST_REALM ", qop=\"auth,auth-int\"", kOldMufasa,
               "6629fae49393a05397450978507c4ef1"},
        Vector{"RFC_2069", TEST_REALM, kOldMufasa, "670fd8c2df070c60b045671b8b24ff02"},
        Vector{"MD5_sess_auth_int",
               "Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth-int\", algorithm=MD5-sess", kAlice,
               "6fdba7576683f1cca985d5b81f8df63e"},
        Vector{"SHA_256_sess_auth_int",
               "Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth-int\", algorithm=sha-256-SESS", kAlice,
               "7768d1803602d9ab3772f874ded838ea86a087828a85f338e4e356b77b8fa58b"},
        Vector{"quoted_pairs_are_hashed_as_they_mean", "Digest realm=\"re\\\"alm\", nonce=\"n\"", kQuotes,
               "75cd07585fea3fc1c4584817ae738836"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(DigestAnswer, Has_every_parameter_in_its_form) {
  const auto challenge =
      parse_challenges("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", opaque=\"\", algorithm=MD5");
  const std::string answer = digest_answer(challenge[0], {.user = "a\"b",
                                                          .password = "s",
                                                          .method = "BYE",
                                                          .uri = "sip:x",
                                                          .body = {},
                                                          .cnonce = "c",
                                                          .nonce_count = 10});
  EXPECT_EQ(parameter(answer, "username"), "\"a\\\"b\"");
  EXPECT_EQ(parameter(answer, "realm"), "\"r\"");
  EXPECT_EQ(parameter(answer, "nonce"), "\"n\"");
  EXPECT_EQ(parameter(answer, "uri"), "\"sip:x\"");
  EXPECT_EQ(parameter(answer, "algorithm"), "MD5");
  EXPECT_EQ(parameter(answer, "cnonce"), "\"c\"");
  EXPECT_EQ(parameter(answer, "qop"), "auth");
  EXPECT_EQ(parameter(answer, "nc"), "0000000a");
  EXPECT_EQ(parameter(answer, "opaque"), "\"\"");
  const auto bare = parse_challenges("Digest realm=\"r\", nonce=\"n\"");
  const std::string old = digest_answer(
      bare[0], {.user = "a", .password = "s", .method = "BYE", .uri = "sip:x", .body = {}, .cnonce = "c"});
  for (const char* name : {"algorithm", "cnonce", "qop", "nc", "opaque"})
    EXPECT_EQ(parameter(old, name), "absent");
}

TEST(ParseChallenges, Leaves_out_what_cannot_be_answered) {
  for (const char* value :
       {"Basic realm=\"r\"", "Digest realm=\"r\"", "Digest nonce=\"n\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=X", "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
        "Digest realm=\"r\", nonce=\"n\", qop=\"\"", "Digest", "", ",,,", "realm=\"r\", nonce=\"n\"",
        "Digest realm=\"r\x01\", nonce=\"n\""}) {
    EXPECT_TRUE(parse_challenges(value).empty()) << value;
  }
}

TEST(ParseChallenges, Tells_several_in_one_field_apart) {
  const auto found = parse_challenges(
      "Digest realm=\"a, b\",\r\n nonce=\"n=1\", qop=\"auth-int,auth\", stale=TRUE , Basic realm=\"x\", "
      "digest realm=c, nonce=n2, algorithm=SHA-256");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].realm, "a, b");
  EXPECT_EQ(found[0].nonce, "n=1");
  EXPECT_EQ(found[0].qop, DigestQop::auth);
  EXPECT_TRUE(found[0].stale);
  EXPECT_EQ(found[1].realm, "c");
  EXPECT_EQ(found[1].algorithm, DigestAlgorithm::sha256);
}

TEST(IsStale, Where_a_challenge_of_the_responses_own_field_says_so) {
  const auto stale = [](const std::string& status, const std::string& lines) {
    const Parsed response("SIP/2.0 " + status +
                          "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=o\r\nTo: "
                          "<sip:b@x>;tag=t\r\nCall-ID: k\r\nCSeq: 9 BYE\r\n" +
                          lines + "Content-Length: 0\r\n\r\n");
    return is_stale(response.view);
  };
  const std::string www = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"";
  EXPECT_FALSE(stale("401 X", www + "\r\n"));
  EXPECT_TRUE(stale("401 X", www + "\r\n" + www + ", stale=TRUE\r\n"));
  EXPECT_FALSE(stale("401 X", www + ", stale=false\r\n"));
  EXPECT_FALSE(stale("407 X", www + ", stale=true\r\n"));
  EXPECT_TRUE(stale("407 X", "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true\r\n"));
}

class AuthenticatorTest : public ::testing::Test {
 protected:
  using Verdict = Authenticator::Verdict;
  Verdict challenge(unsigned status, const std::string& lines) {
    const Parsed response("SIP/2.0 " + std::to_string(status) +
                          " X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" + lines +
                          "From: <sip:us@192.0.2.1>;tag=ours\r\nTo: <sip:b@x.example>;tag=t\r\nCall-ID: k\r\n"
                          "CSeq: 9 INVITE\r\nContent-Length: 0\r\n\r\n");
    return authenticator_.challenged(response.view, credentials_, "c");
  }
  std::string authorize() {
    std::string lines;
    HeaderWriter out(lines);
    authenticator_.authorize(out, credentials_, "INVITE", "sip:b@192.0.2.10", "");
    return lines;
  }
  Authenticator authenticator_;
  DigestCredentials credentials_{.user = "u", .password = "hush", .realm = {}};
};

const std::string kWww = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"";

TEST_F(AuthenticatorTest, Answers_a_401_and_a_407_each_in_its_own_field) {
  EXPECT_EQ(challenge(401, kWww + "\r\n"), Verdict::retry);
  EXPECT_EQ(challenge(407, "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n2\", qop=\"auth\"\r\n"),
            Verdict::retry);
  const std::string lines = authorize();
  EXPECT_THAT(lines, ::testing::StartsWith("Authorization: Digest username=\"u\", realm=\"r\""));
  EXPECT_THAT(lines, ::testing::HasSubstr("\r\nProxy-Authorization: Digest username=\"u\", realm=\"p\""));
  EXPECT_THAT(lines, ::testing::Not(::testing::HasSubstr("hush")));
}

TEST_F(AuthenticatorTest, Counts_each_use_of_a_nonce_and_starts_anew_with_another) {
  ASSERT_EQ(challenge(401, kWww + "\r\n"), Verdict::retry);
  EXPECT_THAT(authorize(), ::testing::HasSubstr("nc=00000001"));
  authenticator_.accepted();
  EXPECT_THAT(authorize(), ::testing::HasSubstr("nc=00000002"));
  EXPECT_EQ(
      challenge(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n9\", qop=\"auth\", stale=true\r\n"),
      Verdict::retry);
  const std::string lines = authorize();
  EXPECT_THAT(lines, ::testing::HasSubstr("nonce=\"n9\""));
  EXPECT_THAT(lines, ::testing::HasSubstr("nc=00000001"));
}

TEST_F(AuthenticatorTest, Gives_up_when_the_answer_was_refused) {
  ASSERT_EQ(challenge(401, kWww + "\r\n"), Verdict::retry);
  (void)authorize();
  EXPECT_EQ(challenge(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\"\r\n"),
            Verdict::give_up);
}

TEST_F(AuthenticatorTest, A_nonce_that_was_taken_before_may_be_rotated) {
  ASSERT_EQ(challenge(401, kWww + "\r\n"), Verdict::retry);
  (void)authorize();
  authenticator_.accepted();
  (void)authorize();
  EXPECT_EQ(challenge(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\"\r\n"),
            Verdict::retry);
  (void)authorize();
  EXPECT_EQ(challenge(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", qop=\"auth\"\r\n"),
            Verdict::give_up);
}

TEST_F(AuthenticatorTest, Stale_for_ever_is_a_loop) {
  unsigned retries = 0;
  while (retries < 20 &&
         challenge(401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n" + std::to_string(retries) +
                            "\", stale=true\r\n") == Verdict::retry) {
    (void)authorize();
    ++retries;
  }
  EXPECT_EQ(retries, 3u);
}

TEST_F(AuthenticatorTest, Chooses_the_strongest_challenge_of_a_realm) {
  ASSERT_EQ(
      challenge(401,
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"md5\", algorithm=MD5\r\n"
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"sha\", algorithm=SHA-256, qop=\"auth\"\r\n"
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"new\", algorithm=SHA3-512\r\n"),
      Verdict::retry);
  EXPECT_EQ(parameter(authorize(), "nonce"), "\"sha\"");
}

TEST_F(AuthenticatorTest, Answers_only_for_the_realm_that_the_credentials_name) {
  credentials_.realm = "r2";
  EXPECT_EQ(challenge(401, kWww + "\r\n"), Verdict::give_up);
  EXPECT_TRUE(authenticator_.empty());
  EXPECT_EQ(challenge(401, kWww + "\r\nWWW-Authenticate: Digest realm=\"r2\", nonce=\"n\"\r\n"),
            Verdict::retry);
  EXPECT_EQ(parameter(authorize(), "realm"), "\"r2\"");
}

TEST_F(AuthenticatorTest, A_challenge_in_the_wrong_field_is_none) {
  EXPECT_EQ(challenge(407, kWww + "\r\n"), Verdict::give_up);
  EXPECT_EQ(challenge(401, ""), Verdict::give_up);
}

TEST(Cnonce, Is_new_each_time) {
  const std::string one = make_cnonce();
  EXPECT_EQ(one.size(), 32u);
  EXPECT_NE(one, make_cnonce());
}

}  // namespace
}  // namespace sallyport::sip::testing

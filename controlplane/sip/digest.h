// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The client's side of Digest (RFC 7616; RFC 8760 for SIP): a 401 or 407 of a server is
// read, the strongest challenge that we can answer is chosen for each realm, and every request from then on
// carries an answer with a nonce count that grows. One Authenticator belongs to one leg (or probe), since
// nonces do.
//
//     request ──▶ 401/407 ──▶ challenged(): retry ─▶ the request again, next CSeq, same Call-ID and From tag,
//                      │                             with authorize()'s lines
//                      └─ give_up: no challenge that we can answer, or the last answer was refused (neither
//                      stale, nor
//                         with a nonce that had been taken before), or a server that never has enough
//
// Strongest first: SHA-512-256, SHA-256, MD5, each also as -sess; qop auth before auth-int before none (RFC
// 2069). What the server wrote is hashed as it means (quoted pairs undone) and echoed as quoted text.
// Passwords and hashes of them are wiped after use and never part of a message, a fault or a log line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::sip {

enum class DigestAlgorithm : std::uint8_t { md5, md5_sess, sha256, sha256_sess, sha512_256, sha512_256_sess };
enum class DigestQop : std::uint8_t { none, auth, auth_int };

struct DigestChallenge {
  std::string realm;
  std::string nonce;
  std::string opaque;
  bool has_opaque = false;
  bool stale = false;
  bool has_algorithm = false;  // absent means MD5, and is not echoed
  DigestAlgorithm algorithm = DigestAlgorithm::md5;
  DigestQop qop = DigestQop::none;
};

// The challenges of one WWW-Authenticate or Proxy-Authenticate field that we could answer, in their order.
// Other schemes, algorithms and qops, and malformed ones, are left out. Several in one field are told apart
// (RFC 7235 4.1), though SIP wants a field each.
[[nodiscard]] std::vector<DigestChallenge> parse_challenges(std::string_view field_value);

// A challenge of that 401 or 407 says that the answer was right and its nonce too old (RFC 7616 3.3).
[[nodiscard]] bool is_stale(const MessageView& response);

// What one answer is made of.
struct DigestInput {
  std::string_view user, password;
  std::string_view method;
  std::string_view uri;  // as in the request line
  std::string_view body;
  std::string_view cnonce;
  std::uint32_t nonce_count = 1;
};

// The value of Authorization or Proxy-Authorization.
[[nodiscard]] std::string digest_answer(const DigestChallenge& challenge, const DigestInput& input);

// A client nonce from OpenSSL's random source: 32 hexadecimal digits.
[[nodiscard]] std::string make_cnonce();

struct DigestCredentials {
  std::string_view user;
  std::string_view password;
  std::string_view realm;  // answered for this realm only; empty: any
};

class Authenticator {
 public:
  enum class Verdict : std::uint8_t { retry, give_up };

  // `response`: a 401 or 407 to the request that was sent last; the credentials are looked at during the call
  // only.
  [[nodiscard]] Verdict challenged(const MessageView& response, const DigestCredentials& credentials,
                                   std::string_view cnonce);
  // Authorization and Proxy-Authorization for every realm that has asked, each nonce counted once more.
  void authorize(HeaderWriter& out, const DigestCredentials& credentials, std::string_view method,
                 std::string_view uri, std::string_view body);
  // A final response other than 401 and 407 has come: the answers were taken.
  void accepted();
  [[nodiscard]] bool empty() const { return sessions_.empty(); }

 private:
  struct Session {
    bool proxy = false;
    bool answered = false;        // since the last accepted()
    bool proven = false;          // this nonce has been taken once: a new one is a rotation, not a refusal
    std::uint8_t challenges = 0;  // since the last accepted()
    std::uint32_t nonce_count = 0;
    std::string cnonce;
    DigestChallenge challenge;
  };
  [[nodiscard]] bool take(const DigestChallenge& challenge, bool proxy, std::string_view cnonce);
  std::vector<Session> sessions_;
};

}  // namespace sallyport::sip

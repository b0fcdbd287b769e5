// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "dataplane/sip/names.h"

namespace sallyport::sip {
namespace {

// A realm more than this, of one leg, is a peer that plays with us.
constexpr std::size_t kMostSessions = 4;
constexpr std::size_t kMostChallenges = 16;
constexpr unsigned kMostInARow = 3;

struct Known {
  std::string_view name;
  DigestAlgorithm algorithm;
};
constexpr std::array<Known, 6> kAlgorithms{{{"MD5", DigestAlgorithm::md5},
                                            {"MD5-sess", DigestAlgorithm::md5_sess},
                                            {"SHA-256", DigestAlgorithm::sha256},
                                            {"SHA-256-sess", DigestAlgorithm::sha256_sess},
                                            {"SHA-512-256", DigestAlgorithm::sha512_256},
                                            {"SHA-512-256-sess", DigestAlgorithm::sha512_256_sess}}};

std::string_view name_of(DigestAlgorithm algorithm) {
  return kAlgorithms[static_cast<std::size_t>(algorithm)].name;
}

bool is_session(DigestAlgorithm algorithm) {
  return (static_cast<unsigned>(algorithm) & 1u) != 0;
}

const EVP_MD* hash_of(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::md5:
    case DigestAlgorithm::md5_sess:
      return EVP_md5();
    case DigestAlgorithm::sha256:
    case DigestAlgorithm::sha256_sess:
      return EVP_sha256();
    case DigestAlgorithm::sha512_256:
    case DigestAlgorithm::sha512_256_sess:
      return EVP_sha512_256();
  }
  return EVP_sha256();
}

std::string hex(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

// H(part ":" part ...), in hexadecimal; empty where OpenSSL refuses the algorithm (MD5 under FIPS).
std::string hash(DigestAlgorithm algorithm, std::initializer_list<std::string_view> parts) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool good = context != nullptr && EVP_DigestInit_ex(context, hash_of(algorithm), nullptr) == 1;
  bool first = true;
  for (const std::string_view part : parts) {
    if (!first) good = good && EVP_DigestUpdate(context, ":", 1) == 1;
    good = good && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
    first = false;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  good = good && EVP_DigestFinal_ex(context, bytes.data(), &size) == 1;
  EVP_MD_CTX_free(context);
  return good ? hex(bytes.data(), size) : std::string{};
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
}

// RFC 7616 3.4.1 to 3.4.3.
std::string response_of(const DigestChallenge& challenge, const DigestInput& input, std::string_view count) {
  const DigestAlgorithm algorithm = challenge.algorithm;
  std::string a1 = hash(algorithm, {input.user, challenge.realm, input.password});
  if (is_session(algorithm)) {
    std::string first = std::move(a1);
    a1 = hash(algorithm, {first, challenge.nonce, input.cnonce});
    wipe(first);
  }
  const std::string a2 = challenge.qop == DigestQop::auth_int
                             ? hash(algorithm, {input.method, input.uri, hash(algorithm, {input.body})})
                             : hash(algorithm, {input.method, input.uri});
  std::string response;
  if (challenge.qop == DigestQop::none) {
    response = hash(algorithm, {a1, challenge.nonce, a2});
  } else {
    const std::string_view qop = challenge.qop == DigestQop::auth ? "auth" : "auth-int";
    response = hash(algorithm, {a1, challenge.nonce, count, input.cnonce, qop, a2});
  }
  wipe(a1);
  return response;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

// The meaning of a token or quoted-string.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

std::string count_text(std::uint32_t count) {
  const std::array<unsigned char, 4> bytes{
      static_cast<unsigned char>(count >> 24), static_cast<unsigned char>(count >> 16),
      static_cast<unsigned char>(count >> 8), static_cast<unsigned char>(count)};
  return hex(bytes.data(), bytes.size());
}

// A challenge while it is read: what may not be answered has a reason to be left out.
struct Reading {
  DigestChallenge challenge;
  bool has_realm = false;
  bool has_nonce = false;
  bool usable = true;
};

// RFC 7616 3.3: an unknown qop is ignored, but a list of unknown ones only cannot be answered.
void read_qop(Reading& reading, std::string_view list) {
  DigestQop best = DigestQop::none;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view word = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (iequals(word, "auth")) best = DigestQop::auth;
    if (iequals(word, "auth-int") && best == DigestQop::none) best = DigestQop::auth_int;
  }
  reading.challenge.qop = best;
  if (best == DigestQop::none) reading.usable = false;
}

void read_parameter(Reading& reading, std::string_view name, std::string_view raw) {
  std::string value = unquoted(raw);
  DigestChallenge& challenge = reading.challenge;
  if (iequals(name, "realm")) {
    challenge.realm = std::move(value);
    reading.has_realm = true;
  } else if (iequals(name, "nonce")) {
    challenge.nonce = std::move(value);
    reading.has_nonce = true;
  } else if (iequals(name, "opaque")) {
    challenge.opaque = std::move(value);
    challenge.has_opaque = true;
  } else if (iequals(name, "stale")) {
    challenge.stale = iequals(value, "true");
  } else if (iequals(name, "qop")) {
    read_qop(reading, value);
  } else if (iequals(name, "algorithm")) {
    const auto is_it = [&](const Known& known) { return iequals(known.name, value); };
    const auto found = std::ranges::find_if(kAlgorithms, is_it);
    reading.usable &= found != kAlgorithms.end();
    challenge.has_algorithm = true;
    if (found != kAlgorithms.end()) challenge.algorithm = found->algorithm;
  }
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void finish(std::optional<Reading>& reading, std::vector<DigestChallenge>& out) {
  if (reading && reading->usable && reading->has_realm && reading->has_nonce &&
      out.size() < kMostChallenges) {
    const DigestChallenge& c = reading->challenge;
    if (!has_control(c.realm) && !has_control(c.nonce) && !has_control(c.opaque)) out.push_back(c);
  }
  reading.reset();
}

}  // namespace

// name=value pairs between commas; a word before the first pair ("Digest realm=...") starts another
// challenge.
std::vector<DigestChallenge> parse_challenges(std::string_view field_value) {
  std::vector<DigestChallenge> challenges;
  std::optional<Reading> reading;
  ValueReader parts(field_value);
  while (const auto part = parts.next()) {
    const std::size_t equals = std::min(part->find('='), part->size());
    std::string_view name = trim(part->substr(0, equals));
    const std::string_view value = equals == part->size() ? "" : trim(part->substr(equals + 1));
    const std::size_t blank = name.find_first_of(" \t\r\n");
    if (blank != std::string_view::npos) {
      finish(reading, challenges);
      if (iequals(name.substr(0, blank), "Digest")) reading.emplace();
      name = trim(name.substr(blank));
    }
    if (reading && !value.empty()) read_parameter(*reading, name, value);
  }
  finish(reading, challenges);
  return challenges;
}

namespace {
std::vector<DigestChallenge> challenges_of(const MessageView& response) {
  const HeaderId id = response.status() == 407 ? HeaderId::proxy_authenticate : HeaderId::www_authenticate;
  std::vector<DigestChallenge> challenges;
  for_each_field(response, [&](const HeaderField& field, std::string_view, std::string_view value) {
    if (field.id != id || challenges.size() >= kMostChallenges) return;
    for (DigestChallenge& each : parse_challenges(value)) challenges.push_back(std::move(each));
  });
  return challenges;
}
}  // namespace

bool is_stale(const MessageView& response) {
  return std::ranges::any_of(challenges_of(response), &DigestChallenge::stale);
}

std::string digest_answer(const DigestChallenge& challenge, const DigestInput& input) {
  const std::string count = count_text(input.nonce_count);
  std::string out = "Digest username=" + quoted(input.user) + ", realm=" + quoted(challenge.realm) +
                    ", nonce=" + quoted(challenge.nonce) + ", uri=" + quoted(input.uri) + ", response=\"" +
                    response_of(challenge, input, count) + "\"";
  if (challenge.has_algorithm) out.append(", algorithm=").append(name_of(challenge.algorithm));
  if (challenge.qop != DigestQop::none || is_session(challenge.algorithm))
    out += ", cnonce=" + quoted(input.cnonce);
  if (challenge.qop != DigestQop::none) {
    out.append(", qop=").append(challenge.qop == DigestQop::auth ? "auth" : "auth-int");
    out.append(", nc=").append(count);
  }
  if (challenge.has_opaque) out += ", opaque=" + quoted(challenge.opaque);
  return out;
}

std::string make_cnonce() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
  return hex(bytes.data(), bytes.size());
}

bool Authenticator::take(const DigestChallenge& challenge, bool proxy, std::string_view cnonce) {
  const auto same = [&](const Session& s) {
    return s.proxy == proxy && s.challenge.realm == challenge.realm;
  };
  auto session = std::ranges::find_if(sessions_, same);
  if (session == sessions_.end()) {
    if (sessions_.size() >= kMostSessions) return false;
    session = sessions_.insert(sessions_.end(), Session{.proxy = proxy});
  } else if (session->answered && !challenge.stale && !session->proven) {
    return false;  // RFC 7616 3.3: what we know is wrong there, the nonce was not the matter
  }
  if (++session->challenges > kMostInARow) return false;
  session->proven = false;
  session->challenge = challenge;
  session->nonce_count = 0;
  session->cnonce = cnonce;
  return true;
}

Authenticator::Verdict Authenticator::challenged(const MessageView& response,
                                                 const DigestCredentials& credentials,
                                                 std::string_view cnonce) {
  const bool proxy = response.status() == 407;
  std::vector<DigestChallenge> challenges = challenges_of(response);
  if (!credentials.realm.empty()) {
    std::erase_if(challenges, [&](const DigestChallenge& c) { return c.realm != credentials.realm; });
  }
  // The strongest of each realm, the first of equals: RFC 8760 2.4.
  const auto weaker = [](const DigestChallenge& a, const DigestChallenge& b) {
    return a.algorithm < b.algorithm;
  };
  bool taken = false;
  while (!challenges.empty()) {
    const std::string realm = challenges.front().realm;
    const DigestChallenge* best = nullptr;
    for (const DigestChallenge& each : challenges) {
      if (each.realm == realm && (best == nullptr || weaker(*best, each))) best = &each;
    }
    if (!take(*best, proxy, cnonce)) return Verdict::give_up;
    taken = true;
    std::erase_if(challenges, [&](const DigestChallenge& c) { return c.realm == realm; });
  }
  return taken ? Verdict::retry : Verdict::give_up;
}

void Authenticator::authorize(HeaderWriter& out, const DigestCredentials& credentials,
                              std::string_view method, std::string_view uri, std::string_view body) {
  for (Session& session : sessions_) {
    session.answered = true;
    const DigestInput input{.user = credentials.user,
                            .password = credentials.password,
                            .method = method,
                            .uri = uri,
                            .body = body,
                            .cnonce = session.cnonce,
                            .nonce_count = ++session.nonce_count};
    out.line(session.proxy ? HeaderId::proxy_authorization : HeaderId::authorization,
             digest_answer(session.challenge, input));
  }
}

void Authenticator::accepted() {
  for (Session& session : sessions_) {
    session.proven |= session.answered;
    session.answered = false;
    session.challenges = 0;
  }
}

}  // namespace sallyport::sip

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/config/fault.h"

namespace sallyport::stream {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const;
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

// When a certificate of ours ends, or the one of its chain that ends first. `owner`: "realm access", "peer
// carrier-a".
struct CertificateExpiry {
  std::string owner;
  std::string file;
  std::int64_t not_after_s = 0;  // since 1970
};

// The certificates, keys and trust anchors of one configuration, as read at one time. Connections hold what
// they began with, so a reload makes a new one and drops nobody.
class TlsContexts {
 public:
  // Reads every file that the configuration names. The faults are all there are, at their `tls` keys.
  [[nodiscard]] static std::expected<std::shared_ptr<const TlsContexts>, std::vector<config::Fault>> load(
      const config::Config& config);

  // For connections that come to that realm; nullptr: it speaks no TLS.
  [[nodiscard]] SSL_CTX* server(std::uint16_t realm) const { return realms_[realm].context.get(); }
  // For connections that we open to that peer; nullptr: its realm speaks no TLS.
  [[nodiscard]] SSL_CTX* client(config::PeerIndex peer) const { return clients_[peer].get(); }
  [[nodiscard]] const std::vector<CertificateExpiry>& expiries() const { return expiries_; }

 private:
  struct Server {
    SslContext context;
    std::vector<SslContext> named;  // for SNI: only their certificates are used
  };
  TlsContexts() = default;
  static int choose_certificate(SSL* ssl, int* alert, void* server);
  void load_realm(const config::Realm& realm, std::vector<config::Fault>& faults);
  using SharedContexts =
      std::map<std::tuple<std::string, std::string, std::string, config::TlsVerify>, SSL_CTX*>;
  void load_peer(const config::Peer& peer, const config::Realm& realm, SharedContexts& shared,
                 std::vector<config::Fault>& faults);
  void note_expiry(const SSL_CTX* context, const std::string& owner, const std::string& file);

  std::vector<Server> realms_;  // does not move once the callbacks know its elements
  std::vector<SslContext> clients_;
  std::vector<CertificateExpiry> expiries_;
};

}  // namespace sallyport::stream

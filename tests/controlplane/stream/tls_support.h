// SPDX-License-Identifier: Apache-2.0
// A far end that speaks TLS, for tests: on a socket of the rig's, without waiting.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/controlplane/stream/certificates_support.h"
#include "tests/controlplane/stream/rig_support.h"

namespace sallyport::stream {

struct TlsManner {
  Files own = {};         // empty: shows no certificate
  std::string ca = {};    // empty: takes any certificate
  std::string asks = {};  // as client: for that name (SNI)
  int most = 0;           // TLS1_2_VERSION and the like; 0: as OpenSSL will
  bool demands = false;   // as server: a certificate
};

class TlsEnd {
 public:
  TlsEnd() = default;
  // From that address to the rig's first listener; nothing of TLS is said yet.
  [[nodiscard]] static TlsEnd client(Rig& rig, const IpAddress& from, const TlsManner& manner);
  [[nodiscard]] static TlsEnd server(Fd socket, const TlsManner& manner);

  // Goes on with the handshake while the rig turns; true when it is done on this side.
  bool shake(Rig& rig);
  void send(std::string_view octets);
  [[nodiscard]] std::string take();
  // The next octets, waited for.
  [[nodiscard]] std::string reading(Rig& rig);
  [[nodiscard]] bool closes(Rig& rig);
  void close();

  [[nodiscard]] std::string version() const;
  [[nodiscard]] std::string asked() const;  // as server: the name that the client has asked for
  // The CN of the certificate that the other side has shown; empty: none.
  [[nodiscard]] std::string shown() const;
  [[nodiscard]] Endpoint local() const { return local_endpoint(fd_.get()); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  struct Free {
    void operator()(SSL* ssl) const;
    void operator()(SSL_CTX* context) const;
  };
  TlsEnd(Fd socket, const TlsManner& manner, bool is_server);

  Fd fd_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool over_ = false;
};

}  // namespace sallyport::stream

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>

#include "controlplane/stream/channel.h"
#include "controlplane/stream/socket.h"
#include "controlplane/stream/tls_context.h"
#include "controlplane/stream/tls_failure.h"

namespace sallyport::stream {

// TLS on a connected socket. handshake() may run on any thread, one call at a time; all else is the stream
// thread's, once the handshake is done. It holds the socket and its certificates while it lives.
class TlsChannel final : public Channel {
 public:
  // For a connection that came to that realm. nullptr when there is no memory.
  [[nodiscard]] static std::shared_ptr<TlsChannel> accepting(std::shared_ptr<const TlsContexts> contexts,
                                                             std::uint16_t realm,
                                                             std::shared_ptr<const Fd> socket);
  // For one that goes to that peer. `name`: for the far end's choice of a certificate (SNI); empty: none is
  // sent. nullptr also when the peer's realm speaks no TLS.
  [[nodiscard]] static std::shared_ptr<TlsChannel> connecting(std::shared_ptr<const TlsContexts> contexts,
                                                              config::PeerIndex peer,
                                                              std::shared_ptr<const Fd> socket,
                                                              const std::string& name);

  // One step: done, failed or closed, or what the socket has to be for the next.
  [[nodiscard]] Io handshake();
  // Why handshake() failed, or read() right behind it: the alert of a far end that does not like our
  // certificate comes when TLS 1.3 is up already.
  [[nodiscard]] std::optional<TlsFailure> failure() const { return failure_; }
  // The far end's certificate when it has sent one and it was found good; else nullptr. The channel's own.
  [[nodiscard]] X509* verified_certificate() const;

  [[nodiscard]] IoResult read(std::span<char> into) override;
  [[nodiscard]] IoResult write(std::string_view octets) override;
  [[nodiscard]] bool has_more() const override;
  void close() override;
  [[nodiscard]] std::uint64_t wire_octets() const override;

 private:
  struct Free {
    void operator()(SSL* ssl) const;
  };
  TlsChannel(std::shared_ptr<const TlsContexts> contexts, SSL* ssl, std::shared_ptr<const Fd> socket)
      : contexts_(std::move(contexts)), socket_(std::move(socket)), ssl_(ssl) {}
  [[nodiscard]] static std::shared_ptr<TlsChannel> make(std::shared_ptr<const TlsContexts> contexts,
                                                        SSL_CTX* context, std::shared_ptr<const Fd> socket);
  [[nodiscard]] Io outcome(int result);
  [[nodiscard]] TlsFailure reason(int error) const;

  std::shared_ptr<const TlsContexts> contexts_;
  std::shared_ptr<const Fd> socket_;
  std::unique_ptr<SSL, Free> ssl_;
  std::optional<TlsFailure> failure_;
};

}  // namespace sallyport::stream

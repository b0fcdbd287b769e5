// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/tls_channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "controlplane/stream/certificate.h"

namespace sallyport::stream {

void TlsChannel::Free::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

std::shared_ptr<TlsChannel> TlsChannel::make(std::shared_ptr<const TlsContexts> contexts, SSL_CTX* context,
                                             std::shared_ptr<const Fd> socket) {
  SSL* const ssl = context == nullptr ? nullptr : SSL_new(context);
  if (ssl == nullptr) return nullptr;
  const int fd = socket->get();
  std::shared_ptr<TlsChannel> channel(new TlsChannel(std::move(contexts), ssl, std::move(socket)));
  return SSL_set_fd(ssl, fd) == 1 ? channel : nullptr;
}

std::shared_ptr<TlsChannel> TlsChannel::accepting(std::shared_ptr<const TlsContexts> contexts,
                                                  std::uint16_t realm, std::shared_ptr<const Fd> socket) {
  SSL_CTX* const context = contexts->server(realm);
  auto channel = make(std::move(contexts), context, std::move(socket));
  if (channel) SSL_set_accept_state(channel->ssl_.get());
  return channel;
}

std::shared_ptr<TlsChannel> TlsChannel::connecting(std::shared_ptr<const TlsContexts> contexts,
                                                   config::PeerIndex peer, std::shared_ptr<const Fd> socket,
                                                   const std::string& name) {
  SSL_CTX* const context = contexts->client(peer);
  auto channel = make(std::move(contexts), context, std::move(socket));
  if (!channel) return nullptr;
  SSL_set_connect_state(channel->ssl_.get());
  if (!name.empty()) (void)SSL_set_tlsext_host_name(channel->ssl_.get(), name.c_str());
  return channel;
}

// The first error says what went wrong, the later ones what became of it; of a certificate there may be
// others before.
TlsFailure TlsChannel::reason(int error) const {
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK && (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0) {
    return verdict == X509_V_ERR_CERT_HAS_EXPIRED ? TlsFailure::expired : TlsFailure::untrusted;
  }
  const unsigned long first = ERR_peek_error();
  if (error == SSL_ERROR_ZERO_RETURN || first == 0) return TlsFailure::closed;
  const int code = ERR_GET_REASON(first);
  if (code > SSL_AD_REASON_OFFSET) return TlsFailure::refused;
  switch (code) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return TlsFailure::closed;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
      return TlsFailure::not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return TlsFailure::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return TlsFailure::cipher;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsFailure::no_certificate;
    default:
      return TlsFailure::other;
  }
}

Io TlsChannel::outcome(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return Io::wait_read;
  if (error == SSL_ERROR_WANT_WRITE) return Io::wait_write;
  failure_ = reason(error);
  return error == SSL_ERROR_ZERO_RETURN ? Io::closed : Io::failed;
}

// OpenSSL's queue of errors is the thread's: what another connection left there would be taken for ours.
Io TlsChannel::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Io::done : outcome(result);
}

X509* TlsChannel::verified_certificate() const {
  if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) return nullptr;
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  // Without verification there is a certificate that nobody has looked at.
  const bool looked = (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0;
  return looked && certificate != nullptr && is_for_sip(certificate) ? certificate : nullptr;
}

IoResult TlsChannel::read(std::span<char> into) {
  ERR_clear_error();
  std::size_t octets = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &octets);
  return result == 1 ? IoResult{Io::done, octets} : IoResult{outcome(result), 0};
}

IoResult TlsChannel::write(std::string_view octets) {
  ERR_clear_error();
  std::size_t gone = 0;
  const int result = SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &gone);
  return result == 1 ? IoResult{Io::done, gone} : IoResult{outcome(result), 0};
}

bool TlsChannel::has_more() const {
  return SSL_pending(ssl_.get()) > 0;
}

void TlsChannel::close() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get()) == 1) (void)SSL_shutdown(ssl_.get());
}

std::uint64_t TlsChannel::wire_octets() const {
  return BIO_number_written(SSL_get_wbio(ssl_.get()));
}

}  // namespace sallyport::stream

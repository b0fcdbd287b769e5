// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/stream/tls_support.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <csignal>

namespace sallyport::stream {

void TlsEnd::Free::operator()(SSL* ssl) const {
  SSL_free(ssl);
}
void TlsEnd::Free::operator()(SSL_CTX* context) const {
  SSL_CTX_free(context);
}

TlsEnd::TlsEnd(Fd socket, const TlsManner& manner, bool is_server)
    : fd_(std::move(socket)), context_(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method())) {
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX* const context = context_.get();
  if (manner.most != 0) {
    SSL_CTX_set_min_proto_version(context, 0);
    SSL_CTX_set_max_proto_version(context, manner.most);
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
  }
  if (!manner.own.certificate.empty()) {
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context, manner.own.certificate.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context, manner.own.key.c_str(), SSL_FILETYPE_PEM), 1);
  }
  if (!manner.ca.empty()) {
    EXPECT_EQ(SSL_CTX_load_verify_locations(context, manner.ca.c_str(), nullptr), 1);
    SSL_CTX_set_purpose(context, X509_PURPOSE_ANY);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (manner.demands ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  }
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd_.get());
  if (is_server) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  if (!manner.asks.empty()) SSL_set_tlsext_host_name(ssl_.get(), manner.asks.c_str());
}

TlsEnd TlsEnd::client(Rig& rig, const IpAddress& from, const TlsManner& manner) {
  return TlsEnd(rig.connect(from).release(), manner, false);
}

TlsEnd TlsEnd::server(Fd socket, const TlsManner& manner) {
  return TlsEnd(std::move(socket), manner, true);
}

bool TlsEnd::shake(Rig& rig) {
  bool done = false;
  (void)rig.until([&] {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    const int error = SSL_get_error(ssl_.get(), result);
    done = result == 1;
    return done || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE);
  });
  return done;
}

void TlsEnd::send(std::string_view octets) {
  ERR_clear_error();
  EXPECT_EQ(SSL_write(ssl_.get(), octets.data(), static_cast<int>(octets.size())),
            static_cast<int>(octets.size()));
}

std::string TlsEnd::take() {
  std::string all;
  std::array<char, 65536> some;
  for (;;) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), some.data(), static_cast<int>(some.size()));
    if (got <= 0) {
      over_ = over_ || SSL_get_error(ssl_.get(), got) != SSL_ERROR_WANT_READ;
      return all;
    }
    all.append(some.data(), static_cast<std::size_t>(got));
  }
}

std::string TlsEnd::reading(Rig& rig) {
  std::string all;
  (void)rig.until([&] {
    all += take();
    return !all.empty();
  });
  return all;
}

bool TlsEnd::closes(Rig& rig) {
  return rig.until([&] {
    (void)take();
    return over_;
  });
}

void TlsEnd::close() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get()) == 1) (void)SSL_shutdown(ssl_.get());
  ssl_.reset();
  fd_.reset();
}

std::string TlsEnd::version() const {
  return SSL_get_version(ssl_.get());
}

std::string TlsEnd::asked() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

std::string TlsEnd::shown() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return "";
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return name.data();
}

}  // namespace sallyport::stream

// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "controlplane/stream/certificate.h"

namespace sallyport::stream {

namespace {

using Result = std::expected<void, std::string>;

std::string openssl_reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

std::int64_t end_of(const X509* certificate) {
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return 0;
  return timegm(&end);
}

// What server and client have in common.
SslContext make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (!context) return context;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // No resumption: a session must not outlive the certificate that it was begun with.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // What a certificate may be used for is judged by is_for_sip(): one domain's certificate serves both ways.
  SSL_CTX_set_purpose(context.get(), X509_PURPOSE_ANY);
  return context;
}

// The error says which file.
Result use_pair(SSL_CTX* context, const config::KeyPair& pair) {
  if (pair.certificate.empty()) return {};
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, pair.certificate.c_str()) != 1) {
    return std::unexpected("certificate " + pair.certificate + ": " + openssl_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(context, pair.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return std::unexpected("key " + pair.key + ": " + openssl_reason());
  }
  return {};
}

Result trust(SSL_CTX* context, const std::string& ca) {
  if (ca.empty()) {
    (void)SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  ERR_clear_error();
  if (SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr) != 1) {
    return std::unexpected("ca " + ca + ": " + openssl_reason());
  }
  // What we ask for is what the anchors can answer.
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(ca.c_str()));
  return {};
}

int server_verify_mode(const config::Tls& tls) {
  if (tls.ca.empty() || tls.verify == config::TlsVerify::no) return SSL_VERIFY_NONE;
  const bool needed = tls.verify == config::TlsVerify::yes;
  return SSL_VERIFY_PEER | (needed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
}

// Empty where it went wrong.
SslContext filled(const SSL_METHOD* method, const config::KeyPair& own, const config::Tls& tls,
                  config::Place at, const std::string& whose, std::vector<config::Fault>& faults) {
  SslContext context = make_context(method);
  Result done = context ? use_pair(context.get(), own) : std::unexpected("OpenSSL: " + openssl_reason());
  if (done) done = trust(context.get(), tls.ca);
  if (done) return context;
  faults.push_back({at, whose + ".tls: " + done.error()});
  return {};
}

}  // namespace

void FreeSslContext::operator()(SSL_CTX* context) const {
  SSL_CTX_free(context);
}

// RFC 6066 3: the first certificate that is for the name that the client asks for; without any, the realm's
// own.
int TlsContexts::choose_certificate(SSL* ssl, int*, void* server) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  for (const SslContext& context : static_cast<const Server*>(server)->named) {
    if (!is_for(SSL_CTX_get0_certificate(context.get()), name)) continue;
    SSL_set_SSL_CTX(ssl, context.get());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

void TlsContexts::load_realm(const config::Realm& realm, std::vector<config::Fault>& faults) {
  Server& server = realms_.emplace_back();
  if (realm.sip_tls == 0) return;
  const std::string whose = "realms." + realm.name;
  const std::string owner = "realm " + realm.name;
  const config::Tls& tls = realm.tls;
  server.context = filled(TLS_server_method(), tls.own, tls, tls.at, whose, faults);
  if (!server.context) return;
  note_expiry(server.context.get(), owner, tls.own.certificate);
  SSL_CTX_set_verify(server.context.get(), server_verify_mode(tls), nullptr);
  for (const config::KeyPair& pair : tls.sni) {
    SslContext named = filled(TLS_server_method(), pair, tls, tls.at, whose, faults);
    if (!named) continue;
    note_expiry(named.get(), owner, pair.certificate);
    server.named.push_back(std::move(named));
  }
  SSL_CTX_set_tlsext_servername_callback(server.context.get(), choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(server.context.get(), &server);
}

void TlsContexts::load_peer(const config::Peer& peer, const config::Realm& realm, SharedContexts& shared,
                            std::vector<config::Fault>& faults) {
  SslContext& context = clients_.emplace_back();
  if (realm.sip_tls == 0) return;
  const config::Tls& tls = peer.tls;
  // Trust anchors are large, and peers are many that have all in common with their realm.
  SSL_CTX*& known = shared[{tls.own.certificate, tls.own.key, tls.ca, tls.verify}];
  if (known != nullptr) {
    SSL_CTX_up_ref(known);
    context.reset(known);
    return;
  }
  // What a peer has of its realm is told there. The files of one that a reload has removed may be gone too:
  // it has the connections that it has.
  const bool own = tls.at != config::Place{} && !peer.retired;
  std::vector<config::Fault> ignored;
  context = filled(TLS_client_method(), tls.own, tls, tls.at, "peers." + peer.name, own ? faults : ignored);
  if (!context) return;
  known = context.get();
  if (tls.own.certificate != realm.tls.own.certificate)
    note_expiry(context.get(), "peer " + peer.name, tls.own.certificate);
  const bool unchecked = tls.verify == config::TlsVerify::no;
  SSL_CTX_set_verify(context.get(), unchecked ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
}

void TlsContexts::note_expiry(const SSL_CTX* context, const std::string& owner, const std::string& file) {
  const X509* const ours = SSL_CTX_get0_certificate(context);
  if (ours == nullptr) return;
  std::int64_t end = end_of(ours);
  STACK_OF(X509)* chain = nullptr;
  (void)SSL_CTX_get0_chain_certs(const_cast<SSL_CTX*>(context), &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) end = std::min(end, end_of(sk_X509_value(chain, i)));
  expiries_.push_back({owner, file, end});
}

std::expected<std::shared_ptr<const TlsContexts>, std::vector<config::Fault>> TlsContexts::load(
    const config::Config& config) {
  std::shared_ptr<TlsContexts> contexts(new TlsContexts);
  std::vector<config::Fault> faults;
  contexts->realms_.reserve(config.realms.size());
  for (const config::Realm& realm : config.realms) contexts->load_realm(realm, faults);
  SharedContexts shared;
  for (const config::Peer& peer : config.peers)
    contexts->load_peer(peer, config.realms[peer.realm], shared, faults);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return contexts;
}

}  // namespace sallyport::stream

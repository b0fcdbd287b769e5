// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/certificate.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "dataplane/sip/uri.h"

namespace sallyport::stream {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

// The characters of an ASN.1 string; empty when there is a NUL among them, which some readers take for the
// end.
std::string_view text_of(const ASN1_STRING* string) {
  const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                              static_cast<std::size_t>(ASN1_STRING_length(string)));
  return text.find('\0') == std::string_view::npos ? text : std::string_view{};
}

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

struct FreeUsage {
  void operator()(EXTENDED_KEY_USAGE* usage) const { EXTENDED_KEY_USAGE_free(usage); }
};
struct FreeObject {
  void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
};

// RFC 5922 7.1: a sip URI with a user part names a user, not a domain.
std::string domain_of_uri(std::string_view text) {
  const auto uri = sip::parse_uri(text);
  const bool sip_uri = uri && (uri->scheme == sip::Scheme::sip || uri->scheme == sip::Scheme::sips);
  return sip_uri && !uri->has_user ? lower(uri->host) : std::string{};
}

std::string common_name(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return lower(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

}  // namespace

std::vector<std::string> sip_identities(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris, hosts;
  bool any = false;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) {
      any = true;
      std::string domain = domain_of_uri(text_of(name->d.uniformResourceIdentifier));
      if (!domain.empty()) uris.push_back(std::move(domain));
    } else if (name->type == GEN_DNS) {
      any = true;
      if (const std::string_view host = text_of(name->d.dNSName); !host.empty()) hosts.push_back(lower(host));
    }
  }
  if (!uris.empty()) return uris;
  if (!hosts.empty() || any) return hosts;
  std::string name = common_name(certificate);
  if (name.empty()) return {};
  return {std::move(name)};
}

bool is_for_sip(X509* certificate) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) == 0) return true;
  if ((X509_get_extended_key_usage(certificate) & (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU)) != 0)
    return true;
  const std::unique_ptr<EXTENDED_KEY_USAGE, FreeUsage> usage(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  const std::unique_ptr<ASN1_OBJECT, FreeObject> sip_domain(OBJ_txt2obj("1.3.6.1.5.5.7.3.20", 1));
  for (int i = 0; usage && i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
    if (OBJ_cmp(sk_ASN1_OBJECT_value(usage.get(), i), sip_domain.get()) == 0) return true;
  }
  return false;
}

bool is_for(const X509* certificate, std::string_view domain) {
  const std::vector<std::string> names = sip_identities(certificate);
  return std::ranges::find(names, lower(domain)) != names.end();
}

bool is_for(X509* certificate, const IpAddress& address) {
  return X509_check_ip(certificate, address.bytes().data(), address.is_v4() ? 4 : 16, 0) == 1;
}

}  // namespace sallyport::stream

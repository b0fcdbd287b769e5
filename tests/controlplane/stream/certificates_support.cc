// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/stream/certificates_support.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace sallyport::stream {

namespace {

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate draft(const Wish& wish, EVP_PKEY* key) {
  static std::atomic<long> serial{1};
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wish.begins_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wish.ends_s);
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1, -1, 0);
  if (!wish.alt_names.empty()) add_extension(made.get(), made.get(), NID_subject_alt_name, wish.alt_names);
  if (!wish.usage.empty()) add_extension(made.get(), made.get(), NID_ext_key_usage, wish.usage);
  return made;
}

void write(const std::string& file, const X509* certificate, const EVP_PKEY* key) {
  std::FILE* const out = std::fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr) << file;
  if (certificate != nullptr) PEM_write_X509(out, certificate);
  if (key != nullptr) PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
}

}  // namespace

void FreeX509::operator()(X509* certificate) const {
  X509_free(certificate);
}
void FreeKey::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

Authority::Authority() : key_(EVP_EC_gen("P-256")) {
  static std::atomic<int> count{0};
  folder_ = std::filesystem::temp_directory_path() /
            ("sallyport-tls-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
  std::filesystem::create_directories(folder_);
  own_ = draft({.common_name = "Test Authority"}, key_.get());
  X509_set_issuer_name(own_.get(), X509_get_subject_name(own_.get()));
  add_extension(own_.get(), own_.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(own_.get(), key_.get(), EVP_sha256());
  file_ = folder_ / "ca.pem";
  write(file_, own_.get(), nullptr);
}

Authority::~Authority() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Certificate Authority::sign(const Wish& wish, Key& key) const {
  key.reset(EVP_EC_gen("P-256"));
  Certificate made = draft(wish, key.get());
  X509_set_issuer_name(made.get(), X509_get_subject_name(own_.get()));
  X509_sign(made.get(), key_.get(), EVP_sha256());
  return made;
}

Files Authority::issue(const std::string& name, const Wish& wish) const {
  Key key;
  const Certificate made = sign(wish, key);
  Files files{folder_ / (name + ".pem"), folder_ / (name + ".key")};
  write(files.certificate, made.get(), nullptr);
  write(files.key, nullptr, key.get());
  return files;
}

}  // namespace sallyport::stream

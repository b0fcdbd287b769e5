// SPDX-License-Identifier: Apache-2.0
// Certificates for tests, made when they run: an authority, what it signs, and the PEM files of both in a
// folder that goes with the object.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::stream {

struct FreeX509 {
  void operator()(X509* certificate) const;
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const;
};
using Certificate = std::unique_ptr<X509, FreeX509>;
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

struct Wish {
  std::string common_name;
  std::string alt_names = {};  // as OpenSSL's configuration writes them: "DNS:a.example, URI:sip:a.example"
  std::string usage = {};      // extendedKeyUsage, the same; empty: none
  std::int64_t begins_s = -3600;  // from now
  std::int64_t ends_s = 86'400;
};

struct Files {
  std::string certificate;
  std::string key;
};

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Certificate sign(const Wish& wish, Key& key) const;
  // The same, into files; again under one name: over the old ones.
  [[nodiscard]] Files issue(const std::string& name, const Wish& wish) const;

 private:
  std::filesystem::path folder_;
  std::string file_;
  Key key_;
  Certificate own_;
};

}  // namespace sallyport::stream

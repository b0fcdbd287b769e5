// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/dns_message.h"

#include <ares.h>

#include <algorithm>
#include <array>

namespace sallyport::resolver {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kClassInternet = 1;
constexpr std::uint16_t kTypeCname = 5;
constexpr std::uint16_t kTypeSoa = 6;
constexpr unsigned kNxDomain = 3;
constexpr unsigned kMostCnames = 8;
constexpr unsigned kMostRead = 512;  // of one message, wanted or not
// RFC 2181 8: a TTL with its first bit set counts as 0.
constexpr std::uint32_t kMostTtl = 0x7fff'ffff;

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

// Of a name that is asked for: letters, digits, hyphens and the underscores of RFC 2782.
bool is_plain_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return name.size() <= 253 && std::ranges::all_of(name, fits);
}

// Walks a message; once something does not fit, everything after it fails.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> message) : message_(message) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  void skip(std::size_t octets) {
    good_ = good_ && octets <= message_.size() - at_;
    if (good_) at_ += octets;
  }
  void go_to(std::size_t at) { at_ = at; }
  std::uint16_t u16() {
    const std::size_t from = at_;
    skip(2);
    return good_ ? static_cast<std::uint16_t>(message_[from] << 8 | message_[from + 1]) : 0;
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  // A domain name, also a compressed one: c-ares follows its pointers and bounds them.
  std::string name() {
    if (!good_ || at_ >= message_.size()) return fail();
    char* text = nullptr;
    long octets = 0;
    const int status = ares_expand_name(message_.data() + at_, message_.data(),
                                        static_cast<int>(message_.size()), &text, &octets);
    if (status != ARES_SUCCESS) return fail();
    std::string name = lower(text);
    ares_free_string(text);
    skip(static_cast<std::size_t>(octets));
    return name;
  }
  // RFC 1035 3.3: one octet of length, then as many.
  std::string character_string() {
    if (!good_ || at_ >= message_.size()) return fail();
    const std::size_t size = message_[at_];
    skip(1);
    const std::size_t from = at_;
    skip(size);
    return good_ ? std::string(reinterpret_cast<const char*>(message_.data()) + from, size) : std::string();
  }
  IpAddress address(Family family) {
    const std::size_t from = at_;
    skip(family == Family::v4 ? 4 : 16);
    return good_ ? IpAddress::from_bytes(family, message_.data() + from) : IpAddress();
  }

 private:
  std::string fail() {
    good_ = false;
    return {};
  }
  std::span<const std::uint8_t> message_;
  std::size_t at_ = 0;
  bool good_ = true;
};

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint32_t ttl_s = 0;
  std::size_t data = 0;
  std::size_t end = 0;
};

// The head of the next record; the reader stands behind the record afterwards.
Record next_record(Reader& reader) {
  Record record;
  record.owner = reader.name();
  record.type = reader.u16();
  const std::uint16_t record_class = reader.u16();
  record.ttl_s = reader.u32();
  if (record.ttl_s > kMostTtl) record.ttl_s = 0;
  const std::size_t size = reader.u16();
  record.data = reader.at();
  reader.skip(size);
  record.end = reader.at();
  if (record_class != kClassInternet) record.type = 0;
  return record;
}

void note_ttl(Answer& answer, std::uint32_t ttl_s) {
  answer.ttl_s = std::min(answer.ttl_s.value_or(ttl_s), ttl_s);
}

class AnswerReader {
 public:
  AnswerReader(std::span<const std::uint8_t> message, const Question& question)
      : message_(message), question_(question) {}

  Answer read() {
    Reader reader(message_);
    reader.skip(2);
    const std::uint16_t flags = reader.u16();
    const std::array<std::uint16_t, 4> counts{reader.u16(), reader.u16(), reader.u16(), reader.u16()};
    const unsigned code = flags & 0xf;
    if (!reader.good() || (code != 0 && code != kNxDomain)) return {};
    for (unsigned i = 0; i < counts[0] && reader.good(); ++i) {
      (void)reader.name();
      reader.skip(4);
    }
    read_section(reader, counts[1], answers_);
    read_section(reader, counts[2], authority_);
    if (!reader.good()) return {};
    follow_cnames();
    for (const Record& record : answers_) take(record);
    settle(code);
    return broken_ ? Answer{} : std::move(answer_);
  }

 private:
  void read_section(Reader& reader, unsigned count, std::vector<Record>& into) {
    for (unsigned i = 0; i < count && reader.good() && into.size() < kMostRead; ++i) {
      into.push_back(next_record(reader));
    }
    if (count > into.size()) reader.skip(message_.size());  // too many: the message is none of ours
  }

  // Where the name leads by the CNAMEs of this answer (RFC 1034 3.6.2), in whatever order they stand.
  void follow_cnames() {
    owner_ = question_.name;
    for (unsigned i = 0; i < kMostCnames; ++i) {
      const auto leads = [&](const Record& r) { return r.type == kTypeCname && r.owner == owner_; };
      const auto found = std::ranges::find_if(answers_, leads);
      if (found == answers_.end()) return;
      Reader data(message_);
      data.go_to(found->data);
      owner_ = data.name();
      broken_ |= !data.good();
      note_ttl(answer_, found->ttl_s);
    }
  }

  void take(const Record& record) {
    if (record.owner != owner_ || record.type != static_cast<std::uint16_t>(question_.type)) return;
    if (taken_ == kMostRecords) {
      ++answer_.left_out;
      return;
    }
    Reader data(message_);
    data.go_to(record.data);
    bool good = true;
    switch (question_.type) {
      case RecordType::a:
        answer_.addresses.push_back(data.address(Family::v4));
        break;
      case RecordType::aaaa:
        answer_.addresses.push_back(data.address(Family::v6).unmapped());
        break;
      case RecordType::srv:
        good = take_srv(data);
        break;
      case RecordType::naptr:
        good = take_naptr(data);
        break;
    }
    if (!data.good() || data.at() != record.end) {
      broken_ = true;
    } else if (!good) {
      ++answer_.left_out;
    } else {
      ++taken_;
      note_ttl(answer_, record.ttl_s);
    }
  }

  bool take_srv(Reader& data) {
    SrvRecord srv;
    srv.priority = data.u16();
    srv.weight = data.u16();
    srv.port = data.u16();
    srv.target = data.name();
    if (!is_plain_name(srv.target) || (srv.port == 0 && !srv.target.empty())) return false;
    answer_.srv.push_back(std::move(srv));
    return true;
  }

  bool take_naptr(Reader& data) {
    NaptrRecord naptr;
    naptr.order = data.u16();
    naptr.preference = data.u16();
    naptr.flags = lower(data.character_string());
    naptr.service = lower(data.character_string());
    naptr.has_regexp = !data.character_string().empty();
    naptr.replacement = data.name();
    if (!is_plain_name(naptr.replacement)) return false;
    answer_.naptr.push_back(std::move(naptr));
    return true;
  }

  void settle(unsigned code) {
    const auto tidy = [](auto& list) {
      std::ranges::sort(list);
      const auto rest = std::ranges::unique(list);
      list.erase(rest.begin(), rest.end());
    };
    tidy(answer_.naptr);
    tidy(answer_.srv);
    tidy(answer_.addresses);
    answer_.kind = taken_ != 0         ? AnswerKind::records
                   : code == kNxDomain ? AnswerKind::no_name
                                       : AnswerKind::no_data;
    if (taken_ == 0) note_negative_ttl();
  }

  // RFC 2308 5: the SOA's own TTL or its MINIMUM, whichever is less.
  void note_negative_ttl() {
    for (const Record& record : authority_) {
      if (record.type != kTypeSoa) continue;
      Reader data(message_);
      data.go_to(record.data);
      (void)data.name();
      (void)data.name();
      data.skip(16);
      const std::uint32_t minimum = data.u32();
      if (data.good()) note_ttl(answer_, std::min({record.ttl_s, minimum, kMostTtl}));
    }
  }

  std::span<const std::uint8_t> message_;
  const Question& question_;
  std::vector<Record> answers_;
  std::vector<Record> authority_;
  std::string owner_;
  Answer answer_;
  std::size_t taken_ = 0;
  bool broken_ = false;
};

}  // namespace

std::string_view to_text(RecordType type) {
  switch (type) {
    case RecordType::a:
      return "A";
    case RecordType::aaaa:
      return "AAAA";
    case RecordType::srv:
      return "SRV";
    case RecordType::naptr:
      return "NAPTR";
  }
  return "";
}

std::string_view to_text(AnswerKind kind) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(AnswerKind::kCount)> kTexts{
      "records", "no_data", "no_name", "failure", "timeout"};
  return kTexts[static_cast<std::size_t>(kind)];
}

Answer read_answer(std::span<const std::uint8_t> message, const Question& question) {
  if (message.size() < kHeaderBytes || message.size() > 65'535) return {};
  return AnswerReader(message, question).read();
}

}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/resolver/zone_support.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace sallyport::resolver {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::uint16_t type_of(std::string_view word) {
  if (word == "A") return 1;
  if (word == "CNAME") return 5;
  if (word == "SOA") return 6;
  if (word == "AAAA") return 28;
  return word == "SRV" ? 33 : 35;
}

void put_string(MessageWriter& out, std::string_view text) {
  out.u8(static_cast<unsigned>(text.size()));
  out.octets.insert(out.octets.end(), text.begin(), text.end());
}

void put_data(MessageWriter& out, const std::vector<std::string>& word) {
  const auto number = [&](std::size_t i) { return static_cast<unsigned>(std::stoul(word[i])); };
  if (word[0] == "A" || word[0] == "AAAA") {
    const IpAddress address = *IpAddress::parse(word[1]);
    const auto& bytes = address.bytes();
    out.octets.insert(out.octets.end(), bytes.begin(), bytes.begin() + (word[0] == "A" ? 4 : 16));
  } else if (word[0] == "CNAME") {
    out.name(word[1]);
  } else if (word[0] == "SRV") {
    for (std::size_t i = 1; i <= 3; ++i) out.u16(number(i));
    out.name(word[4] == "." ? "" : word[4]);
  } else if (word[0] == "NAPTR") {
    out.u16(number(1));
    out.u16(number(2));
    put_string(out, word[3]);
    put_string(out, word[4]);
    const bool regexp = word.size() > 6;
    put_string(out, regexp ? word[5] : "");
    out.name(word.back() == "." ? "" : word.back());
  } else {  // SOA MINIMUM
    out.name("ns.test");
    out.name("hostmaster.test");
    for (const std::uint32_t value : {1u, 3600u, 600u, 86'400u}) out.u32(value);
    out.u32(number(1));
  }
}

}  // namespace

MessageWriter::MessageWriter(std::uint16_t id, unsigned code, bool truncated) {
  u16(id);
  u16(0x8180 | code | (truncated ? 0x200u : 0u));
  for (int i = 0; i < 4; ++i) u16(0);
}

void MessageWriter::u16(unsigned value) {
  u8(value >> 8);
  u8(value & 0xff);
}

void MessageWriter::u32(std::uint32_t value) {
  u16(value >> 16);
  u16(value & 0xffff);
}

void MessageWriter::name(std::string_view text) {
  while (!text.empty()) {
    const std::string_view label = text.substr(0, text.find('.'));
    put_string(*this, label);
    text.remove_prefix(std::min(text.size(), label.size() + 1));
  }
  u8(0);
}

MessageWriter& MessageWriter::question(std::string_view text, std::uint16_t type) {
  name(text);
  u16(type);
  u16(1);
  count(0);
  return *this;
}

void MessageWriter::record(std::string_view owner, std::uint32_t ttl, std::string_view text) {
  const auto word = words(text);
  name(owner);
  u16(type_of(word[0]));
  u16(1);
  u32(ttl);
  const std::size_t at = octets.size();
  u16(0);
  put_data(*this, word);
  const std::size_t size = octets.size() - at - 2;
  octets[at] = static_cast<std::uint8_t>(size >> 8);
  octets[at + 1] = static_cast<std::uint8_t>(size & 0xff);
}

MessageWriter& MessageWriter::answer(std::string_view owner, std::uint32_t ttl, std::string_view text) {
  record(owner, ttl, text);
  count(1);
  return *this;
}

MessageWriter& MessageWriter::authority(std::string_view owner, std::uint32_t ttl, std::string_view text) {
  record(owner, ttl, text);
  count(2);
  return *this;
}

Octets MessageWriter::take() {
  for (std::size_t i = 0; i < 4; ++i) {
    octets[4 + 2 * i] = static_cast<std::uint8_t>(counts_[i] >> 8);
    octets[5 + 2 * i] = static_cast<std::uint8_t>(counts_[i] & 0xff);
  }
  return std::move(octets);
}

Zone& Zone::add(std::string name, std::string record, std::uint32_t ttl) {
  records_[std::move(name)].push_back({ttl, std::move(record)});
  return *this;
}

Zone& Zone::empty(std::string name) {
  records_[std::move(name)];
  return *this;
}

Octets Zone::message(std::uint16_t id, std::string_view name, std::uint16_t type, bool truncated) const {
  const auto owner = records_.find(name);
  MessageWriter out(id, owner == records_.end() ? 3 : 0, truncated);
  out.question(name, type);
  if (truncated || owner == records_.end()) return out.take();
  for (const Line& line : owner->second) {
    const bool wanted = type_of(words(line.text)[0]) == type;
    if (wanted) out.answer(name, line.ttl, line.text);
  }
  return out.take();
}

Answer Zone::answer(const Question& question) const {
  return read_answer(message(1, question.name, static_cast<std::uint16_t>(question.type), false), question);
}

}  // namespace sallyport::resolver

// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steer/steering.h"

namespace sallyport::steer {

namespace {

// Call-ID and From tag are hashed with a length between them, so that no two pairs run into one another.
std::uint8_t shard_by_hash(const sip::MessageIndex& index, std::string_view message, SipHashKey key,
                           std::uint8_t shard_count) {
  if (shard_count <= 1) return 0;
  const std::string_view call_id = index.call_id.in(message);
  const char length[2] = {static_cast<char>(call_id.size() & 0xff), static_cast<char>(call_id.size() >> 8)};
  SipHash hash(key);
  hash.update({length, sizeof(length)});
  hash.update(call_id);
  hash.update(index.from_tag.in(message));
  return static_cast<std::uint8_t>((hash.finish() >> 32) * shard_count >> 32);
}

Steering to_identity(Verdict verdict, const Identity& identity) {
  return {verdict, identity.shard, identity.slot, identity.generation};
}

}  // namespace

Steering steer(const sip::MessageIndex& index, std::string_view message, const IdentifierCodec& codec,
               SipHashKey hash_key, std::uint8_t shard_count) {
  if (index.kind == sip::Kind::response) {
    const auto identity = codec.open(branch_token(index.branch.in(message)), TokenKind::branch);
    if (identity && identity->shard < shard_count) return to_identity(Verdict::by_branch, *identity);
    return {.verdict = Verdict::foreign_response};
  }
  const std::uint8_t hashed = shard_by_hash(index, message, hash_key, shard_count);
  if (!index.to_tag || index.fault != sip::Fault::none) return {.verdict = Verdict::by_hash, .shard = hashed};
  const auto identity = codec.open(index.to_tag.in(message), TokenKind::tag);
  if (identity && identity->shard < shard_count) return to_identity(Verdict::by_tag, *identity);
  // A CANCEL has to meet its INVITE, and that one went by hash: even with a To tag that is none of ours.
  const bool cancel = index.method == sip::Method::cancel;
  return {.verdict = cancel ? Verdict::by_hash : Verdict::unknown_tag, .shard = hashed};
}

}  // namespace sallyport::steer

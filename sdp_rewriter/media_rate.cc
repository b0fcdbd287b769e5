// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/media_rate.h"

#include <algorithm>
#include <array>

#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {
namespace {

constexpr std::uint32_t kHeadroom = 2;
constexpr std::uint32_t kPacketOverhead = 48;  // RTP with CSRCs or a header extension, an SRTP tag
constexpr std::uint32_t kLeastPacket_ms = 10;
constexpr std::uint32_t kUnknownAudio_bps = 512'000;
constexpr std::uint32_t kVideo_bps = 20'000'000;  // where no b= says more
constexpr std::uint32_t kOther_bps = 1'000'000;   // RTP of text and the like
constexpr std::uint32_t kFax_bps = 400'000;       // T.38 at 33.6 kbit/s with all its redundancy
constexpr std::uint32_t kVideoPacket = 250;       // octets, on average at least

struct CodecRate {
  std::string_view encoding;
  std::uint32_t bps;
};
// RFC 3551 4.5 and each codec's payload format. Those with a clock in their rate stand in clocked_bps.
constexpr std::array<CodecRate, 22> kCodecs{
    {{"PCMU", 64'000},      {"PCMA", 64'000},    {"G722", 64'000},     {"G729", 8'000},
     {"G729D", 6'400},      {"G729E", 11'800},   {"G723", 6'400},      {"G728", 16'000},
     {"GSM", 13'200},       {"GSM-EFR", 12'200}, {"GSM-HR-08", 5'600}, {"iLBC", 15'200},
     {"AMR", 12'200},       {"AMR-WB", 23'850},  {"EVS", 128'000},     {"G726-40", 40'000},
     {"G726-32", 32'000},   {"G726-24", 24'000}, {"G726-16", 16'000},  {"LPC", 5'600},
     {"CLEARMODE", 64'000}, {"opus", 510'000}}};
constexpr std::array<std::string_view, 3> kHelpers{"telephone-event", "CN", "tone"};
// They repeat other packets' payload (RFC 2198, RFC 5109, RFC 4588).
constexpr std::array<std::string_view, 5> kRepeats{"red", "ulpfec", "flexfec", "parityfec", "rtx"};

bool is_one_of(std::string_view encoding, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view name) { return equal_nocase(encoding, name); });
}

std::uint32_t clocked_bps(const Format& format) {
  const bool is_linear = equal_nocase(format.encoding, "L16") || equal_nocase(format.encoding, "L24");
  const std::uint32_t bits = is_linear ? 24 : equal_nocase(format.encoding, "DVI4") ? 4 : 0;
  const std::uint64_t bps =
      std::uint64_t{format.clock_rate} * bits * std::max<std::uint8_t>(format.channels, 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bps, kVideo_bps));
}

std::uint32_t kind_bps(MediaKind kind) {
  return kind == MediaKind::audio ? kUnknownAudio_bps : kind == MediaKind::video ? kVideo_bps : kOther_bps;
}

std::uint64_t said_bps(const Stream& stream) {
  return std::max(std::uint64_t{stream.bandwidth.as_kbps} * 1000, std::uint64_t{stream.bandwidth.tias_bps});
}

std::uint32_t codec_packets(const Stream& offer, const Stream& answer) {
  std::uint32_t packet_ms = kLeastPacket_ms;
  for (const Stream* stream : {&offer, &answer}) {
    if (stream->ptime_ms != 0) packet_ms = std::min<std::uint32_t>(packet_ms, stream->ptime_ms);
  }
  return 1000 / packet_ms;
}

MediaRate with_headroom(std::uint64_t packets, std::uint64_t bytes) {
  constexpr std::uint64_t kMost = 0xffff'ffff;
  return {static_cast<std::uint32_t>(std::min<std::uint64_t>(packets * kHeadroom, kMost)),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes * kHeadroom, kMost))};
}

}  // namespace

std::uint32_t highest_bps(const Format& format, MediaKind kind) {
  if (is_one_of(format.encoding, kHelpers) || is_one_of(format.encoding, kRepeats)) return 0;
  if (const std::uint32_t bps = clocked_bps(format); bps != 0) return bps;
  const auto known = std::ranges::find_if(
      kCodecs, [&](const CodecRate& c) { return equal_nocase(c.encoding, format.encoding); });
  return known != kCodecs.end() ? known->bps : kind_bps(kind);
}

MediaRate media_rate(const Stream& offer, const Stream& answer, std::span<const Format* const> agreed) {
  const std::uint64_t said = std::max(said_bps(offer), said_bps(answer));
  if (offer.transport == Transport::udptl) {
    const std::uint64_t bps = std::max<std::uint64_t>(said, kFax_bps);
    return with_headroom(1000 / kLeastPacket_ms, bps / 8);
  }
  if (!offer.is_rtp())
    return said == 0 ? MediaRate{} : with_headroom(std::max<std::uint64_t>(said / 8 / 50, 50), said / 8);
  std::uint64_t bps = agreed.empty() ? kind_bps(offer.kind) : 0;
  bool repeats = false;
  for (const Format* format : agreed) {
    bps = std::max<std::uint64_t>(bps, highest_bps(*format, offer.kind));
    repeats |= is_one_of(format->encoding, kRepeats);
  }
  if (repeats) bps *= 2;
  bps = std::max(bps, said);
  const std::uint64_t of_codec = codec_packets(offer, answer);
  const std::uint64_t packets =
      offer.kind == MediaKind::audio ? of_codec : std::max<std::uint64_t>(of_codec, bps / 8 / kVideoPacket);
  return with_headroom(packets, bps / 8 + packets * kPacketOverhead);
}

}  // namespace sallyport::sdp

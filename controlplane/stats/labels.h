// SPDX-License-Identifier: Apache-2.0
// The bounded label values of metrics: a code or a method has a slot in a fixed set; all others share
// `other`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::stats {

// Peers and realms by their index in the configuration. Where there is none (an unknown source, a call
// without a route) the label is "none".
inline constexpr std::uint16_t kNone = 0xffff;

enum class Direction : std::uint8_t { in, out, kCount };
inline constexpr std::array<std::string_view, 2> kDirectionNames{"rx", "tx"};

// ---- codes
// ---------------------------------------------------------------------------------------------------------

inline constexpr std::uint16_t kKnownCodes[] = {
    100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 425, 428, 429,
    430, 433, 436, 437, 438, 439, 440, 469, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491,
    493, 494, 500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608};

using CodeSlot = std::uint8_t;
inline constexpr CodeSlot kOtherCode = std::size(kKnownCodes);
inline constexpr std::size_t kCodeSlots = kOtherCode + 1u;

namespace detail {
consteval std::array<CodeSlot, 700> make_code_slots() {
  std::array<CodeSlot, 700> slots{};
  slots.fill(kOtherCode);
  for (CodeSlot i = 0; i < kOtherCode; ++i) slots[kKnownCodes[i]] = i;
  return slots;
}
inline constexpr std::array<CodeSlot, 700> kCodeSlotOf = make_code_slots();
}  // namespace detail

[[nodiscard]] constexpr CodeSlot code_slot(unsigned code) {
  return code < detail::kCodeSlotOf.size() ? detail::kCodeSlotOf[code] : kOtherCode;
}
// 0 for the slot of all others.
[[nodiscard]] constexpr std::uint16_t slot_code(CodeSlot slot) {
  return slot < kOtherCode ? kKnownCodes[slot] : 0;
}

// ---- methods: the values of sip::Method, which this room does not see
// ----------------------------------------------

inline constexpr std::array<std::string_view, 16> kMethodNames{
    "other",  "other",   "ACK",   "BYE",     "CANCEL", "INFO",     "INVITE",    "MESSAGE",
    "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",  "REGISTER", "SUBSCRIBE", "UPDATE"};

// ---- private media
// -------------------------------------------------------------------------------------------------

enum class PrivateAction : std::uint8_t { latched, rejected, trusted, no_nat, kCount };
inline constexpr std::array<std::string_view, 4> kPrivateActionNames{"latched", "rejected", "trusted",
                                                                     "no_nat"};

// ---- silent media
// ------------------------------------------------------------------------------------------------

enum class MediaTimeout : std::uint8_t { idle, one_way, hold, kCount };
inline constexpr std::array<std::string_view, 3> kMediaTimeoutNames{"idle", "one_way", "hold"};
inline constexpr std::array<std::string_view, 2> kMediaTimeoutActions{"report", "end"};

}  // namespace sallyport::stats

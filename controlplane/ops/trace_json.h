// SPDX-License-Identifier: Apache-2.0
// Messages and media packets as the admin socket carries them: their octets in hexadecimal, since they need
// not be UTF-8.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "controlplane/trace/message.h"
#include "controlplane/trace/pcap.h"

namespace sallyport::ops {

[[nodiscard]] nlohmann::json message_json(const trace::Message& message);
[[nodiscard]] nlohmann::json packet_json(const trace::MediaPacket& packet);
// The same back; throws nlohmann::json::exception where a member is missing or of another type.
[[nodiscard]] trace::Message message_of(const nlohmann::json& value);
[[nodiscard]] trace::MediaPacket packet_of(const nlohmann::json& value);

// {"lines": [...], "messages": n, "left_out": n, "gone": n}
[[nodiscard]] nlohmann::json ladder_json(std::span<const trace::Message> messages);

}  // namespace sallyport::ops

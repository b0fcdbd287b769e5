// SPDX-License-Identifier: Apache-2.0
// What a session description of one call needs before it is offered in another.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::b2bua {

// How many m= lines it has.
[[nodiscard]] std::size_t stream_count(std::string_view sdp);

// Nobody is on hold any more: without a=sendonly, a=recvonly and a=inactive (sendrecv is the default, RFC
// 8866 6.7).
[[nodiscard]] std::string without_hold(std::string_view sdp);

// With as many m= lines as `told` has, the further ones of its kind and with port 0: an offer to whoever was
// told that has no fewer than before (RFC 3264 8).
[[nodiscard]] std::string with_streams_of(std::string sdp, std::string_view told);

}  // namespace sallyport::b2bua

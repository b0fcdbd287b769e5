// SPDX-License-Identifier: Apache-2.0
// What a message carries beside its header: a session description, alone or in a multipart body whose other
// parts cross whole.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/sip/message.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

// `sdp`: a session description, or a multipart with one in it.
enum class Body { none, sdp, other };
[[nodiscard]] Body body_kind(const sip::MessageView& message);

// The session description; empty where body_kind() is not sdp.
[[nodiscard]] std::string_view session_description(const sip::MessageView& message);

// True when the body of a request that has nothing to do with the session may go on as it is: a session
// description, alone or in a multipart, would cross unread.
[[nodiscard]] bool crosses_whole(const sip::MessageView& message);

// The body of `message` with `sdp` in the place of its session description, and the Content-Type of that.
[[nodiscard]] std::string with_session_description(const sip::MessageView& message, std::string sdp);
// Both: the lines of the content, and the body: `sdp` and the other parts of `message`, which need not have
// brought a description. Without `sdp` the others cross alone; what of it is no session crosses as in
// crosses_whole().
[[nodiscard]] std::string write_session(const sip::MessageView& message, std::string sdp,
                                        sip::HeaderWriter& out);
// The same for a description that came in `brought`; nullptr: it is ours, and stands alone.
[[nodiscard]] std::string write_session(const sip::MessageView* brought, std::string_view sdp,
                                        sip::HeaderWriter& out);
void write_body_type(const sip::MessageView& message, sip::HeaderWriter& out);

}  // namespace sallyport::b2bua

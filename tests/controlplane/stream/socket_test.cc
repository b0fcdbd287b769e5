// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace sallyport::stream {
namespace {

int mark_of(int fd, bool v4) {
  int mark = -1;
  socklen_t length = sizeof(mark);
  EXPECT_EQ(::getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &mark, &length), 0);
  return mark;
}

TEST(Socket, Marks_what_is_opened_and_what_is_accepted) {
  for (const char* text : {"127.0.0.1", "::1"}) {
    const IpAddress address = *IpAddress::parse(text);
    auto listener = listen_on({address, 0}, 24);
    if (!listener && address.is_v6()) continue;  // a host without IPv6
    ASSERT_TRUE(listener);
    const auto opened = connect_from(address, local_endpoint(listener->get()), 26);
    ASSERT_TRUE(opened);
    pollfd waits{listener->get(), POLLIN, 0};
    ASSERT_EQ(::poll(&waits, 1, 5000), 1);
    const auto accepted = accept_from(listener->get());
    ASSERT_TRUE(accepted);
    EXPECT_EQ(mark_of(opened->get(), address.is_v4()), 26 << 2);
    EXPECT_EQ(mark_of(accepted->fd.get(), address.is_v4()), 24 << 2);
  }
}

}  // namespace
}  // namespace sallyport::stream

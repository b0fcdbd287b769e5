// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

#include "dataplane/dataplane.h"

namespace sallyport::dp {

ShardDoorbell::ShardDoorbell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

ShardDoorbell::~ShardDoorbell() {
  ::close(fd_);
}

// The exchange is a full barrier: either we see that the sleeper announced itself after our push, or its
// second look at the rings sees the push.
void ShardDoorbell::wake() {
  if (!sleeping_.exchange(false)) return;
  const std::uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof(one));
}

void ShardDoorbell::prepare_sleep() {
  sleeping_.exchange(true);
}

void ShardDoorbell::wait(Nanoseconds timeout_ns, int also) {
  pollfd waited[2]{{fd_, POLLIN, 0}, {also, POLLIN, 0}};  // the kernel passes over a negative one
  const timespec timeout{static_cast<time_t>(timeout_ns / kSecond), static_cast<long>(timeout_ns % kSecond)};
  if (::ppoll(waited, 2, timeout_ns < 0 ? nullptr : &timeout, nullptr) > 0 && waited[0].revents != 0) {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof(count));
  }
  sleeping_.store(false);
}

// A bell that rang in between stays in the eventfd: the next wait returns at once, which does no harm.
void ShardDoorbell::cancel_sleep() {
  sleeping_.store(false);
}

}  // namespace sallyport::dp

// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "controlplane/config/read.h"

namespace sallyport::config {

namespace {
constexpr std::array kRefreshers{std::pair<std::string_view, RefreshBy>{"auto", RefreshBy::automatic},
                                 std::pair<std::string_view, RefreshBy>{"us", RefreshBy::us},
                                 std::pair<std::string_view, RefreshBy>{"them", RefreshBy::them}};
}  // namespace

void read_session_timers(MapReader& reader, SessionTimers& timers) {
  const auto value = reader.get("session_timer");
  if (!value) return;
  MapReader map(*value);
  map.duration_or_off("expires", timers.expires_ns, 90 * kSecond, kDay);
  map.duration("min_se", timers.min_se_ns, 90 * kSecond, kDay);
  map.choice<RefreshBy>("refresher", timers.refresher, kRefreshers);
  map.finish();
  if (timers.expires_ns != 0 && timers.expires_ns < timers.min_se_ns) {
    value->fault("expires is below min_se");
  }
}

}  // namespace sallyport::config

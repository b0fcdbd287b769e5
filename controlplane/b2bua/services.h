// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "controlplane/b2bua/counted_maps.h"
#include "controlplane/b2bua/join_message.h"
#include "controlplane/config/config.h"
#include "controlplane/media/media_session.h"
#include "controlplane/media/port_allocator.h"
#include "controlplane/policy/admission.h"
#include "controlplane/policy/unknown_sources.h"
#include "controlplane/routing/peer_health.h"
#include "controlplane/routing/peer_table.h"
#include "controlplane/routing/router.h"
#include "controlplane/sip/buffer_pool.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/stats/call_record.h"
#include "controlplane/stats/shard_statistics.h"
#include "controlplane/trace/recorder.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::b2bua {

// The rooms that a shard's calls use. All belong to the shard, or never change; all outlive the call manager.
// A reload exchanges what `config` and `maps` refer to between two turns: nothing may be kept of them.
struct Services {
  const config::Config& config;
  const routing::PeerTable& peers;
  const routing::Router& router;
  CountedMaps maps;
  routing::PeerHealth& health;
  policy::Admission& admission;
  policy::UnknownSources& unknown_sources;
  sip::TimerWheel& wheel;
  sip::BufferPool& buffers;
  const steer::IdentifierCodec& codec;
  media::PortAllocator& ports;
  const media::OpenPorts& open_ports;
  media::FlowCommandSink& flows;
  stats::ShardStatistics& statistics;
  stats::RecordSink* records = nullptr;        // null: none are written
  OtherShards* others = nullptr;               // null: there are none
  trace::Recorder* recorder = nullptr;         // null: no messages are kept
  Nanoseconds (*wall_clock)() = &wall_now_ns;  // for the instants of records only
  std::uint64_t seed = 0;                      // for chance: weights, session identifiers
  std::uint8_t shard = 0;
  std::uint8_t workers = 1;
};

}  // namespace sallyport::b2bua

// SPDX-License-Identifier: Apache-2.0
// The families of the interface, by where their numbers stand. Each appends to `out`.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "controlplane/ops/metrics.h"

namespace sallyport::ops {

using MetricFamilies = std::vector<prometheus::MetricFamily>;

// Of the shards' statistics: calls_*, sip_requests and _responses, responses_mapped_total,
// response_map_rule_hits_total, private_media_total.
void collect_calls(const Labels& labels, const Sources& sources, MetricFamilies& out);
void collect_sip(const Labels& labels, const Sources& sources, MetricFamilies& out);
// Of the workers: dataplane_*, media_*.
void collect_ports(const Labels& labels, const Sources& sources, MetricFamilies& out);
void collect_media(const Labels& labels, const Sources& sources, MetricFamilies& out);
// Of the shards as such: peers, transactions, lag, rings.
void collect_shards(const Labels& labels, const Sources& sources, MetricFamilies& out);
// SIP over TCP and TLS: stream_*.
void collect_stream(const Labels& labels, const Sources& sources, MetricFamilies& out);
// Of the resolver: dns_*.
void collect_names(const Labels& labels, const Sources& sources, MetricFamilies& out);
// What is kept and copied of messages and media: trace_*, hep_*.
void collect_trace(const Labels& labels, const Sources& sources, MetricFamilies& out);
// Records, memory, build_info.
void collect_process(const Labels& labels, const Sources& sources, MetricFamilies& out);

}  // namespace sallyport::ops

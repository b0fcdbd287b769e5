// SPDX-License-Identifier: Apache-2.0
// The families of the interface, by where their numbers stand. Each appends to `out`.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "controlplane/ops/metrics.h"

namespace sallyport::ops {

using MetricFamilies = std::vector<prometheus::MetricFamily>;

// Of the shards: calls_*, sip_*, responses_mapped_total, private_media_total, the histograms.
void collect_calls(const Labels& labels, const Sources& sources, MetricFamilies& out);
void collect_sip(const Labels& labels, const Sources& sources, MetricFamilies& out);
// Of the workers: dataplane_*, media_*.
void collect_ports(const Labels& labels, const Sources& sources, MetricFamilies& out);
void collect_media(const Labels& labels, const Sources& sources, MetricFamilies& out);
// ring_full_total, build_info, and what keeps the rest honest (extensions of the interface).
void collect_process(const Labels& labels, const Sources& sources, MetricFamilies& out);

}  // namespace sallyport::ops

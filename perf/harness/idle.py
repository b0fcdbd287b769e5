# SPDX-License-Identifier: Apache-2.0
"""The idle sleep of a worker: what share of a core it uses, and how long the first packet waits, for several sleeps."""
import math

from . import build

TARGETS = ["idle_bench"]
SHIPPED = {"none": 800, "flows": 40}  # microseconds, as dataplane/worker_context.h has them
SLEEPS = [5, 10, 20, 40, 80, 200, 400, 800, 1600]


def _quantile(samples, share):
    return sorted(samples)[min(len(samples) - 1, math.ceil(share * len(samples)) - 1)]


def _run(sleep, state, packets):
    series = build.series([build.binary("idle_bench"), sleep, sleep, state, packets, 1])
    return series["core_percent"][0], _quantile(series["delay_us"], 0.5), _quantile(series["delay_us"], 0.99)


def run(book, short, profile):
    del profile
    packets, rounds = (200, 3) if short else (2_000, 7)
    for state, shipped in SHIPPED.items():
        what = "no flow" if state == "none" else "a flow active"
        percent, p99 = [], []
        for _ in range(rounds):
            share, _, slowest = _run(shipped, state, packets)
            percent.append(share)
            p99.append(slowest)
        if state == "none":
            book.limit("idle: share of a core, no flow", "%", percent, "under 5%", most=5)
            book.limit("idle: delay of the first packet, p99", "us", p99, "at most 1,000 us", most=1000)
        else:
            book.figure(f"idle: share of a core, {what}", "%", percent)
            book.figure(f"idle: delay of a packet, {what}, p99", "us", p99)
        rows = [[sleep, *_run(sleep, state, packets)] for sleep in SLEEPS if not short or sleep in (10, 40, 200, 800)]
        book.curve(f"idle: sleep against delay, {what}", ["sleep us", "core %", "p50 us", "p99 us"], rows)

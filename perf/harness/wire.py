# SPDX-License-Identifier: Apache-2.0
"""The relay through real interfaces (AF_XDP on veth), beside rtpengine and testpmd with the same sender and receiver."""
import os
import pathlib
import statistics
import tempfile

from . import between, build, hosts

TARGETS = ["media_load", "sallyport"]
CALLS = 4_000           # 8,000 streams: 50 packets a second each at 400,000
FIRST, STEP, HALVINGS = 20_000, 1.6, 3
RATES = [5_000, 50_000]  # of the comparison of cost
COST_CALLS = 500
GROUPS = [("kernel: send and receive", ["[k]", "sys_", "xsk_", "napi", "softirq", "skb", "veth", "copy"]),
          ("AF_XDP device", ["librte_net_af_xdp", "af_xdp", "xsk", "libxdp", "libbpf"]),
          ("packet pool", ["mempool", "pktmbuf", "ring_mp", "common_ring"]),
          ("relay", ["Relay::", "WayOut", "RtpStatistics"]),
          ("burst loop", ["Turn::poll_port", "Turn::dispatch", "view_", "classify"]),
          ("turn, scan, clock", ["Turn::", "Worker::", "FlowKeeper", "FlowEvents", "clock", "vdso"])]
BUSY = ("dataplane_cycles_total", 'state="busy"')
LATENCY_CALLS, LATENCY_PPS = 50, 5_000  # 100 streams of 50 packets a second
TRIES = 4               # of the rate with 20,000 calls held, each a fifth lower


def busy_seconds():
    """Of all cores, since boot: everything that is not idle or stolen."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def write_streams(system, folder, calls):
    path = pathlib.Path(folder) / f"{system.name.replace(' ', '-')}.streams"
    with open(path, "w", encoding="ascii") as file:
        for side, *words in system.streams(calls):
            print(side, *words, system.macs[side], file=file)
    return path


def load(system, streams, rate, seconds, warm=0):
    """One run of media_load; what it printed, and the machine's busy seconds in it."""
    before = busy_seconds()
    series = build.series([build.binary("media_load"), "--near", system.near, "--far", system.far, "--streams", streams,
                           "--rate", round(rate), "--seconds", seconds, "--warm", warm, "--core", 0])
    result = {name: samples[0] for name, samples in series.items()}
    result["busy_us"] = (busy_seconds() - before) / result["sent"] * 1e6
    return result


class _Trials:
    """Runs at one rate after the other. rtpengine's sockets stay dead after an overload: it is started again."""

    def __init__(self, make, folder, seconds):
        self.make, self.folder, self.seconds = make, folder, seconds
        self.system = self.streams = None

    def _fresh(self):
        self.close()
        self.system = self.make(self.folder)
        self.streams = write_streams(self.system, self.folder, CALLS)
        load(self.system, self.streams, 20_000, 0.3, warm=5)

    def passes(self, rate):
        """What the sender reached without loss, 0 with; twice, as what the machine does beside may cost a packet."""
        for _ in range(2):
            if self.system is None:
                self._fresh()
            result = load(self.system, self.streams, rate, self.seconds)
            if result["lost"] <= 0:
                return result["pps"]
            if self.make is between.Rtpengine:
                self.close()
        return 0

    def close(self):
        if self.system is not None:
            self.system.close()
            self.system = None


def lossless(make, folder, top, seconds):
    """The highest rate without loss: steps until one loses, then between the last two. `top`: the sender's own."""
    trials = _Trials(make, folder, seconds)
    best, good, lost = 0.0, 0.0, None
    try:
        rate = FIRST
        while lost is None:
            reached = trials.passes(rate if rate < top else 0)
            if reached and rate >= top:
                return reached
            if reached:
                best, good = reached, rate
                rate *= STEP
            else:
                lost = min(rate, top)
        for _ in range(HALVINGS if good else 0):
            rate = (good + lost) / 2
            reached = trials.passes(rate)
            if reached:
                best, good = reached, rate
            else:
                lost = rate
    finally:
        trials.close()
    return best


def _rate_part(book, folder, short):
    seconds, rounds = (1.0, 1) if short else (2.0, 5)
    rates = {system: [] for system in (between.Straight, between.Testpmd, between.Rtpengine, between.Sallyport)}
    for _ in range(rounds):
        with between.Straight(folder) as straight:
            streams = write_streams(straight, folder, CALLS)
            top = load(straight, streams, 0, seconds)["pps"]
        rates[between.Straight].append(top)
        for make in (between.Testpmd, between.Rtpengine, between.Sallyport):
            rates[make].append(lossless(make, folder, top, seconds))
    for make, samples in rates.items():
        what = "highest rate of the sender" if make is between.Straight else "highest rate without loss"
        book.figure(f"wire: {make.name}, {what}", "kpps", [rate / 1000 for rate in samples])
    if min(rates[between.Testpmd]) == 0:
        raise build.Failure(f"testpmd itself loses packets at {FIRST:,} a second: this machine is too busy")
    book.ratio("wire: loss-free rate / testpmd's", rates[between.Sallyport], rates[between.Testpmd], "at least 1",
               least=0.97, unit="pps")  # the halving's width
    book.ratio("wire: loss-free rate / the sender's highest", rates[between.Sallyport], rates[between.Straight], unit="pps")
    if min(rates[between.Rtpengine]) > 0:
        book.ratio("wire: loss-free rate / rtpengine's", rates[between.Sallyport], rates[between.Rtpengine], unit="pps")


def _cost(make, folder, rate, seconds, base):
    """(microseconds, and of ours the worker's busy cycles) a packet."""
    with make(folder) as system:
        streams = write_streams(system, folder, COST_CALLS)
        load(system, streams, 10_000, 0.3, warm=5)
        ours = make is between.Sallyport
        before = system.metric(*BUSY) if ours else 0
        result = load(system, streams, rate, seconds)
        cycles = (system.metric(*BUSY) - before) / result["sent"] if ours else 0
    return result["busy_us"] - base, cycles


def _profile(folder, rate, seconds):
    """Of our worker's thread at that rate, the kernel's part of it with it."""
    with between.Sallyport(folder) as system:
        streams = write_streams(system, folder, COST_CALLS)
        load(system, streams, 10_000, 0.3, warm=5)
        return build.profile_of(system.process.pid, seconds, lambda: load(system, streams, rate, seconds), GROUPS,
                                thread="worker")


def _cost_part(book, folder, short, profile):
    """The machine's busy time a packet, less that of a run of the sender and the receiver alone."""
    seconds, rounds = (2.0, 1) if short else (5.0, 5)
    for rate in RATES:
        cost = {make: [] for make in (between.Testpmd, between.Rtpengine, between.Sallyport)}
        bases, cycles = [], []
        for _ in range(rounds):
            with between.Straight(folder) as straight:
                bases.append(load(straight, write_streams(straight, folder, COST_CALLS), rate, seconds)["busy_us"])
            for make, samples in cost.items():
                microseconds, own = _cost(make, folder, rate, seconds, bases[-1])
                samples.append(microseconds)
                if own:
                    cycles.append(own)
        book.figure(f"wire, {rate:,}/s: sender and receiver", "us a packet", bases)
        for make, samples in cost.items():
            book.figure(f"wire, {rate:,}/s: {make.name}", "us a packet", samples)
        book.figure(f"wire, {rate:,}/s: sallyport's worker, busy", "cycles a packet", cycles)
        book.ratio(f"wire, {rate:,}/s: CPU a packet / rtpengine's", cost[between.Sallyport], cost[between.Rtpengine],
                   "at most 0.33" if rate == RATES[-1] else None, most=1 / 3 if rate == RATES[-1] else None, unit="us")
        if profile and rate == RATES[-1]:
            book.profile(f"wire, {rate:,}/s, sallyport's worker", _profile(folder, rate, seconds), statistics.median(cycles))


def _latency_part(book, folder, short):
    seconds, rounds = (1.5, 3) if short else (4.0, 7)
    systems = (between.Testpmd, between.Rtpengine, between.Sallyport)
    delays = {make: {"p50_us": [], "p99_us": []} for make in systems}
    for _ in range(rounds):
        for make in systems:
            with make(folder) as system:
                streams = write_streams(system, folder, LATENCY_CALLS)
                result = load(system, streams, LATENCY_PPS, seconds, warm=10)
            for name, samples in delays[make].items():
                samples.append(result[name])
    for make, series in delays.items():
        for name, samples in series.items():
            book.figure(f"wire, 100 streams of 50/s: {make.name}, {name[:3]}", "us", samples)
    for name, most in (("p50_us", 1.2), ("p99_us", 1.5)):
        # Medians of interleaved runs, as one run's tail is the machine's.
        ours, testpmds = ([statistics.median(delays[make][name])] for make in (between.Sallyport, between.Testpmd))
        book.ratio(f"wire: {name[:3]} / testpmd's, of medians", ours, testpmds, f"at most {most}", most=most, unit="us")
    book.ratio("wire: p99 / rtpengine's", delays[between.Sallyport]["p99_us"], delays[between.Rtpengine]["p99_us"], unit="us")


def _setup_ms(system, count):
    """INVITE to 200 of so many calls, one after the other."""
    first = system.first
    system.first += count
    system.calls.place(first, count, window=1)
    return [system.calls.setup_s[call] * 1000 for call in range(first, first + count)]


def _held_part(book, folder, short):
    """Calls held while their media flows at the highest rate, and more calls set up meanwhile."""
    held, extra, seconds = (2_000, 100, 2.0) if short else (20_000, 500, 10.0)
    with between.Sallyport(folder) as system:
        system.streams(extra)  # what is used for the first time
        quiet = _setup_ms(system, extra)
        streams = write_streams(system, folder, held - 2 * extra)
        load(system, streams, 20_000, 0.2, warm=5)
        with between.Straight(folder) as straight:
            top = load(straight, write_streams(straight, folder, held), 0, 1.0)["pps"]
        rate = top
        with between.Served(system.calls):
            for _ in range(TRIES):
                result = load(system, streams, rate, seconds)
                if result["lost"] == 0:
                    break
                rate = result["pps"] * 0.8
        ended = len(system.calls.ended)
        busy = _setup_ms(system, extra)
        active = system.metric("calls_active")
    book.figure(f"held: {held:,} calls, their media", "kpps", [result["pps"] / 1000])
    book.limit("held: packets lost", "", [result["lost"]], "0", most=0)
    book.limit("held: calls ended", "", [float(ended)], "0", most=0)
    book.limit("held: calls active / set up, at the end", "", [active / (held + extra)], "1", least=1, most=1)
    book.figure("held: set-up with none held", "ms", quiet)
    book.figure(f"held: set-up with {held:,} held", "ms", busy)
    book.limit("held: median set-up, held / none held", "", [statistics.median(busy) / statistics.median(quiet)],
               "at most 1.1", most=1.1)


def run(book, short, profile):
    with hosts.up(), tempfile.TemporaryDirectory(prefix="sallyport-perf-") as folder:
        _latency_part(book, folder, short)
        _cost_part(book, folder, short, profile)
        _rate_part(book, folder, short)
        _held_part(book, folder, short)

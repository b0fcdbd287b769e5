# SPDX-License-Identifier: Apache-2.0
"""RTP relay beside dpdk-testpmd on the same frames, run in turn; one worker, and two."""
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from . import build

TARGETS = ["relay_bench"]
FILES = {"1,000 flows": (1_000, "ordered"), "200,000 flows, random order": (200_000, "shuffled")}
MODES = ["io", "5tswap", "csum"]
GROUPS = [("pcap device", ["librte_net_pcap", "eth_pcap", "eth_tx_drop"]),
          ("packet pool", ["mempool", "pktmbuf", "ring_mp", "common_ring"]),
          ("read headers, classify", ["Turn::look", "view_", "classify"]),
          ("wait for flows", ["Turn::fetch"]),
          ("source, police, RTP", ["Relay::arrive", "Relay::accept", "sanity", "RtpStatistics", "read_rtp"]),
          ("headers out", ["Relay::", "WayOut", "write_headers", "write_udp", "link"]),
          ("tx queue, accounts", ["TxQueues", "Accounts"]),
          ("hand-off", ["Handoff", "poll_handoff"]),
          ("burst loop", ["Turn::poll_port", "Turn::dispatch", "Turn::to_media"]),
          ("turn, scan, clock", ["Turn::", "Worker::", "FlowKeeper", "FlowEvents", "clock", "vdso"])]


def _free_hugepage_megabytes():
    base = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    return int(base.read_text()) * 2 if base.exists() else 0


def _testpmd_command(paths, flows, mode):
    megabytes = flows // 300 + 256  # as relay_bench
    huge = _free_hugepage_megabytes() >= megabytes
    megabytes *= 1 if huge else 2
    memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
    cores = len(paths)
    lcores = "0@1,1@0" if cores == 1 else "0@1,1@0,2@0"  # the last one is the main lcore, which only listens
    device = ",".join(["net_pcap0", *(f"rx_pcap={path}" for path in paths), "infinite_rx=1"])
    return ["dpdk-testpmd", f"--lcores={lcores}", f"--main-lcore={cores}", *memory, "-m", str(megabytes), "--no-pci",
            "--no-telemetry", "--log-level=4", "--vdev", device, "--", "-i",
            f"--forward-mode={mode}", f"--total-num-mbufs={flows * 5 // 4 + 16_383}", f"--nb-cores={cores}",
            f"--rxq={cores}", f"--txq={cores}",
            "--port-topology=loop", "--no-flush-rx", "--record-core-cycles"]


def _say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def testpmd(paths, flows, mode, seconds):
    """(Mpps, cycles a packet), by testpmd's own counters; a core for each file."""
    with subprocess.Popen(_testpmd_command(paths, flows, mode), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        time.sleep(1.0)
        _say(process, "start")
        time.sleep(0.3 * seconds)
        _say(process, "show port stats 0")
        time.sleep(seconds)
        _say(process, "show port stats 0\nstop\nquit")
        output, _ = process.communicate(timeout=60)
    rates = [int(rate) for rate in re.findall(r"Rx-pps:\s+(\d+)", output)]
    cycles = re.search(r"CPU cycles/packet=([\d.]+)", output)
    if len(rates) < 2 or not cycles:
        raise build.Failure(f"dpdk-testpmd {mode} gave no figures:\n" + "\n".join(output.splitlines()[-15:]))
    return rates[-1] / 1e6, float(cycles.group(1))


def _measure(path, flows, rounds, seconds):
    mpps = {name: [] for name in [*MODES, "sallyport"]}
    cycles = {name: [] for name in mpps}
    for _ in range(rounds):
        for mode in MODES:
            rate, cost = testpmd([path], flows, mode, seconds)
            mpps[mode].append(rate)
            cycles[mode].append(cost)
        series = build.series([build.binary("relay_bench"), "run", flows, seconds, path, 1])
        mpps["sallyport"] += series["mpps"]
        cycles["sallyport"] += series["cycles_per_packet"]
    return mpps, cycles


def _two_workers(book, folder, seconds, rounds):
    """Two queues: each worker's own flows on its own, then each on the other's, so that every packet is handed off."""
    flows, bench = 1_000, build.binary("relay_bench")
    halves = [pathlib.Path(folder) / f"worker{worker}.pcap" for worker in (0, 1)]
    for worker, path in enumerate(halves):
        subprocess.run([bench, "write", str(path), str(flows), "ordered", str(worker)], check=True)
    whole = pathlib.Path(folder) / "ordered.pcap"  # all flows are its own there
    runs = {"one worker": [whole, 1], "two workers, steered": [halves[0], 1, halves[1], 0],
            "two workers, every packet handed off": [halves[1], 1, halves[0], 0]}
    ours = {name: {"mpps": [], "cycles_per_packet": []} for name in runs}
    peer = {1: [], 2: []}
    for _ in range(rounds):
        for cores, rates in peer.items():
            rates.append(testpmd(halves[:cores], flows, "5tswap", seconds)[0])
        for name, places in runs.items():
            series = build.series([bench, "run", flows, seconds, *places])
            if name == "two workers, steered" and series["all_relayed"] != [1.0]:
                raise build.Failure("relay_bench: packets were not relayed by two workers")
            for key, samples in ours[name].items():
                samples += series[key]
    for cores, rates in peer.items():
        book.figure(f"workers: testpmd 5tswap, {cores} core{'s' * (cores > 1)}", "Mpps", rates)
    for name, series in ours.items():
        book.figure(f"workers: {name}", "Mpps", series["mpps"])
        book.figure(f"workers: {name}", "cycles a packet", series["cycles_per_packet"])
    one, steered, handed = (ours[name] for name in runs)
    gain = [two / single for two, single in zip(steered["mpps"], one["mpps"])]
    book.ratio("workers: gain, steered / testpmd's gain", gain, [b / a for a, b in zip(peer[1], peer[2])],
               "at least 0.9", least=0.9, unit="times one core's rate")
    book.ratio("workers: rate, handed off / steered", handed["mpps"], steered["mpps"], unit="Mpps")
    book.figure("workers: cost of a hand-off", "cycles a packet",
                [a - b for a, b in zip(handed["cycles_per_packet"], steered["cycles_per_packet"])])


def run(book, short, profile):
    seconds, rounds = (0.5, 3) if short else (3.0, 7)
    own_cost = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (flows, order) in FILES.items():
            path = pathlib.Path(folder) / f"{order}.pcap"
            subprocess.run([build.binary("relay_bench"), "write", str(path), str(flows), order], check=True)
            mpps, cycles = _measure(path, flows, rounds, seconds)
            for who in mpps:
                book.figure(f"relay, {name}: {who}", "Mpps", mpps[who])
            for who in cycles:
                book.figure(f"relay, {name}: {who}", "cycles a packet", cycles[who])
            small = flows == 1_000
            least = 0.5 if small else 0.35
            book.ratio(f"relay, {name}: rate / 5tswap", mpps["sallyport"], mpps["5tswap"], f"at least {least}",
                       least=least, unit="Mpps")
            book.ratio(f"relay, {name}: rate / csum", mpps["sallyport"], mpps["csum"],
                       "more than 1" if small else None, least=1 if small else None, unit="Mpps")
            own_cost[name] = [a - b for a, b in zip(cycles["sallyport"], cycles["io"])]
            book.figure(f"relay, {name}: ours less io", "cycles a packet", own_cost[name])
            if profile:
                command = [build.binary("relay_bench"), "run", flows, 2 * seconds, path, 1]
                book.profile(f"relay, {name}", build.profile(command, GROUPS, thread="worker"),
                             statistics.median(cycles["sallyport"]))
        _two_workers(book, folder, seconds, rounds)
    small, large = own_cost.values()
    book.ratio("relay: (ours less io) at 200,000 / at 1,000", large, small, "at most 1.5", most=1.5,
               unit="cycles a packet")

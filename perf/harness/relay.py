# SPDX-License-Identifier: Apache-2.0
"""RTP relay beside dpdk-testpmd on the same frames, run in turn."""
import pathlib
import re
import subprocess
import tempfile
import time

from . import build

TARGETS = ["relay_bench"]
FILES = {"1,000 flows": (1_000, "ordered"), "200,000 flows, random order": (200_000, "shuffled")}
MODES = ["io", "5tswap", "csum"]
GROUPS = [("pcap device, rx", ["eth_pcap_rx", "memcpy", "memmove"]),
          ("pcap device, tx and pool", ["eth_tx_drop", "mempool", "pktmbuf_free", "ring_mp", "common_ring"]),
          ("read headers, classify", ["view_packet", "classify", "LocalTable", "Turn::look", "media_kind"]),
          ("flow, source, police, rewrite", ["Relay::"]),
          ("RTP", ["read_rtp", "RtpStatistics"]),
          ("headers out", ["write_headers", "write_udp", "checksum"]),
          ("tx queue, accounts", ["TxQueues", "Accounts"]),
          ("loop", ["Turn::", "Worker::", "FlowKeeper", "clock", "vdso"])]


def _free_hugepage_megabytes():
    base = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    return int(base.read_text()) * 2 if base.exists() else 0


def _testpmd_command(path, flows, mode):
    megabytes = flows // 400 + 128
    huge = _free_hugepage_megabytes() >= megabytes
    memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
    return ["dpdk-testpmd", "--lcores=0@1,1@0", "--main-lcore=1", *memory, "-m", str(megabytes), "--no-pci",
            "--no-telemetry", "--log-level=4", "--vdev", f"net_pcap0,rx_pcap={path},infinite_rx=1", "--", "-i",
            f"--forward-mode={mode}", f"--total-num-mbufs={flows * 5 // 4 + 16_383}", "--nb-cores=1",
            "--port-topology=loop", "--no-flush-rx", "--record-core-cycles"]


def _say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def testpmd(path, flows, mode, seconds):
    """(Mpps, cycles a packet), by testpmd's own counters."""
    with subprocess.Popen(_testpmd_command(path, flows, mode), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
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
            rate, cost = testpmd(path, flows, mode, seconds)
            mpps[mode].append(rate)
            cycles[mode].append(cost)
        series = build.series([build.binary("relay_bench"), "run", path, flows, seconds, 1])
        mpps["sallyport"] += series["mpps"]
        cycles["sallyport"] += series["cycles_per_packet"]
    return mpps, cycles


def run(book, short, profile):
    seconds, rounds = (1.0, 3) if short else (3.0, 7)
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
                       least=least)
            book.ratio(f"relay, {name}: rate / csum", mpps["sallyport"], mpps["csum"],
                       "more than 1" if small else None, least=1 if small else None)
            own_cost[name] = [a - b for a, b in zip(cycles["sallyport"], cycles["io"])]
            book.figure(f"relay, {name}: ours less io", "cycles a packet", own_cost[name])
            if profile:
                command = [build.binary("relay_bench"), "run", path, flows, 2 * seconds, 1]
                book.profile(f"relay, {name}, by sampling", build.profile(command, GROUPS))
    small, large = own_cost.values()
    book.ratio("relay: (ours less io) at 200,000 / at 1,000", large, small, "at most 1.5", most=1.5)

# SPDX-License-Identifier: Apache-2.0
"""SIPp as caller and callee: one run at one rate, a ramp, and the highest rate that keeps every call answered."""
import csv
import math
import pathlib
import struct
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field

from .failure import Failure

SCENARIOS = pathlib.Path(__file__).resolve().parents[1] / "sipp"
RETRANSMITTED_MOST = 0.01  # of the calls
LINGER_S = 5               # for the last calls of a run: one that is not over then was retransmitted, so the run is no good


@dataclass
class Side:
    """Where a SIPp runs: its address, and what stands before the command (a namespace, a core)."""
    address: str
    port: int = 5060
    prefix: list = field(default_factory=list)


@dataclass
class Point:
    """What a run at one rate has shown."""
    offered: float
    placed: int
    answered: int
    retransmitted: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    reached: float  # calls a second that were really placed
    cpu: dict = field(default_factory=dict)  # share of a core, by process

    @property
    def good(self):
        return (self.placed > 0 and self.answered == self.placed and
                self.retransmitted < RETRANSMITTED_MOST * self.placed and self.reached >= 0.95 * self.offered)


def voice(path, seconds):
    """A capture of G.711 in 20 ms packets, for SIPp's play_pcap_audio: only its RTP is used."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n in range(max(1, int(seconds * 50))):
            rtp = struct.pack("!BBHII", 0x80, 8, n & 0xFFFF, 160 * n, 0x5A11) + bytes((0xD5 ^ (n + i) & 0x7F) for i in range(160))
            udp = struct.pack("!HHHH", 6000, 6000, 8 + len(rtp), 0) + rtp
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), n & 0xFFFF, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
            frame = bytes(12) + b"\x08\x00" + ip
            file.write(struct.pack("<IIII", n // 50, n % 50 * 20_000, len(frame), len(frame)) + frame)


def _scenario(name, folder, rtp):
    text = (SCENARIOS / f"{name}.xml").read_text()
    if rtp:
        text = text.replace("<!-- RTP -->", f'<nop><action><exec play_pcap_audio="{rtp}"/></action></nop>')
    path = pathlib.Path(folder) / f"{name}.xml"
    path.write_text(text)
    return path


def _command(side, scenario, *words):
    return [*side.prefix, "sipp", "-sf", scenario, "-i", side.address, "-p", side.port, "-mi", side.address, "-nostdin",
            "-buff_size", 8 << 20, "-recv_timeout", 10_000, "-default_behaviors", "all,-bye", *words]


class Callee:
    """Answers after `ring_ms` until it is closed."""

    def __init__(self, side, folder, ring_ms=30, rtp=None):
        self.command = _command(side, _scenario("callee", folder, rtp), "-d", ring_ms, "-l", 100_000)
        self.output = pathlib.Path(folder) / "callee.out"
        self.process = None
        self.restart()

    def restart(self):
        self.close()
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(list(map(str, self.command)), stdout=output, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, cwd=self.output.parent)
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise Failure("the callee did not start:\n" + self.output.read_text(errors="replace")[-500:])

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()  # it would wait for calls that nobody will end
            self.process.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _last_row(path):
    with open(path, newline="", encoding="ascii", errors="replace") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return rows[-1] if rows else {}


def _answers(folder):
    """(milliseconds from INVITE to 200, in order; calls a second that were placed, by the times of those INVITEs)"""
    delays, placed = [], []
    for path in pathlib.Path(folder).glob("*_rtt.csv"):
        with open(path, encoding="ascii", errors="replace") as file:
            for row in csv.reader(file, delimiter=";"):
                try:
                    at, delay = float(row[0]), float(row[1])
                except (ValueError, IndexError):
                    continue
                delays.append(delay)
                placed.append(at - delay)
    span = (max(placed) - min(placed)) / 1000 if len(placed) > 1 else 0
    return sorted(delays), (len(placed) - 1) / span if span else 0.0


def _quantile(times, share):
    return times[min(len(times) - 1, math.ceil(share * len(times)) - 1)] if times else 0.0


def call(side, target, rate, seconds, hold_ms=150, rtp=None, user="9", watch=None):
    """Places rate * seconds calls. `watch(caller's pid)`: called before and after, gives CPU seconds by process."""
    calls = max(1, round(rate * seconds))
    with tempfile.TemporaryDirectory(prefix="perf-sipp-") as folder:
        statistics = pathlib.Path(folder) / "statistics.csv"
        command = _command(side, _scenario("caller", folder, rtp), "-d", hold_ms, "-r", max(1, round(rate)), "-m", calls,
                           "-l", 100_000, "-s", user, "-trace_stat", "-stf", statistics, "-fd", 1, "-trace_rtt",
                           "-rtt_freq", 1, target)
        start = time.monotonic()
        with open(pathlib.Path(folder) / "caller.out", "wb") as output:
            process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, cwd=folder)
        before = watch(process.pid) if watch else {}
        cpu = {}
        try:
            while process.poll() is None:
                time.sleep(0.1)
                elapsed = time.monotonic() - start
                if watch and elapsed < seconds:
                    cpu = {name: (spent - before.get(name, 0)) / elapsed for name, spent in watch(process.pid).items()}
                if elapsed > seconds + hold_ms / 1000 + LINGER_S:
                    break
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(5)
        if not statistics.exists():
            raise Failure("the caller did not start:\n" +
                                (pathlib.Path(folder) / "caller.out").read_text(errors="replace")[-500:])
        row, (times, reached) = _last_row(statistics), _answers(folder)
    reached = reached or rate  # of a single call
    return Point(rate, int(row.get("TotalCallCreated", 0) or 0), int(row.get("SuccessfulCall(C)", 0) or 0),
                 int(row.get("Retransmissions(C)", 0) or 0), _quantile(times, 0.5), _quantile(times, 0.95),
                 _quantile(times, 0.99), reached, cpu)


def find(place, first=100, most=20_000, factor=1.6, width=0.05, settle=None):
    """(highest good rate, all points). `place(rate)` gives a Point; `settle()` follows a bad one.

    A bad run is repeated once: what else the machine does may cost a retransmission. `most` itself is tried: when it is
    the highest good rate, no limit was found.
    """
    points = []

    def good(rate):
        for _ in range(2):
            points.append(place(rate))
            if points[-1].good:
                return True
            if settle:
                settle()
        return False

    rate, best, bad = first, 0.0, None
    while bad is None and rate <= most:
        if good(rate):
            best = rate
            if rate == most:
                break
            rate = min(rate * factor, most)
        else:
            bad = rate
    while bad is not None and best and bad / best > 1 + width:
        rate = (best + bad) / 2
        if good(rate):
            best = rate
        else:
            bad = rate
    return best, points


def as_rows(points):
    return [{**asdict(point), "good": point.good} for point in sorted(points, key=lambda point: point.offered)]

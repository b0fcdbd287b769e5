# SPDX-License-Identifier: Apache-2.0
"""Whole calls by SIPp: through Sallyport, through Kamailio, and from SIPp to SIPp with nobody between."""
import contextlib
import pathlib
import subprocess
import tempfile

from . import between, build, calls, curve, hosts, sipp

TARGETS = ["sallyport"]
PICTURE = build.BUILD / "calls-by-sipp.png"


def _server_seconds():
    pids = subprocess.run(["ip", "netns", "pids", hosts.SBC], capture_output=True, text=True, check=False).stdout.split()
    spent = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            spent += between.cpu_seconds(pid)
    return spent


class _Direct:
    name = "SIPp to SIPp"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing was started."""


def _ways(folder):
    """name -> (what stands between, the caller's address, the callee's, the target)"""
    through = (hosts.NEAR_IP, hosts.FAR_IP, hosts.ACCESS_IP)
    return {"sallyport": (lambda: between.Sallyport(folder, endpoints=False), *through),
            "kamailio": (lambda: between.Kamailio(folder), *through),
            "SIPp to SIPp": (_Direct, hosts.STRAIGHT_NEAR, hosts.STRAIGHT_FAR, hosts.STRAIGHT_FAR)}


def _best(folder, name, seconds, width, first):
    make, near, far, target = _ways(folder)[name]
    caller = sipp.Side(near, prefix=["ip", "netns", "exec", hosts.NEAR])
    with make(), sipp.Callee(sipp.Side(far, prefix=["ip", "netns", "exec", hosts.FAR]), folder) as callee:
        def watch(pid):
            spent = {"SIPp caller": between.cpu_seconds(pid), "SIPp callee": between.cpu_seconds(callee.process.pid)}
            if name != "SIPp to SIPp":
                spent[name] = _server_seconds()
            return spent

        return sipp.find(lambda rate: sipp.call(caller, f"{target}:5060", rate, seconds, watch=watch), first=first,
                         width=width, settle=callee.restart)


def _limit(point):
    """Who has the most of a core at that rate, and what is left of the machine's two."""
    name, share = max(point.cpu.items(), key=lambda item: item[1])
    return f"{name} with {share:.2f} cores, {sum(point.cpu.values()):.2f} in all"


def _profile(folder, rate, seconds):
    """Of our shard's thread at that rate."""
    make, near, far, target = _ways(folder)["sallyport"]
    caller = sipp.Side(near, prefix=["ip", "netns", "exec", hosts.NEAR])
    with make() as system, sipp.Callee(sipp.Side(far, prefix=["ip", "netns", "exec", hosts.FAR]), folder):
        return build.profile_of(system.process.pid, seconds,
                                lambda: sipp.call(caller, f"{target}:5060", rate, seconds), calls.GROUPS, thread="shard")


def run(book, short, profile):
    seconds, rounds, width, first = (1.0, 1, 0.2, 640) if short else (3.0, 3, 0.05, 250)
    rates, curves = {name: [] for name in _ways("")}, {name: [] for name in _ways("")}
    with hosts.up(), tempfile.TemporaryDirectory(prefix="sallyport-perf-") as folder:
        for _ in range(rounds):
            for name, samples in rates.items():
                best, points = _best(pathlib.Path(folder), name, seconds, width, first)
                if best == 0:
                    raise build.Failure(f"{name}: not even {first} calls a second are all answered: {points[-1]}")
                samples.append(best)
                curves[name] += points
        shares = _profile(pathlib.Path(folder), min(rates["sallyport"]), seconds) if profile else None
    for name, samples in rates.items():
        book.figure(f"SIPp: {name}, highest rate", "calls a second", samples)
        at_best = max((point for point in curves[name] if point.good), key=lambda point: point.offered)
        for who, share in at_best.cpu.items():
            book.figure(f"SIPp: {name}, {who} at that rate", "cores", [share])
        book.note(f"SIPp, {name}: the most of it goes to {_limit(at_best)}; SIPp and kamailio (2 children) where the kernel "
                  f"puts them, Sallyport's worker on core {between.CORE}, its shard on the other.")
        book.curve(f"SIPp: {name}", ["offered", "answered %", "retransmitted", "p50 ms", "p99 ms"],
                   [[point.offered, 100 * point.answered / max(1, point.placed), point.retransmitted, point.p50_ms,
                     point.p99_ms] for point in sorted(curves[name], key=lambda point: point.offered)])
    book.ratio("SIPp: rate / kamailio's", rates["sallyport"], rates["kamailio"], "at least 1", least=1, unit="calls a second")
    book.ratio("SIPp: rate / SIPp to SIPp's", rates["sallyport"], rates["SIPp to SIPp"], "0.8 is the stretch",
               unit="calls a second")
    if profile:
        book.profile("SIPp, sallyport's shard at the highest rate", shares)
    curve.draw(PICTURE, curves, "calls by SIPp: 30 ms ring, 150 ms hold")
    book.note(f"SIPp: the curves are drawn in {PICTURE.relative_to(build.ROOT)}")

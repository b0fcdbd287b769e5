# SPDX-License-Identifier: Apache-2.0
"""perf/load against the real binary: what it reports is what Sallyport counted. No rate and no time is held to anything."""
import json
import shutil
import struct
import subprocess

import pytest

from harness import metrics
from harness.netns import ACCESS4, CARRIER, CARRIER_A, PUB, PUB4, REPO

pytestmark = pytest.mark.timeout(200)


def load(what, folder, *more):
    """(exit code, standard output, report)"""
    report = folder / "report.json"
    command = [REPO / "perf/load", what, "--local", PUB4, "--caller-prefix", f"ip netns exec {PUB}", "--target", f"{ACCESS4}:5060",
               "--json", report, *map(str, more)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
    assert report.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(report.read_text())


CALLEE = ("--callee", CARRIER_A, "--callee-prefix", f"ip netns exec {CARRIER}")


def counted():
    samples = metrics.scrape()
    return {name: metrics.total(samples, name, to="carrier-a") for name in ("call_attempts_total", "calls_answered_total")}


def is_sane(point):
    assert point["placed"] >= point["answered"] >= 0 and point["retransmitted"] >= 0 and point["offered"] > 0
    assert 0 <= point["p50_ms"] <= point["p95_ms"] <= point["p99_ms"]
    assert point["good"] is False or point["answered"] == point["placed"] > 0
    return point


@pytest.fixture
def curve(tmp_path):
    if shutil.which("gnuplot") is None:
        pytest.fail("gnuplot is missing: deploy/install")
    return tmp_path / "curve.png"


def is_picture(path):
    octets = path.read_bytes()
    assert octets[:8] == b"\x89PNG\r\n\x1a\n" and octets[-12:] == b"\0\0\0\0IEND\xaeB`\x82"
    assert struct.unpack_from("!II", octets, 16) == (1000, 700)
    assert len(octets) > 5000, "there are lines in it"


def test_find_reports_the_highest_rate_and_draws_its_curve(door, tmp_path, curve):
    door()
    code, said, report = load("find", tmp_path, *CALLEE, "--from", 15, "--to", 30, "--seconds", 1, "--hold", 100, "--png", curve)
    points = [is_sane(point) for point in report["points"]]
    assert points == sorted(points, key=lambda point: point["offered"])
    good = [point["offered"] for point in points if point["good"]]
    assert code == 0 and good and report["best"] == max(good), said
    rows = [line for line in said.splitlines() if "/s  placed" in line]
    assert len(rows) == len(points) and sum(line.endswith("*") for line in rows) == sum(not point["good"] for point in points)
    assert f"highest rate with 100% answered and under 1% retransmitted: {report['best']:.0f} calls a second" in said
    assert report["limit_found"] is (report["best"] < 30)
    assert ("no limit was found up to 30 calls a second" in said) is (report["best"] == 30)
    assert f"curve: {curve}" in said
    is_picture(curve)
    assert counted()["call_attempts_total"] == sum(point["placed"] for point in points)
    assert counted()["calls_answered_total"] >= sum(point["answered"] for point in points) > 0


def test_a_ramp_carries_media_both_ways(door, tmp_path, curve):
    door()
    code, said, report = load("ramp", tmp_path, *CALLEE, "--from", 2, "--to", 4, "--step", 2, "--seconds", 1, "--hold", 600, "--rtp",
                              "--png", curve)
    assert [is_sane(point)["offered"] for point in report["points"]] == [2, 4] and report["best"] is None
    assert code == 0 and all(point["good"] for point in report["points"]), said
    is_picture(curve)
    _, samples = metrics.rest()
    for realm in ("access", "core"):
        # 600 ms are 30 packets a call; what meets a closing pinhole at its end is not counted.
        assert metrics.total(samples, "media_packets_total", realm=realm, direction="rx") > 15 * 6, realm


def test_a_rate_that_nobody_answers_is_told_and_fails(door, tmp_path):
    door()
    code, said, report = load("run", tmp_path, "--rate", 2, "--seconds", 1)
    point, = report["points"]
    assert code == 1 and is_sane(point)["good"] is False and point["answered"] == 0, said
    assert said.rstrip().endswith("*")

# SPDX-License-Identifier: Apache-2.0
"""Packages, build, and running the benchmarks' programs."""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "perf"


class Failure(Exception):
    """A sentence that says what is wrong."""


def _packages_there():
    libraries = subprocess.run(["pkg-config", "--exists", "libosip2", "sofia-sip-ua", "libre"], check=False)
    return libraries.returncode == 0 and shutil.which("dpdk-testpmd") and shutil.which("cmake")


def _checked(command, what):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise Failure(f"{what} failed:\n{tail}")
    return done.stdout


def prepare(targets):
    """Installs what is missing (as root) and builds the targets in Release."""
    if not _packages_there():
        if os.geteuid() != 0:
            raise Failure("packages are missing: run 'sudo deploy/install perf' once")
        _checked(["deploy/install", "perf"], "deploy/install perf")
    _checked(["cmake", "--preset", "perf"], "cmake")
    _checked(["cmake", "--build", str(BUILD), "--target", *targets], "the build")


def binary(name):
    return str(BUILD / "perf" / name)


def series(command):
    """Runs one of our programs; its series by name."""
    return json.loads(_checked([str(word) for word in command], " ".join(map(str, command))))


def profile(command, groups):
    """Share of the samples by group: a list of (name, substrings of symbols), the first that fits counts.

    None where this machine cannot sample.
    """
    if shutil.which("perf") is None:
        return None
    data = BUILD / "perf.data"
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-o", str(data), "--", *map(str, command)]
    if subprocess.run(record, cwd=ROOT, capture_output=True, check=False).returncode != 0:
        return None
    text = subprocess.run(["perf", "report", "-q", "--stdio", "-s", "symbol", "-i", str(data)], cwd=ROOT,
                          capture_output=True, text=True, check=False).stdout
    data.unlink(missing_ok=True)
    shares = {name: 0.0 for name, _ in groups}
    shares["other"] = 0.0
    for line in text.splitlines():
        share, _, symbol = line.strip().partition("%")
        try:
            value = float(share)
        except ValueError:
            continue
        name = next((name for name, parts in groups if any(part in symbol for part in parts)), "other")
        shares[name] += value
    return shares if sum(shares.values()) > 1 else None

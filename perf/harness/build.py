# SPDX-License-Identifier: Apache-2.0
"""Packages, build, and running the benchmarks' programs."""
import json
import os
import pathlib
import shutil
import subprocess

from .failure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "perf"


def _packages_there():
    """All that stands under [perf] in the list of packages."""
    lines = (ROOT / "deploy" / "packages.txt").read_text().partition("[perf]\n")[2].splitlines()
    names = [line.split()[0] for line in lines if line and line[0] not in "#["]
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\n", *names], capture_output=True, text=True,
                          check=False)
    return done.stdout.split() == ["installed"] * len(names) and shutil.which("cmake")


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


def sallyport():
    """The binary whose figures these are; SALLYPORT_BIN names another."""
    return os.environ.get("SALLYPORT_BIN", str(BUILD / "sallyport"))


def series(command):
    """Runs one of our programs; its series by name."""
    return json.loads(_checked([str(word) for word in command], " ".join(map(str, command))))


def _sampled(words):
    """Starts sampling what `words` say; (process, file of samples). None where this machine cannot sample."""
    if shutil.which("perf") is None:
        return None
    data = BUILD / "perf.data"
    return subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-o", str(data), *map(str, words)],
                            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), data


def _shares(sampled, groups, thread):
    process, data = sampled
    if process.wait() != 0:
        return None
    text = subprocess.run(["perf", "report", "-q", "--stdio", "-t", ";", "-s", "comm,dso,symbol", "-i", str(data)], cwd=ROOT,
                          capture_output=True, text=True, check=False).stdout
    data.unlink(missing_ok=True)
    shares = {name: 0.0 for name, _ in groups}
    shares["other"] = 0.0
    for line in text.splitlines():
        try:
            share, name, library, symbol = (word.strip() for word in line.split(";", 3))
            value = float(share.rstrip("%"))
        except ValueError:
            continue
        if thread not in name:
            continue
        if "] 0x" in symbol:  # of a library without names
            symbol = library
        group = next((group for group, parts in groups if any(part in symbol for part in parts)), "other")
        shares[group] += value
    total = sum(shares.values())
    return {name: 100 * share / total for name, share in shares.items()} if total > 1 else None


def profile(command, groups, thread=""):
    """Share of the samples by group: a list of (name, substrings of symbols or of libraries without any), the first
    that fits counts.

    `thread`: only of threads whose name holds this. None where this machine cannot sample.
    """
    sampled = _sampled(["--", *command])
    return _shares(sampled, groups, thread) if sampled else None


def profile_of(pid, seconds, work, groups, thread=""):
    """The same of a program that runs, for so long, while `work()` is done."""
    sampled = _sampled(["-p", pid, "--", "sleep", seconds])
    work()
    return _shares(sampled, groups, thread) if sampled else None

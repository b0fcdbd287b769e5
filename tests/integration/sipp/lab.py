# SPDX-License-Identifier: Apache-2.0
"""Runs cases beside one another on one Sallyport: each has an address of its own on either side, and so a peer with its own
policy. SIPp writes what it makes of it into the run's folder: scenario, messages, errors."""
import contextlib
import itertools
import pathlib
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lab_fixtures import NAME_SERVER
from phones import TO_CARRIER, TO_OFFICE

from harness import netns, tone

from . import CASES, compose

DIRECTIONS = (TO_CARRIER, TO_OFFICE)
BESIDE = 10         # runs at a time: each is two or three SIPps, which wake each millisecond
APART_S = 0.1       # between the beginnings of the slow ones
QUICK_S = 25        # longer cases wait for a timer
FIRST_HOST = 30     # above the lab's own
CALLEE_PORT, CALLER_PORT = 5060, 5080
CLIP_S = 0.2        # what a side says when it talks: 10 packets
_SIDES = {"office": (netns.PUB, "198.51.100", netns.ACCESS4), "carrier": (netns.CARRIER, "192.0.2", netns.CORE4)}


def host(index, second=False):
    """The last octet of a case's addresses; those of the cases with a second callee follow all others."""
    if not second:
        return FIRST_HOST + index
    return FIRST_HOST + len(CASES) + sum(_has_second(one) for one in CASES[:index])


def _has_second(case):
    return bool(case.second) or "second" in case.route or "{second}" in str(case.names)


def peers(index, case):
    """Those of a case: {name: (realm side, address, is it the second?)}."""
    found = {f"s{index}-{side}": (side, f"{net}.{host(index)}", False) for side, (_, net, _) in _SIDES.items()}
    if _has_second(case):
        found |= {f"s{index}-{side}-2": (side, f"{net}.{host(index, True)}", True) for side, (_, net, _) in _SIDES.items()}
    return found


def configure(indexes):
    """What these cases change in the lab's configuration."""
    def change(config):
        routes = []
        for index in indexes:
            case = CASES[index]
            for name, (side, address, second) in peers(index, case).items():
                config["peers"][name] = {"realm": {"office": "access", "carrier": "core"}[side], "match": [address],
                                         "targets": [_target(index, side, address, second)], **case.policy, **case.also.get(side, {})}
            for here, there in (("office", "carrier"), ("carrier", "office")):
                if case.second and case.policy.get("refer"):
                    routes.append({"from": f"s{index}-{here}", "user": "0*", "to": [f"s{index}-{there}-2"]})
                routes.append({"from": f"s{index}-{here}", "to": [f"s{index}-{there}" + "-2" * (one == "second") for one in case.route]})
        config["routes"] = routes + config["routes"]
        config["dns"] = {"servers": [NAME_SERVER], "timeout": "300ms"}
    return change


def _target(index, side, address, second):
    case = CASES[index]
    if case.names and not second:
        return f"sip:{_name(index, side)}"
    tcp = ";transport=tcp" if case.transport.get("callee") == "tcp" and not second else ""
    return f"sip:{address}:{CALLEE_PORT}{tcp}"


def _name(index, side):
    return f"s{index}-{side}.test"


def zone(indexes):
    """What the name server of these cases knows."""
    found = {}
    for index, (side, (_, net, _)) in itertools.product(indexes, _SIDES.items()):
        for name, records in CASES[index].names.items():
            places = {"name": _name(index, side), "address": f"{net}.{host(index)}", "second": f"{net}.{host(index, True)}"}
            found[name.format(**places)] = [one.format(**places) for one in records]
    return found


def _hosts(indexes):
    return [host(i, second) for i in indexes for second in ((False, True) if _has_second(CASES[i]) else (False,))]


@contextlib.contextmanager
def addresses(indexes):
    """Those of the cases, as long as this lasts: other tests have the same namespaces."""
    _each_address("add", indexes)
    try:
        yield
    finally:
        _each_address("del", indexes)


def _each_address(act, indexes):
    for ns, net, _ in _SIDES.values():
        lines = "".join(f"addr {act} {net}.{one}/24 dev eth0\n" for one in _hosts(indexes))
        subprocess.run(["ip", "-n", ns, "-batch", "-"], input=lines, text=True, check=True, timeout=60)


def greet(indexes):
    """Sallyport's kernel learns who is where, so that no first message waits for that."""
    for ns, net, door in _SIDES.values():
        netns.inside(ns, _greet, [f"{net}.{one}" for one in _hosts(indexes)], door)


def _greet(addresses, door):
    """ICMP echo from each of them (RFC 792), until it is answered."""
    echo = struct.pack("!BBHHH", 8, 0, 0xF7FE, 1, 0)  # type, code, checksum, identifier, sequence number
    for address in addresses:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.bind((address, 0))
            sock.settimeout(0.5)
            for _ in range(10):
                try:
                    sock.sendto(echo, (door, 0))
                    sock.recv(2048)
                    break
                except TimeoutError:
                    continue
            else:
                raise RuntimeError(f"{door} does not answer {address}")


def made_clips(folder):
    """The media of all sides, in two voices."""
    return {role: tone.write_pcap(pathlib.Path(folder) / f"{role}.pcap", CLIP_S, seed, ssrc=0x51990 + seed)
            for seed, role in enumerate(("caller", "callee", "second"), 1)}


@dataclass
class Run:
    """A case in one direction: its sides, and how their SIPps ended."""
    index: int
    direction: str
    folder: pathlib.Path
    sides: dict = field(default_factory=dict)      # role -> compose.Side
    codes: dict = field(default_factory=dict)      # role -> SIPp's exit code; None: it had to be ended
    fault: str = ""

    @property
    def case(self):
        return CASES[self.index]


def prepared(index, direction, folder, clips):
    """The run with its scenarios written."""
    case, here = CASES[index], direction == TO_CARRIER
    run = Run(index, direction, pathlib.Path(folder) / f"{index}-{direction.replace(' ', '-')}")
    run.folder.mkdir()
    number = case.number.get(direction, f"+4420{index:04d}{int(here)}")
    near, far = ("office", "carrier") if here else ("carrier", "office")
    second = f"{_SIDES[far][1]}.{host(index, True)}" if _has_second(case) else ""
    fields = {word: text[direction] if isinstance(text, dict) else text for word, text in case.fields.items()}
    for role in ("caller", "callee", *(("second",) if second else ())):
        _, net, door = _SIDES[near if role == "caller" else far]
        run.sides[role] = compose.Side(
            role, second if role == "second" else f"{net}.{host(index)}", CALLER_PORT if role == "caller" else CALLEE_PORT, door,
            number, f"s{index:03d}{'ab'[here]}{role[-1]}", fields, second, case.transport.get(role, "udp"), clips[role])
    for role, text in case.scripts.items():
        (run.folder / f"{role}.xml").write_text(compose.scenario(run.sides[role], text))
    return run


def _namespace(run, role):
    here = run.direction == TO_CARRIER
    return netns.PUB if here == (role == "caller") else netns.CARRIER


def _start(run, role):
    side, case = run.sides[role], run.case
    media = {"caller": 6200, "callee": 6000, "second": 6000}[role]
    argv = ["nice", "-n", 10, "sipp", "-sf", f"{role}.xml", "-i", side.address, "-p", side.port, "-mi", side.address, "-mp", media, "-m", 1, "-nostdin",
            "-t", "t1" if side.transport == "tcp" else "u1", "-default_behaviors", "abortunexp", "-max_socket", 64,
            "-recv_timeout", case.seconds * 1000, "-timeout", f"{case.seconds}s", "-timeout_error", "-trace_err", "-error_file",
            f"{role}.err", "-trace_msg", "-message_file", f"{role}.msg"]
    if role in case.repeats:
        argv.append("-nr")
    if role == "caller":
        argv += ["-cid_str", f"{side.secret}i-%u-%p@%s", f"{side.door}:5060"]
    with open(run.folder / f"{role}.out", "wb") as out:
        return netns.popen(_namespace(run, role), argv, stdout=out, stderr=subprocess.STDOUT, cwd=run.folder,
                           env={"TERM": "dumb", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})


def _listens(process, side, limit=5.0):
    """Waits until SIPp has its socket."""
    shown = f"{int.from_bytes(socket.inet_aton(side.address), 'little'):08X}:{side.port:04X}"
    table = pathlib.Path(f"/proc/{process.pid}/net/{side.transport}")
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and process.poll() is None:
        if shown in table.read_text():
            return
        time.sleep(0.02)
    raise RuntimeError(f"SIPp does not listen at {side.address}:{side.port}")


def play(run):
    """The callees, then the caller, until all have ended."""
    started, deadline = {}, time.monotonic() + run.case.seconds + 5
    try:
        for role in ("second", "callee", "caller"):
            if role in run.case.scripts:
                started[role] = _start(run, role)
                if role != "caller":
                    _listens(started[role], run.sides[role])
        for role, process in started.items():
            run.codes[role] = process.wait(max(0.1, deadline - time.monotonic()))
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as fault:
        run.fault = str(fault)
    finally:
        for process in started.values():
            netns.stop_process(process, wait=2.0)
    return run


def play_all(runs):
    """Those that wait for a timer do so beside all others."""
    slow = [one for one in runs if one.case.seconds > QUICK_S]
    with ThreadPoolExecutor(len(slow) + 1) as waiting, ThreadPoolExecutor(BESIDE) as pool:
        for run in slow:
            waiting.submit(play, run)
            time.sleep(APART_S)
        list(pool.map(play, [one for one in runs if one.case.seconds <= QUICK_S]))

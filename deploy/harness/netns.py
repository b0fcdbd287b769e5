# SPDX-License-Identifier: Apache-2.0
"""Entering the lab's hosts, and the lab's own commands."""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import threading

REPO = pathlib.Path(__file__).resolve().parents[2]
STATE = pathlib.Path(os.environ.get("LAB_STATE", "/run/sallyport-lab"))
BINARY = pathlib.Path(os.environ.get("SALLYPORT_BIN", REPO / "build/release/sallyport"))

SBC, NAT, UA, PUB, CARRIER, LAN = "sp-sbc", "sp-nat", "sp-ua", "sp-pub", "sp-carrier", "sp-lan"
ACCESS4, ACCESS6, CORE4, CORE6 = "198.51.100.1", "2001:db8:1::1", "192.0.2.1", "2001:db8:2::1"
NAT_OUTSIDE, UA4, PUB4, PUB6 = "198.51.100.2", "10.20.0.10", "198.51.100.20", "2001:db8:1::20"
CARRIER_A, CARRIER_B, CARRIER6 = "192.0.2.10", "192.0.2.11", "2001:db8:2::10"
REALM_ADDRESSES = (ACCESS4, ACCESS6, CORE4, CORE6)
# Where each of Sallyport's ports is watched: the other end of its veth pair.
PORT_PEERS = {"access": (LAN, "sbc0", "access0"), "core": (CARRIER, "eth0", "core0")}
METRICS = ("127.0.0.1", 9464)

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def inside(ns, function, *args, **kwargs):
    """Calls function in namespace ns, on a thread of its own (setns moves one thread only)."""
    box = {}

    def body():
        try:
            fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
            try:
                if _libc.setns(fd, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {ns}")
            finally:
                os.close(fd)
            box["value"] = function(*args, **kwargs)
        except BaseException as error:  # handed to the caller's thread
            box["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box.get("value")


def udp_socket(ns, address, port=0, timeout=2.0):
    """A UDP socket of host ns; it stays there whoever uses it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def make():
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.settimeout(timeout)
        return sock

    return inside(ns, make)


def tcp_connect(ns, address, port, timeout=5.0):
    return inside(ns, socket.create_connection, (address, port), timeout)


def popen(ns, argv, **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(["ip", "netns", "exec", ns, *map(str, argv)], **kwargs)


def run(ns, argv, timeout=30, check=False, **kwargs):
    return subprocess.run(["ip", "netns", "exec", ns, *map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, check=check, **kwargs)


@contextlib.contextmanager
def address(ns, one, length=24):
    """Host ns has one more address meanwhile."""
    run(ns, ["ip", "addr", "add", f"{one}/{length}", "dev", "eth0"], check=True)
    try:
        yield one
    finally:
        run(ns, ["ip", "addr", "del", f"{one}/{length}", "dev", "eth0"])


def mac_of(ns, dev):
    return run(ns, ["cat", f"/sys/class/net/{dev}/address"], check=True).stdout.strip()


def stop_process(process, first=signal.SIGTERM, wait=5.0):
    """Ends a process that we started, within bounds; returns its exit code."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    return process.returncode


class LabError(RuntimeError):
    pass


class Lab:
    """deploy/lab, owned by this process: another run cannot take it away, and a crashed owner's is cleared."""

    def __init__(self, env=None):
        self.env = {**os.environ, "LAB_OWNER": os.environ.get("LAB_OWNER", str(os.getpid())), **(env or {})}

    def command(self, *args, timeout=900, check=True):
        # No pipes: Sallyport outlives the command and would hold them open.
        log = pathlib.Path(f"/tmp/sallyport-lab-command.{os.getpid()}.log")
        with open(log, "w+", encoding="utf-8", errors="replace") as out:
            process = subprocess.Popen([REPO / "deploy/lab", *map(str, args)], env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT)
            try:
                code = process.wait(timeout)
            except BaseException:
                stop_process(process, wait=60)  # it clears what it has half made, which takes a while
                log.unlink(missing_ok=True)
                raise
            out.seek(0)
            text = out.read()
        log.unlink(missing_ok=True)
        if check and code != 0:
            raise LabError(f"deploy/lab {' '.join(map(str, args))}: exit {code}\n{text.strip()}")
        return code, text

    def net(self):
        self.command("net")

    def up(self, config=None):
        self.command("up", *(["--config", config] if config else []))

    def start(self, config=None):
        self.command("start", *(["--config", config] if config else []), timeout=120)

    def stop(self):
        self.command("stop", timeout=120)

    @property
    def mine(self):
        try:
            return (STATE / "owner").read_text().split()[0] == self.env["LAB_OWNER"]
        except (OSError, IndexError):
            return False

    def down(self):
        """Takes our own lab down; another's, and one that a person brought up by hand, stays."""
        if self.mine:
            self.command("down", check=False, timeout=180)

    @property
    def pid(self):
        """The running Sallyport, or None."""
        try:
            pid = int((STATE / "sallyport.pid").read_text().split()[0])
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
            return None if state == "Z" else pid
        except (OSError, ValueError, IndexError):
            return None

    @property
    def log(self):
        try:
            return (STATE / "sallyport.log").read_text(errors="replace")
        except OSError:
            return ""

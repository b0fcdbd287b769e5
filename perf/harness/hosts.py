# SPDX-License-Identifier: Apache-2.0
"""Two hosts and what stands between them, as network namespaces: pf-near eth0 - access0 pf-sbc core0 - eth0 pf-far.

straight0 joins near and far without anybody between: what the sender and the receiver cost by themselves.
"""
import contextlib
import importlib.util
import os
import pathlib
import signal
import subprocess

from . import build


def _lab_netns():
    """The lab's module of namespaces; its package is called harness as well, so it is loaded by its place."""
    spec = importlib.util.spec_from_file_location("lab_netns", build.ROOT / "deploy" / "harness" / "netns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


inside = _lab_netns().inside  # calls a function in a namespace

NEAR, SBC, FAR = "pf-near", "pf-sbc", "pf-far"
STRAIGHT_NEAR, STRAIGHT_FAR = "203.0.113.1", "203.0.113.2"
NEAR_IP, ACCESS_IP, CORE_IP, FAR_IP = "198.51.100.20", "198.51.100.1", "192.0.2.1", "192.0.2.10"
PAIRS = [(NEAR, "eth0", SBC, "access0"), (FAR, "eth0", SBC, "core0"), (NEAR, "straight0", FAR, "straight0")]
MEDIA_FROM = 10_000
_HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")


def run(space, *words, check=True):
    done = subprocess.run(["ip", "netns", "exec", space, *map(str, words)], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise build.Failure(f"{' '.join(map(str, words))} in {space}: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def popen(space, *words, **kwargs):
    return subprocess.Popen(["ip", "netns", "exec", space, *map(str, words)], **kwargs)


def stop(process, limit=10):
    """Ends a process that we started: asked first, then not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def mac(space, device):
    return run(space, "cat", f"/sys/class/net/{device}/address").strip()


def address(on):
    """The sbc's addresses on its kernel's interfaces, for whoever uses sockets; Sallyport has them on its taps."""
    for device, ip in (("access0", ACCESS_IP), ("core0", CORE_IP)):
        run(SBC, "ip", "address", "flush", "dev", device)
        if on:
            run(SBC, "ip", "address", "add", f"{ip}/24", "dev", device)
    for space in (NEAR, FAR):
        run(space, "ip", "neigh", "flush", "dev", "eth0")


def _make():
    for space in (NEAR, SBC, FAR):
        subprocess.run(["ip", "netns", "add", space], check=True)
        run(space, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv4.conf.default.rp_filter=0",
            "net.core.rmem_max=33554432", check=False)
        run(space, "ip", "link", "set", "lo", "up")
    for one, device, other, other_device in PAIRS:
        subprocess.run(["ip", "link", "add", device, "netns", one, "type", "veth", "peer", "name", other_device,
                        "netns", other], check=True)
        for space, name in ((one, device), (other, other_device)):
            run(space, "ethtool", "-K", name, "tx", "off", "gso", "off", "gro", "off", "tso", "off", check=False)
            run(space, "ip", "link", "set", name, "up")
    for space, ip, straight in ((NEAR, NEAR_IP, STRAIGHT_NEAR), (FAR, FAR_IP, STRAIGHT_FAR)):
        run(space, "ip", "address", "add", f"{ip}/24", "dev", "eth0")
        run(space, "ip", "address", "add", f"{straight}/24", "dev", "straight0")
        # The receiver has seen the packet by then: the kernel need not look for a socket and answer by ICMP.
        for device in ("eth0", "straight0"):
            rules = (f"table netdev perf_{device} {{ chain in {{ type filter hook ingress device {device} priority 0; "
                     f"udp dport {MEDIA_FROM}-65535 drop; }}; }}")
            run(space, "nft", rules)
    run(SBC, "sysctl", "-qw", "net.ipv4.ip_forward=0")


def _remove():
    for space in (NEAR, SBC, FAR):
        if not pathlib.Path(f"/run/netns/{space}").exists():
            continue
        for pid in subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True,
                                  check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", space], check=False)


@contextlib.contextmanager
def up():
    """The hosts, and hugepages for who stands between them; all of it is gone afterwards."""
    if os.geteuid() != 0:
        raise build.Failure("network namespaces need root: run it with sudo")
    before = _HUGEPAGES.read_text().strip() if _HUGEPAGES.exists() else None
    if before is not None and int(before) < 768:
        _HUGEPAGES.write_text("768")
    _remove()
    try:
        _make()
        yield
    finally:
        _remove()
        if before is not None:
            _HUGEPAGES.write_text(before)

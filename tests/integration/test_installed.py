# SPDX-License-Identifier: Apache-2.0
"""The .deb in a Debian of its own: installed by dpkg beside what it depends on and nothing else, started in a network of its own
as its unit starts it, with the unit's capabilities and with each one taken away, asked with OPTIONS; then purged."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
import yaml
from debs import as_the_unit, run, unit_capabilities

from harness import netns, ua

pytestmark = pytest.mark.timeout(300)  # whichever test comes first waits for the Debian
SBC, NEAR = "sp-deb", "sp-deb-near"
ACCESS, OFFICE = "198.51.100.1", "198.51.100.20"
SOURCES = ("/etc/apt/sources.list", *map(str, pathlib.Path("/etc/apt/sources.list.d").glob("debian*.*")))
UNREACHED = re.compile(r"Failed to fetch|Could not (?:resolve|connect)|Temporary failure|Unable to connect|Connection (?:timed out|refused)")
HUGEPAGES = 320  # of 2 MB: two ports over AF_XDP


@pytest.fixture(scope="module")
def debian(package, tmp_path_factory):
    """A Debian of essential packages and what ours depends on: what is only recommended is left out. Made once for the run."""
    if os.geteuid() != 0:
        pytest.skip("a root of its own needs root")
    if shutil.which("mmdebstrap") is None:
        pytest.fail("mmdebstrap is missing: deploy/install")
    root = tmp_path_factory.mktemp("debian")
    needs = [one.split()[0] for one in run("dpkg-deb", "-f", package, "Depends").stdout.split(",")]
    sources = [path for path in SOURCES if os.path.exists(path) and os.path.getsize(path)]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "debian", root], check=True)  # a disk takes twice as long
    try:
        done = run("mmdebstrap", "--mode=root", "--variant=essential", f"--include={','.join(needs)}",
                   "--aptopt=Apt::Install-Recommends false", "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*",
                   "--dpkgopt=path-exclude=/usr/share/man/*", "bookworm", root, *sources, timeout=280)
        if done.returncode != 0 and UNREACHED.search(done.stderr):
            pytest.skip("Debian's packages cannot be reached: " + UNREACHED.search(done.stderr)[0])
        assert done.returncode == 0, done.stderr[-3000:]
        yield root
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def in_debian(root, *argv):
    return run("chroot", root, *argv, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})


def everything(root):
    """Every path, folders too, but for dpkg's books and caches."""
    return {str(path.relative_to(root)) for path in root.rglob("*")
            if not str(path.relative_to(root)).startswith(("var/lib/dpkg", "var/cache", "var/log/dpkg.log", "tmp/"))}


@pytest.fixture(scope="module")
def installed(debian, package):
    before = everything(debian)
    shutil.copy(package, debian / "tmp/sallyport.deb")
    done = in_debian(debian, "dpkg", "-i", "/tmp/sallyport.deb")  # nothing is forced: a missing dependency is an error
    assert done.returncode == 0, done.stdout + done.stderr
    return debian, before


@pytest.fixture(scope="module")
def hosts():
    """Two hosts and a wire for each of the two ports; each wire's other end is in NEAR."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    for ns in (SBC, NEAR):
        run("ip", "netns", "del", ns)
        ip("netns", "add", ns)
        ip("-n", ns, "link", "set", "lo", "up")
    for port, address in (("access", OFFICE), ("core", "192.0.2.10")):
        ip("link", "add", f"{port}0", "netns", SBC, "type", "veth", "peer", "name", port, "netns", NEAR)
        netns.run(NEAR, ["ethtool", "-K", port, "tx", "off"], check=True)
        ip("-n", NEAR, "addr", "add", f"{address}/24", "dev", port)
        for ns, name in ((SBC, f"{port}0"), (NEAR, port)):
            ip("-n", ns, "link", "set", name, "up")
    yield
    for ns in (SBC, NEAR):
        ip("netns", "del", ns)


@pytest.fixture
def hugepages():
    path = pathlib.Path("/proc/sys/vm/nr_hugepages")
    free = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    if not path.exists():
        pytest.skip("no hugepages on this kernel")
    before = path.read_text()
    path.write_text(str(int(before) + HUGEPAGES))
    if int(free.read_text()) < HUGEPAGES:
        path.write_text(before)
        pytest.skip("the kernel has no memory for hugepages")
    yield
    path.write_text(before)


# What systemd does before the unit's process is there: its own view of the machine, and the folders that the unit names.
MACHINE = """set -e
mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; mount -t sysfs sysfs "$1/sys"; mount -t hugetlbfs hugepages "$1/mnt"
mount -t tmpfs run "$1/run"
mkdir -m 755 "$1/run/sallyport"; mkdir -p -m 750 "$1/var/log/sallyport"
root=$1; shift
exec chroot "$root" "$@"
"""
MEMORY = {"net_af_packet": "ordinary", "net_af_xdp": "hugepages"}


@contextlib.contextmanager
def started(root, folder, device, capabilities):
    """The unit's command on ports of that kind: (process, path of its log)."""
    path = root / "etc/sallyport/sallyport.yaml"
    packaged = path.read_text()
    data = yaml.safe_load(packaged)
    for port in ("access", "core"):
        data["dataplane"]["ports"][port]["device"] = f"{device},iface={port}0"
    data["dataplane"].update(cores=[1 if os.cpu_count() > 1 else 0], memory=MEMORY[device])
    path.write_text(yaml.safe_dump(data))
    command = ["sallyport", "run", "--config", "/etc/sallyport/sallyport.yaml"]
    log = folder / "log"
    try:
        with open(log, "w", encoding="utf-8") as out:
            process = netns.popen(SBC, ["unshare", "--mount", "sh", "-c", MACHINE, "sh", root, *as_the_unit(capabilities), *command],
                                  stdout=out, stderr=subprocess.STDOUT, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        yield process, log
    finally:
        netns.stop_process(process, wait=15)
        path.write_text(packaged)


def wait_ready(process, log):
    deadline = time.monotonic() + 30
    while "msg=ready" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text())
        time.sleep(0.1)


def status_of(process, name):
    return re.search(rf"^{name}:\s+(\S+)", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]


def test_dpkg_takes_it_with_what_it_names_and_its_configuration_is_right(installed):
    root, _ = installed
    check = in_debian(root, "sallyport", "check", "--config", "/etc/sallyport/sallyport.yaml")
    assert check.returncode == 0, check.stderr
    assert in_debian(root, "dpkg-query", "-W", "-f", "${Status}", "sallyport").stdout == "install ok installed"


@pytest.mark.parametrize("device", MEMORY)
def test_it_gets_ready_and_answers_OPTIONS_with_the_capabilities_of_its_unit(installed, hosts, request, tmp_path, device):
    if MEMORY[device] == "hugepages":
        request.getfixturevalue("hugepages")
    root, _ = installed
    with started(root, tmp_path, device, unit_capabilities()) as (process, log):
        wait_ready(process, log)
        assert bin(int(status_of(process, "CapEff"), 16)).count("1") == len(unit_capabilities())
        assert status_of(process, "CapBnd") == status_of(process, "CapEff") and status_of(process, "NoNewPrivs") == "1"
        with ua.Endpoint(NEAR, OFFICE, door=ACCESS) as office:
            call_id = ua.token()
            office.send(office.compose(f"OPTIONS sip:{ACCESS} SIP/2.0", [
                office.via(), f"From: <sip:lab@{OFFICE}>;tag={ua.token()}", f"To: <sip:{ACCESS}>", f"Call-ID: {call_id}",
                "CSeq: 1 OPTIONS", "Max-Forwards: 70"]))
            answer = office.expect(200, call_id=call_id)
        assert "INVITE" in answer.get("allow")
        shown = run("nsenter", "-t", process.pid, "-m", "-n", "chroot", root, "sallyport", "show", "peers")
        assert shown.returncode == 0 and "carrier" in shown.stdout, shown.stderr
        assert netns.stop_process(process, wait=15) == 0, log.read_text()


# Where each is missed, and what is said then.
NEEDED = {"CAP_NET_ADMIN": ("net_af_packet", "CAP_NET_ADMIN"), "CAP_NET_RAW": ("net_af_packet", "CAP_NET_RAW"),
          "CAP_SYS_ADMIN": ("net_af_xdp", "cannot set up receive queue"), "CAP_IPC_LOCK": ("net_af_xdp", "of hugepages are needed and 0 MB are free")}


@pytest.mark.parametrize("without", sorted(NEEDED))
def test_each_capability_of_the_unit_is_needed(installed, hosts, request, tmp_path, without):
    assert set(NEEDED) == set(unit_capabilities())
    device, said = NEEDED[without]
    if MEMORY[device] == "hugepages":
        request.getfixturevalue("hugepages")
    root, _ = installed
    with started(root, tmp_path, device, [one for one in unit_capabilities() if one != without]) as (process, log):
        assert process.wait(30) != 0
    assert said in log.read_text() and "msg=ready" not in log.read_text()


def test_purge_leaves_nothing(installed):
    root, before = installed
    log = root / "var/log/sallyport"
    log.mkdir(exist_ok=True)
    (log / "cdr.jsonl").write_text("{}\n")
    assert len(everything(root) - before) > 30, "it is there"
    done = in_debian(root, "dpkg", "--purge", "sallyport")
    assert done.returncode == 0, done.stdout + done.stderr
    assert everything(root) == before

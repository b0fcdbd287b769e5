# SPDX-License-Identifier: Apache-2.0
"""deploy/host-setup on trees of /sys and /proc (hosts/*.tree): what it finds, what it would write, and that it writes it.

The trees of two-socket servers are written by hand, since there was no such machine to record. The one that ends in -recorded is a
real machine's, by host-setup --record, and so is the one that is recorded anew wherever this runs.
"""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from harness.netns import BINARY, REPO

HOSTS = pathlib.Path(__file__).parent / "hosts"
SCRIPT = REPO / "deploy/host-setup"


@pytest.fixture(scope="module")
def setup():
    loader = importlib.machinery.SourceFileLoader("host_setup", str(SCRIPT))
    spec = importlib.util.spec_from_loader("host_setup", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["host_setup"] = module
    loader.exec_module(module)
    return module


def tree(folder, name, changes=()):
    """Lays a tree out under `folder`; a change is a line that replaces the one of its path, or adds it."""
    lines = {}
    for line in [*(HOSTS / f"{name}.tree").read_text().splitlines(), *changes]:
        if line and not line.startswith("#"):
            lines[line.split(" ", 1)[0]] = line
    for path, line in lines.items():
        at = folder / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        if " -> " in line:
            os.symlink(line.split(" -> ", 1)[1], at)
        else:
            at.write_text(line.partition(" = ")[2].replace("\\n", "\n") + "\n")
    return folder


def config(cores=(4, 5), devices=("0000:af:00.0", "af:00.1")):
    return {"dataplane": {"cores": list(cores), "ports": {f"p{n}": {"device": d} for n, d in enumerate(devices)}}}


def found(setup, host, data, force=False):
    """what -> (state, why, writes, commands)"""
    plan = setup.plan_of(data)
    return {f.what: (f.state, f.why, f.writes, f.commands) for f in setup.findings(setup.Host(host), plan, force)}


def test_a_prepared_host_has_nothing_left(setup, tmp_path):
    states = {what: row[0] for what, row in found(setup, tree(tmp_path, "two-sockets-ready"), config()).items()}
    assert set(states.values()) == {"ok"}, states
    assert {"hugepages of node 1", "IOMMU", "driver of 0000:af:00.0", "isolated cores", "node of 0000:af:00.1"} <= set(states)


def test_a_bare_host_is_told_what_is_missing(setup, tmp_path):
    rows = found(setup, tree(tmp_path, "two-sockets-bare"), config())
    assert rows["hugepages of node 1"][2] == [("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "54")]
    assert "hugepages of node 0" not in rows, "memory is needed where the ports are"
    assert rows["IOMMU"][0] == "hand" and "intel_iommu=on iommu=pt" in rows["IOMMU"][1]
    assert rows["driver of 0000:af:00.0"][2] == [
        ("/sys/bus/pci/devices/0000:af:00.0/driver_override", "vfio-pci"),
        ("/sys/bus/pci/devices/0000:af:00.0/driver/unbind", "0000:af:00.0"), ("/sys/bus/pci/drivers_probe", "0000:af:00.0")]
    assert rows["driver of 0000:af:00.0"][3] == [["modprobe", "vfio-pci"]]
    assert "isolcpus=managed_irq,domain,4-5 nohz_full=4-5 rcu_nocbs=4-5" in rows["isolated cores"][1]
    assert rows["frequency of core 4"][0] == "fix"


CASES = [
    ("the port that has the default route is not taken", dict(devices=("18:00.0",), cores=(1,)), (), "driver of 0000:18:00.0", "hand", "--force"),
    ("a port that is not there", dict(devices=("0000:01:00.0",)), (), "driver of 0000:01:00.0", "hand", "no such device"),
    ("Mellanox stays with its own driver", {}, ["/sys/bus/pci/devices/0000:af:00.0/driver -> x/mlx5_core"], "driver of 0000:af:00.0", "ok", "mlx5_core"),
    ("a stranger in the IOMMU group", {}, ["/sys/bus/pci/devices/0000:af:00.0/iommu_group/devices/0000:18:00.0 = "],
     "driver of 0000:af:00.0", "hand", "0000:18:00.0"),
    ("cores of the other node", dict(cores=(1, 4)), (), "node of 0000:af:00.0", "hand", "cores 1 are elsewhere"),
    ("two threads of one core", dict(cores=(4, 12)), (), "cores 4 and 12", "note", "one core"),
    ("a core that is not there", dict(cores=(4, 40)), (), "cores", "hand", "40 are not there"),
    ("core 0", dict(cores=(0, 4)), (), "core 0", "note", "another"),
    ("pages that are in use do not count", {}, ["/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages = 300",
                                              "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages = 20"],
     "hugepages of node 1", "fix", "334 pages"),
    ("AMD", {}, ["/proc/cpuinfo = vendor_id : AuthenticAMD"], "IOMMU", "hand", "AMD-Vi"),
    ("AF_XDP wants a queue for each core", dict(devices=("net_af_xdp,iface=ens1f0",)), (), "queues of ens1f0", "fix", "4, one for each of 2"),
    ("AF_XDP on nothing", dict(devices=("net_af_xdp,iface=eth9",)), (), "queues of eth9", "hand", "no such device"),
]


@pytest.mark.parametrize("name,of,changes,what,state,why", CASES, ids=[case[0] for case in CASES])
def test_what_is_found(setup, tmp_path, name, of, changes, what, state, why):
    row = found(setup, tree(tmp_path, "two-sockets-bare", changes), config(**of))[what]
    assert row[0] == state and why in row[1], f"{name}: {row}"


def test_force_takes_a_port_with_routes(setup, tmp_path):
    rows = found(setup, tree(tmp_path, "two-sockets-bare"), config(devices=("18:00.0",), cores=(1,)), force=True)
    assert rows["driver of 0000:18:00.0"][0] == "fix"


@pytest.mark.parametrize("text,numbers", [("", set()), ("3", {3}), ("0-2,5", {0, 1, 2, 5})])
def test_lists_of_cores_read_and_write(setup, text, numbers):
    assert setup.cpu_list(text) == numbers and setup.as_list(numbers) == text


def run(root, folder, *args, data=None):
    path = folder / "sallyport.yaml"
    path.write_text(yaml.safe_dump(data or config()))
    return subprocess.run([SCRIPT, "--root", root, "--config", path, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False)


def contents(root):
    return {str(path): path.read_text() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


# ---- memory

MEMORY = [([0], 1), ([0, 0], 1), ([0, 0], 2), ([1500, 9000], 2), ([2027, 0, 9000], 7), ([1280], 32)]


@pytest.mark.parametrize("mtus,cores", MEMORY)
def test_the_memory_that_is_asked_for_is_what_sallyport_says_it_needs(setup, tmp_path, mtus, cores):
    data = config(range(cores), [f"net_ring{n}" for n in range(len(mtus))])
    for port, mtu in zip(data["dataplane"]["ports"].values(), mtus):
        port.update({"mtu": mtu} if mtu else {})
    data["realms"] = {f"r{n}": {"port": f"p{n}", "addresses": [f"192.0.{n}.1/24"], "sip": {"udp": 5060}, "media": {"ports": "20000-29999"}}
                      for n in range(len(mtus))}
    path = tmp_path / "sallyport.yaml"
    path.write_text(yaml.safe_dump(data))
    done = subprocess.run([BINARY, "check", "--config", path], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"^packet memory: (\d+) MB", done.stdout, re.M)[1]) == setup.plan_of(data).megabytes


@pytest.mark.parametrize("mtu,place", [(1500, 1), (9000, 2)])
def test_the_sizing_table_says_as_much(setup, mtu, place):
    row = re.search(r"^\| hugepages \|.* (\d+) MB at an MTU of 1500, (\d+) MB at 9000 ", (REPO / "deploy/README.md").read_text(), re.M)
    for ports, workers in ((1, 1), (2, 2), (4, 8)):
        need, said = setup.memory_needed([mtu] * ports, workers), ports * workers * int(row[place]) + workers * 2 + 24
        assert need <= said + 2 and said <= need * 1.05 + 2, (ports, workers, need, said)


# ---- recorded ones

VIRTIO = {"dataplane": {"cores": [1], "ports": {"access": {"device": "0000:00:03.0"}, "core": {"device": "net_af_xdp,iface=eth0"}}}}


def test_of_a_recorded_virtual_machine_the_way_in_is_not_taken(setup, tmp_path):
    """Its only port is a virtio one, whose interface the kernel shows below another device."""
    root = tree(tmp_path, "virtual-machine-recorded")
    rows = found(setup, root, VIRTIO)
    assert rows["driver of 0000:00:03.0"][:2] == ("hand", "eth0 has routes: it may be the way that you came by; --force takes it all the same")
    assert rows["hugepages of node 0"][0] == "fix" and rows["IOMMU"][0] == "hand" and "AMD-Vi" in rows["IOMMU"][1]
    assert rows["isolated cores"][0] == "hand" and rows["queues of eth0"][:2] == ("ok", "1")
    assert len(rows) == 5, "it tells no node of its port, no frequency and no second thread of a core"
    forced = found(setup, root, VIRTIO, force=True)["driver of 0000:00:03.0"]
    assert forced[0] == "fix" and forced[1] == "virtio-pci: to vfio-pci"


def recorded(folder, data, *args):
    """(what it reports, the tree's text) of this machine, or of another `--root`."""
    path, out = folder / "recorded.yaml", folder / "recorded.tree"
    path.write_text(yaml.safe_dump(data))
    done = subprocess.run([SCRIPT, "--record", out, "--config", path, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, check=False)
    assert out.exists(), done.stdout + done.stderr
    return done.stdout, out.read_text()


def replayed(folder, text, data):
    (folder / "replayed.tree").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "HOSTS", folder)
        root = tree(folder / "replayed", "replayed")
    return run(root, folder, "--check", data=data).stdout


def test_what_is_recorded_of_this_machine_tells_the_same_again(tmp_path):
    """Every port that it has, and its interfaces."""
    network = [path.parent.name for path in pathlib.Path("/sys/bus/pci/devices").glob("*/class") if path.read_text().startswith("0x02")]
    devices = [*network, *(f"net_af_packet,iface={name}" for name in os.listdir("/sys/class/net"))]
    data = config(cores=range(os.cpu_count()), devices=devices)
    said, text = recorded(tmp_path, data)
    assert said and replayed(tmp_path, text, data) == said
    for private in ("address = ", "serial"):
        assert private not in text


@pytest.mark.parametrize("name", ["two-sockets-bare", "two-sockets-ready", "virtual-machine-recorded"])
def test_recording_changes_nothing_and_loses_nothing(tmp_path, name):
    root = tree(tmp_path / "root", name)
    before = contents(root)
    data = VIRTIO if name.startswith("virtual") else config()
    said, text = recorded(tmp_path, data, "--root", root)
    assert contents(root) == before
    assert said == run(root, tmp_path, "--check", data=data).stdout == replayed(tmp_path, text, data)


def test_of_routes_only_the_interfaces_are_recorded(tmp_path):
    _, text = recorded(tmp_path, config(), "--root", tree(tmp_path / "root", "two-sockets-bare"))
    assert "/proc/net/route = Iface Destination Gateway\\neno1\\neno1\n" in text and "0101A8C0" not in text


def test_check_changes_nothing_and_exits_1(tmp_path):
    root = tree(tmp_path / "root", "two-sockets-bare")
    before = contents(root)
    done = run(root, tmp_path, "--check")
    assert done.returncode == 1 and "fix   hugepages of node 1" in done.stdout, done.stdout + done.stderr
    assert contents(root) == before


def test_without_check_what_can_be_done_is_done(tmp_path):
    root = tree(tmp_path / "root", "two-sockets-bare", ["/sys/bus/pci/drivers/vfio-pci/bind = "])
    done = run(root, tmp_path)
    assert done.returncode == 1, "the kernel's command line is still for a hand"
    assert (root / "sys/devices/system/cpu/cpu4/cpufreq/scaling_governor").read_text() == "performance"
    assert (root / "sys/bus/pci/devices/0000:af:00.0/driver_override").read_text() == "vfio-pci"
    assert (root / "sys/bus/pci/drivers_probe").read_text() == "0000:af:00.1"
    assert (root / "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages").read_text() == "54"


@pytest.mark.parametrize("gives,code,says", [(0, 1, "not done: the kernel gave 0 pages of 54"), (53, 1, "not done: the kernel gave 53 pages of 54"),
                                             (54, 0, "done"), (60, 0, "done")])
def test_hugepages_are_read_back_and_fewer_than_asked_for_are_no_success(setup, tmp_path, monkeypatch, capsys, gives, code, says):
    """A kernel that makes `gives` pages, however many are asked for. All else is prepared: the exit code tells of the pages alone."""
    node = "/sys/devices/system/node/node1/hugepages"
    root = tree(tmp_path / "root", "two-sockets-ready", [f"{node}/hugepages-1048576kB/free_hugepages = 0"])
    pages = root / f"{node}/hugepages-2048kB/nr_hugepages".lstrip("/")
    real = setup.Host.read
    monkeypatch.setattr(setup.Host, "read", lambda host, path, default="":
                        str(gives) if host.at(path) == pages and pages.read_text() == "54" else real(host, path, default))
    path = tmp_path / "sallyport.yaml"
    path.write_text(yaml.safe_dump(config()))
    monkeypatch.setattr(sys, "argv", ["host-setup", "--root", str(root), "--config", str(path)])
    with pytest.raises(SystemExit) as end:
        setup.main()
    after = capsys.readouterr().out.partition("fix   hugepages of node 1")[2].splitlines()
    assert end.value.code == code and after[1].strip().startswith(says), after
    assert pages.read_text() == "54", "it was asked for"


def test_a_prepared_host_exits_0(tmp_path):
    done = run(tree(tmp_path / "root", "two-sockets-ready"), tmp_path, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_configuration_that_cannot_be_read_is_one_sentence(tmp_path):
    done = subprocess.run([SCRIPT, "--check", "--config", tmp_path / "none"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1

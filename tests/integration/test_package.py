# SPDX-License-Identifier: Apache-2.0
"""The .deb: what is in it, that it installs into a root of its own, starts there, and that purge leaves nothing."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
import yaml
from debs import as_the_unit, run, unit_capabilities

from harness import netns, threads


def dpkg(root, *args):
    """dpkg on a root of its own: with its scripts run outside of it, and without the packages that ours needs."""
    return run("dpkg", f"--root={root}", "--force-script-chrootless", "--force-depends", "--force-not-root", "--log=/dev/null", *args,
               env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


@pytest.fixture
def root(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("dpkg needs root")
    admin = tmp_path / "root/var/lib/dpkg"
    for name in ("info", "updates", "triggers"):
        (admin / name).mkdir(parents=True)
    for name in ("status", "available"):
        (admin / name).touch()
    return tmp_path / "root"


def files_of(root):
    """All that is no folder, without dpkg's own."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() and "var/lib/dpkg" not in str(path)}


def test_holds_what_a_host_needs(package):
    listed = run("dpkg-deb", "-c", package).stdout
    for name in ("usr/bin/sallyport", "lib/systemd/system/sallyport.service", "etc/sallyport/sallyport.yaml", "etc/logrotate.d/sallyport",
                 "usr/share/sallyport/host-setup", "usr/share/sallyport/prometheus/rules.yml", "usr/share/sallyport/prometheus/alerts.yml",
                 "usr/share/sallyport/grafana/dashboards/overview.json", "usr/share/doc/sallyport/METRICS.md",
                 "usr/share/doc/sallyport/cdr.schema.json", "usr/share/doc/sallyport/copyright", "usr/share/doc/sallyport/deploy.md",
                 "usr/share/doc/sallyport/perf.md", "usr/share/sallyport/load/load", "usr/share/sallyport/load/sipp/caller.xml"):
        assert re.search(rf"\./{name}$", listed, re.M), name
    about = run("dpkg-deb", "-f", package, "Depends").stdout
    needs = {one.split()[0] for one in about.split(",")}
    assert needs >= {"dpdk", "librte-eal23", "librte-meta-net", "librte-meta-mempool", "librte-meta-bus", "nftables"}, about


def test_what_it_depends_on_brings_the_drivers_that_are_loaded_at_run_time(package):
    """With nothing that is only recommended, as on a host whose apt leaves that out."""
    needs = [one.split()[0] for one in run("dpkg-deb", "-f", package, "Depends").stdout.split(",")]
    wanted = [name for name in needs if name.startswith(("dpdk", "librte-"))]
    if not run("apt-cache", "show", "librte-net-tap23").stdout:
        pytest.skip("apt knows no packages here: apt-get update")
    brought = run("apt-cache", "depends", "--recurse", "--important", *wanted).stdout.split()  # important: no recommended ones
    for name in ("net-af-xdp23", "net-af-packet23", "net-tap23", "net-i40e23", "mempool-ring23", "bus-pci23", "bus-vdev23"):
        assert f"librte-{name}" in brought, name


def test_what_the_readme_names_is_where_it_is_installed(package):
    listed = run("dpkg-deb", "-c", package).stdout
    named = set(re.findall(r"[` \n](/usr/share/[\w./-]+\.(?:json|md)|/usr/share/sallyport/[\w./-]+)(?=[`\s])",
                           (netns.REPO / "deploy/README.md").read_text()))
    assert named >= {"/usr/share/doc/sallyport/cdr.schema.json", "/usr/share/sallyport/load/load", "/usr/share/sallyport/host-setup"}
    for path in named:
        assert re.search(rf"\.{re.escape(path)}/?$", listed, re.M), path


def test_the_kit_loads_from_where_it_is_installed_and_leaves_nothing_there(package, tmp_path):
    """SIPp to SIPp, without the tree that it was made of."""
    if os.geteuid() != 0:
        pytest.skip("a network of its own needs root")
    assert run("dpkg-deb", "-x", package, tmp_path / "root").returncode == 0
    kit = tmp_path / "root/usr/share/sallyport/load"
    before = files_of(kit)
    command = [kit / "load", "run", "--local", "127.0.0.1", "--callee", "127.0.0.2", "--target", "127.0.0.2:5060", "--rate", 4,
               "--seconds", 1, "--rtp", "--json", tmp_path / "load.json", "--png", tmp_path / "load.png"]
    done = run("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *command, cwd=tmp_path,
               env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")})
    assert done.returncode == 0, done.stdout + done.stderr
    point, = json.loads((tmp_path / "load.json").read_text())["points"]
    assert point["placed"] == point["answered"] == 4
    assert (tmp_path / "load.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert files_of(kit) == before


def test_the_installed_configuration_has_the_status_page_and_only_on_loopback():
    data = yaml.safe_load((netns.REPO / "deploy/package/sallyport.yaml").read_text())
    assert data["status"] == {"listen": "127.0.0.1:9465"}


def test_installs_is_right_and_purge_leaves_nothing(package, root):
    before = files_of(root)
    done = dpkg(root, "-i", package)
    assert done.returncode == 0, done.stdout + done.stderr
    check = run(root / "usr/bin/sallyport", "check", "--config", root / "etc/sallyport/sallyport.yaml")
    assert check.returncode == 0, check.stderr
    # As a run leaves them.
    (root / "var/log/sallyport").mkdir(parents=True)
    (root / "var/log/sallyport/cdr.jsonl").write_text("{}\n")
    done = dpkg(root, "--purge", "sallyport")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_of(root) == before
    assert not (root / "etc/sallyport").exists() and not (root / "var/log/sallyport").exists()


def test_an_upgrade_keeps_a_configuration_that_was_changed(package, root):
    assert dpkg(root, "-i", package).returncode == 0
    config = root / "etc/sallyport/sallyport.yaml"
    config.write_text(config.read_text() + "# mine\n")
    assert dpkg(root, "--force-confold", "-i", package).returncode == 0
    assert config.read_text().endswith("# mine\n")


def start(binary, folder, env=None):
    """Runs it with the package's configuration on ports of software, with the unit's capabilities; returns when it says 'ready'."""
    data = yaml.safe_load((netns.REPO / "deploy/package/sallyport.yaml").read_text())
    data["dataplane"] = {"cores": [1 if os.cpu_count() > 1 else 0], "memory": "ordinary",
                         "ports": {"access": {"device": "net_null0"}, "core": {"device": "net_null1"}}}
    data["admin"] = {"socket": str(folder / "admin.sock")}
    data["metrics"] = {"listen": "127.0.0.1:19464"}
    data["status"] = {"listen": "127.0.0.1:19465"}
    data["cdr"] = {"file": str(folder / "cdr.jsonl")}
    config = folder / "sallyport.yaml"
    config.write_text(yaml.safe_dump(data))
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                                    *as_the_unit(unit_capabilities()), binary, "run", "--config", config],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env)
    deadline = time.monotonic() + 30
    while "msg=ready" not in (folder / "log").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            netns.stop_process(process)
            pytest.fail((folder / "log").read_text())
        time.sleep(0.1)
    return process


def test_the_installed_binary_starts_with_what_the_unit_allows_on_ports_of_software(package, root, tmp_path):
    assert dpkg(root, "-i", package).returncode == 0
    binary = root / "usr/bin/sallyport"
    process = start(binary, tmp_path)
    try:
        shown = run(binary, "show", "peers", "--socket", tmp_path / "admin.sock")
        assert shown.returncode == 0 and "carrier" in shown.stdout, shown.stderr
    finally:
        code = netns.stop_process(process, wait=15)
    assert code == 0, (tmp_path / "log").read_text()


def test_systemd_accepts_the_unit_and_it_asks_for_little(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    text = (netns.REPO / "deploy/package/sallyport.service").read_text()
    unit = tmp_path / "sallyport.service"
    unit.write_text(text.replace("/usr/bin/sallyport", "/bin/true"))
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert "sallyport.service" not in done.stderr, done.stderr
    assert set(unit_capabilities()) == {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_SYS_ADMIN"}, "test_installed.py tries each"
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "RestrictNamespaces=yes"):
        assert line in text.splitlines(), line


def test_logrotate_accepts_its_file(tmp_path):
    if shutil.which("logrotate") is None:
        pytest.skip("no logrotate")
    config = tmp_path / "logrotate"
    config.write_text((netns.REPO / "deploy/package/logrotate").read_text())
    config.chmod(0o644)
    done = run("logrotate", "--debug", "--state", tmp_path / "state", config)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr


@pytest.mark.timeout(60)
def test_systemd_hears_when_the_ports_are_up_of_life_and_of_the_end(package, root, tmp_path):
    assert dpkg(root, "-i", package).returncode == 0
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(15)
        env = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}
        process = start(root / "usr/bin/sallyport", tmp_path, env=env)
        try:
            assert notify.recv(200) == b"READY=1"
            assert "ports are up" in (tmp_path / "log").read_text()
            heard = [notify.recv(200) for _ in range(3)]
            assert heard == [b"WATCHDOG=1"] * 3
            with threads.stopped(process.pid, threads.find(process.pid, "shard-0")[0]):
                notify.settimeout(2.5)
                with pytest.raises(TimeoutError):  # one may be on its way
                    for _ in range(2):
                        notify.recv(200)
            notify.settimeout(15)
            assert notify.recv(200) == b"WATCHDOG=1", "it goes on with the shard"
        finally:
            netns.stop_process(process, wait=15)
        said = []
        notify.settimeout(1)
        while b"STOPPING=1" not in said:
            said.append(notify.recv(200))

# SPDX-License-Identifier: Apache-2.0
"""The lab itself: up, twice, taken over from the dead, never from the living, and nothing left behind."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import netns

NAMESPACES = [netns.SBC, netns.NAT, netns.UA, netns.PUB, netns.CARRIER, netns.LAN]


def namespaces():
    return [name for name in NAMESPACES if pathlib.Path(f"/run/netns/{name}").exists()]


def hugepages():
    return pathlib.Path("/proc/sys/vm/nr_hugepages").read_text()


def test_up_and_down_leaves_nothing(own):
    before = hugepages()
    for _ in range(2):
        own.net()
        assert namespaces() == NAMESPACES
        own.down()
        assert namespaces() == [] and not netns.STATE.exists() and hugepages() == before
    assert "sallyport-lab" not in pathlib.Path("/proc/mounts").read_text()


def test_down_twice_is_no_fault(own):
    assert own.command("down")[0] == 0 and own.command("down")[0] == 0
    assert own.command("status", check=False)[0] == 3


def test_hosts_reach_each_other_as_they_should(own):
    own.net()
    assert netns.run(netns.UA, ["ping", "-c", "1", "-W", "2", netns.PUB4]).returncode == 0
    assert netns.run(netns.PUB, ["ping", "-c", "1", "-W", "1", netns.UA4]).returncode != 0
    listener = netns.udp_socket(netns.PUB, netns.PUB4, 4000)
    netns.udp_socket(netns.UA, netns.UA4, 4001).sendto(b"x", (netns.PUB4, 4000))
    assert listener.recvfrom(10)[1][0] == netns.NAT_OUTSIDE
    listener.close()


def test_devices_of_the_door_carry_no_address(own):
    own.net()
    for device in ("access0", "core0"):
        assert "inet" not in netns.run(netns.SBC, ["ip", "addr", "show", "dev", device]).stdout


def test_nat_forgets_in_the_time_set(own):
    own.net()
    own.command("nat-timeout", 1, 1)
    listener = netns.udp_socket(netns.PUB, netns.PUB4, 4000, timeout=1)
    caller = netns.udp_socket(netns.UA, netns.UA4, 4001, timeout=1)
    caller.sendto(b"x", (netns.PUB4, 4000))
    back = listener.recvfrom(10)[1]
    time.sleep(3.5)
    listener.sendto(b"y", back)
    with pytest.raises(TimeoutError):
        caller.recvfrom(10)
    caller.close()
    listener.close()


def test_a_living_run_keeps_its_lab(own):
    own.net()
    other = netns.Lab({"LAB_OWNER": "1"})
    code, text = other.command("net", check=False)
    assert code != 0 and "has the lab" in text
    assert other.command("down", check=False)[0] != 0 and namespaces() == NAMESPACES


def test_a_dead_run_s_lab_is_cleared(own):
    sleeper = subprocess.Popen(["sleep", "60"])
    netns.Lab({"LAB_OWNER": str(sleeper.pid)}).net()
    netns.popen(netns.PUB, ["sleep", "60"])
    sleeper.kill()
    sleeper.wait()
    own.net()
    assert namespaces() == NAMESPACES
    assert netns.run(netns.PUB, ["true"]).returncode == 0


def test_a_program_that_never_gets_ready_leaves_nothing(own, tmp_path):
    fake = tmp_path / "sallyport"
    fake.write_text("#!/bin/sh\necho starting\nexec sleep 60\n")
    fake.chmod(0o755)
    one = netns.Lab({"SALLYPORT_BIN": str(fake), "LAB_READY_S": "1"})
    code, text = one.command("up", check=False)
    assert code != 0 and "not ready" in text and namespaces() == []


def test_a_program_that_fails_shows_its_log(own, tmp_path):
    fake = tmp_path / "sallyport"
    fake.write_text("#!/bin/sh\necho no such device: nowhere\nexit 3\n")
    fake.chmod(0o755)
    code, text = netns.Lab({"SALLYPORT_BIN": str(fake)}).command("up", check=False)
    assert code != 0 and "ended with 3" in text and "nowhere" in text and namespaces() == []


FAKE = """#!/usr/bin/python3
import http.server, sys
print("log: ready", flush=True)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'sallyport_dataplane_packets_total{port="access",direction="rx"} 5\\n'
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 9464), H).serve_forever()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(own, tmp_path, number):
    before = hugepages()
    fake = tmp_path / "sallyport"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    with open(tmp_path / "out", "wb") as out:
        demo = subprocess.Popen(["/usr/bin/python3", "-m", "harness.demo", "--calls", "10"], stdout=out, stderr=out,
                                cwd=tmp_path, env={**os.environ, "SALLYPORT_BIN": str(fake), "PYTHONPATH": str(netns.REPO / "deploy")})
        deadline = time.monotonic() + 30
        while b"lab up" not in (tmp_path / "out").read_bytes() and demo.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        demo.send_signal(number)
        assert demo.wait(60) == 128 + number, (tmp_path / "out").read_text()
    assert namespaces() == [] and not netns.STATE.exists() and hugepages() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_while_it_clears_a_dead_one_s_lab_leaves_nothing(own, tmp_path, number):
    """The demo before was killed, and its Sallyport does not end when asked: clearing takes seconds."""
    before = hugepages()
    stubborn = tmp_path / "stubborn"
    stubborn.write_text(FAKE.replace("import http.server, sys", "import http.server, signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    stubborn.chmod(0o755)
    killed = subprocess.Popen(["sleep", "600"])
    netns.Lab({"LAB_OWNER": str(killed.pid), "SALLYPORT_BIN": str(stubborn)}).up()
    killed.kill()
    killed.wait()
    env = {key: value for key, value in os.environ.items() if key != "LAB_OWNER"}
    env |= {"SALLYPORT_BIN": str(stubborn), "LAB_STOP_S": "2", "PYTHONPATH": str(netns.REPO / "deploy")}
    with open(tmp_path / "out", "wb") as out:
        demo = subprocess.Popen(["/usr/bin/python3", "-m", "harness.demo", "--calls", "10"], stdout=out, stderr=out,
                                cwd=tmp_path, env=env)
        said = pathlib.Path(f"/tmp/sallyport-lab-command.{demo.pid}.log")
        deadline = time.monotonic() + 30
        while not (said.exists() and "clearing" in said.read_text()) and demo.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert said.exists() and namespaces() == NAMESPACES, "the demo was to be caught while it clears"
        demo.send_signal(number)
        assert demo.wait(60) == 128 + number, (tmp_path / "out").read_text()
    assert namespaces() == [] and not netns.STATE.exists() and hugepages() == before


def test_a_lab_brought_up_by_hand_is_left_alone(own, tmp_path):
    fake = tmp_path / "sallyport"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    by_hand = {key: value for key, value in os.environ.items() if key != "LAB_OWNER"} | {"SALLYPORT_BIN": str(fake)}
    # No pipes: the program outlives the command and would hold them open.
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        assert subprocess.run([netns.REPO / "deploy/lab", "up"], env=by_hand, check=False, **quiet).returncode == 0
        code, text = own.command("net", check=False)
        assert code != 0 and "up already" in text
        own.down()
        assert namespaces() == NAMESPACES and own.pid is not None
    finally:
        subprocess.run([netns.REPO / "deploy/lab", "down"], env=by_hand, check=False, **quiet)
    assert namespaces() == []

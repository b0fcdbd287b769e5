# SPDX-License-Identifier: Apache-2.0
"""The program as a process: faults of a configuration, devices and memory that are not there, drain and end."""
import json
import os
import pathlib
import re
import signal
import tempfile
import time

import pytest
from lab_fixtures import set_up, write_config

from harness import netns, threads


def run_binary(*args, ns=netns.SBC, timeout=20):
    return netns.run(ns, [netns.BINARY, *args], timeout=timeout)


def gone(lab, seconds):
    deadline = time.monotonic() + seconds
    while lab.pid is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return lab.pid is None


def test_check_accepts_the_lab_s_configuration(lab, tmp_path):
    done = run_binary("check", "--config", write_config(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_accepts_the_configuration_that_the_deployment_page_shows(lab, tmp_path):
    page = (netns.REPO / "deploy/README.md").read_text()
    (tmp_path / "page.yaml").write_text(re.search(r"```yaml\n(# /etc/sallyport/sallyport.yaml\n.*?)```", page, re.S)[1])
    done = run_binary("check", "--config", tmp_path / "page.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_tells_every_fault_at_once_with_its_place(lab, tmp_path):
    path = tmp_path / "bad.yaml"
    lines = write_config(tmp_path).read_text().splitlines()
    text = "\n".join(lines).replace("private_media: reject", "private_media: perhaps").replace("- carrier-b\n", "- nobody\n", 1)
    path.write_text(text.replace("level: info", "level: info\n  colour: red") + "\n")
    done = run_binary("check", "--config", path)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    places = re.findall(rf"^{re.escape(str(path))}:(\d+):(\d+): (.+)$", said, re.M)
    assert len(places) >= 3, said
    for word in ("perhaps", "nobody", "colour"):
        assert any(word in message for *_, message in places), (word, said)
    for line, _, message in places:
        for word in ("perhaps", "nobody", "colour"):
            if word in message:
                assert word in path.read_text().splitlines()[int(line) - 1], message
    done = run_binary("run", "--config", path)
    assert done.returncode != 0 and "perhaps" in done.stdout + done.stderr


def test_ordinary_memory_with_af_xdp_is_a_fault(lab, tmp_path):
    path = write_config(tmp_path, lambda c: c["dataplane"].update(memory="ordinary"))
    done = run_binary("check", "--config", path)
    assert done.returncode == 1 and "hugepages" in (done.stdout + done.stderr).lower()


def test_a_missing_device_is_one_clear_sentence(lab, tmp_path):
    path = write_config(tmp_path, lambda c: c["dataplane"]["ports"]["core"].update(device="net_af_xdp,iface=nowhere9"))
    done = run_binary("run", "--config", path)
    assert done.returncode not in (0, -6, -11) and "nowhere9" in done.stdout + done.stderr


def test_no_privilege_is_one_clear_sentence(lab, tmp_path):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:  # pytest's own folders are closed to others
        file.write(write_config(tmp_path).read_text())
        file.flush()
        os.chmod(file.name, 0o644)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if netns.run(netns.SBC, [*nobody, "test", "-x", netns.BINARY]).returncode != 0:
            pytest.skip("others may not reach the binary here")
        done = netns.run(netns.SBC, [*nobody, netns.BINARY, "run", "--config", file.name])
    said = (done.stdout + done.stderr).lower()
    assert done.returncode not in (0, -6, -11)
    assert any(word in said for word in ("privilege", "root", "permission", "cap_")), said


@pytest.fixture
def no_hugepages():
    knob = pathlib.Path("/proc/sys/vm/nr_hugepages")
    before = knob.read_text()
    knob.write_text("0")
    yield
    knob.write_text(before)


def test_memory_auto_falls_back_to_af_packet_and_says_so(door, ends, number, no_hugepages):
    door.stop()
    lab = door()
    assert re.search(r"af_packet", lab.log, re.I) and re.search(r"hugepage", lab.log, re.I)
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    door.stop()


def in_json(config):
    config.setdefault("log", {}).update(format="json", level="debug")


def objects(log):
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "msg"} <= line.keys() for line in lines)
    return lines


def test_with_json_every_line_of_the_log_is_an_object(door, ends, number):
    door.stop()
    lab = door(in_json)
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    assert "ready" in [line["msg"] for line in objects(lab.log)]
    door.stop()
    assert objects(lab.log)[-1]["msg"] == "ended"


def test_with_json_what_the_dataplane_falls_back_from_is_an_object(door, no_hugepages):
    door.stop()
    notices = [line["msg"] for line in objects(door(in_json).log) if line.get("from") == "dataplane"]
    assert any("AF_PACKET" in notice and "hugepages are needed" in notice for notice in notices), notices
    door.stop()


def test_with_json_a_start_that_fails_says_why_in_an_object(lab, tmp_path):
    def missing(config):
        in_json(config)
        config["dataplane"]["ports"]["core"].update(device="net_af_xdp,iface=nowhere9")
    done = run_binary("run", "--config", write_config(tmp_path, missing))
    last = objects(done.stdout + done.stderr)[-1]
    assert done.returncode == 1 and last["level"] == "error" and "nowhere9" in last["error"]


def test_memory_hugepages_without_any_is_one_clear_sentence(lab, tmp_path, no_hugepages):
    path = write_config(tmp_path, lambda c: c["dataplane"].update(memory="hugepages"))
    done = run_binary("run", "--config", path)
    assert done.returncode not in (0, -6, -11) and "hugepages" in (done.stdout + done.stderr).lower()


def test_version_and_show(door, tmp_path):
    door()
    assert run_binary("version").stdout.strip()
    for what in ("calls", "failures", "peers", "flows", "workers", "drops"):
        done = run_binary("show", what, "--json", "--config", netns.STATE / "running.yaml")
        if done.returncode != 0:  # the socket's place may be told otherwise
            done = run_binary("show", what, "--json", "--socket", netns.STATE / "admin.sock")
        assert done.returncode == 0 and done.stdout.strip()[:1] in "[{", (what, done.stdout, done.stderr)


def long_drain(config):
    config["controlplane"]["drain"] = "60s"


def test_sigterm_at_rest_ends_at_once_and_clean(door):
    lab = door(long_drain)
    os.kill(lab.pid, signal.SIGTERM)
    assert gone(lab, 20), "it waits though there is no call"
    left = [name for name in netns.run(netns.SBC, ["ls", "/sys/class/net"]).stdout.split() if name not in ("lo", "access0", "core0")]
    assert left == [], f"taps left: {left}"
    door.stop()


def test_sigterm_drains_then_ends_what_is_left_with_bye(door, ends, number):
    lab = door(lambda c: c["controlplane"].update(drain="3s"))
    pub, carrier = ends.pub(), ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    os.kill(lab.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert pub.invite(number + "1").refused().code == 503
    # New calls are refused, and this one goes on; only then comes its end.
    near.send("INFO")
    carrier.reply(carrier.expect("INFO", call_id=far.call_id), 200, "OK")
    pub.expect(200, call_id=near.call_id)
    near.hear_bye(timeout=8)
    far.hear_bye(timeout=3)
    assert gone(lab, 8)
    door.stop()


def test_a_second_sigterm_ends_at_once(door, ends, number):
    lab = door(long_drain)
    pub, carrier = ends.pub(), ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    waiting = pub.invite(number + "2")
    rung = carrier.expect("INVITE")
    tag = carrier.reply(rung, 180, "Ringing")
    waiting.expect(180)
    os.kill(lab.pid, signal.SIGTERM)
    time.sleep(0.5)
    os.kill(lab.pid, signal.SIGTERM)
    heard = []
    for _ in range(2):
        message = pub.receive(4)
        assert message is not None
        heard.append(message.method or message.code)
        if message.method == "BYE":
            pub.reply(message, 200, "OK")
    assert sorted(map(str, heard)) == ["503", "BYE"]
    ended = []
    while len(ended) < 2 and (message := carrier.receive(4)):
        ended.append(message.method)
        carrier.reply(message, 200, "OK", tag=tag)
    assert sorted(ended) == ["BYE", "CANCEL"]
    assert gone(lab, 8) and near and far
    door.stop()


def test_twice_in_a_row(door, ends, number):
    for turn in range(2):
        door()
        near, far, *_ = set_up(pub := ends.pub(5060 + turn), ends.carrier(), f"{number}{turn}")
        near.send("BYE")
        far.hear_bye()
        far.endpoint.close()
        pub.close()
        door.stop()


def ruleset():
    return netns.run(netns.SBC, ["nft", "list", "ruleset"]).stdout


def test_a_killed_process_does_not_hinder_the_next(door, ends, number, tmp_path):
    """Over AF_PACKET, where rules keep the kernel off the devices. Nobody clears what the killed one left, as nobody does
    under a supervisor: 'lab stop' would, so it is not used here."""
    def change(config):
        for name in ("access", "core"):
            config["dataplane"]["ports"][name]["device"] = f"net_af_packet,iface={name}0"
    lab = door(change)
    config = write_config(tmp_path, change)
    before = ruleset()
    os.kill(lab.pid, signal.SIGKILL)
    assert gone(lab, 5)
    door.text = None
    assert ruleset() == before and "access0" in before and "core0" in before, "it left its rules"
    lab.start(config)
    assert ruleset().count("chain") == before.count("chain"), "rules of the killed one are still there beside the new ones"
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    os.kill(lab.pid, signal.SIGTERM)
    assert gone(lab, 10)
    assert "access0" not in ruleset() and "core0" not in ruleset()
    door.stop()


def test_a_full_port_range_is_503_and_calls_go_on(door, ends, number):
    """Eight ports: two calls of RTP and RTCP on each side at most, so a later one has no room."""
    def change(config):
        for realm in config["realms"].values():
            realm["media"]["ports"] = "20000-20007"
    door(change)
    pub, carrier = ends.pub(), ends.carrier()
    alive, refused = [], None
    for turn in range(6):
        call = pub.invite(f"{number}{turn}")
        kind = carrier.receive(1.0)
        if kind is None:
            refused = call.refused()
            break
        far = carrier.answer(kind)
        _, near = call.established()
        carrier.expect("ACK")
        alive.append((near, far))
    assert refused is not None and refused.code == 503 and refused.get("retry-after"), refused
    assert alive
    for near, far in alive:
        near.send("BYE")
        far.hear_bye()
        pub.expect(200)


def test_each_shard_is_pinned_to_a_core_that_does_not_poll(door):
    lab = door(lambda c: c["controlplane"].update(shards=2))
    free = sorted(os.sched_getaffinity(0) - {1})
    for index in range(2):
        thread, = threads.find(lab.pid, f"shard-{index}")
        assert os.sched_getaffinity(thread) == {free[index % len(free)]}, index
    worker = [t for t in map(int, os.listdir(f"/proc/{lab.pid}/task")) if os.sched_getaffinity(t) == {1}]
    assert worker, "nobody polls on core 1"


def test_cdr_has_a_record_for_each_call(door, ends, number):
    door()
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    time.sleep(1)
    assert number in (netns.STATE / "cdr.jsonl").read_text()

# SPDX-License-Identifier: Apache-2.0
"""Reload and drain, from the wire. One process takes all the reloads of this module, one after the other: it is started once,
and each test leaves the lab's own configuration running again. The last test ends it."""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from lab_fixtures import set_up, talk, write_config

from harness import metrics, netns, rtp, sip, sipp, tone, ua, verdicts
from harness.netns import ACCESS4, BINARY, CARRIER, CARRIER_A, CARRIER_B, PUB, PUB4, SBC

SOCKET = netns.STATE / "admin.sock"
PASSWORD = "xyzzy-Kr4kat0a"


def ask(*args, timeout=20):
    """A command to the running process."""
    return netns.run(SBC, [BINARY, *args, "--socket", SOCKET], timeout=timeout)


def show(what):
    return json.loads(ask("show", what, "--json").stdout)


def reloads():
    samples = metrics.scrape()
    return {outcome: metrics.total(samples, "reloads_total", outcome=outcome) for outcome in ("done", "refused")}


class Live:
    """The running process, and the file that it was started with."""

    def __init__(self, door):
        self.door, self.lab = door, door()

    def write(self, change=None):
        return write_config(self.door.folder, change)

    def reload(self, change=None):
        """Its output; it must have been taken."""
        self.write(change)
        done = ask("reload")
        assert done.returncode == 0 and done.stdout.startswith("reloaded"), done
        return done.stdout

    def log(self):
        return self.lab.log


@pytest.fixture
def live(door):
    one = Live(door)
    yield one
    if one.lab.pid is not None:
        one.reload()


def to_carrier_b(config):
    """All of the office's calls go to carrier-b first."""
    for route in config["routes"]:
        if route.get("from") == "office":
            route["to"] = ["carrier-b"]


def without_carrier_b(config):
    del config["peers"]["carrier-b"]
    for route in config["routes"]:
        for key in ("from", "to"):
            if isinstance(route.get(key), list):
                route[key] = [peer for peer in route[key] if peer != "carrier-b"]


def with_newcomer(config):
    config["peers"]["newcomer"] = {"realm": "access", "match": ["198.51.100.77"]}
    config["response_maps"]["carrier-in"]["rules"].append({"code": 410, "send": 404})


def by_gateway(config, *gateways):
    config["realms"]["core"]["gateways"] = list(gateways)


# ---- under load

RATE, CALLS = 10, 90


class Load:
    """SIPp calls at a steady rate with RTP both ways, seen at both hosts."""

    def __init__(self, folder, wire):
        self.numbers = [f"+4420{7000000 + n}" for n in range(CALLS)]
        voices = [tone.write_pcap(folder / f"voice{n}.pcap", seed=n + 1) for n in range(2)]
        places = {"CALLER_BYE": 1, "HOLD_MS": sipp.HOLD_MS, "BYE_TIMEOUT_MS": 15000, "RING_MS": 100}
        self.captures = wire(pub=(PUB, "eth0"), carrier=(CARRIER, "eth0"))
        self.callees = [sipp.Sipp(CARRIER, sipp.fill("uas", folder, RTP=voices[1], **places, **sipp.media_places(address)), folder,
                                  address, 5060, media_port=port).wait_bound(5060)
                        for address, port in ((CARRIER_A, 20000), (CARRIER_B, 30000))]
        self.caller = sipp.Sipp(PUB, sipp.fill("uac", folder, RTP=voices[0], **places, **sipp.media_places(PUB4)), folder, PUB4, 5070,
                                target=f"{ACCESS4}:5060", fields=[(number, "alice") for number in self.numbers], calls=CALLS,
                                rate=RATE, media_port=40000, timeout=CALLS / RATE + 40)

    def wait(self):
        code = self.caller.wait(CALLS / RATE + 50)
        for one in self.callees:
            one.stop(graceful=3.0)
        self.captures.stop()
        assert code == 0, self.caller.errors[-600:]
        assert verdicts.captures_whole("captures", self.captures.dropped()).ok

    def stop(self):
        for one in (self.caller, *self.callees):
            one.stop()

    def legs(self, missing=False):
        """number -> (the caller's legs, the callees'). `missing`: of those that were not placed in the end, none."""
        near, far = (sip.by_number(sip.legs(sip.messages(self.captures.packets(host)))) for host in ("pub", "carrier"))
        if missing:
            return {number: (near.get(number, []), far.get(number, [])) for number in self.numbers}
        return {number: (near[number], far[number]) for number in self.numbers}


@pytest.fixture
def load(live, tmp_path, wire):
    one = Load(tmp_path, wire)
    yield one
    one.stop()


def said_twice(packets):
    """Messages that a host sent or heard more than once: of one transaction, the same start line again."""
    seen = collections.Counter()
    for message in sip.messages(packets):
        branch = re.search(r"branch=([^;,\s]+)", message.get("via")).group(1)
        seen[message.src, message.dst, message.start, branch, message.get("cseq")] += 1
    return {key: count for key, count in seen.items() if count > 1}


def test_reloads_under_load_lose_and_delay_no_call(live, load):
    """A route, a peer more and a peer less, a rule of a response map, a gateway that comes and goes, and a wrong file, while calls come and go: every call is
    answered and ends as it would; no message of theirs had to be sent twice; no RTP is missing. Where a call goes is said by
    the configuration that was running when it came."""
    before = reloads()
    time.sleep(2)
    marks = [(time.time(), live.reload(lambda c: (to_carrier_b(c), with_newcomer(c), by_gateway(c, CARRIER_B))), time.time())]
    assert "peer newcomer: added" in marks[0][1] and "response map carrier-in: changed" in marks[0][1] and "routes" in marks[0][1]
    time.sleep(2)
    live.write(lambda c: c["peers"]["carrier-b"].update(realm="nowhere"))
    wrong = ask("reload")
    assert wrong.returncode == 1 and re.search(r"^\S+\.yaml:\d+:\d+: .*nowhere", wrong.stderr, re.M), wrong
    time.sleep(1)
    begun = time.time()
    gone = live.reload(without_carrier_b)
    marks.append((begun, gone, time.time()))
    assert "peer carrier-b: removed" in gone and "peer newcomer: removed" in gone
    rows = {row["name"]: row for row in show("peers")["peers"]}
    assert rows["carrier-b"]["removed"] and rows["carrier-b"]["calls"] > 0, "it still has the calls that went to it"
    load.wait()

    for host in ("pub", "carrier"):
        assert said_twice(load.captures.packets(host)) == {}
    paths = [rtp.by_path(load.captures.packets(host)) for host in ("pub", "carrier")]
    directions, places = [], collections.Counter()
    for number, (near, far) in load.legs().items():
        assert len(near) == 1 and near[0].answered, number
        assert len(far) == 1, f"{number} was tried {len(far)} times"
        came, went = near[0].invite.ts, far[0].invite.dst
        wanted = {CARRIER_B} if marks[0][2] < came < marks[1][0] else {CARRIER_A} if came < marks[0][0] or came > marks[1][2] else \
            {CARRIER_A, CARRIER_B}
        assert went in wanted, f"{number} came at {came} and went to {went}: {marks}"
        places[went] += 1
        directions += rtp.directions(near[0], far[0], *paths)
        assert [m.code for m in near[0].responses("BYE")] == [200] and [m.code for m in far[0].responses("BYE")] == [200]
    assert min(places[CARRIER_A], places[CARRIER_B]) > 5, places
    whole = verdicts.media_whole("media", directions, CALLS)
    assert whole.ok, whole
    after = reloads()
    assert (after["done"] - before["done"], after["refused"] - before["refused"]) == (2, 1)
    assert show("calls")["total"] == 0


# ---- what a reload does

def test_a_wrong_file_changes_nothing_and_all_its_faults_are_told(live, ends, number):
    peers, before = show("peers")["peers"], reloads()
    live.write(lambda c: (c["peers"]["office"].update(colour="red"), c["routes"][0].update(to=["nobody"]), to_carrier_b(c),
                          c["routes"].append({"to": ["nobody"]})))
    done = ask("reload")
    faults = re.findall(r"^\S+\.yaml:(\d+):(\d+): (.+)$", done.stderr, re.M)
    assert done.returncode == 1 and len(faults) == 2 and done.stderr.rstrip().endswith("nothing has changed"), done.stderr
    assert 'msg="the configuration was not reloaded"' in live.log() and faults[0][2] in live.log()
    assert show("peers")["peers"] == peers and reloads() == {**before, "refused": before["refused"] + 1}
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()


def test_what_needs_a_restart_is_said_and_the_rest_is_taken(live, ends):
    def change(config):
        config["dataplane"]["cores"] = [0]
        config["realms"]["core"]["media"]["ports"] = "30000-30999"
        config["controlplane"]["max_calls"] = 7
        config["realms"]["annex"] = {"port": "core", "vlan": 7, "addresses": ["203.0.113.1/24"], "sip": {"udp": 5060}}
        with_newcomer(config)
    said = live.reload(change)
    keys = ["dataplane.cores", "controlplane.max_calls", "realms.core.media.ports", "realms.annex"]
    assert f"waits for a restart: {', '.join(keys)}" in said and "peer newcomer: added" in said
    assert show("process")["process"]["waiting"] == keys
    assert metrics.total(metrics.scrape(), "reload_waiting_keys") == 4
    assert {row["name"] for row in show("peers")["peers"]} >= {"newcomer"}
    live.write(lambda c: (change(c), c["peers"]["newcomer"].update(realm="annex")))
    refused = ask("reload")
    assert refused.returncode == 1 and "peers.newcomer.realm: 'annex' is a new realm, which needs a restart" in refused.stderr
    live.reload()
    assert show("process")["process"]["waiting"] == [] and metrics.total(metrics.scrape(), "reload_waiting_keys") == 0


@pytest.fixture
def beyond(lab):
    """An address of the carrier's host that is in none of Sallyport's networks."""
    address = "203.0.113.200"
    netns.run(CARRIER, ["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    yield address
    netns.run(CARRIER, ["ip", "addr", "del", f"{address}/32", "dev", "lo"])


def test_a_realm_s_gateways_change_under_a_call(live, ends, number, beyond):
    """The carrier's media is beyond its network: without a gateway it is not reached, and from one to the next nothing is lost."""
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number, ua.sdp(PUB4, 6000))
    invite = carrier.expect("INVITE")
    far = carrier.answer(invite, 7000, address=beyond)
    final, near = call.established()
    carrier.expect("ACK")
    one, other = ends.media(PUB, PUB4, 6000), ends.media(CARRIER, beyond, 7000)
    talk(one, final.media(), other, invite.media(), 0.5)
    assert len(one.heard) > 10 and not other.heard

    def routes():
        return netns.run(SBC, ["ip", "route", "show", "table", "all", "dev", "sp-core"], check=True).stdout
    assert "realm core: changed" in live.reload(lambda c: by_gateway(c, CARRIER_B))
    assert f"default via {CARRIER_B} " in routes()
    before = one.sent
    one.talk(final.media())
    other.talk(invite.media())
    time.sleep(0.5)
    live.reload(lambda c: by_gateway(c, CARRIER_A))
    time.sleep(0.5)
    one.quiet()
    other.quiet()
    time.sleep(0.3)
    assert f"default via {CARRIER_A} " in routes() and CARRIER_B not in routes()
    assert len(other.heard) == one.sent - before > 20
    live.reload()
    assert "default" not in routes()
    near.send("BYE")
    far.hear_bye()


def waits_of_workers(pid, seconds=0.3):
    """How often the workers' threads have slept in that time."""
    def count():
        tasks = [task for task in pathlib.Path(f"/proc/{pid}/task").iterdir() if "worker" in (task / "comm").read_text()]
        assert tasks
        return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1)) for task in tasks)
    before = count()
    time.sleep(seconds)
    return count() - before


def becomes(truth):
    deadline = time.monotonic() + 10
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_servers_move_and_the_workers_idle_otherwise_under_a_call(live, ends, number):
    moved = netns.STATE / "moved.sock"
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    becomes(lambda: waits_of_workers(live.lab.pid) > 20)

    def change(config):
        config["dataplane"]["idle"] = "busy"
        config["metrics"] = {"listen": "127.0.0.1:9474"}
        config["status"] = {"listen": "127.0.0.1:9475"}
        config["admin"] = {"socket": str(moved)}

    def asked(*args):
        return netns.run(SBC, [BINARY, *args, "--socket", moved], timeout=20)
    try:
        said = live.reload(change)
        assert all(key in said for key in ("dataplane.idle", "metrics.listen", "status.listen", "admin.socket")), said
        assert "waits for a restart" not in said
        becomes(lambda: not SOCKET.exists())
        assert json.loads(asked("show", "calls", "--json").stdout)["total"] == 1
        assert metrics.total(metrics.scrape(address=("127.0.0.1", 9474)), "calls_active") == 1
        assert "Sallyport" in netns.inside(SBC, lambda: http_text("127.0.0.1", 9475, "/"))
        with pytest.raises(OSError):
            netns.tcp_connect(SBC, *netns.METRICS).close()
        becomes(lambda: waits_of_workers(live.lab.pid) == 0)

        # A port that is not free: all stays where it is, also what could have been had.
        live.write(lambda c: (change(c), c.update(metrics={"listen": "127.0.0.1:9476"}, status={"listen": "127.0.0.1:9477"},
                                                  admin={"socket": str(SOCKET)})))
        with netns.inside(SBC, socket.create_server, ("127.0.0.1", 9477)):
            wrong = asked("reload")
        assert wrong.returncode == 1 and "status cannot listen on 127.0.0.1:9477" in wrong.stderr, wrong
        assert "nothing has changed" in wrong.stderr and not SOCKET.exists()
        with pytest.raises(OSError):
            netns.tcp_connect(SBC, "127.0.0.1", 9476).close()
        assert metrics.total(metrics.scrape(address=("127.0.0.1", 9474)), "calls_active") == 1
        assert "Sallyport" in netns.inside(SBC, lambda: http_text("127.0.0.1", 9475, "/"))
    finally:
        live.write()
        if moved.exists():
            assert asked("reload").returncode == 0
    becomes(lambda: not moved.exists())
    assert show("calls")["total"] == 1
    becomes(lambda: waits_of_workers(live.lab.pid) > 20)
    near.send("BYE")
    far.hear_bye()


def test_sighup_reloads_and_the_log_says_so(live):
    before = reloads()
    live.write(with_newcomer)
    os.kill(live.lab.pid, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while reloads()["done"] == before["done"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    told = [line for line in live.log().splitlines() if 'msg="the configuration was reloaded"' in line][-1]
    assert "peer newcomer: added" in told and 'waiting=""' in told


def test_a_peer_s_calls_in_hand_go_on_though_its_address_is_another_s(live, ends, number):
    """carrier-a gets another name: the address is a new peer's, and the call that it had ends from its own side."""
    near, far, to_near, to_far = set_up(pub := ends.pub(), carrier := ends.carrier(), number)

    def renamed(config):
        text = json.dumps(config).replace("carrier-a", "carrier-n")
        config.clear()
        config.update(json.loads(text))
    live.reload(renamed)
    one, other = ends.media(PUB, PUB4, 6000), ends.media(CARRIER, CARRIER_A, 7000)
    talk(one, to_near, other, to_far, 0.5)
    assert len(one.heard) > 10 and len(other.heard) > 10
    far.send("BYE")
    near.hear_bye()
    assert carrier.expect(200, call_id=far.call_id)
    call = pub.invite(number + "1", ua.sdp(PUB4, 6000))
    again = carrier.answer(carrier.expect("INVITE"))
    _, fresh = call.established()
    carrier.expect("ACK")
    fresh.send("BYE")
    again.hear_bye()
    assert metrics.total(metrics.scrape(), "calls_answered_total", to="carrier-n") == 1


def test_the_police_of_a_realm_changes_live(live, ends):
    pub = ends.pub()

    def flood():
        lost = metrics.total(metrics.scrape(), "dataplane_drops_total", port="access", reason="sip_police")
        for _ in range(40):
            pub.send(b"\r\n\r\n")
        metrics.rest()
        return metrics.total(metrics.scrape(), "dataplane_drops_total", port="access", reason="sip_police") - lost
    assert flood() == 0
    live.reload(lambda c: c["realms"]["access"]["sip"].update(police=10))
    assert flood() >= 20
    live.reload()
    time.sleep(1)
    assert flood() == 0


def test_the_log_s_level_changes_at_run_time_and_lines_about_calls_name_them(live, ends, number):
    assert ask("log-level", "loud").returncode == 1
    assert "log's level is debug" in ask("log-level", "debug").stdout
    pub, carrier = ends.pub(), ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    call = show("calls")["calls"][0]["id"]
    near.send("BYE")
    far.hear_bye()
    refused = pub.invite(number + "1", ua.sdp(PUB4, 6000))
    carrier.reply(carrier.expect("INVITE"), 486, "Busy Here")
    refused.refused()
    deadline = time.monotonic() + 5
    while not ((ended := re.search(rf'level=debug msg="a call has ended" call={call} ', live.log())) and
               (failed := re.search(r'level=info msg="a call has failed" call=\S+ from=office to=carrier-a sent=486', live.log()))):
        assert time.monotonic() < deadline, (ended, live.log()[-800:])
        time.sleep(0.05)
    assert failed
    live.reload()
    assert show("process")["process"]["log_level"] == "info", "a reload sets what the file says"


def test_no_secret_is_in_logs_records_or_answers(live, ends, number):
    """A call through a challenge, at level debug: neither the password nor the proof of it is told anywhere."""
    def change(config):
        config["peers"]["carrier-a"]["credentials"] = {"user": "sally", "password": PASSWORD}
        config["log"] = {"level": "debug"}
    said = live.reload(change)
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number, ua.sdp(PUB4, 6000))
    first = carrier.expect("INVITE")
    carrier.reply(first, 401, "Unauthorized", extra=['WWW-Authenticate: Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'])
    carrier.expect("ACK")
    proven = carrier.expect("INVITE")
    proof = re.search(r'response="([0-9a-f]{32})"', proven.get("authorization")).group(1)
    far = carrier.answer(proven)
    _, near = call.established()
    carrier.expect("ACK")
    told = said + "".join(ask("show", what, "--json").stdout for what in ("calls", "peers", "process"))
    near.send("BYE")
    far.hear_bye()
    live.write(lambda c: (change(c), c["peers"]["carrier-a"]["credentials"].update(colour="red")))
    told += ask("reload").stderr
    live.reload(change)
    records = (netns.STATE / "cdr.jsonl").read_text()
    for text in (told, records, live.log(), metrics_text()):
        assert PASSWORD not in text and proof not in text
    assert "carrier-a" in records and "carrier-a" in told


def metrics_text():
    return netns.inside(SBC, lambda: http_text(*netns.METRICS))


def http_text(host, port, path="/metrics"):
    with socket.create_connection((host, port), 5) as link:
        link.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: link.recv(65536), b"")).decode()


# ---- drain

class Started:
    """Sallyport as a child of ours, which tells its exit code, with a service manager's socket."""

    def __init__(self, folder, config):
        self.told, self.path = [], folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        threading.Thread(target=self._listen, daemon=True).start()
        self.log = open(folder / "log", "w+b")
        self.process = netns.popen(SBC, [BINARY, "run", "--config", config], stdout=self.log, stderr=subprocess.STDOUT,
                                   env={**os.environ, "NOTIFY_SOCKET": str(self.path)})
        self.wait_for("READY=1")

    def _listen(self):
        while True:
            try:
                self.told.append(self.socket.recv(4096).decode())
            except OSError:
                return

    def wait_for(self, word, after=0, limit=30):
        deadline = time.monotonic() + limit
        while not any(word in one for one in self.told[after:]):
            assert time.monotonic() < deadline and self.process.poll() is None, (word, self.told, self.text())
            time.sleep(0.02)

    def text(self):
        self.log.flush()
        return open(self.log.name, errors="replace").read()[-2000:]

    def close(self):
        netns.stop_process(self.process, signal.SIGTERM, 12)
        self.socket.close()
        self.log.close()


@pytest.fixture
def started(door, tmp_path):
    door.stop()
    made = Started(tmp_path, write_config(tmp_path))
    yield made
    made.close()


def options(endpoint):
    endpoint.send(endpoint.compose(f"OPTIONS sip:{endpoint.door} SIP/2.0", [
        endpoint.via(), f"From: <sip:a@{endpoint.show}>;tag=1", f"To: <sip:{endpoint.door}>", f"Call-ID: {ua.token()}",
        "CSeq: 1 OPTIONS", "Max-Forwards: 70", endpoint.contact()]))
    return endpoint.expect((200, 503))


def test_drain(started, ends, number):
    """New calls and OPTIONS hear 503; calls that are up go on, also through a reload; at the limit both legs hear BYE, and the
    exit code is 0. The service manager hears of it all."""
    pub, carrier = ends.pub(), ends.carrier()
    assert options(carrier).code == 200
    first, far_first, to_near, to_far = set_up(pub, carrier, number)
    second, far_second, *_ = set_up(pub, carrier, number + "1")
    heard = len(started.told)
    assert ask("reload").returncode == 0
    started.wait_for("READY=1", after=heard)
    reloading = next(one for one in started.told[heard:] if "RELOADING=1" in one)
    assert re.search(r"^MONOTONIC_USEC=\d+$", reloading, re.M), started.told

    assert ask("drain", "--limit", "soon").returncode == 1
    done = ask("drain")
    assert done.returncode == 0 and "draining" in done.stdout
    deadline = time.monotonic() + 5
    while show("process")["process"]["state"] != "draining":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert metrics.total(metrics.scrape(), "draining") == 1
    refused = pub.invite(number + "2", ua.sdp(PUB4, 6000)).refused()
    assert refused.code == 503 and int(refused.get("retry-after")) > 0
    answer = options(carrier)
    assert answer.code == 503 and int(answer.get("retry-after")) > 0
    one, other = ends.media(PUB, PUB4, 6000), ends.media(CARRIER, CARRIER_A, 7000)
    talk(one, to_near, other, to_far, 0.5)
    assert len(one.heard) > 10 and len(other.heard) > 10
    first.send("BYE")
    far_first.hear_bye()
    pub.expect(200, call_id=first.call_id)
    assert started.process.poll() is None, "there is a call left"

    assert ask("drain", "--limit", "1s").returncode == 0
    second.hear_bye(timeout=6)
    far_second.hear_bye(timeout=6)
    assert started.process.wait(15) == 0, started.text()
    assert "STOPPING=1" in "".join(started.told)


def test_drain_ends_with_the_last_call(started, ends, number):
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    assert ask("drain").returncode == 0
    near.send("BYE")
    far.hear_bye()
    assert started.process.wait(15) == 0, started.text()

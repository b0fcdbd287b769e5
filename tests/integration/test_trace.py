# SPDX-License-Identifier: Apache-2.0
"""Seeing one call: its ladder while it is up and afterwards, the pcap that `sallyport trace` writes against what was on the
wire, and a Homer server's copy."""
import json
import re
import signal
import socket
import struct
import subprocess
import time
from collections import Counter

import pytest
from lab_fixtures import set_up, write_config

from harness import metrics, netns, pcap, sip, ua
from harness.netns import CARRIER, CARRIER_A, CARRIER_B, LAN, PUB, PUB4, SBC

HOMER = ("127.0.0.1", 9060)
SECRET = "0123456789abcdef"


def to_homer(config):
    config["trace"] = {"hep": {"server": f"{HOMER[0]}:{HOMER[1]}", "id": 2042}}


def command(*args, **kwargs):
    return subprocess.run(["ip", "netns", "exec", SBC, netns.BINARY, *map(str, args), "--config", netns.STATE / "running.yaml"],
                          capture_output=True, text=True, timeout=60, **kwargs)


def id_of(call_id):
    """Our name of the call with that Call-ID, from its record, which a thread of its own writes."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in (netns.STATE / "cdr.jsonl").read_text().splitlines():
            if f'"{call_id}"' in line:
                return json.loads(line)["id"]
        time.sleep(0.2)
    raise AssertionError(f"no record has {call_id}")


def sip_of(packets, calls):
    """The SIP of these calls: (from, to, octets), secrets blanked as the trace has them."""
    found = Counter()
    for packet in packets:
        if packet.proto != pcap.UDP or not any(call.encode() in packet.payload for call in calls):
            continue
        octets = re.sub(rb"(?<=Authorization: Digest )[^\r]+", lambda m: b"*" * len(m.group(0)), packet.payload)
        found[(packet.src, packet.sport, packet.dst, packet.dport, octets)] += 1
    return found


def rtp_of(packets):
    """RTP by its way, in order."""
    ways = {}
    for packet in packets:
        if packet.proto == pcap.UDP and 5060 not in (packet.sport, packet.dport) and packet.payload[:1] == b"\x80":
            ways.setdefault((packet.src, packet.sport, packet.dst, packet.dport), []).append(packet.payload)
    return ways


def tshark(path, *args):
    done = subprocess.run(["tshark", "-r", path, *args], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def hep_chunks(datagram):
    """A HEPv3 datagram's chunks by type (HEP specification, rev. 12)."""
    assert datagram[:4] == b"HEP3" and struct.unpack_from("!H", datagram, 4)[0] == len(datagram)
    chunks, at = {}, 6
    while at < len(datagram):
        vendor, kind, length = struct.unpack_from("!HHH", datagram, at)
        assert vendor == 0 and length >= 6
        chunks[kind] = datagram[at + 6:at + length]
        at += length
    return chunks


@pytest.fixture
def homer(lab):
    sock = netns.udp_socket(SBC, *HOMER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    yield sock
    sock.close()


def hear_homer(homer, calls, enough):
    """(source, target, octets) of what Homer gets of these calls, until there are so many."""
    found, names = Counter(), set()
    deadline = time.monotonic() + 20
    while sum(found.values()) < enough:
        assert time.monotonic() < deadline, f"Homer has {sum(found.values())} of {enough}"
        chunks = hep_chunks(homer.recv(65535))
        if not any(call.encode() in chunks[15] for call in calls):
            continue
        assert chunks[1] == b"\x02" and chunks[2] == b"\x11" and chunks[11] == b"\x01"
        assert struct.unpack("!I", chunks[12])[0] == 2042
        assert abs(struct.unpack("!I", chunks[9])[0] - time.time()) < 600
        names.add(chunks[17])
        ends = [socket.inet_ntoa(chunks[3]), *struct.unpack("!H", chunks[7]), socket.inet_ntoa(chunks[4]),
                *struct.unpack("!H", chunks[8])]
        found[(*ends, chunks[15])] += 1
    return found, names


@pytest.mark.timeout(150)
def test_one_call_whole_while_it_is_up_and_afterwards(door, ends, number, wire, homer, tmp_path):
    """Ladder and pcap of both legs, with its media, equal what was on the wire; so does what Homer got."""
    door(to_homer)
    a, b = ends.media(PUB, PUB4), ends.media(CARRIER, CARRIER_A)
    captures = wire(access=(LAN, "sbc0"), core=(CARRIER, "eth0"))
    caller, callee = ends.pub(), ends.carrier()
    secret = f'Authorization: Digest username="lab", response="{SECRET}"'
    near, far, to_a, to_b = set_up(caller, callee, number, a.port, b.port, extra=[secret])
    calls = [near.call_id, far.call_id]

    shown = json.loads(command("show", "calls", "--json").stdout)["calls"]
    name = next(row["id"] for row in shown if number in row["callee"])
    path = tmp_path / "one.pcap"
    following = netns.popen(SBC, [netns.BINARY, "trace", "--user", number, "--rtp", "--follow", 120, "--pcap", path, "--json",
                                  "--config", netns.STATE / "running.yaml"], stdout=subprocess.PIPE)
    a.talk(to_a)
    b.talk(to_b)
    deadline = time.monotonic() + 30
    while metrics.total(metrics.scrape(), "trace_media_packets_total", outcome="copied") < 50:
        assert time.monotonic() < deadline, "no media was copied"
        time.sleep(0.2)
    answer = json.loads(command("show", "call", name, "--json").stdout)
    assert [leg["dialog"] for leg in answer["call"]["legs"]] == ["confirmed", "confirmed"]
    assert {timer["timer"] for timer in answer["call"]["timers"]} >= {"duration"}, answer["call"]["timers"]
    assert all(stream["packets"] > 0 for stream in answer["call"]["streams"]), answer["call"]["streams"]
    a.quiet()
    b.quiet()
    near.send("BYE")
    far.hear_bye()
    caller.expect(200, call_id=near.call_id)
    captures.stop()
    following.send_signal(signal.SIGINT)
    summary = json.loads(following.communicate(timeout=60)[0])

    on_wire = captures.packets("access") + captures.packets("core")
    expected = sip_of(on_wire, calls)
    traced = pcap.read(path)
    assert sip_of(traced, calls) == expected
    assert summary["messages"] == sum(expected.values()) and summary["calls"] == 1 and summary["gone"] == 0
    assert SECRET.encode() not in path.read_bytes()

    wanted, got = rtp_of(on_wire), rtp_of(traced)
    assert len(got) == 4, "each direction on each leg"
    for way, payloads in got.items():
        assert payloads == wanted[way][-len(payloads):], f"{way}: the copies end with what was sent last, and none is missing"
    assert summary["media_packets"] == sum(map(len, got.values())) and summary["media_lost"] == 0

    kinds = tshark(path, "-Y", "sip", "-T", "fields", "-e", "sip.CSeq.method")
    assert len(kinds) == sum(expected.values()) and {"INVITE", "ACK", "BYE"} == set(kinds)
    assert len(tshark(path, "-Y", "rtp")) == summary["media_packets"], "found by the SDP, as one flow"
    assert not tshark(path, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
                      'udp.checksum.status == "Bad" || ip.checksum.status == "Bad" || _ws.malformed')

    ladder = command("show", "call", name).stdout
    for part in ("ended", "INVITE (1)", "100 Trying (1 INVITE)", "200 OK (1 INVITE)", "BYE", PUB4, CARRIER_A):
        assert part in ladder, f"{part} is not in\n{ladder}"
    assert "gone" not in ladder and SECRET not in ladder

    heard, names = hear_homer(homer, calls, sum(expected.values()))
    assert heard == expected and names == {name.encode()}


@pytest.mark.timeout(120)
def test_a_call_that_was_refused_at_the_door_is_looked_at_afterwards(door, ends, number):
    """It was never a call; the name in its record leads to its messages all the same, which are kept among the failed ones."""
    door(to_homer)

    def kept():
        return metrics.total(metrics.scrape(), "trace_messages_total", ring="failed")

    before = kept()
    call = ends.pub().invite(number, extra=["Require: foo"])
    assert call.refused().code == 420
    name = id_of(call.call_id)
    deadline = time.monotonic() + 10
    while "ACK" not in (ladder := command("show", "call", name).stdout).splitlines()[-1]:
        assert time.monotonic() < deadline, ladder
        time.sleep(0.2)
    arrows = [line for line in ladder.splitlines() if line.endswith("|")]
    assert [part for line, part in zip(arrows, ("INVITE (1)", "420 Bad Extension (1 INVITE)", "ACK (1)"), strict=True) if part not in line] == [], ladder
    assert kept() - before == 3


@pytest.mark.timeout(120)
def test_a_failed_call_is_looked_at_afterwards(door, ends, number, tmp_path):
    """Two targets refuse it; its ladder has both attempts, and the ACK that came after its end."""
    door(to_homer)
    caller, first, second = ends.pub(), ends.carrier(), ends.carrier(CARRIER_B)
    call = caller.invite(number)
    for target in (first, second):
        target.reply(target.expect("INVITE"), 503, "Service Unavailable")
        target.expect("ACK")
    refused = call.refused()
    name = id_of(call.call_id)
    deadline = time.monotonic() + 10
    while "ACK" not in (ladder := command("show", "call", name).stdout).splitlines()[-1]:
        assert time.monotonic() < deadline, ladder
        time.sleep(0.2)
    for part in (CARRIER_A, CARRIER_B, f"{refused.code} ", "503 Service Unavailable (1 INV"):
        assert part in ladder, f"{part} is not in\n{ladder}"

    path = tmp_path / "failed.pcap"
    done = command("trace", "--call-id", call.call_id, "--pcap", path)
    assert done.returncode == 0 and "of 1 call" in done.stdout, (done.stdout, done.stderr)
    targets = [line.split("\t") for line in tshark(path, "-Y", "sip.Method == INVITE", "-T", "fields", "-e", "ip.dst")]
    assert targets == [[netns.ACCESS4], [CARRIER_A], [CARRIER_B]]
    assert metrics.total(metrics.scrape(), "trace_messages_total", ring="failed") >= 10

    none = tmp_path / "none.pcap"
    done = command("trace", "--user", "nobody-has-this", "--pcap", none)
    assert done.returncode == 1 and "no message that is left matches" in done.stderr and not none.exists()


# ---- the Homer server, through reloads

class Homer:
    """A listener; `calls()` are the Call-IDs that it has heard of with the identifier it is told by, in order."""

    def __init__(self, port, agent):
        self.sock, self.agent, self.heard = netns.udp_socket(SBC, "127.0.0.1", port), agent, []
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.config = {"hep": {"server": f"127.0.0.1:{port}", "id": agent}}

    def hear(self, limit=0.0):
        self.sock.settimeout(limit or 0.01)
        try:
            while True:
                chunks = hep_chunks(self.sock.recv(65535))
                assert struct.unpack("!I", chunks[12])[0] == self.agent
                self.heard.append(re.search(rb"^Call-ID: *(\S+)", chunks[15], re.I | re.M)[1].decode())
        except TimeoutError:
            return self.heard

    def close(self):
        self.sock.close()


def ask_options(endpoint):
    """An OPTIONS of its own Call-ID, answered: two messages for a trace."""
    call_id = ua.token()
    endpoint.send(endpoint.compose(f"OPTIONS sip:{endpoint.door} SIP/2.0", [
        endpoint.via(), f"From: <sip:lab@{endpoint.show}>;tag={ua.token()}", f"To: <sip:{endpoint.door}>", f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS", "Max-Forwards: 70"]))
    endpoint.expect(200, call_id=call_id)
    return call_id


def test_a_reload_puts_the_Homer_server_on_moves_it_and_takes_it_off(door, ends):
    door()
    homers = [Homer(9061, 7), Homer(9062, 8)]
    pub = ends.pub()

    def reload(trace):
        write_config(door.folder, lambda config: config.update(trace=trace) if trace else None)
        done = command("reload")
        assert done.returncode == 0, done
        assert "restart" not in done.stdout
        return done.stdout

    def sent():
        return metrics.total(metrics.scrape(), "hep_messages_total", outcome="sent")

    before = ask_options(pub)
    assert not metrics.select(metrics.scrape(), "hep_messages_total"), "none is configured"
    assert "trace.hep" in reload(homers[0].config)
    first = ask_options(pub)
    assert "trace.hep" in reload(homers[1].config)  # returns when the first has got what was his
    second = ask_options(pub)
    assert "trace.hep" in reload(None)
    third = ask_options(pub)
    heard = [homer.hear(0.5) for homer in homers]
    assert [one for one in heard[0] if one in (before, first, second, third)] == [first] * 2
    assert [one for one in heard[1] if one in (before, first, second, third)] == [second] * 2
    assert sent() == len(heard[0]) + len(heard[1])
    assert metrics.total(metrics.scrape(), "hep_messages_total", outcome="overwritten") == 0
    write_config(door.folder, lambda config: config.update(trace={"ring": "off", **homers[0].config}))
    refused = command("reload")
    assert refused.returncode == 1 and "takes its messages from 'ring', which is off" in refused.stderr + refused.stdout, refused
    for homer in homers:
        homer.close()
    reload(None)


def test_ring_sizes_wait_for_a_restart_and_are_named(door):
    door()
    write_config(door.folder, lambda config: config.update(trace={"ring": "1MiB", "media": "off"}))
    done = command("reload")
    assert done.returncode == 0 and "waits for a restart: trace.ring, trace.media" in done.stdout, done
    write_config(door.folder)
    assert command("reload").returncode == 0

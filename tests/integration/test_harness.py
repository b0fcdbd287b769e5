# SPDX-License-Identifier: Apache-2.0
"""The harness' own parts: captures, messages, media, draws, scenarios."""
import os
import pathlib
import struct
import subprocess
import time
import xml.etree.ElementTree

import pytest

from harness import batches, demo, netns, pcap, report, rtp, seed, sip, sipp, tone, ua


REPO = pathlib.Path(__file__).resolve().parents[2]


def write_capture(path, frames):
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for n, frame in enumerate(frames):
        data += struct.pack("<IIII", n, 5, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


def ip4(payload, proto=17, ident=1, fragment=0):
    return b"\x02" * 12 + b"\x08\x00" + struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, fragment, 64, proto, 0,
                                                   bytes([192, 0, 2, 10]), bytes([192, 0, 2, 1])) + payload


def test_fragments_are_put_together_in_any_order(tmp_path):
    datagram = struct.pack("!HHHH", 5060, 5061, 3008, 0) + bytes(range(250)) * 12
    first, second, third = datagram[:1480], datagram[1480:2960], datagram[2960:]
    frames = [ip4(third, fragment=370), ip4(first, fragment=0x2000), ip4(second, fragment=0x2000 | 185)]
    packets = pcap.read(write_capture(tmp_path / "a.pcap", frames))
    assert [p.fragment for p in packets] == [True] * 3
    assert [len(p.payload) for p in packets] == [0, 0, 3000]
    assert (packets[2].sport, packets[2].dport, packets[2].src) == (5060, 5061, "192.0.2.10")


def ip6(payload, proto=17):
    return b"\x02" * 12 + b"\x86\xdd" + struct.pack("!IHBB16s16s", 0x60000000, len(payload), proto, 64, bytes(15) + b"\1",
                                                   bytes(15) + b"\2") + payload


def test_a_datagram_over_ipv6_without_a_checksum_says_nothing(tmp_path):
    frames = [ip6(struct.pack("!HHHH", 4000, 5000, 12, checksum) + b"talk") for checksum in (0, 0xFFFF)]
    frames.append(ip4(struct.pack("!HHHH", 4000, 5000, 12, 0) + b"talk"))
    packets = pcap.read(write_capture(tmp_path / "a.pcap", frames))
    assert [p.payload for p in packets] == [b"", b"talk", b"talk"]
    assert {(p.sport, p.dport) for p in packets} == {(4000, 5000)}


def test_a_cut_capture_is_read_up_to_the_cut(tmp_path):
    path = write_capture(tmp_path / "a.pcap", [ip4(struct.pack("!HHHH", 1, 2, 8, 0))] * 3)
    path.write_bytes(path.read_bytes()[:-5])
    assert len(pcap.read(path)) == 2


def test_message_model():
    raw = (b"INVITE sip:+441@192.0.2.1:5060;x=y SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9\r\nf: <sip:a@b>;tag=1\r\n"
           b"To: <sip:c@d>\r\ni: abc\r\nCSeq: 7 INVITE\r\nSubject: long\r\n  line\r\n\r\nv=0\r\nc=IN IP4 192.0.2.9\r\n"
           b"m=audio 4000 RTP/AVP 8\r\n")
    message = sip.parse(raw)
    assert (message.method, message.user, message.call_id, message.cseq) == ("INVITE", "+441", "abc", (7, "INVITE"))
    assert message.tag("from") == "1" and message.tag("to") == "" and message.get("subject") == "long line"
    assert message.media() == ("192.0.2.9", 4000)
    assert sip.parse(b"\x80\x08 no sip") is None and sip.parse(b"\r\n\r\n") is None


def test_stream_address_wins_over_the_session_s():
    body = "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP6 2001:db8::0:1\r\nm=video 5000 RTP/AVP 9\r\nc=IN IP4 192.0.2.8\r\n"
    assert sip.Message("SIP/2.0 200 OK", [], body).media() == ("2001:db8::1", 4000)


@pytest.mark.parametrize("sample,code", [(0, 0xD5), (-1, 0x55), (8, 0xD5), (32767, 0xAA), (-32768, 0x2A), (1000, 0xFA), (-1000, 0x7A)])
def test_a_law(sample, code):
    assert tone.alaw(sample) == code


def test_the_voice_is_three_seconds_in_20_ms_packets(tmp_path):
    packets = pcap.read(tone.write_pcap(tmp_path / "a.pcap", seed=1))
    rows = next(iter(rtp.by_path(packets).values()))
    assert len(rows) == 150 and len({content for *_, content in rows}) == 150
    gaps = {round(b.ts - a.ts, 3) for a, b in zip(packets, packets[1:])}
    assert gaps == {0.02} and {len(p.payload) for p in packets} == {172}


def test_a_seed_gives_the_same_run_again():
    def drawn(number):
        draw = seed.Draw(number)
        return [draw.number(), draw.caller(), draw.media_port(), draw.call_id(), draw.private_address(), draw.vendor()]
    assert drawn(5) == drawn(5) != drawn(6)


@pytest.mark.parametrize("calls", [1, 10, 57, 200, 500])
def test_shares_make_the_total_with_each_kind_at_least_once(calls):
    shares = batches.shares(calls)
    assert set(shares) == {kind.name for kind in batches.KINDS} and min(shares.values()) >= 1
    assert sum(shares.values()) == max(calls, sum(batches.shares(1).values()))


class _Heard:
    """A socket that hears what it is given, and keeps what is sent by it."""

    def __init__(self, datagrams):
        self.datagrams, self.sent = list(datagrams), []

    def settimeout(self, _):
        pass

    def recvfrom(self, _):
        if not self.datagrams:
            raise TimeoutError
        return self.datagrams.pop(0), ("192.0.2.1", 5060)

    def sendto(self, data, _):
        self.sent.append(data)


def endpoint_that_hears(monkeypatch, *datagrams):
    sock = _Heard(datagrams)
    monkeypatch.setattr(netns, "udp_socket", lambda *_: sock)
    sock.getsockname = lambda: ("192.0.2.10", 5060)
    return ua.Endpoint(netns.CARRIER, netns.CARRIER_A), sock


def request(method, call_id, to_tag=""):
    return (f"{method} sip:x@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9\r\nFrom: <sip:a@b>;tag=1\r\n"
            f"To: <sip:c@d>{to_tag}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n").encode()


def test_what_was_meant_for_an_earlier_endpoint_gets_481_and_is_not_heard(monkeypatch):
    """Seen in CI: a BYE that an earlier test had left unanswered came again, where the next test awaited its ACK."""
    old = request("BYE", "old", ";tag=gone")
    end, sock = endpoint_that_hears(monkeypatch, request("INVITE", "new"), old, request("ACK", "old", ";tag=gone"),
                                    b"SIP/2.0 200 OK\r\nCall-ID: old\r\nCSeq: 1 BYE\r\n\r\n", request("ACK", "new", ";tag=2"))
    assert end.expect("INVITE").call_id == "new"
    assert end.expect("ACK").call_id == "new"
    assert [one.split(b"\r\n")[0] for one in sock.sent] == [b"SIP/2.0 481 Call/Transaction Does Not Exist"]


def test_a_dialog_that_the_endpoint_is_part_of_is_heard(monkeypatch):
    end, _ = endpoint_that_hears(monkeypatch, request("BYE", "mine", ";tag=2"))
    end.send(request("INVITE", "mine"))
    assert end.expect("BYE").call_id == "mine"


PLACES = {"RTP": "/x.pcap", "HOLD_MS": 1, "BYE_TIMEOUT_MS": 1, "RING_MS": 1, "CANCEL_TIMEOUT_MS": 1, "MAX_FORWARDS": 70,
          "RECVS": sipp.recvs([488, 486]), **sipp.media_places("192.0.2.1"), **sipp.answers({"+441": (486, "Busy"), "+442": (499, "No")})}


@pytest.mark.parametrize("name", sorted(p.stem for p in sipp.SCENARIOS.glob("*.xml")))
@pytest.mark.parametrize("bye", ["CALLER_BYE", "CALLEE_BYE"])
def test_scenarios_are_well_formed_once_filled(tmp_path, name, bye):
    xml.etree.ElementTree.parse(sipp.fill(name, tmp_path, **PLACES, **{bye: 1}))


def test_a_place_left_open_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="RTP"):
        sipp.fill("uac", tmp_path, HOLD_MS=1, CALLER_BYE=1, **sipp.media_places("::1"))


def test_percentiles():
    assert report.percentiles([]) == {}
    assert report.percentiles([float(n) for n in range(1, 101)]) == {"p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 100.0}


def test_demo_refuses_nonsense():
    for bad in (["--calls", "0"], ["--calls", "9"], ["--calls", "2001"], ["--rate", "0"], ["--calls", "x"]):
        with pytest.raises(SystemExit):
            demo.arguments(bad)
    assert demo.arguments(["--calls", "10"]).calls == 10


@pytest.mark.parametrize("script", ["deploy/install", "deploy/lab", "deploy/demo", "tests/run", ".ci/run"])
def test_scripts_parse(script):
    assert subprocess.run(["bash", "-n", netns.REPO / script], check=False).returncode == 0


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("command", [["deploy/demo"], ["tests/run", "unit"]], ids=["demo", "run"])
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_interrupted_build_leaves_no_process(command, tmp_path):
    """The compilers that a build has started end with the command, not some time after it."""
    fake = tmp_path / "cmake"
    # One that starts another and waits, as cmake does with ninja.
    fake.write_text(f"#!/bin/bash\nsleep 600 &\necho $! >{tmp_path}/part && mv {tmp_path}/part {tmp_path}/pid\nwait\n")
    fake.chmod(0o755)
    env = {key: value for key, value in os.environ.items() if key not in ("SALLYPORT_BIN", "LAB_OWNER")}
    with subprocess.Popen([str(REPO / command[0]), *command[1:]], env=env | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists():
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        sleeper = int((tmp_path / "pid").read_text())
        run.terminate()
        assert run.wait(30) == 143
    deadline = time.monotonic() + 10  # it has been told to end; on a busy machine it gets to that later
    while is_running(sleeper):
        assert time.monotonic() < deadline
        time.sleep(0.05)

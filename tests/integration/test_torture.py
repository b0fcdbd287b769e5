# SPDX-License-Identifier: Apache-2.0
"""Torture messages against the real binary: raw bytes from the office's host over UDP and over TCP, nothing mended. The project's own
(tests/torture/own, with codes in its manifest.tsv) always run; those of ../shared/torture where that folder is present."""
import csv
import re
import socket
import time

import pytest

from harness import metrics, netns, pcap, sip, stream, verdicts
from harness.netns import ACCESS4, CARRIER, PUB, PUB4, REPO

OWN = REPO / "tests/torture/own"
SHARED = REPO.parent / "shared/torture"
SILENCE = 0
REGISTER = {200, 401, 403, 404, 405, 501}
# A request that is well formed, or that may be taken as such, gets any final answer but a syntax error's.
PROCESSED = {200, 404, 403, 480, 486, 488, 502, 503, 405, 501}
# What manifest.tsv leaves open, for a B2BUA that is no registrar: codes beyond those that it states, 0 for silence. A row that
# states its codes and nothing else has no entry here: the manifest alone is the verdict.
OPEN = {
    "esc01": PROCESSED, "longreq": PROCESSED, "dblreq": REGISTER, "badinv01": {SILENCE}, "lwsstart": PROCESSED, "trws": PROCESSED,
    "escruri": PROCESSED, "baddate": PROCESSED, "regbadct": REGISTER, "badaspec": PROCESSED, "baddn": {SILENCE} | PROCESSED,
    "insuf": {SILENCE}, "zeromf": {483}, "cparam01": REGISTER, "cparam02": REGISTER, "regescrt": REGISTER,
    "inv2543": {400} | PROCESSED,
}
# The words of the manifest that leave a verdict open.
LATITUDE = re.compile(r"process|accept|liberal|infer|ignore|ideally|common|registrar 200")


def stated_codes(row):
    """What uas_expect says by itself: the codes that it names, or silence."""
    codes = {int(code) for code in re.findall(r"(?<!\d)[1-6]\d\d(?!\d)", row["uas_expect"])}
    return codes | ({SILENCE} if re.match(r"discard|drop", row["uas_expect"]) else set())


def allowed_by(row):
    return stated_codes(row) | OPEN.get(row["file"][:-4], set())


# What a stream's framing forbids: the connection ends, with or without a 400 before (RFC 3261 18.3; RFC 4475 3.1.2.2, 3.1.2.3
# and 3.3.9), and so it does where no Content-Length says where the message ends.
CLOSE = {"clerr", "ncl", "hugecl", "mcl", "mcl01", "noend", "lfonly", "onebyte", "nulls", "baddn"}
# dblreq: one message after the other there, and behind the second octets that begin none; the first may still be answered.
CLOSE_AFTER = {"dblreq": REGISTER | {486}}
CLOSES_WITHIN = 14


def rows(folder):
    path = folder / "manifest.tsv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


# By message; empty where the folder is not here.
VERDICTS = {row["file"][:-4]: allowed_by(row) for row in rows(SHARED)}
# What the manifest keeps from the other side: what is to be discarded, and where it says so in words.
KEPT_HERE = {row["file"][:-4] for row in rows(SHARED)
             if SILENCE in stated_codes(row) or re.search(r"not forwarded|nothing may leave|NO INVITE", row["note"])}


def codes_of(row):
    return {SILENCE if code == "silence" else int(code) for code in row["codes"].split(",")}


class Sniffer:
    """Whole frames of a host's device, live: answers may go to any port that a Via names."""

    def __init__(self, ns, device="eth0"):
        def make():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.bind((device, 0))
            return sock
        self.sock, self.fragments = netns.inside(ns, make), pcap._Fragments()

    def until(self, seconds, wanted):
        """The SIP messages heard until `wanted` is true of one of them, or time is up."""
        heard, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                frame = self.sock.recv(65535)
            except TimeoutError:
                break
            packet = pcap.parse_frame(time.time(), frame, len(frame), self.fragments)
            if packet.proto == pcap.UDP and packet.src in netns.REALM_ADDRESSES:
                message = sip.parse(packet.payload, ts=packet.ts, src=packet.src, dst=packet.dst, dport=packet.dport)
                if message:
                    heard.append(message)
                    if wanted(message):
                        break
        return heard

    def left(self):
        """What has left Sallyport on this wire so far, without waiting: (what it is, to whom), our OPTIONS probes apart. Any
        payload of a UDP datagram counts, of a TCP segment too: what is no SIP has no more business there."""
        found = []
        self.sock.setblocking(False)
        while True:
            try:
                frame = self.sock.recv(65535)
            except BlockingIOError:
                return found
            packet = pcap.parse_frame(time.time(), frame, len(frame), self.fragments)
            if packet.proto in (pcap.UDP, pcap.TCP) and packet.src in netns.REALM_ADDRESSES and packet.payload.strip():
                message = sip.parse(packet.payload)
                if message is None or not is_probe(message):
                    start = message.start if message else repr(packet.payload[:60])
                    found.append((message.call_id if message else "", f"{start} to {packet.dst}:{packet.dport}"))

    def close(self):
        self.sock.close()


def is_probe(message):
    """Our own question whether a peer lives (b2bua/probe.cc): outside of any dialog, and first of its Call-ID. Its From has no user,
    unlike a caller's."""
    return (message.method == "OPTIONS" and message.cseq == (1, "OPTIONS") and not message.tag("to")
            and re.match(r"<sips?:[^@>]+>", message.get("from")) is not None)


# Messages that carry the branch of an earlier one, or go on and were sent over UDP before: within 32 s they would count as its
# retransmission.
REUSED_BRANCH = ("cparam02", "regescrt", "mpart01")


# Call-IDs on the carrier's wire because of earlier messages, which may be sent there again for 32 s.
EARLIER = set()


@pytest.fixture
def bench(door, ends, request):
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if params.get("name") in REUSED_BRANCH:
        door.stop()
    door()
    near, far = Sniffer(PUB), Sniffer(CARRIER)
    yield near, far, ends.carrier()
    near.close()
    far.close()


def answer(carrier, request, raw):
    """A call that reaches the carrier is refused there, a MESSAGE is taken; its body must have crossed to the octet."""
    if request.method == "INVITE":
        carrier.reply(request, 486, "Busy Here")
    elif request.method == "MESSAGE":
        assert request.raw.partition(b"\r\n\r\n")[2] == raw.partition(b"\r\n\r\n")[2], "the body was changed"
        carrier.reply(request, 200, "OK")
    return request.method in ("INVITE", "MESSAGE")


def judge(bench, raw, allowed, forward):
    """Sends the bytes; returns the final answer (or None)."""
    near, far, carrier = bench
    found = re.search(rb"^(?:call-id|i)[ \t]*:[ \t]*(?:\r\n[ \t]+)?(\S+)", raw, re.I | re.M)
    call_id = found.group(1).decode("utf-8", "replace") if found else None

    def ours(message):
        return message.code > 0 and message.call_id in (call_id, "")

    sock = netns.udp_socket(PUB, PUB4, 5060)
    try:
        sock.sendto(raw, (ACCESS4, 5060))
        forwarded = []
        heard = near.until(0.25, lambda m: ours(m) and m.code >= 200)
        if not any(ours(m) and m.code >= 200 for m in heard):
            invite = carrier.receive(0.2)
            if invite is not None and answer(carrier, invite, raw):
                forwarded.append(invite)
            heard += near.until(0.3 if allowed == {SILENCE} else 2.5, lambda m: ours(m) and m.code >= 200)
        finals = [m for m in heard if ours(m) and m.code >= 200]
        acknowledge(sock, raw, finals)
        left = far.left()
        mine = [what for call, what in left if not call or call not in EARLIER]
        EARLIER.update(call for call, _ in left if call)
        if forward == "no":
            assert not forwarded, f"reached the carrier: {forwarded[0].start}"
            assert not mine, f"on the carrier's wire: {mine}"
            if allowed == {SILENCE}:
                said = [m.start for m in heard if m.call_id in (call_id, "")]
                assert not said, f"on the sender's wire: {said}"
        for m in heard:
            assert m.dst == PUB4, f"an answer went to {m.dst}"
        return finals[0] if finals else None
    finally:
        sock.close()


def acknowledge(sock, raw, finals):
    """So that the answer to an INVITE is not sent again into the next test."""
    for final in finals:
        if final.cseq[1] == "INVITE" and raw.startswith(b"INVITE") and final.all("via"):
            uri = raw.split(b" ")[1].decode("utf-8", "replace")
            sock.sendto((f"ACK {uri} SIP/2.0\r\nVia: {final.all('via')[0]}\r\nFrom: {final.get('from')}\r\nTo: {final.get('to')}\r\n"
                         f"Call-ID: {final.call_id}\r\nCSeq: {final.cseq[0]} ACK\r\nMax-Forwards: 70\r\n"
                         "Content-Length: 0\r\n\r\n").encode(), (ACCESS4, 5060))


def expect(final, allowed):
    got = final.code if final else SILENCE
    assert got in allowed, f"{final.start if final else 'silence'}, not one of {sorted(allowed)}"


@pytest.mark.parametrize("row", rows(OWN), ids=lambda row: row["file"][:-4])
def test_own(bench, row):
    allowed = codes_of(row)
    final = judge(bench, (OWN / row["file"]).read_bytes(), allowed, row["forward"])
    expect(final, allowed)
    if final is not None and final.code == 420:
        assert "nothingSupportsThis" in final.get("unsupported")
    if final is not None and final.code == 415:
        assert "application/sdp" in final.get("accept")
    if final is not None and final.code == 405:
        assert final.get("allow")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/torture is not here")
def test_the_manifest_is_the_verdict():
    table = {row["file"][:-4]: row for row in rows(SHARED)}
    assert {"dblreq", "bcast", "unreason", "noreason", "scalarlg", "bigcode"} == KEPT_HERE
    assert len(table) == 49 and set(OPEN) <= set(table)
    for name, row in table.items():
        assert allowed_by(row), f"{name}: the manifest states no code, and nothing is said here"
        if name in OPEN:
            assert LATITUDE.search(f"{row['uas_expect']} {row['note']}"), f"{name}: the manifest leaves nothing open"


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/torture is not here")
@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_rfc4475(bench, name):
    raw = (SHARED / f"{name}.dat").read_bytes()
    final = judge(bench, raw, VERDICTS[name], "no" if name in KEPT_HERE else "any")
    expect(final, VERDICTS[name])
    if name == "bext01":
        assert "nothingSupportsThis" in final.get("unsupported")
    if name == "badvers":
        assert final.start.startswith("SIP/2.0 505")


# ---- over TCP

def final_over_tcp(link, carrier, raw, seconds):
    """The first final answer, or None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = link.message(0.1)
        if message is not None and message.code >= 200:
            return message
        invite = carrier.receive(0.02)
        if invite is not None:
            answer(carrier, invite, raw)
    return None


def judge_over_tcp(door, ends, name, raw, allowed):
    if name in REUSED_BRANCH:
        door.stop()
    pid, carrier = door().pid, ends.carrier()
    link = stream.connect(PUB, ACCESS4, (PUB4, 0))
    try:
        link.send(raw)
        if name in CLOSE or name in CLOSE_AFTER or not re.search(rb"^(?:content-length|l)[ \t]*:", raw, re.I | re.M):
            # A message that never gets whole is closed when its time is up.
            assert link.closes(CLOSES_WITHIN), "the connection stays"
            codes = {int(part[8:11]) for part in link.heard}
            assert codes <= {100, 400} | CLOSE_AFTER.get(name, set()), link.heard
        else:
            expect(final_over_tcp(link, carrier, raw, 0.4 if allowed == {SILENCE} else 3.0), allowed)
    finally:
        link.close()
    assert door.lab.pid == pid


# CRLFs alone are pings there (RFC 5626 4.4.1), which test_stream.py has.
@pytest.mark.parametrize("row", [row for row in rows(OWN) if row["file"] != "onlycrlf.dat"], ids=lambda row: row["file"][:-4])
def test_own_over_tcp(door, ends, row):
    judge_over_tcp(door, ends, row["file"][:-4], (OWN / row["file"]).read_bytes(), codes_of(row))


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/torture is not here")
@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_rfc4475_over_tcp(door, ends, name):
    judge_over_tcp(door, ends, name, (SHARED / f"{name}.dat").read_bytes(), VERDICTS[name])


def test_after_all_that_a_call_goes_through_and_the_law_holds(door, ends, number):
    from lab_fixtures import set_up
    lab = door()
    pid = lab.pid
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    _, samples = metrics.rest()
    result = verdicts.law_holds("x", {"access": metrics.law(samples)["access"]})
    assert result.ok, result.detail
    assert lab.pid == pid

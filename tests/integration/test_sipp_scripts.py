# SPDX-License-Identifier: Apache-2.0
"""SIPp's scripts: what they are read as, what is written for SIPp, and the judge of a run: each fault put in turns it red."""
import re
import xml.etree.ElementTree as ET

import pytest
from phones import TO_CARRIER
from sipp import CASES, compose, judge, script, words
from sipp import lab as sipp_lab
from sipp.case import Case

from harness import pcap

DOOR, HOST = "198.51.100.1", "198.51.100.30"


def side(role="caller", **fields):
    return compose.Side(role, HOST, 5080 if role == "caller" else 5060, DOOR, "+44123", "s000ar", fields, "198.51.100.99")


def sent(text, role="caller", **fields):
    """The messages that SIPp is told to send."""
    root = ET.fromstring(compose.scenario(side(role, **fields), text))
    return [one.text.strip() for one in root.iter("send")]


# ---- the scripts

def test_a_script_is_the_ladder_without_what_sipp_alone_has_to_know():
    steps = script.read(">INVITE#a(sdp,able) <100 ~300 <183@x(sdp) >>INVITE talk <<183 {<200/CANCEL <487 >ACK}")
    assert script.wanted(steps) == ">INVITE <100 <183 {<200/CANCEL <487 >ACK}"
    assert script.talks(steps) == 1


@pytest.mark.parametrize("text", ["INVITE", ">INVITE(sdp", "{<487 <200 <ACK}", "{>ACK <487}", "~x"])
def test_what_is_no_script_is_refused(text):
    with pytest.raises(ValueError):
        script.read(text)


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match="wonder"):
        sent(">INVITE(wonder)")


def line(message, name):
    return next(one for one in message.splitlines() if one.startswith(name))


def test_ack_and_cancel_share_the_transaction_that_they_belong_to():
    invite, cancel, ack = sent(">INVITE(sdp) <100 >CANCEL {<200/CANCEL <487} >ACK")
    assert len({re.search(r"branch=(\S+)", one).group(1) for one in (invite, cancel, ack)}) == 1
    assert "CSeq: 1 CANCEL" in cancel and "CSeq: 1 ACK" in ack and "[$remote]" in ack and "[$remote]" not in cancel
    invite, ack, bye = sent(">INVITE(sdp) <200 >ACK >BYE")
    assert len({re.search(r"branch=(\S+)", one).group(1) for one in (invite, ack, bye)}) == 3
    assert ack.startswith("ACK [$target]") and "CSeq: 2 BYE" in bye


def test_a_description_has_a_new_version_when_it_says_something_new():
    said = sent(">INVITE(sdp) <200 >ACK >INVITE(same) <200 >ACK >INVITE(moved) <200 >ACK >INVITE(sdp)")
    versions = [re.search(r"^o=\S+ 4711 (\d)", one, re.M).group(1) for one in said if "v=0" in one]
    ports = [re.search(r"m=audio (\S+)", one).group(1) for one in said if "v=0" in one]
    assert versions == ["1", "1", "2", "2"] and ports == ["[media_port+0]", "[media_port+0]", "[media_port+8]", "[media_port+8]"]


def test_a_callee_answers_the_request_that_has_come_by_its_own_fields():
    ringing, bye_ok = sent("<INVITE >180@two <BYE >200/BYE", "callee")
    assert "Via:[$via1]" in ringing and ringing.count(";tag=s000artwo") == 1
    assert "Via:[$via2]" in bye_ok and ";tag=" not in bye_ok


def test_in_any_order_sipp_has_a_way_for_either():
    root = ET.fromstring(compose.scenario(side(), ">INVITE(sdp) >BYE {<200/BYE <487 >ACK}"))
    received = [one.get("response") for one in root.iter("recv")]
    assert received == ["200", "487", "487", "200"] and len(list(root.iter("label"))) == 3


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda n: f"{CASES[n].name}, {CASES[n].variant}".rstrip(", "))
def test_each_case_can_be_written_and_what_it_shows_is_known(index, tmp_path):
    clips = dict.fromkeys(("caller", "callee", "second"), tmp_path)
    for direction in sipp_lab.DIRECTIONS:
        run = sipp_lab.prepared(index, direction, tmp_path, clips)
        for role, text in run.case.scripts.items():
            ET.parse(run.folder / f"{role}.xml")
            asked = {word for step in script.flat(script.read(text)) if not step.sent for word in step.words}
            assert all(word in run.case.shows or word in words.SHOWS for word in asked), asked


def test_no_two_cases_have_an_address_in_common():
    hosts = [address for index, case in enumerate(CASES) for _, address, _ in sipp_lab.peers(index, case).values()]
    assert len(hosts) == len(set(hosts)) and max(int(one.rpartition(".")[2]) for one in hosts) < 255


# ---- the judge

def packet(src, dst, payload, sport=5060, dport=5060, proto=pcap.UDP, seq=0):
    return pcap.Packet(0.0, "", "", 0x0800, proto, src, sport, dst, dport, payload, len(payload), seq=seq)


def message(start, way, cseq, branch, body="", more="", tags=("s000art", "ours"), target="+44123"):
    """At the caller's host; `way`: > from it, < to it."""
    head = [start, f"Via: SIP/2.0/UDP {HOST}:5080;branch=z9hG4bK{branch}", f"From: <sip:lab@{HOST}>;tag={tags[0]}",
            f"To: <sip:{target}@{DOOR}>" + (f";tag={tags[1]}" if tags[1] else ""), "Call-ID: s000ari-1", f"CSeq: {cseq}",
            *([more] if more else []), "", body]
    data = "\r\n".join(head).encode()
    return packet(HOST, DOOR, data, sport=5080) if way == ">" else packet(DOOR, HOST, data, dport=5080)


def sdp(address, port, version=1):
    return f"v=0\r\no=- 1 {version} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"


def rtp_to(port):
    return packet(DOOR, HOST, bytes([0x80, 8]) + bytes(30), sport=20000, dport=port)


OURS = f"Contact: <sip:{DOOR}:5060>"


def call():
    """A call of the caller's with a re-INVITE that moves his media from 6200 to 6208."""
    return [
        message(f"INVITE sip:+44123@{DOOR} SIP/2.0", ">", "1 INVITE", "a", sdp(HOST, 6200), tags=("s000art", "")),
        message("SIP/2.0 200 OK", "<", "1 INVITE", "a", sdp(DOOR, 20000), OURS),
        message(f"ACK sip:{DOOR}:5060 SIP/2.0", ">", "1 ACK", "b"),
        *[rtp_to(6200)] * judge.PACKETS,
        message(f"INVITE sip:{DOOR}:5060 SIP/2.0", ">", "2 INVITE", "c", sdp(HOST, 6208, 2)),
        rtp_to(6200),
        message("SIP/2.0 200 OK", "<", "2 INVITE", "c", sdp(DOOR, 20000), OURS),
        message(f"ACK sip:{DOOR}:5060 SIP/2.0", ">", "2 ACK", "d"),
        *[rtp_to(6208)] * (judge.PACKETS - 1),
    ]


SCRIPT = ">INVITE(sdp) <200(sdp) >ACK talk >INVITE(moved) <200(sdp) >ACK talk"


@pytest.fixture
def judged(monkeypatch):
    """The faults of a run of that case, whose caller's host has seen these packets."""
    def faults(packets, code=0, **case):
        monkeypatch.setattr(sipp_lab, "CASES", [Case("it", "Races", SCRIPT, **case)])
        run = sipp_lab.Run(0, TO_CARRIER, None, {"caller": side(), "callee": side("callee")}, {"caller": code})
        return "\n".join(judge.faults(run, judge.by_address(packets)))
    return faults


def test_a_good_run_has_no_fault(judged):
    assert judged(call()) == ""


@pytest.mark.parametrize("fault,said", [
    (lambda p: p[:-1], "19 RTP packets heard, not 20"),
    (lambda p: [*p[:-1], rtp_to(6200)], "RTP to port 6200, asked for was 6208"),
    (lambda p: p[:2] + p[3:], "ladder: "),
    (lambda p: [p[0], message("SIP/2.0 200 OK", "<", "1 INVITE", "a", "", OURS), *p[2:]], "<200 does not show 'sdp'"),
    (lambda p: [p[0], message("SIP/2.0 200 OK", "<", "1 INVITE", "a", sdp(DOOR, 20000), "Contact: <sip:10.0.0.1>"), *p[2:]], "has the Contact"),
    (lambda p: [p[0], message("SIP/2.0 200 OK", "<", "1 INVITE", "a", sdp(DOOR, 20000), OURS, ("s000art", "other")), *p[2:]],
     "our tags on one leg"),
])
def test_a_fault_on_the_wire_is_said(judged, fault, said):
    assert said in judged(fault(call()))


def test_sipp_s_own_verdict_counts(judged):
    assert "caller: SIPp ended with 1" in judged(call(), code=1)


def test_who_should_hear_nothing_is_looked_at(judged):
    stray = packet(DOOR, HOST, message("INVITE sip:x@y SIP/2.0", "<", "1 INVITE", "z").payload)
    assert "callee should have heard nothing" in judged([*call(), stray], nobody=("callee",))
    assert judged(call(), nobody=("callee",)) == ""


def test_copies_are_counted(judged):
    assert "<200 came 2 times, not 3" in judged(call(), copies={("caller", "<200"): 3})


def test_messages_over_tcp_are_cut_by_their_length_and_count_once():
    one = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\nContent-Length: 2\r\n\r\nhi"
    stream = one + b"\r\n\r\n" + one.replace(b"Call-ID: x", b"Call-ID: y")
    parts = [packet(HOST, DOOR, data, proto=pcap.TCP, seq=at) for at, data in ((0, stream[:20]), (20, stream[20:70]), (20, stream[20:70]), (70, stream[70:]))]
    assert [m.call_id for m in judge._over_tcp(parts)] == ["x", "y"]

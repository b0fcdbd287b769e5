# SPDX-License-Identifier: Apache-2.0
"""What the policies of two peers make of a call: numbers, codecs, header fields, identities, bodies, response codes; from the wire,
in both directions."""
import json
import re

import pytest
from phones import END, END_FAR, TO_CARRIER, UP, UP_FAR, ask, audio

from harness import metrics, netns

REFUSED, REFUSED_FAR = ">INVITE <100 <{} >ACK", "<INVITE >{} <ACK"
MULTIPART = ("Content-Type: multipart/mixed;boundary=b", "MIME-Version: 1.0")
ISUP = "--b\r\nContent-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\n01 00 49\r\n"


def both(**values):
    def change(config):
        for peer in ("office", "carrier-a"):
            config["peers"][peer].update(values)
        config["routes"] = [route for route in config["routes"] if "user" not in route]
    return change


def refuse(phones, status="486 Busy Here", more=()):
    """The callee refuses; what the caller hears."""
    callee = phones.callee
    callee.reply(callee.invite, status, more=more)
    callee.expect("ACK")
    final = phones.caller.refused()
    phones.judge(REFUSED.format(final.code), REFUSED_FAR.format(status[:3]))
    return final


# Two configurations, since each is a start of the process.
def trusted_peers(config):
    both(trusted=True, codecs={"allow": ["PCMA", "PCMU", "telephone-event"], "order": ["PCMA"]},
         headers={"pass": ["X-Account"], "remove": ["Subject"], "set": {"X-Trunk": "t1"}})(config)
    plan = {"country": 44, "national": "0", "international": "00"}
    config["peers"]["office"]["numbers"] = {"plan": plan, "in": {"form": "e164"}, "out": {"form": "national"}}
    config["peers"]["carrier-a"]["numbers"] = {"in": [{"match": "44*", "prefix": "+"}],
                                               "out": [{"match": "+*", "strip": 1, "tech_prefix": "77#"}]}


untrusted_peers = both(trusted=False, response_map={"receive": "carrier-in"})


# ---- numbers

@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("Request-URI, To, From, P-Asserted-Identity and Diversion, each in the form of who reads it", "Numbers")
def test_numbers(phones, direction):
    caller, national = phones.caller, direction == TO_CARRIER
    dialled, him, fwd = ("02071230000", "02075550001", "02076660002") if national else (
        "442071230000", "442075550001", "442076660002")
    phones.number = dialled
    host = caller.address
    invite = phones.ring(None, (f"P-Asserted-Identity: <sip:{him}@{host}>", f"Diversion: <sip:{fwd}@{host}>;reason=user-busy"))
    ours = phones.callee.door
    if national:
        seen = ("77%23442071230000", "442075550001", "442076660002")
        assert invite.user in (seen[0], "77#442071230000")
    else:
        seen = ("02071230000", "02075550001", "02076660002")
        assert invite.user == seen[0]
    assert re.search(r"sip:(77(%23|#))?0?(44)?2071230000@", invite.get("to")), invite.get("to")
    assert re.search(rf"sip:(77(%23|#))?{seen[1]}@{re.escape(ours)}", invite.get("p-asserted-identity"))
    assert re.search(rf"sip:(77(%23|#))?{seen[2]}@{re.escape(ours)}", invite.get("diversion"))
    refuse(phones)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("a local number of another phone-context is left as it is (RFC 3966 5.1.4)", "Numbers")
def test_a_number_of_another_context(phones):
    phones.number = "02071230001;phone-context=+1"
    invite = phones.ring()
    for value in invite.start, invite.get("to"):
        assert f"sip:{phones.number}@" in value, value
    refuse(phones)


# ---- codecs

@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("allow and order, rtpmap and telephone-event kept consistent", "Codecs")
def test_codecs(phones):
    caller, callee = phones.caller, phones.callee
    invite, ok = phones.up(body=caller.sdp(audio(caller.rtp.port, "9 0 8 18 101")), answer=callee.sdp(audio(callee.rtp.port, "8 101")))
    assert " RTP/AVP 8 0 101\r\n" in invite.body
    assert "G722" not in invite.body and "G729" not in invite.body and "a=rtpmap:101 telephone-event/8000" in invite.body
    assert " RTP/AVP 8 101\r\n" in ok.body
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("nothing left: 488 with Warning 305, nobody is called", "Codecs")
def test_no_codec_left(phones):
    caller = phones.caller
    caller.call(phones.number, caller.sdp(audio(caller.rtp.port, "9 18")))
    final = caller.refused()
    assert final.code == 488 and final.get("warning").startswith("305 ")
    phones.sync()
    assert not phones.callee.heard("INVITE")
    phones.judge_leg(caller, " ".join([">INVITE", *(["<100"] if phones.leg(caller).responses("INVITE", 100) else []), "<488 >ACK"]))
    phones.at_rest()


# ---- header fields and identities

@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("pass, remove, set; what is on no list stays on its side", "Header policy")
def test_headers(phones):
    invite = phones.ring(None, ("X-Account: 7", "X-Other: 8", "Subject: talk", "Organization: secret"))
    assert invite.get("x-account") == "7" and invite.get("x-trunk") == "t1"
    assert not any(invite.get(name) for name in ("x-other", "subject", "organization"))
    refuse(phones)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("between trusted peers identities pass, at our own host", "Header policy")
def test_trusted(phones):
    host = phones.caller.address
    invite = phones.ring(None, ("Privacy: id", f"P-Asserted-Identity: <sip:+44123@{host}>", f"Diversion: <sip:+44124@{host}>;reason=no-answer",
                                f"History-Info: <sip:+44124@{host}>;index=1"))
    for name in ("p-asserted-identity", "diversion"):
        assert f"@{phones.callee.door}" in invite.get(name), name
    assert invite.get("privacy") == "id" and host not in invite.get("history-info")
    refuse(phones)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("outside the trust domain no identity passes, and who hides is anonymous", "Header policy")
def test_untrusted(phones):
    host = phones.caller.address
    invite = phones.ring(None, ("Privacy: id", f"P-Asserted-Identity: <sip:+44123@{host}>", f"Diversion: <sip:+44124@{host}>"))
    assert "anonymous@anonymous.invalid" in invite.get("from")
    assert not invite.get("p-asserted-identity") and not invite.get("diversion")
    refuse(phones)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("a multipart body: the SDP rewritten, the other part whole", "Header policy")
def test_multipart(phones):
    caller, callee = phones.caller, phones.callee
    parts = ISUP + "--b\r\nContent-Type: application/sdp\r\n\r\n"
    invite = phones.ring(parts + caller.sdp() + "\r\n--b--\r\n", MULTIPART)
    assert "multipart/mixed" in invite.get("content-type") and invite.body.startswith(parts + "v=0\r\n")
    assert caller.address not in invite.body and invite.body.endswith("--b--\r\n")
    phones.answer(callee.sdp())
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


# ---- response codes

@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("a vendor's code, with what was received, sent and decided in the record", "Response codes")
def test_response_map(phones):
    phones.ring()
    before = metrics.scrape()
    final = refuse(phones, "499 Codec Mismatch", ('Reason: Q.850;cause=65;text="no codec"',))
    assert final.code == 488
    lines = (netns.STATE / "cdr.jsonl").read_text().splitlines()
    record = next(r for r in map(json.loads, reversed(lines)) if r["record"] == "end" and phones.number in r["callee"])
    assert (record["received"], record["received_phrase"], record["sent"]) == (499, "Codec Mismatch", 488) and record["rule"]
    assert (record["reason_received"], record["reason_sent"]) == ('Q.850;cause=65;text="no codec"', final.get("reason")) and final.get("reason")
    assert final.start.endswith(record["sent_phrase"])
    # The same in `show`, when the call is long gone, and in metrics.
    keys = ("received", "received_phrase", "reason_received", "sent", "sent_phrase", "reason_sent", "rule")
    latest = next(one for one in ask(command="show", what="failures")["failures"] if one["id"] == record["id"])
    for shown in latest, ask(command="show", what="call", id=record["id"])["call"]:
        assert [shown[key] for key in keys] == [record[key] for key in keys]
    after = metrics.scrape()
    pair = {"from": record["from"], "to": record["to"]}
    sent_cause = record["reason_sent"].split("cause=")[1].split(";")[0]
    for name, labels in (("call_failure_rules_total", {"rule": record["rule"]}),
                         ("call_failure_causes_total", {**pair, "received": "65", "sent": sent_cause}),
                         ("call_failure_phrases_total", {"side": "received", "code": "other", "phrase": "Codec Mismatch"}),
                         ("call_failure_phrases_total", {"side": "sent", "code": "488", "phrase": record["sent_phrase"]})):
        assert metrics.total(after, name, **labels) == metrics.total(before, name, **labels) + 1, name


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("a provisional response crosses, 100 stays on its hop", "Response codes")
def test_provisional(phones):
    phones.ring()
    callee = phones.callee
    callee.reply(callee.invite, "100 Trying")
    callee.reply(callee.invite, "181 Call Is Being Forwarded")
    phones.caller.expect("181")
    callee.reply(callee.invite, "486 Busy Here")
    callee.expect("ACK")
    phones.caller.ack(final=phones.caller.expect("486"))
    phones.judge(">INVITE <100 <181 <486 >ACK", "<INVITE >100 >181 >486 <ACK")

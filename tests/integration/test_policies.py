# SPDX-License-Identifier: Apache-2.0
"""What the policies of two peers make of a call: numbers, codecs, header fields, identities, bodies, response codes; from the wire,
in both directions."""
import json
import re

import pytest
from phones import END, END_FAR, RELIABLE, TO_CARRIER, UP, UP_FAR, ask, audio

from harness import metrics, netns

REFUSED, REFUSED_FAR = ">INVITE <100 <{} >ACK", "<INVITE >{} <ACK"
MULTIPART = ("Content-Type: multipart/mixed;boundary=b", "MIME-Version: 1.0")


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
         headers={"pass": ["X-Account"], "remove": ["Subject"], "set": {"X-Trunk": "t1", "X-New": {"from": "X-Old"}}})(config)
    plan = {"country": 44, "national": "0", "international": "00"}
    config["peers"]["office"]["numbers"] = {"plan": plan, "in": {"form": "e164"}, "out": {"form": "national"}}
    config["peers"]["carrier-a"]["numbers"] = {"in": [{"match": "44*", "prefix": "+"}],
                                               "out": [{"match": "+*", "strip": 1, "tech_prefix": "77#"}]}


untrusted_peers = both(trusted=False, response_map={"receive": "carrier-in"})


# ---- numbers

# What each side dials and says, and what the other reads: (called, caller, who diverted). The office writes national numbers, the
# carrier bare international ones, and wants a tech prefix before what it is to call ('#' escaped in a SIP URI).
NATIONAL = "02071230000", "02075550001", "02076660002"
BARE = "442071230000", "442075550001", "442076660002"
PREFIXED = "77%23442071230000", *BARE[1:]


def spoken(direction):
    return (NATIONAL, PREFIXED) if direction == TO_CARRIER else (BARE, NATIONAL)


def numbered(phones, asserted, diverted, uri=None):
    """An INVITE with these identities, as the callee has it."""
    caller = phones.caller
    caller.call(phones.number, None, (f"P-Asserted-Identity: {asserted}", f"Diversion: {diverted};reason=user-busy",
                                      f"History-Info: {diverted};index=1"), uri=uri)
    caller.expect("100")
    return phones.callee.expect("INVITE")


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("Request-URI, To, From, P-Asserted-Identity and Diversion, each in the form of who reads it", "Numbers")
@pytest.mark.parametrize("phone", ["", ";user=phone"], ids=["", "user=phone"])
def test_numbers(phones, direction, phone):
    said, heard = spoken(direction)
    caller, callee = phones.caller, phones.callee
    phones.number = said[0]
    caller.identity = f"sip:{said[1]}@{caller.address}{phone}"
    invite = numbered(phones, f"<sip:{said[1]}@{caller.address}{phone}>", f"<sip:{said[2]}@{caller.address}{phone}>",
                      f"sip:{said[0]}@{caller.door}:5060{phone}")
    assert invite.start == f"INVITE sip:{heard[0]}@{callee.address}{phone} SIP/2.0"
    assert invite.get("to") == f"<sip:{heard[0]}@{callee.address}{phone}>"
    assert re.fullmatch(rf"<sip:{heard[1]}@{callee.door}{phone}>;tag=\w+", invite.get("from"))
    assert invite.all("p-asserted-identity") == [f"<sip:{heard[1]}@{callee.door}{phone}>"]
    assert invite.all("diversion") == [f"<sip:{heard[2]}@{callee.door}{phone}>;reason=user-busy"]
    assert invite.all("history-info") == [f"<sip:{heard[2]}@{callee.door}{phone}>;index=1"]
    refuse(phones)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("tel URIs: visual separators go, called as SIP URIs with user=phone, identities stay tel", "Numbers")
def test_tel(phones, direction):
    caller, callee = phones.caller, phones.callee
    _, heard = spoken(direction)
    # RFC 3966 5.1.4: a local number has a context. The office's plan has one for the numbers that it reads; the carrier has no
    # plan, so what its rule would make local stays global, as it stands.
    told, diverted = ("+44-20-7555-0001", "+442076660002") if direction == TO_CARRIER else (f"{one};phone-context=+44" for one in heard[1:])
    phones.number, caller.identity = heard[0], "tel:+44-20-7555-0001"
    invite = numbered(phones, "<tel:+44-20-7555-0001>", "<tel:+442076660002>", "tel:+44-20-7123-0000")
    assert invite.start == f"INVITE sip:{heard[0]}@{callee.address};user=phone SIP/2.0"
    assert invite.get("to") == f"<sip:{heard[0]}@{callee.address};user=phone>"
    assert re.fullmatch(rf"<tel:{re.escape(told)}>;tag=\w+", invite.get("from"))
    assert invite.all("p-asserted-identity") == [f"<tel:{told}>"]
    assert invite.all("diversion") == [f"<tel:{diverted}>;reason=user-busy"]
    refuse(phones)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("a tel URI's parameters go into the user part, phone-context too (RFC 3261 19.1.6)", "Numbers")
def test_tel_parameters(phones):
    phones.number = "7000"
    invite = numbered(phones, "<tel:+44-20-7555-0001>", "<tel:+442076660002>",
                      "tel:7000;tgrp=t1;Phone-Context=PBX.example;isub=12:3")
    called = f"sip:7000;isub=12%3A3;phone-context=pbx.example;tgrp=t1@{phones.callee.address};user=phone"
    assert invite.start == f"INVITE {called} SIP/2.0"
    assert invite.get("to") == f"<{called}>"
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
    assert invite.all("x-account") == ["7"] and invite.all("x-trunk") == ["t1"]
    assert not any(invite.get(name) for name in ("x-other", "subject", "organization", "x-new"))
    refuse(phones)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("set with from: a field goes on under another name, each of its values", "Header policy")
def test_renamed(phones):
    invite = phones.ring(None, ("X-Old: a;b=1", "X-Old: c"))
    assert invite.all("x-new") == ["a;b=1", "c"] and not invite.get("x-old")
    refuse(phones)


# What a side says to the lists of the other, and what is heard of it.
LISTED = ("X-Account: 7", "X-Old: 9", "Subject: talk", "X-Other: 8")


def listed(message):
    assert (message.all("x-account"), message.all("x-trunk"), message.all("x-new")) == (["7"], ["t1"], ["9"]), message.raw
    assert not any(message.get(name) for name in ("subject", "x-old", "x-other")), message.raw


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("the lists hold on failures", "Header policy")
def test_headers_of_a_failure(phones):
    phones.ring()
    listed(refuse(phones, "410 Gone", LISTED))


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("the lists hold on PRACK; an ACK of ours has their values", "Header policy")
def test_headers_of_prack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, RELIABLE)
    callee.reply(callee.invite, "180 Ringing", "", ("Require: 100rel", "RSeq: 7"))
    rseq = caller.expect("180").get("rseq")
    caller.request("PRACK", "", (f"RAck: {rseq} 1 INVITE", *LISTED))
    caller.expect("200/PRACK")
    prack = callee.expect("PRACK")
    listed(prack)
    callee.reply(prack, "200 OK")
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    caller.ack(1)
    assert callee.expect("ACK").all("x-trunk") == ["t1"]
    phones.end()
    phones.judge(">INVITE <100 <180 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >180 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("the lists hold on an ACK that crosses with its answer", "Header policy")
def test_headers_of_ack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring("")
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    caller.request("ACK", caller.sdp(), LISTED, cseq=1)
    listed(callee.expect("ACK"))
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("BYE: Reason, User-to-User, the lists and a body that is no session description", "Header policy")
def test_headers_and_body_of_bye(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.request("BYE", "REL", ("Reason: Q.850;cause=16", "User-to-User: 56a390f3;encoding=hex", *LISTED,
                                 "Content-Type: application/isup;version=itu-t92+"))
    asker.expect("200/BYE")
    bye = other.expect("BYE")
    listed(bye)
    assert (bye.get("reason"), bye.get("user-to-user")) == ("Q.850;cause=16", "56a390f3;encoding=hex")
    assert (bye.body, bye.get("content-type")) == ("REL", "application/isup;version=itu-t92+")
    other.reply(bye, "200 OK")
    near, far = (END, END_FAR) if asker is phones.caller else (END_FAR, END)
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("CANCEL: Reason and the lists", "Header policy")
def test_headers_of_cancel(phones):
    caller, callee = phones.caller, phones.callee
    phones.ringing()
    caller.cancel(more=("Reason: SIP;cause=200", *LISTED))
    caller.expect("200/CANCEL")
    caller.ack(final=caller.expect("487"))
    cancel = callee.expect("CANCEL")
    listed(cancel)
    assert cancel.get("reason") == "SIP;cause=200"
    callee.reply(cancel, "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <180 >CANCEL {<200/CANCEL <487} >ACK", "<INVITE >180 <CANCEL >200/CANCEL >487 <ACK")


@pytest.mark.config(change=trusted_peers)
@pytest.mark.case("between trusted peers identities pass, at our own host", "Header policy")
def test_trusted(phones):
    host = phones.caller.address
    invite = phones.ring(None, ("Privacy: id", f"P-Asserted-Identity: <sip:alice@{host}>", f"Diversion: <sip:bob@{host}>;reason=no-answer",
                                f"History-Info: <sip:bob@{host}>;index=1"))
    for name, value in (("p-asserted-identity", "<sip:alice@{}>"), ("diversion", "<sip:bob@{}>;reason=no-answer"),
                        ("history-info", "<sip:bob@{}>;index=1")):
        assert invite.all(name) == [value.format(phones.callee.door)]
    assert invite.get("privacy") == "id"
    refuse(phones)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("outside the trust domain no identity passes, and who hides is anonymous", "Header policy")
def test_untrusted(phones):
    host = phones.caller.address
    invite = phones.ring(None, ("Privacy: id", f"P-Asserted-Identity: <sip:+44123@{host}>", f"Diversion: <sip:+44124@{host}>",
                                f"History-Info: <sip:+44124@{host}>;index=1"))
    assert "anonymous@anonymous.invalid" in invite.get("from")
    assert not any(invite.get(name) for name in ("p-asserted-identity", "diversion", "history-info"))
    refuse(phones)


# ---- bodies

PIDF_LO = """<?xml version="1.0" encoding="UTF-8"?>\r
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:alice@example.com"><tuple id="a"><status>\r
<gp:geopriv xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"/></status></tuple></presence>\r
"""
RS_METADATA = """<?xml version="1.0" encoding="UTF-8"?>\r
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>\r
"""
ISUP = "01 00 49 00 00 03 02 00 07"
PARTS = {"application/isup;version=itu-t92+": ISUP, "application/pidf+xml": PIDF_LO, "application/rs-metadata+xml": RS_METADATA}


class Multipart:
    """Bodies with these parts around a session description; each has parts of its own."""

    def __init__(self):
        self.count = 0

    def around(self, sdp, *kinds):
        """The body, and what stands before and behind the description."""
        self.count += 1
        parts = [f"--b\r\nContent-Type: {kind}\r\nContent-ID: <{self.count}@example.com>\r\n\r\n{PARTS[kind]}\r\n" for kind in kinds]
        before = "".join(parts[:-1]) + "--b\r\nContent-Type: application/sdp\r\n\r\n"
        after = f"\r\n{parts[-1]}--b--\r\n"
        return before + sdp + after, before, after


def whole(message, before, after, *secrets):
    """The parts came octet for octet, with another description between them."""
    assert message.get("content-type").replace(" ", "") == "multipart/mixed;boundary=b" and message.get("mime-version") == "1.0"
    assert message.body.startswith(before + "v=0\r\n") and message.body.endswith(after), message.body
    assert not any(secret in message.body for secret in secrets)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("multipart bodies of INVITE, 200, re-INVITE and its 200: the SDP rewritten; ISUP, PIDF-LO and rs-metadata whole",
                  "Header policy")
def test_multipart(phones, asker):
    caller, callee, other, make = phones.caller, phones.callee, phones.other(asker), Multipart()
    isup, pidf, recording = PARTS
    body, *around = make.around(caller.sdp(), isup, pidf)
    invite = phones.ring(body, MULTIPART)
    whole(invite, *around, caller.address)
    body, *around = make.around(callee.sdp(), recording, isup)
    whole(phones.answer(body, MULTIPART), *around, callee.address)
    phones.talk()
    old, asker.rtp = asker.rtp, asker.media()
    body, *around = make.around(asker.sdp(), pidf, recording, isup)
    asker.request("INVITE", body, MULTIPART)
    asker.expect("100")
    again = other.expect("INVITE")
    whole(again, *around, asker.address)
    body, *around = make.around(other.sdp(), isup)
    other.reply(again, "200 OK", body, MULTIPART)
    whole(asker.expect("200"), *around, other.address)
    asker.ack()
    other.expect("ACK")
    phones.talk()
    phones.silent_towards(old, asker, "<200")
    phones.end()
    near, far = (" >INVITE <100 <200 >ACK", " <INVITE >200 <ACK")[::1 if asker is caller else -1]
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("multipart bodies of a reliable 18x, PRACK, UPDATE, its 200 and ACK: the same", "Header policy")
def test_multipart_elsewhere(phones, asker):
    caller, callee, other, make = phones.caller, phones.callee, phones.other(asker), Multipart()
    isup, pidf, recording = PARTS
    phones.ring("", RELIABLE)
    body, *around = make.around(callee.sdp(), isup, recording)
    callee.reply(callee.invite, "183 Session Progress", body, (*MULTIPART, "Require: 100rel", "RSeq: 7", RELIABLE[1]))
    progress = caller.expect("183")
    whole(progress, *around, callee.address)
    body, *around = make.around(caller.sdp(), pidf)
    caller.request("PRACK", body, (*MULTIPART, f"RAck: {progress.get('rseq')} 1 INVITE"))
    caller.expect("200/PRACK")
    prack = callee.expect("PRACK")
    whole(prack, *around, caller.address)
    callee.reply(prack, "200 OK")
    phones.talk()
    phones.answer()
    asker.rtp = asker.media()
    body, *around = make.around(asker.sdp(), recording, isup)
    asker.request("UPDATE", body, MULTIPART)
    update = other.expect("UPDATE")
    whole(update, *around, asker.address)
    body, *around = make.around(other.sdp(), pidf, isup)
    other.reply(update, "200 OK", body, MULTIPART)
    whole(asker.expect("200/UPDATE"), *around, other.address)
    phones.talk()
    asker.request("INVITE")
    asker.expect("100")
    other.reply(other.expect("INVITE"), "200 OK", other.sdp())
    asker.expect("200")
    body, *around = make.around(asker.sdp(), isup)
    asker.request("ACK", body, MULTIPART)
    whole(other.expect("ACK"), *around, asker.address)
    phones.talk()
    phones.end()
    near, far = (" >UPDATE <200/UPDATE >INVITE <100 <200 >ACK", " <UPDATE >200/UPDATE <INVITE >200 <ACK")[::1 if asker is caller else -1]
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + near + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + far + END_FAR)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("other parts where the answer is settled already, in 18x, 200 and a re-INVITE's 200; ISUP alone: they cross",
                  "Header policy")
def test_parts_without_a_description(phones, asker):
    caller, callee, other, make = phones.caller, phones.callee, phones.other(asker), Multipart()
    isup, pidf, recording = PARTS

    def rest(message, around):
        before, after = around
        assert message.get("content-type").replace(" ", "") == "multipart/mixed;boundary=b" and message.get("mime-version") == "1.0"
        assert message.body == before.removesuffix("--b\r\nContent-Type: application/sdp\r\n\r\n") + after.removeprefix("\r\n")

    def early(phone, request, answerer):
        """A reliable 18x with the answer."""
        answerer.reply(request, "183 Session Progress", answerer.sdp(), ("Require: 100rel", "RSeq: 7", *RELIABLE))
        progress = phone.expect("183")
        phone.request("PRACK", "", (f"RAck: {progress.get('rseq')} {progress.cseq[0]} INVITE",))
        phone.expect("200/PRACK")
        answerer.reply(answerer.expect("PRACK"), "200 OK")

    phones.ring(None, RELIABLE)
    early(caller, callee.invite, callee)
    callee.reply(callee.invite, "180 Ringing", ISUP, (f"Content-Type: {isup}",))
    alone = caller.expect("180")
    assert alone.body == ISUP and alone.get("content-type") == isup
    body, *around = make.around(callee.sdp(), recording, isup)
    rest(phones.answer(body, MULTIPART), around)
    phones.talk()
    asker.request("INVITE", asker.sdp(), RELIABLE)
    number = asker.cseq
    asker.expect("100")
    again = other.expect("INVITE")
    early(asker, again, other)
    body, *around = make.around(other.sdp(), isup)
    other.reply(again, "200 OK", body, MULTIPART)
    rest(asker.expect("200"), around)
    asker.ack(number)
    other.expect("ACK")
    phones.talk()
    phones.end()
    near, far = (" >INVITE <100 <183 >PRACK <200/PRACK <200 >ACK",
                 " <INVITE >183 <PRACK >200/PRACK >200 <ACK")[::1 if asker is caller else -1]
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <180 <200 >ACK" + near + END,
                 "<INVITE >183 <PRACK >200/PRACK >180 >200 <ACK" + far + END_FAR)


# ---- Warning and Reason

@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("Warning goes on by its code, in our own name and words", "Header policy")
def test_warning(phones):
    callee = phones.callee
    phones.ring()
    final = refuse(phones, "488 Not Acceptable Here", (f'Warning: 305 {callee.address} "none of {callee.secret}"',))
    assert final.all("warning") == [f'305 {phones.caller.door} "Incompatible media format"']


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("Reason of BYE crosses (RFC 3326), without what names an address of that side", "Header policy")
def test_reason_of_bye(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.request("BYE", more=('Reason: Q.850;cause=16;text="Normal call clearing"', f'Reason: SIP;cause=600;text="gone from {asker.address}"'))
    asker.expect("200/BYE")
    bye = other.expect("BYE")
    assert bye.all("reason") == ['Q.850;cause=16;text="Normal call clearing"', "SIP;cause=600"]
    other.reply(bye, "200 OK")
    near, far = (END, END_FAR) if asker is phones.caller else (END_FAR, END)
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.config(change=untrusted_peers)
@pytest.mark.case("Reason of CANCEL crosses: who rings sees that another has taken the call", "Header policy")
def test_reason_of_cancel(phones):
    caller, callee = phones.caller, phones.callee
    phones.ringing()
    caller.cancel(more=('Reason: SIP;cause=200;text="Call completed elsewhere"',))
    caller.expect("200/CANCEL")
    caller.ack(final=caller.expect("487"))
    cancel = callee.expect("CANCEL")
    assert cancel.all("reason") == ['SIP;cause=200;text="Call completed elsewhere"']
    callee.reply(cancel, "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <180 >CANCEL {<200/CANCEL <487} >ACK", "<INVITE >180 <CANCEL >200/CANCEL >487 <ACK")


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
@pytest.mark.case("a code of our own: its reason is the rule of the record, of show and of metrics", "Response codes")
def test_own_refusal(phones):
    before = metrics.scrape()
    phones.caller.call(phones.number, None, ("Accept: text/plain",))
    final = phones.caller.refused()
    rule = "a refusal of our own: Accept is without application/sdp"
    latest = next(one for one in ask(command="show", what="failures")["failures"] if phones.number in one["callee"])
    lines = (netns.STATE / "cdr.jsonl").read_text().splitlines()
    record = next(r for r in map(json.loads, reversed(lines)) if r["record"] == "end" and phones.number in r["callee"])
    assert (latest["rule"], record["rule"], record["sent"], final.code) == (rule, rule, 406, 406) and not record["received"]
    after = metrics.scrape()
    for name, labels in (("call_failure_rules_total", {"rule": rule}),
                         ("responses_mapped_total", {"from": record["from"], "received": "own", "sent": "406"})):
        assert metrics.total(after, name, **labels) == metrics.total(before, name, **labels) + 1, name
    phones.sync()
    phones.judge_leg(phones.caller, ">INVITE <406 >ACK")  # at once: no 100


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

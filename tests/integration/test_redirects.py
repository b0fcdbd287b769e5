# SPDX-License-Identifier: Apache-2.0
"""Where a call goes when a target does not take it: redirects, failover, challenges; from the wire, in both directions."""
import re

import ladder
import pytest
from digests import proof
from phones import END, END_FAR, UP, UP_FAR, ask, audio
from sides import BOTH, beside, each_peer, one_way_routes

REFUSED = ">INVITE <100 <{} >ACK"


def both(**values):
    return each_peer(lambda peer, _: peer.update(values))


SILENT, CLOSED = "+4901", "+4902"   # numbers of peers whose first target says nothing, or is a port that is not open


def two_targets(config):
    """Two targets of each peer, no credentials for them, and no redirects from them; beside them two that rest after a test."""
    both(redirects="refuse")(config)
    one_way_routes(config)
    for side in BOTH:
        own = config["peers"][side.peer]
        own["targets"] = [f"sip:{side.address}:5060", f"sip:{side.address}:5070"]
        own.setdefault("response_map", {})["receive"] = "carrier-in"
    for number, first in ((SILENT, 5062), (CLOSED, 5064)):
        beside(config, number, lambda side, first=first: {
            "targets": [f"sip:{side.address}:{first}", f"sip:{side.address}:5070"], "limits": {"setup": "2s"}})


# Few configurations, since each is a start of the process; the tests stand in their order.
follow = both(redirects={"mode": "follow", "depth": 2})
credentials = both(redirects="pass", credentials={"user": "sally", "password": "hush"})


def redirect(phones, phone, *uris):
    """That phone sends the INVITE elsewhere."""
    phone.reply(phone.invite, "302 Moved Temporarily", more=[f"Contact: <{uri}>" for uri in uris])
    phone.expect("ACK")


def move(phones):
    """The call goes on with the second phone as its callee; its first leg is judged in the end."""
    first, phones.callee = phones.callee, phones.second()
    return first, phones.callee


def place(phones):
    phones.caller.call(phones.number)
    phones.caller.expect("100")
    return phones.callee.expect("INVITE")


def hear(phones, *codes):
    """The caller hears a refusal, of one of these codes."""
    final = phones.caller.refused()
    assert final.code in codes, final.start
    return final


# ---- redirects

@pytest.mark.config(change=follow)
@pytest.mark.case("follow: a 302 leads to another target, the caller hears nothing of it", "Redirects")
def test_follow(phones):
    place(phones)
    first, second = move(phones)
    redirect(phones, first, f"sip:777@{second.address}:5070")
    invite = second.expect("INVITE")
    assert invite.uri == f"sip:777@{second.address}:5070" and invite.tag("from") != first.invite.tag("from")
    phones.answer(second.sdp())
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)
    phones.judge_leg(first, "<INVITE >302 <ACK")
    assert ladder.leaks(phones.leg(phones.caller), phones.leg(first)) == []


@pytest.mark.config(change=follow)
@pytest.mark.case("follow: Contacts in the order of their q", "Redirects")
def test_follow_by_q(phones):
    place(phones)
    first, second = move(phones)
    first.reply(first.invite, "300 Multiple Choices", more=[
        f"Contact: <sip:777@{second.address}:5071>;q=0.4, <sip:888@{second.address}:5070>;q=0.9"])
    first.expect("ACK")
    assert second.expect("INVITE").user == "888"
    phones.answer(second.sdp())
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)
    phones.judge_leg(first, "<INVITE >300 <ACK")


@pytest.mark.config(change=follow)
@pytest.mark.case("follow: a loop ends the call with 482", "Redirects")
def test_loop(phones):
    invite = place(phones)
    redirect(phones, phones.callee, invite.uri)
    hear(phones, 482)
    phones.judge(REFUSED.format(482), "<INVITE >302 <ACK")


@pytest.mark.config(change=follow)
@pytest.mark.case("follow: no deeper than the limit, and only to peers and allowed networks", "Redirects")
def test_depth_and_places(phones):
    place(phones)
    redirect(phones, phones.callee, "sip:777@203.0.113.1", f"sip:1@{phones.callee.address}:5060")
    for number in (2, 3):  # depth 2: the second of these is one too many
        phones.callee.call_id = ""  # a leg of its own
        assert phones.callee.expect("INVITE").user == str(number - 1)
        redirect(phones, phones.callee, f"sip:{number}@{phones.callee.address}:5060")
    final = hear(phones, *range(480, 505))
    phones.judge(REFUSED.format(final.code), "<INVITE >302 <ACK")
    foreign = [p for watch in phones.watches.values() for p in watch.packets if p.dst == "203.0.113.1"]
    assert not foreign


@pytest.mark.config(change=credentials)
@pytest.mark.case("pass: the caller hears the 302 with the numbers at our own host", "Redirects")
def test_pass(phones):
    place(phones)
    # No realm has TLS here: what asks for it leads the caller nowhere, and is left out.
    redirect(phones, phones.callee, f"sip:777@{phones.callee.address};secret=1", f"sips:778@{phones.callee.address}")
    final = hear(phones, 302)
    assert len(final.all("contact")) == 1
    assert re.fullmatch(rf"<sip:777@{re.escape(phones.caller.door)}(:5060)?>", final.get("contact"))
    phones.judge(REFUSED.format(302), "<INVITE >302 <ACK")


# ---- authentication

def challenge(phone, request, status, algorithm, nonce, more=""):
    header = "WWW-Authenticate" if status.startswith("401") else "Proxy-Authenticate"
    phone.reply(request, status, more=[f'{header}: Digest realm="lab", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'])
    if request.method == "INVITE":
        phone.expect("ACK")
    return phone.expect(request.method)


@pytest.mark.config(change=credentials)
@pytest.mark.case("401 MD5: INVITE again on the same leg, nonce counted, a stale nonce taken anew", "Authentication")
def test_401(phones):
    caller, callee = phones.caller, phones.callee
    first = place(phones)
    again = challenge(callee, first, "401 Unauthorized", "MD5", "n1")
    assert proof(again, "MD5", "n1")["nc"] == "00000001"
    assert again.cseq[0] == first.cseq[0] + 1 and again.tag("from") == first.tag("from") and again.body == first.body
    callee.invite = again
    phones.answer(callee.sdp())
    phones.talk()
    caller.request("BYE")
    caller.expect("200/BYE")
    bye = callee.expect("BYE")
    assert proof(bye, "MD5", "n1")["nc"] == "00000002"
    bye = challenge(callee, bye, "401 Unauthorized", "MD5", "n2", ", stale=true")
    assert proof(bye, "MD5", "n2")["nc"] == "00000001"
    callee.reply(bye, "200 OK")
    phones.judge(UP + END, "<INVITE >401 <ACK <INVITE >200 <ACK <BYE >401/BYE <BYE >200/BYE")
    assert b"hush" not in b"".join(m.raw for m in phones.leg(callee).messages)


@pytest.mark.config(change=credentials)
@pytest.mark.case("407 SHA-256, of a re-INVITE too", "Authentication")
def test_407(phones):
    caller, callee = phones.caller, phones.callee
    again = challenge(callee, place(phones), "407 Proxy Authentication Required", "SHA-256", "n1")
    proof(again, "SHA-256", "n1", "proxy-authorization")
    callee.invite = again
    phones.answer(callee.sdp())
    caller.rtp = caller.media()
    caller.request("INVITE", caller.sdp())
    caller.expect("100")
    again = challenge(callee, callee.expect("INVITE"), "407 Proxy Authentication Required", "SHA-256", "n2", ", stale=true")
    proof(again, "SHA-256", "n2", "proxy-authorization")
    callee.reply(again, "200 OK", callee.sdp())
    caller.expect("200")
    caller.ack()
    callee.expect("ACK")
    phones.talk()
    phones.end()
    phones.judge(UP + " >INVITE <100 <200 >ACK" + END,
                 "<INVITE >407 <ACK <INVITE >200 <ACK <INVITE >407 <ACK <INVITE >200 <ACK" + END_FAR)


@pytest.mark.config(change=credentials)
@pytest.mark.case("credentials that are refused: the attempt has failed", "Authentication")
def test_refused_credentials(phones):
    callee = phones.callee
    again = challenge(callee, place(phones), "401 Unauthorized", "MD5", "n1")
    callee.reply(again, "401 Unauthorized", more=['WWW-Authenticate: Digest realm="lab", nonce="n2", algorithm=MD5, qop="auth"'])
    callee.expect("ACK")
    final = hear(phones, *range(400, 500))
    phones.judge(REFUSED.format(final.code), "<INVITE >401 <ACK <INVITE >401 <ACK")


@pytest.mark.config(change=credentials)
@pytest.mark.case("401 of PRACK, of the BYE to a second fork and of BYE: each again as it was", "Authentication")
def test_401_inside_dialogs(phones):
    caller, callee = phones.caller, phones.callee

    def again(first, nonce):
        second = challenge(callee, first, "401 Unauthorized", "MD5", nonce)
        proof(second, "MD5", nonce)
        kept = ("to", "from", "call-id", "rack", "reason", "route", "max-forwards")
        assert [second.all(name) for name in kept] == [first.all(name) for name in kept] and second.body == first.body
        assert second.cseq[0] > first.cseq[0]
        callee.reply(second, "200 OK")

    phones.ring(None, ("Supported: 100rel",))
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), ("Require: 100rel", "RSeq: 7"))
    rseq = caller.expect("183").get("rseq")
    caller.request("PRACK", "", (f"RAck: {rseq} 1 INVITE",))
    caller.expect("200/PRACK")
    again(callee.expect("PRACK"), "n1")
    phones.answer()
    callee.reply(callee.invite, "200 OK", callee.sdp(audio(callee.media().port)), tag=callee.secret + "two")
    assert callee.expect("ACK").tag("to") == callee.secret + "two"
    again(callee.expect("BYE"), "n2")
    phones.talk()
    caller.request("BYE", "", ("Reason: Q.850;cause=16",))
    caller.expect("200/BYE")
    again(callee.expect("BYE"), "n3")
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + END,
                 "<INVITE >183 <PRACK >401/PRACK <PRACK >200/PRACK >200 <ACK >200 <ACK <BYE >401/BYE <BYE >200/BYE "
                 "<BYE >401/BYE <BYE >200/BYE")


# ---- two targets

@pytest.mark.config(change=two_targets)
@pytest.mark.case("without credentials 407 is passed", "Authentication")
def test_no_credentials(phones):
    callee = phones.callee
    invite = place(phones)
    callee.reply(invite, "407 Proxy Authentication Required",
                 more=['Proxy-Authenticate: Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'])
    callee.expect("ACK")
    hear(phones, 407)
    phones.judge(REFUSED.format(407), "<INVITE >407 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("without credentials what the caller answers to a 407 crosses, in INVITE, ACK and BYE", "Authentication")
def test_the_caller_s_own_answer(phones):
    caller, callee = phones.caller, phones.callee
    callee.reply(place(phones), "407 Proxy Authentication Required",
                 more=['Proxy-Authenticate: Digest realm="lab", nonce="n1", algorithm=MD5, qop="auth"'])
    callee.expect("ACK")
    hear(phones, 407)
    caller.call_id, callee.call_id = f"{caller.call_id}2", ""
    answer = f'Digest username="lab", realm="lab", nonce="n1", uri="sip:{phones.number}@sbc.example", response="{"0" * 32}"'
    proves = (f"Proxy-Authorization: {answer}",)
    phones.up(proves)
    caller.request("BYE", "", proves)
    caller.expect("200/BYE")
    bye = callee.expect("BYE")
    callee.reply(bye, "200 OK")
    phones.judge(UP + END, UP_FAR + END_FAR)
    requests = [m for m in phones.leg(callee).messages if m.method in ("INVITE", "ACK", "BYE")]
    assert [m.all("proxy-authorization") for m in requests] == [[answer]] * 3


@pytest.mark.config(change=two_targets)
@pytest.mark.case("refuse: a failure of that target, the next is tried", "Redirects")
def test_refuse(phones):
    place(phones)
    first, second = move(phones)
    redirect(phones, first, f"sip:777@{first.address}:5071")
    assert second.expect("INVITE").user == phones.number
    phones.answer(second.sdp())
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)
    phones.judge_leg(first, "<INVITE >302 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("a 6xx stops the search", "Failover")
def test_6xx(phones):
    invite = place(phones)
    second = phones.second()
    phones.callee.reply(invite, "603 Decline")
    phones.callee.expect("ACK")
    hear(phones, 603)
    phones.sync()
    assert not second.heard("INVITE")
    phones.judge(REFUSED.format(603), "<INVITE >603 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("early media of a target that fails gives way to the next", "Failover")
def test_early_media_then_failover(phones):
    invite = place(phones)
    first, second = move(phones)
    first.reply(invite, "183 Session Progress", first.sdp())
    phones.caller.expect("183")
    phones.flow(first, phones.caller)
    first.reply(invite, "503 Service Unavailable")
    first.expect("ACK")
    second.expect("INVITE")
    phones.answer(second.sdp())
    phones.talk()
    phones.mute(first, phones.caller)
    phones.end()
    phones.judge(">INVITE <100 <183 <200 >ACK" + END, UP_FAR + END_FAR)
    phones.judge_leg(first, "<INVITE >183 >503 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("by a rule of the response map", "Failover")
def test_by_rule(phones):
    invite = place(phones)
    first, second = move(phones)
    first.reply(invite, "503 Service Unavailable")  # carrier-in: failover, and 480 where nobody is left
    first.expect("ACK")
    second.reply(second.expect("INVITE"), "503 Service Unavailable")
    second.expect("ACK")
    hear(phones, 480)
    phones.judge(REFUSED.format(480), "<INVITE >503 <ACK")
    phones.judge_leg(first, "<INVITE >503 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("busy is no reason", "Failover")
def test_busy(phones):
    invite = place(phones)
    second = phones.second()
    phones.callee.reply(invite, "486 Busy Here")
    phones.callee.expect("ACK")
    hear(phones, 486)
    phones.sync()
    assert not second.heard("INVITE")
    phones.judge(REFUSED.format(486), "<INVITE >486 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("503 with Retry-After: the next target at once, and alone for so long", "Failover")
def test_retry_after(phones):
    invite = place(phones)
    first, second = move(phones)
    first.reply(invite, "503 Service Unavailable", more=("Retry-After: 30",))
    first.expect("ACK")
    second.expect("INVITE")
    phones.answer(second.sdp())
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)
    phones.judge_leg(first, "<INVITE >503 <ACK")
    # Another call meanwhile: the second target alone hears of it.
    first.call_id = second.call_id = ""
    second.invite = None
    phones.caller.call_id += "b"
    phones.caller.call(phones.number)
    again = second.expect("INVITE")
    second.reply(again, "486 Busy Here")
    second.expect("ACK")
    phones.caller.ack(final=phones.caller.expect("486"))
    assert not first.heard("INVITE")


def two_shards(config):
    two_targets(config)
    config["controlplane"]["shards"] = 2


@pytest.mark.config(change=two_shards)
@pytest.mark.case("503 with Retry-After that one shard was told: the calls of both go elsewhere for so long", "Failover")
def test_retry_after_is_known_to_all_shards(phones):
    caller, (first, second) = phones.caller, move(phones)
    own_id = caller.call_id
    caller.call(phones.number)
    first.reply(first.expect("INVITE"), "503 Service Unavailable", more=("Retry-After: 60",))
    first.expect("ACK")
    first.call_id = ""  # of whichever call
    for n in range(9):  # each has a shard by its Call-ID, the first of them the one that was told
        if n:
            second.call_id, second.invite = "", None
            caller.call_id = f"{own_id}n{n}"
            caller.call(phones.number)
        second.reply(second.expect("INVITE"), "486 Busy Here")
        second.expect("ACK")
        caller.ack(final=caller.expect("486"))
    assert not first.heard("INVITE")
    shown = [target for row in ask(command="show", what="peers")["peers"] for target in row["targets"]]
    assert re.search(rf"{re.escape(first.address)}:5060 out of use for \d+s", "\n".join(shown)), shown


def at_the_second(phones, number, timeout=4):
    """A call to that number, answered by the second target's phone; who it is."""
    phones.number = number + phones.number[3:]
    phones.callee = phones.second()
    phones.caller.call(phones.number)
    phones.caller.expect("100")
    phones.callee.expect("INVITE", timeout)
    phones.answer(phones.callee.sdp())
    phones.talk()
    phones.end()
    return phones.callee


@pytest.mark.config(change=two_targets)
@pytest.mark.case("by silence", "Failover")
def test_by_silence(phones):
    silent = phones.second(5062)
    answered = at_the_second(phones, SILENT, 12)
    assert phones.tries(silent.port, answered) > 1, "it was given time"
    invite = silent.expect("INVITE")
    silent.reply(invite, "100 Trying")  # RFC 3261 9.1: not before
    silent.reply(silent.expect("CANCEL"), "200 OK")
    silent.reply(invite, "487 Request Terminated")
    silent.expect("ACK")
    phones.judge(UP + END, UP_FAR + END_FAR)
    phones.judge_leg(silent, "<INVITE >100 <CANCEL >200/CANCEL >487 <ACK")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("a late 200 of a target that was given up: acknowledged and ended, the change that is open goes on", "Failover")
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_late_200_while_a_change_is_open(phones, method):
    knows = ("Allow: INVITE, ACK, BYE, CANCEL, UPDATE",)
    silent, caller = phones.second(5062), phones.caller
    phones.number = SILENT + phones.number[3:]
    phones.callee = second = phones.second()
    caller.call(phones.number, None, knows)
    caller.expect("100")
    first = silent.expect("INVITE")
    silent.reply(first, "100 Trying")
    second.expect("INVITE", 12)
    phones.answer(second.sdp(), knows)
    silent.reply(silent.expect("CANCEL"), "200 OK")
    caller.rtp = caller.media()
    caller.request(method, caller.sdp(), knows)
    asked = second.expect(method)
    silent.reply(first, "200 OK", silent.sdp())
    silent.expect("ACK")
    silent.reply(silent.expect("BYE"), "200 OK")
    second.reply(asked, "200 OK", second.sdp(), knows)
    if method == "INVITE":
        caller.expect("200")
        caller.ack()
        second.expect("ACK")
    else:
        caller.expect("200/UPDATE")
    phones.talk()
    phones.end()
    near, far = (" >INVITE <100 <200 >ACK", " <INVITE >200 <ACK") if method == "INVITE" else (" >UPDATE <200/UPDATE", " <UPDATE >200/UPDATE")
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)
    phones.judge_leg(silent, "<INVITE >100 <CANCEL >200/CANCEL >200 <ACK <BYE >200/BYE")


@pytest.mark.config(change=two_targets)
@pytest.mark.case("ICMP port unreachable: at once", "Failover")
def test_unreachable(phones):
    answered = at_the_second(phones, CLOSED)
    phones.judge(UP + END, UP_FAR + END_FAR)
    assert phones.tries(5064, answered) == 1

# SPDX-License-Identifier: Apache-2.0
"""Reliable provisional responses (RFC 3262) and 199 (RFC 6228) from the wire, from end to end and on one leg only."""
import ladder
import pytest
from phones import END, END_FAR, RELIABLE, UP, UP_FAR, audio

K100REL = ("Supported: 100rel",)


def rseq(number):
    return ("Require: 100rel", f"RSeq: {number}")


def progress(phones, number, body="", status="183 Session Progress", tag=None):
    """The callee's reliable response, as the caller has it."""
    phones.callee.reply(phones.callee.invite, status, body, rseq(number), tag)
    return phones.caller.expect(status[:3])


def prack(phones, response, body=""):
    """The caller acknowledges it; what the callee has of that is answered too."""
    phones.caller.request("PRACK", body, (f"RAck: {response.get('rseq')} 1 INVITE",))
    phones.caller.expect("200/PRACK")
    acknowledged = phones.callee.expect("PRACK")
    phones.callee.reply(acknowledged, "200 OK")
    return acknowledged


@pytest.mark.case("end to end, with RSeq numbers of our own", "Reliable provisionals")
def test_end_to_end(phones):
    caller, callee = phones.caller, phones.callee
    invite = phones.ring(None, K100REL)
    assert "100rel" in invite.get("supported") and not invite.get("require")
    first = progress(phones, 7000, callee.sdp())
    assert first.get("require") == "100rel" and first.get("rseq") != "7000"
    assert not callee.heard("PRACK"), "the callee's waits for the caller's"
    assert prack(phones, first).get("rack") == "7000 1 INVITE"
    phones.talk()
    second = progress(phones, 7001, status="180 Ringing")
    assert int(second.get("rseq")) == int(first.get("rseq")) + 1
    assert prack(phones, second).get("rack") == "7001 1 INVITE"
    assert not phones.answer().body, "the answer has been acknowledged"
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <180 >PRACK <200/PRACK <200 >ACK" + END,
                 "<INVITE >183 <PRACK >200/PRACK >180 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("on the callee's leg only: the caller does not know them", "Reliable provisionals")
def test_on_the_callee_s_leg_only(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), rseq(7))
    callee.reply(callee.expect("PRACK"), "200 OK")
    plain = caller.expect("183")
    assert plain.body and not plain.get("rseq") and not plain.get("require")
    phones.talk()
    assert phones.answer().body, "he has had no answer reliably"
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 <200 >ACK" + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("on the caller's leg only: he requires them, the callee sends plain ones", "Reliable provisionals")
def test_on_the_caller_s_leg_only(phones):
    caller, callee = phones.caller, phones.callee
    assert phones.ring(None, ("Require: 100rel",)).get("require") == "100rel"
    callee.reply(callee.invite, "180 Ringing")
    ringing = caller.expect("180")
    assert ringing.get("require") == "100rel" and ringing.get("rseq")
    caller.request("PRACK", "", (f"RAck: {ringing.get('rseq')} 1 INVITE",))
    caller.expect("200/PRACK")
    phones.answer(callee.sdp())
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <180 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >180 >200 <ACK" + END_FAR)


@pytest.mark.case("on the asker's leg only: a re-INVITE requires them, the other side has never listed them, or says 420", "Reliable provisionals")
@pytest.mark.parametrize("refused", [False, True], ids=["never listed", "420"])
def test_on_the_asker_s_leg_only(phones, asker, refused):
    other = phones.other(asker)
    phones.up(*(RELIABLE, RELIABLE) if refused else ())
    asker.request("INVITE", asker.sdp(), ("Require: 100rel",))
    number = asker.cseq
    asker.expect("100")
    invite = other.expect("INVITE")
    if refused:
        assert invite.get("require") == "100rel"
        other.reply(invite, "420 Bad Extension", more=("Unsupported: 100rel",))
        other.expect("ACK")
        invite = other.expect("INVITE")
    assert not invite.get("require")
    other.reply(invite, "183 Session Progress", other.sdp())
    progress = asker.expect("183")
    assert progress.get("require") == "100rel"
    asker.request("PRACK", "", (f"RAck: {progress.get('rseq')} {number} INVITE",))
    asker.expect("200/PRACK")
    other.reply(invite, "200 OK", other.sdp())
    asker.expect("200")
    asker.ack(number)
    other.expect("ACK")
    phones.talk()
    phones.end()
    mine, theirs = " >INVITE <100 <183 >PRACK <200/PRACK <200 >ACK", " <INVITE >420 <ACK" * refused + " <INVITE >183 >200 <ACK"
    near, far = (mine, theirs)[::1 if asker is phones.caller else -1]
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


@pytest.mark.case("repeated until PRACK, doubling from T1", "Reliable provisionals")
def test_repeated_until_prack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 1, callee.sdp())
    for _ in range(2):  # the same bytes again, twice
        assert caller.end.receive(4).raw == first.raw
    prack(phones, first)
    phones.answer()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("a PRACK for nothing that is out: 481", "Reliable provisionals")
def test_a_prack_for_nothing(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 1, callee.sdp())
    for rack, code in ((f"{int(first.get('rseq')) + 1} 1 INVITE", 481), (f"{first.get('rseq')} 9 INVITE", 481), ("nonsense", 400)):
        caller.request("PRACK", "", (f"RAck: {rack}",))
        caller.expect(f"{code}/PRACK")
    prack(phones, first)
    phones.answer()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <481/PRACK >PRACK <481/PRACK >PRACK <400/PRACK >PRACK <200/PRACK <200 >ACK" + END,
                 "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("a second one waits for the first one's PRACK; out of order and repeated ones are left alone",
                  "Reliable provisionals")
def test_order(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 5, callee.sdp())
    callee.reply(callee.invite, "180 Ringing", "", rseq(7))  # one is missing
    callee.reply(callee.invite, "180 Ringing", "", rseq(6))
    callee.ping()
    assert not caller.heard("180")
    prack(phones, first)
    second = caller.expect("180")
    assert prack(phones, second).get("rack") == "6 1 INVITE"
    phones.answer()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <180 >PRACK <200/PRACK <200 >ACK" + END,
                 "<INVITE >183 >180 >180 <PRACK >200/PRACK <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("a 2xx waits until the answer before it is acknowledged", "Reliable provisionals")
def test_a_2xx_waits(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 1, callee.sdp())
    callee.reply(callee.invite, "200 OK")
    callee.ping()
    assert not caller.heard("200")
    caller.request("PRACK", "", (f"RAck: {first.get('rseq')} 1 INVITE",))
    caller.expect("200/PRACK")
    caller.expect("200")
    caller.ack(1)
    callee.reply(callee.expect("PRACK"), "200 OK")
    callee.expect("ACK")
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >183 >200 {<PRACK >200/PRACK <ACK}" + END_FAR)


@pytest.mark.case("a refused offer in PRACK: 488, the response is acknowledged all the same", "Reliable provisionals")
def test_a_refused_offer_in_prack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 1, callee.sdp())
    caller.request("PRACK", caller.sdp(address="127.0.0.1"), (f"RAck: {first.get('rseq')} 1 INVITE",))
    caller.expect("488/PRACK")
    acknowledged = callee.expect("PRACK")
    assert not acknowledged.body
    callee.reply(acknowledged, "200 OK")
    phones.talk()
    phones.answer()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <488/PRACK <200 >ACK" + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("two forks: PRACK to each, one sequence for the caller", "Reliable provisionals")
def test_of_two_forks(phones):
    callee = phones.callee
    phones.ring(None, K100REL)
    first = progress(phones, 30, callee.sdp(), tag=f"{callee.secret}one")
    assert prack(phones, first).tag("to") == f"{callee.secret}one"
    second = progress(phones, 9, callee.sdp(), tag=f"{callee.secret}two")
    assert second.tag("to") == first.tag("to") and int(second.get("rseq")) == int(first.get("rseq")) + 1
    to_two = prack(phones, second)
    assert to_two.tag("to") == f"{callee.secret}two" and to_two.get("rack") == "9 1 INVITE"
    callee.tag = f"{callee.secret}one"
    callee.local = f"{callee.invite.get('to')};tag={callee.tag}"
    phones.answer()
    phones.talk()
    phones.end(callee)
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <183 >PRACK <200/PRACK <200 >ACK <BYE >200/BYE",
                 "<INVITE >183 <PRACK >200/PRACK >183 <PRACK >200/PRACK >200 <ACK >BYE <200/BYE")


@pytest.mark.case("two forks with an offer each to an INVITE without SDP: we answer the second, either may win", "Reliable provisionals")
@pytest.mark.parametrize("winner", ["one", "two"])
def test_offers_of_two_forks(phones, winner):
    caller, callee = phones.caller, phones.callee
    phones.ring("", RELIABLE)
    first = progress(phones, 30, callee.sdp(), tag=f"{callee.secret}one")
    assert ladder.streams(prack(phones, first, caller.sdp()).body) == ["audio"]
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), rseq(9), f"{callee.secret}two")
    to_two = callee.expect("PRACK")
    assert to_two.tag("to") == f"{callee.secret}two" and to_two.get("rack") == "9 1 INVITE"
    assert ladder.streams(to_two.body) == ["audio"] and "a=inactive" not in to_two.body
    callee.reply(to_two, "200 OK")
    while (second := caller.expect("183")).get("rseq") == first.get("rseq"):
        pass  # the first one, repeated before its PRACK on a busy machine
    assert second.tag("to") == first.tag("to") and not second.body and not second.get("rseq")
    callee.tag = f"{callee.secret}{winner}"
    callee.local = f"{callee.invite.get('to')};tag={callee.tag}"
    assert not phones.answer().body, "the session is agreed"
    phones.talk()
    phones.end(callee)
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <183 <200 >ACK <BYE >200/BYE",
                 "<INVITE >183 <PRACK >200/PRACK >183 <PRACK >200/PRACK >200 <ACK >BYE <200/BYE")


@pytest.mark.case("two forks with an offer each, one wins while the caller's UPDATE to the other is open: 491, the call goes on",
                  "Reliable provisionals")
def test_a_fork_wins_while_an_update_to_another_is_open(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring("", RELIABLE)
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), (*rseq(30), *RELIABLE), f"{callee.secret}one")
    prack(phones, caller.expect("183"), caller.sdp())
    caller.request("UPDATE", caller.sdp(audio(caller.rtp.port, way="sendonly")))
    update = callee.expect("UPDATE")
    callee.tag, callee.rtp = f"{callee.secret}two", callee.media()
    callee.local = f"{callee.invite.get('to')};tag={callee.tag}"
    assert not phones.answer(callee.sdp()).body, "the session is agreed"
    caller.expect("491/UPDATE")
    callee.reply(update, "481 Call/Transaction Does Not Exist")
    phones.talk()
    phones.end(callee)
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK >UPDATE <491/UPDATE <200 >ACK <BYE >200/BYE",
                 "<INVITE >183 <PRACK >200/PRACK <UPDATE >200 <ACK >481/UPDATE >BYE <200/BYE")


@pytest.mark.case("a PRACK without the answer that is due ends the call", "Reliable provisionals")
def test_a_prack_without_its_answer(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring("", RELIABLE)
    offer = progress(phones, 1, callee.sdp())
    caller.request("PRACK", "", (f"RAck: {offer.get('rseq')} 1 INVITE",))
    caller.expect("488/PRACK")
    caller.ack(final=caller.expect("502"))
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <183 >PRACK <488/PRACK <502 >ACK", "<INVITE >183 <CANCEL >200/CANCEL >487 <ACK")


@pytest.mark.case("199 of one fork of two stays here, of the last it goes to a caller who lists it", "199")
def test_199(phones):
    caller, callee = phones.caller, phones.callee
    assert "199" in phones.ring(None, ("Supported: 199",)).get("supported")
    one, two = callee.media(), callee.media()
    for tag, rtp in (("one", one), ("two", two)):
        callee.reply(callee.invite, "183 Session Progress", callee.sdp(f"m=audio {rtp.port} RTP/AVP 8\r\n"), tag=callee.secret + tag)
        caller.expect("183")
        phones.flow(callee, caller, source=rtp)
    callee.reply(callee.invite, "199 Early Dialog Terminated", tag=callee.secret + "two")
    callee.ping()
    assert not caller.heard("199"), "his one dialog is alive"
    phones.flow(callee, caller, source=one)
    callee.reply(callee.invite, "199 Early Dialog Terminated", tag=callee.secret + "one")
    caller.expect("199")
    callee.reply(callee.invite, "480 Temporarily Unavailable", tag=callee.secret + "one")
    callee.expect("ACK")
    caller.ack(final=caller.expect("480"))
    # The second 183 says the same as the first: he has one dialog, and one description of us.
    phones.judge(">INVITE <100 <183 <199 <480 >ACK", "<INVITE >183 >183 >199 >199 >480 <ACK")


@pytest.mark.case("199 stays here where the caller does not list it", "199")
def test_199_to_a_caller_who_does_not_list_it(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), tag=callee.secret + "one")
    caller.expect("183")
    callee.reply(callee.invite, "199 Early Dialog Terminated", tag=callee.secret + "one")
    callee.ping()
    assert not caller.heard("199")
    phones.answer(callee.sdp())
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 <200 >ACK" + END, "<INVITE >183 >199 >200 <ACK" + END_FAR)

# SPDX-License-Identifier: Apache-2.0
"""Messages that cross, come twice, come late or do not come, and several early dialogs at the callee: from the wire, in both
directions. What takes 64*T1 or a session's interval: test_timers.py."""
import ladder
import pytest
from phones import END, END_FAR, UP, UP_FAR, audio

CANCELLED, CANCELLED_FAR = " >CANCEL {<200/CANCEL <487} >ACK", " <CANCEL >200/CANCEL >487 <ACK"


@pytest.mark.case("CANCEL while ringing", "Races")
def test_cancel(phones):
    callee = phones.callee
    phones.ringing()
    phones.cancel()
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <180" + CANCELLED, "<INVITE >180" + CANCELLED_FAR)


@pytest.mark.case("CANCEL crosses 200: ACK and BYE, the caller hears 487", "Races")
def test_cancel_crosses_200(phones):
    callee = phones.callee
    phones.ringing()
    phones.cancel()
    crossed = callee.expect("CANCEL")
    callee.reply(callee.invite, "200 OK", callee.sdp())
    callee.expect("ACK")
    callee.reply(crossed, "481 Call/Transaction Does Not Exist")
    callee.reply(callee.expect("BYE"), "200 OK")
    phones.judge(">INVITE <100 <180" + CANCELLED, "<INVITE >180 <CANCEL >200 {<ACK <BYE >481/CANCEL} >200/BYE")


@pytest.mark.case("CANCEL before any response waits for one", "Races")
def test_cancel_before_any_response(phones):
    callee = phones.callee
    phones.ring()
    phones.cancel()
    phones.caller.ping()
    assert not callee.heard("CANCEL"), "RFC 3261 9.1"
    callee.reply(callee.invite, "180 Ringing")
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    # The 200 to this CANCEL bears a tag of its own, since the INVITE has had none yet (9.2 says only that it should be one).
    phones.judge(">INVITE <100" + CANCELLED, "<INVITE >180" + CANCELLED_FAR, [r for r in ladder.RULES if r is not ladder.tags])


@pytest.mark.case("CANCEL of a re-INVITE: the call goes on", "Races")
def test_cancel_of_a_reinvite(phones, asker):
    phones.up()
    other = phones.other(asker)
    text = asker.request("INVITE", asker.sdp())
    asker.expect("100")
    invite = other.expect("INVITE")
    other.reply(invite, "180 Ringing")
    asker.expect("180")
    asker.cancel(text)
    asker.expect("200/CANCEL")
    other.reply(other.expect("CANCEL"), "200 OK")
    other.reply(invite, "487 Request Terminated")
    other.expect("ACK")
    asker.ack(final=asker.expect("487"))
    phones.talk()
    phones.end()
    ask, asked = " >INVITE <100 <180" + CANCELLED, " <INVITE >180" + CANCELLED_FAR
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


def bye_crosses_reinvite(phones, asker, answered):
    """The other side has hung up when it answers the re-INVITE, with that status line."""
    phones.up()
    other = phones.other(asker)
    asker.request("INVITE", asker.sdp())
    asker.expect("100")
    invite = other.expect("INVITE")
    other.request("BYE")
    other.expect("200/BYE")
    asker.ack(final=asker.expect("487"))
    asker.reply(asker.expect("BYE"), "200 OK")
    other.reply(invite, answered, other.sdp() if answered.startswith("200") else "")
    other.expect("ACK")
    ask, asked = " >INVITE <100 {<487 >ACK <BYE >200/BYE}", f" <INVITE >BYE <200/BYE >{answered[:3]} <ACK"
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.case("BYE crosses re-INVITE: both end", "Races")
def test_bye_crosses_reinvite(phones, asker):
    bye_crosses_reinvite(phones, asker, "487 Request Terminated")


@pytest.mark.case("BYE crosses re-INVITE that was accepted: acknowledged, both end", "Races")
def test_bye_crosses_an_accepted_reinvite(phones, asker):
    bye_crosses_reinvite(phones, asker, "200 OK")


@pytest.mark.case("BYE crosses BYE: both are answered", "Races")
def test_bye_crosses_bye(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.request("BYE")
    asker.expect("200/BYE")
    crossed = other.expect("BYE")
    other.request("BYE")
    other.expect("200/BYE")
    other.reply(crossed, "200 OK")
    ask, asked = " >BYE <200/BYE", " <BYE >BYE <200/BYE >200/BYE"
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.case("BYE of the caller before his ACK: both end", "Races")
def test_bye_before_ack_of_the_caller(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    callee.expect("ACK")
    caller.request("BYE")
    caller.expect("200/BYE")
    callee.reply(callee.expect("BYE"), "200 OK")
    caller.ack(1)
    phones.judge(">INVITE <100 <200 >BYE <200/BYE >ACK", UP_FAR + END_FAR)


@pytest.mark.case("BYE of the callee before the caller's ACK waits for it on his leg", "Races")
def test_bye_before_ack_of_the_callee(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    callee.expect("ACK")
    callee.request("BYE")
    callee.expect("200/BYE")
    callee.ping()
    assert not caller.heard("BYE"), "RFC 3261 15: not before the ACK"
    caller.ack(1)
    caller.reply(caller.expect("BYE"), "200 OK")
    phones.judge(">INVITE <100 <200 >ACK <BYE >200/BYE", UP_FAR + " >BYE <200/BYE")


@pytest.mark.case("early BYE of the caller: CANCEL there, 487 here", "Races")
def test_early_bye(phones):
    caller, callee = phones.caller, phones.callee
    phones.ringing()
    caller.request("BYE")
    caller.expect("200/BYE")
    caller.ack(final=caller.expect("487"))
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <180 >BYE {<200/BYE <487} >ACK", "<INVITE >180" + CANCELLED_FAR)


@pytest.mark.case("re-INVITE glare: 491 on both sides, each tries again by itself (14.1)", "Races")
def test_glare(phones):
    caller, callee = phones.caller, phones.callee
    phones.up()
    caller.request("INVITE", caller.sdp())
    caller.expect("100")
    crossed = callee.expect("INVITE")
    callee.request("INVITE", callee.sdp())
    callee.ack(final=callee.expect("491"))
    callee.reply(crossed, "491 Request Pending")
    callee.expect("ACK")
    caller.ack(final=caller.expect("491"))
    phones.talk()
    # The caller of the dialog waits longer (2.1 to 4 s) than its callee (0 to 2 s): the order of their second tries.
    for one in (callee, caller):
        other, one.rtp = phones.other(one), one.media()
        one.request("INVITE", one.sdp())
        one.expect("100")
        other.reply(other.expect("INVITE"), "200 OK", other.sdp())
        one.expect("200")
        one.ack()
        other.expect("ACK")
        one.ping()
        phones.talk()
    phones.end()
    ask, asked = " >INVITE <100 <200 >ACK", " <INVITE >200 <ACK"
    phones.judge(UP + " >INVITE <100 <491 >ACK" + asked + ask + END,
                 UP_FAR + " <INVITE >INVITE <491 {>ACK >491 <ACK}" + ask + asked + END_FAR)


@pytest.mark.case("overlapping requests of one side: 500 with Retry-After", "Races")
def test_overlapping(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.request("INVITE", asker.sdp())
    first = asker.cseq
    asker.expect("100")
    invite = other.expect("INVITE")
    asker.request("INVITE", asker.sdp())
    refused = asker.expect("500")
    assert refused.get("retry-after")
    asker.ack(final=refused)
    asker.request("UPDATE", asker.sdp())
    assert asker.expect("500/UPDATE").get("retry-after")
    other.reply(invite, "200 OK", other.sdp())
    asker.expect("200")
    asker.ack(first)
    other.expect("ACK")
    phones.talk()
    phones.end()
    ask, asked = " >INVITE <100 >INVITE <500 >ACK >UPDATE <500/UPDATE <200 >ACK", " <INVITE >200 <ACK"
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


@pytest.mark.case("requests in the wrong order of CSeq: 500", "Races")
def test_wrong_order(phones, asker):
    phones.up()
    asker.cseq += 5
    asker.request("OPTIONS")
    asker.expect("200/OPTIONS")
    asker.request("UPDATE", asker.sdp(), cseq=asker.cseq - 2)
    asker.expect("500/UPDATE")
    phones.talk()
    phones.end(asker)
    ask = " >OPTIONS <200/OPTIONS >UPDATE <500/UPDATE"
    if asker is phones.caller:
        phones.judge(UP + ask + END, UP_FAR + END_FAR)
    else:
        phones.judge(UP + " <BYE >200/BYE", UP_FAR + ask + " >BYE <200/BYE")


@pytest.mark.case("a retransmitted INVITE after the ACK starts nothing", "Races")
def test_a_retransmitted_invite_after_ack(phones):
    phones.up()
    phones.caller.end.send(phones.caller.invite)
    phones.caller.ping()
    assert not phones.callee.heard("INVITE") and not phones.caller.heard("200")
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.case("a retransmitted INVITE while ringing hears the last response again", "Races")
def test_a_retransmitted_invite_while_ringing(phones):
    caller, callee = phones.caller, phones.callee
    phones.ringing()
    caller.end.send(caller.invite)
    caller.expect("180")
    callee.reply(callee.invite, "486 Busy Here")
    callee.expect("ACK")
    caller.ack(final=caller.expect("486"))
    phones.judge(">INVITE <100 <180 <486 >ACK", "<INVITE >180 >486 <ACK")


@pytest.mark.case("the callee's 200 comes again when its ACK was lost: ACK again, nothing for the caller", "Races")
def test_a_repeated_200(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    text = callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    caller.ack(1)
    callee.expect("ACK")
    callee.end.send(text)
    callee.expect("ACK")
    callee.ping()
    assert not caller.heard("200")
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.case("the 200 is repeated until the caller's ACK", "Races")
def test_a_late_ack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "200 OK", callee.sdp())
    final = caller.expect("200")
    for _ in range(2):
        assert caller.end.receive(4).raw == final.raw
    caller.ack(1)
    callee.expect("ACK")
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.case("a stray ACK changes nothing and is never answered", "Races")
def test_stray_acks(phones, asker):
    phones.up()
    for cseq in (1, 77):
        asker.ack(cseq)
    asker.ping()
    assert not phones.caller.inbox and not phones.callee.inbox
    phones.talk()
    phones.end()
    asker.ack(1)
    acks = " >ACK >ACK"
    if asker is phones.caller:
        phones.judge(UP + acks + END + " >ACK", UP_FAR + END_FAR)
    else:
        phones.judge(UP + END, UP_FAR + acks + END_FAR + " >ACK")


@pytest.mark.case("responses after their transaction change nothing", "Races")
def test_late_responses(phones):
    callee = phones.callee
    phones.up()
    callee.reply(callee.invite, "180 Ringing")
    callee.reply(callee.invite, "486 Busy Here")
    callee.ping()
    assert not phones.caller.heard("180") and not phones.caller.heard("486") and not phones.caller.heard("BYE")
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + ">180 >486" + END_FAR)


@pytest.mark.case("a request with another tag or Call-ID finds no dialog: 481", "Races")
def test_another_tag(phones):
    caller = phones.caller
    phones.up()
    local, caller.local = caller.local, f"<sip:lab@{caller.address}>;tag=somebody"
    caller.request("BYE")
    caller.expect("481/BYE")
    caller.local = local
    call_id, caller.call_id = caller.call_id, "another-call"
    caller.request("BYE")
    caller.expect("481/BYE")
    caller.call_id = call_id
    phones.talk()
    phones.end()
    phones.judge(UP + ">BYE <481/BYE" + END, UP_FAR + END_FAR)


# ---- forks

def forks(phones, *names):
    """Early media of each, from a socket of its own."""
    made = {}
    for name in names:
        made[name] = phones.callee.media()
        phones.callee.reply(phones.callee.invite, "183 Session Progress", phones.callee.sdp(audio(made[name].port)),
                            tag=phones.callee.secret + name)
        phones.caller.expect("183")
    return made


def take(phones, name, rtp):
    """That fork answers."""
    callee = phones.callee
    callee.tag = callee.secret + name
    callee.local = f"{callee.invite.get('to')};tag={callee.tag}"
    callee.rtp = rtp
    phones.answer(callee.sdp())


@pytest.mark.case("early media from any of several early dialogs; the caller sees one", "Forks")
def test_early_media_of_forks(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    first = forks(phones, "one")["one"]
    phones.flow(callee, caller, source=first)
    second = forks(phones, "two")["two"]
    phones.flow(callee, caller, source=second)
    phones.flow(caller, callee, sink=second)
    callee.reply(callee.invite, "180 Ringing", tag=callee.secret + "three")
    caller.expect("180")
    phones.flow(callee, caller, source=second)
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(audio(first.port)), tag=callee.secret + "one")
    caller.expect("183")
    phones.flow(callee, caller, source=first)
    callee.reply(callee.invite, "486 Busy Here", tag=callee.secret + "one")
    callee.expect("ACK")
    caller.ack(final=caller.expect("486"))
    near = phones.leg(caller)
    assert len({m.get("contact") for m in near.responses("INVITE") if m.code in (180, 183)}) == 1
    # The 183s say the same: one dialog, one description of us. `tags` holds that our tag is one.
    phones.judge(">INVITE <100 <183 <180 <486 >ACK", "<INVITE >183 >183 >180 >183 >486 <ACK")


@pytest.mark.case("the 2xx picks its dialog and its media", "Forks")
def test_the_2xx_picks(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    made = forks(phones, "one", "two")
    take(phones, "one", made["one"])
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 <200 >ACK" + END, "<INVITE >183 >183 >200 <ACK" + END_FAR)
    assert {m.tag("to") for m in phones.leg(callee).requests("BYE")} == {callee.tag}


@pytest.mark.case("a 2xx from a second fork is acknowledged and ended; the caller hears nothing of it", "Forks")
def test_a_second_2xx(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    made = forks(phones, "one", "two")
    take(phones, "three", callee.media())  # a fork that was never heard of before
    for name in ("one", "two"):
        callee.reply(callee.invite, "200 OK", callee.sdp(audio(made[name].port)), tag=callee.secret + name)
        assert callee.expect("ACK").tag("to") == callee.secret + name
        bye = callee.expect("BYE")
        assert bye.tag("to") == callee.secret + name
        callee.reply(bye, "200 OK")
    phones.talk()
    phones.end()
    phones.judge(">INVITE <100 <183 <200 >ACK" + END,
                 "<INVITE >183 >183 >200 <ACK >200 <ACK <BYE >200/BYE >200 <ACK <BYE >200/BYE" + END_FAR)

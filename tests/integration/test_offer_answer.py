# SPDX-License-Identifier: Apache-2.0
"""Offers and answers (RFC 3264, 3311, 6141, 6337) from the wire, in both directions of the call and, inside it, asked for by
either side: ladders of both legs, RTP before and after."""
import ladder
import pytest
from phones import END, END_FAR, RELIABLE, UP, UP_FAR, audio, targets, video

ASK, ASKED = " >INVITE <100 <200 >ACK", " <INVITE >200 <ACK"
KNOWS = ("Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK",)


def judge(phones, asker, ask, asked):
    """A call that was set up and ended by its caller, and between what the asker's leg and the other's saw."""
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


def offer(phones, asker, body="", more=()):
    """A re-INVITE, as the other side has it."""
    asker.request("INVITE", body, more)
    asker.expect("100")
    return phones.other(asker).expect("INVITE")


def accept(phones, asker, invite, body, more=()):
    """Its 200 as the asker has it, acknowledged on both sides."""
    phones.other(asker).reply(invite, "200 OK", body, more)
    ok = asker.expect("200")
    asker.ack()
    phones.other(asker).expect("ACK")
    return ok


def change(phones, asker, mine, theirs):
    invite = offer(phones, asker, mine)
    return invite, accept(phones, asker, invite, theirs)


@pytest.mark.case("offer in INVITE, answer in 200", "Offer/answer")
def test_offer_in_invite(phones):
    invite, ok = phones.up()
    assert ladder.streams(invite.body) == ladder.streams(ok.body) == ["audio"]
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.case("late offer: offer in 200, answer in ACK", "Offer/answer")
def test_late_offer(phones):
    caller, callee = phones.caller, phones.callee
    invite = phones.ring("")
    assert not invite.body and not invite.get("content-type")
    callee.reply(invite, "200 OK", callee.sdp())
    assert targets(caller.expect("200").body)
    assert not callee.heard("ACK"), "it waits for the answer"
    caller.ack(1, caller.sdp())
    assert ladder.streams(callee.expect("ACK").body) == ["audio"]
    phones.talk()
    phones.end()
    phones.judge(UP + END, UP_FAR + END_FAR)


@pytest.mark.case("offer in a reliable 18x, answer in PRACK", "Offer/answer")
def test_offer_in_18x(phones):
    caller, callee = phones.caller, phones.callee
    invite = phones.ring("", RELIABLE)
    assert "100rel" in invite.get("supported") and not invite.body
    callee.reply(invite, "183 Session Progress", callee.sdp(), ("Require: 100rel", "RSeq: 7"))
    progress = caller.expect("183")
    assert ladder.streams(progress.body) == ["audio"]
    caller.request("PRACK", caller.sdp(), (f"RAck: {progress.get('rseq')} 1 INVITE",))
    assert not caller.expect("200/PRACK").body
    prack = callee.expect("PRACK")
    assert ladder.streams(prack.body) == ["audio"] and prack.get("rack").startswith("7 ")
    callee.reply(prack, "200 OK")
    phones.talk()
    assert not phones.answer().body, "the session is agreed"
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("offer in PRACK, answer in its 200", "Offer/answer")
def test_offer_in_prack(phones):
    caller, callee = phones.caller, phones.callee
    callee.reply(phones.ring(None, RELIABLE), "183 Session Progress", callee.sdp(), ("Require: 100rel", "RSeq: 7"))
    progress = caller.expect("183")
    phones.talk()
    old, caller.rtp = caller.rtp, caller.media()
    caller.request("PRACK", caller.sdp(), (f"RAck: {progress.get('rseq')} 1 INVITE",))
    prack = callee.expect("PRACK")
    assert ladder.streams(prack.body) == ["audio"]
    assert not caller.heard("200/PRACK"), "its answer comes first"
    callee.reply(prack, "200 OK", callee.sdp())
    assert ladder.streams(caller.expect("200/PRACK").body) == ["audio"]
    phones.talk()
    phones.silent_towards(old, caller, "<200/PRACK")
    phones.answer()
    phones.end()
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK <200 >ACK" + END, "<INVITE >183 <PRACK >200/PRACK >200 <ACK" + END_FAR)


@pytest.mark.case("UPDATE before the 200", "Offer/answer")
def test_early_update(phones, asker):
    caller, callee, other = phones.caller, phones.callee, phones.other(asker)
    callee.reply(phones.ring(None, RELIABLE), "183 Session Progress", callee.sdp(), ("Require: 100rel", "RSeq: 7", *KNOWS))
    progress = caller.expect("183")
    caller.request("PRACK", "", (f"RAck: {progress.get('rseq')} 1 INVITE",))
    caller.expect("200/PRACK")
    callee.reply(callee.expect("PRACK"), "200 OK")
    phones.talk()
    old, asker.rtp = asker.rtp, asker.media()
    asker.request("UPDATE", asker.sdp())
    other.reply(other.expect("UPDATE"), "200 OK", other.sdp())
    asker.expect("200/UPDATE")
    phones.talk()
    phones.silent_towards(old, asker, "<200/UPDATE")
    phones.answer()
    phones.end()
    ask, asked = " >UPDATE <200/UPDATE", " <UPDATE >200/UPDATE"
    near, far = (ask, asked) if asker is caller else (asked, ask)
    phones.judge(">INVITE <100 <183 >PRACK <200/PRACK" + near + " <200 >ACK" + END,
                 "<INVITE >183 <PRACK >200/PRACK" + far + " >200 <ACK" + END_FAR)


@pytest.mark.case("UPDATE after the 200", "Offer/answer")
def test_update_after_200(phones, asker):
    phones.up(KNOWS, KNOWS)
    other = phones.other(asker)
    old, asker.rtp = asker.rtp, asker.media()
    asker.request("UPDATE", asker.sdp())
    other.reply(other.expect("UPDATE"), "200 OK", other.sdp())
    assert ladder.streams(asker.expect("200/UPDATE").body) == ["audio"]
    phones.talk()
    phones.silent_towards(old, asker, "<200/UPDATE")
    phones.end()
    judge(phones, asker, ">UPDATE <200/UPDATE", "<UPDATE >200/UPDATE")


@pytest.mark.case("UPDATE to a side that does not know it becomes a re-INVITE", "Offer/answer")
def test_update_to_who_does_not_know_it(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.rtp = asker.media()
    asker.request("UPDATE", asker.sdp())
    other.reply(other.expect("INVITE"), "200 OK", other.sdp())
    other.expect("ACK")
    asker.expect("200/UPDATE")
    phones.talk()
    phones.end()
    judge(phones, asker, ">UPDATE <200/UPDATE", ASKED)


@pytest.mark.case("UPDATE refused: the session is unchanged", "Offer/answer")
def test_update_refused(phones, asker):
    phones.up(KNOWS, KNOWS)
    other = phones.other(asker)
    unused = asker.media()
    asker.request("UPDATE", asker.sdp(audio(unused.port)))
    other.reply(other.expect("UPDATE"), "488 Not Acceptable Here")
    asker.expect("488/UPDATE")
    phones.talk()
    unused.nothing()
    phones.end()
    judge(phones, asker, ">UPDATE <488/UPDATE", "<UPDATE >488/UPDATE")


@pytest.mark.case("re-INVITE with SDP: address change, latched at once, nothing to the old address", "Offer/answer")
def test_address_change(phones, asker):
    phones.up()
    phones.talk()
    old, asker.rtp = asker.rtp, asker.media()
    change(phones, asker, asker.sdp(), phones.other(asker).sdp())
    phones.talk()
    phones.silent_towards(old, asker, "<200")
    old.nothing()
    phones.end()
    judge(phones, asker, ASK, ASKED)


@pytest.mark.case("re-INVITE without SDP: offer in 200, answer in ACK", "Offer/answer")
def test_reinvite_without_sdp(phones, asker):
    phones.up()
    other = phones.other(asker)
    invite = offer(phones, asker)
    assert not invite.body
    old, other.rtp = other.rtp, other.media()
    other.reply(invite, "200 OK", other.sdp())
    assert ladder.streams(asker.expect("200").body) == ["audio"]
    assert not other.heard("ACK"), "it waits for the answer"
    asker.ack(body=asker.sdp())
    assert ladder.streams(other.expect("ACK").body) == ["audio"]
    phones.talk()
    phones.silent_towards(old, other, "<ACK")
    phones.end()
    judge(phones, asker, ASK, ASKED)


def hold(phones, asker, way, answer, address=None):
    phones.up()
    other = phones.other(asker)
    mine = asker.sdp(audio(asker.rtp.port, way=way), address=address)
    invite, ok = change(phones, asker, mine, other.sdp(audio(other.rtp.port, way=answer)))
    held = invite.body
    assert "0.0.0.0" not in held and ("a=sendonly" in held or "a=inactive" in held), held
    assert f"a={answer}" in ok.body
    phones.mute(other, asker)
    if way == "sendonly":
        phones.flow(asker, other)
    resume, _ = change(phones, asker, asker.sdp(), other.sdp())
    assert "a=sendonly" not in resume.body and "a=inactive" not in resume.body
    phones.talk()
    phones.end()
    judge(phones, asker, ASK + ASK, ASKED + ASKED)


@pytest.mark.case("target refresh by re-INVITE and by UPDATE: what follows goes to the newest Contact, by the route that stands",
                  "Offer/answer")
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_new_contact_is_the_target_from_then_on(phones, asker, method):
    other = phones.other(asker)
    phones.up(KNOWS, KNOWS)
    asker.place, before = f"{asker.secret}d", asker.contact()
    asker.request(method, asker.sdp(audio(asker.rtp.port)), KNOWS)
    other.place += "e"  # his 2xx refreshes it too
    asked = other.expect(method)
    other.reply(asked, "200 OK", other.sdp(), KNOWS)
    if method == "INVITE":
        asker.expect("200")
        asker.ack()
        assert other.expect("ACK").uri == other.contact()
    else:
        asker.expect("200/UPDATE")
    asker.request("INFO", "Signal=5\r\n", ("Content-Type: application/dtmf-relay",))
    info = other.expect("INFO")
    assert info.uri == other.contact()
    other.reply(info, "200 OK")
    asker.expect("200/INFO")
    phones.talk()
    other.request("BYE")
    other.expect("200/BYE")
    bye = asker.expect("BYE")
    assert bye.uri == asker.contact() != before
    asker.reply(bye, "200 OK")
    info, told = " >INFO <200/INFO <BYE >200/BYE", " <INFO >200/INFO >BYE <200/BYE"
    changes = (ASK, ASKED) if method == "INVITE" else (" >UPDATE <200/UPDATE", " <UPDATE >200/UPDATE")
    near, far = (changes[0] + info, changes[1] + told)[::1 if asker is phones.caller else -1]
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.case("target refresh by a re-INVITE or UPDATE that is refused: none, what follows goes to the old Contact", "Offer/answer")
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_refused_contact_is_no_target(phones, asker, method):
    other = phones.other(asker)
    phones.up(KNOWS, KNOWS)
    before, place = asker.contact(), asker.place
    asker.place = f"{asker.secret}d"
    asker.request(method, asker.sdp(audio(asker.rtp.port)), KNOWS)
    other.reply(other.expect(method), "488 Not Acceptable Here")
    if method == "INVITE":
        other.expect("ACK")
        asker.ack(final=asker.expect("488"))
    else:
        asker.expect("488/UPDATE")
    asker.place = place
    other.request("BYE")
    other.expect("200/BYE")
    bye = asker.expect("BYE")
    assert bye.uri == before
    asker.reply(bye, "200 OK")
    refused = (" >INVITE <100 <488 >ACK", " <INVITE >488 <ACK") if method == "INVITE" else (" >UPDATE <488/UPDATE", " <UPDATE >488/UPDATE")
    near, far = (refused[0] + END_FAR, refused[1] + END)[::1 if asker is phones.caller else -1]
    phones.judge(UP + near, UP_FAR + far)


@pytest.mark.case("hold and resume: sendonly", "Offer/answer")
def test_hold_sendonly(phones, asker):
    hold(phones, asker, "sendonly", "recvonly")


@pytest.mark.case("hold and resume: inactive", "Offer/answer")
def test_hold_inactive(phones, asker):
    hold(phones, asker, "inactive", "inactive")


@pytest.mark.case("hold and resume: the old 0.0.0.0", "Offer/answer")
def test_hold_with_no_address(phones, asker):
    hold(phones, asker, "", "recvonly", "0.0.0.0")


@pytest.mark.case("adding a stream, and removing it: count and order of m= lines kept", "Offer/answer")
def test_add_and_remove_a_stream(phones, asker):
    phones.up()
    other = phones.other(asker)
    mine, theirs = asker.media(), other.media()
    added, ok = change(phones, asker, asker.sdp(audio(asker.rtp.port), video(mine.port)),
                       other.sdp(audio(other.rtp.port), video(theirs.port)))
    assert ladder.streams(added.body) == ladder.streams(ok.body) == ["audio", "video"]
    phones.talk()
    mine.kind = theirs.kind = 97
    phones.flow(asker, other, mine, theirs, 1)
    phones.flow(other, asker, theirs, mine, 1)
    removed, ok = change(phones, asker, asker.sdp(audio(asker.rtp.port), video(0)), other.sdp(audio(other.rtp.port), video(0)))
    assert ladder.streams(removed.body) == ladder.streams(ok.body) == ["audio", "video"]
    assert targets(removed.body)[1][1] == targets(ok.body)[1][1] == 0
    phones.talk()
    # An m= line that is gone may not be left out (RFC 3264 8).
    asker.request("INVITE", asker.sdp())
    asker.ack(final=asker.expect("488"))
    phones.end()
    judge(phones, asker, ASK + ASK + " >INVITE <488 >ACK", ASKED + ASKED)


@pytest.mark.case("re-INVITE refused: a new stream and a new address, the session unchanged", "Offer/answer")
def test_all_refused(phones, asker):
    phones.up()
    other, unused, more = phones.other(asker), asker.media(), asker.media()
    invite = offer(phones, asker, asker.sdp(audio(unused.port), video(more.port)))
    other.reply(invite, "488 Not Acceptable Here")
    other.expect("ACK")
    asker.ack(final=asker.expect("488"))
    phones.talk()
    unused.nothing()
    change(phones, asker, asker.sdp(), other.sdp())  # what was refused counts for nothing
    phones.talk()
    phones.end()
    judge(phones, asker, " >INVITE <100 <488 >ACK" + ASK, " <INVITE >488 <ACK" + ASKED)


@pytest.mark.case("re-INVITE accepted in part: a new address taken, a new stream refused with port 0", "Offer/answer")
def test_address_taken_and_stream_refused(phones, asker):
    phones.up()
    other, more = phones.other(asker), asker.media()
    old, asker.rtp = asker.rtp, asker.media()
    _, ok = change(phones, asker, asker.sdp(audio(asker.rtp.port), video(more.port)), other.sdp(audio(other.rtp.port), video(0)))
    assert ladder.streams(ok.body) == ["audio", "video"] and targets(ok.body)[1][1] == 0
    phones.talk()
    phones.silent_towards(old, asker, "<200")
    phones.end()
    judge(phones, asker, ASK, ASKED)


@pytest.mark.case("a new stream answered inactive in a reliable 18x, settled by UPDATE", "Offer/answer")
def test_settled_later(phones, asker):
    phones.up(RELIABLE, RELIABLE)
    other, mine, theirs = phones.other(asker), asker.media(), phones.other(asker).media()
    invite = offer(phones, asker, asker.sdp(audio(asker.rtp.port), video(mine.port)), RELIABLE)
    number = asker.cseq
    other.reply(invite, "183 Session Progress", other.sdp(audio(other.rtp.port), video(theirs.port, "inactive")),
                ("Require: 100rel", "RSeq: 1"))
    progress = asker.expect("183")
    assert "a=inactive" in progress.body
    asker.request("PRACK", "", (f"RAck: {progress.get('rseq')} {number} INVITE",))
    asker.expect("200/PRACK")
    other.reply(other.expect("PRACK"), "200 OK")
    # The user agrees to video: the side that was asked offers it.
    other.request("UPDATE", other.sdp(audio(other.rtp.port), video(theirs.port)))
    update = asker.expect("UPDATE")
    assert "a=inactive" not in update.body
    asker.reply(update, "200 OK", asker.sdp(audio(asker.rtp.port), video(mine.port)))
    other.expect("200/UPDATE")
    phones.talk()
    mine.kind = theirs.kind = 97
    phones.flow(asker, other, mine, theirs, 1)
    phones.flow(other, asker, theirs, mine, 1)
    other.reply(invite, "200 OK")
    asker.expect("200")
    asker.ack(number)
    other.expect("ACK")
    phones.end()
    judge(phones, asker, " >INVITE <100 <183 >PRACK <200/PRACK <UPDATE >200/UPDATE <200 >ACK",
          " <INVITE >183 <PRACK >200/PRACK >UPDATE <200/UPDATE >200 <ACK")


@pytest.mark.case("rollback (RFC 6141): failure after a provisional answer keeps what was carried out", "Offer/answer")
def test_failure_after_an_exchange(phones, asker):
    phones.up(RELIABLE, RELIABLE)
    other = phones.other(asker)
    old, asker.rtp = asker.rtp, asker.media()
    invite = offer(phones, asker, asker.sdp(), RELIABLE)
    number = asker.cseq
    other.reply(invite, "183 Session Progress", other.sdp(), ("Require: 100rel", "RSeq: 1"))
    progress = asker.expect("183")
    asker.request("PRACK", "", (f"RAck: {progress.get('rseq')} {number} INVITE",))
    asker.expect("200/PRACK")
    other.reply(other.expect("PRACK"), "200 OK")
    other.reply(invite, "500 Server Internal Error")
    other.expect("ACK")
    asker.ack(final=asker.expect("500"))
    phones.talk()
    phones.silent_towards(old, asker, "<183")
    phones.end()
    judge(phones, asker, " >INVITE <100 <183 >PRACK <200/PRACK <500 >ACK", " <INVITE >183 <PRACK >200/PRACK >500 <ACK")


@pytest.mark.case("rollback (RFC 6141): failure before any answer leaves the old session", "Offer/answer")
def test_failure_before_an_answer(phones, asker):
    phones.up()
    other, unused = phones.other(asker), asker.media()
    invite = offer(phones, asker, asker.sdp(audio(unused.port)))
    other.reply(invite, "180 Ringing")
    asker.expect("180")
    other.reply(invite, "504 Server Time-out")
    other.expect("ACK")
    asker.ack(final=asker.expect("504"))
    phones.talk()
    unused.nothing()
    phones.end()
    judge(phones, asker, " >INVITE <100 <180 <504 >ACK", " <INVITE >180 >504 <ACK")


@pytest.mark.case("codec change", "Offer/answer")
def test_codec_change(phones, asker):
    phones.up()
    other = phones.other(asker)
    invite, ok = change(phones, asker, asker.sdp(audio(asker.rtp.port, "0 9")), other.sdp(audio(other.rtp.port, "9")))
    assert " RTP/AVP 0 9\r\n" in invite.body and "a=rtpmap:9 G722/8000" in invite.body and "PCMA" not in invite.body
    assert " RTP/AVP 9\r\n" in ok.body
    asker.rtp.kind = other.rtp.kind = 9
    phones.talk()
    phones.end()
    judge(phones, asker, ASK, ASKED)


@pytest.mark.case("o= version: unchanged by a refresh, one more with each change, each leg by itself", "Offer/answer")
def test_versions(phones, asker):
    phones.up()
    other = phones.other(asker)
    seen = []
    for way, answer in (("", ""), ("", ""), ("sendonly", "recvonly"), ("", "")):
        invite, ok = change(phones, asker, asker.sdp(audio(asker.rtp.port, way=way)), other.sdp(audio(other.rtp.port, way=answer)))
        seen.append([int(one.body.split("\r\no=")[1].split()[2]) for one in (invite, ok)])
    for leg in zip(*seen):
        assert [n - leg[0] for n in leg] == [0, 0, 1, 2]
    phones.end()
    judge(phones, asker, 4 * ASK, 4 * ASKED)

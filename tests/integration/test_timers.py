# SPDX-License-Identifier: Apache-2.0
"""What takes 64*T1 or a session's interval (RFC 3261 9.1, 13.3.1.4; RFC 4028): the calls of all these cases run beside one another
on the same two hosts; when all are over, nothing of them is left in the process, and each is judged by its own test."""
import threading
import time

import ladder
import pytest
from phones import END, END_FAR, TO_CARRIER, TO_OFFICE, UP, UP_FAR, Phone, Phones, audio, left
from switchboard import Line, boards

from harness import metrics, netns, ua

TIMER, UPDATES = ("Supported: timer",), ("Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE")
OVER_S = 30   # for what comes after 64*T1
LONG_S = 80   # for what comes within an interval of 90 s (RFC 4028 4: none is shorter)
SCRIPTS = {}


def script(function):
    """A call that the fixture runs; its test judges it."""
    SCRIPTS[function.__name__] = function
    return function


def intervals(config):
    config["controlplane"]["sip"] = {"t1": "200ms", "t2": "1600ms", "t4": "2s"}  # 0.4 of the RFC's: 64*T1 is 13 s
    for peer in ("office", "carrier-a"):
        config["peers"][peer]["session_timer"] = {"expires": "90s", "min_se": "90s"}


class Run(threading.Thread):
    def __init__(self, play, direction, made, watches):
        super().__init__(daemon=True)
        number = f"+44{int(ua.token()[-6:], 16):09d}"
        ends = [Phone(netns.PUB, netns.PUB4, "the office", Line(made[netns.PUB], number)),
                Phone(netns.CARRIER, netns.CARRIER_A, "the carrier", Line(made[netns.CARRIER], number))]
        near, far = ends if direction == TO_CARRIER else ends[::-1]
        self.play, self.phones, self.fault = play, Phones(near, far, number, watches), None

    def run(self):
        try:
            self.play(self.phones)
        except BaseException as fault:  # it is its test's
            self.fault = fault


def _nothing_left(seconds):
    """Waits until there is no call, flow or transaction; what there is at last."""
    deadline = time.monotonic() + seconds
    while True:
        there = (*left(), metrics.total(metrics.scrape(), "sip_transactions_active"))
        if there == ([], 0, 0) or time.monotonic() > deadline:
            return there
        time.sleep(0.25)


@pytest.fixture(scope="module")
def played(_door, watches):
    _door(intervals)
    made = boards()
    runs = {(name, direction): Run(play, direction, made, watches)
            for name, play in SCRIPTS.items() for direction in (TO_CARRIER, TO_OFFICE)}
    for run in runs.values():
        run.start()
    for run in runs.values():
        run.join(LONG_S + 10)
    rest = _nothing_left(OVER_S)
    yield runs, rest
    for run in runs.values():
        run.phones.caller.close()
        run.phones.callee.close()
    for board in made.values():
        board.close()


@pytest.fixture
def slow(played, door, direction, request):
    """The call that the test's own script has played."""
    run = played[0][request.node.originalname.removeprefix("test_"), direction]
    if run.fault:
        raise run.fault
    return run.phones


@pytest.mark.case("nothing is left once the timers have run: no call, flow or transaction", "Races", directions="both")
def test_nothing_is_left(played):
    assert played[1] == ([], 0, 0)


# ---- 64*T1

@script
def lost_ack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    callee.expect("ACK")
    caller.reply(caller.expect("BYE", OVER_S), "200 OK")
    callee.reply(callee.expect("BYE"), "200 OK")


@pytest.mark.case("lost ACK: the 200 repeated by timer, then BYE on both", "Races")
def test_lost_ack(slow):
    slow.judge(">INVITE <100 <200 <BYE >200/BYE", UP_FAR + END_FAR)
    copies = [m for m in slow.leg(slow.caller).messages if ladder.name(m) == "<200"]
    assert len(copies) in (10, 11), "at 0, T1, 3*T1, 7*T1, then every T2 until 64*T1"


@script
def lost_ack_of_a_reinvite(phones):
    phones.up()
    caller, callee = phones.caller, phones.callee
    caller.request("INVITE", caller.sdp())
    callee.reply(callee.expect("INVITE"), "200 OK", callee.sdp())
    caller.expect("200")
    callee.expect("ACK")
    caller.reply(caller.expect("BYE", OVER_S), "200 OK")
    callee.reply(callee.expect("BYE"), "200 OK")


@pytest.mark.case("lost ACK of a re-INVITE: the same", "Races")
def test_lost_ack_of_a_reinvite(slow):
    slow.judge(UP + " >INVITE <100 <200 <BYE >200/BYE", UP_FAR + " <INVITE >200 <ACK" + END_FAR)


def give_up(phones):
    phones.cancel()
    return phones.callee.expect("CANCEL")


CANCELLED = ">INVITE <100 <180 >CANCEL {<200/CANCEL <487} >ACK"


@script
def cancel_without_a_final(phones):
    phones.ringing()
    phones.callee.reply(give_up(phones), "200 OK")


@pytest.mark.case("200 to CANCEL and no final response", "Races")
def test_cancel_without_a_final(slow):
    slow.judge(CANCELLED, "<INVITE >180 <CANCEL >200/CANCEL")


@script
def cancel_unanswered(phones):
    phones.ringing()
    give_up(phones)


@pytest.mark.case("a CANCEL that is never answered", "Races")
def test_cancel_unanswered(slow):
    slow.judge(CANCELLED, "<INVITE >180 <CANCEL")


@script
def bye_unanswered(phones):
    phones.up()
    phones.caller.request("BYE")
    phones.caller.expect("200/BYE")
    phones.callee.expect("BYE")


@pytest.mark.case("a BYE that is never answered", "Races")
def test_bye_unanswered(slow):
    slow.judge(UP + END, UP_FAR + " <BYE")


@script
def bye_instead_of_ack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring()
    callee.reply(callee.invite, "200 OK", callee.sdp())
    caller.expect("200")
    callee.expect("ACK")
    caller.request("BYE")
    caller.expect("200/BYE")
    callee.reply(callee.expect("BYE"), "200 OK")


@pytest.mark.case("a BYE of the caller, and never an ACK", "Races")
def test_bye_instead_of_ack(slow):
    slow.judge(">INVITE <100 <200 >BYE <200/BYE", UP_FAR + END_FAR)


@script
def no_prack(phones):
    caller, callee = phones.caller, phones.callee
    phones.ring(None, ("Supported: 100rel",))
    callee.reply(callee.invite, "183 Session Progress", callee.sdp(), ("Require: 100rel", "RSeq: 1"))
    caller.expect("183")
    caller.ack(final=caller.expect("504", OVER_S))
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")


@pytest.mark.case("no PRACK: 504 after 64*T1, the callee is cancelled", "Reliable provisionals")
def test_no_prack(slow):
    slow.judge(">INVITE <100 <183 <504 >ACK", "<INVITE >183 <CANCEL >200/CANCEL >487 <ACK")


# ---- session timers

def agreed(phones, mine=(), theirs=()):
    """An answered call with these fields of the two sides; (INVITE at the callee, 200 at the caller)."""
    invite, ok = phones.up(mine, theirs)
    assert invite.get("session-expires") == "90" and "timer" in invite.get("supported")
    return invite, ok


@script
def we_refresh_the_caller(phones):
    caller = phones.caller
    _, ok = agreed(phones, (*UPDATES, "Session-Expires: 90;refresher=uas"))
    assert ok.get("session-expires") == "90;refresher=uas" and not ok.get("require")
    update = caller.expect("UPDATE", LONG_S)
    assert update.get("session-expires") == "90;refresher=uac" and not update.body
    caller.reply(update, "200 OK", more=("Require: timer", "Session-Expires: 90;refresher=uac"))
    phones.end()


@pytest.mark.case("the caller's leg, we refresh: UPDATE at half the interval, nothing on the other leg", "Session timers")
def test_we_refresh_the_caller(slow):
    slow.judge(UP + " <UPDATE >200/UPDATE" + END, UP_FAR + END_FAR)


@script
def we_refresh_a_caller_without_timers(phones):
    caller = phones.caller
    _, ok = agreed(phones)
    assert ok.get("session-expires") == "90;refresher=uas" and not ok.get("require")
    refresh = caller.expect("INVITE", LONG_S)
    assert refresh.body == ok.body, "what stands, version and all"
    caller.reply(refresh, "200 OK", caller.sdp())
    caller.expect("ACK")
    phones.end()


@pytest.mark.case("sides that know neither timers nor UPDATE: re-INVITE with the SDP that stands for the caller, none for the callee",
                  "Session timers")
def test_we_refresh_a_caller_without_timers(slow):
    slow.judge(UP + " <INVITE >200 <ACK" + END, UP_FAR + END_FAR)


@script
def we_refresh_the_callee(phones):
    caller, callee = phones.caller, phones.callee
    _, ok = agreed(phones, (*TIMER, "Session-Expires: 3600;refresher=uac"), (*UPDATES, "Require: timer", "Session-Expires: 90;refresher=uac"))
    assert ok.get("session-expires") == "90;refresher=uac" and ok.get("require") == "timer"
    update = callee.expect("UPDATE", LONG_S)
    assert update.get("session-expires") == "90;refresher=uac"
    callee.reply(update, "200 OK", more=("Require: timer", "Session-Expires: 90;refresher=uac"))
    caller.request("UPDATE", "", (*TIMER, "Session-Expires: 90;refresher=uac"))  # his own leg is his own
    assert caller.expect("200/UPDATE").get("session-expires") == "90;refresher=uac"
    phones.end()


@pytest.mark.case("each leg by itself: we refresh the callee's, the caller refreshes his own", "Session timers")
def test_we_refresh_the_callee(slow):
    slow.judge(UP + " >UPDATE <200/UPDATE" + END, UP_FAR + " <UPDATE >200/UPDATE" + END_FAR)


@script
def the_caller_s_expiry(phones):
    caller, callee = phones.caller, phones.callee
    agreed(phones, (*TIMER, "Session-Expires: 90;refresher=uac"))
    caller.reply(caller.expect("BYE", LONG_S), "200 OK")
    callee.reply(callee.expect("BYE"), "200 OK")


@pytest.mark.case("expiry on the caller's leg ends both", "Session timers")
def test_the_caller_s_expiry(slow):
    slow.judge(UP + " <BYE >200/BYE", UP_FAR + END_FAR)


@script
def the_callee_s_expiry(phones):
    caller, callee = phones.caller, phones.callee
    agreed(phones, (*UPDATES, "Session-Expires: 90;refresher=uas"), (*UPDATES, "Require: timer", "Session-Expires: 90;refresher=uas"))
    caller.reply(caller.expect("UPDATE", LONG_S), "200 OK", more=("Require: timer", "Session-Expires: 90;refresher=uac"))
    callee.reply(callee.expect("BYE", LONG_S), "200 OK")
    caller.reply(caller.expect("BYE"), "200 OK")


@pytest.mark.case("expiry on the callee's leg ends both, though the caller's was refreshed", "Session timers")
def test_the_callee_s_expiry(slow):
    slow.judge(UP + " <UPDATE >200/UPDATE <BYE >200/BYE", UP_FAR + END_FAR)


@script
def too_small(phones):
    caller = phones.caller
    caller.call(phones.number, None, (*TIMER, "Session-Expires: 60"))
    refused = caller.expect("422")
    assert refused.get("min-se") == "90"
    caller.ack(final=refused)
    caller.call(phones.number, None, (*TIMER, "Session-Expires: 90;refresher=uac", "Min-SE: 90"), cseq=2)
    phones.callee.reply(phones.callee.expect("INVITE"), "200 OK", phones.callee.sdp())
    assert caller.expect("200").get("session-expires") == "90;refresher=uac"
    caller.ack(2)
    phones.callee.expect("ACK")
    phones.end()


@pytest.mark.case("too small an interval: 422 with Min-SE, and the INVITE once more", "Session timers")
def test_too_small(slow):
    rules = [rule for rule in ladder.RULES if rule is not ladder.tags]  # two INVITEs that begin a dialog: a tag each
    slow.judge(">INVITE <422 >ACK " + UP + END, UP_FAR + END_FAR, rules)


@script
def a_422_of_the_callee(phones):
    caller, callee = phones.caller, phones.callee
    first = phones.ring(None, TIMER)
    callee.reply(first, "422 Session Interval Too Small", more=("Min-SE: 900",))
    callee.expect("ACK")
    again = callee.expect("INVITE")
    assert (again.get("session-expires"), again.get("min-se"), again.cseq[0]) == ("900", "900", first.cseq[0] + 1)
    assert again.body == first.body and again.tag("from") == first.tag("from")
    callee.invite = again
    phones.answer(callee.sdp(), ("Require: timer", "Session-Expires: 900;refresher=uas"))
    phones.end()


@pytest.mark.case("422 of the callee: the INVITE once more with its Min-SE, the caller hears nothing of it", "Session timers")
def test_a_422_of_the_callee(slow):
    slow.judge(">INVITE <100 <200 >ACK" + END, "<INVITE >422 <ACK <INVITE >200 <ACK" + END_FAR)


def put_back(phones, asker):
    """The other side's 200 has not the answer that is due: it is told of the old session, and only says that it tries."""
    phones.up()
    other = phones.other(asker)
    asker.request("INVITE", asker.sdp(audio(asker.rtp.port, way="sendonly")))
    asker.expect("100")
    other.reply(other.expect("INVITE"), "200 OK")
    other.expect("ACK")
    asker.ack(final=asker.expect("488"))
    again = other.expect("INVITE")
    other.reply(again, "180 Ringing")
    asker.reply(asker.expect("BYE", 20), "200 OK")
    other.reply(other.expect("CANCEL"), "200 OK")
    other.reply(other.expect("BYE"), "200 OK")
    other.reply(again, "487 Request Terminated")
    other.expect("ACK")


PUT_BACK = " >INVITE <100 <488 >ACK <BYE >200/BYE", " <INVITE >200 <ACK <INVITE >180 {<CANCEL <BYE >200/CANCEL >200/BYE} >487 <ACK"


@script
def a_callee_is_put_back_in_vain(phones):
    put_back(phones, phones.caller)


@pytest.mark.case("a callee who is put back and says no more than 180: CANCEL after 64*T1, both end", "Races")
def test_a_callee_is_put_back_in_vain(slow):
    slow.judge(UP + PUT_BACK[0], UP_FAR + PUT_BACK[1])


@script
def a_caller_is_put_back_in_vain(phones):
    put_back(phones, phones.callee)


@pytest.mark.case("a caller who is put back and says no more than 180: CANCEL after 64*T1, both end", "Races")
def test_a_caller_is_put_back_in_vain(slow):
    slow.judge(UP + PUT_BACK[1], UP_FAR + PUT_BACK[0])

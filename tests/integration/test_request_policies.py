# SPDX-License-Identifier: Apache-2.0
"""What a peer's policy makes of its requests that are no call: REFER refused, methods that we do not know passed on; and OPTIONS
inside a call, which is ours to answer. From the wire, in both directions; inside the call either side asks."""
import ladder
import pytest
from phones import END, END_FAR, UP, UP_FAR
from sides import each_peer

from harness import ua

strict = each_peer(lambda peer, _: peer.update(refer="refuse", unknown_methods="pass"))


def judge(phones, asker, ask, asked=""):
    near, far = (ask, asked) if asker is phones.caller else (asked, ask)
    phones.end()
    phones.judge(UP + near + END, UP_FAR + far + END_FAR)


@pytest.mark.config(change=strict)
@pytest.mark.case("REFER refused: 405, Allow has no REFER, the call goes on", "Other requests")
def test_refer_refused(phones, asker):
    phones.up()
    asker.request("REFER", more=("Refer-To: <sip:0555@10.9.8.7>",))
    allowed = asker.expect("405/REFER").get("allow")
    assert "INVITE" in allowed and "REFER" not in allowed
    phones.talk()
    judge(phones, asker, " >REFER <405/REFER")


@pytest.mark.config(change=strict)
@pytest.mark.case("REFER refused: no Allow that this peer hears lists it", "Other requests")
def test_no_allow_lists_refer(phones, asker):
    phones.up()
    asker.request("OPTIONS")
    asker.expect("200/OPTIONS")
    asker.request("UPDATE")
    asker.expect("200/UPDATE")
    judge(phones, asker, " >OPTIONS <200/OPTIONS >UPDATE <200/UPDATE")
    heard = [m.get("allow") for phone in (phones.caller, phones.callee) for m in phones.leg(phone).messages if ladder.ours(m)]
    lists = [allow for allow in heard if allow]
    assert len(lists) >= 4 and all("INVITE" in allow and "REFER" not in allow for allow in lists)


@pytest.mark.config(change=strict)
@pytest.mark.case("an unknown method passes inside a call, with its body and its answer", "Other requests")
def test_unknown_method_in_a_call(phones, asker):
    phones.up()
    other = phones.other(asker)
    asker.request("FLY", "higher", ("Content-Type: text/x-fly",))
    fly = other.expect("FLY")
    assert (fly.body, fly.get("content-type")) == ("higher", "text/x-fly")
    other.reply(fly, "200 OK", "gladly", ("Content-Type: text/x-fly",))
    ok = asker.expect("200/FLY")
    assert (ok.body, ok.get("content-type")) == ("gladly", "text/x-fly")
    judge(phones, asker, " >FLY <200/FLY", " <FLY >200/FLY")


@pytest.mark.config(change=strict)
@pytest.mark.case("an unknown method passes outside of any call", "Other requests")
def test_unknown_method_outside(door, sides, ends, number):
    door(strict)
    calling, called = sides
    one, other = map(ends.at, sides)
    call_id = ua.token()
    one.send(one.compose(f"FLY sip:{number}@{calling.door} SIP/2.0", [
        one.via(), f"From: <sip:lab@{one.address}>;tag=1", f"To: <sip:{number}@{calling.door}>", f"Call-ID: {call_id}",
        "CSeq: 1 FLY", "Max-Forwards: 70"], "higher", "text/x-fly"))
    fly = other.expect("FLY")
    assert fly.body == "higher" and fly.uri == f"sip:{number}@{called.address}"
    assert not any(secret in fly.raw.decode() for secret in (call_id, one.address))
    other.reply(fly, 486, "Busy Here")
    assert one.expect(486, call_id=call_id).cseq == (1, "FLY")


@pytest.mark.config(change=strict)
@pytest.mark.case("OPTIONS inside a call: answered here, the other side hears nothing of it", "Other requests")
def test_options_in_a_call(phones, asker):
    phones.up()
    asker.request("OPTIONS")
    ok = asker.expect("200/OPTIONS")
    assert "UPDATE" in ok.get("allow") and ok.get("accept") == "application/sdp" and "100rel" in ok.get("supported")
    judge(phones, asker, " >OPTIONS <200/OPTIONS")

# SPDX-License-Identifier: Apache-2.0
"""Transfers from the wire: REFER followed, attended transfers, INVITEs with Replaces of calls that are up and that ring, REFER
passed on with a Replaces of its own; between calls that are forced apart, on two shards and on two workers, with the media of
those who are joined as both hosts' captures have it."""
import re
import urllib.parse

import pytest
from phones import ask
from transfers import (SIPFRAG, are_apart, dialog_of, escaped, hang_up, hear_each_other, hear_on_the_wire, home, naming, notified,
                       refer, rejoin, say, seen_nowhere, set_up, spread, until)

from harness import ua
from harness.netns import ACCESS4, CARRIER, CORE4


def passing(config):
    spread(config, "pass")


def beside(ends, one, port=5070):
    """One more endpoint at that one's host."""
    return (ends.carrier if one.ns == CARRIER else ends.pub)(port=port)


def shards():
    """Where each call lives."""
    return {call["id"]: call["shard"] for call in ask(command="show", what="calls")["calls"]}


def second_call(caller, callee, caller_media, callee_media, wanted):
    """To 0555, placed again until its media is wanted."""
    return until(lambda call: wanted(call[2]), lambda: set_up(caller, callee, "0555", caller_media.port, callee_media.port),
                 lambda call: hang_up(call[0], call[1]))


def answered(target, invite, media_port, tag="target"):
    """The 200 of who was called by us, acknowledged: his view of the dialog."""
    target.reply(invite, 200, "OK", ua.sdp(target.address, media_port), tag=tag)
    target.expect("ACK", call_id=invite.call_id)
    return ua.Dialog(target, invite.call_id, f"{invite.get('to')};tag={tag}", invite.get("from"),
                     re.search(r"<([^>]+)>", invite.get("contact")).group(1), 100, invite)


# ---- REFER to somebody new

@pytest.mark.case("REFER followed: the target is called, the two are joined with their media", "Other requests", directions="both")
def test_a_refer_that_is_followed_joins_the_media_of_the_two(door, ends, parties, watches, number):
    """The call that it makes lives on the shard of the first one; on the other worker, since a shard deals its calls in turn."""
    door(spread)
    transferor, transferee, target, there, here = parties
    a, b, c = ends.media(transferor.ns, transferor.address), ends.media(*here), ends.media(*there)
    near, far, to_a, to_b = set_up(transferor, transferee, number, a.port, b.port)
    hear_each_other(a, to_a, b, to_b)
    refer(near, "sip:0555@10.9.8.7")
    invite = target.expect("INVITE")
    seen_nowhere(invite, transferor.address, transferee.address, "10.9.8.7")
    assert home(invite.media())[1] != home(to_a)[1]
    target.reply(invite, 180, "Ringing", tag="target")
    notified(near, 180, "active")
    callee = answered(target, invite, c.port)
    to_b = rejoin(far, b.port)
    notified(near, 200, "terminated")
    near.hear_bye()
    hear_on_the_wire(watches, b, to_b, c, invite.media(), gone=[a])
    hang_up(far, callee)


@pytest.mark.case("REFER followed to a busy target: the call goes on", "Other requests", directions="both")
def test_a_target_that_is_busy_leaves_the_call_and_its_media_alone(door, ends, parties, number):
    door(spread)
    transferor, transferee, target, _, here = parties
    b = ends.media(*here)
    a = ends.media(transferor.ns, transferor.address)
    near, far, to_a, to_b = set_up(transferor, transferee, number, a.port, b.port)
    refer(near, "sip:0555@10.9.8.7")
    target.reply(target.expect("INVITE"), 486, "Busy Here")
    target.expect("ACK")
    notified(near, 486, "terminated")
    transferee.silent(0.3)
    hear_each_other(a, to_a, b, to_b)
    hang_up(near, far)


# ---- attended

@pytest.mark.case("attended transfer: the calls are joined, media is anchored anew", "Transfers across shards", directions="both")
@pytest.mark.parametrize("apart", [True, False])
def test_an_attended_transfer_joins_calls_wherever_they_live(door, ends, parties, watches, number, apart):
    """On two shards and two workers, and on one of each."""
    door(spread)
    transferor, transferee, target, there, here = parties
    a, d = ends.media(transferor.ns, transferor.address), ends.media(transferor.ns, transferor.address)
    b, c = ends.media(*here), ends.media(*there)
    near, far, to_a, to_b = set_up(transferor, transferee, number, a.port, b.port)
    second, callee, to_d, to_c = second_call(
        transferor, target, d, c, lambda media: are_apart(to_a, media) if apart else home(to_a) == home(media))
    rows = ask(command="show", what="flows")["flows"]
    assert rows and all(row["shard"] == home(("", int(row["local"].rpartition(":")[2])))[0] for row in rows)
    hear_each_other(a, to_a, b, to_b)
    hear_each_other(d, to_d, c, to_c)
    refer(near, f"sip:0555@10.9.8.7?Replaces={escaped(dialog_of(second))}")
    to_c = rejoin(callee, c.port)
    to_b = rejoin(far, b.port)
    ended = set()
    while len(ended) < 3:  # the last notification, and BYE on both of his calls, in any order
        heard = transferor.expect(("NOTIFY", "BYE"))
        transferor.reply(heard, 200, "OK")
        ended.add((heard.method, heard.call_id))
    assert ended == {("NOTIFY", near.call_id), ("BYE", near.call_id), ("BYE", second.call_id)}
    hear_on_the_wire(watches, b, to_b, c, to_c, gone=[a, d])
    hang_up(callee, far)


@pytest.mark.case("attended transfer to a call that still rings there: 481, both calls go on", "Transfers across shards", directions="both")
def test_a_transfer_to_a_call_that_still_rings_fails_cleanly(door, ends, parties, number):
    door(spread)
    transferor, transferee, target, there, here = parties
    a, d = ends.media(transferor.ns, transferor.address), ends.media(transferor.ns, transferor.address)
    b, c = ends.media(*here), ends.media(*there)
    near, far, to_a, to_b = set_up(transferor, transferee, number, a.port, b.port)

    def ring():
        call = transferor.invite("0555", ua.sdp(transferor.address, d.port))
        invite = target.expect("INVITE")
        target.reply(invite, 180, "Ringing", tag="rings")
        return call, invite, call.expect(180)

    def busy(made):
        target.reply(made[1], 486, "Busy Here", tag="rings")
        target.expect("ACK")
        made[0].refused()

    call, invite, ringing = until(lambda made: are_apart(to_a, made[1].media()), ring, busy)
    dialog = naming(call.call_id, ringing.tag("to"), ringing.tag("from"))
    refer(near, f"sip:0555@10.9.8.7?Replaces={escaped(dialog)}")
    notified(near, 481, "terminated")
    callee = target.answer(invite, c.port)
    final, second = call.established()
    target.expect("ACK")
    hear_each_other(a, to_a, b, to_b)
    hear_each_other(d, final.media(), c, invite.media())
    hang_up(second, callee)
    hang_up(near, far)


# ---- INVITE with Replaces

@pytest.mark.case("INVITE with Replaces takes the place of a leg; early-only: 486", "Transfers across shards", directions="both")
def test_an_invite_with_replaces_takes_the_place_of_a_leg(door, ends, pair, watches, number):
    """Where the newcomer's call lives is known when it is up: he comes again until that is apart from the one that he replaces."""
    door(spread)
    one, other = pair
    newcomer = beside(ends, one)
    gone, a, b = ends.media(one.ns, one.address), ends.media(one.ns, one.address), ends.media(other.ns, other.address)

    def replace():
        near, far, to_gone, _ = set_up(one, other, number, gone.port, b.port)
        replaces = f"Replaces: {dialog_of(near)}"
        refused = newcomer.invite(number, ua.sdp(one.address, a.port), extra=[replaces + ";early-only", "Require: replaces"])
        assert refused.refused().code == 486
        call = newcomer.invite(number, ua.sdp(one.address, a.port), extra=[replaces, "Require: replaces"])
        to_b = rejoin(far, b.port)
        final, fresh = call.established()
        near.hear_bye()
        return fresh, far, final.media(), to_b, to_gone

    fresh, far, to_a, to_b, _ = until(lambda made: are_apart(made[2], made[4]), replace, lambda made: hang_up(made[0], made[1]))
    hear_on_the_wire(watches, a, to_a, b, to_b, gone=[gone])
    hang_up(fresh, far)


@pytest.mark.case("INVITE with Replaces takes a call that rings: its caller joins, who rang is cancelled", "Transfers across shards", directions="both")
@pytest.mark.parametrize("offers", [True, False], ids=["of a caller with an offer", "of a caller without"])
def test_a_call_that_rings_is_taken(door, ends, pair, watches, number, offers):
    """The caller is answered first: his offer by inactive streams; where he has made none he is offered no stream (RFC 3264 5)."""
    door(spread)
    one, other = pair
    newcomer = beside(ends, other)
    a, c = ends.media(one.ns, one.address), ends.media(other.ns, other.address)
    nothing = ua.sdp(one.address, a.port).partition("m=")[0]

    def take():
        # Each shard deals its calls to the workers in turn: without one more, pairs of calls might never come apart.
        hang_up(*set_up(one, other, number, a.port, c.port)[:2])
        others = shards()
        call = one.invite(number, ua.sdp(one.address, a.port) if offers else "")
        invite = other.expect("INVITE")
        other.reply(invite, 180, "Ringing", tag="rings")
        call.expect(180)
        (shard,) = (where for which, where in shards().items() if which not in others)
        dialog = naming(invite.call_id, invite.tag("from"), "rings")
        taking = newcomer.invite(number, ua.sdp(newcomer.address, c.port), extra=[f"Replaces: {dialog}", "Require: replaces"])
        other.reply(other.expect("CANCEL"), 200, "OK")
        other.reply(invite, 487, "Request Terminated", tag="rings")
        other.expect("ACK")
        final, near = call.established(body="" if offers else nothing)
        if offers:
            assert "a=inactive" in final.body and "m=audio 0 " not in final.body, final.body
        else:
            assert final.body.startswith("v=0") and "m=" not in final.body and "0.0.0.0" not in final.body, final.body
        to_a = rejoin(near, a.port)
        last, far = taking.established()
        seen_nowhere(last, one.address)
        # A call without an offer has no media, and so no worker.
        apart = are_apart(to_a, invite.media()) if offers else home(to_a)[0] != shard
        return near, far, to_a, last.media(), apart

    near, far, to_a, to_c, _ = until(lambda made: made[4], take, lambda made: hang_up(made[0], made[1]))
    hear_on_the_wire(watches, a, to_a, c, to_c)
    hang_up(near, far)


# ---- both: REFER passed on, with the dialog that is to be replaced

@pytest.mark.case("REFER passed on with Replaces: the dialog is named in our words, and found by them", "Other requests", directions="both")
def test_a_refer_with_replaces_that_is_passed_on(door, ends, parties, watches, number):
    """Whoever is referred knows neither the transferor's Call-ID nor his tag: he calls with the dialog as we have named it."""
    door(passing)
    transferor, transferee, target, there, here = parties
    a, d = ends.media(transferor.ns, transferor.address), ends.media(transferor.ns, transferor.address)
    b, c = ends.media(*here), ends.media(*there)
    near, far, to_a, _ = set_up(transferor, transferee, number, a.port, b.port)
    second, callee, to_d, to_c = second_call(transferor, target, d, c, lambda media: are_apart(to_a, media))
    hear_each_other(d, to_d, c, to_c)
    named = dialog_of(second)
    own_tag = named.rpartition("from-tag=")[2]
    say(near, "REFER", extra=[f"Refer-To: <sip:0555@10.9.8.7?Replaces={escaped(named)}>"])
    passed = transferee.expect("REFER", call_id=far.call_id)
    ours = CORE4 if transferee.ns == CARRIER else ACCESS4
    place, _, replaces = passed.get("refer-to").strip("<>").partition("?Replaces=")
    assert place == f"sip:0555@{ours}:5060" and replaces
    seen_nowhere(passed, "10.9.8.7", transferor.address, second.call_id, own_tag)
    transferee.reply(passed, 202, "Accepted", extra=[transferee.contact()])
    transferor.expect(202, call_id=near.call_id)
    replaces = urllib.parse.unquote(replaces)
    assert not re.search("|".join(map(re.escape, (second.call_id, own_tag))), replaces), replaces
    newcomer = beside(ends, transferee)
    call = newcomer.invite("0555", ua.sdp(b.address, b.port), extra=[f"Replaces: {replaces}", "Require: replaces"])
    to_c = rejoin(callee, c.port)
    final, fresh = call.established()
    second.hear_bye()
    say(far, "NOTIFY", "SIP/2.0 200 OK", SIPFRAG, ["Event: refer", "Subscription-State: terminated;reason=noresource"])
    notified(near, 200, "terminated")
    transferee.expect(200, call_id=far.call_id)
    hear_on_the_wire(watches, b, final.media(), c, to_c, gone=[d])
    hang_up(callee, fresh)
    hang_up(near, far)

# SPDX-License-Identifier: Apache-2.0
"""What is no call on the wire: MESSAGE, INFO, SUBSCRIBE and PUBLISH through and back, REFER passed on and followed, attended
transfers and INVITEs with Replaces between calls of two shards, with the media of those who are joined."""
import re
import urllib.parse

import pytest
from lab_fixtures import set_up, talk
from phones import ask
from sides import TO_CARRIER

from harness import netns, ua
from harness.netns import ACCESS4, ACCESS6, CARRIER, CARRIER_A, CARRIER_B, CORE4, PUB, PUB4, PUB6

SIPFRAG = "message/sipfrag;version=2.0"


def follow(config):
    config["controlplane"]["shards"] = 2
    config["peers"]["desk"] = {"realm": "access", "match": [f"{PUB6}/128"], "targets": [f"sip:[{PUB6}]:5060"],
                               "refer": "follow"}
    for peer in ("office", "carrier-a"):
        config["peers"][peer]["refer"] = "follow"
    config["routes"] = [{"from": "carrier-a", "user": "0*", "to": ["desk"]},
                        {"from": "office", "user": "0*", "to": ["carrier-b"]}, *config["routes"]]


def say(dialog, method, body="", content_type="text/plain", extra=()):
    """A request inside the dialog, with Contact and any body."""
    dialog.cseq += 1
    one = dialog.endpoint
    one.send(one.compose(f"{method} {dialog.target} SIP/2.0", [
        one.via(), f"From: {dialog.local}", f"To: {dialog.remote}", f"Call-ID: {dialog.call_id}",
        f"CSeq: {dialog.cseq} {method}", "Max-Forwards: 70", one.contact(), *extra], body, content_type))


def outside(one, method, number, body="", extra=()):
    call_id, branch = ua.token(), "z9hG4bK" + ua.token()
    one.send(one.compose(f"{method} sip:{number}@{one.door} SIP/2.0", [
        one.via(branch), f"From: <sip:lab@{one.show}>;tag={ua.token()}", f"To: <sip:{number}@{one.door}>",
        f"Call-ID: {call_id}", f"CSeq: 1 {method}", "Max-Forwards: 70", *extra], body, "text/plain"))
    return call_id


def seen_nowhere(message, *secrets):
    raw = message.raw.decode()
    for secret in secrets:
        assert not re.search(re.escape(secret) + r"(?!\d)", raw), raw


def notified(dialog, code, state):
    notify = dialog.endpoint.expect("NOTIFY", call_id=dialog.call_id)
    assert notify.get("event").startswith("refer") and notify.get("content-type") == SIPFRAG
    assert notify.get("subscription-state").startswith(state), notify.raw
    assert f"SIP/2.0 {code} " in notify.raw.decode().split("\r\n\r\n", 1)[1], notify.raw
    dialog.endpoint.reply(notify, 200, "OK")


def rejoin(dialog, media_port):
    """A re-INVITE in a dialog that has stood before, answered; where its media goes from now on."""
    invite = dialog.endpoint.expect("INVITE", call_id=dialog.call_id)
    dialog.endpoint.reply(invite, 200, "OK", ua.sdp(dialog.endpoint.address, media_port))
    dialog.endpoint.expect("ACK", call_id=dialog.call_id)
    return invite.media()


def refer(dialog, place, extra=()):
    say(dialog, "REFER", extra=[f"Refer-To: <{place}>", *extra])
    assert dialog.endpoint.expect(202, call_id=dialog.call_id).get("contact")
    notified(dialog, 100, "active")


def hear_each_other(one, to_one, other, to_other):
    before = len(one.seqs(other.ssrc)), len(other.seqs(one.ssrc))
    talk(one, to_one, other, to_other, seconds=0.6)
    assert len(one.seqs(other.ssrc)) > before[0] + 10 and len(other.seqs(one.ssrc)) > before[1] + 10


def hang_up(one, other):
    one.send("BYE")
    other.hear_bye()
    one.endpoint.expect(200, call_id=one.call_id)


@pytest.fixture
def sides(direction, ends):
    """(who asks, the other side)."""
    pub, carrier = ends.pub(), ends.carrier()
    return (pub, carrier) if direction == TO_CARRIER else (carrier, pub)


# ---- one request after the other

@pytest.mark.case("MESSAGE and INFO inside a call; a package that is not taken: 469; an unknown method: 501", "Other requests", directions="both")
def test_a_message_and_dtmf_inside_a_call(door, sides, number):
    door()
    one, other = sides
    near, far, *_ = set_up(one, other, number)
    say(near, "MESSAGE", "Watson, come here")
    message = other.expect("MESSAGE", call_id=far.call_id)
    assert message.raw.endswith(b"Watson, come here") and message.get("content-type") == "text/plain"
    seen_nowhere(message, one.address, "lab-endpoint")
    other.reply(message, 200, "OK")
    one.expect(200, call_id=near.call_id)
    say(far, "INFO", "Signal=5\r\nDuration=160\r\n", "application/dtmf-relay")
    info = one.expect("INFO", call_id=near.call_id)
    assert info.raw.endswith(b"Signal=5\r\nDuration=160\r\n")
    one.reply(info, 200, "OK")
    other.expect(200, call_id=far.call_id)
    say(near, "INFO", "x", "application/x-foo", extra=["Info-Package: foo"])
    assert one.expect(469, call_id=near.call_id).get("recv-info") is not None
    say(near, "FLY")
    one.expect(501, call_id=near.call_id)
    hang_up(near, far)


@pytest.mark.case("Require and Proxy-Require of what is not carried: 420 with Unsupported, inside a call and outside", "Other requests", directions="both")
def test_what_requires_an_extension_in_vain(door, sides, number):
    door()
    one, other = sides

    def refused(call_id):
        assert one.expect(420, call_id=call_id).get("unsupported") == "sing, dance"

    vain = ["Require: timer, sing", "Proxy-Require: dance"]
    for method, more in (("OPTIONS", []), ("MESSAGE", []), ("SUBSCRIBE", ["Event: presence"]), ("REFER", ["Refer-To: <sip:1@x>"])):
        refused(outside(one, method, number, extra=[*vain, *more]))
    assert one.invite(number, extra=vain).refused().get("unsupported") == "sing, dance"
    near, far, *_ = set_up(one, other, number)
    for method in ("OPTIONS", "INFO", "MESSAGE", "UPDATE", "SUBSCRIBE", "REFER", "PRACK"):
        say(near, method, extra=vain)
        refused(near.call_id)
    other.silent(0.2)
    say(near, "BYE", extra=vain)
    refused(near.call_id)
    near.hear_bye()
    far.hear_bye()


@pytest.mark.case("MESSAGE and PUBLISH outside of any call", "Other requests", directions="both")
def test_a_message_and_a_publication_outside_of_any_call(door, sides, number):
    door()
    one, other = sides
    call_id = outside(one, "MESSAGE", number, "hello")
    message = other.expect("MESSAGE")
    assert message.raw.endswith(b"hello")
    seen_nowhere(message, one.address, call_id, "lab-endpoint")
    other.reply(message, 200, "OK")
    one.expect(200, call_id=call_id)
    call_id = outside(one, "PUBLISH", number, "open", extra=["Event: presence", "Expires: 60"])
    publish = other.expect("PUBLISH")
    assert publish.get("event") == "presence"
    other.reply(publish, 200, "OK", extra=["SIP-ETag: abc", "Expires: 60"])
    assert one.expect(200, call_id=call_id).get("sip-etag") == "abc"


@pytest.mark.case("SUBSCRIBE outside of any call, its NOTIFYs, its end", "Other requests", directions="both")
def test_a_subscription_and_its_notifications(door, sides, number):
    door()
    one, other = sides
    call_id = outside(one, "SUBSCRIBE", number, extra=[one.contact(), "Event: presence", "Expires: 60"])
    subscribe = other.expect("SUBSCRIBE")
    seen_nowhere(subscribe, one.address, call_id)
    tag = other.reply(subscribe, 200, "OK", extra=[other.contact(), "Expires: 60"])
    assert one.expect(200, call_id=call_id).get("expires") == "60"
    target = re.search(r"<([^>]+)>", subscribe.get("contact")).group(1)
    notifier = ua.Dialog(other, subscribe.call_id, f"{subscribe.get('to')};tag={tag}", subscribe.get("from"), target, 10, subscribe)
    for state in ("active;expires=60", "terminated;reason=timeout"):
        say(notifier, "NOTIFY", "<presence/>", "application/pidf+xml", ["Event: presence", f"Subscription-State: {state}"])
        notify = one.expect("NOTIFY", call_id=call_id)
        assert notify.get("subscription-state") == state and notify.raw.endswith(b"<presence/>")
        seen_nowhere(notify, other.address)
        one.reply(notify, 200, "OK")
        other.expect(200, call_id=subscribe.call_id)
    say(notifier, "NOTIFY", extra=["Event: presence", "Subscription-State: active"])
    other.expect(481, call_id=subscribe.call_id)


# ---- transfers

@pytest.mark.case("REFER passed on, its place at our host; NOTIFY comes back", "Other requests", directions="both")
def test_a_refer_that_is_passed_on(door, sides, number):
    door()
    one, other = sides
    near, far, *_ = set_up(one, other, number)
    say(near, "REFER", extra=["Refer-To: <sip:0555@10.9.8.7>", "Referred-By: <sip:boss@10.9.8.7>"])
    passed = other.expect("REFER", call_id=far.call_id)
    ours = CORE4 if other.ns == CARRIER else ACCESS4
    assert passed.get("refer-to") == f"<sip:0555@{ours}:5060>"
    seen_nowhere(passed, "10.9.8.7", one.address)
    other.reply(passed, 202, "Accepted", extra=[other.contact()])
    one.expect(202, call_id=near.call_id)
    say(far, "NOTIFY", "SIP/2.0 100 Trying", SIPFRAG, ["Event: refer", "Subscription-State: active;expires=60"])
    notified(near, 100, "active")
    other.expect(200, call_id=far.call_id)
    hang_up(near, far)


def homes():
    """Call by call, the shard where it lives."""
    return {call["id"]: call["shard"] for call in ask(command="show", what="calls")["calls"]}


@pytest.fixture
def parties(direction, ends):
    """(the transferor, who is transferred, the target, the target's media host)."""
    pub, carrier = ends.pub(), ends.carrier()
    if direction == TO_CARRIER:
        return pub, carrier, ends.carrier(address=CARRIER_B), (CARRIER, CARRIER_B), (CARRIER, CARRIER_A)
    return carrier, pub, ends.pub(address=PUB6, door=ACCESS6), (PUB, PUB6), (PUB, PUB4)


@pytest.mark.case("REFER followed: the target is called, the two are joined with their media", "Other requests", directions="both")
def test_a_refer_that_is_followed_joins_the_media_of_the_two(door, ends, parties, number):
    door(follow)
    transferor, transferee, target, there, here = parties
    b, c = ends.media(*here), ends.media(*there)
    near, far, *_ = set_up(transferor, transferee, number)
    refer(near, "sip:0555@10.9.8.7")
    invite = target.expect("INVITE")
    seen_nowhere(invite, transferor.address, transferee.address, "10.9.8.7")
    target.reply(invite, 180, "Ringing", tag="target")
    notified(near, 180, "active")
    target.reply(invite, 200, "OK", ua.sdp(target.address, c.port), tag="target")
    callee = ua.Dialog(target, invite.call_id, f"{invite.get('to')};tag=target", invite.get("from"),
                       re.search(r"<([^>]+)>", invite.get("contact")).group(1), 100, invite)
    target.expect("ACK", call_id=invite.call_id)
    to_b = rejoin(far, b.port)
    notified(near, 200, "terminated")
    near.hear_bye()
    hear_each_other(b, to_b, c, invite.media())
    hang_up(far, callee)


@pytest.mark.case("REFER followed to a busy target: the call goes on", "Other requests", directions="both")
def test_a_target_that_is_busy_leaves_the_call_and_its_media_alone(door, ends, parties, number):
    door(follow)
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


@pytest.mark.case("attended transfer: the calls are joined, media is anchored anew", "Transfers across shards", directions="both")
@pytest.mark.parametrize("apart", [True, False])
def test_an_attended_transfer_joins_calls_wherever_they_live(door, ends, parties, number, apart):
    """On two shards and on one: his second call is placed again until it lives where it should."""
    door(follow)
    transferor, transferee, target, there, here = parties
    b, c = ends.media(*here), ends.media(*there)
    old = homes()
    near, far, *_ = set_up(transferor, transferee, number)
    first = {shard for call, shard in homes().items() if call not in old}
    assert len(first) == 1
    for _ in range(24):
        old = homes()
        second, callee, *_ = set_up(transferor, target, "0555", callee_media=c.port)
        if ({shard for call, shard in homes().items() if call not in old} != first) == apart:
            break
        hang_up(second, callee)
    else:
        pytest.fail("24 calls in a row on one shard of two")
    tags = [re.search(r"tag=([^;>\s]+)", value).group(1) for value in (second.remote, second.local)]
    replaces = urllib.parse.quote(f"{second.call_id};to-tag={tags[0]};from-tag={tags[1]}", safe="")
    refer(near, f"sip:0555@10.9.8.7?Replaces={replaces}")
    to_c = rejoin(callee, c.port)
    to_b = rejoin(far, b.port)
    ended = set()
    while len(ended) < 3:  # the last notification, and BYE on both of his calls, in any order
        heard = transferor.expect(("NOTIFY", "BYE"))
        transferor.reply(heard, 200, "OK")
        ended.add((heard.method, heard.call_id))
    assert ended == {("NOTIFY", near.call_id), ("BYE", near.call_id), ("BYE", second.call_id)}
    hear_each_other(b, to_b, c, to_c)
    hang_up(callee, far)


@pytest.mark.case("INVITE with Replaces takes the place of a leg; early-only: 486", "Transfers across shards", directions="both")
@pytest.mark.parametrize("attempt", range(2))
def test_an_invite_with_replaces_takes_the_place_of_a_leg(door, ends, sides, number, attempt):
    door(follow)
    one, other = sides
    newcomer = (ends.carrier if one.ns == CARRIER else ends.pub)(port=5070)
    a, b = ends.media(one.ns, one.address), ends.media(other.ns, other.address)
    near, far, *_ = set_up(one, other, number, callee_media=b.port)
    tags = [re.search(r"tag=([^;>\s]+)", value).group(1) for value in (near.remote, near.local)]
    replaces = f"Replaces: {near.call_id};to-tag={tags[0]};from-tag={tags[1]}"
    refused = newcomer.invite(number, ua.sdp(one.address, a.port), extra=[replaces + ";early-only", "Require: replaces"])
    assert refused.refused().code == 486
    call = newcomer.invite(number, ua.sdp(one.address, a.port), extra=[replaces, "Require: replaces"])
    to_b = rejoin(far, b.port)
    final, fresh = call.established()
    near.hear_bye()
    hear_each_other(a, final.media(), b, to_b)
    hang_up(fresh, far)


def naming(call_id, to_tag, from_tag):
    return f"{call_id};to-tag={to_tag};from-tag={from_tag}"


@pytest.mark.case("INVITE with Replaces takes a call that rings: its caller joins, who rang is cancelled", "Transfers across shards", directions="both")
def test_a_call_that_rings_is_taken(door, ends, sides, number):
    door(follow)
    one, other = sides
    newcomer = (ends.carrier if other.ns == CARRIER else ends.pub)(port=5070)
    a, c = ends.media(one.ns, one.address), ends.media(other.ns, other.address)
    call = one.invite(number, ua.sdp(one.address, a.port))
    invite = other.expect("INVITE")
    other.reply(invite, 180, "Ringing", tag="rings")
    call.expect(180)
    dialog = naming(invite.call_id, invite.tag("from"), "rings")
    taking = newcomer.invite(number, ua.sdp(newcomer.address, c.port), extra=[f"Replaces: {dialog}", "Require: replaces"])
    other.reply(other.expect("CANCEL"), 200, "OK")
    other.reply(invite, 487, "Request Terminated", tag="rings")
    other.expect("ACK")
    final, near = call.established()
    assert "a=inactive" in final.body and "m=audio 0 " not in final.body, final.body
    to_a = rejoin(near, a.port)
    final, far = taking.established()
    seen_nowhere(final, one.address)
    hear_each_other(a, to_a, c, final.media())
    hang_up(near, far)


@pytest.mark.case("attended transfer to a call that still rings there: 481, both calls go on", "Transfers across shards", directions="both")
def test_a_transfer_to_a_call_that_still_rings_fails_cleanly(door, ends, parties, number):
    door(follow)
    transferor, transferee, target, *_ = parties
    near, far, *_ = set_up(transferor, transferee, number)
    call = transferor.invite("0555", ua.sdp(transferor.address, 6100))
    invite = target.expect("INVITE")
    target.reply(invite, 180, "Ringing", tag="rings")
    ringing = call.expect(180)
    dialog = naming(call.call_id, ringing.tag("to"), ringing.tag("from"))
    refer(near, f"sip:0555@10.9.8.7?Replaces={urllib.parse.quote(dialog, safe='')}")
    notified(near, 481, "terminated")
    callee = target.answer(invite, 7100)
    _, second = call.established()
    target.expect("ACK")
    hang_up(second, callee)
    hang_up(near, far)

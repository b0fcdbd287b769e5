# SPDX-License-Identifier: Apache-2.0
"""What is no call on the wire: MESSAGE, INFO, SUBSCRIBE and PUBLISH through and back, REFER passed on (followed, and Replaces:
test_transfers.py)."""
import re

import pytest
from lab_fixtures import set_up
from transfers import SIPFRAG, hang_up, notified, say, seen_nowhere

from harness import ua
from harness.netns import ACCESS4, CARRIER, CORE4


def outside(one, method, number, body="", extra=()):
    call_id, branch = ua.token(), "z9hG4bK" + ua.token()
    one.send(one.compose(f"{method} sip:{number}@{one.door} SIP/2.0", [
        one.via(branch), f"From: <sip:lab@{one.show}>;tag={ua.token()}", f"To: <sip:{number}@{one.door}>",
        f"Call-ID: {call_id}", f"CSeq: 1 {method}", "Max-Forwards: 70", *extra], body, "text/plain"))
    return call_id


def notifier_of(one, request, tag):
    """The dialog that who was asked outside of any call has with us, once he has answered with that tag."""
    target = re.search(r"<([^>]+)>", request.get("contact")).group(1)
    return ua.Dialog(one, request.call_id, f"{request.get('to')};tag={tag}", request.get("from"), target, 10, request)


# ---- one request after the other

@pytest.mark.case("MESSAGE and INFO inside a call; a package that is not taken: 469; an unknown method: 501", "Other requests", directions="both")
def test_a_message_and_dtmf_inside_a_call(door, pair, number):
    door()
    one, other = pair
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
def test_what_requires_an_extension_in_vain(door, pair, number):
    door()
    one, other = pair

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
def test_a_message_and_a_publication_outside_of_any_call(door, pair, number):
    door()
    one, other = pair
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
def test_a_subscription_and_its_notifications(door, pair, number):
    door()
    one, other = pair
    call_id = outside(one, "SUBSCRIBE", number, extra=[one.contact(), "Event: presence", "Expires: 60"])
    subscribe = other.expect("SUBSCRIBE")
    seen_nowhere(subscribe, one.address, call_id)
    tag = other.reply(subscribe, 200, "OK", extra=[other.contact(), "Expires: 60"])
    assert one.expect(200, call_id=call_id).get("expires") == "60"
    notifier = notifier_of(other, subscribe, tag)
    for state in ("active;expires=60", "terminated;reason=timeout"):
        say(notifier, "NOTIFY", "<presence/>", "application/pidf+xml", ["Event: presence", f"Subscription-State: {state}"])
        notify = one.expect("NOTIFY", call_id=call_id)
        assert notify.get("subscription-state") == state and notify.raw.endswith(b"<presence/>")
        seen_nowhere(notify, other.address)
        one.reply(notify, 200, "OK")
        other.expect(200, call_id=subscribe.call_id)
    say(notifier, "NOTIFY", extra=["Event: presence", "Subscription-State: active"])
    other.expect(481, call_id=subscribe.call_id)


# ---- REFER

@pytest.mark.case("REFER passed on, its place at our host; NOTIFY comes back", "Other requests", directions="both")
def test_a_refer_that_is_passed_on(door, pair, number):
    door()
    one, other = pair
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


@pytest.mark.case("REFER outside of any call, its NOTIFYs, its end", "Other requests", directions="both")
def test_a_refer_outside_of_any_call(door, pair, number):
    door()
    one, other = pair
    call_id = outside(one, "REFER", number, extra=[one.contact(), "Refer-To: <sip:0555@10.9.8.7>"])
    refer = other.expect("REFER")
    ours = CORE4 if other.ns == CARRIER else ACCESS4
    assert refer.get("refer-to") == f"<sip:0555@{ours}:5060>" and not refer.get("event")
    seen_nowhere(refer, one.address, call_id, "10.9.8.7")
    tag = other.reply(refer, 202, "Accepted", extra=[other.contact()])
    seen_nowhere(one.expect(202, call_id=call_id), other.address)
    notifier = notifier_of(other, refer, tag)
    for state, told in (("active;expires=60", "SIP/2.0 100 Trying\r\n"), ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")):
        say(notifier, "NOTIFY", told, SIPFRAG, ["Event: refer", f"Subscription-State: {state}"])
        notify = one.expect("NOTIFY", call_id=call_id)
        assert notify.get("subscription-state") == state and notify.raw.endswith(told.encode())
        seen_nowhere(notify, other.address)
        one.reply(notify, 200, "OK")
        other.expect(200, call_id=refer.call_id)
    say(notifier, "NOTIFY", extra=["Event: refer", "Subscription-State: active"])
    other.expect(481, call_id=refer.call_id)


@pytest.mark.case("NOTIFY: of a message/sipfrag no address crosses; a dialog in Event is the other leg's", "Other requests", directions="both")
def test_what_a_notification_names(door, pair, number):
    door()
    one, other = pair
    near, far, *_ = set_up(one, other, number)
    say(near, "REFER", extra=["Refer-To: <sip:0555@10.9.8.7>"])
    other.reply(other.expect("REFER", call_id=far.call_id), 202, "Accepted", extra=[other.contact()])
    one.expect(202, call_id=near.call_id)
    told = f"SIP/2.0 486 Busy at {other.address}\r\nContact: <sip:secret@{other.address}:5060>\r\nReason: Q.850;cause=17\r\n"
    say(far, "NOTIFY", told, SIPFRAG, ["Event: refer", "Subscription-State: terminated;reason=noresource"])
    notify = one.expect("NOTIFY", call_id=near.call_id)
    assert notify.raw.endswith(b"\r\n\r\nSIP/2.0 486 Busy Here\r\nReason: Q.850;cause=17\r\n")
    seen_nowhere(notify, other.address, "secret")
    one.reply(notify, 200, "OK")
    other.expect(200, call_id=far.call_id)

    def tag(party):
        return re.search(r";tag=([^;\s]+)", party).group(1)

    for named, expected in (
            (f";call-id={near.call_id};to-tag={tag(near.remote)};from-tag={tag(near.local)}",
             f'dialog;call-id="{far.call_id}";to-tag={tag(far.local)};from-tag={tag(far.remote)}'),
            (f";call-id=secret@{one.address};to-tag=1;from-tag=2", "dialog")):
        say(near, "SUBSCRIBE", extra=["Event: dialog" + named, "Expires: 60"])
        subscribe = other.expect("SUBSCRIBE", call_id=far.call_id)
        assert subscribe.get("event") == expected
        seen_nowhere(subscribe, one.address, "secret")
        other.reply(subscribe, 489, "Bad Event")
        one.expect(489, call_id=near.call_id)
    hang_up(near, far)


@pytest.mark.case("REFER to a sips URI where the other side has no TLS: 480 with Warning 380", "Other requests", directions="both")
def test_a_refer_to_sips_without_tls(door, pair, number):
    door()
    one, other = pair
    near, far, *_ = set_up(one, other, number)
    say(near, "REFER", extra=["Refer-To: <sips:0555@10.9.8.7>"])
    assert one.expect(480, call_id=near.call_id).get("warning").startswith("380 ")
    other.silent(0.2)
    hang_up(near, far)

# SPDX-License-Identifier: Apache-2.0
"""Signalling at the edges, hand-driven: codes where they belong, unknown sources, limits, hiding."""
import re
import time

import pytest
from lab_fixtures import set_up
from phones import END_FAR, UP, UP_FAR
from sides import each_peer, one_way_routes

from harness import metrics, netns, ua
from harness.netns import CARRIER, CORE4, PUB4


def test_options_is_answered(door, ends):
    door()
    pub = ends.pub()
    pub.send(pub.compose(f"OPTIONS sip:{netns.ACCESS4} SIP/2.0", [
        pub.via(), f"From: <sip:a@{PUB4}>;tag=1", f"To: <sip:{netns.ACCESS4}>", f"Call-ID: {ua.token()}", "CSeq: 1 OPTIONS",
        "Max-Forwards: 70", pub.contact()]))
    final = pub.expect(200)
    assert "INVITE" in final.get("allow")


def raw_request(pub, method, call_id=None, to_tag="", extra=(), cseq=None, uri=f"sip:x@{netns.ACCESS4}"):
    pub.send(pub.compose(f"{method} {uri} SIP/2.0", [
        pub.via(), f"From: <sip:a@{PUB4}>;tag=1", f"To: <sip:x@{netns.ACCESS4}>{to_tag}", f"Call-ID: {call_id or ua.token()}",
        f"CSeq: {cseq or '1 ' + method}", "Max-Forwards: 70", *extra]))


@pytest.mark.parametrize("method,to_tag,cseq,code", [
    ("BYE", ";tag=nobody", None, 481),
    ("INVITE", ";tag=nobody", None, 481),
    ("CANCEL", "", None, 481),
    ("WONDER", "", None, (405, 501)),
    ("REGISTER", "", None, (405, 501, 403)),
    ("OPTIONS", "", "1 INVITE", 400),
])
def test_codes_where_they_belong(door, ends, method, to_tag, cseq, code):
    door()
    pub = ends.pub()
    raw_request(pub, method, to_tag=to_tag, cseq=cseq, extra=[pub.contact()])
    pub.expect(code)


def test_a_stray_ack_is_never_answered(door, ends):
    door()
    pub = ends.pub()
    raw_request(pub, "ACK", to_tag=";tag=nobody")
    pub.silent(1.0)


def test_a_missing_header_is_named_in_the_phrase(door, ends):
    door()
    pub = ends.pub()
    pub.send(pub.compose(f"OPTIONS sip:{netns.ACCESS4} SIP/2.0", [
        pub.via(), f"From: <sip:a@{PUB4}>;tag=1", f"To: <sip:{netns.ACCESS4}>", "CSeq: 1 OPTIONS", "Max-Forwards: 70"]))
    assert "call-id" in pub.expect(400).phrase.lower()


def test_max_forwards_of_zero_is_483_and_seventy_goes_on_as_sixty_nine(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    assert pub.invite(number, max_forwards=0).refused().code == 483
    carrier.silent(0.3)
    call = pub.invite(number, max_forwards=70)
    invite = carrier.expect("INVITE")
    assert invite.get("max-forwards") == "69"
    carrier.reply(invite, 486, "Busy Here")
    carrier.expect("ACK")
    assert call.refused().code == 486


def test_a_merged_request_is_482(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    invite = carrier.expect("INVITE")
    # The same request by another way: another branch, all else equal (RFC 3261 8.2.2.2).
    pub.send(call.request.replace(call.branch, "z9hG4bK" + ua.token()))
    call.expect(482, skip=(100, 180))
    carrier.reply(invite, 486, "Busy Here")
    carrier.expect("ACK")
    call.refused()


def test_an_invite_is_retransmitted_until_answered(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    first = carrier.expect("INVITE")
    again = carrier.expect("INVITE", timeout=2)
    assert again.raw == first.raw
    carrier.reply(again, 486, "Busy Here")
    carrier.expect("ACK", skip=("INVITE", 100))
    call.refused()


def test_a_retransmitted_invite_makes_no_second_call(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    invite = carrier.expect("INVITE")
    tag = carrier.reply(invite, 180, "Ringing")
    call.expect(180)
    pub.send(call.request)
    call.expect(180)
    carrier.silent(0.3)
    carrier.reply(invite, 486, "Busy Here", tag=tag)
    carrier.expect("ACK")
    call.refused()


def test_200_is_retransmitted_until_the_caller_s_ack(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    dialog = carrier.answer(carrier.expect("INVITE"))
    call.expect(200, skip=(100, 180))
    call.expect(200, timeout=2)
    _, near = call.established()
    carrier.expect("ACK")
    near.send("BYE")
    dialog.hear_bye()


@pytest.fixture
def stranger(door, ends):
    """A host of the core network that is no peer."""
    door()
    with netns.address(CARRIER, "192.0.2.99") as address, ua.Endpoint(CARRIER, address, 5060) as one:
        yield one


def test_an_unknown_source_hears_403_ten_times_a_second_at_most(stranger):
    end = time.monotonic() + 1.0
    sent = 0
    while time.monotonic() < end:
        stranger.invite("+44123")
        sent += 1
        time.sleep(0.01)
    codes = []
    while message := stranger.receive(0.3):
        codes.append(message.code)
    finals = [code for code in codes if code >= 200]
    assert set(finals) == {403} and 1 <= len(finals) <= 22, (sent, codes)


def test_an_unknown_source_s_ack_is_never_answered(stranger):
    stranger.send(stranger.compose(f"ACK sip:x@{CORE4} SIP/2.0", [
        stranger.via(), "From: <sip:a@b>;tag=1", "To: <sip:c@d>;tag=2", f"Call-ID: {ua.token()}", "CSeq: 1 ACK", "Max-Forwards: 70"]))
    stranger.silent(1.0)


def test_a_source_that_floods_is_policed_and_others_are_heard(door, ends):
    """sip: {police}: datagrams a second of one source address, and a second's worth at once."""
    door(lambda c: c["realms"]["access"]["sip"].update(police=20))
    before = metrics.scrape()
    pub, inside = ends.pub(), ends.inside(5070)
    for _ in range(100):
        raw_request(pub, "OPTIONS")
    raw_request(inside, "OPTIONS")
    assert inside.expect(200)
    answered = 0
    while (message := pub.receive(0.5)) is not None:
        answered += message.code == 200
    dropped = metrics.total(metrics.rest()[1], "dataplane_drops_total", port="access", reason="sip_police")
    dropped -= metrics.total(before, "dataplane_drops_total", port="access", reason="sip_police")
    assert 20 <= answered < 60 and answered + dropped == 100, (answered, dropped)


def short_limits(config):
    each_peer(lambda peer, _: peer.update(limits={"setup": "2s", "ring": "2s", "duration": "3s"}))(config)
    one_way_routes(config)


# Measured from what starts it to what it does; never early. That it is not late by much the waits for its messages say.
ALMOST_S = 0.05


@pytest.mark.config(change=short_limits)
@pytest.mark.case("limits.ring ends both legs: CANCEL there, 480 here", "Limits")
def test_limit_ring(phones):
    caller, callee = phones.caller, phones.callee
    phones.ringing()
    callee.reply(callee.expect("CANCEL", 8), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    assert phones.caller.refused().code == 480  # ring-timeout of local_errors.inc
    phones.judge(">INVITE <100 <180 <480 >ACK", "<INVITE >180 <CANCEL >200/CANCEL >487 <ACK")
    assert phones.gap(callee, ">180", "<CANCEL") > 2 - ALMOST_S


@pytest.mark.config(change=short_limits)
@pytest.mark.case("limits.setup ends both legs: CANCEL there, 408 here", "Limits")
def test_limit_setup(phones):
    caller, callee = phones.caller, phones.callee
    callee.reply(phones.ring(), "100 Trying")
    assert caller.refused(8).code == 408  # setup-timeout
    callee.reply(callee.expect("CANCEL"), "200 OK")
    callee.reply(callee.invite, "487 Request Terminated")
    callee.expect("ACK")
    phones.judge(">INVITE <100 <408 >ACK", "<INVITE >100 <CANCEL >200/CANCEL >487 <ACK")
    assert phones.gap(caller, ">INVITE", "<408") > 2 - ALMOST_S


@pytest.mark.config(change=short_limits)
@pytest.mark.case("limits.duration ends both legs with BYE", "Limits")
def test_limit_duration(phones):
    phones.up()
    for phone in (phones.caller, phones.callee):
        phone.reply(phone.expect("BYE", 8), "200 OK")
    phones.judge(UP + " <BYE >200/BYE", UP_FAR + END_FAR)
    assert phones.gap(phones.callee, ">200", "<BYE") > 3 - ALMOST_S


def test_caller_to_office_from_the_carrier(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    near, far, *_ = set_up(carrier, pub, number)
    far.send("BYE")
    near.hear_bye()
    pub.expect(200)


def test_reinvite_crosses_to_the_other_leg(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    near.send("INVITE", ua.sdp(PUB4, 6000, direction="sendonly"))
    again = carrier.expect("INVITE")
    assert "a=sendonly" in again.body and again.get("call-id") == far.call_id
    carrier.reply(again, 200, "OK", ua.sdp(netns.CARRIER_A, 7000, direction="recvonly"))
    final = pub.expect(200, call_id=near.call_id)
    assert "a=recvonly" in final.body
    near.ack()
    carrier.expect("ACK")
    assert near.bye()
    far.hear_bye()


def test_nothing_of_one_side_is_seen_on_the_other(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    secret = f"s{ua.token()}"
    call = pub.invite(number, ua.sdp(PUB4, 6000, owner=f"{secret}o"), call_id=f"{secret}i@{PUB4}", extra=[
        f"Via: SIP/2.0/UDP 203.0.113.7;branch=z9hG4bK{secret}v", f"Record-Route: <sip:{secret}r.example;lr>"])
    invite = carrier.expect("INVITE")
    text = invite.raw.decode()
    for hidden in (secret, call.tag, call.branch, PUB4, netns.ACCESS4, "203.0.113.7", "lab-endpoint"):
        assert not re.search(rf"(?<![\d.]){re.escape(hidden)}(?!\d)", text), f"{hidden} in\n{text}"
    back = f"b{ua.token()}"
    carrier.reply(invite, 200, "OK", ua.sdp(netns.CARRIER_A, 7000, owner=f"{back}o"), tag=f"{back}t",
                  extra=[f"Record-Route: <sip:{back}r.example;lr>"])
    final, near = call.established()
    text = final.raw.decode()
    for hidden in (back, netns.CARRIER_A, CORE4, invite.call_id, "Server: lab-endpoint"):
        assert hidden not in text, f"{hidden} in\n{text}"
    near.send("BYE")
    bye = carrier.expect("BYE", skip=(100, "ACK"))
    assert secret not in bye.raw.decode()
    carrier.reply(bye, 200, "OK")


def test_response_codes_are_mapped_by_rule_and_vendor_row(door, ends):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    for code, phrase, heard in ((499, "Codec Mismatch", 488), (406, "No codecs match", 488), (404, "Not Found", 404),
                                (486, "Busy Here", 486), (480, "no money LEFT ", 402), (403, "no money left", 402)):
        call = pub.invite(f"+44{ua.token()}")
        carrier.reply(carrier.expect("INVITE"), code, phrase)
        carrier.expect("ACK")
        assert call.refused().code == heard, (code, phrase)


def test_no_udp_socket_on_a_realm_s_address(door):
    from harness import sockets, verdicts
    lab = door()
    result = verdicts.no_udp_socket("x", sockets.udp_of_process(lab.pid)[0], netns.REALM_ADDRESSES)
    assert result.ok, result.detail


def test_sip_over_ipv6(door, ends, number):
    door()
    six, carrier = ends.pub(address=netns.PUB6, door=netns.ACCESS6), ends.carrier()
    near, far, *_ = set_up(six, carrier, number)
    assert near.bye()
    far.hear_bye()

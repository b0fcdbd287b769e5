# SPDX-License-Identifier: Apache-2.0
"""Each verdict is green on a good call and turns red for one fault put in."""
import pytest
from synthetic import CALLEE, CALLER, SBC_A, SBC_B, SECOND, Call, batch, rtp_packet, udp

from harness import metrics, netns, rtp, sip, sockets
from harness import verdicts as v


def sent_by(packets, address):
    return [m for m in sip.messages(packets) if m.src == address]


def edit(packets, start, old, new):
    """Changes the first SIP packet that begins with `start` and holds `old`."""
    for i, p in enumerate(packets):
        if p.payload.startswith(start.encode()) and old.encode() in p.payload:
            packets[i] = p._replace(payload=p.payload.replace(old.encode(), new.encode()))
            return
    raise AssertionError("nothing to edit")


# -- calls

def test_answered_call_is_green():
    assert v.answered("x", batch(Call().answered())).ok


def test_a_refused_call_is_not_answered():
    result = v.answered("x", batch(Call("+441").answered(), Call("+442").refused("503 Service Unavailable", "503 Nope")))
    assert not result.ok and "503" in result.detail


def test_a_call_that_only_we_answered_is_not_answered():
    call = Call().answered()
    edit(call.far.packets, "SIP/2.0 200 OK", "INVITE", "OPTIONS")
    assert not v.answered("x", batch(call)).ok


def test_no_call_at_all_is_red():
    empty = v.Batch("x", [])
    for result in (v.answered("x", empty), v.refused("x", empty, 486), v.cancelled("x", empty), v.hung_up("x", empty, "caller"),
                   v.families("x", empty), v.failed_over("x", empty, CALLEE, SECOND), v.mapped("x", empty, {}, (499, "")),
                   v.media_whole("x", [], 0), v.topology_hidden("x", [empty]), v.never_seen("x", [], "a", "a"),
                   v.law_holds("x", {}), v.counted("x", {}, {}), v.relayed("x", {}, 0), v.captures_whole("x", {})):
        assert not result.ok


def test_busy_heard_as_486():
    assert v.refused("x", batch(Call().refused("486 Busy Here", "486 Busy")), 486, reaches_callee=True).ok


@pytest.mark.parametrize("heard", ["480 Temporarily Unavailable", "603 Decline", "487 Request Terminated"])
def test_a_wrong_code_is_red(heard):
    result = v.refused("x", batch(Call().refused(heard, "486 Busy")), 486)
    assert not result.ok and heard[:3] in result.detail


def test_private_media_needs_phrase_and_warning_and_no_second_leg():
    def judged(call):
        return v.refused("x", batch(call), 488, phrase="Private IP Address", warning=301, reaches_callee=False).ok
    warning = 'Warning: 301 door "no"'
    assert judged(Call().refused("488 Private IP Address", extra=warning))
    assert not judged(Call().refused("488 Not Acceptable Here", extra=warning))
    assert not judged(Call().refused("488 Private IP Address"))
    assert not judged(Call().refused("488 Private IP Address", extra='Warning: 304 door "no"'))
    assert not judged(Call().refused("488 Private IP Address", "488 No", extra=warning))


def test_vendor_code_mapped():
    table = {(499, "Codec Mismatch"): 488, (403, "No Such User"): 404}
    must = (499, "Codec Mismatch")
    good = Call("+441").refused("488 Not Acceptable Here", "499 Codec Mismatch")
    assert v.mapped("x", batch(good, Call("+442").refused("404 Not Found", "403 No Such User")), table, must).ok
    assert not v.mapped("x", batch(Call().refused("499 Codec Mismatch", "499 Codec Mismatch")), table, must).ok
    assert not v.mapped("x", batch(Call().refused("404 Not Found", "403 No Such User")), table, must).ok
    assert not v.mapped("x", batch(Call().refused("488 Not Acceptable Here")), table, must).ok


def cancelled_call(near_final="487 Request Terminated", far_cancel=True):
    call = Call().invite()
    for side in call.sides():
        if side is call.near or far_cancel:
            side.request("CANCEL")
            side.response("200 OK", "CANCEL")
        side.response(near_final if side is call.near else "487 Request Terminated")
        side.request("ACK")
    return call


def test_cancel_heard_as_487_on_both_legs():
    assert v.cancelled("x", batch(cancelled_call())).ok


def test_cancel_that_never_reached_the_callee_is_red():
    assert not v.cancelled("x", batch(cancelled_call(far_cancel=False))).ok


def test_cancel_with_a_wrong_code_is_red():
    assert not v.cancelled("x", batch(cancelled_call("480 Temporarily Unavailable"))).ok


@pytest.mark.parametrize("by,other", [("caller", "callee"), ("callee", "caller")])
def test_bye_comes_from_the_side_that_hung_up(by, other):
    good = batch(Call().answered(hangs_up=by))
    assert v.hung_up("x", good, by).ok
    assert not v.hung_up("x", good, other).ok


def test_bye_on_one_leg_only_is_red():
    call = Call().answered()
    call.far.packets = [p for p in call.far.packets if b"BYE" not in p.payload]
    assert not v.hung_up("x", batch(call), "caller").ok


def test_families():
    six = {"caller": "2001:db8:1::20", "sbc_a": "2001:db8:1::1"}
    assert v.families("x", batch(Call(**six).answered())).ok
    assert not v.families("x", batch(Call().answered())).ok
    assert not v.families("x", batch(Call(**six, sbc_b="2001:db8:2::1", callee="2001:db8:2::10").answered())).ok


def failover_calls(first_status="503 Service Unavailable", answered=True):
    first, second = Call("+441", ident="a"), Call("+441", callee=SECOND)
    first.far.request("INVITE", body=first.far.offer())
    first.far.response(first_status)
    first.far.request("ACK")
    if answered:
        second.answered()
    else:
        second.refused("503 Service Unavailable", "503 No")
    return batch(first, second)


def test_failover():
    assert v.failed_over("x", failover_calls(), CALLEE, SECOND).ok
    assert not v.failed_over("x", failover_calls(answered=False), CALLEE, SECOND).ok
    assert not v.failed_over("x", batch(Call("+441", callee=SECOND).answered()), CALLEE, SECOND).ok
    assert not v.failed_over("x", batch(Call("+441").answered()), CALLEE, SECOND).ok


# -- what must not be seen

@pytest.mark.parametrize("start,old,new", [
    ("INVITE", "Max-Forwards: 70", "Contact: <sip:u@10.20.0.10:5060>"),
    ("INVITE", f"c=IN IP4 {SBC_B}", "c=IN IP4 10.20.0.10"),
    ("ACK", "branch=z9hG4bKfar", "branch=z9hG4bKfar;received=10.20.0.10"),
])
def test_a_leaked_private_address_is_red(start, old, new):
    call = Call().answered()
    assert v.never_seen("x", sent_by(call.far.packets, SBC_B), r"10\.20\.0\.", "10.20.0.0/24").ok
    edit(call.far.packets, start, old, new)
    assert not v.never_seen("x", sent_by(call.far.packets, SBC_B), r"10\.20\.0\.", "10.20.0.0/24").ok


@pytest.mark.parametrize("leak", ["X-Call: call-near+441", f"Via: SIP/2.0/UDP {CALLER}:5060", "User-Agent: lab-caller",
                                  "X-Tag: fnear+441", f"Record-Route: <sip:{CALLER};lr>", "Via: SIP/2.0/UDP h;branch=z9hG4bKnear+441",
                                  f"X-Door: <sip:{SBC_A}:5060>", "X-Contact: <sip:c-near+441@door.test>",
                                  "Record-Route: <sip:rr-near+441.test;lr>", "Via: SIP/2.0/UDP x;branch=z9hG4bKdeepnear+441",
                                  "Via: SIP/2.0/UDP deep-near+441.test:5060;branch=z9hG4bKown"])
def test_topology_shown_to_the_callee_is_red(leak):
    call = Call().answered()
    assert v.topology_hidden("x", [batch(call)]).ok
    edit(call.far.packets, "INVITE", "Max-Forwards: 70", leak)
    assert not v.topology_hidden("x", [batch(call)]).ok


@pytest.mark.parametrize("leak", ["Server: lab-callee", f"Contact: <sip:{CALLEE}:5060>", "X-Tag: tfar+441",
                                  f"Warning: 399 {SBC_B} \"no\"", "Contact: <sip:d-far+441@door.test>",
                                  "Record-Route: <sip:sr-far+441.test;lr>"])
def test_topology_shown_to_the_caller_is_red(leak):
    call = Call().answered()
    edit(call.near.packets, "SIP/2.0 200", "X: y", leak)
    assert not v.topology_hidden("x", [batch(call)]).ok


def test_a_contact_s_user_that_is_the_caller_s_number_is_no_secret():
    call = Call().answered()
    edit(call.near.packets, "INVITE", "sip:c-near+441@", "sip:u@")
    edit(call.near.packets, "INVITE", "<sip:u@x.test>", "<sip:+4420@x.test>")
    edit(call.near.packets, "INVITE", "<sip:u@", "<sip:+4420@")
    edit(call.far.packets, "INVITE", "<sip:u@x.test>", "<sip:+4420@x.test>")
    assert v.topology_hidden("x", [batch(call)]).ok


def test_sdp_origin_shown_is_red():
    call = Call().answered()
    edit(call.far.packets, "INVITE", "o=odoor 1234 5678", "o=olab-caller 1234 5678")
    assert not v.topology_hidden("x", [batch(call)]).ok


# -- media

def test_whole_media_is_green():
    found = batch(Call().answered())
    assert v.media_whole("x", found.directions, 1).ok


@pytest.mark.parametrize("lost", [1, 10, 19])
def test_one_lost_packet_is_red(lost):
    found = batch(Call().answered(relayed=[s for s in range(20) if s != lost]))
    result = v.media_whole("x", found.directions, 1)
    assert not result.ok and "lost after the latch" in result.detail


def behind_a_nat(lost=3, early=3, relayed=None):
    """A call whose callee sends `early` packets before it hears the caller; the first `lost` of them go nowhere."""
    call = Call().answered(relayed=relayed, back=range(lost, 20))
    send_early(call, early)
    return batch(call).directions


def send_early(call, packets):
    """The callee's media begins so many packets before the caller's is heard."""
    call.far.packets = [p._replace(ts=p.ts - (packets - 0.5) / 50) if p.sport == 7000 else p for p in call.far.packets]


def test_what_the_callee_sends_before_the_caller_s_nat_is_open_may_be_lost():
    assert v.media_whole("x", behind_a_nat(), 1, latched=True).ok
    assert v.media_whole("x", behind_a_nat(lost=2), 1, latched=True).ok


def test_the_same_loss_without_a_nat_is_red():
    result = v.media_whole("x", behind_a_nat(), 1)
    assert not result.ok and "the first 3 were lost, 0 may be" in result.detail


def test_one_more_lost_than_was_sent_before_the_nat_was_open_is_red():
    result = v.media_whole("x", behind_a_nat(lost=4), 1, latched=True)
    assert not result.ok and "the first 4 were lost, 3 may be" in result.detail


def test_a_packet_of_the_caller_behind_the_nat_that_is_lost_before_the_latch_is_red():
    result = v.media_whole("x", behind_a_nat(lost=0, relayed=range(1, 20)), 1, latched=True)
    assert not result.ok and "caller to callee: the first 1 were lost, 0 may be" in result.detail


def test_a_hole_among_the_early_packets_is_red():
    call = Call().answered(back=[0, *range(2, 20)])
    send_early(call, 5)
    assert not v.media_whole("x", batch(call).directions, 1, latched=True).ok


def test_one_silent_direction_is_red():
    call = Call().answered()
    call.near.packets = [p for p in call.near.packets if p.sport != 20000]
    assert not v.media_whole("x", batch(call).directions, 1, latched=True).ok


def test_a_changed_or_doubled_packet_is_red():
    for extra in (rtp_packet(5, fill=b"\x00"), rtp_packet(5)):
        call = Call().answered()
        call.far.packets.append(udp(SBC_B, 30000, CALLEE, 7000, extra))
        assert not v.media_whole("x", batch(call).directions, 1).ok


def test_a_call_without_media_addresses_is_red():
    assert not v.media_whole("x", batch(Call().answered()).directions, 2).ok


def test_rtcp_is_not_counted_as_rtp():
    packets = [udp("a", 1, "b", 2, rtp_packet(1)), udp("a", 1, "b", 2, b"\x80\xc8" + bytes(26))]
    assert rtp.count(packets) == {("a", "b", 0xABCD): {1}}


# -- counters and sockets

PROM = """# TYPE sallyport_dataplane_packets_total counter
sallyport_dataplane_packets_total{port="access",direction="rx"} 100
sallyport_dataplane_packets_total{port="access",direction="tx"} 7
sallyport_dataplane_delivered_total{port="access",path="relay"} 80
sallyport_dataplane_delivered_total{port="access",path="sip"} 12
sallyport_dataplane_delivered_total{port="access",path="kernel"} 5
sallyport_dataplane_drops_total{port="access",reason="no-flow"} 3
sallyport_dataplane_nic_missed_total{port="access",cause="ring"} 2
"""


def law(text=PROM, before=""):
    return metrics.law(metrics.parse(text), metrics.parse(before))


def test_law_holds_exactly():
    assert v.law_holds("x", law()).ok


@pytest.mark.parametrize("old,new", [('"relay"} 80', '"relay"} 79'), ('"no-flow"} 3', '"no-flow"} 4'),
                                     ('direction="rx"} 100', 'direction="rx"} 101'), ('reason="no-flow"', 'reason=""'),
                                     ('path="kernel"', 'path="elsewhere"')])
def test_a_broken_law_is_red(old, new):
    assert not v.law_holds("x", law(PROM.replace(old, new))).ok


def test_law_of_a_difference():
    before = PROM.replace("100", "60").replace("} 80", "} 40")
    row = law(PROM, before)["access"]
    assert row["received"] == 40 and row["relay"] == 40 and row["accounted"] == 40 and row["drops"] == {}


def test_an_uncounted_packet_is_red():
    assert v.counted("x", law(), {"access": 102}).ok
    assert not v.counted("x", law(), {"access": 103}).ok
    assert not v.counted("x", law(), {"core": 1}).ok


def test_media_that_left_uncounted_is_red():
    assert v.relayed("x", law(), 80).ok
    assert not v.relayed("x", law(), 81).ok


UDP4 = """   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  10: {}:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 0
"""


@pytest.mark.parametrize("word,address,red", [("016433C6", netns.ACCESS4, True), ("010200C0", netns.CORE4, True),
                                              ("00000000", "0.0.0.0", True), ("0100007F", "127.0.0.1", False),
                                              ("B80D0120000001000000000001000000", netns.ACCESS6, True),
                                              ("0" * 32, "::", True)])
def test_a_udp_socket_on_a_realm_address_is_red(word, address, red):
    held = sockets.parse_udp(UDP4.format(word))
    assert held == [sockets.UdpSocket(address, 5060, 4242)]
    assert v.no_udp_socket("x", held, netns.REALM_ADDRESSES).ok is not red


def test_a_capture_that_lost_frames_is_red():
    assert v.captures_whole("x", {"a": 0, "b": 0}).ok
    assert not v.captures_whole("x", {"a": 0, "b": 1}).ok
    assert not v.captures_whole("x", {"a": -1}).ok

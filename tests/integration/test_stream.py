# SPDX-License-Identifier: Apache-2.0
"""SIP over TCP on the wire: calls over it on either leg and on both, framing, keep-alive, reuse, limits, what is too large
for a datagram, answers after a broken connection; from either side. Torture messages: test_torture.py."""
import time

import pytest
from lab_fixtures import set_up, talk
from sides import BOTH, beside, each_peer, one_way_routes
from test_other_requests import notifier_of, outside, say

from harness import metrics, netns, pcap, stream, ua, verdicts, watch
from harness.netns import ACCESS4, CARRIER_A, PUB, PUB4

# Numbers of peers beside the usual two, at the same hosts: one whose first target, over TCP, is a port that is not open; one
# that takes UDP and TCP at one port; one over IPv6.
CLOSED, LARGE, V6 = "+4901", "+4902", "+4903"


def over_tcp(config):
    """Both peers are called over TCP. One configuration for most tests, since each is a start of the process."""
    each_peer(lambda peer, side: peer.update(targets=[f"sip:{side.address}:5060;transport=tcp"]))(config)
    beside(config, CLOSED, lambda side: {"targets": [f"sip:{side.address}:5066;transport=tcp", f"sip:{side.address}:5070"]})
    beside(config, LARGE, lambda side: {"targets": [f"sip:{side.address}:5060", f"sip:{side.address}:5060;transport=tcp"],
                                        "redirects": "follow"})
    beside(config, V6, lambda side: {"targets": [f"sip:[{side.address6}]:5060;transport=tcp"]})


@pytest.fixture
def tcp():
    """Endpoints over TCP that are closed after the test."""
    made = []

    class Ends:
        def at(self, side, port=5060, **kwargs):
            made.append(stream.StreamEndpoint(side.ns, kwargs.pop("address", side.address), port, **kwargs))
            return made[-1]

        def link(self, side, source=None):
            made.append(stream.connect(side.ns, side.door, source and (source, 0)))
            return made[-1]

    yield Ends()
    for one in made:
        one.close()


def options(call_id=None, host=ACCESS4, more=(), body="", via=None, method="OPTIONS"):
    lines = [f"{method} sip:{host} SIP/2.0", via or f"Via: SIP/2.0/TCP {PUB4}:5060;branch=z9hG4bK{ua.token()}",
             f"From: <sip:a@{PUB4}>;tag=1", f"To: <sip:{host}>", f"Call-ID: {call_id or ua.token()}", f"CSeq: 1 {method}",
             "Max-Forwards: 70", *more, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def answered(link):
    """It takes a request and answers it."""
    link.send(options())
    return link.message().code == 200


def end_call(near, far, by_caller=True):
    if by_caller:
        near.send("BYE")
        far.hear_bye()
        near.endpoint.expect(200, call_id=near.call_id)
    else:
        far.send("BYE")
        near.hear_bye()
        far.endpoint.expect(200, call_id=far.call_id)


def refuse(one, call):
    """The INVITE as it came, refused."""
    invite = one.expect("INVITE")
    one.reply(invite, 486, "Busy Here")
    one.expect("ACK")
    call.refused()
    return invite


# ---- calls

@pytest.mark.case("a call over TCP on both legs, one connection a leg; BYE of either side", "TCP")
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_call_over_tcp_on_both_legs(door, tcp, number, sides, by_caller):
    door(over_tcp)
    calling, called = sides
    caller, callee = tcp.at(calling), tcp.at(called)
    near, far, *_ = set_up(caller, callee, number)
    invite = far.first
    assert invite.get("via").startswith(f"SIP/2.0/TCP {called.door}:5060;branch=z9hG4bK")
    assert f"{called.door}:5060;transport=tcp" in invite.get("contact")
    assert f"{calling.door}:5060;transport=tcp" in near.first.get("contact")
    assert calling.address not in invite.raw.decode()
    end_call(near, far, by_caller)
    assert len(caller.links) == 1 and callee.accepted == 1, "one connection a leg, for everything"


@pytest.mark.case("UDP on the caller's leg, TCP on the callee's", "TCP")
@pytest.mark.parametrize("by_caller", [True, False])
def test_udp_on_the_caller_s_leg(door, ends, tcp, number, sides, by_caller):
    door(over_tcp)
    calling, called = sides
    near, far, *_ = set_up(ends.at(calling), tcp.at(called), number)
    assert "SIP/2.0/TCP" in far.first.get("via") and "transport" not in near.first.get("contact")
    end_call(near, far, by_caller)


@pytest.mark.case("media while signalling is over TCP", "TCP")
def test_media_flows_while_signalling_is_over_tcp(door, ends, tcp, number, sides):
    door(over_tcp)
    a, b = (ends.media(side.ns, side.address) for side in sides)
    near, far, to_a, to_b = set_up(*map(tcp.at, sides), number, a.port, b.port)
    talk(a, to_a, b, to_b)
    end_call(near, far)
    assert len(a.seqs(b.ssrc)) > 40 and len(b.seqs(a.ssrc)) > 40


@pytest.mark.case("the pinhole is open before the INVITE leaves", "TCP")
def test_early_media_of_the_first_packet_finds_its_pinhole(door, ends, tcp, number, sides):
    """Decision 4 over TCP: the flows are open before the INVITE leaves, so a packet sent on its arrival is relayed."""
    door(over_tcp)
    calling, called = sides
    caller, callee = tcp.at(calling), tcp.at(called)
    a, b = (ends.media(side.ns, side.address) for side in sides)
    before = metrics.scrape()
    call = caller.invite(number, ua.sdp(calling.address, a.port))
    invite = callee.expect("INVITE")
    b.send_one(to=invite.media())
    after = metrics.law(metrics.rest()[1], before)
    assert "no_flow" not in " ".join(k for k, v in after[called.realm]["drops"].items() if v), after
    callee.reply(invite, 486, "Busy Here")
    callee.expect("ACK")
    call.refused()


@pytest.mark.case("CANCEL", "TCP")
def test_cancel_over_tcp(door, tcp, number, sides):
    door(over_tcp)
    caller, callee = map(tcp.at, sides)
    call = caller.invite(number)
    invite = callee.expect("INVITE")
    tag = callee.reply(invite, 180, "Ringing")
    call.expect(180)
    call.cancel()
    cancel = callee.expect("CANCEL")
    callee.reply(cancel, 200, "OK", tag=tag)
    callee.reply(invite, 487, "Request Terminated", tag=tag)
    callee.expect("ACK")
    assert call.refused(codes=(487,), skip=(100, 180, 200)).code == 487


@pytest.mark.case("nothing is retransmitted", "TCP")
def test_nothing_is_retransmitted_over_tcp(door, tcp, number, sides):
    """RFC 3261 17.1.1.2: timers A and E are for unreliable transports."""
    door(over_tcp)
    caller, callee = map(tcp.at, sides)
    call = caller.invite(number)
    invite = callee.expect("INVITE")
    callee.silent(0.8)
    callee.reply(invite, 486, "Busy Here")
    callee.expect("ACK")
    call.refused()


@pytest.mark.case("nobody listens: the next target at once", "TCP")
def test_nobody_listens_and_the_next_target_is_tried_at_once(door, ends, number, sides, watches):
    door(over_tcp)
    calling, called = sides
    seen, since = watches[called.ns], watches[called.ns].mark()
    caller, second = ends.at(calling), ends.at(called, port=5070)
    invite = refuse(second, caller.invite(CLOSED + number[3:]))
    seen.until(lambda p: p.payload == invite.raw)
    packets = seen.packets[since:]
    before = packets[:next(at for at, p in enumerate(packets) if p.payload == invite.raw)]
    assert len([p for p in before if (p.proto, p.dport) == (pcap.TCP, 5066)]) == 1, "one SYN, and its RST is believed"


# ---- what is too large for a datagram

FILLER = "".join(f"a=x-lab-{n}:{'v' * 90}\r\n" for n in range(14))


@pytest.mark.case("above 1300 bytes: by TCP where the peer has it", "TCP")
def test_a_large_request_goes_by_tcp_where_the_peer_has_it(door, ends, tcp, number, sides):
    door(over_tcp)
    calling, called = sides
    caller, small, large = ends.at(calling), ends.at(called), tcp.at(called)
    invite = refuse(large, caller.invite(LARGE + number[3:], ua.sdp(calling.address, 6000, extra=FILLER)))
    assert len(invite.raw) > 1300 and "SIP/2.0/TCP" in invite.get("via")
    invite = refuse(small, caller.invite(LARGE + number[3:]))
    assert "SIP/2.0/UDP" in invite.get("via") and [m.method for m in small.heard] == ["INVITE", "ACK"]


@pytest.mark.case("above 1300 bytes: by UDP where nobody takes it by TCP", "TCP")
def test_a_large_request_goes_by_udp_all_the_same_when_nobody_takes_it_by_tcp(door, ends, number, sides):
    door(over_tcp)
    calling, called = sides
    caller, small = ends.at(calling), ends.at(called)
    invite = refuse(small, caller.invite(LARGE + number[3:], ua.sdp(calling.address, 6000, extra=FILLER)))
    assert len(invite.raw) > 1300 and "SIP/2.0/UDP" in invite.get("via")


def with_tcp(config):
    """Both peers are called over UDP and have TCP too."""
    each_peer(lambda peer, side: peer.update(targets=[f"sip:{side.address}:5060", f"sip:{side.address}:5060;transport=tcp"]))(config)


@pytest.mark.case("above 1300 bytes: SUBSCRIBE and NOTIFY too", "TCP")
def test_a_large_subscription_goes_by_tcp_both_ways(door, ends, tcp, number, sides):
    door(with_tcp)
    calling, called = sides
    caller, callee = ends.at(calling), ends.at(called)
    caller_by_tcp, callee_by_tcp = tcp.at(calling), tcp.at(called)
    call_id = outside(caller, "SUBSCRIBE", number, extra=[
        caller.contact(), "Event: presence", "Expires: 60", f"Subject: {'s' * 1000}"])
    subscribe = callee_by_tcp.expect("SUBSCRIBE")
    assert len(subscribe.raw) > 1300 and "SIP/2.0/TCP" in subscribe.get("via")
    tag = callee_by_tcp.reply(subscribe, 200, "OK", extra=[callee.contact(), "Expires: 60"])
    caller.expect(200, call_id=call_id)
    caller_by_tcp.calls.add(call_id)  # it is the same host's
    notifier = notifier_of(callee, subscribe, tag)
    say(notifier, "NOTIFY", "<presence/>" + " " * 1100, "application/pidf+xml",
        ["Event: presence", "Subscription-State: terminated;reason=timeout"])
    notify = caller_by_tcp.expect("NOTIFY", call_id=call_id)
    assert len(notify.raw) > 1300 and "SIP/2.0/TCP" in notify.get("via")
    caller_by_tcp.reply(notify, 200, "OK")
    callee.expect(200, call_id=subscribe.call_id)


@pytest.mark.case("follow: a 302 to the same place by another transport is no loop", "Redirects")
def test_a_redirect_to_the_same_place_by_tcp(door, ends, tcp, number, sides):
    door(over_tcp)
    calling, called = sides
    small, large = ends.at(called), tcp.at(called)
    call = ends.at(calling).invite(LARGE + number[3:])
    invite = small.expect("INVITE")
    small.reply(invite, 302, "Moved Temporarily", extra=[f"Contact: <{invite.uri};transport=tcp>"])
    small.expect("ACK")
    again = refuse(large, call)
    assert again.user == invite.user and "SIP/2.0/TCP" in again.get("via")


def of_udp_alone(config):
    """The callers' peers have no TCP, over either family."""
    one_way_routes(config)
    beside(config, V6, lambda side: {"targets": [f"sip:[{side.address6}]:5060"]})


@pytest.mark.case("above 1300 bytes to a peer of UDP alone: IP fragments that make one request, IPv4 and IPv6", "TCP")
@pytest.mark.parametrize("family", [4, 6])
def test_a_large_request_to_a_peer_of_udp_alone_goes_in_fragments(door, ends, number, sides, family):
    door(of_udp_alone)
    calling, called = sides
    address, ours = (called.address, called.door) if family == 4 else (called.address6, called.door6)
    caller, callee, seen = ends.at(calling), ends.at(called, address=address), watch.Watch(called.ns)
    try:
        invite = refuse(callee, caller.invite(V6 + number[3:] if family == 6 else number,
                                              ua.sdp(calling.address, 6000, extra=FILLER * 3)))
        assert len(invite.raw) > 4000 and "SIP/2.0/UDP" in invite.get("via")
        seen.until(lambda p: p.payload == invite.raw)
    finally:
        seen.close()
    fragments = [p for p in seen.packets if p.fragment and (p.src, p.dst, p.proto) == (ours, address, pcap.UDP)]
    whole = [p.payload for p in fragments if p.payload]
    assert set(whole) == {invite.raw}, "one request, however often"
    # What a link of 1500 octets holds of a datagram, in units of 8 (RFC 791 3.2, RFC 8200 4.5).
    size = {4: 1480, 6: 1448}[family]
    assert len(fragments) == len(whole) * -(-(len(invite.raw) + 8) // size) and all(p.length <= 1514 for p in fragments)
    assert not [p for p in seen.packets if (p.src, p.proto) == (ours, pcap.TCP)]


# ---- connections, used again or by another family

@pytest.mark.case("connection reuse (RFC 5923)", "TCP")
@pytest.mark.parametrize("alias", [True, False])
def test_a_request_comes_back_on_a_connection_that_was_named_an_alias(door, tcp, number, sides, alias):
    """RFC 5923: the callee has said on its connection that it may be reached there; without that it is called anew."""
    door(over_tcp)
    calling, called = sides
    caller, callee = tcp.at(calling), tcp.at(called)
    link = callee.open()
    link.send(options(via=f"Via: SIP/2.0/TCP {called.address}:5060;branch=z9hG4bK{ua.token()}{';alias' if alias else ''}"))
    assert link.message().code == 200
    invite = refuse(callee, caller.invite(number))
    assert (callee.accepted, invite.link is link) == ((0, True) if alias else (1, False))


@pytest.mark.case("TCP over IPv6", "TCP")
def test_a_call_over_ipv6_and_tcp(door, tcp, number, sides):
    door(over_tcp)
    calling, called = sides
    caller, callee = (tcp.at(side, address=side.address6, door=side.door6) for side in sides)
    near, far, *_ = set_up(caller, callee, V6 + number[3:])
    assert far.first.get("via").startswith(f"SIP/2.0/TCP [{called.door6}]:5060;")
    assert f"[{calling.door6}]:5060;transport=tcp" in near.first.get("contact")
    end_call(near, far)


def test_sipp_calls_over_tcp(door, tmp_path):
    """Another implementation's TCP: SIPp's own scenarios, one connection a side for all calls."""
    door(over_tcp)
    uas = netns.popen(netns.CARRIER, ["sipp", "-sn", "uas", "-t", "t1", "-i", CARRIER_A, "-p", "5060", "-nostdin", "-m", "40"],
                      cwd=tmp_path)
    try:
        time.sleep(0.5)
        done = netns.run(PUB, ["sipp", "-sn", "uac", "-t", "t1", "-i", PUB4, "-p", "5060", "-nostdin", "-m", "40", "-r", "20",
                               "-d", "300", "-s", "+44201", "-timeout", "20", f"{ACCESS4}:5060"], cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-1500:]
    finally:
        netns.stop_process(uas)


def test_after_all_that_the_law_holds(door, tcp, number):
    door(over_tcp)
    near, far, *_ = set_up(*map(tcp.at, BOTH), number)
    end_call(near, far)
    _, samples = metrics.rest()
    for port in ("access", "core"):
        assert verdicts.law_holds("x", {port: metrics.law(samples)[port]}).ok


# ---- TCP on the caller's leg alone

@pytest.mark.case("TCP on the caller's leg, UDP on the callee's", "TCP")
@pytest.mark.parametrize("by_caller", [True, False])
def test_tcp_on_the_caller_s_leg(door, ends, tcp, number, sides, by_caller):
    door()
    calling, called = sides
    near, far, *_ = set_up(tcp.at(calling), ends.at(called), number)
    assert "SIP/2.0/UDP" in far.first.get("via") and f"{calling.door}:5060;transport=tcp" in near.first.get("contact")
    end_call(near, far, by_caller)


def cut(caller):
    """His connection ends, and Sallyport has seen it."""
    before = metrics.total(metrics.scrape(), "stream_connections")
    caller.links.pop().close()
    deadline = time.monotonic() + 4
    while metrics.total(metrics.scrape(), "stream_connections") >= before:
        assert time.monotonic() < deadline, "the connection is still counted"
        time.sleep(0.05)


@pytest.mark.case("a broken connection: the answer comes on a new one", "TCP")
def test_the_answer_after_a_broken_connection_comes_on_a_new_one(door, ends, tcp, number, sides):
    """RFC 3261 18.2.2: to the source's address, at the sent-by port."""
    door()
    calling, called = sides
    caller, callee = tcp.at(calling), ends.at(called)
    caller.invite(number)
    invite = callee.expect("INVITE")
    caller.expect(100, skip=())
    cut(caller)
    callee.reply(invite, 486, "Busy Here")
    callee.expect("ACK")
    final = caller.expect(486)
    assert caller.accepted == 1 and final.sport not in (0, 5060)


@pytest.mark.case("a broken connection: requests of the dialog reach the caller", "TCP")
def test_a_request_inside_the_dialog_reaches_a_caller_whose_connection_broke(door, ends, tcp, number, sides):
    door()
    calling, called = sides
    caller, callee = tcp.at(calling), ends.at(called)
    near, far, *_ = set_up(caller, callee, number)
    cut(caller)
    far.send("BYE")
    near.hear_bye()
    callee.expect(200, call_id=far.call_id)
    assert caller.accepted == 1


# ---- the stream itself

@pytest.mark.case("framing: many messages in a segment, one in many segments", "TCP")
def test_many_messages_in_one_segment_and_one_in_many(door, tcp, side):
    door()
    link = tcp.link(side)
    ids = [ua.token() for _ in range(20)]
    link.send("".join(options(one) for one in ids))
    assert [link.message().call_id for _ in ids] == ids
    text = options(ids[0] + "x").encode()
    for at in range(0, len(text), 11):
        link.send(text[at:at + 11])
        time.sleep(0.005)
    final = link.message()
    assert final.code == 200 and final.call_id == ids[0] + "x"


@pytest.mark.case("keep-alive (RFC 5626 CRLF)", "TCP")
def test_a_ping_gets_a_pong(door, tcp, side):
    door()
    link = tcp.link(side)
    link.send("\r\n\r\n")
    assert link.until(lambda: link.pongs == 1) and not link.heard
    assert answered(link)


@pytest.mark.case("silent connections are closed", "TCP", directions="each port")
def test_a_silent_connection_is_closed_and_one_of_use_is_not(door, tcp):
    """Ten seconds, for both ports at once."""
    door()
    silent, useful, slow = (list(map(tcp.link, BOTH)) for _ in range(3))
    assert all(map(answered, useful))
    for link in slow:
        link.send(options()[:40])
    assert all(link.closes(13) for link in silent) and all(link.closes(3) for link in slow)
    assert all(map(answered, useful))


@pytest.mark.case("a far end that reads nothing is closed", "TCP", directions="each port")
def test_a_far_end_that_reads_nothing_is_closed_and_no_one_else_waits(door, tcp):
    """Its answers fill its window, our kernel's buffer and our queue: it is left when that is full, or after ten seconds."""
    door()
    pairs = [(tcp.link(side), tcp.link(side)) for side in BOTH]
    before = metrics.total(metrics.scrape(), "stream_closed_total", reason="slow_reader")
    deadline = time.monotonic() + 40
    while metrics.total(metrics.scrape(), "stream_closed_total", reason="slow_reader") < before + len(pairs):
        assert time.monotonic() < deadline, "the deaf ones stay"
        for deaf, other in pairs:
            deaf.sock.settimeout(0.1)
            try:
                deaf.send("".join(options() for _ in range(400)))
            except OSError:
                time.sleep(0.1)
            assert answered(other)


# ---- limits

def few(config):
    """Three connections of a source, four of a peer, which has two sources, and five in all."""
    def change(peer, side):
        peer["limits"] = {"connections": 4, "connections_per_source": 3}
        peer["match"].append(side.second)
    each_peer(change)(config)
    config["controlplane"]["max_connections"] = 5


@pytest.fixture
def counted(door):
    """With few connections, and none from the test before."""
    door(few)
    deadline = time.monotonic() + 4
    while there := metrics.total(metrics.scrape(), "stream_connections"):
        assert time.monotonic() < deadline, f"{there} connections are still there"
        time.sleep(0.05)


def lets_in(tcp, side, source=None):
    """Whether one more connection is kept. The reset of one that is not may come while we still connect."""
    try:
        link = tcp.link(side, source)
        link.send(options())
        return link.until(lambda: link.heard or link.ended, 2) and bool(link.heard)
    except OSError:
        return False


def turned_away(reason):
    return metrics.total(metrics.scrape(), "stream_closed_total", reason=reason)


@pytest.mark.case("limits per source", "TCP")
def test_connections_of_one_source_are_limited(counted, tcp, side):
    before = turned_away("source_limit")
    links = [tcp.link(side) for _ in range(3)]
    assert answered(links[2])
    assert not lets_in(tcp, side) and turned_away("source_limit") == before + 1
    links[0].close()
    deadline = time.monotonic() + 4
    while not (let_in := lets_in(tcp, side)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert let_in


@pytest.fixture
def second_source(side):
    with netns.address(side.ns, side.second) as one:
        yield one


@pytest.mark.case("limit of a peer", "TCP")
def test_connections_of_one_peer_are_limited_over_its_sources(counted, side, second_source, tcp):
    before = turned_away("peer_limit")
    links = [tcp.link(side, source) for source in (side.address, side.address, second_source, second_source)]
    assert all(map(answered, links))
    assert not lets_in(tcp, side, second_source) and turned_away("peer_limit") == before + 1
    assert all(map(answered, links))


@pytest.mark.case("limit of the process", "TCP")
def test_connections_of_all_are_limited(counted, tcp, side):
    before = turned_away("process_limit")
    other = next(one for one in BOTH if one is not side)
    links = [*(tcp.link(side) for _ in range(3)), *(tcp.link(other) for _ in range(2))]
    assert all(map(answered, links))
    assert not lets_in(tcp, other) and turned_away("process_limit") == before + 1
    assert all(map(answered, links))


# ---- probes, and who is no peer

def probing(config):
    """Both peers are probed over TCP; each is known by one address of its network."""
    def change(peer, side):
        peer.update(targets=[f"sip:{side.address}:5060;transport=tcp"], probe="1s", match=[side.address])
    each_peer(change)(config)


def dropping(config):
    probing(config)
    for realm in config["realms"].values():
        realm["unknown_source"] = "drop"


@pytest.mark.case("OPTIONS to a target over TCP", "TCP", directions="each port")
def test_options_probe_a_target_over_tcp(door, tcp):
    door(probing)
    ends = [tcp.at(side) for side in BOTH]
    for one, side in zip(ends, BOTH):
        while len(one.heard) < 2:
            assert one.receive(1.5) is None and one.heard, "no probe came"
        assert {m.start for m in one.heard} == {f"OPTIONS sip:{side.address}:5060;transport=tcp SIP/2.0"}
        assert one.accepted == 1, "each on the same connection"


@pytest.fixture
def stranger(side):
    """A host of that network that is no peer."""
    with netns.address(side.ns, side.stranger) as one:
        yield one


@pytest.mark.case("an unknown source", "TCP")
def test_an_unknown_source_is_told_403_and_left(door, side, stranger, tcp):
    door(probing)
    link = tcp.link(side, stranger)
    link.send(options() + options())
    assert link.message().code == 403
    assert link.closes(3) and not link.heard


@pytest.mark.case("an unknown source, where the realm drops such", "TCP")
def test_an_unknown_source_hears_nothing_where_the_realm_drops(door, side, stranger, tcp):
    door(dropping)
    try:
        link = tcp.link(side, stranger)
        link.send(options())
    except OSError:
        return
    assert link.closes(2) and not link.heard

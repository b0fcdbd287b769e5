# SPDX-License-Identifier: Apache-2.0
"""SIP over TCP on the wire: calls over it on either leg and on both, framing, keep-alive, reuse, limits, what is too large
for a datagram, answers after a broken connection. Torture messages: test_torture.py."""
import time

import pytest
from lab_fixtures import set_up, talk

from harness import metrics, netns, stream, ua, verdicts
from harness.netns import ACCESS4, CARRIER, CARRIER_A, CORE4, PUB, PUB4


def carrier_over_tcp(config):
    config["peers"]["carrier-a"]["targets"] = ["sip:192.0.2.10:5060;transport=tcp"]


def office_over_tcp(config):
    config["peers"]["office"]["targets"] = ["sip:198.51.100.20:5060;transport=tcp"]


def both_over_tcp(config):
    carrier_over_tcp(config)
    office_over_tcp(config)


@pytest.fixture
def tcp():
    """Endpoints over TCP that are closed after the test."""
    made = []

    class Ends:
        def pub(self, port=5060, address=PUB4, **kwargs):
            made.append(stream.StreamEndpoint(PUB, address, port, **kwargs))
            return made[-1]

        def carrier(self, address=CARRIER_A, port=5060, **kwargs):
            made.append(stream.StreamEndpoint(CARRIER, address, port, **kwargs))
            return made[-1]

        def link(self, ns=PUB, door=ACCESS4, source=None):
            made.append(stream.connect(ns, door, source))
            return made[-1]

    yield Ends()
    for one in made:
        one.close()


def options(call_id=None, host=ACCESS4, more=(), body="", via=None, method="OPTIONS"):
    lines = [f"{method} sip:{host} SIP/2.0", via or f"Via: SIP/2.0/TCP {PUB4}:5060;branch=z9hG4bK{ua.token()}",
             f"From: <sip:a@{PUB4}>;tag=1", f"To: <sip:{host}>", f"Call-ID: {call_id or ua.token()}", f"CSeq: 1 {method}",
             "Max-Forwards: 70", *more, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def end_call(near, far, by_caller=True):
    if by_caller:
        near.send("BYE")
        far.hear_bye()
        near.endpoint.expect(200, call_id=near.call_id)
    else:
        far.send("BYE")
        near.hear_bye()
        far.endpoint.expect(200, call_id=far.call_id)


# ---- calls

@pytest.mark.case("a call over TCP on both legs, one connection a leg; BYE of either side", "TCP", directions="caller to carrier")
@pytest.mark.parametrize("by_caller", [True, False])
def test_a_call_over_tcp_on_both_legs(door, tcp, number, by_caller):
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    invite = far.first
    assert invite.get("via").startswith(f"SIP/2.0/TCP {CORE4}:5060;branch=z9hG4bK")
    assert f"{CORE4}:5060;transport=tcp" in invite.get("contact")
    assert f"{ACCESS4}:5060;transport=tcp" in near.first.get("contact")
    assert PUB4 not in invite.raw.decode()
    end_call(near, far, by_caller)
    assert len(pub.links) == 1 and carrier.accepted == 1, "one connection a leg, for everything"


@pytest.mark.case("a call over TCP on both legs from the carrier", "TCP", directions="carrier to caller")
def test_a_call_from_the_carrier_over_tcp(door, tcp, number):
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    near, far, *_ = set_up(carrier, pub, number)
    end_call(near, far, by_caller=False)


@pytest.mark.case("UDP on one leg, TCP on the other, either way round", "TCP", directions="caller to carrier")
@pytest.mark.parametrize("by_caller", [True, False])
@pytest.mark.parametrize("caller", ["udp", "tcp"])
def test_udp_on_one_leg_and_tcp_on_the_other(door, ends, tcp, number, caller, by_caller):
    door(carrier_over_tcp if caller == "udp" else None)
    pub = ends.pub() if caller == "udp" else tcp.pub()
    carrier = tcp.carrier() if caller == "udp" else ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    assert ("TCP" if caller == "udp" else "UDP") in far.first.get("via")
    end_call(near, far, by_caller)


@pytest.mark.case("media while signalling is over TCP", "TCP", directions="caller to carrier")
def test_media_flows_while_signalling_is_over_tcp(door, ends, tcp, number):
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    a, b = ends.media(PUB, PUB4), ends.media(CARRIER, CARRIER_A)
    near, far, to_a, to_b = set_up(pub, carrier, number, a.port, b.port)
    talk(a, to_a, b, to_b)
    end_call(near, far)
    assert len(a.seqs(b.ssrc)) > 40 and len(b.seqs(a.ssrc)) > 40


@pytest.mark.case("the pinhole is open before the INVITE leaves", "TCP", directions="caller to carrier")
def test_early_media_of_the_first_packet_finds_its_pinhole(door, ends, tcp, number):
    """Decision 4 over TCP: the flows are open before the INVITE leaves, so a packet sent on its arrival is relayed."""
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    a, b = ends.media(PUB, PUB4), ends.media(CARRIER, CARRIER_A)
    call = pub.invite(number, ua.sdp(PUB4, a.port))
    invite = carrier.expect("INVITE")
    before = metrics.rest()[1]
    b.send_one(to=invite.media())
    time.sleep(0.3)
    after = metrics.law(metrics.rest()[1], before)
    assert "no_flow" not in " ".join(k for k, v in after["core"]["drops"].items() if v), after
    carrier.reply(invite, 486, "Busy Here")
    carrier.expect("ACK")
    call.refused()


@pytest.mark.case("CANCEL", "TCP", directions="caller to carrier")
def test_cancel_over_tcp(door, tcp, number):
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    call = pub.invite(number)
    invite = carrier.expect("INVITE")
    tag = carrier.reply(invite, 180, "Ringing")
    call.expect(180)
    call.cancel()
    cancel = carrier.expect("CANCEL")
    carrier.reply(cancel, 200, "OK", tag=tag)
    carrier.reply(invite, 487, "Request Terminated", tag=tag)
    carrier.expect("ACK")
    assert call.refused(codes=(487,), skip=(100, 180, 200)).code == 487


@pytest.mark.case("nothing is retransmitted", "TCP", directions="caller to carrier")
def test_nothing_is_retransmitted_over_tcp(door, tcp, number):
    """RFC 3261 17.1.1.2: timers A and E are for unreliable transports."""
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    call = pub.invite(number)
    invite = carrier.expect("INVITE")
    carrier.silent(1.5)
    carrier.reply(invite, 486, "Busy Here")
    carrier.expect("ACK")
    call.refused()


@pytest.mark.case("nobody listens: the next target at once", "TCP", directions="caller to carrier")
def test_nobody_listens_and_the_next_target_is_tried_at_once(door, ends, number):
    door(carrier_over_tcp)
    pub, second = ends.pub(), ends.carrier(netns.CARRIER_B)
    begun = time.monotonic()
    call = pub.invite(number)
    invite = second.expect("INVITE", timeout=3)
    assert time.monotonic() - begun < 2
    second.reply(invite, 486, "Busy Here")
    second.expect("ACK")
    call.refused()
    door.stop()  # carrier-a may count as down for a while


# ---- what is too large for a datagram

def two_transports(config):
    config["peers"]["carrier-a"]["targets"] = ["sip:192.0.2.10:5060", "sip:192.0.2.10:5060;transport=tcp"]


FILLER = "".join(f"a=x-lab-{n}:{'v' * 90}\r\n" for n in range(14))


@pytest.mark.case("above 1300 bytes: by TCP where the peer has it", "TCP", directions="caller to carrier")
def test_a_large_request_goes_by_tcp_where_the_peer_has_it(door, ends, tcp, number):
    door(two_transports)
    pub, small, large = ends.pub(), ends.carrier(), tcp.carrier()
    call = pub.invite(number, ua.sdp(PUB4, 6000, extra=FILLER))
    invite = large.expect("INVITE")
    assert len(invite.raw) > 1300 and "SIP/2.0/TCP" in invite.get("via")
    large.reply(invite, 486, "Busy Here")
    large.expect("ACK")
    call.refused()
    small.silent(0.2)
    call = pub.invite(number)
    invite = small.expect("INVITE")
    assert "SIP/2.0/UDP" in invite.get("via")
    small.reply(invite, 486, "Busy Here")
    small.expect("ACK")
    call.refused()


@pytest.mark.case("above 1300 bytes: by UDP where nobody takes it by TCP", "TCP", directions="caller to carrier")
def test_a_large_request_goes_by_udp_all_the_same_when_nobody_takes_it_by_tcp(door, ends, number):
    door(two_transports)
    pub, small = ends.pub(), ends.carrier()
    call = pub.invite(number, ua.sdp(PUB4, 6000, extra=FILLER))
    invite = small.expect("INVITE", timeout=3)
    assert len(invite.raw) > 1300 and "SIP/2.0/UDP" in invite.get("via")
    small.reply(invite, 486, "Busy Here")
    small.expect("ACK")
    call.refused()


# ---- the stream itself

@pytest.mark.case("framing: many messages in a segment, one in many segments", "TCP")
def test_many_messages_in_one_segment_and_one_in_many(door, tcp):
    door()
    link = tcp.link()
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
def test_a_ping_gets_a_pong(door, tcp):
    door()
    link = tcp.link()
    link.send("\r\n\r\n")
    assert link.until(lambda: link.pongs == 1) and not link.heard
    link.send(options())
    assert link.message().code == 200


@pytest.mark.case("silent connections are closed", "TCP")
def test_a_silent_connection_is_closed_and_one_of_use_is_not(door, tcp):
    door()
    silent, useful, slow = tcp.link(), tcp.link(), tcp.link()
    useful.send(options())
    assert useful.message().code == 200
    slow.send(options()[:40])
    assert silent.closes(13) and slow.closes(3)
    useful.send(options())
    assert useful.message().code == 200


def lets_in(tcp):
    """Whether one more connection is kept. The reset of one that is not may come while we still connect."""
    try:
        link = tcp.link()
        link.send(options())
        return link.until(lambda: link.heard or link.ended, 2) and bool(link.heard)
    except OSError:
        return False


@pytest.mark.case("limits per source", "TCP")
def test_connections_of_one_source_are_limited(door, tcp):
    door(lambda config: config["peers"]["office"].update(limits={"connections_per_source": 3}))
    links = [tcp.link() for _ in range(3)]
    links[2].send(options())
    assert links[2].message().code == 200
    assert not lets_in(tcp)
    links[0].close()
    deadline = time.monotonic() + 4
    while not (let_in := lets_in(tcp)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert let_in


@pytest.mark.case("limit of a peer", "TCP")
def test_connections_of_one_peer_are_limited_over_its_sources(door, tcp):
    door(lambda config: config["peers"]["office"].update(limits={"connections": 2}))
    netns.run(PUB, ["ip", "addr", "add", "198.51.100.21/24", "dev", "eth0"], check=True)
    try:
        links = [tcp.link(source=(PUB4, 0)), tcp.link(source=("198.51.100.21", 0))]
        for link in links:
            link.send(options())
            assert link.message().code == 200
        assert not lets_in(tcp)
        for link in links:
            link.send(options())
            assert link.message().code == 200
    finally:
        netns.run(PUB, ["ip", "addr", "del", "198.51.100.21/24", "dev", "eth0"])


@pytest.mark.case("limit of the process", "TCP")
def test_connections_of_all_are_limited(door, tcp):
    door(lambda config: config["controlplane"].update(max_connections=2))
    links = [tcp.link(), tcp.link(CARRIER, CORE4)]
    links[0].send(options())
    assert links[0].message().code == 200
    assert not lets_in(tcp)
    links[1].send(options(host=CORE4))
    assert links[1].message().code == 200


@pytest.mark.case("a far end that reads nothing is closed", "TCP")
def test_a_far_end_that_reads_nothing_is_closed_and_no_one_else_waits(door, tcp):
    """Its answers fill its window, our kernel's buffer and our queue: it is left when that is full, or after ten seconds."""
    door()
    deaf, other = tcp.link(), tcp.link()
    deaf.sock.settimeout(0.2)
    before = metrics.total(metrics.scrape(), "stream_closed_total", reason="slow_reader")
    deadline = time.monotonic() + 40
    while metrics.total(metrics.scrape(), "stream_closed_total", reason="slow_reader") == before:
        assert time.monotonic() < deadline, "the deaf one stays"
        try:
            deaf.send("".join(options() for _ in range(400)))
        except OSError:
            time.sleep(0.2)
        other.send(options())
        assert other.message().code == 200


@pytest.mark.case("connection reuse (RFC 5923)", "TCP")
@pytest.mark.parametrize("alias", [True, False])
def test_a_request_comes_back_on_a_connection_that_was_named_an_alias(door, tcp, number, alias):
    """RFC 5923: the office has said on its connection that it may be reached there; without that it is called anew."""
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    link = pub.open()
    link.send(options(via=f"Via: SIP/2.0/TCP {PUB4}:5060;branch=z9hG4bK{ua.token()}{';alias' if alias else ''}"))
    assert link.message().code == 200
    call = carrier.invite(number)
    invite = pub.expect("INVITE")
    assert (pub.accepted, invite.link is link) == ((0, True) if alias else (1, False))
    pub.reply(invite, 486, "Busy Here")
    pub.expect("ACK")
    call.refused()


@pytest.mark.case("TCP over IPv6", "TCP")
def test_a_call_over_ipv6_and_tcp(door, tcp, number):
    def by_v6(config):
        config["peers"]["carrier-a"]["targets"] = [f"sip:[{netns.CARRIER6}]:5060;transport=tcp"]
    door(by_v6)
    pub = tcp.pub(address=netns.PUB6, door=netns.ACCESS6)
    carrier = tcp.carrier(netns.CARRIER6, door=netns.CORE6)
    near, far, *_ = set_up(pub, carrier, number)
    assert far.first.get("via").startswith(f"SIP/2.0/TCP [{netns.CORE6}]:5060;")
    end_call(near, far)


@pytest.mark.case("OPTIONS to a target over TCP", "TCP")
def test_options_probe_a_target_over_tcp(door, tcp):
    def probing(config):
        carrier_over_tcp(config)
        config["peers"]["carrier-a"]["probe"] = "1s"
    door(probing)
    carrier = tcp.carrier()
    carrier.receive(3.5)
    probes = [message for message in carrier.heard if message.method == "OPTIONS"]
    assert len(probes) >= 2 and carrier.accepted == 1, "each on the same connection"
    assert probes[0].start == "OPTIONS sip:192.0.2.10:5060;transport=tcp SIP/2.0"


@pytest.fixture
def stranger(door, request):
    door(getattr(request, "param", None))
    netns.run(CARRIER, ["ip", "addr", "add", "192.0.2.99/24", "dev", "eth0"], check=True)
    yield ("192.0.2.99", 0)
    netns.run(CARRIER, ["ip", "addr", "del", "192.0.2.99/24", "dev", "eth0"])


@pytest.mark.case("an unknown source", "TCP")
def test_an_unknown_source_is_told_403_and_left(stranger, tcp):
    link = tcp.link(CARRIER, CORE4, stranger)
    link.send(options(host=CORE4) + options(host=CORE4))
    assert link.message().code == 403
    assert link.closes(3) and not link.heard


@pytest.mark.parametrize("stranger", [lambda config: config["realms"]["core"].update(unknown_source="drop")], indirect=True)
def test_an_unknown_source_hears_nothing_where_the_realm_drops(stranger, tcp):
    try:
        link = tcp.link(CARRIER, CORE4, stranger)
        link.send(options(host=CORE4))
    except OSError:
        return
    assert link.closes(2) and not link.heard


@pytest.mark.case("a broken connection: the answer comes on a new one", "TCP", directions="caller to carrier")
def test_the_answer_after_a_broken_connection_comes_on_a_new_one(door, ends, tcp, number):
    """RFC 3261 18.2.2: to the source's address, at the sent-by port."""
    door()
    pub, carrier = tcp.pub(), ends.carrier()
    pub.invite(number)
    invite = carrier.expect("INVITE")
    pub.expect(100, skip=())
    pub.links[0].close()
    pub.links.clear()
    time.sleep(0.3)
    carrier.reply(invite, 486, "Busy Here")
    carrier.expect("ACK")
    final = pub.expect(486)
    assert pub.accepted == 1 and final.sport not in (0, 5060)


@pytest.mark.case("a broken connection: requests of the dialog reach the caller", "TCP", directions="caller to carrier")
def test_a_request_inside_the_dialog_reaches_a_caller_whose_connection_broke(door, ends, tcp, number):
    door()
    pub, carrier = tcp.pub(), ends.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    pub.links[0].close()
    pub.links.clear()
    time.sleep(0.3)
    far.send("BYE")
    near.hear_bye()
    carrier.expect(200, call_id=far.call_id)
    assert pub.accepted == 1


def test_sipp_calls_over_tcp(door, tmp_path):
    """Another implementation's TCP: SIPp's own scenarios, one connection a side for all calls."""
    door(carrier_over_tcp)
    uas = netns.popen(CARRIER, ["sipp", "-sn", "uas", "-t", "t1", "-i", CARRIER_A, "-p", "5060", "-nostdin", "-m", "40"],
                      cwd=tmp_path)
    try:
        time.sleep(0.5)
        done = netns.run(PUB, ["sipp", "-sn", "uac", "-t", "t1", "-i", PUB4, "-p", "5060", "-nostdin", "-m", "40", "-r", "20",
                               "-d", "300", "-s", "+44201", "-timeout", "20", f"{ACCESS4}:5060"], cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-1500:]
    finally:
        netns.stop_process(uas)


def test_after_all_that_the_law_holds(door, tcp, number):
    door(both_over_tcp)
    pub, carrier = tcp.pub(), tcp.carrier()
    near, far, *_ = set_up(pub, carrier, number)
    end_call(near, far)
    _, samples = metrics.rest()
    for port in ("access", "core"):
        assert verdicts.law_holds("x", {port: metrics.law(samples)[port]}).ok

# SPDX-License-Identifier: Apache-2.0
"""Media through the door: pinholes and latches, a stopped shard, private addresses, the idle end."""
import time

import pytest
from lab_fixtures import set_up, talk

from harness import metrics, netns, threads, ua
from harness.netns import ACCESS4, ACCESS6, CARRIER, CARRIER6, CARRIER_A, CORE4, CORE6, PUB, PUB4, PUB6, UA, UA4


def talk_both(ends, near_ns, near_address, caller, callee, number):
    """An answered call with media flowing both ways."""
    a, b = ends.media(near_ns, near_address), ends.media(CARRIER, CARRIER_A)
    near, far, to_a, to_b = set_up(caller, callee, number, a.port, b.port)
    a.talk(to_a)
    b.talk(to_b)
    return near, far, a, b


def missing(sender, receiver, since=0):
    """What arrived nowhere between the first and the last sequence number heard (after `since`)."""
    heard = [s for s in receiver.seqs(sender.ssrc) if s >= since]
    assert heard, "nothing was heard"
    return sorted(set(range(heard[0], heard[-1] + 1)) - set(heard))


def test_a_shard_may_stop_and_media_goes_on(door, ends, number):
    lab = door()
    near, far, a, b = talk_both(ends, PUB, PUB4, pub := ends.pub(), ends.carrier(), number)
    time.sleep(0.5)
    shards = threads.find(lab.pid, "shard-0")
    assert len(shards) == 1, "no thread is named shard-0"
    with threads.stopped(lab.pid, shards[0]):
        before = len(a.heard), len(b.heard)
        end = time.monotonic() + 3
        while time.monotonic() < end:  # load while it stands still: new calls that nobody answers yet
            pub.invite(f"+44{ua.token()}")
            time.sleep(0.005)
        moved = len(a.heard) - before[0], len(b.heard) - before[1]
        assert min(moved) > 120, f"only {moved} packets in 3 s while the shard stood still"
    time.sleep(0.5)
    a.quiet()
    b.quiet()
    time.sleep(0.2)
    assert missing(a, b) == [] and missing(b, a) == []
    assert max(b.seqs(a.ssrc)) == a.sent - 1 and max(a.seqs(b.ssrc)) == b.sent - 1
    near.send("BYE")
    far.hear_bye(timeout=6, skip=(100, "INVITE", "CANCEL"))
    door.stop()  # the calls of the load are still there


def test_requests_in_the_dialog_go_to_the_nat_and_not_to_the_contact(door, ends, number):
    door()
    inside, carrier = ends.inside(5071), ends.carrier()
    near, far, *_ = set_up(inside, carrier, number)
    far.send("INVITE", ua.sdp(CARRIER_A, 7002))
    again = inside.expect("INVITE", call_id=near.call_id)
    inside.reply(again, 200, "OK", ua.sdp(UA4, 6000))
    carrier.expect(200, skip=(100,))
    far.ack()
    inside.expect("ACK")
    near.send("BYE")
    far.hear_bye()


def test_a_latch_locks_to_the_first_good_source(door, ends, number):
    door()
    caller, carrier = ends.inside(5072), ends.carrier()
    near, far, a, b = talk_both(ends, UA, UA4, caller, carrier, number)
    time.sleep(0.4)
    thief = ends.media(PUB, PUB4)
    heard = len(b.heard)
    for _ in range(10):
        thief.send_one(to=a.to)
    time.sleep(0.5)
    assert thief.heard == [], "media went to a source that failed the check"
    assert b.seqs(thief.ssrc) == [], "a stranger's media was relayed"
    assert len(b.heard) > heard and missing(b, a) == []
    near.send("BYE")
    far.hear_bye()


def test_a_strict_flow_takes_the_signalled_address_only(door, ends, number):
    door()
    near, far, a, b = talk_both(ends, PUB, PUB4, ends.pub(), ends.carrier(), number)
    thief = ends.media(CARRIER, netns.CARRIER_B)
    thief.send_one(to=b.to)
    time.sleep(0.3)
    assert a.seqs(thief.ssrc) == [] and thief.heard == []
    assert missing(a, b) == [] and missing(b, a) == []
    near.send("BYE")
    far.hear_bye()


def meets(ends, number, near_address, far_address):
    """A call between addresses of any family: each side sees its own family only, and hears the other."""
    near_door, far_door = (ACCESS6 if ":" in near_address else ACCESS4), (CORE6 if ":" in far_address else CORE4)
    pub = ends.pub(address=near_address, door=near_door)
    carrier = ends.carrier(address=far_address, door=far_door)
    a, b = ends.media(PUB, near_address), ends.media(CARRIER, far_address)
    near, far, to_a, to_b = set_up(pub, carrier, number, a.port, b.port)
    assert (to_a[0], to_b[0]) == (near_door, far_door)
    talk(a, to_a, b, to_b, 0.4)
    time.sleep(0.1)
    assert a.sources == {(near_door, to_a[1])} and b.sources == {(far_door, to_b[1])}
    assert missing(a, b) == [] and missing(b, a) == [] and min(len(a.heard), len(b.heard)) > 10
    assert near.bye()
    far.hear_bye()
    for end in (pub, carrier, a, b):
        end.close()


def test_either_family_meets_either(door, ends, number):
    door()
    meets(ends, number, PUB4, CARRIER_A)
    meets(ends, number, PUB6, CARRIER_A)
    door(lambda config: config["peers"]["carrier-a"].update(targets=[f"sip:[{CARRIER6}]:5060"]))
    meets(ends, number, PUB4, CARRIER6)
    meets(ends, number, PUB6, CARRIER6)


def test_rtcp_is_relayed(door, ends, number):
    door()
    a_rtp = ends.media(PUB, PUB4, 6200)
    b_rtp, b_rtcp = ends.media(CARRIER, CARRIER_A, 7200), ends.media(CARRIER, CARRIER_A, 7201)
    a_rtcp = ends.media(PUB, PUB4, 6201)
    near, far, to_a, to_b = set_up(ends.pub(), ends.carrier(), number, a_rtp.port, b_rtp.port)
    for one, other, to in ((a_rtcp, b_rtcp, to_a), (b_rtcp, a_rtcp, to_b)):
        for _ in range(5):  # payload type 72 with the marker bit is 200, a sender report
            one.sock.sendto(b"\x80\xc8\x00\x06" + one.ssrc.to_bytes(4, "big") + bytes(20), (to[0], to[1] + 1))
        time.sleep(0.3)
        assert len(other.heard) == 5
    near.send("BYE")
    far.hear_bye()
    assert b_rtp.heard == []


NAT_FORGETS_S = 6


def impatient(config):
    for realm in config["realms"].values():
        realm["media"]["idle_timeout"] = "2s"
    config["realms"]["access"]["nat_keepalive"] = "2s"


@pytest.fixture
def forgetful_nat(lab):
    """The NAT forgets an idle UDP mapping after that time."""
    lab.command("nat-timeout", NAT_FORGETS_S, NAT_FORGETS_S)
    yield
    lab.command("nat-timeout", 30, 120)


def test_the_pinhole_of_a_nat_stays_open(door, ends, number, wire, forgetful_nat):
    """A call that is silent in signalling for more than twice as long as the NAT remembers; then BYE from the carrier reaches the
    caller."""
    door(impatient)
    carrier = ends.carrier()
    inside = ends.inside(5070)
    captures = wire(carrier=(CARRIER, "eth0"), nat=(netns.NAT, "wan0"))
    near, far, a, b = talk_both(ends, UA, UA4, inside, carrier, number)
    inside.silent(2.5 * NAT_FORGETS_S)  # answers the keep-alives, hears nothing else
    far.send("BYE")
    near.hear_bye(timeout=5)
    carrier.expect(200)
    a.quiet()
    b.quiet()
    captures.stop()
    assert missing(a, b) == [] and missing(b, a) == []
    assert {source[0] for source in a.sources} == {ACCESS4} and {source[0] for source in b.sources} == {CORE4}
    quiet = [p.ts for p in captures.packets("nat") if p.src == ACCESS4 and p.proto == 17 and p.sport == 5060]
    assert max((y - x for x, y in zip(quiet, quiet[1:])), default=99) < NAT_FORGETS_S
    leaks = [p for p in captures.packets("carrier") if b"10.20.0." in p.payload]
    assert not leaks


def test_silence_ends_the_call_on_both_legs_and_media_without_rtcp_is_none(door, ends, number, watches):
    door(impatient)
    seen, since = watches[PUB], watches[PUB].mark()
    near, far, a, b = talk_both(ends, PUB, PUB4, pub := ends.pub(), ends.carrier(), number)
    pub.silent(5, skip=(100,))  # which waited for our ARP, where the 200 found it answered
    assert missing(a, b) == [] and missing(b, a) == [] and b.seqs(a.ssrc)[-1] > 200
    a.quiet()
    b.quiet()
    bye = near.hear_bye(timeout=8)
    far.hear_bye(timeout=3)
    seen.until(lambda p: p.payload == bye.raw)
    packets = seen.udp(since)
    ended = next(at for at, p in enumerate(packets) if p.payload == bye.raw)
    heard = max(p.ts for p in packets[:ended] if (p.src, p.sport) == (PUB4, a.port))
    assert packets[ended].ts - heard > 1.9, "not before idle_timeout, by the capture"


def test_media_flows_and_calls_are_gone_after_the_call(door, ends, number):
    from harness import metrics
    door()
    near, far, a, b = talk_both(ends, PUB, PUB4, ends.pub(), ends.carrier(), number)
    time.sleep(0.3)
    assert metrics.total(metrics.scrape(), "calls_active") == 1
    near.bye()
    far.hear_bye()
    a.quiet()
    b.quiet()
    time.sleep(1.5)
    samples = metrics.scrape()
    assert metrics.total(samples, "calls_active") == 0 and metrics.total(samples, "media_flows_active") == 0


# -- private_media: INTERFACES.md's rules, for offers

def mode(value):
    return lambda config: config["peers"]["office"].update(private_media=value)


@pytest.mark.parametrize("wanted,address,show,outcome", [
    ("auto", "10.77.1.1", PUB4, 488),            # private, and no evidence of a NAT
    ("auto", "192.168.7.7", PUB4, 488),
    ("auto", "172.20.1.1", PUB4, 488),
    ("auto", "100.80.1.1", PUB4, 488),           # RFC 6598
    ("auto", "169.254.3.3", PUB4, 488),          # RFC 3927
    ("auto", "10.77.1.1", "10.77.1.1", "goes"),  # Via and Contact are private, the source is not: far-end NAT
    ("auto", PUB4, PUB4, "goes"),
    ("auto", "0.0.0.0", PUB4, "goes"),           # hold
    ("reject", "10.77.1.1", "10.77.1.1", 488),
    ("latch", "10.77.1.1", PUB4, "goes"),
    ("latch", "127.0.0.1", PUB4, 488),           # refused whatever the mode
    ("trust", "10.77.1.1", PUB4, "goes"),
    ("trust", "224.1.1.1", PUB4, 488),
    ("trust", "255.255.255.255", PUB4, 488),
    ("trust", "media.example.org", PUB4, 488),
    ("trust", ACCESS4, PUB4, 488),               # our own address, no open port of ours
])
def test_private_media_of_an_offer(door, ends, number, wanted, address, show, outcome):
    door(mode(wanted))
    pub, carrier = ends.pub(show=show), ends.carrier()
    call = pub.invite(number, ua.sdp(PUB4, 6000).replace(PUB4, address))
    if outcome == "goes":
        invite = carrier.expect("INVITE")
        assert invite.media()[0] in (CORE4, "0.0.0.0")
        carrier.reply(invite, 486, "Busy Here")
        carrier.expect("ACK")
        assert call.refused().code == 486
    else:
        final = call.refused()
        assert final.code == outcome and final.get("warning")
        if address.startswith(("10.", "192.168.", "172.", "100.", "169.254.")):  # private; others have an error of their own
            assert final.phrase == "Private IP Address" and final.get("warning").startswith("301 ")
        carrier.silent(0.3)


def test_a_stream_with_port_0_is_not_judged(door, ends, number):
    door(mode("auto"))
    pub, carrier = ends.pub(), ends.carrier()
    body = ua.sdp(PUB4, 6000) + "m=video 0 RTP/AVP 31\r\nc=IN IP4 10.77.1.1\r\n"
    call = pub.invite(number, body)
    invite = carrier.expect("INVITE")
    assert "m=video 0 " in invite.body and "10.77.1.1" not in invite.body
    carrier.reply(invite, 486, "Busy Here")
    call.refused()


def test_a_refused_answer_is_acknowledged_and_ended(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    far = carrier.answer(carrier.expect("INVITE"), address="10.9.9.9")
    carrier.expect("ACK")
    far.hear_bye()
    assert call.refused().code >= 400


def test_a_trusted_private_answer_goes_on(door, ends, number):
    door()
    pub, carrier = ends.pub(), ends.carrier()
    call = pub.invite(number)
    far = carrier.answer(carrier.expect("INVITE"), address="172.16.5.5")
    final, near = call.established()
    assert final.media()[0] == ACCESS4
    near.send("BYE")
    far.hear_bye(skip=("ACK", 100))


def test_a_refused_reinvite_leaves_the_call_as_it_was(door, ends, number):
    door(mode("auto"))
    near, far, a, b = talk_both(ends, PUB, PUB4, pub := ends.pub(), ends.carrier(), number)
    time.sleep(0.2)
    near.send("INVITE", ua.sdp(PUB4, 6000).replace(PUB4, "10.77.1.1"))
    assert pub.expect(488, call_id=near.call_id)
    near.ack()
    time.sleep(0.5)
    assert missing(a, b) == [] and missing(b, a) == [] and b.sent > 20
    near.send("BYE")
    far.hear_bye()


@pytest.fixture
def media_host():
    """A host of the core network that speaks RTP alone: nobody has ever sent it SIP."""
    address = "192.0.2.20"
    netns.run(CARRIER, ["ip", "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
    try:
        yield address
    finally:
        netns.run(CARRIER, ["sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=0"])
        netns.run(CARRIER, ["ip", "addr", "del", f"{address}/24", "dev", "eth0"])


def call_to_media_host(ends, number, media_host):
    pub, carrier = ends.pub(), ends.carrier()
    a, b = ends.media(PUB, PUB4), ends.media(CARRIER, media_host)
    call = pub.invite(number, ua.sdp(PUB4, a.port))
    far = carrier.answer(carrier.expect("INVITE"), b.port, address=media_host)
    final, near = call.established()
    carrier.expect("ACK")
    return near, far, a, b, final.media()


def hears(media, count, seconds=3.0):
    deadline = time.monotonic() + seconds
    while len(media.heard) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return media.seqs()


def test_the_first_packet_arrives_at_a_media_host_that_is_not_the_sip_host(door, ends, number, media_host):
    door.stop()
    door()  # its kernel knows no neighbour yet
    near, far, a, b, to = call_to_media_host(ends, number, media_host)
    a.send_one(to=to)
    assert hears(b, 1) == [0]
    near.send("BYE")
    far.hear_bye()


def test_first_packets_wait_for_a_media_host_that_is_slow_to_answer_arp(door, ends, number, media_host):
    door.stop()
    door()
    netns.run(CARRIER, ["sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=8"], check=True)  # it answers no ARP at all
    # SIP has to go on: our side learns the carrier's own address from its ping.
    netns.run(CARRIER, ["ip", "neigh", "del", CORE4, "dev", "eth0"])
    netns.run(CARRIER, ["ping", "-c", "1", "-W", "2", "-I", CARRIER_A, CORE4], check=True)
    near, far, a, b, to = call_to_media_host(ends, number, media_host)
    before = metrics.total(metrics.scrape(), "dataplane_drops_total", reason="no_neighbour")
    for _ in range(5):
        a.send_one(to=to)
    assert hears(b, 1, 0.2) == [], "its address is known already: the test proves nothing"
    netns.run(CARRIER, ["ip", "neigh", "del", CORE4, "dev", "eth0"], check=True)
    netns.run(CARRIER, ["ping", "-c", "1", "-W", "2", "-I", media_host, CORE4], check=True)
    assert hears(b, 5) == [0, 1, 2, 3, 4]
    assert metrics.total(metrics.scrape(), "dataplane_drops_total", reason="no_neighbour") == before
    near.send("BYE")
    far.hear_bye()

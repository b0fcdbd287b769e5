# SPDX-License-Identifier: Apache-2.0
"""RTP bleed and injection. Two calls, one from a public caller and one from behind a NAT, while strangers spray every media
port on both sides: while it rings, in the midst, on hold, during a re-INVITE, after it, and after the BYE. Judged by what
was on the wires: the strangers hear nothing, nothing of theirs goes on, and each of their packets is a drop with a name."""
import itertools
import struct
import time

import pytest

from harness import metrics, netns, ua
from harness.netns import ACCESS4, CARRIER, CARRIER_A, CARRIER_B, CORE4, NAT, NAT_OUTSIDE, PUB, PUB4, UA, UA4
from harness.watch import Watch

FIRST, LAST = 20000, 20063  # all media ports: each is sprayed with everything, at each stage
STRANGER = "198.51.100.66"
MARK = b"not of this call"
# What ends media: nothing of a stranger's may end by another name.
NAMES = {"port_closed", "flow_source", "flow_latching", "flow_no_remote", "flow_direction", "flow_payload_type",
         "flow_not_rtp", "flow_keep_alive", "flow_police"}


def few_ports(config):
    for realm in config["realms"].values():
        realm["media"]["ports"] = f"{FIRST}-{LAST}"


def rtp(seq, ssrc, payload_type=8):
    return struct.pack("!BBHII", 0x80, payload_type, seq & 0xFFFF, seq * 160 & 0xFFFFFFFF, ssrc) + MARK * 10


def rtcp(ssrc):
    """A sender report and an application packet that bears the mark."""
    return (struct.pack("!BBHI", 0x80, 200, 6, ssrc) + bytes(20) +
            struct.pack("!BBHI", 0x80, 204, 2 + len(MARK) // 4, ssrc) + b"mark" + MARK)


class Strangers:
    """Sockets that no call knows, on both sides of the door."""

    def __init__(self, ssrcs):
        self.ssrcs = ssrcs  # of the calls' own media, which they have guessed
        self.sent = {"access": 0, "core": 0}
        self.seq = itertools.count(1, 16)
        places = [("access", PUB, STRANGER), ("access", PUB, PUB4), ("access", NAT, NAT_OUTSIDE), ("core", CARRIER, CARRIER_B),
                  ("core", CARRIER, CARRIER_A)]
        self.socks = [(port, netns.udp_socket(ns, address)) for port, ns, address in places]
        self.endpoints = {sock.getsockname()[:2] for _, sock in self.socks}

    def spray(self):
        """Every media port from every place: RTP in sequence, RTP and RTCP of each call's own SSRC, RTP of a type that nobody
        agreed, a keep-alive, STUN."""
        seq = next(self.seq)
        packets = [rtp(seq, 0x0BAD0BAD), rtp(seq + 1, 0x0BAD0BAD), rtp(seq + 2, 0x0BAD0BAD), rtp(seq, 0x0BAD0BAD, 99), b"",
                   b"\x00\x01\x00\x00\x21\x12\xa4\x42" + MARK[:12]]
        for ssrc in self.ssrcs:
            packets += [rtp(seq + n, ssrc) for n in range(3)] + [rtcp(ssrc)]
        for port, sock in self.socks:
            door = ACCESS4 if port == "access" else CORE4
            for to in range(FIRST, LAST + 1):
                for packet in packets:
                    sock.sendto(packet, (door, to))
                self.sent[port] += len(packets)
                time.sleep(0.0002)  # the rings are for calls, not for this many at once

    def heard(self):
        got = 0
        for _, sock in self.socks:
            sock.setblocking(False)
            try:
                while True:
                    sock.recv(2048)
                    got += 1
            except BlockingIOError:
                pass
        return got

    def close(self):
        for _, sock in self.socks:
            sock.close()


@pytest.fixture
def stranger_host():
    netns.run(PUB, ["ip", "addr", "add", f"{STRANGER}/24", "dev", "eth0"], check=True)
    yield
    netns.run(PUB, ["ip", "addr", "del", f"{STRANGER}/24", "dev", "eth0"])


class Side:
    """One party's RTP and RTCP ports."""

    def __init__(self, ends, ns, address):
        self.rtp = ends.media(ns, address)
        while self.rtp.port % 2 or not self._above(ends, ns, address):
            self.rtp = ends.media(ns, address)

    def _above(self, ends, ns, address):
        try:
            self.control = ends.media(ns, address, self.rtp.port + 1)
        except OSError:
            return False
        return True

    def talk(self, to):
        self.to = to
        self.rtp.talk(to)

    def report(self):
        head = struct.pack("!BBHI", 0x80, 200, 6, self.rtp.ssrc)
        self.control.sock.sendto(head + bytes(20), (self.to[0], self.to[1] + 1))


def hears_more(side, count=5, seconds=3.0):
    """True once `count` packets more have come."""
    begun, deadline = len(side.rtp.heard), time.monotonic() + seconds
    while len(side.rtp.heard) < begun + count and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(side.rtp.heard) >= begun + count


def talk(near, to_near, far, to_far):
    """Both talk: who is called only when he hears the caller, since a latch of the caller's has no way to him before."""
    near.talk(to_near)
    assert hears_more(far, 1)
    far.talk(to_far)


def both_hear(*sides):
    assert all(hears_more(side) for side in sides), [len(side.rtp.heard) for side in sides]


def change(caller, carrier, near, far, near_sdp, far_sdp, before_answer=lambda: None):
    """A re-INVITE of the caller; returns where each side is to send from then on."""
    near.send("INVITE", near_sdp)
    again = carrier.expect("INVITE", call_id=far.call_id)
    before_answer()
    carrier.reply(again, 200, "OK", far_sdp)
    final = caller.expect(200, call_id=near.call_id)
    near.ack()
    carrier.expect("ACK", call_id=far.call_id)
    return final.media(), again.media()


def test_nothing_bleeds_and_nothing_is_injected(door, ends, number, stranger_host):
    door(few_ports)
    pub, inside, carrier = ends.pub(), ends.inside(5080), ends.carrier()
    callers = {pub: Side(ends, PUB, PUB4), inside: Side(ends, UA, UA4)}
    callees = {pub: Side(ends, CARRIER, CARRIER_A), inside: Side(ends, CARRIER, CARRIER_A)}
    sides = [*callers.values(), *callees.values()]
    strangers = Strangers([side.rtp.ssrc for side in sides])
    watches = {"access": Watch(PUB), "inside": Watch(UA), "nat": Watch(NAT, "wan0"), "core": Watch(CARRIER)}
    try:
        _, before = metrics.rest()
        calls, invites = {}, {}
        for caller in callers:
            calls[caller] = caller.invite(f"+44{int(ua.token()[-6:], 16):09d}", ua.sdp(caller.show, callers[caller].rtp.port))
            invites[caller] = carrier.expect("INVITE")
        strangers.spray()  # while it rings

        dialogs = {}
        for caller, call in calls.items():
            far = carrier.answer(invites[caller], callees[caller].rtp.port)
            final, near = call.established()
            carrier.expect("ACK", call_id=invites[caller].call_id)
            dialogs[caller] = (near, far)
            talk(callers[caller], final.media(), callees[caller], invites[caller].media())
        both_hear(*sides)
        for side in sides:
            side.report()
            time.sleep(0.05)  # one after the other, as above
        assert all(side.control.heard for side in sides), "RTCP did not cross"
        strangers.spray()  # in the midst
        both_hear(*sides)

        for caller, (near, far) in dialogs.items():
            callers[caller].rtp.quiet()
            callees[caller].rtp.quiet()
            change(caller, carrier, near, far, ua.sdp(caller.show, callers[caller].rtp.port, direction="inactive"),
                   ua.sdp(CARRIER_A, callees[caller].rtp.port, direction="inactive"))
        strangers.spray()  # on hold

        moved = {pub: Side(ends, PUB, PUB4), inside: Side(ends, UA, UA4)}
        strangers.ssrcs += [side.rtp.ssrc for side in moved.values()]
        for caller, (near, far) in dialogs.items():
            # While the offer is open, nothing has changed.
            to_caller, to_carrier = change(caller, carrier, near, far, ua.sdp(caller.show, moved[caller].rtp.port),
                                           ua.sdp(CARRIER_A, callees[caller].rtp.port), strangers.spray)
            talk(moved[caller], to_caller, callees[caller], to_carrier)
            both_hear(moved[caller], callees[caller])
        strangers.spray()  # after it
        both_hear(*moved.values(), *callees.values())

        for side in (*moved.values(), *callees.values()):
            side.rtp.quiet()
        time.sleep(0.1)  # what is on its way arrives
        for near, far in dialogs.values():
            near.send("BYE")
            far.hear_bye(skip=(100, "ACK"))
            near.endpoint.expect(200, call_id=near.call_id)
        strangers.spray()  # its ports are closed
        _, after = metrics.rest()
    finally:
        heard = strangers.heard()
        strangers.close()
        for watch in watches.values():
            watch.close()

    assert heard == 0, "the strangers heard something"
    ours = (ACCESS4, CORE4)
    for name, watch in watches.items():
        sent = [p for p in watch.udp() if p.src in ours]
        assert sent, f"the capture of {name} shows nothing of Sallyport's"
        assert not [p for p in sent if (p.dst, p.dport) in strangers.endpoints], f"{name}: sent to a stranger"
        assert not [p for p in sent if MARK[:12] in p.payload], f"{name}: relayed for a stranger"
    law = metrics.law(after, before)
    for port, count in strangers.sent.items():
        row = law[port]
        assert row["accounted"] == row["received"] and row["missed"] == 0, row
        assert set(row["drops"]) <= NAMES, row
        assert sum(row["drops"].values()) == count, (port, count, row)

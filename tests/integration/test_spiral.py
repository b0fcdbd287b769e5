# SPDX-License-Identifier: Apache-2.0
"""A call that leaves Sallyport, comes back through a switch and goes out again with Sallyport's own media address in its SDP:
four legs, media from flow to flow inside, and an end that leaves nothing. The switch stands with the carrier, or with the office."""
import socket
import threading
import time

import pytest
from phones import ask
from sides import BOTH, OFFICE, TRUNK

from harness import metrics, netns, rtp, sip, ua

# A second peer at each host, beside the switch.
BESIDE = {OFFICE: ("desk", OFFICE.second), TRUNK: ("carrier-b", netns.CARRIER_B)}


def spiral(config):
    """Numbers of kind 1 to 3 go from the second peer of a side by a switch, and from there on."""
    config["controlplane"]["sip"] = {"t1": "100ms", "t2": "400ms", "t4": "500ms"}  # timers that end within a test
    config["peers"]["desk"] = {"realm": "access", "match": [OFFICE.second], "targets": [f"sip:{OFFICE.second}:5060"]}
    config["routes"] = []
    for side, other in zip(BOTH, BOTH[::-1]):
        second, far = BESIDE[side][0], BESIDE[other][0]
        config["routes"] += [
            {"from": far, "user": "+441*", "to": [side.peer]},      # from the other side to the switch of this one,
            {"from": side.peer, "user": "+441*", "to": [second]},   # and on to this side's second peer
            {"from": second, "user": "+442*", "to": [side.peer]},   # from this side's second peer to its switch,
            {"from": side.peer, "user": "+442*", "to": [far]},      # and on to the other side
            {"from": far, "user": "+443*", "to": [side.peer]},      # to the switch, for ever
            {"from": side.peer, "user": "+443*", "to": [side.peer]}]


def fresh(kind):
    """A number of that kind that no other call has."""
    return f"+44{kind}{int(ua.token()[-5:], 16):07d}"


@pytest.fixture
def second_hosts(lab):
    with netns.address(OFFICE.ns, OFFICE.second):
        yield


@pytest.fixture
def cast(second_hosts, sides, ends):
    """cast(kind): who calls and who is called, each the second peer of a side, and the side of the switch."""
    calling, called = sides

    def made(kind):
        caller, callee = (calling, called) if kind != 2 else (called, calling)
        return *(ends.at(side, address=BESIDE[side][1]) for side in (caller, callee)), called
    return made


def _lines(message):
    head, _, body = message.raw.decode().partition("\r\n\r\n")
    return head.split("\r\n"), body


class B2bua:
    """A switch that answers for one call and places another, with the session descriptions as they are."""

    def __init__(self, side):
        self.near = ua.Endpoint(side.ns, side.address)  # where Sallyport calls
        self.far = ua.Endpoint(side.ns, side.address, 5090)  # where it calls from
        self.media = []

    def carry(self, number):
        """Both halves of an answered call: (dialog towards the caller, dialog towards the callee)."""
        invite = self.near.expect("INVITE")
        call = self.far.invite(number, invite.body)
        call.expect(180, skip=(100,))
        self.near.reply(invite, 180, "Ringing", tag=(tag := ua.token()))
        final, out = call.established()
        self.near.reply(invite, 200, "OK", final.body, tag=tag)
        self.near.expect("ACK")
        self.media += [invite.media(), final.media()]
        into = ua.Dialog(self.near, invite.call_id, f"{invite.get('to')};tag={tag}", invite.get("from"),
                         sip_uri(invite.get("contact")), 100, invite)
        return into, out

    def close(self):
        self.near.close()
        self.far.close()


def sip_uri(contact):
    return contact[contact.index("<") + 1:contact.index(">")]


class Proxy:
    """A switch that sends requests from Sallyport back to it, to another number, and stays in their way (Record-Route)."""

    def __init__(self, side, number):
        self.side, self.number = side, number
        self.sock = netns.udp_socket(side.ns, side.address, 5060)
        self.seen, self._stop = [], False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        self.sock.settimeout(0.1)
        while not self._stop:
            try:
                raw, _ = self.sock.recvfrom(65535)
            except (TimeoutError, socket.timeout):
                continue
            message = sip.parse(raw, ts=time.time(), src="", sport=0, dst=self.side.address, dport=5060)
            if message:
                self.seen.append(message)
                self._forward(message)

    def _forward(self, message):
        lines, body = _lines(message)
        own = f"{self.side.address}:5060"
        if message.method:
            method, uri, version = lines[0].split(" ", 2)
            in_dialog = "tag=" in message.get("to")
            if not in_dialog:
                uri = f"sip:{self.number}@{self.side.door}:5060"
            more = [f"Via: SIP/2.0/UDP {own};branch={self._branch(message)}"]
            if method == "INVITE" and not in_dialog:
                more.append(f"Record-Route: <sip:{own};lr>")
            rest = [self._one_hop_less(line) for line in lines[1:] if not line.lower().startswith("route:")]
            lines = [f"{method} {uri} {version}", *more, *rest]
        else:  # its own Via comes off
            at = next(i for i, line in enumerate(lines) if line.lower().startswith("via:"))
            assert own in lines[at], lines[at]
            del lines[at]
        self.sock.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), (self.side.door, 5060))

    @staticmethod
    def _branch(message):
        """As a stateless proxy makes it (RFC 3261 16.11): the same for a request that comes again, and for its CANCEL."""
        via = message.get("via")
        return "z9hG4bKp" + via[via.index("branch=z9hG4bK") + 14:].split(";")[0]

    @staticmethod
    def _one_hop_less(line):
        name, _, value = line.partition(":")
        return f"{name}: {int(value) - 1}" if name.lower() == "max-forwards" else line

    def close(self):
        self._stop = True
        self.thread.join(2)
        self.sock.close()


def show(what):
    return ask(command="show", what=what)


def nothing_left(also_transactions=False):
    """No call, leg or flow; and no transaction, once the timers of the last ones have run."""
    deadline = time.monotonic() + 20
    while True:
        now = metrics.scrape()
        left = {"calls": show("calls")["total"], "flows": len(show("flows")["flows"]),
                "flows_active": metrics.total(now, "media_flows_active"),
                "calls_active": metrics.total(now, "calls_active"),
                "transactions": also_transactions and metrics.total(now, "sip_transactions_active")}
        if not any(left.values()):
            return
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def talk_and_compare(near, far, near_to, far_to, seconds=1.0):
    """RTP both ways; each end hears all that the other sends once the first packet has come through."""
    near.talk(near_to)
    far.talk(far_to)
    time.sleep(seconds)
    for one in (near, far):
        one.quiet()
    time.sleep(0.4)
    for speaker, hearer in ((near, far), (far, near)):
        heard = hearer.seqs(speaker.ssrc)
        assert heard, "nothing was heard"
        assert heard == list(range(heard[0], speaker.sent)), f"{len(heard)} of {speaker.sent} were heard"
        assert heard[0] <= 10


def switch_saw_no_media(packets, switch):
    """No RTP went to the switch or came from it, and none of Sallyport's own to itself on the wire."""
    paths = rtp.by_path(packets)
    assert paths, "the capture has no media at all"
    assert not [path for path in paths if switch.address in (path[0], path[2])], paths.keys()
    assert not [path for path in paths if path[0] == path[2] == switch.door], paths.keys()


def law_holds():
    assert all(row["unaccounted"] == 0 for row in show("drops")["law"]), show("drops")


@pytest.mark.case("out through a B2BUA that keeps our SDP and on to another peer there: media inside, four legs end", "Spiral", directions="both")
@pytest.mark.parametrize("ends_it", ["caller", "callee", "switch"])
def test_through_a_b2bua_and_on_to_another_peer(door, cast, ends, watches, ends_it):
    door(spiral)
    caller, callee, at = cast(1)
    seen, since = watches[at.ns], watches[at.ns].mark()
    switch = B2bua(at)
    number = fresh("1")
    near_media, far_media = (ends.media(one.ns, one.address) for one in (caller, callee))
    call = caller.invite(number, ua.sdp(caller.address, near_media.port))
    box = {}
    answering = threading.Thread(target=lambda: box.update(halves=switch.carry(number)))
    answering.start()
    try:
        invite = callee.expect("INVITE")
        far = callee.answer(invite, far_media.port, ring=True)
        final, near = call.established()
        callee.expect("ACK")
        answering.join(10)
        into, out = box["halves"]
        assert show("calls")["total"] == 2
        assert all(address == at.door for address, _ in switch.media), "both of its descriptions are ours"
        talk_and_compare(near_media, far_media, final.media(), invite.media())
        if ends_it == "caller":
            near.send("BYE")
            into.hear_bye()
            out.bye()
            far.hear_bye()
        elif ends_it == "callee":
            far.send("BYE")
            out.hear_bye()
            into.bye()
            near.hear_bye()
        else:
            into.bye()
            near.hear_bye()
            out.bye()
            far.hear_bye()
        nothing_left()
    finally:
        answering.join(10)
        switch.close()
    switch_saw_no_media(seen.udp(since), at)
    law_holds()


@pytest.mark.case("back through a proxy with one Call-ID: media inside, four legs end", "Spiral", directions="both")
@pytest.mark.parametrize("by_caller", [True, False])
def test_through_a_proxy_and_back_to_the_side_that_it_came_from(door, cast, ends, watches, by_caller):
    """One Call-ID and one pair of tags on both of the switch's sides: legs are told apart all the same."""
    door(spiral)
    number = fresh("2")
    caller, callee, at = cast(2)
    seen, since = watches[at.ns], watches[at.ns].mark()
    switch = Proxy(at, number)
    near_media, far_media = (ends.media(one.ns, one.address) for one in (caller, callee))
    try:
        call = caller.invite(number, ua.sdp(caller.address, near_media.port))
        invite = callee.expect("INVITE")
        far = callee.answer(invite, far_media.port, ring=True)
        final, near = call.established()
        callee.expect("ACK")
        assert show("calls")["total"] == 2
        talk_and_compare(near_media, far_media, final.media(), invite.media())
        first, last = (near, far) if by_caller else (far, near)
        first.send("BYE")
        last.hear_bye()
        first.endpoint.expect(200, call_id=first.call_id)
        nothing_left()
        assert [m.method for m in switch.seen if m.method in ("INVITE", "ACK", "BYE")].count("BYE") == 1
    finally:
        switch.close()
    switch_saw_no_media(seen.udp(since), at)
    law_holds()


@pytest.mark.case("refused and cancelled: nothing is left", "Spiral", directions="both")
def test_a_spiral_that_its_callee_refuses_or_its_caller_cancels_leaves_nothing(door, cast):
    door(spiral)
    number = fresh("2")
    caller, callee, at = cast(2)
    switch = Proxy(at, number)
    try:
        call = caller.invite(number, ua.sdp(caller.address, 6000))
        callee.reply(callee.expect("INVITE"), 486, "Busy Here")
        callee.expect("ACK")
        assert call.refused().code == 486
        call = caller.invite(number, ua.sdp(caller.address, 6000))
        callee.reply(invite := callee.expect("INVITE"), 180, "Ringing")
        call.expect(180)
        call.cancel()
        callee.reply(callee.expect("CANCEL"), 200, "OK")
        callee.reply(invite, 487, "Request Terminated")
        callee.expect("ACK")
        assert call.refused([487], skip=(100, 180, 200)).code == 487
        nothing_left()
    finally:
        switch.close()


@pytest.mark.case("a call sent back for ever: 483, nothing is left", "Spiral", directions="both")
def test_a_switch_that_sends_a_call_back_for_ever_is_stopped(door, cast):
    """Every turn is a call of its own, with one hop less: Max-Forwards ends it with 483, and nothing is left."""
    door(spiral)
    number = fresh("3")
    caller, _, at = cast(3)
    switch = Proxy(at, number)
    try:
        call = caller.invite(number, max_forwards=12)
        assert call.refused(timeout=10).code in (482, 483)
        nothing_left()
    finally:
        switch.close()


@pytest.mark.case("of all these no transaction is left once the timers have run", "Spiral", directions="both")
def test_no_transaction_is_left(door):
    door(spiral)
    nothing_left(also_transactions=True)

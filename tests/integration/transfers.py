# SPDX-License-Identifier: Apache-2.0
"""What tests of REFER and Replaces have in common: requests inside a dialog, what a transferor hears, and who is in which call."""
import re
import urllib.parse

import lab_fixtures
import pytest
from sides import TO_CARRIER

from harness import netns, ua
from harness.netns import ACCESS6, CARRIER, CARRIER_A, CARRIER_B, PUB, PUB4, PUB6

SIPFRAG = "message/sipfrag;version=2.0"


def spread(config, refer="follow"):
    """Two shards over two workers: AF_PACKET, since a veth has one queue for AF_XDP. A desk in the office beside its phone."""
    config["controlplane"]["shards"] = 2
    config["dataplane"].update(cores=[0, 1], memory="ordinary")
    for name, port in config["dataplane"]["ports"].items():
        port["device"] = f"net_af_packet,iface={name}0"
    config["peers"]["desk"] = {"realm": "access", "match": [f"{PUB6}/128"], "targets": [f"sip:[{PUB6}]:5060"]}
    for peer in ("office", "carrier-a", "desk"):
        config["peers"][peer]["refer"] = refer
    config["routes"] = [{"from": "carrier-a", "user": "0*", "to": ["desk"]},
                        {"from": "office", "user": "0*", "to": ["carrier-b"]}, *config["routes"]]


def home(media):
    """Where the call lives that has this (address, port) of ours: its shard and its worker. Pairs of ports are dealt to the
    shards in turn, and those of a shard to the workers (MediaRange in dataplane/api/contract.h)."""
    pair = (media[1] - 20000) // 2
    return pair % 2, pair // 2 % 2


def are_apart(one, other):
    """On two shards and on two workers."""
    return all(a != b for a, b in zip(home(one), home(other)))


def set_up(caller, callee, number, caller_media, callee_media):
    """An answered call, as lab_fixtures makes it, whose caller's ACK has been heard: another host's messages may come by another
    worker, and overtake it."""
    made = lab_fixtures.set_up(caller, callee, number, caller_media, callee_media)
    say(made[0], "OPTIONS")
    caller.expect(200, call_id=made[0].call_id)
    return made


def until(wanted, make, undo, tries=48):
    """What make() returns, made once more until it lives where it is wanted."""
    for _ in range(tries):
        made = make()
        if wanted(made):
            return made
        undo(made)
    pytest.fail(f"{tries} calls in a row elsewhere")


def naming(call_id, to_tag, from_tag):
    """A dialog, as Replaces does (RFC 3891 3)."""
    return f"{call_id};to-tag={to_tag};from-tag={from_tag}"


def dialog_of(dialog):
    """The same, of one that is up, as its far end knows it."""
    tags = [re.search(r"tag=([^;>\s]+)", value).group(1) for value in (dialog.remote, dialog.local)]
    return naming(dialog.call_id, *tags)


def escaped(value):
    return urllib.parse.quote(value, safe="")


def say(dialog, method, body="", content_type="text/plain", extra=()):
    """A request inside the dialog, with Contact and any body."""
    dialog.cseq += 1
    one = dialog.endpoint
    one.send(one.compose(f"{method} {dialog.target} SIP/2.0", [
        one.via(), f"From: {dialog.local}", f"To: {dialog.remote}", f"Call-ID: {dialog.call_id}",
        f"CSeq: {dialog.cseq} {method}", "Max-Forwards: 70", one.contact(), *extra], body, content_type))


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
    lab_fixtures.talk(one, to_one, other, to_other, seconds=0.6)
    assert len(one.seqs(other.ssrc)) > before[0] + 10 and len(other.seqs(one.ssrc)) > before[1] + 10


class Wire:
    """What both hosts have seen since a mark."""

    def __init__(self, watches):
        self.watches, self.marks = watches, {}
        self.mark()

    def mark(self):
        self.marks = {ns: one.mark() for ns, one in self.watches.items()}

    def carries(self, source, sink, at):
        """The RTP of one media socket that we have sent on: all of it to the other, from where that one was told to send to."""
        ssrc = source.ssrc.to_bytes(4, "big")
        found = [p for ns, one in self.watches.items() for p in one.udp(self.marks[ns])
                 if p.src in netns.REALM_ADDRESSES and p.payload[0] == 0x80 and p.payload[8:12] == ssrc]
        assert len(found) > 10 and {(p.src, p.sport, p.dst, p.dport) for p in found} == {(*at, sink.address, sink.port)}

    def spares(self, *sinks):
        """Nothing of ours goes to these."""
        found = [p for ns, one in self.watches.items() for p in one.udp(self.marks[ns]) if p.src in netns.REALM_ADDRESSES]
        assert not {(p.dst, p.dport) for p in found} & {(one.address, one.port) for one in sinks}


def hear_on_the_wire(watches, one, to_one, other, to_other, gone=()):
    """Two hear each other, through one call of ours, and who was in it before hears nothing."""
    assert home(to_one) == home(to_other)
    wire = Wire(watches)
    hear_each_other(one, to_one, other, to_other)
    wire.carries(one, other, to_other)
    wire.carries(other, one, to_one)
    wire.spares(*gone)


def hang_up(one, other):
    one.send("BYE")
    other.hear_bye()
    one.endpoint.expect(200, call_id=one.call_id)


@pytest.fixture
def pair(direction, ends):
    """(who asks, the other side), as endpoints."""
    pub, carrier = ends.pub(), ends.carrier()
    return (pub, carrier) if direction == TO_CARRIER else (carrier, pub)


@pytest.fixture
def parties(direction, ends):
    """(the transferor, who is transferred, the target, the target's media host)."""
    pub, carrier = ends.pub(), ends.carrier()
    if direction == TO_CARRIER:
        return pub, carrier, ends.carrier(address=CARRIER_B), (CARRIER, CARRIER_B), (CARRIER, CARRIER_A)
    return carrier, pub, ends.pub(address=PUB6, door=ACCESS6), (PUB, PUB6), (PUB, PUB4)



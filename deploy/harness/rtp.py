# SPDX-License-Identifier: Apache-2.0
"""RTP and RTCP as captured, and one direction of one call judged from both ends."""
import struct
import zlib
from dataclasses import dataclass, field

from .pcap import UDP


def is_rtp_or_rtcp(payload):
    """RFC 7983: the first byte 128..191."""
    return len(payload) >= 12 and 128 <= payload[0] <= 191


def is_rtcp(payload):
    """RFC 5761: packet types 192..223."""
    return len(payload) >= 8 and 128 <= payload[0] <= 191 and 192 <= payload[1] <= 223


def sender_report(ssrc, instant):
    """RFC 3550 6.4.1, without report blocks; `instant`: its NTP timestamp, 64 bits."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, instant, 0, 0, 0)


def receiver_report(ssrc, of, instant, held_s=0.0):
    """RFC 3550 6.4.2: what `ssrc` heard of `of`, whose last sender report had that instant and came `held_s` ago."""
    return struct.pack("!BBHIIIIIII", 0x81, 201, 7, ssrc, of, 0, 0, 0, instant >> 16 & 0xFFFFFFFF, int(held_s * 65536))


def by_path(packets):
    """(src, sport, dst, dport) -> [(ts, seq, ssrc, content)] of the RTP in a capture, in order."""
    paths = {}
    for p in packets:
        if p.proto == UDP and is_rtp_or_rtcp(p.payload) and not is_rtcp(p.payload):
            seq, _, ssrc = struct.unpack_from("!HII", p.payload, 2)
            paths.setdefault((p.src, p.sport, p.dst, p.dport), []).append(
                (p.ts, seq, ssrc, zlib.crc32(p.payload)))
    return paths


def count(packets):
    """(src, dst, ssrc) -> the set of sequence numbers, for RTP."""
    found = {}
    for (src, _, dst, _), rows in by_path(packets).items():
        for _, seq, ssrc, _ in rows:
            found.setdefault((src, dst, ssrc), set()).add(seq)
    return found


TO_CALLEE, TO_CALLER = "caller to callee", "callee to caller"


@dataclass
class Direction:
    """One direction of one call: what its sender's host sent, and what its receiver's host got."""
    name: str
    number: str
    sent: list = field(default_factory=list)      # keys in the order sent
    received: list = field(default_factory=list)  # keys in the order received
    before_pinhole: int = 0                       # sent before its sender had heard the first packet of the other way

    @property
    def before_latch(self):
        """How many were sent before the first one that was relayed."""
        got = set(self.received)
        return next((i for i, key in enumerate(self.sent) if key in got), len(self.sent))

    @property
    def lost_after_latch(self):
        got = set(self.received)
        return sum(key not in got for key in self.sent[self.before_latch:])

    @property
    def foreign(self):
        sent = set(self.sent)
        return sum(key not in sent for key in self.received)

    @property
    def doubled(self):
        return len(self.received) - len(set(self.received))


def _sent_before_heard(sent, heard):
    """How many of `sent` left a host before `heard` began there: until then it could not know that the way is open."""
    return len(sent) if not heard else sum(ts <= heard[0][0] for ts, *_ in sent)


def _keys(rows):
    return [(seq, ssrc, content) for _, seq, ssrc, content in rows]


def directions(caller_leg, callee_leg, caller_paths, callee_paths):
    """Both directions of an answered call, found by the addresses that the SDP of each leg agreed."""
    a_offer, a_answer, b_offer, b_answer = (caller_leg.offer(), caller_leg.answer(), callee_leg.offer(),
                                            callee_leg.answer())
    if None in (a_offer, a_answer, b_offer, b_answer):
        return []
    number = caller_leg.number
    caller_sent, caller_heard = caller_paths.get((*a_offer, *a_answer), []), caller_paths.get((*a_answer, *a_offer), [])
    callee_sent, callee_heard = callee_paths.get((*b_answer, *b_offer), []), callee_paths.get((*b_offer, *b_answer), [])
    return [
        Direction(TO_CALLEE, number, _keys(caller_sent), _keys(callee_heard), _sent_before_heard(caller_sent, caller_heard)),
        Direction(TO_CALLER, number, _keys(callee_sent), _keys(caller_heard), _sent_before_heard(callee_sent, callee_heard)),
    ]

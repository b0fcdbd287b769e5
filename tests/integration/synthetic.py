# SPDX-License-Identifier: Apache-2.0
"""Tiny captures of one call through an SBC, made of bytes, for the verdicts' own tests."""
import struct

from harness import rtp, sip, verdicts
from harness.pcap import ETH_IP4, UDP, Packet

CALLER, SBC_A, SBC_B, CALLEE, SECOND = "198.51.100.20", "198.51.100.1", "192.0.2.1", "192.0.2.10", "192.0.2.11"


def udp(src, sport, dst, dport, payload, ts=0.0):
    return Packet(ts, "02:00:00:00:00:01", "02:00:00:00:00:02", ETH_IP4, UDP, src, sport, dst, dport, payload, len(payload) + 42)


def rtp_packet(seq, ssrc=0xABCD, fill=b"\xd5"):
    return struct.pack("!BBHII", 0x80, 8, seq, 160 * seq, ssrc) + fill * 160


def sdp(owner, address, port):
    kind = "IP6" if ":" in address else "IP4"
    return f"v=0\r\no={owner} 1234 5678 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"


class Side:
    """One leg: our end is `a` (who sends the INVITE), theirs is `b`; ids are the leg's own."""

    def __init__(self, a, b, ident, number, agent_a, agent_b, media_a, media_b):
        self.a, self.b, self.ident, self.number = a, b, ident, number
        self.agent_a, self.agent_b, self.media_a, self.media_b = agent_a, agent_b, media_a, media_b
        self.packets, self.ts = [], 0.0

    def _headers(self, cseq, to_tag, agent):
        return (f"Via: SIP/2.0/UDP {self._host(self.a)}:5060;branch=z9hG4bK{self.ident}\r\nFrom: <sip:u@x.test>;tag=f{self.ident}\r\n"
                f"To: <sip:{self.number}@x.test>{to_tag}\r\nCall-ID: call-{self.ident}\r\nCSeq: {cseq}\r\n{agent}\r\n")

    @staticmethod
    def _host(address):
        return f"[{address}]" if ":" in address else address

    def request(self, method, from_b=False, cseq=1, body="", extra="Max-Forwards: 70"):
        src, dst = (self.b, self.a) if from_b else (self.a, self.b)
        tag = "" if method == "INVITE" else f";tag=t{self.ident}"
        if method == "INVITE":
            extra += (f"\r\nVia: SIP/2.0/UDP deep-{self.ident}.test:5060;branch=z9hG4bKdeep{self.ident}\r\n"
                      f"Record-Route: <sip:rr-{self.ident}.test;lr>\r\nContact: <sip:c-{self.ident}@{self._host(src)}>")
        agent = f"User-Agent: {self.agent_b if from_b else self.agent_a}\r\n{extra}"
        self._add(src, dst, f"{method} sip:{self.number}@{self._host(dst)} SIP/2.0\r\n", f"{cseq} {method}", tag, agent, body)

    def response(self, status, method="INVITE", from_a=False, cseq=1, body="", extra="X: y"):
        src, dst = (self.a, self.b) if from_a else (self.b, self.a)
        if method == "INVITE" and status.startswith("200"):
            extra += f"\r\nContact: <sip:d-{self.ident}@{self._host(self.b)}>\r\nRecord-Route: <sip:sr-{self.ident}.test;lr>"
        agent = f"Server: {self.agent_a if from_a else self.agent_b}\r\n{extra}"
        self._add(src, dst, f"SIP/2.0 {status}\r\n", f"{cseq} {method}", f";tag=t{self.ident}", agent, body)

    def _add(self, src, dst, start, cseq, tag, agent, body):
        self.ts += 0.01
        text = f"{start}{self._headers(cseq, tag, agent)}Content-Length: {len(body)}\r\n\r\n{body}"
        self.packets.append(udp(src, 5060, dst, 5060, text.encode(), self.ts))

    def media(self, from_b, seqs, **kwargs):
        (src, sport), (dst, dport) = (self.media_b, self.media_a) if from_b else (self.media_a, self.media_b)
        self.packets += [udp(src, sport, dst, dport, rtp_packet(s, **kwargs), self.ts + s / 50) for s in seqs]

    def offer(self):
        return sdp(f"o{self.agent_a}", *self.media_a)

    def answer(self):
        return sdp(f"o{self.agent_b}", *self.media_b)


class Call:
    """Both legs of one call; change it, then `batch()`."""

    def __init__(self, number="+441", caller=CALLER, sbc_a=SBC_A, sbc_b=SBC_B, callee=CALLEE, ident=""):
        self.number = number
        self.near = Side(caller, sbc_a, f"near{ident}{number}", number, "lab-caller", "door", (caller, 6000), (sbc_a, 20000))
        self.far = Side(sbc_b, callee, f"far{ident}{number}", number, "door", "lab-callee", (sbc_b, 30000), (callee, 7000))

    def sides(self):
        return self.near, self.far

    def invite(self):
        for side in self.sides():
            side.request("INVITE", body=side.offer())
            side.response("180 Ringing")
        return self

    def answered(self, hangs_up="caller", media=range(20), relayed=None, back=None):
        """relayed: of the caller's packets (media), those that arrive; back: of the callee's."""
        self.invite()
        for side in self.sides():
            side.response("200 OK", body=side.answer())
            side.request("ACK")
        relayed = media if relayed is None else relayed
        self.near.media(False, media)
        self.far.media(False, relayed)
        self.far.media(True, media, ssrc=0xEEEE)
        self.near.media(True, relayed if back is None else back, ssrc=0xEEEE)
        for side in self.sides():
            side.request("BYE", from_b=hangs_up == "callee", cseq=2)
            side.response("200 OK", "BYE", from_a=hangs_up == "callee", cseq=2)
        return self

    def refused(self, near, far=None, extra="X: y"):
        self.near.request("INVITE", body=self.near.offer())
        self.near.response(near, extra=extra)
        self.near.request("ACK")
        if far:
            self.far.request("INVITE", body=self.far.offer())
            self.far.response(far)
            self.far.request("ACK")
        return self


def batch(*calls, name="test"):
    """The Batch that the demo's own code makes of these calls' captures."""
    near = [p for call in calls for p in call.near.packets]
    far = [p for call in calls for p in call.far.packets]
    near_legs, far_legs = (sip.by_number(sip.legs(sip.messages(side))) for side in (near, far))
    numbers = list(dict.fromkeys(call.number for call in calls))
    found = verdicts.Batch(name, numbers, {n: near_legs.get(n, []) for n in numbers}, {n: far_legs.get(n, []) for n in numbers})
    for number in numbers:
        callee = next((leg for leg in found.callee[number] if leg.answered), None)
        if callee and found.caller_leg(number):
            found.directions += rtp.directions(found.caller_leg(number), callee, rtp.by_path(near), rtp.by_path(far))
    return found

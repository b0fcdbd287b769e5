# SPDX-License-Identifier: Apache-2.0
"""Two phones with Sallyport between them, for the cases of the matrix. A phone sends what its test says and keeps what it
hears until the test asks for it; what nobody asked for shows in the ladder, which is judged from the wire in the end."""
import itertools
import json
import os
import re
import socket
import struct
import time

import ladder
import pytest
from sides import TO_CARRIER, TO_OFFICE

from harness import netns, sip, ua, watch
from harness.netns import CARRIER, CARRIER_A, PUB, PUB4

# The ladder of a plain call's beginning and of its end, at either phone.
UP, UP_FAR = ">INVITE <100 <200 >ACK ", "<INVITE >200 <ACK "
END, END_FAR = " >BYE <200/BYE", " <BYE >200/BYE"
RELIABLE = ("Supported: 100rel", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK")

_FORMATS = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "18": "G729/8000", "97": "VP8/90000",
            "101": "telephone-event/8000"}
_ports = itertools.cycle(range(30000, 50000, 2))


def stream(kind, port, formats, way=""):
    maps = "".join(f"a=rtpmap:{one} {_FORMATS[one]}\r\n" for one in formats.split())
    return f"m={kind} {port} RTP/AVP {formats}\r\n{maps}" + (f"a={way}\r\n" if way else "")


def audio(port, formats="8 101", way=""):
    return stream("audio", port, formats, way)


def video(port, way=""):
    return stream("video", port, "97", way)


def targets(body):
    """[(address, port)] of the streams of a description."""
    head, *rest = re.split(r"^(?=m=)", body, flags=re.M)
    session = re.search(r"^c=IN IP4 (\S+)", head, re.M)
    found = []
    for one in rest:
        own = re.search(r"^c=IN IP4 (\S+)", one, re.M) or session
        found.append((own.group(1) if own else "", int(re.match(r"m=\w+ (\d+)", one).group(1))))
    return found


class Rtp:
    """A media socket that sends a few packets and hears them, on the test's own thread."""

    def __init__(self, ns, address):
        self.sock = self._even(ns, address)
        self.address, self.port = self.sock.getsockname()
        self.ssrc, self.sent, self.kind = int.from_bytes(os.urandom(4)), 0, 8

    @staticmethod
    def _even(ns, address):
        for port in _ports:
            try:
                return netns.udp_socket(ns, address, port)
            except OSError:
                continue

    def send(self, to, count=3):
        for _ in range(count):
            self.sock.sendto(struct.pack("!BBHII", 0x80, self.kind, self.sent, self.sent * 160, self.ssrc) + b"\xd5" * 160, to)
            self.sent += 1

    def hear(self, ssrc, count=3, timeout=2.0):
        """As many packets of that source, and from where they came."""
        sources, deadline = set(), time.monotonic() + timeout
        while count:
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, where = self.sock.recvfrom(2048)
            except TimeoutError:
                raise AssertionError(f"{self.address}:{self.port} misses {count} RTP packets") from None
            if struct.unpack_from("!I", data, 8)[0] == ssrc:
                sources.add(where)
                count -= 1
        return sources

    def nothing(self):
        self.sock.setblocking(False)
        try:
            data, where = self.sock.recvfrom(2048)
        except BlockingIOError:
            return
        raise AssertionError(f"{self.address}:{self.port} heard {len(data)} octets from {where}")

    def close(self):
        self.sock.close()


class Phone:
    """One side. Messages that it has heard wait in `inbox`."""

    def __init__(self, ns, address, name, end=None, port=5060):
        self.end = end or ua.Endpoint(ns, address, port, show=address)
        self.port = self.end.port
        self.ns, self.address, self.door, self.name = ns, address, self.end.door, name
        self.secret = ua.token()
        self.call_id, self.tag = f"{self.secret}i@{address}", f"{self.secret}t"
        self.local = self.remote = self.target = self.identity = ""  # identity: the URI of From, where it is not the usual one
        self.place = f"{self.secret}c"  # the user of its Contact
        self.cseq, self.version, self.said, self.inbox, self.invites, self.made = 0, 0, "", [], [], []
        self.invite = self.to = None
        self.routes = []
        self.rtp = self.media()

    def media(self, address=None):
        self.made.append(Rtp(self.ns, address or self.address))
        return self.made[-1]

    def close(self):
        self.end.close()
        for one in self.made:
            one.close()

    # -- descriptions

    def sdp(self, *lines, address=None):
        """A description of these m= sections (without: audio at its own socket), with a version that counts its changes."""
        body = "".join(lines) or audio(self.rtp.port)
        address = address or self.address
        if (address, body) != self.said:
            self.said, self.version = (address, body), self.version + 1
        return (f"v=0\r\no={self.secret}o 4711 {self.version} IN IP4 {self.address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{body}")

    # -- what it sends

    def via(self, branch=None):
        """It stands behind a proxy, as far as Sallyport can see: two Vias, two Record-Routes."""
        return [f"Via: SIP/2.0/UDP {self.address}:{self.port};branch={branch or 'z9hG4bK' + ua.token()}",
                f"Via: SIP/2.0/UDP 203.0.113.{7 if self.ns == PUB else 9}:5060;branch=z9hG4bK{self.secret}v"]

    def contact(self):
        return f"sip:{self.place}@{self.address}:{self.port}"

    def own(self):
        return [f"Contact: <{self.contact()}>", f"User-Agent: {self.secret}u", f"X-Lab: {self.secret}x"]

    def record_route(self):
        inner = f"<sip:203.0.113.{7 if self.ns == PUB else 9};lr;n={self.secret}>"
        return f"<sip:{self.address}:{self.port};lr;n=1>", inner

    def _send(self, start, headers, body, more=()):
        typed = next((h for h in more if h.lower().startswith("content-type:")), None)
        text = self.end.compose(start, [*headers, *(h for h in more if h is not typed)], body,
                                typed.partition(":")[2].strip() if typed else "application/sdp")
        self.end.send(text)
        return text

    def request(self, method, body="", more=(), cseq=None, branch=None):
        """Inside the dialog."""
        if cseq is None and method != "ACK":
            self.cseq += 1
        number = self.cseq if cseq is None else cseq
        headers = [*self.via(branch), f"From: {self.local}", f"To: {self.remote}", f"Call-ID: {self.call_id}",
                   f"CSeq: {number} {method}", "Max-Forwards: 70", *self.own()]
        return self._send(f"{method} {self.target} SIP/2.0", headers, body, more)

    def ack(self, cseq=None, body="", final=None):
        """Of a 2xx by itself, of a refusal (given) in its transaction."""
        if final is None:
            return self.request("ACK", body, cseq=cseq)
        headers = [*self.via(ladder.branch(final)), f"From: {final.get('from')}", f"To: {final.get('to')}",
                   f"Call-ID: {self.call_id}", f"CSeq: {final.cseq[0]} ACK", "Max-Forwards: 70"]
        return self._send(f"ACK {self.target} SIP/2.0", headers, "")

    def call(self, number, body=None, more=(), cseq=1, uri=None):
        """The INVITE that begins it, or one that begins it anew. uri: of the request and of To, instead of the number's."""
        self.local = f"<{self.identity or f'sip:lab@{self.address}'}>;tag={self.tag}"
        self.remote, self.target, self.cseq = f"<{uri or f'sip:{number}@{self.door}'}>", uri or f"sip:{number}@{self.door}:5060", cseq
        route = ", ".join(self.record_route())
        self.invite = self.request("INVITE", self.sdp() if body is None else body, (f"Record-Route: {route}", *more), cseq=cseq)
        return self.invite

    def cancel(self, invite=None, more=()):
        """CANCEL of that INVITE, as it was sent."""
        head = (invite or self.invite).partition("\r\n\r\n")[0].replace("INVITE", "CANCEL").split("\r\n")
        kept = [h for h in head[1:] if re.match(r"(?i)via|from|to|call-id|cseq|max-forwards|route", h)]
        vias = [h for h in kept if h.startswith("Via")]
        self._send(head[0], vias[:1] + [h for h in kept if not h.startswith("Via")], "", more)

    def reply(self, request, status, body="", more=(), tag=None):
        to = request.get("to")
        if "tag=" not in to:
            to += f";tag={tag or self.tag}"
        headers = [*(f"Via: {v}" for v in request.all("via")), f"From: {request.get('from')}", f"To: {to}",
                   f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}", *self.own()[status[0] == "3":]]
        if request.method == "INVITE" and "tag=" not in request.get("to"):
            headers.append(f"Record-Route: {', '.join(reversed(self.record_route()))}")
        return self._send(f"SIP/2.0 {status}", headers, body, more)

    # -- what it hears

    def _pull(self, timeout):
        message = self.end.receive(timeout)
        if message is None:
            return False
        # An INVITE that comes again on a busy machine is not the next one.
        if not any(m.raw == message.raw for m in (*self.inbox, *self.invites)):
            self.inbox.append(message)
            self.invites += [message] * (message.method == "INVITE")
        return True

    def expect(self, what, timeout=4.0, call_id=None):
        """The oldest message of that name (a ladder's, without its arrow) that was not asked for yet."""
        deadline = time.monotonic() + timeout
        while True:
            found = next((m for m in self.inbox if ladder.name(m)[1:] == what and (call_id or self.call_id) in ("", m.call_id)), None)
            if found:
                self.inbox.remove(found)
                return self._noted(found)
            if not self._pull(max(0.001, deadline - time.monotonic())) and time.monotonic() >= deadline:
                raise AssertionError(f"{self.name} heard no {what}; there is: {[ladder.name(m) for m in self.inbox]}")

    def _noted(self, m):
        if not self.call_id and m.method == "INVITE":
            self.call_id, self.remote = m.call_id, m.get("from")
            self.local, self.invite, self.cseq = f"{m.get('to')};tag={self.tag}", m, 100
        if m.code and m.tag("to"):
            self.remote = m.get("to") if m.tag("from") == self.tag else self.remote
        if m.get("contact") and m.code not in range(300, 700):
            self.target = ladder.uri(m.get("contact"))
        if targets(m.body):
            self.to = targets(m.body)
        return m

    def refused(self, timeout=4.0):
        """The final refusal of its INVITE, acknowledged."""
        deadline = time.monotonic() + timeout
        while not (found := [m for m in self.inbox if m.code >= 300 and m.cseq[1] == "INVITE" and m.call_id == self.call_id]):
            self._pull(max(0.001, deadline - time.monotonic()))
            assert time.monotonic() < deadline, f"{self.name} was not refused: {[ladder.name(m) for m in self.inbox]}"
        self.inbox.remove(found[0])
        self.ack(final=found[0])
        return found[0]

    def heard(self, what):
        while self._pull(0.001):
            pass
        return [m for m in self.inbox if ladder.name(m)[1:] == what]

    def forget(self):
        self.heard("")
        self.inbox.clear()

    def ping(self):
        """All that this side has sent is dealt with when the answer comes: one worker, one shard, in order."""
        call_id = ua.token()
        self._send(f"OPTIONS sip:{self.door} SIP/2.0", [
            self.via()[0], f"From: <sip:lab@{self.address}>;tag=1", f"To: <sip:{self.door}>", f"Call-ID: {call_id}",
            "CSeq: 1 OPTIONS", "Max-Forwards: 70"], "")
        self.expect("200/OPTIONS", call_id=call_id)
        return call_id


def ask(**request):
    """The running process, over its admin socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(netns.STATE / "admin.sock"))
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile() as lines:
            return json.loads(lines.readline())


def left():
    """Calls and flows that Sallyport has."""
    return [c["id"] for c in ask(command="show", what="calls")["calls"]], len(ask(command="show", what="flows")["flows"])


class Phones:
    def __init__(self, caller, callee, number, watches):
        self.caller, self.callee, self.number, self.watches = caller, callee, number, watches
        self.callee.call_id = ""
        self.marks, self.more = {ns: one.mark() for ns, one in watches.items()}, []

    # -- a call's parts

    def ring(self, body=None, more=()):
        """INVITE, as the callee has it."""
        self.caller.call(self.number, body, more)
        self.caller.expect("100")
        return self.callee.expect("INVITE")

    def ringing(self):
        """INVITE, and 180 at the caller."""
        self.ring()
        self.callee.reply(self.callee.invite, "180 Ringing")
        self.caller.expect("180")

    def cancel(self):
        """The caller gives up: 200 and 487 for him."""
        self.caller.cancel()
        self.caller.expect("200/CANCEL")
        self.caller.ack(final=self.caller.expect("487"))

    def up(self, more=(), answer_more=(), body=None, answer=None):
        """An answered call, with media both ways."""
        invite = self.ring(body, more)
        self.callee.reply(invite, "200 OK", self.callee.sdp() if answer is None else answer, answer_more)
        ok = self.caller.expect("200")
        self.caller.ack(1)
        self.callee.expect("ACK")
        self.caller.ping()  # his own ACK has been heard too: whoever changes the session now meets no INVITE
        return invite, ok

    def answer(self, body="", more=(), tag=None):
        """The 200 to the first INVITE, and its ACKs."""
        self.callee.reply(self.callee.invite, "200 OK", body, more, tag)
        ok = self.caller.expect("200")
        self.caller.ack(1)
        self.callee.expect("ACK")
        return ok

    def end(self, by=None):
        by = by or self.caller
        by.request("BYE")
        by.expect("200/BYE")
        other = self.other(by)
        other.reply(other.expect("BYE"), "200 OK")

    def other(self, phone):
        return self.callee if phone is self.caller else self.caller

    def second(self, port=5070):
        """One more phone beside the callee, that knows of no call yet."""
        self.more.append(Phone(self.callee.ns, self.callee.address, f"{self.callee.name}'s second", port=port))
        self.more[-1].call_id = ""
        return self.more[-1]

    # -- media

    def talk(self):
        """Both phones hear each other, from where they were told to send to."""
        for one, other in ((self.caller, self.callee), (self.callee, self.caller)):
            self.flow(one, other)

    def flow(self, one, other, source=None, sink=None, number=0):
        source, sink = source or one.rtp, sink or other.rtp
        source.send(one.to[number])
        assert sink.hear(source.ssrc) == {other.to[number]}

    def mute(self, one, other):
        """What one sends does not reach the other."""
        one.rtp.send(one.to[0])
        one.ping()
        other.rtp.nothing()

    # -- the judgement

    def leg(self, phone):
        messages = self.watches[phone.ns].sip(self.marks[phone.ns])
        return ladder.leg_of([m for m in messages if phone.address in (m.src, m.dst)], phone.call_id)

    def judge(self, near, far, rules=ladder.RULES):
        """Both wires: these ladders and no more, all that holds of every call, nothing leaked; and nothing is left inside."""
        self.sync()
        self.judge_leg(self.caller, near, rules)
        self.judge_leg(self.callee, far, rules)
        faults = ladder.leaks(self.leg(self.caller), self.leg(self.callee))
        assert not faults, "\n".join(faults)
        self.at_rest()

    def judge_leg(self, phone, wanted, rules=ladder.RULES):
        leg = self.leg(phone)
        faults = ladder.sequence(leg, wanted) + ladder.leg_faults(leg, rules)
        assert not faults, f"{phone.name}:\n" + "\n".join(faults)

    def sync(self):
        """All that was sent is dealt with, and the captures have seen what came of it."""
        for phone in (self.caller, self.callee):
            call_id = phone.ping()
            self.watches[phone.ns].until(lambda p: call_id.encode() in p.payload and p.dst == phone.address)

    def at_rest(self, timeout=3.0):
        deadline = time.monotonic() + timeout
        while (there := left()) != ([], 0):
            assert time.monotonic() < deadline, f"calls and flows are left: {there}"

    def after(self, phone, what, number=-1):
        """The packets that the phone's host sees after that message of ours."""
        self.sync()
        packets = self.watches[phone.ns].udp(self.marks[phone.ns])
        found = [i for i, p in enumerate(packets) for m in sip.messages([p]) if ladder.name(m) == what and m.call_id == phone.call_id]
        return packets[found[number] + 1:]

    def gap(self, phone, first, then):
        """Seconds from one message of the phone's leg to another, as its host's kernel has stamped them."""
        self.sync()
        stamps = {name: next(m.ts for m in self.leg(phone).messages if ladder.name(m) == name) for name in (first, then)}
        return stamps[then] - stamps[first]

    def tries(self, port, second):
        """How often an INVITE has come to that port of the called host before the second phone there had its own."""
        self.sync()
        invites = [m for m in self.watches[second.ns].sip(self.marks[second.ns]) if m.method == "INVITE" and m.dst == second.address]
        before = invites[:next(at for at, m in enumerate(invites) if m.dport == second.port)]
        return sum(m.dport == port for m in before)

    def silent_towards(self, rtp, phone, what):
        """No packet goes to that socket after the message of ours to the phone."""
        late = [p for p in self.after(phone, what) if (p.dst, p.dport) == (rtp.address, rtp.port)]
        assert not late, f"{len(late)} packets to {rtp.address}:{rtp.port} after {what}"


@pytest.fixture(scope="module")
def watches(lab):
    made = {ns: watch.Watch(ns) for ns in (PUB, CARRIER)}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture
def change(request):
    """What a test changes in the lab's configuration: @pytest.mark.config(change=function of its data)."""
    mark = request.node.get_closest_marker("config")
    return mark.kwargs["change"] if mark else None


@pytest.fixture
def phones(door, change, direction, watches, number):
    door(change)
    made = [Phone(PUB, PUB4, "the office"), Phone(CARRIER, CARRIER_A, "the carrier")]
    near, far = made if direction == TO_CARRIER else made[::-1]
    both = Phones(near, far, number, watches)
    yield both
    for one in (*made, *both.more):
        one.close()


@pytest.fixture(params=["by caller", "by callee"])
def asker(request, phones):
    """Either side of the call may ask for a change."""
    return phones.caller if request.param == "by caller" else phones.callee



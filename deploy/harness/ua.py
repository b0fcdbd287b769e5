# SPDX-License-Identifier: Apache-2.0
"""A hand-driven SIP endpoint and media socket in a lab host, for what SIPp's scenarios cannot vary: every header, every
byte, every silence is the test's own. It sends what it is told and keeps all that it hears."""
import itertools
import random
import re
import struct
import threading
import time

from . import netns, sip

_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S*)", re.I | re.M)
_unique = itertools.count(random.SystemRandom().randrange(1, 10**6))


def token():
    return f"{next(_unique):x}{random.SystemRandom().randrange(16**6):06x}"


def bracket(address):
    return f"[{address}]" if ":" in address else address


def sdp(address, port, owner="lab", extra="", media="audio", direction="sendrecv"):
    kind = "IP6" if ":" in address else "IP4"
    return (f"v=0\r\no={owner} 4711 4712 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n"
            f"m={media} {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n{extra}a={direction}\r\n")


class Timeout(AssertionError):
    pass


class Endpoint:
    transport, uri_param, scheme, door_port = "UDP", "", "sip", 5060

    def __init__(self, ns, address, port=5060, door=None, show=None):
        """door: where Sallyport is; show: the address that Via and Contact show (a NAT's inside, a lie)."""
        self.ns, self.address, self.port = ns, address, port
        self.door = door or {netns.PUB: netns.ACCESS4, netns.UA: netns.ACCESS4, netns.CARRIER: netns.CORE4}[ns]
        self.show = show or address
        self.sock = netns.udp_socket(ns, address, port)
        self.port = self.sock.getsockname()[1]
        self.heard, self.calls = [], set()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- bytes

    def send(self, data, to=None, port=5060):
        self.sock.sendto(self._noted(data), (to or self.door, port))

    def _noted(self, data):
        """The bytes; what call they belong to is known from now on."""
        data = data if isinstance(data, bytes) else data.encode()
        self.calls.update(one.decode("utf-8", "replace") for one in _CALL_ID.findall(data))
        return data

    def receive(self, timeout=2.0):
        """The next SIP message, or None. Keep-alives and the like are passed over."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                raw, where = self.sock.recvfrom(65535)
            except (TimeoutError, BlockingIOError):
                return None
            except ConnectionRefusedError:
                continue
            message = sip.parse(raw, ts=time.time(), src=where[0], sport=where[1], dst=self.address, dport=self.port)
            if message is None or self._left_over(message):
                continue
            self.heard.append(message)
            if message.method == "OPTIONS":
                self.reply(message, 200, "OK")
                continue
            return message
        return None

    def _left_over(self, message):
        """Does it belong to an endpoint that stood here before? Of a dialog or transaction that this one has no part in:
        a request gets 481, as from a host that was started again (RFC 3261 12.2.2), and ends so; nobody sees it."""
        if not message.call_id or message.call_id in self.calls:
            return False
        if message.is_request and not message.tag("to"):
            self.calls.add(message.call_id)
            return False
        if message.is_request and message.method != "ACK":
            self.reply(message, 481, "Call/Transaction Does Not Exist")
            self.calls.discard(message.call_id)
        return True

    def expect(self, what, timeout=4.0, skip=(100,), call_id=None):
        """The next message that is this method or code (or one of these); others than those in skip are a failure."""
        wanted = (what,) if isinstance(what, (str, int)) else tuple(what)
        named = f"{wanted[0]} to {wanted[-1]}" if len(wanted) > 8 else " or ".join(map(str, wanted))
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is None:
                break
            if call_id and message.call_id != call_id:
                continue
            kind = message.method or message.code
            if kind in wanted:
                return message
            if kind not in skip and not self._again(message):
                raise AssertionError(f"{self.address} heard {message.start!r}, not {named}")
        raise Timeout(f"{self.address} heard no {named} within {timeout} s")

    def _again(self, message):
        """Is it a retransmission of what was heard before?"""
        return any(m.raw == message.raw for m in self.heard[:-1])

    def silent(self, seconds, skip=()):
        """Asserts that nothing comes, but for what is in skip."""
        deadline = time.monotonic() + seconds
        while (message := self.receive(max(0.0, deadline - time.monotonic()))) is not None:
            assert (message.method or message.code) in skip, f"{self.address} heard {message.start!r}"

    # -- requests and responses

    def via(self, branch=None):
        return f"Via: SIP/2.0/{self.transport} {bracket(self.show)}:{self.port};branch={branch or 'z9hG4bK' + token()}"

    def contact(self, user="lab"):
        return f"Contact: <{self.scheme}:{user}@{bracket(self.show)}:{self.port}{self.uri_param}>"

    def request_uri(self, number):
        return f"{self.scheme}:{number}@{bracket(self.door)}:{self.door_port}"

    def compose(self, start, headers, body="", content_type="application/sdp"):
        lines = [start, *headers]
        if body:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body.encode())}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def invite(self, number, body=None, extra=(), max_forwards=70, call_id=None, from_user="lab", port=5060):
        call = Call(self, number, call_id or token())
        call.request = self.compose(f"INVITE {self.request_uri(number)} SIP/2.0", [
            self.via(call.branch),
            f"From: <sip:{from_user}@{bracket(self.show)}>;tag={call.tag}", f"To: <sip:{number}@{bracket(self.door)}>",
            f"Call-ID: {call.call_id}", "CSeq: 1 INVITE", f"Max-Forwards: {max_forwards}", self.contact(from_user),
            "User-Agent: lab-endpoint", *extra], body if body is not None else sdp(self.address, 6000))
        self.send(call.request, port=port)
        return call

    def reply(self, request, code, phrase, body="", tag=None, extra=(), contact=True):
        to = request.get("to")
        if code > 100 and "tag=" not in to:
            to += f";tag={tag or token()}"
        headers = [*(f"Via: {v}" for v in request.all("via")), f"From: {request.get('from')}", f"To: {to}",
                   f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}"]
        if contact and request.method == "INVITE" and code < 300:
            headers.append(self.contact())
        headers += ["Server: lab-endpoint", *extra]
        self.send(self.compose(f"SIP/2.0 {code} {phrase}", headers, body), request.src, request.sport)
        return re.search(r"tag=([^;\s]+)", to).group(1) if "tag=" in to else ""

    def answer(self, request, media_port=7000, address=None, ring=False, body=None):
        """180 if asked, and 200 with SDP; returns the callee's view of the dialog."""
        tag = token()
        if ring:
            self.reply(request, 180, "Ringing", tag=tag)
        self.reply(request, 200, "OK", body or sdp(address or self.address, media_port), tag=tag)
        return Dialog(self, request.call_id, f"{request.get('to')};tag={tag}", request.get("from"),
                      _uri(request.get("contact")), 100, request)


def _uri(header):
    found = re.search(r"<([^>]+)>", header) or re.match(r"([^;\s]+)", header)
    return found.group(1) if found else ""


class Call:
    """The caller's side of an INVITE transaction."""

    def __init__(self, endpoint, number, call_id):
        self.endpoint, self.number, self.call_id = endpoint, number, call_id
        self.branch, self.tag, self.request = "z9hG4bK" + token(), token(), ""

    def expect(self, what, timeout=4.0, skip=(100,)):
        return self.endpoint.expect(what, timeout, skip, self.call_id)

    def _same(self, method, to):
        e = self.endpoint
        e.send(e.compose(f"{method} {e.request_uri(self.number)} SIP/2.0", [
            e.via(self.branch),
            f"From: <sip:lab@{bracket(e.show)}>;tag={self.tag}", f"To: {to}", f"Call-ID: {self.call_id}",
            f"CSeq: 1 {method}", "Max-Forwards: 70"]))

    def cancel(self):
        self._same("CANCEL", f"<sip:{self.number}@{bracket(self.endpoint.door)}>")

    def refused(self, codes=range(300, 700), timeout=4.0, skip=(100, 180, 183)):
        """Waits for a final refusal and acknowledges it."""
        final = self.expect(tuple(codes), timeout, skip)
        self._same("ACK", final.get("to"))
        return final

    def established(self, timeout=4.0, body=""):
        """Waits for the 2xx, acknowledges it (body: the answer to an offer in it); returns (response, dialog)."""
        final = self.expect(200, timeout, skip=(100, 180, 183))
        dialog = Dialog(self.endpoint, self.call_id, f"<sip:lab@{bracket(self.endpoint.show)}>;tag={self.tag}", final.get("to"),
                        _uri(final.get("contact")), 1, final)
        dialog.ack(body=body)
        return final, dialog


class Dialog:
    def __init__(self, endpoint, call_id, local, remote, target, cseq, first):
        self.endpoint, self.call_id, self.local, self.remote = endpoint, call_id, local, remote
        self.target, self.cseq, self.first = target, cseq, first

    def send(self, method, body="", cseq=None, extra=()):
        e = self.endpoint
        if cseq is None:
            self.cseq += 1
        e.send(e.compose(f"{method} {self.target} SIP/2.0", [
            e.via(), f"From: {self.local}", f"To: {self.remote}", f"Call-ID: {self.call_id}",
            f"CSeq: {cseq if cseq is not None else self.cseq} {method}", "Max-Forwards: 70",
            *([e.contact()] if method == "INVITE" else []), *extra], body))

    def ack(self, cseq=None, body=""):
        self.send("ACK", body, self.cseq if cseq is None else cseq)

    def bye(self, timeout=4.0):
        self.send("BYE")
        return self.endpoint.expect(200, timeout, skip=(100,), call_id=self.call_id)

    def hear_bye(self, timeout=4.0, skip=(100,)):
        bye = self.endpoint.expect("BYE", timeout, skip, self.call_id)
        self.endpoint.reply(bye, 200, "OK")
        return bye


class Media:
    """An RTP socket: talks every 20 ms and remembers what it hears."""

    def __init__(self, ns, address, port=0):
        self.sock = netns.udp_socket(ns, address, port)
        self.sock.settimeout(0.2)
        self.address, self.port = address, self.sock.getsockname()[1]
        self.ssrc = random.SystemRandom().randrange(1, 2**32)
        self.sent, self.heard, self.sources, self.to, self._talk, self._stop = 0, [], set(), None, False, False
        self.threads = [threading.Thread(target=self._listen, daemon=True), threading.Thread(target=self._send, daemon=True)]
        for thread in self.threads:
            thread.start()

    def _listen(self):
        while not self._stop:
            try:
                data, where = self.sock.recvfrom(4096)
            except (TimeoutError, ConnectionRefusedError):
                continue
            except OSError:
                return
            if len(data) >= 12 and data[0] >> 6 == 2:
                self.heard.append((time.time(), struct.unpack_from("!H", data, 2)[0], struct.unpack_from("!I", data, 8)[0]))
                self.sources.add(where[:2])

    def _send(self):
        due = time.monotonic()
        while not self._stop:
            due = max(due + 0.02, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            if self._talk and self.to:
                self.send_one()

    def send_one(self, to=None, payload_type=8, ssrc=None):
        packet = struct.pack("!BBHII", 0x80, payload_type, self.sent & 0xFFFF, self.sent * 160 & 0xFFFFFFFF, ssrc or self.ssrc)
        self.sock.sendto(packet + b"\xd5" * 160, to or self.to)
        self.sent += 1

    def talk(self, to):
        """Starts to send to (address, port), as a message's media() gives it."""
        self.to, self._talk = tuple(to), True
        return self

    def quiet(self):
        self._talk = False

    def seqs(self, ssrc=None):
        return [seq for _, seq, source in self.heard if ssrc in (None, source)]

    def close(self):
        self._stop = True
        for thread in self.threads:
            thread.join(1)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

# SPDX-License-Identifier: Apache-2.0
"""Sets up calls and says where their media goes: through Sallyport by SIP, through rtpengine by its NG protocol."""
import re
import select
import socket
import time

from . import build, hosts

WINDOW = 24  # calls at once in set-up
_VIA = re.compile(rb"\r\n(Via:[^\r]*)", re.I)
_MEDIA = re.compile(rb"\r\nc=IN IP4 ([0-9.]+).*?\r\nm=audio (\d+)", re.S)


def port_of(call):
    return hosts.MEDIA_FROM + 2 * call


def sdp(ip, port):
    return (f"v=0\r\no=perf {port} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
            "a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n")


def _field(message, name):
    found = re.search(rb"\r\n" + name + rb":[ ]*([^\r]*)", message, re.I)
    return found.group(1).decode() if found else ""


def _message(start, vias, rest, body=""):
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return f"{start}\r\n{vias}\r\n{rest}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _socket(space, ip):
    def make():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind((ip, 5060))
        sock.setblocking(False)
        return sock
    return hosts.inside(space, make)


class SipCalls:
    """A caller at `near` and a callee at `far`. Their media ports follow from the call's number."""

    def __init__(self, user="9"):
        self.near, self.far = _socket(hosts.NEAR, hosts.NEAR_IP), _socket(hosts.FAR, hosts.FAR_IP)
        self.user = user
        self.access, self.core, self.setup_s = {}, {}, {}
        self.started, self.ended = {}, set()
        self.tag = f"{time.monotonic_ns():x}"

    def close(self):
        self.near.close()
        self.far.close()

    def _invite(self, call):
        own = f"sip:{call}@{hosts.NEAR_IP}:5060"
        uri = f"sip:{self.user}{call}@{hosts.ACCESS_IP}:5060"
        return _message(f"INVITE {uri} SIP/2.0", f"Via: SIP/2.0/UDP {hosts.NEAR_IP}:5060;branch=z9hG4bK{self.tag}i{call}",
                        f"Max-Forwards: 70\r\nFrom: <{own}>;tag={call}\r\nTo: <{uri}>\r\nCall-ID: {self.tag}-{call}\r\n"
                        f"CSeq: 1 INVITE\r\nContact: <{own}>\r\n", sdp(hosts.NEAR_IP, port_of(call)))

    def _at_caller(self, data):
        call_id = _field(data, b"Call-ID")
        if not data.startswith(b"SIP/2.0 "):
            return self._answer(self.near, data, hosts.ACCESS_IP)
        if data[8:9] == b"1" or b"INVITE" not in _field(data, b"CSeq").encode():
            return None
        call = int(call_id.rsplit("-", 1)[1])
        if data[8:9] != b"2":
            line = data.split(b"\r\n", 1)[0].decode()
            raise build.Failure(f"call {call} was refused: {line}")
        contact = re.search(r"<([^>]*)>", _field(data, b"Contact")).group(1)
        self.near.sendto(_message(f"ACK {contact} SIP/2.0",
                                  f"Via: SIP/2.0/UDP {hosts.NEAR_IP}:5060;branch=z9hG4bK{self.tag}a{call}",
                                  f"Max-Forwards: 70\r\nFrom: {_field(data, b'From')}\r\nTo: {_field(data, b'To')}\r\n"
                                  f"Call-ID: {call_id}\r\nCSeq: 1 ACK\r\n"), (hosts.ACCESS_IP, 5060))
        if call not in self.access:
            media = _MEDIA.search(data)
            self.access[call] = (media.group(1).decode(), int(media.group(2)))
            self.setup_s[call] = time.monotonic() - self.started[call]
        return call

    def _answer(self, sock, data, to, body="", extra=""):
        """200 to any request but ACK; a BYE that we did not ask for is remembered."""
        method = data.split(b" ", 1)[0]
        if method == b"ACK":
            return
        if method == b"BYE":
            self.ended.add(_field(data, b"Call-ID"))
        tag = "" if ";tag=" in _field(data, b"To") else f";tag=f{_field(data, b'Call-ID')[-12:]}"
        vias = "\r\n".join(via.decode() for via in _VIA.findall(data))
        sock.sendto(_message("SIP/2.0 200 OK", vias,
                             f"From: {_field(data, b'From')}\r\nTo: {_field(data, b'To')}{tag}\r\n"
                             f"Call-ID: {_field(data, b'Call-ID')}\r\nCSeq: {_field(data, b'CSeq')}\r\n{extra}", body),
                    (to, 5060))

    def _at_callee(self, data):
        if data.startswith(b"SIP/2.0 "):
            return
        if not data.startswith(b"INVITE "):
            self._answer(self.far, data, hosts.CORE_IP)
            return
        call = int(re.match(rb"INVITE sip:" + self.user.encode() + rb"(\d+)@", data).group(1))
        media = _MEDIA.search(data)
        self.core[call] = (media.group(1).decode(), int(media.group(2)))
        self._answer(self.far, data, hosts.CORE_IP, sdp(hosts.FAR_IP, port_of(call)),
                     f"Contact: <sip:callee@{hosts.FAR_IP}:5060>\r\n")

    def serve(self, seconds):
        """Answers what comes, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._step(left)

    def _step(self, wait):
        done = []
        for sock in select.select([self.near, self.far], [], [], wait)[0]:
            for _ in range(64):
                try:
                    data = sock.recv(65535)
                except BlockingIOError:
                    break
                if sock is self.far:
                    self._at_callee(data)
                else:
                    done.append(self._at_caller(data))
        return done

    def place(self, first, count, limit=120, window=WINDOW):
        """Calls first..first+count-1, `window` at once, each with its media ports; all are up when it returns."""
        waiting, following, deadline = set(), first, time.monotonic() + limit
        while following < first + count or waiting:
            while following < first + count and len(waiting) < window:
                self.started[following] = time.monotonic()
                self.near.sendto(self._invite(following), (hosts.ACCESS_IP, 5060))
                waiting.add(following)
                following += 1
            waiting.difference_update(self._step(0.2))
            if time.monotonic() > deadline:
                raise build.Failure(f"{len(waiting)} calls were not answered")
            for call in [c for c in waiting if time.monotonic() - self.started[c] > 1.0]:
                self.near.sendto(self._invite(call), (hosts.ACCESS_IP, 5060))  # RFC 3261 17.1.1.2, coarsely

    def streams(self):
        for call, access in self.access.items():
            yield ("near", hosts.NEAR_IP, port_of(call), *access)
            yield ("far", hosts.FAR_IP, port_of(call), *self.core[call])


def _bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(_bencode(k) + _bencode(v) for k, v in sorted(value.items())) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(_bencode, value)) + b"e"
    data = value.encode() if isinstance(value, str) else value
    return str(len(data)).encode() + b":" + data


def rtpengine_streams(calls):
    """Offers and answers `calls` calls to the rtpengine in the sbc's namespace."""
    sock = hosts.inside(hosts.SBC, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)

    def ask(number, **what):
        sock.sendto(f"p{number} ".encode() + _bencode(what), ("127.0.0.1", 2223))
        reply = sock.recv(65535)
        media = re.search(rb"c=IN IP4 ([0-9.]+).*?m=audio (\d+)", reply, re.S)
        if not media:
            raise build.Failure(f"rtpengine said {reply[:200]!r}")
        return media.group(1).decode(), int(media.group(2))

    with sock:
        for call in range(calls):
            name = {"call-id": f"perf{call}", "from-tag": f"a{call}", "replace": ["origin"], "ICE": "remove"}
            core = ask(2 * call, command="offer", sdp=sdp(hosts.NEAR_IP, port_of(call)),
                       direction=["access", "core"], **name)
            access = ask(2 * call + 1, command="answer", sdp=sdp(hosts.FAR_IP, port_of(call)),
                         **{"to-tag": f"b{call}"}, **name)
            yield "near", hosts.NEAR_IP, port_of(call), *access
            yield "far", hosts.FAR_IP, port_of(call), *core

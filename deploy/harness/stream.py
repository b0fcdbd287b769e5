# SPDX-License-Identifier: Apache-2.0
"""A hand-driven SIP endpoint over TCP: it listens as a host does, opens connections as it is told, and frames what it
hears by Content-Length. tls.py puts TLS between."""
import re
import select
import socket
import time

from . import netns, sip, ua

_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", re.I | re.M)


class Link:
    """One connection. `heard`: messages as bytes, in order; `ended`: the far end has closed."""

    def __init__(self, sock):
        self.sock, self.buffer, self.heard, self.ended, self.pongs = sock, b"", [], False, 0
        self.far = sock.getpeername()[:2]
        self.near = sock.getsockname()[:2]

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def pull(self):
        """Takes what is there, without waiting."""
        try:
            data = self.sock.recv(65536)
        except (BlockingIOError, TimeoutError):
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
        self.buffer += data
        # TLS gives a record at a time; what is left of it makes no socket readable.
        if data and getattr(self.sock, "pending", int)():
            return self.pull()
        self._cut()

    def _cut(self):
        while self.buffer:
            if self.buffer.startswith(b"\r\n"):
                self.buffer = self.buffer[2:]
                self.pongs += 1
                continue
            head, gap, rest = self.buffer.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            if not gap or not found or len(rest) < int(found.group(1)):
                return
            size = len(head) + 4 + int(found.group(1))
            self.heard.append(self.buffer[:size])
            self.buffer = self.buffer[size:]

    def until(self, done, seconds=3.0):
        """Pulls until done() or time is up; says which."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                return done()
            if select.select([self.sock], [], [], left)[0]:
                self.pull()
        return True

    def message(self, seconds=3.0):
        """The next message as sip.Message, or None."""
        if not self.until(lambda: self.heard, seconds):
            return None
        return sip.parse(self.heard.pop(0), ts=time.time(), src=self.far[0], sport=self.far[1])

    def closes(self, seconds):
        return self.until(lambda: self.ended, seconds)

    def close(self):
        self.sock.close()


def connect(ns, door, source=None, port=5060, timeout=5.0):
    """A Link from `source` (address, port; None: any) of host ns."""
    def make():
        sock = socket.socket(socket.AF_INET6 if ":" in door else socket.AF_INET)
        sock.settimeout(timeout)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        sock.connect((door, port))
        return sock
    return Link(netns.inside(ns, make))


class StreamEndpoint(ua.Endpoint):
    transport, uri_param = "TCP", ";transport=tcp"

    def __init__(self, ns, address, port=5060, door=None, show=None):
        self.ns, self.address = ns, address
        self.door = door or {netns.PUB: netns.ACCESS4, netns.UA: netns.ACCESS4, netns.CARRIER: netns.CORE4}[ns]
        self.show = show or address
        self.listener = netns.inside(ns, self._listen, address, port)
        self.port = self.listener.getsockname()[1]
        self.links, self.accepted, self.heard, self.calls = [], 0, [], set()

    @staticmethod
    def _listen(address, port):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(64)
        return sock

    def close(self):
        for link in self.links:
            link.close()
        self.listener.close()

    def open(self):
        """A new connection to the door; the requests that follow go on it."""
        link = connect(self.ns, self.door, (self.address, 0), self.door_port)
        self.links.insert(0, self.wrap(link, accepted=False))
        return self.links[0]

    def wrap(self, link, accepted):
        """What TLS puts its own layer on; None: it came to nothing."""
        return link

    def send(self, data, to=None, port=5060):
        alive = [link for link in self.links if not link.ended]
        if to is not None:
            alive = [link for link in alive if link.far == (to, port)]
        (alive[0] if alive else self.open()).send(self._noted(data))

    def receive(self, timeout=2.0):
        deadline = time.monotonic() + timeout
        while True:
            for link in self.links:
                while link.heard:
                    message = self._read(link)
                    if message is not None:
                        return message
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            waited = [self.listener, *(link.sock for link in self.links if not link.ended)]
            for ready in select.select(waited, [], [], left)[0]:
                if ready is self.listener:
                    self.accepted += 1
                    link = self.wrap(Link(self.listener.accept()[0]), accepted=True)
                    if link is not None:
                        self.links.append(link)
                else:
                    next(link for link in self.links if link.sock is ready).pull()

    def _read(self, link):
        message = sip.parse(link.heard.pop(0), ts=time.time(), src=link.far[0], sport=link.far[1],
                            dst=self.address, dport=self.port)
        if message is None or self._left_over(message):
            return None
        message.link = link
        self.heard.append(message)
        if message.method == "OPTIONS":
            self.reply(message, 200, "OK")
            return None
        return message

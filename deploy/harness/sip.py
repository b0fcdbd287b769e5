# SPDX-License-Identifier: Apache-2.0
"""SIP messages as captured, and the legs that they make."""
import ipaddress
import re
from dataclasses import dataclass, field

from .pcap import UDP

_START = re.compile(rb"\A(SIP/2\.0 \d{3}|[A-Za-z]+ \S+ SIP/2\.0\r?\n)")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
            "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding", "o": "event"}


@dataclass
class Message:
    start: str
    headers: list          # of (name as written, value)
    body: str
    ts: float = 0.0
    src: str = ""
    sport: int = 0
    dst: str = ""
    dport: int = 0
    raw: bytes = b""

    def all(self, name):
        name = name.lower()
        return [v for n, v in self.headers if _COMPACT.get(n.lower(), n.lower()) == name]

    def get(self, name, default=""):
        found = self.all(name)
        return found[0] if found else default

    @property
    def is_request(self):
        return not self.start.startswith("SIP/2.0")

    @property
    def method(self):
        return self.start.split(" ", 1)[0] if self.is_request else ""

    @property
    def code(self):
        return 0 if self.is_request else int(self.start[8:11])

    @property
    def phrase(self):
        return "" if self.is_request else self.start[12:]

    @property
    def uri(self):
        return self.start.split(" ")[1] if self.is_request else ""

    @property
    def user(self):
        found = re.match(r"sips?:([^@;>]+)@", self.uri)
        return found.group(1) if found else ""

    @property
    def call_id(self):
        return self.get("call-id")

    @property
    def cseq(self):
        number, _, method = self.get("cseq").partition(" ")
        return (int(number) if number.isdigit() else -1, method.strip())

    def tag(self, name):
        found = re.search(r";\s*tag=([^;,\s]+)", self.get(name))
        return found.group(1) if found else ""

    def media(self):
        """The first stream's (address, port) of the SDP body, or None."""
        port = re.search(r"^m=\w+ (\d+)", self.body, re.M)
        if not port:
            return None
        section = self.body[port.start():].split("\nm=", 1)[0]
        address = re.search(r"^c=IN IP[46] (\S+)", section, re.M) or re.search(r"^c=IN IP[46] (\S+)", self.body, re.M)
        if not address:
            return None
        try:
            return str(ipaddress.ip_address(address.group(1))), int(port.group(1))
        except ValueError:
            return address.group(1), int(port.group(1))


def parse(raw, **where):
    """A message, or None when these bytes are no SIP."""
    if not _START.match(raw):
        return None
    head, _, body = raw.decode("utf-8", "replace").partition("\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
    return Message(lines[0], headers, body, raw=raw, **where)


def messages(packets):
    """The SIP over UDP of a capture, in order."""
    found = []
    for p in packets:
        if p.proto == UDP and p.payload and 0x41 <= p.payload[0] <= 0x7A:
            message = parse(p.payload, ts=p.ts, src=p.src, sport=p.sport, dst=p.dst, dport=p.dport)
            if message:
                found.append(message)
    return found


@dataclass
class Leg:
    """All messages of one Call-ID as seen at one place."""
    call_id: str
    messages: list = field(default_factory=list)

    def requests(self, method):
        return [m for m in self.messages if m.method == method]

    def responses(self, method, code=None):
        return [m for m in self.messages if m.code and m.cseq[1] == method and (code is None or m.code == code)]

    @property
    def invite(self):
        found = self.requests("INVITE")
        return found[0] if found else None

    @property
    def number(self):
        return self.invite.user if self.invite else ""

    @property
    def final(self):
        """The INVITE's first final response."""
        return next((m for m in self.responses("INVITE") if m.code >= 200), None)

    @property
    def answered(self):
        return self.final is not None and self.final.code < 300

    @property
    def setup_s(self):
        return self.final.ts - self.invite.ts if self.invite and self.final else None

    def offer(self):
        return self.invite.media() if self.invite else None

    def answer(self):
        return self.final.media() if self.answered else None


def legs(found):
    """Legs that an INVITE began, by Call-ID."""
    by_id = {}
    for m in found:
        by_id.setdefault(m.call_id, Leg(m.call_id)).messages.append(m)
    return {k: v for k, v in by_id.items() if v.invite}


def by_number(all_legs):
    """number -> legs towards it, oldest first (a failover makes two)."""
    found = {}
    for leg in sorted(all_legs.values(), key=lambda one: one.invite.ts):
        found.setdefault(leg.number, []).append(leg)
    return found

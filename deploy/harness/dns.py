# SPDX-License-Identifier: Apache-2.0
"""A name server in a lab host, over UDP and TCP: its zone is a table that a test changes while it runs."""
import select
import socket
import struct
import threading

from . import netns

_TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33, "NAPTR": 35}
_NAMES = {number: name for name, number in _TYPES.items()}


def _name(text):
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _string(text):
    return bytes([len(text)]) + text.encode()


def _data(kind, text):
    words = text.split()
    if kind in ("A", "AAAA"):
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, text)
    if kind == "CNAME":
        return _name(text)
    if kind == "SRV":
        return struct.pack("!3H", *map(int, words[:3])) + _name(words[3])
    order, preference, flags, service, replacement = words
    return struct.pack("!2H", int(order), int(preference)) + _string(flags) + _string(service) + _string("") + _name(replacement)


def _question(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0], query[12:at + 5]


class NameServer:
    """`zone`: {name: ["SRV 10 0 5060 sip.test", ...]}; a name that is not there is NXDOMAIN, and a no
    holds for as long as an answer. `asked`: (way, type, name)."""

    def __init__(self, ns, address, port=53, zone=None, ttl=1):
        self.zone, self.ttl, self.silent, self.asked = dict(zone or {}), ttl, False, []
        self.udp = netns.udp_socket(ns, address, port)
        self.tcp = netns.inside(ns, socket.create_server, (address, port))
        self.wake, self._bell = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        links = {}
        while True:
            ready = select.select([self.udp, self.tcp, self._bell, *links], [], [])[0]
            if self._bell in ready:
                break
            for sock in ready:
                if sock is self.udp:
                    query, where = self.udp.recvfrom(4096)
                    if reply := self._reply(query, "udp"):
                        self.udp.sendto(reply, where)
                elif sock is self.tcp:
                    links[self.tcp.accept()[0]] = b""
                else:
                    self._read(sock, links)
        for link in links:
            link.close()

    def _read(self, link, links):
        try:
            data = link.recv(4096)
        except OSError:
            data = b""
        links[link] += data
        if not data:
            del links[link]
            link.close()
            return
        while len(links[link]) >= 2 and len(links[link]) >= 2 + (size := struct.unpack_from("!H", links[link])[0]):
            query, links[link] = links[link][2:2 + size], links[link][2 + size:]
            if reply := self._reply(query, "tcp"):
                link.sendall(struct.pack("!H", len(reply)) + reply)

    def _reply(self, query, way):
        name, number, question = _question(query)
        kind = _NAMES.get(number, str(number))
        self.asked.append((way, kind, name))
        if self.silent:
            return None
        found = [line.split(None, 1) for line in self.zone.get(name, ())]
        answers = [_name(name) + struct.pack("!2HIH", number, 1, self.ttl, len(data)) + data
                   for have, text in found if have == kind for data in [_data(kind, text)]]
        flags = 0x8180 if name in self.zone else 0x8183
        # RFC 2308 3: a no bears the SOA, whose TTL and minimum say for how long it holds.
        soa = b"" if answers else b"\0" + struct.pack("!2HIH", 6, 1, self.ttl, 22) + b"\0\0" + struct.pack("!5I", 1, 1, 1, 1, self.ttl)
        counts = struct.pack("!5H", flags, 1, len(answers), bool(soa), 0)
        return query[:2] + counts + question + b"".join(answers) + soa

    def close(self):
        self.wake.send(b"x")
        self.thread.join(5)
        for sock in (self.udp, self.tcp, self.wake, self._bell):
            sock.close()

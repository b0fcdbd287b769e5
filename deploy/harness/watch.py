# SPDX-License-Identifier: Apache-2.0
"""A capture that can be read while it runs: a packet socket on a lab host's device. tcpdump hands its packets over a second
late, which a test for each of a hundred ladders cannot wait for. The kernel stamps each packet, as it does for tcpdump."""
import socket
import struct
import threading
import time

from . import netns, pcap, sip

_ALL = 0x0003
_TIMESTAMPNS = 35  # SO_TIMESTAMPNS, which Python's module has no name for


def _stamp(more):
    """When the kernel saw the packet, in seconds of its clock."""
    stamps = (struct.unpack("@ll", data) for level, kind, data in more if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPNS))
    seconds, nanoseconds = next(stamps)
    return seconds + nanoseconds * 1e-9


class Watch:
    """Every frame that device sees, both ways, in the order of the wire."""

    def __init__(self, ns, dev="eth0"):
        self.packets, self._stop, self._fragments = [], False, pcap._Fragments()
        self._more = threading.Condition()
        self.sock = netns.inside(ns, self._open, dev)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    @staticmethod
    def _open(dev):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        sock.bind((dev, _ALL))
        sock.settimeout(0.2)
        return sock

    def _listen(self):
        while not self._stop:
            try:
                frame, more, *_ = self.sock.recvmsg(65536, 64)
            except TimeoutError:
                continue
            except OSError:
                return
            if len(frame) >= 14:
                with self._more:
                    self.packets.append(pcap.parse_frame(_stamp(more), frame, len(frame), self._fragments))
                    self._more.notify()

    def mark(self):
        return len(self.packets)

    def until(self, wanted, timeout=4.0):
        """Waits for a packet that is wanted; older ones are seen too."""
        deadline, at = time.monotonic() + timeout, 0
        with self._more:
            while True:
                if any(wanted(p) for p in self.packets[at:]):
                    return
                at = len(self.packets)
                if not self._more.wait(deadline - time.monotonic()):
                    raise AssertionError("the capture has not seen it")

    def udp(self, since=0):
        """UDP packets with something in them."""
        return [p for p in self.packets[since:] if p.proto == pcap.UDP and p.payload]

    def sip(self, since=0):
        return sip.messages(self.udp(since))

    def close(self):
        self._stop = True
        self.thread.join(2)
        self.sock.close()

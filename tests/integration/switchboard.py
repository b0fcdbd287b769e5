# SPDX-License-Identifier: Apache-2.0
"""Many calls beside one another on one host: one endpoint, and a line of it for each phone. A case that takes half a minute need
not keep the others waiting."""
import queue
import re
import threading

from harness import netns, ua


class Line:
    """One phone's share of the endpoint: it hears the calls that it has spoken of, and the one to its number."""

    def __init__(self, board, number):
        self.board, self.heard = board, queue.Queue()
        board.numbers[number] = self

    def __getattr__(self, name):
        return getattr(self.board.end, name)

    def send(self, text, *where):
        found = re.search(r"^Call-ID: (\S+)", text, re.M)
        self.board.lines.setdefault(found.group(1), self)
        self.board.end.send(text, *where)

    def receive(self, timeout=2.0):
        try:
            return self.heard.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self):
        """The endpoint is the board's."""


class Switchboard:
    def __init__(self, ns, address):
        self.end, self.lines, self.numbers, self._stop = ua.Endpoint(ns, address, show=address), {}, {}, False
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while not self._stop:
            message = self.end.receive(0.2)
            if message is None:
                continue
            line = self.lines.get(message.call_id) or (self.numbers.get(message.user) if message.method == "INVITE" else None)
            if line:
                self.lines[message.call_id] = line
                line.heard.put(message)

    def close(self):
        self._stop = True
        self.thread.join(2)
        self.end.close()


def boards():
    return {netns.PUB: Switchboard(netns.PUB, netns.PUB4), netns.CARRIER: Switchboard(netns.CARRIER, netns.CARRIER_A)}

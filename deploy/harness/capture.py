# SPDX-License-Identifier: Apache-2.0
"""tcpdump on a device of a lab host: started and known to listen, stopped whole, its own losses known."""
import re
import select
import signal
import subprocess
import time

from . import netns, pcap

# tcpdump's kernel ring hands blocks over at most this much later: wait it out before the stop, or the tail is lost.
_BLOCK_S = 1.3


class Capture:
    def __init__(self, ns, dev, path, expression=""):
        self.ns, self.dev, self.path, self.dropped = ns, dev, str(path), None
        argv = ["tcpdump", "-i", dev, "-n", "-U", "-Z", "root", "-B", "65536", "-s", "2048", "-w", self.path]
        self.process = netns.popen(ns, argv + expression.split(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.text = b""
        deadline = time.monotonic() + 10
        while b"listening on" not in self.text:
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.abort()
                raise RuntimeError(f"tcpdump in {ns} on {dev}: {self.text.decode(errors='replace')}")
            if select.select([self.process.stderr], [], [], 0.2)[0]:
                self.text += self.process.stderr.read1(4096)

    def stop(self, flush=True):
        """Ends the capture; `dropped` is then the number of frames that tcpdump itself lost."""
        if self.dropped is not None:
            return self
        if flush:
            time.sleep(_BLOCK_S)
        self.process.send_signal(signal.SIGINT)
        try:
            self.text += self.process.communicate(timeout=15)[1] or b""
        except subprocess.TimeoutExpired:
            self.abort()
            raise
        found = re.search(rb"(\d+) packets? dropped by kernel", self.text)
        self.dropped = int(found.group(1)) if found else -1
        return self

    def abort(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def packets(self):
        return pcap.read(self.path)


class Captures:
    """Several captures under names, stopped together: `with Captures(folder, carrier=("sp-carrier", "eth0")) as c`."""

    def __init__(self, folder, **where):
        self.all = {}
        try:
            for name, (ns, dev) in where.items():
                self.all[name] = Capture(ns, dev, f"{folder}/{name}.pcap")
        except BaseException:
            self.abort()
            raise
        self.read = {}

    def stop(self):
        time.sleep(_BLOCK_S)
        for one in self.all.values():
            one.stop(flush=False)
        return self

    def packets(self, name):
        if name not in self.read:
            self.read[name] = self.all[name].packets()
        return self.read[name]

    def dropped(self):
        return {name: one.dropped for name, one in self.all.items()}

    def abort(self):
        for one in self.all.values():
            one.abort()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.abort()

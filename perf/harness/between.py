# SPDX-License-Identifier: Apache-2.0
"""What can stand between the two hosts and relay: each starts, has calls set up, and says what streams go through."""
import os
import pathlib
import re
import subprocess
import threading
import time

from . import build, hosts, signalling

CORE = "1"  # of whoever relays; sender and receiver have core 0

_CONFIG = """dataplane:
  cores: [{core}]
  idle: {idle}
  ports: {{access: {{device: "net_af_xdp,iface=access0"}}, core: {{device: "net_af_xdp,iface=core0"}}}}
controlplane: {{shards: 1, drain: 1s, max_calls: 60000}}
realms:
  access: {{port: access, addresses: ["198.51.100.1/24"], sip: {{udp: 5060, police: off}}, media: {{ports: 10000-65535, idle_timeout: 1h}}, private_media: auto, unknown_source: reject}}
  core: {{port: core, addresses: ["192.0.2.1/24"], sip: {{udp: 5060, police: off}}, media: {{ports: 10000-65535, idle_timeout: 1h}}, private_media: auto, unknown_source: reject}}
peers:
  near: {{realm: access, match: ["198.51.100.0/24"]}}
  far: {{realm: core, match: ["192.0.2.0/24"], targets: ["sip:192.0.2.10:5060"]}}
routes: [{{from: near, to: [far]}}]
metrics: {{listen: "127.0.0.1:9464"}}
status: {{listen: "127.0.0.1:9465"}}
admin: {{socket: "{folder}/admin.sock"}}
cdr: {{file: "{folder}/cdr.jsonl"}}
log: {{level: warning}}
"""


def cpu_seconds(pid):
    """User and system time of a process and its threads."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class _Program:
    """Its output goes to a file; who waits for readiness says for what."""
    process = None

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / f"{type(self).__name__}-{time.monotonic_ns()}.log"

    def _start(self, words, ready, limit=30, **kwargs):
        with open(self.log, "wb") as log:
            self.process = hosts.popen(hosts.SBC, *words, stdout=log, stderr=subprocess.STDOUT, **kwargs)
        deadline = time.monotonic() + limit
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise build.Failure(f"{words[0]} did not start:\n{tail}")
            time.sleep(0.05)

    def close(self):
        if self.process:
            hosts.stop(self.process)
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Straight:
    """Nobody: the sender's and the receiver's own cost."""
    name, near, far = "sender and receiver", f"{hosts.NEAR},straight0", f"{hosts.FAR},straight0"

    def __init__(self, folder):
        self.macs = {"near": hosts.mac(hosts.FAR, "straight0"), "far": hosts.mac(hosts.NEAR, "straight0")}

    def streams(self, calls):
        for call in range(calls):
            port = signalling.port_of(call)
            yield "near", hosts.NEAR_IP, port, hosts.FAR_IP, port
            yield "far", hosts.FAR_IP, port, hosts.NEAR_IP, port

    def close(self):
        """Nothing was started."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Testpmd(_Program, Straight):
    """DPDK's own forwarder in io mode: it changes nothing, so the frames are addressed to the other host."""
    name, near, far = "testpmd", f"{hosts.NEAR},eth0", f"{hosts.FAR},eth0"

    def __init__(self, folder):
        _Program.__init__(self, folder)
        self.macs = {"near": hosts.mac(hosts.FAR, "eth0"), "far": hosts.mac(hosts.NEAR, "eth0")}
        hosts.address(False)
        self._start(["dpdk-testpmd", f"--lcores=0@0,1@{CORE}", "--main-lcore=0", "--in-memory", "-m", "256", "--no-pci",
                     "--no-telemetry", "--log-level=4", "--vdev", "net_af_xdp0,iface=access0", "--vdev",
                     "net_af_xdp1,iface=core0", "--", "-i", "--forward-mode=io", "--nb-cores=1",
                     "--total-num-mbufs=32768", "--auto-start"],
                    lambda: b"Press" in self.log.read_bytes() or b"testpmd>" in self.log.read_bytes(),
                    stdin=subprocess.PIPE)
        time.sleep(1.0)  # the kernel's side of AF_XDP

    close = _Program.close


class Rtpengine(_Program):
    name, near, far = "rtpengine", f"{hosts.NEAR},eth0", f"{hosts.FAR},eth0"

    def __init__(self, folder):
        super().__init__(folder)
        hosts.address(True)
        self.macs = {"near": hosts.mac(hosts.SBC, "access0"), "far": hosts.mac(hosts.SBC, "core0")}
        for host, mine in ((hosts.NEAR, hosts.ACCESS_IP), (hosts.FAR, hosts.CORE_IP)):
            hosts.run(host, "ping", "-c", "1", "-W", "2", mine)  # so that the sbc knows them
        self._start(["taskset", "-c", CORE, "rtpengine", "--foreground", "--log-stderr", "--log-level=4", "--table=-1",
                     f"--interface=access/{hosts.ACCESS_IP}", f"--interface=core/{hosts.CORE_IP}",
                     "--listen-ng=127.0.0.1:2223", f"--port-min={hosts.MEDIA_FROM}", "--port-max=65535",
                     "--timeout=3600", "--silent-timeout=3600", "--num-threads=2", "--delete-delay=0",
                     f"--pidfile={self.folder}/rtpengine.pid"],
                    lambda: " 0100007F:08AF " in hosts.run(hosts.SBC, "cat", "/proc/net/udp", check=False))

    def streams(self, calls):
        return signalling.rtpengine_streams(calls)


class Kamailio(_Program):
    """A record-routing proxy with the fast allocator; two children, each its own reading process."""
    name = "kamailio"

    def __init__(self, folder):
        super().__init__(folder)
        hosts.address(True)
        config = build.ROOT / "perf" / "sipp" / "kamailio.cfg"
        self._start(["kamailio", "-DD", "-E", "-x", "fm", "-X", "fm", "-m", "1024", "-M", "32", "-Y", self.folder,
                     "-f", config],
                    lambda: "016433C6:13C4 " in hosts.run(hosts.SBC, "cat", "/proc/net/udp", check=False))


class Sallyport(_Program):
    name, near, far = "sallyport", f"{hosts.NEAR},eth0", f"{hosts.FAR},eth0"
    calls = None

    def __init__(self, folder, idle="adaptive", endpoints=True):
        super().__init__(folder)
        hosts.address(False)
        config = self.folder / "sallyport.yaml"
        config.write_text(_CONFIG.format(folder=folder, idle=idle, core=CORE))
        self._start([build.sallyport(), "run", "--config", config], self._answers)
        self.macs = {"near": hosts.mac(hosts.SBC, "access0"), "far": hosts.mac(hosts.SBC, "core0")}
        self.calls = signalling.SipCalls() if endpoints else None
        self.first = 0

    def _answers(self):
        return " 0100007F:24F8 " in hosts.run(hosts.SBC, "cat", "/proc/net/tcp", check=False)

    def streams(self, calls):
        self.calls.place(self.first, calls)
        self.first += calls
        return self.calls.streams()

    def metric(self, name, labels=""):
        """The sum of the samples of that name whose labels hold this text."""
        text = hosts.run(hosts.SBC, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464; "
                         "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; timeout 3 cat <&3", check=False)
        rows = re.findall(rf"^sallyport_{name}(?:{{(.*)}})? ([0-9.e+-]+)\s*$", text, re.M)
        return sum(float(value) for have, value in rows if labels in have)

    def close(self):
        if self.process and self.calls:
            self.calls.close()
        super().close()


class Served:
    """The endpoints of calls that are up answer what they are asked, on a thread, while something else goes on."""

    def __init__(self, calls):
        self.calls, self.stop = calls, threading.Event()
        self.thread = threading.Thread(target=self._body)

    def _body(self):
        while not self.stop.is_set():
            self.calls.serve(0.2)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

# SPDX-License-Identifier: Apache-2.0
"""Which calls the demo places: kinds, shares, and how each kind is run with SIPp."""
import time
from dataclasses import dataclass, field

from . import netns, sipp, tone
from .netns import ACCESS4, ACCESS6, CARRIER, CARRIER_A, CARRIER_B, CORE4, PUB, PUB4, PUB6, UA, UA4


@dataclass(frozen=True)
class Kind:
    name: str
    share: int                     # of 200
    caller: tuple                  # (namespace, address, target)
    callees: tuple = ((CARRIER, CARRIER_A, "uas"),)
    uac: str = "uac"
    bye: str = "CALLER"            # who hangs up
    latched: bool = False          # the caller is behind a NAT


KINDS = (
    Kind("nat", 50, (UA, UA4, f"{ACCESS4}:5060"), latched=True),
    Kind("public", 40, (PUB, PUB4, f"{ACCESS4}:5060")),
    Kind("to-office", 30, (CARRIER, CARRIER_A, f"{CORE4}:5060"), ((PUB, PUB4, "uas"),)),
    Kind("callee-bye", 20, (UA, UA4, f"{ACCESS4}:5060"), bye="CALLEE", latched=True),
    Kind("ipv6", 16, (PUB, PUB6, f"[{ACCESS6}]:5060")),
    Kind("busy", 10, (PUB, PUB4, f"{ACCESS4}:5060"), ((CARRIER, CARRIER_A, "uas_code"),), "uac_fail"),
    Kind("cancel", 10, (PUB, PUB4, f"{ACCESS4}:5060"), ((CARRIER, CARRIER_A, "uas_ring"),), "uac_cancel"),
    Kind("private", 6, (PUB, PUB4, f"{ACCESS4}:5060"), ((CARRIER, CARRIER_A, "uas"),), "uac_fail"),
    Kind("vendor", 6, (PUB, PUB4, f"{ACCESS4}:5060"), ((CARRIER, CARRIER_A, "uas_code"),), "uac_fail"),
    Kind("failover", 12, (PUB, PUB4, f"{ACCESS4}:5060"), ((CARRIER, CARRIER_A, "uas_code"), (CARRIER, CARRIER_B, "uas"))),
)
ANSWERED = ("nat", "public", "to-office", "callee-bye", "ipv6", "failover")


def shares(calls):
    """How many calls of each kind, of a total: at least one each."""
    whole = sum(kind.share for kind in KINDS)
    found = {kind.name: max(1, calls * kind.share // whole) for kind in KINDS}
    while sum(found.values()) > max(calls, len(found)):
        found[max(found, key=found.get)] -= 1
    found["nat"] += max(0, calls - sum(found.values()))
    return found


@dataclass
class Placed:
    kind: Kind
    numbers: list
    heard: dict = field(default_factory=dict)      # (code, phrase) that a callee may say -> code that the caller hears
    exit_code: int | None = 0
    note: str = ""


class Runner:
    """Runs kinds one after the other, each with its callees; everything drawn from `draw`."""

    def __init__(self, folder, draw, rate=20):
        self.folder, self.draw, self.rate = folder, draw, rate
        self.voice_a = tone.write_pcap(folder / "caller.voice.pcap", seed=draw.random.randrange(1, 10**6) * 2)
        self.voice_b = tone.write_pcap(folder / "callee.voice.pcap", seed=draw.random.randrange(1, 10**6) * 2 + 1)
        self.running = []

    def _answers(self, kind, count):
        """What a refusing callee says to each call: [(code, phrase, heard)]."""
        if kind.name == "busy":
            return [(486, self.draw.busy_phrase(), 486) for _ in range(count)]
        if kind.name == "failover":
            return [(503, "Service Unavailable", 0)] * count
        return [(499, "Codec Mismatch", 488) if i % 2 == 0 else self.draw.vendor() for i in range(count)]

    def _scenario(self, name, kind, address, **more):
        places = {f"{kind.bye}_BYE": 1, "HOLD_MS": sipp.HOLD_MS, "BYE_TIMEOUT_MS": 15000, "RING_MS": 150,
                  "CANCEL_TIMEOUT_MS": 15000, "MAX_FORWARDS": 70, **sipp.media_places(address), **more}
        return sipp.fill(name, self.folder, **places)

    def _callee(self, kind, ns, address, name, said):
        places = sipp.answers(said) if name == "uas_code" else {}
        scenario = self._scenario(name, kind, address, RTP=self.voice_b, **places)
        one = sipp.Sipp(ns, scenario, self.folder, address, 5060, media_port=self.draw.media_port())
        self.running.append(one)
        return one.wait_bound(5060)

    def place(self, kind, count, private=None):
        numbers = [self.draw.number() for _ in range(count)]
        answers = self._answers(kind, count) if any(c[2] == "uas_code" for c in kind.callees) else []
        said = {number: answer[:2] for number, answer in zip(numbers, answers)}
        callees = [self._callee(kind, *callee, said) for callee in kind.callees]
        ns, address, target = kind.caller
        codes = [heard for _, _, heard in answers] or [488]
        # Every final answer that may come is listed, so that a wrong one is seen by the verdict and not by a timeout.
        finals = sorted({*codes, 404, 480, 484, 486, 488, 499, 500, 502, 503, *(code for code, _, _ in answers)} - {0})
        scenario = self._scenario(kind.uac, kind, address, RTP=self.voice_a, RECVS=sipp.recvs(finals),
                                  **({"MEDIA_IP": private, "MEDIA_TYPE": "IP4"} if private else {}))
        caller = sipp.Sipp(ns, scenario, self.folder, address, self.draw.sip_port(), target=target,
                           fields=[(n, self.draw.caller()) for n in numbers], calls=count,
                           rate=1 if kind.name == "failover" and count <= 2 else self.rate,
                           media_port=self.draw.media_port(), call_id=self.draw.call_id(), timeout=count / self.rate + 40)
        self.running.append(caller)
        code = caller.wait(count / self.rate + 50)
        for one in callees:
            one.stop(graceful=3.0)
        self.running.clear()
        placed = Placed(kind, numbers, exit_code=code, note=caller.errors[-600:])
        placed.heard = {(code, phrase): heard for code, phrase, heard in answers}
        time.sleep(0.2)
        return placed

    def stop(self):
        for one in self.running:
            one.stop()
        self.running.clear()


def capture_points():
    """name -> (namespace, device): each host's own device, and the other end of Sallyport's access port."""
    return {UA: (UA, "eth0"), PUB: (PUB, "eth0"), CARRIER: (CARRIER, "eth0"), netns.LAN: (netns.LAN, "sbc0")}

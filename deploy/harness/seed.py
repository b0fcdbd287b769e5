# SPDX-License-Identifier: Apache-2.0
"""What a run draws, all from one printed seed: numbers, callers, ports, Call-IDs, codes and phrases."""
import random

# (code, phrase, what the caller hears): rows of the vendor table that no route is worth retrying for.
VENDOR = [(406, "No codecs match", 488), (415, "No Media", 488), (403, "No Such User", 404),
          (480, "Invalid Phone Number", 484), (404, "Unknown user account", 403), (499, "Codec Mismatch", 488)]
BUSY = ["Busy Here", "Busy", "User Busy", "Subscriber is busy"]
PRIVATE = ["Private IP Address", "Private Address Refused", "No Private Media Here", "Use A Public Address"]
PRIVATE_NETS = ["10.77.{}.{}", "192.168.{}.{}", "172.20.{}.{}", "100.80.{}.{}", "169.254.{}.{}"]


class Draw:
    def __init__(self, seed=None):
        self.seed = seed if seed is not None else random.SystemRandom().randrange(1, 2**31)
        self.random = random.Random(self.seed)
        self.used = set()

    def _fresh(self, make):
        while True:
            value = make()
            if value not in self.used:
                self.used.add(value)
                return value

    def number(self, prefix="44"):
        """A number that no other call of this run has: it joins the two legs of a call."""
        return self._fresh(lambda: f"+{prefix}{self.random.randrange(10**8, 10**9)}")

    def caller(self):
        return f"u{self.random.randrange(10**5, 10**6)}"

    def media_port(self):
        """The first of a batch's RTP ports: even, with room above for every call."""
        return self._fresh(lambda: self.random.randrange(20000, 45000, 2000) + 2 * self.random.randrange(50))

    def sip_port(self):
        return self._fresh(lambda: self.random.randrange(5100, 5900))

    def call_id(self):
        return f"{self.random.randrange(16**12):012x}"

    def busy_phrase(self):
        return self.random.choice(BUSY)

    def private_phrase(self):
        return self.random.choice(PRIVATE)

    def private_address(self):
        return self.random.choice(PRIVATE_NETS).format(self.random.randrange(1, 250), self.random.randrange(1, 250))

    def vendor(self):
        return self.random.choice(VENDOR)

# SPDX-License-Identifier: Apache-2.0
"""The two sides of Sallyport, for tests that are the same whichever of them calls (`sides`), or whichever of its ports is asked
(`side`)."""
from typing import NamedTuple

import pytest

from harness import netns
from harness.netns import CARRIER, PUB

TO_CARRIER, TO_OFFICE = "caller to carrier", "carrier to caller"


class Side(NamedTuple):
    ns: str          # its host
    realm: str       # its realm and its port of Sallyport's
    peer: str        # the peer that it is
    address: str
    address6: str
    second: str      # another address of that network, which no host has until netns.address() puts it there
    stranger: str    # the same, for one that is to be no peer
    door: str        # Sallyport, seen from there
    door6: str


OFFICE = Side(PUB, "access", "office", netns.PUB4, netns.PUB6, "198.51.100.21", "198.51.100.99", netns.ACCESS4, netns.ACCESS6)
TRUNK = Side(CARRIER, "core", "carrier-a", netns.CARRIER_A, netns.CARRIER6, "192.0.2.21", "192.0.2.99", netns.CORE4, netns.CORE6)
BOTH = (OFFICE, TRUNK)


def each_peer(change):
    """A change of the lab's configuration that is made to both peers: change(peer's data, side)."""
    def changed(config):
        for side in BOTH:
            change(config["peers"][side.peer], side)
    return changed


def beside(config, number, make):
    """One more peer on each side, at its host, for calls to that number (a prefix of its own): make(side) gives what it has
    beside its realm. Nothing comes from it: the host's address is the usual peer's."""
    for side, caller in zip(BOTH, BOTH[::-1]):
        name = f"{side.peer}-{number[1:]}"
        config["peers"][name] = {"realm": side.realm, "match": [f"203.0.113.1{number[-2:]}"], **make(side)}
        config["routes"].insert(0, {"from": caller.peer, "user": f"{number}*", "to": [name]})


def one_way_routes(config):
    """Calls from either side go to the other's one peer, whatever the number."""
    config["routes"] = [{"from": "office", "to": ["carrier-a"]}, {"from": "carrier-a", "to": ["office"]}]


@pytest.fixture(params=[TO_CARRIER, TO_OFFICE])
def direction(request):
    return request.param


@pytest.fixture
def sides(direction):
    """(the calling side, the called one)."""
    return BOTH if direction == TO_CARRIER else BOTH[::-1]


@pytest.fixture(params=BOTH, ids=["at the office's port", "at the carrier's port"])
def side(request):
    """For what needs no call: either port of Sallyport serves it."""
    return request.param

# SPDX-License-Identifier: Apache-2.0
"""The lab for tests. `lab`: the namespaces, for a whole run. `door`: Sallyport running in it, with the lab's configuration or a
changed one, for a module at most; a test that leaves it dead or complaining fails."""
import copy
import functools
import os
import pathlib
import re
import shutil
import time

import pytest
import yaml

from harness import capture, netns, ua

_FATAL = re.compile(r"AddressSanitizer|ThreadSanitizer|runtime error:|Segmentation|terminate called|Assertion .* failed|PANIC")
NAME_SERVER = "203.0.113.53"  # in the carrier's host, on the management link
KEEP = pathlib.Path(os.environ.get("LAB_KEEP", "/tmp/sallyport-tests-kept"))


@pytest.fixture(scope="session")
def _lab():
    one = netns.Lab()
    yield one
    one.down()


@pytest.fixture(scope="module")
def lab(_lab):
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if not netns.BINARY.exists():
        pytest.fail(f"there is no {netns.BINARY}: build it first (tests/run does)")
    if not _lab.mine:
        _lab.net()
    return _lab


@pytest.fixture
def own(_lab):
    """For tests that bring a lab up themselves: there is none, and none is left."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    _lab.down()
    yield _lab
    _lab.down()


@pytest.fixture(scope="module")
def management(lab):
    """A link that is none of Sallyport's ports, as a machine has one for its own; name servers are reached over it."""
    def ip(ns, *words):
        netns.run(ns, ["ip", *words], check=True)

    ip(netns.SBC, "link", "add", "mgmt0", "type", "veth", "peer", "name", "mgmt0", "netns", netns.CARRIER)
    for ns, address in ((netns.SBC, "203.0.113.1"), (netns.CARRIER, NAME_SERVER)):
        ip(ns, "addr", "add", f"{address}/24", "dev", "mgmt0")
        ip(ns, "link", "set", "mgmt0", "up")
    yield
    netns.run(netns.SBC, ["ip", "link", "del", "mgmt0"])


@functools.cache
def default_config(folder):
    """The lab's own configuration, as data; not to be changed."""
    path = pathlib.Path(folder) / "default.yaml"
    netns.Lab().command("config", path)
    return yaml.safe_load(path.read_text())


def write_config(folder, change=None, name="changed.yaml"):
    data = copy.deepcopy(default_config(folder))
    if change:
        change(data)
    path = pathlib.Path(folder) / name
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


class Door:
    """Starts Sallyport when the wanted configuration is not the running one."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.text, self.seen = lab, folder, None, 0

    def __call__(self, change=None):
        text = write_config(self.folder, change).read_text()
        if self.lab.pid is None or text != self.text:
            self.lab.stop()
            self.text = None
            self.lab.start(write_config(self.folder, change))
            self.text = text
        return self.lab

    def stop(self):
        self.lab.stop()
        self.text = None


@pytest.fixture(scope="module")
def _door(lab, tmp_path_factory):
    one = Door(lab, tmp_path_factory.mktemp("door"))
    yield one
    one.stop()


@pytest.fixture
def door(_door, request):
    yield _door
    if getattr(request.node, "failed", False):
        keep_log(request.node.name)
    fault = _FATAL.search(_door.lab.log)
    if fault or (_door.text and _door.lab.pid is None):
        kept = keep_log(request.node.name)
        tail = "\n".join(_door.lab.log.splitlines()[-25:])
        _door.stop()
        pytest.fail(f"Sallyport {'said ' + fault.group(0) if fault else 'is gone'} (log kept: {kept})\n{tail}")
    if getattr(request.node, "failed", False):
        _door.stop()  # what a failed test left ringing must not be heard in the next


def keep_log(name):
    KEEP.mkdir(exist_ok=True)
    kept = KEEP / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:80]}.log"
    if (netns.STATE / "sallyport.log").exists():
        shutil.copy(netns.STATE / "sallyport.log", kept)
    return kept


@pytest.fixture
def ends():
    """Makes endpoints and media sockets that are closed after the test."""
    made = []

    class Ends:
        def pub(self, port=5060, address=netns.PUB4, **kwargs):
            return self._keep(ua.Endpoint(netns.PUB, address, port, **kwargs))

        def inside(self, port=5060, **kwargs):
            return self._keep(ua.Endpoint(netns.UA, netns.UA4, port, **kwargs))

        def at(self, side, port=5060, **kwargs):
            """The host of that side (sides.py)."""
            return self._keep(ua.Endpoint(side.ns, kwargs.pop("address", side.address), port, **kwargs))

        def carrier(self, address=netns.CARRIER_A, port=5060, **kwargs):
            return self._keep(ua.Endpoint(netns.CARRIER, address, port, **kwargs))

        def media(self, ns, address, port=0):
            return self._keep(ua.Media(ns, address, port))

        @staticmethod
        def _keep(one):
            made.append(one)
            return one

    yield Ends()
    for one in made:
        one.close()


@pytest.fixture
def wire(tmp_path):
    """wire(name=(ns, dev), ...): captures; `.stop()` them before reading."""
    made = []

    def start(**where):
        made.append(capture.Captures(tmp_path, **where))
        return made[-1]

    yield start
    for one in made:
        one.abort()


@pytest.fixture
def number():
    """A number that no other call has: it joins the two legs."""
    return f"+44{int(ua.token()[-6:], 16):09d}"


def set_up(caller, callee, number, caller_media=6000, callee_media=7000, **kwargs):
    """An answered call: (caller's dialog, callee's dialog, the caller's media target, the callee's media target)."""
    call = caller.invite(number, ua.sdp(caller.show, caller_media), **kwargs)
    invite = callee.expect("INVITE")
    far = callee.answer(invite, callee_media)
    final, near = call.established()
    callee.expect("ACK")
    return near, far, final.media(), invite.media()


def talk(one, to_one, other, to_other, seconds=1.0):
    """RTP both ways for so long: each of the two sends to where its own SDP from Sallyport says."""
    one.talk(to_one)
    other.talk(to_other)
    time.sleep(seconds)
    one.quiet()
    other.quiet()

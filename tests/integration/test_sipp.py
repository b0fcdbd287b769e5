# SPDX-License-Identifier: Apache-2.0
"""SIPp plays the cases of the matrix, in both directions, beside one another on one Sallyport; each is judged from both wires by its
own test. The scripts: sipp/cases_*.py."""
import contextlib
import shutil
import time

import pytest
from lab_fixtures import KEEP, NAME_SERVER
from phones import left
from sipp import CASES
from sipp import lab as sipp_lab
from sipp import judge

from harness import dns, netns


def _items(session):
    """(index of the case, direction) of the tests that this run has."""
    found = [one.callspec.params for one in session.items if getattr(one, "originalname", "") == "test_scenario"]
    return [(one["index"], one["direction"]) for one in found]


@pytest.fixture(scope="module")
def played(_door, watches, management, tmp_path_factory, request):
    """All runs, over; and what of them is left in the process."""
    wanted = _items(request.session)
    folder = tmp_path_factory.mktemp("sipp")
    indexes = sorted({index for index, _ in wanted})
    clips = sipp_lab.made_clips(folder)
    runs = {key: sipp_lab.prepared(*key, folder, clips) for key in wanted}
    server = dns.NameServer(netns.CARRIER, NAME_SERVER, zone=sipp_lab.zone(indexes), ttl=60)
    with sipp_lab.addresses(indexes), contextlib.closing(server):
        _door(sipp_lab.configure(indexes))
        sipp_lab.greet(indexes)
        sipp_lab.play_all(runs.values())
    rest = _rest()
    seen = {}
    for watch in watches.values():
        seen |= judge.by_address(watch.packets)
    return runs, seen, rest


def _rest(seconds=5.0):
    """What calls and flows there are at last, when none is left or time is up."""
    deadline = time.monotonic() + seconds
    while (there := left()) != ([], 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    return there


def _params():
    for index, case in enumerate(CASES):
        label = f"{case.name}{', ' if case.variant else ''}{case.variant}"
        yield pytest.param(index, id=label, marks=pytest.mark.case(case.name, case.bullet))


@pytest.mark.parametrize("direction", sipp_lab.DIRECTIONS)
@pytest.mark.parametrize("index", _params())
def test_scenario(played, door, index, direction):
    runs, seen, _ = played
    run = runs[index, direction]
    faults = judge.faults(run, seen)
    if faults:
        kept = KEEP / f"sipp-{run.folder.name}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(run.folder, kept)
        pytest.fail("\n".join([*faults, f"scenarios, messages and errors of SIPp: {kept}"]))


def test_nothing_is_left(played, door):
    assert played[2] == ([], 0)

# SPDX-License-Identifier: Apache-2.0
"""What perf/load takes for the highest rate, and what perf/run calls reached; no process is started."""
import importlib.util
import sys

import pytest

from harness import netns


@pytest.fixture(scope="module")
def perf():
    """perf/harness under a name of its own: deploy has a package of that name too."""
    where = netns.REPO / "perf" / "harness"
    spec = importlib.util.spec_from_file_location("perf_harness", where / "__init__.py",
                                                  submodule_search_locations=[str(where)])
    sys.modules["perf_harness"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["perf_harness"])
    yield lambda name: importlib.import_module(f"perf_harness.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "perf_harness"]:
        del sys.modules[name]


def point(sipp, rate, *, placed=1000, answered=1000, retransmitted=0, reached=None):
    return sipp.Point(rate, placed, answered, retransmitted, 30.0, 40.0, 50.0, rate if reached is None else reached)


@pytest.mark.parametrize("what, good", [
    ({}, True),
    ({"answered": 999}, False),
    ({"retransmitted": 9}, True),
    ({"retransmitted": 10}, False),
    ({"reached": 94.0}, False),
    ({"placed": 0, "answered": 0}, False),
])
def test_a_rate_is_good_when_all_is_answered_and_it_was_really_placed(perf, what, good):
    assert point(perf("sipp"), 100, **what).good is good


def test_the_search_ends_within_its_width_below_the_limit(perf):
    sipp = perf("sipp")
    best, points = sipp.find(lambda rate: point(sipp, rate, answered=1000 if rate <= 777 else 990), first=100, width=0.05)
    assert 777 / 1.06 <= best <= 777
    assert any(not one.good for one in points)


def test_a_bad_run_is_repeated_once_after_settling(perf):
    sipp, asked, settled = perf("sipp"), [], []

    def place(rate):
        asked.append(rate)
        return point(sipp, rate, answered=999 if len(asked) == 1 or rate > 150 else 1000)

    best, _ = sipp.find(place, first=100, most=100, settle=lambda: settled.append(1))
    assert (asked, settled, best) == ([100, 100], [1], 100)


@pytest.mark.parametrize("most", [100, 159, 160, 1000])
def test_the_last_rate_itself_is_tried_when_none_before_it_failed(perf, most):
    sipp = perf("sipp")
    best, points = sipp.find(lambda rate: point(sipp, rate), first=100, most=most)
    assert best == most == points[-1].offered and [one.offered for one in points].count(most) == 1


def test_a_limit_between_the_last_step_and_the_last_rate_is_found(perf):
    sipp = perf("sipp")
    best, points = sipp.find(lambda rate: point(sipp, rate, answered=1000 if rate <= 180 else 0), first=100, most=200, width=0.05)
    assert 180 / 1.06 <= best <= 180 and max(one.offered for one in points) == 200


def test_nothing_is_found_when_the_first_rate_is_too_high(perf):
    sipp = perf("sipp")
    best, points = sipp.find(lambda rate: point(sipp, rate, answered=0), first=100)
    assert best == 0 and len(points) == 2


def test_a_figure_is_reached_by_its_median_and_a_busy_machine_is_told(perf):
    report = perf("report")
    book = report.Book({"busy_cores_before": 1.0})
    book.limit("low", "", [1, 2, 9], "at most 2", most=2)
    book.limit("high", "", [1, 2, 9], "at least 3", least=3)
    book.ratio("free", [4.0], [2.0])
    assert [row["reached"] for row in book.as_dict()["ratios"]] == [True, False, None]
    assert book.notes[0].startswith("NOT TO BE QUOTED")
    assert not report.Book({"busy_cores_before": 0.0}).notes

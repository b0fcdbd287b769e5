# SPDX-License-Identifier: Apache-2.0
"""Puts the harness on the path. Tests that need the lab take the `lab` fixture (lab_fixtures.py) and are marked `lab`."""
import pathlib
import signal
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "deploy"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

pytest_plugins = ["lab_fixtures", "debs", "sides", "phones", "transfers", "matrix"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A fixture can ask whether its test failed: request.node.failed."""
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


def _ended(*_):
    raise KeyboardInterrupt


# SIGTERM ends a run as ^C does: the fixtures take the lab down.
signal.signal(signal.SIGTERM, _ended)

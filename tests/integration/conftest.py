# SPDX-License-Identifier: Apache-2.0
"""Puts the harness on the path. Tests that need the lab take the `lab` fixture (lab_fixtures.py) and are marked `lab`."""
import pathlib
import signal
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "deploy"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

pytest_plugins = ["lab_fixtures"]


def _ended(*_):
    raise KeyboardInterrupt


# SIGTERM ends a run as ^C does: the fixtures take the lab down.
signal.signal(signal.SIGTERM, _ended)

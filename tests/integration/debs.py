# SPDX-License-Identifier: Apache-2.0
"""The .deb for tests: made once for a run."""
import re
import subprocess

import pytest

from harness import netns

BUILD = netns.BINARY.parent


def run(*argv, timeout=120, **kwargs):
    return subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                          check=False, **kwargs)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    if not (BUILD / "CPackConfig.cmake").exists():
        pytest.skip(f"{BUILD} is no build folder with CPack")
    folder = tmp_path_factory.mktemp("package")
    done = run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, cwd=BUILD)
    assert done.returncode == 0, done.stdout + done.stderr
    found = list(folder.glob("sallyport_*.deb"))
    assert len(found) == 1, found
    return found[0]


def unit_capabilities():
    """As the unit has them: CAP_NET_ADMIN, ..."""
    text = (netns.REPO / "deploy/package/sallyport.service").read_text()
    return re.search(r"^CapabilityBoundingSet=(.*)$", text, re.M).group(1).split()


def as_the_unit(capabilities):
    """What stands before a command so that root has these and no more, and gets none back."""
    few = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])
    return ["setpriv", "--no-new-privs", f"--bounding-set={few}", "--inh-caps=-all"]

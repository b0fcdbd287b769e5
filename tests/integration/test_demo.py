# SPDX-License-Identifier: Apache-2.0
"""deploy/demo as a user runs it, twice, with real SIPp calls: every verdict holds and nothing is left."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import netns

NAMES = ["behind the NAT", "busy (486)", "CANCEL (487)", "private media refused", "vendor code mapped", "BYE from the caller",
         "BYE from the callee", "IPv6 to IPv4", "failover", "conservation law", "UDP socket", "captured frame", "media whole"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("calls,seed", [(40, 11), (10, 12)])
def test_demo(own, tmp_path, calls, seed):
    if not netns.BINARY.exists():
        pytest.fail(f"there is no {netns.BINARY}")
    out = tmp_path / "demo.json"
    env = {**os.environ, "SALLYPORT_BIN": str(netns.BINARY)}
    done = subprocess.run([netns.REPO / "deploy/demo", "--calls", str(calls), "--seed", str(seed), "--json", out,
                           "--keep", tmp_path / "kept"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=380, check=False)
    assert out.exists(), done.stdout + done.stderr
    outcome = json.loads(out.read_text())
    red = [f"{v['name']}: {v['detail']}" for v in outcome["verdicts"] if not v["ok"]]
    assert done.returncode == 0 and not red, "\n".join(red)
    for name in NAMES:
        assert any(name in v["name"] for v in outcome["verdicts"]), name
    assert outcome["calls"]["placed"] == calls and outcome["calls"]["failed"] == 0
    assert set(outcome["law"]) == {"access", "core"} and all(row["holds"] for row in outcome["law"].values())
    assert len(outcome["rtp"]) == 2 and outcome["seed"] == seed and f"seed {seed}" in done.stdout
    assert not netns.STATE.exists() and not pathlib.Path("/run/netns/sp-sbc").exists()

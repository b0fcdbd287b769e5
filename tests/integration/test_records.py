# SPDX-License-Identifier: Apache-2.0
"""Call records: every line of a run with answered and refused calls is what controlplane/ops/cdr.schema.json says, and one a call."""
import datetime
import json
import time

import jsonschema
import pytest

from harness import batches, netns, seed

SCHEMA = json.loads((netns.REPO / "controlplane/ops/cdr.schema.json").read_text())


def check(record):
    kind = jsonschema.validators.validator_for(SCHEMA)
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in kind(SCHEMA).iter_errors(record)]


def test_the_schema_is_one_and_refuses_what_is_no_record():
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    assert any("required" in fault for fault in check({"record": "end"}))
    assert check({"record": "rubbish"})


@pytest.mark.timeout(200)
def test_every_call_has_one_whole_record(door, tmp_path):
    door.stop()  # a record file that is this run's own
    (netns.STATE / "cdr.jsonl").unlink(missing_ok=True)
    door()
    kinds = {kind.name: kind for kind in batches.KINDS}
    runner = batches.Runner(tmp_path, seed.Draw(7))
    placed = [runner.place(kinds[name], 2) for name in ("nat", "failover", "busy", "vendor", "cancel")]
    placed.append(runner.place(kinds["private"], 2, private="10.99.0.5"))
    runner.stop()
    numbers = {number: one for one in placed for number in one.numbers}
    deadline, records = time.monotonic() + 15, []
    while len(records) < len(numbers) and time.monotonic() < deadline:
        time.sleep(0.3)
        records = [json.loads(line) for line in (netns.STATE / "cdr.jsonl").read_text().splitlines()]
    ends = [record for record in records if record["record"] == "end"]
    faults = [f"{record.get('id')}: {fault}" for record in records for fault in check(record)]
    assert not faults, "\n".join(faults)
    seen = {number: [r for r in ends if number in r["callee"]] for number in numbers}
    assert {number: len(found) for number, found in seen.items()} == {number: 1 for number in numbers}
    for number, one in numbers.items():
        record = seen[number][0]
        answered = one.kind.name in batches.ANSWERED
        assert (record["answered"] is not None) == answered, (one.kind.name, record)
        if answered:
            assert record["started"] <= record["answered"] <= record["ended"]
            # The clock that never jumps and the one that tells the date agree; the media alone lasts 3 s.
            answered_at, ended_at = (datetime.datetime.fromisoformat(record[key]) for key in ("answered", "ended"))
            assert abs(record["duration_seconds"] - (ended_at - answered_at).total_seconds()) < 0.01, record
            assert record["duration_seconds"] > 2.5, record
            assert all(m["packets"] > 100 for m in record["media"] if m["kind"] == "rtp"), record["media"]
        else:
            assert record["sent"] >= 400 and record["duration_seconds"] is None, record
        if one.kind.name == "failover":
            assert [a["peer"] for a in record["attempts"]] == ["carrier-a", "carrier-b"]

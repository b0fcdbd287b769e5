# SPDX-License-Identifier: Apache-2.0
"""Call records: every line of a run with answered and refused calls is what controlplane/ops/cdr.schema.json says, one a call,
and tells what captures saw at the callers' and the callees' hosts."""
import datetime
import json
import time

import jsonschema
import pytest

from harness import batches, demo, netns, rtp, seed
from harness.capture import Captures

SCHEMA = json.loads((netns.REPO / "controlplane/ops/cdr.schema.json").read_text())


def check(record):
    kind = jsonschema.validators.validator_for(SCHEMA)
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in kind(SCHEMA).iter_errors(record)]


def test_the_schema_is_one_and_refuses_what_is_no_record():
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    assert any("required" in fault for fault in check({"record": "end"}))
    assert check({"record": "rubbish"})


SLACK_S = 0.005    # between the clock that dates packets and the one that dates records


def instant(record, key):
    return datetime.datetime.fromisoformat(record[key]).timestamp()


def within(record, key, after, before):
    """The record's instant lies between what made it, at one host, and what came of it, at the other."""
    at = instant(record, key)
    return [] if after - SLACK_S <= at <= before + SLACK_S else [f"{key} {at:.4f} is not in {after:.4f} .. {before:.4f}"]


def written(leg_answer):
    """"PCMA/8000" of each rtpmap that an SDP has."""
    return [line.split(" ", 1)[1].strip() for line in leg_answer.splitlines() if line.startswith("a=rtpmap:")]


def signalling_faults(record, near, far):
    """What the record says of both legs against the messages that were captured."""
    faults = []
    for what, said, seen in (
            ("call_id", record["call_id"], near.call_id), ("the attempt's call_id", record["attempts"][-1]["call_id"], far.call_id),
            ("sent", record["sent"], near.final.code),
            # The answer to our own CANCEL is no answer of the callee's.
            ("received", record["received"], None if near.requests("CANCEL") else far.final.code),
            # Of failures only: that a call was answered with 200 OK says its code.
            ("sent_phrase", record["sent_phrase"], None if near.answered else near.final.phrase),
            ("received_phrase", record["received_phrase"], None if far.answered or near.requests("CANCEL") else far.final.phrase),
            ("target", record["attempts"][-1]["target"], f"{far.invite.dst}:{far.invite.dport}")):
        faults += [] if said == seen else [f"{what}: {said!r}, the wire has {seen!r}"]
    faults += within(record, "started", near.invite.ts, far.invite.ts)
    return faults


def times_faults(record, near, far, by_caller):
    ringing = [leg.responses("INVITE", 180)[0].ts for leg in (far, near)]
    byes = [leg.requests("BYE")[0].ts for leg in ((near, far) if by_caller else (far, near))]
    faults = within(record, "ringing", *ringing) + within(record, "answered", far.final.ts, near.final.ts)
    faults += within(record, "ended", *byes)
    # The clock that never jumps and the one that tells the date agree.
    length = instant(record, "ended") - instant(record, "answered")
    if abs(record["duration_seconds"] - length) >= 0.01:
        faults.append(f"duration {record['duration_seconds']}, but {length} between answer and end")
    return faults


def media_faults(record, near, far, directions, latched):
    """Packets, bytes, loss, codecs, verdict and latch of each leg against the RTP and the SDP that were captured."""
    faults = []
    media = {one["leg"]: one for one in record["media"] if one["kind"] == "rtp" and one["stream"] == 0}
    for direction in directions:
        here, there = ("caller", "callee") if direction.name == rtp.TO_CALLEE else ("callee", "caller")
        for what, said, seen in ((f"{here} packets", media[here]["packets"], len(direction.received)),
                                 (f"{there} sent_packets", media[there]["sent_packets"], len(direction.received)),
                                 (f"{here} lost", media[here]["lost"], 0)):
            faults += [] if said == seen else [f"{what}: {said}, the wire has {seen}"]
        if media[here]["mos"] != 4.41:
            faults.append(f"{here} mos {media[here]['mos']} with no loss")
    for side, leg in (("caller", near), ("callee", far)):
        if media[side]["codecs"] != written(leg.final.body):
            faults.append(f"{side} codecs {media[side]['codecs']}, the answer says {written(leg.final.body)}")
    if (media["caller"]["private_media"], media["caller"]["latched"] is not None) != (("latched", True) if latched else (None, False)):
        faults.append(f"caller: {media['caller']['private_media']}, latched {media['caller']['latched']}")
    return faults


@pytest.mark.timeout(200)
def test_every_call_has_one_whole_record(door, tmp_path):
    door.stop()  # a record file that is this run's own
    (netns.STATE / "cdr.jsonl").unlink(missing_ok=True)
    door()
    kinds = {kind.name: kind for kind in batches.KINDS}
    runner = batches.Runner(tmp_path, seed.Draw(7))
    with Captures(tmp_path, **batches.capture_points()) as captures:
        placed = [runner.place(kinds[name], 2) for name in ("nat", "to-office", "failover", "busy", "vendor", "cancel")]
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
    found, _ = demo.gather(placed, captures)
    for number, one in numbers.items():
        record, batch = seen[number][0], found[one.kind.name]
        near, far = batch.caller_leg(number), next(reversed(batch.callee.get(number, [])), None)
        if one.kind.name == "private":
            assert far is None and record["sent"] == near.final.code == 488 and record["local"] == "private-media", record
            assert [m["private_media"] for m in record["media"]] == ["rejected"], record["media"]
            continue
        faults += [f"{one.kind.name} {number}: {fault}" for fault in signalling_faults(record, near, far)]
        if one.kind.name in batches.ANSWERED:
            directions = [d for d in batch.directions if d.number == number]
            assert len(directions) == 2 and all(len(d.received) > 100 for d in directions)
            faults += [f"{one.kind.name} {number}: {fault}" for fault in times_faults(record, near, far, one.kind.bye == "CALLER")
                       + media_faults(record, near, far, directions, one.kind.latched)]
        else:
            assert record["answered"] is None and record["duration_seconds"] is None, record
        if one.kind.name == "failover":
            assert [a["peer"] for a in record["attempts"]] == ["carrier-a", "carrier-b"]
    assert not faults, "\n".join(faults)

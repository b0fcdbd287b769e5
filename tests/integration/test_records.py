# SPDX-License-Identifier: Apache-2.0
"""Call records: every line of a run with answered and refused calls is what controlplane/ops/cdr.schema.json says, one a call,
and tells what captures saw at the callers' and the callees' hosts; and no line is lost by a crash, by logrotate or by size."""
import collections
import datetime
import json
import math
import os
import signal
import struct
import time

import jsonschema
import pytest
from lab_fixtures import set_up
from test_reload import Load

from harness import batches, demo, netns, rtp, seed
from harness.capture import Captures
from harness.netns import CARRIER, CARRIER_A, PUB, PUB4

SCHEMA = json.loads((netns.REPO / "controlplane/ops/cdr.schema.json").read_text())
FILE = netns.STATE / "cdr.jsonl"


def check(record):
    kind = jsonschema.validators.validator_for(SCHEMA)
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in kind(SCHEMA).iter_errors(record)]


def test_the_schema_is_one_and_refuses_what_is_no_record():
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    assert any("required" in fault for fault in check({"record": "end"}))
    assert check({"record": "rubbish"})


def own_file(door, **cdr):
    """Sallyport with a record file that is this test's own; its `cdr` changed as said."""
    door.stop()
    for old in netns.STATE.glob("cdr.jsonl*"):
        old.unlink()
    return door(lambda config: config["cdr"].update(cdr))


def all_records():
    """Of the file and all that were made of it; each is whole to its last line."""
    found = []
    for path in netns.STATE.glob("cdr.jsonl*"):
        text = path.read_text()
        assert text == "" or text.endswith("\n"), f"{path} ends in {text[-80:]!r}"
        found += map(json.loads, text.splitlines())
    return found


def ended_records(count):
    """All records, once so many calls have ended; their lines may be on their way, and files change their names, for a moment."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            text = "".join(path.read_text() for path in netns.STATE.glob("cdr.jsonl*"))
        except FileNotFoundError:
            continue
        if text.count('"record":"end"') >= count:
            break
        time.sleep(0.3)
    return all_records()


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


def ended_faults(record, near, one):
    """Who sent the BYE or the CANCEL, or the final response, as the captures have it."""
    if near.answered:
        by = one.kind.bye.lower()
    else:
        by = "caller" if near.requests("CANCEL") else "callee"
    return [] if record["ended_by"] == by else [f"ended_by: {record['ended_by']}, the wire has the {by}'s"]


def heard_bytes(packets, source, target):
    """Octets of UDP payload of the RTP from one (address, port) to the other."""
    return sum(len(p.payload) for p in packets if (p.src, p.sport, p.dst, p.dport) == (*source, *target)
               and rtp.is_rtp_or_rtcp(p.payload) and not rtp.is_rtcp(p.payload))


def media_faults(record, near, far, directions, latched, heard):
    """Packets, bytes, loss, codecs, verdict and latch of each leg against the RTP and the SDP that were captured. `heard`: by
    direction, the octets that came to the host at its end."""
    faults = []
    media = {one["leg"]: one for one in record["media"] if one["kind"] == "rtp" and one["stream"] == 0}
    for direction in directions:
        here, there = ("caller", "callee") if direction.name == rtp.TO_CALLEE else ("callee", "caller")
        for what, said, seen in ((f"{here} packets", media[here]["packets"], len(direction.received)),
                                 (f"{there} sent_packets", media[there]["sent_packets"], len(direction.received)),
                                 (f"{here} bytes", media[here]["bytes"], heard[direction.name]),
                                 (f"{there} sent_bytes", media[there]["sent_bytes"], heard[direction.name]),
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
    own_file(door)
    kinds = {kind.name: kind for kind in batches.KINDS}
    runner = batches.Runner(tmp_path, seed.Draw(7))
    with Captures(tmp_path, **batches.capture_points()) as captures:
        placed = [runner.place(kinds[name], 2) for name in ("nat", "to-office", "failover", "busy", "vendor", "cancel")]
        placed.append(runner.place(kinds["private"], 2, private="10.99.0.5"))
    runner.stop()
    numbers = {number: one for one in placed for number in one.numbers}
    records = ended_records(len(numbers))
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
        faults += [f"{one.kind.name} {number}: {fault}"
                   for fault in signalling_faults(record, near, far) + ended_faults(record, near, one)]
        if one.kind.name in batches.ANSWERED:
            directions = [d for d in batch.directions if d.number == number]
            assert len(directions) == 2 and all(len(d.received) > 100 for d in directions)
            heard = {rtp.TO_CALLEE: heard_bytes(captures.packets(one.kind.callees[0][0]), far.offer(), far.answer()),
                     rtp.TO_CALLER: heard_bytes(captures.packets(one.kind.caller[0]), near.answer(), near.offer())}
            faults += [f"{one.kind.name} {number}: {fault}" for fault in times_faults(record, near, far, one.kind.bye == "CALLER")
                       + media_faults(record, near, far, directions, one.kind.latched, heard)]
        else:
            assert record["answered"] is None and record["duration_seconds"] is None, record
        if one.kind.name == "failover":
            assert [a["peer"] for a in record["attempts"]] == ["carrier-a", "carrier-b"]
    assert not faults, "\n".join(faults)


# ---- quality

PACKETS, APART_S = 150, (0.010, 0.030)   # 20 ms of speech each, sent early and late by turns: a jitter of some 10 ms
LOST = {"caller": range(20, 29), "callee": (50, 51, 90)}
SAID_S = 0.15                            # what reports say that they held a sender report for; they hold it longer
HELD_S = {"caller": 0.25, "callee": 0.45}
SAID_LOST = {"caller": 7, "callee": 0}


def sender_report(ssrc, middle):
    """RFC 3550 6.4.1, without report blocks; `middle`: of its NTP timestamp, what LSR repeats."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, middle << 16, 0, 1, 160)


def receiver_report(ssrc, of, lost, lsr, dlsr_s):
    return struct.pack("!BBHIIIIIII", 0x81, 201, 7, ssrc, of, lost, 0, 0, lsr, round(dlsr_s * 65536))


def exchange(teller, reporter, to_teller, to_reporter, side, middle):
    """A sender report of one end, and the report of the other that names it; `side` is the reporter's."""
    (told, told_ssrc), (heard, heard_ssrc) = teller, reporter
    told.sendto(sender_report(told_ssrc, middle), to_teller)
    assert heard.recv(2048) == sender_report(told_ssrc, middle)
    time.sleep(HELD_S[side])
    report = receiver_report(heard_ssrc, told_ssrc, SAID_LOST[side], middle, SAID_S)
    heard.sendto(report, to_reporter)
    assert told.recv(2048) == report


def round_trip(packets, near, far, middle):
    """(least, most) that Sallyport can have found between itself and the reporter, whose host is `near`: by when the sender
    report left the far host and came to the near one, and when the report left that and came to the far one."""
    def at(host, packet_type, offset):
        return next(p.ts for p in packets[host] if rtp.is_rtcp(p.payload) and p.payload[1] == packet_type
                    and struct.unpack_from("!I", p.payload, offset)[0] == middle)
    return at(near, 201, 24) - at(near, 200, 10) - SAID_S, at(far, 201, 24) - at(far, 200, 10) - SAID_S


def jitter(spread):
    """RFC 3550 A.8 over the differences |D(i-1, i)|, in seconds."""
    value = 0.0
    for one in spread:
        value += (one - value) / 16
    return value


def jitter_bounds(sent, heard):
    """Between its sender's host and the receiver's, where it was captured, a packet was at Sallyport at some moment: each D is off by
    at most the way of its two packets, and the jitter by what these make of the same filter. The first packet sets no transit."""
    left = {seq: ts for ts, seq, *_ in sent}
    rows = [(seq, left[seq], ts - left[seq]) for ts, seq, *_ in heard][1:]
    pairs = list(zip(rows, rows[1:]))
    wanted = jitter([abs((at - before) - (seq - last) * 0.02) for (last, before, _), (seq, at, _) in pairs])
    slack = jitter([way + way_before for (*_, way_before), (*_, way) in pairs])
    return wanted, slack + 0.0005    # the estimate is in whole timestamp units (125 us), the worker's clock is read once a burst


def mos(loss, round_trip_s):
    """ITU-T G.107 (defaults) for G.711 with concealment (G.113 Appendix I), rounded as records are."""
    def delay(t):
        echo = 65 - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t * t)
        talker = (94.77 - (80 + 2.5 * (echo - 14))) / 2
        listener = (94.77 - 10.5 * 117 * (2 * t + 1) ** -0.25) / 2
        x = math.log2(t / 100) if t > 100 else 0
        late = 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
        return max(0, (talker + math.hypot(talker, 10) - 1) * (1 - math.exp(-t))) + listener + math.hypot(listener, 13) + late
    r = 93.2 - (delay(round_trip_s * 500) - delay(0)) - 95 * loss * 100 / (loss * 100 + 25.1)
    return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6


def speak(a, b, to_a, to_b):
    """Both speak unevenly, and some packets of each are never sent."""
    a.to, b.to = tuple(to_a), tuple(to_b)
    for n in range(PACKETS):
        for one, side in ((a, "caller"), (b, "callee")):
            if n in LOST[side]:
                one.sent += 1
            else:
                one.send_one()
        time.sleep(APART_S[n % 2])


@pytest.mark.timeout(120)
def test_quality_and_interim_lines_are_what_captures_tell(door, ends, number, wire):
    """Loss, jitter, round trip and score of both legs of one call, whose RTP is sent with gaps and unevenly and whose RTCP reports
    are held for a known time; and the lines of every second while it lasted."""
    own_file(door, interim="1s")
    a, b = ends.media(PUB, PUB4, 6300), ends.media(CARRIER, CARRIER_A, 7300)
    reports = {"caller": (netns.udp_socket(PUB, PUB4, 6301), a.ssrc), "callee": (netns.udp_socket(CARRIER, CARRIER_A, 7301), b.ssrc)}
    captures = wire(pub=(PUB, "eth0"), carrier=(CARRIER, "eth0"))
    near, far, to_a, to_b = set_up(ends.pub(), ends.carrier(), number, a.port, b.port)
    speak(a, b, to_a, to_b)
    control = {"caller": (to_a[0], to_a[1] + 1), "callee": (to_b[0], to_b[1] + 1)}
    exchange(reports["callee"], reports["caller"], control["callee"], control["caller"], "caller", 0x1234_5678)
    exchange(reports["caller"], reports["callee"], control["caller"], control["callee"], "callee", 0x0fed_cba9)
    near.send("BYE")
    far.hear_bye()
    for sock, _ in reports.values():
        sock.close()
    captures.stop()
    records = ended_records(1)
    assert not [fault for record in records for fault in check(record)]
    packets = {"caller": captures.packets("pub"), "callee": captures.packets("carrier")}
    paths = {side: rtp.by_path(seen) for side, seen in packets.items()}
    end = records[-1]
    assert end["ended_by"] == "caller"
    media = {one["leg"]: one for one in end["media"]}
    faults = []
    ways = {}
    for here, there, end_of, to, door_of, middle in (("caller", "callee", a, b, to_a, 0x1234_5678), ("callee", "caller", b, a, to_b, 0x0fed_cba9)):
        sent = next(rows for path, rows in paths[here].items() if rows[0][2] == end_of.ssrc and path[2:] == tuple(door_of))
        heard = next(rows for rows in paths[there].values() if rows[0][2] == end_of.ssrc)
        ways[here] = sent, heard
        said = media[here]
        size = sum(len(p.payload) for p in packets[there] if not rtp.is_rtcp(p.payload) and rtp.is_rtp_or_rtcp(p.payload)
                   and struct.unpack_from("!I", p.payload, 8)[0] == end_of.ssrc)
        lost = heard[-1][1] - heard[0][1] + 1 - len(heard)
        for what, told, seen in (("packets", said["packets"], len(heard)), ("bytes", said["bytes"], size), ("lost", said["lost"], lost),
                                 ("gaps", lost, len(LOST[here])), ("reported_lost", said["reported_lost"], SAID_LOST[here]),
                                 ("the other's sent_packets", media[there]["sent_packets"], len(heard)),
                                 ("the other's sent_bytes", media[there]["sent_bytes"], size)):
            faults += [] if told == seen else [f"{here} {what}: {told}, the wire has {seen}"]
        wanted, slack = jitter_bounds(sent, heard)
        if not (wanted > 0.005 and abs(said["jitter_ms"] / 1000 - wanted) <= slack):
            faults.append(f"{here} jitter {said['jitter_ms']} ms, the wire has {wanted * 1000:.3f} within {slack * 1000:.3f}")
        least, most = round_trip(packets, here, there, middle)
        if not (least > 0.05 and least - SLACK_S <= said["rtt_ms"] / 1000 <= most + SLACK_S):
            faults.append(f"{here} rtt {said['rtt_ms']} ms, the wire has {least * 1000:.3f} .. {most * 1000:.3f}")
        score = mos(said["lost"] / (said["lost"] + said["packets"]), said["rtt_ms"] / 1000)
        if abs(said["mos"] - score) > 0.0051:
            faults.append(f"{here} mos {said['mos']}, its own loss and round trip make {score:.4f}")
    assert not faults, "\n".join(faults)
    interims = records[:-1]
    assert len(interims) >= 3 and {one["record"] for one in interims} == {"interim"} and {one["id"] for one in records} == {end["id"]}
    assert [one["duration_seconds"] for one in interims] == sorted(one["duration_seconds"] for one in interims)
    for line, record in enumerate(interims):
        assert record["ended"] is None and record["ended_by"] == "none" and round(record["duration_seconds"]) == line
        for one in record["media"]:
            sent, heard = ways[one["leg"]]
            at = instant(record, "written")
            # What had come to the far host was counted; what had not left its own could not be.
            least, most = sum(ts < at - 10 * SLACK_S for ts, *_ in heard), sum(ts < at + SLACK_S for ts, *_ in sent)
            assert least <= one["packets"] <= most, (line, one, least, most)
            assert one["codecs"] == ["PCMA/8000"] and one["bytes"] == 172 * one["packets"]


# ---- what a crash, logrotate and the size leave

ON_ITS_WAY_S = 0.5   # for so long at most the line of an answer is on its way to the file, on a machine under load


@pytest.mark.timeout(120)
def test_a_crash_under_load_loses_no_answered_call(door, ends, number, tmp_path, wire):
    """SIGKILL in mid-load: the file is whole to its last line and has the line of every answer. The next start goes on behind it,
    and takes out the half of a line that a crash of the machine would leave."""
    lab = own_file(door)
    load = Load(tmp_path, wire)
    try:
        time.sleep(5)
        killed = time.time()
        os.kill(lab.pid, signal.SIGKILL)
    finally:
        load.stop()
    load.captures.stop()
    door.stop()
    before = all_records()
    assert not [fault for record in before for fault in check(record)]
    answered = {number for number, (near, _) in load.legs(missing=True).items()
                if near and near[0].answered and near[0].final.ts < killed - ON_ITS_WAY_S}
    assert len(answered) > 20, answered
    interim = collections.Counter(one["callee"].split(":")[1].split("@")[0] for one in before if one["record"] == "interim")
    assert answered <= set(interim) and set(interim.values()) == {1}, answered - set(interim)
    with FILE.open("a") as file:
        file.write(json.dumps(before[0])[:300])
    door()
    near, far, *_ = set_up(ends.pub(), ends.carrier(), number)
    near.send("BYE")
    far.hear_bye()
    after = ended_records(sum(one["record"] == "end" for one in before) + 1)
    assert after[:len(before)] == before, "what was there stays as it was"
    assert [one["record"] for one in after[len(before):]] == ["interim", "end"] and number in after[-1]["callee"]


@pytest.mark.timeout(150)
def test_no_line_is_lost_by_logrotate_or_by_size(door, tmp_path, wire):
    """The file is renamed and SIGUSR1 sent, as logrotate does, again and again under load, while it is also rotated by size: each
    call has its two lines, in one of the files."""
    lab = own_file(door, rotate="64KiB", keep=100)
    load = Load(tmp_path, wire)
    try:
        for turn in range(4):
            time.sleep(2)
            os.rename(FILE, netns.STATE / f"cdr.jsonl-{turn}")
            os.kill(lab.pid, signal.SIGUSR1)
            deadline = time.monotonic() + 10
            while not FILE.exists():
                assert time.monotonic() < deadline, "the file was not opened anew"
                time.sleep(0.05)
        load.wait()
    finally:
        load.stop()
    records = ended_records(len(load.numbers))
    assert not [fault for record in records for fault in check(record)]
    lines = collections.Counter((one["callee"].split(":")[1].split("@")[0], one["record"]) for one in records)
    assert lines == {(number, kind): 1 for number in load.numbers for kind in ("interim", "end")}
    sizes = {path.name: path.stat().st_size for path in netns.STATE.glob("cdr.jsonl*")}
    assert "cdr.jsonl.1" in sizes and max(sizes.values()) <= 64 << 10, sizes
    assert not (netns.STATE / "cdr.jsonl.next").exists()

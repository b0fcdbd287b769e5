# SPDX-License-Identifier: Apache-2.0
"""What must hold of a run: SIPp's own verdict, the ladder of each side from the capture at its host, the rules of ladder.py,
what the messages had to show, where the RTP went, and nothing of one side on the other."""
import json
import re
import struct

import ladder

from harness import netns, rtp, sip

from . import script, words

PACKETS = 10  # of a talk
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", re.I | re.M)


class Leg(sip.Leg):
    """All messages of a side, in order; what began it need not be an INVITE."""

    @property
    def invite(self):
        return next((m for m in self.messages if m.is_request), None)


def _over_tcp(packets):
    """The SIP of TCP segments in the order of the wire; a segment that came twice counts once."""
    rest, seen, found = {}, set(), []
    for p in packets:
        way = (p.src, p.sport, p.dst, p.dport)
        if not p.payload or (way, p.seq) in seen:
            continue
        seen.add((way, p.seq))
        data = rest.get(way, b"") + p.payload
        while data:
            data = data.lstrip(b"\r\n")
            head, gap, body = data.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not gap or not length or len(body) < int(length.group(1)):
                break
            size = len(head) + 4 + int(length.group(1))
            message = sip.parse(data[:size], ts=p.ts, src=p.src, sport=p.sport, dst=p.dst, dport=p.dport)
            found += [message] if message else []
            data = data[size:]
        rest[way] = data
    return found


def leg_of(packets, side):
    """What went to that side's place and came from there. Over TCP the connection may have any port of its own."""
    if side.transport == "tcp":
        at_host = [p for p in packets if side.address in (p.src, p.dst) and p.proto == 6]
        messages = [m for m in _over_tcp(at_host) if _is_his(m, side)]
    else:
        place = (side.address, side.port)
        messages = sip.messages([p for p in packets if place in ((p.src, p.sport), (p.dst, p.dport))])
    return Leg(messages[0].call_id if messages else "", messages)


def _is_his(message, side):
    """Both directions of a case have the same hosts; a caller's Call-IDs bear his name (lab.py)."""
    if side.role == "caller":
        return message.call_id.startswith(side.secret)
    return not re.match(r"s\d+[ab]ri-", message.call_id)


def _shown(leg, steps, case):
    """What comes shows what its words say, by its place on the ladder."""
    faults, found = [], {}
    for m in ladder.once(leg.messages):
        if ladder.ours(m):
            found.setdefault(ladder.name(m), []).append(m)
    for step in script.flat(steps):
        if step.sent or step.again or not found.get(step.name):
            continue
        message = found[step.name].pop(0)
        for word in step.words:
            if not _holds(case.shows.get(word) or words.SHOWS[word], message):
                faults.append(f"{step.name} does not show '{word}':\n{message.raw.decode('utf-8', 'replace')}")
    return faults


def _holds(check, message):
    try:
        return bool(check(message))
    except (AssertionError, KeyError):
        return False


def _described(message):
    """The audio port of a description; None: there is none."""
    found = re.search(r"^m=audio (\d+)", message.body, re.M)
    return int(found.group(1)) if found else None


def heard(packets, side):
    """RTP from us to that side: (how many packets, those that went where it did not ask for them). From an answer on the old port
    counts no more; what an offer said counts once it is accepted, either port while it is open."""
    taken, offered, count, astray = None, {}, 0, []
    for p in packets:
        if p.proto != 17 or side.address not in (p.src, p.dst) or not p.payload:
            continue
        if rtp.is_rtp_or_rtcp(p.payload):
            if p.dst == side.address and p.src in ladder.OURS and _is_media_of(side, p.dport):
                count += 1
                if p.dport not in {taken, *offered.values()}:
                    astray.append(f"RTP to port {p.dport}, asked for was {taken}")
            continue
        for m in sip.messages([p]):
            if (side.address, side.port) not in ((m.src, m.sport), (m.dst, m.dport)):
                continue
            key = (ladder.branch(m), m.cseq[0])
            if m.src == side.address and _described(m) and m.is_request and m.method != "ACK":
                offered[key] = _described(m)
            elif m.src == side.address and _described(m):
                taken = _described(m)
            elif ladder.ours(m) and m.code >= 200 or ladder.ours(m) and m.code and m.body:
                port = offered.pop(key, None)
                taken = port if port and m.code < 300 else taken
    return count, astray


def _is_media_of(side, port):
    """The two directions of a case have the same hosts, and other ports."""
    return (port >= 6200) == (side.role == "caller")


def _record(run):
    lines = (netns.STATE / "cdr.jsonl").read_text().splitlines()
    number = run.sides["caller"].number
    return next((r for r in map(json.loads, reversed(lines)) if r["record"] == "end" and number in r["callee"]), {})


def _faults_of_side(run, role, packets):
    side, case, text = run.sides[role], run.case, run.case.scripts[role]
    steps, leg = script.read(text), leg_of(packets, side)
    rules = [rule for rule in ladder.RULES if rule.__name__ not in case.without]
    faults = ladder.sequence(leg, script.wanted(steps)) + ladder.leg_faults(leg, rules) + _shown(leg, steps, case)
    count, astray = heard(packets, side) if side.transport == "udp" else (_rtp_to(packets, side), [])
    wanted = case.hears.get(role, PACKETS * script.talks(steps))
    if count != wanted:
        faults.append(f"{count} RTP packets heard, not {wanted}")
    for (where, name), least in case.copies.items():
        copies = sum(ladder.name(m) == name for m in leg.messages)
        if where == role and copies < least:
            faults.append(f"{name} came {copies} times, not {least}")
    return [f"{role}: {fault}" for fault in faults + astray[:3]]


def _rtp_to(packets, side):
    return sum(p.dst == side.address and p.src in ladder.OURS and _is_media_of(side, p.dport) and rtp.is_rtp_or_rtcp(p.payload)
               for p in packets if p.proto == 17)


def by_address(packets):
    """Packets by the two addresses that they bear."""
    found = {}
    for p in packets:
        for address in {p.src, p.dst}:
            found.setdefault(address, []).append(p)
    return found


def faults(run, seen):
    """All that is wrong with a run; `seen`: the packets at a side's host by its address."""
    case, found = run.case, [run.fault] if run.fault else []
    found += [f"{role}: SIPp ended with {code}" for role, code in run.codes.items() if code != 0]
    for role in case.scripts:
        found += _faults_of_side(run, role, seen.get(run.sides[role].address, []))
    for role in case.nobody:
        if leg_of(seen.get(run.sides[role].address, []), run.sides[role]).messages:
            found.append(f"{role} should have heard nothing")
    legs = {role: leg_of(seen.get(run.sides[role].address, []), run.sides[role]) for role in case.scripts}
    for role in {"callee", "second"} & set(legs):
        if legs["caller"].messages and legs[role].messages:
            found += ladder.leaks(legs["caller"], legs[role])
    if case.record:
        record = _record(run)
        found += [f"record: {key} is {record.get(key)!r}, not {value!r}" for key, value in case.record.items() if record.get(key) != value]
    return found

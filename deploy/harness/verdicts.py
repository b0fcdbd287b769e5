# SPDX-License-Identifier: Apache-2.0
"""The verdicts: pure functions over captured data. Each returns a Verdict whose detail says what was seen, and each has
a test with one fault put in that turns it red (tests/integration/test_verdicts.py)."""
import ipaddress
import re
from dataclasses import asdict, dataclass, field

from . import rtp

MAX_SHOWN = 3


@dataclass
class Verdict:
    name: str
    ok: bool
    detail: str

    def as_dict(self):
        return asdict(self)


@dataclass
class Batch:
    """What one kind of call left on the wire: legs by the number called, at the caller's host and at the callee's."""
    name: str
    numbers: list
    caller: dict = field(default_factory=dict)   # number -> [Leg]
    callee: dict = field(default_factory=dict)
    directions: list = field(default_factory=list)

    def caller_leg(self, number):
        return next(iter(self.caller.get(number, [])), None)

    def callee_leg(self, number):
        return next(iter(self.callee.get(number, [])), None)


def verdict(name, faults, good):
    """Green with `good` when there is no fault, else red with the first few of them."""
    if not faults:
        return Verdict(name, True, good)
    more = f" (and {len(faults) - MAX_SHOWN} more)" if len(faults) > MAX_SHOWN else ""
    return Verdict(name, False, "; ".join(faults[:MAX_SHOWN]) + more)


def _no_calls(batch):
    return [] if batch.numbers else ["no call was placed"]


def answered_numbers(batch):
    return [n for n in batch.numbers if (leg := batch.caller_leg(n)) and leg.answered]


def answered(name, batch):
    faults = _no_calls(batch)
    for number in batch.numbers:
        leg, far = batch.caller_leg(number), batch.callee.get(number, [])
        if leg is None:
            faults.append(f"{number}: no INVITE seen")
        elif not leg.answered:
            faults.append(f"{number}: {leg.final.start if leg.final else 'no final answer'}")
        elif not any(one.answered for one in far):
            faults.append(f"{number}: the callee never answered it")
        elif not leg.requests("ACK"):
            faults.append(f"{number}: no ACK")
    return verdict(name, faults, f"{len(batch.numbers)} of {len(batch.numbers)} answered")


def never_seen(name, messages, pattern, what):
    """No message holds the pattern, in any header or body."""
    seen = re.compile(pattern.encode())
    faults = [f"{m.start[:50]!r} to {m.dst} holds {found.group(0).decode()}" for m in messages
              if (found := seen.search(m.raw))]
    if not messages:
        faults = ["no message was captured"]
    return verdict(name, faults, f"{what} in none of {len(messages)} messages")


def refused(name, batch, code, phrase=None, warning=None, reaches_callee=None):
    """Every call hears this code, with this phrase and a Warning of this code where given."""
    faults = _no_calls(batch)
    for number in batch.numbers:
        leg = batch.caller_leg(number)
        final = leg.final if leg else None
        if final is None:
            faults.append(f"{number}: no final answer")
        elif final.code != code:
            faults.append(f"{number}: heard {final.start[8:]}, not {code}")
        elif phrase is not None and final.phrase != phrase:
            faults.append(f"{number}: phrase {final.phrase!r}, not {phrase!r}")
        elif warning is not None and not re.match(rf"{warning} ", final.get("warning")):
            faults.append(f"{number}: Warning {final.get('warning')!r}, not {warning}")
        elif reaches_callee is False and batch.callee.get(number):
            faults.append(f"{number}: the callee saw it all the same")
        elif reaches_callee and not batch.callee.get(number):
            faults.append(f"{number}: never reached the callee")
    return verdict(name, faults, f"{len(batch.numbers)} calls heard {code}" + (f" {phrase}" if phrase else ""))


def mapped(name, batch, table, must):
    """table: (code, phrase) that the carrier may say -> code that the caller hears; `must` is said at least once."""
    faults, pairs, said_must = _no_calls(batch), set(), False
    for number in batch.numbers:
        near, far = batch.caller_leg(number), batch.callee_leg(number)
        said = (far.final.code, far.final.phrase) if far and far.final else None
        final = near.final if near else None
        said_must |= said == must
        if said not in table:
            faults.append(f"{number}: the carrier said {said or 'nothing'}")
        elif final is None or final.code != table[said]:
            faults.append(f"{number}: {said[0]} {said[1]} was heard as {final.start[8:] if final else 'nothing'}, "
                          f"not {table[said]}")
        else:
            pairs.add(f"{said[0]} {said[1]} -> {table[said]}")
    if batch.numbers and not said_must:
        faults.append(f"{must[0]} {must[1]} was never said")
    return verdict(name, faults, ", ".join(sorted(pairs)))


def cancelled(name, batch):
    faults = _no_calls(batch)
    for number in batch.numbers:
        near, far = batch.caller_leg(number), batch.callee_leg(number)
        if near is None or far is None:
            faults.append(f"{number}: {'no call' if near is None else 'never reached the callee'}")
        elif not near.responses("CANCEL", 200):
            faults.append(f"{number}: CANCEL was not answered with 200")
        elif near.final is None or near.final.code != 487:
            faults.append(f"{number}: heard {near.final.start[8:] if near.final else 'nothing'}, not 487")
        elif not far.requests("CANCEL"):
            faults.append(f"{number}: the callee's leg was not cancelled")
        elif not far.requests("ACK"):
            faults.append(f"{number}: the callee's 487 was not acknowledged")
    return verdict(name, faults, f"{len(batch.numbers)} calls heard 487, the other legs were cancelled")


def _bye(leg, from_us):
    """The leg's BYE when it went the expected way and was answered."""
    for bye in leg.requests("BYE"):
        ours = bye.src not in {leg.invite.src} if from_us == "callee" else bye.src == leg.invite.src
        if ours and any(m.code == 200 for m in leg.responses("BYE")):
            return bye
    return None


def hung_up(name, batch, by):
    """BYE by 'caller' or 'callee': on both legs, in that direction, answered with 200."""
    faults = _no_calls(batch)
    for number in batch.numbers:
        for side, leg in (("caller's", batch.caller_leg(number)), ("callee's", batch.callee_leg(number))):
            if leg is None or _bye(leg, by) is None:
                faults.append(f"{number}: no answered BYE by the {by} on the {side} leg")
    return verdict(name, faults, f"{len(batch.numbers)} calls ended by the {by} on both legs")


def families(name, batch, caller=6, callee=4):
    """The caller's leg speaks one IP version, in SIP and SDP, and the callee's the other."""
    faults = _no_calls(batch)
    for number in batch.numbers:
        for side, leg, version in (("caller's", batch.caller_leg(number), caller), ("callee's", batch.callee_leg(number), callee)):
            if leg is None or not leg.answered:
                faults.append(f"{number}: no answered {side} leg")
                continue
            for what, address in (("SIP", leg.invite.src), ("offer", (leg.offer() or [""])[0]),
                                  ("answer", (leg.answer() or [""])[0])):
                try:
                    got = ipaddress.ip_address(address).version
                except ValueError:
                    got = None
                if got != version:
                    faults.append(f"{number}: the {side} {what} is at {address or 'no address'}, not IPv{version}")
    return verdict(name, faults, f"{len(batch.numbers)} calls from IPv{caller} to IPv{callee}")


def failed_over(name, batch, first, second):
    """Every call is answered by `second`, and the first of them at least was tried at `first`."""
    faults, tried = _no_calls(batch), 0
    for number in batch.numbers:
        legs, near = batch.callee.get(number, []), batch.caller_leg(number)
        to_first = [one for one in legs if one.invite.dst == first]
        to_second = [one for one in legs if one.invite.dst == second and one.answered]
        tried += bool(to_first)
        if near is None or not near.answered:
            faults.append(f"{number}: the caller heard {near.final.start[8:] if near and near.final else 'nothing'}")
        elif not to_second:
            faults.append(f"{number}: {second} did not answer it")
        elif any(one.answered for one in to_first):
            faults.append(f"{number}: {first} answered it")
    if batch.numbers and not tried:
        faults.append(f"{first} was never tried")
    return verdict(name, faults, f"{tried} calls refused by {first}, {len(batch.numbers)} answered by {second}")


def topology_hidden(name, batches):
    """Nothing of one side is seen on the other: Call-ID, tags, Vias, Record-Routes, Contact, User-Agent, o= and addresses,
    our own among them."""
    faults, compared = [], 0
    for batch in batches:
        for number in batch.numbers:
            near, fars = batch.caller_leg(number), batch.callee.get(number, [])
            for far in fars:
                compared += near is not None
                faults += [f"{batch.name} {number}: {fault}" for fault in _leaks(near, far)] if near else []
    if not compared:
        faults = ["no call had two legs"]
    return verdict(name, faults, f"{compared} pairs of legs have nothing in common but the number")


def _own_routing(m):
    """What only the hosts on a leg need to find each other: Vias (of a request: those of a response are the other side's),
    Record-Routes, and the Contact's user where nothing else that is passed on bears it."""
    found = set(re.findall(r"<([^>]+)>", " ".join(m.all("record-route"))))
    for via in m.all("via") if m.is_request else []:
        found.update(re.findall(r"branch=([^;,\s]+)", via))
        found.update(host.strip("[]") for host in re.findall(r"SIP\s*/\s*2\.0\s*/\s*\w+\s+(\[[^]]+\]|[^\s;:,]+)", via))
    known = f"{m.start} {m.get('from')} {m.get('to')}"
    found.update(user for user in re.findall(r"sips?:([^@;>]+)@", m.get("contact")) if user not in known)
    return found


def _secrets(leg, host, ours):
    """What a host's own messages of this leg hold that the other side must not see, and our address on this leg."""
    found = {leg.call_id, host, ours}
    for m in leg.messages:
        if m.src != host:
            continue
        found.update(t for t in (m.tag("from") if m.is_request else m.tag("to"),) if t)
        found.update(v for n in ("user-agent", "server") for v in m.all(n))
        found.update(re.findall(r"^o=(\S+ \d+ \d+)", m.body, re.M))
        found.update(_own_routing(m))
    return {one for one in found if len(one) > 3}


def _leaks(near, far):
    caller, callee = near.invite.src, far.invite.dst
    faults = []
    here, there = near.invite.dst, far.invite.src
    for secrets, leg, ours, whose in ((_secrets(near, caller, here), far, there, "caller's"),
                                      (_secrets(far, callee, there), near, here, "callee's")):
        for m in leg.messages:
            if m.src != ours:
                continue
            text = m.raw.decode("utf-8", "replace")
            faults += [f"{m.start[:30]!r} shows the {whose} {one!r}" for one in secrets
                       if re.search(rf"(?<![\w.]){re.escape(one)}(?![\w.]*\d)", text)]
    return faults


def media_whole(name, directions, calls, latched=False):
    """Every packet arrives once and unchanged, both ways, from the first to the last. `latched`: the caller is behind a NAT.
    What the callee sends to him before it has heard of him has nowhere to go, so the first of those may be lost; from the
    caller's own side nothing may, since what a latch learns from is held and relayed."""
    faults = []
    if len(directions) != 2 * calls or not calls:
        faults.append(f"{len(directions)} directions with SDP on both legs, not {2 * calls}")
    for one in directions:
        where = f"{one.number} {one.name}"
        may = one.before_pinhole if latched and one.name == rtp.TO_CALLER else 0
        if not one.sent:
            faults.append(f"{where}: nothing was sent")
        elif not one.received:
            faults.append(f"{where}: none of {len(one.sent)} arrived")
        elif one.lost_after_latch:
            faults.append(f"{where}: {one.lost_after_latch} of {len(one.sent)} lost after the latch")
        elif one.before_latch > may:
            faults.append(f"{where}: the first {one.before_latch} were lost, {may} may be")
        elif one.foreign or one.doubled:
            faults.append(f"{where}: {one.foreign} packets that nobody sent so, {one.doubled} doubled")
    sent, got = sum(len(d.sent) for d in directions), sum(len(d.received) for d in directions)
    before = sum(d.before_latch for d in directions)
    return verdict(name, faults, f"{got} of {sent} RTP packets arrived, {before} were sent before the caller's NAT was open")


def law_holds(name, law):
    """received = relay + sip + kernel + drops, exactly, per port; no packet without a named fate."""
    faults = [] if law else ["no port reports"]
    for port, row in law.items():
        if row["received"] != row["accounted"]:
            faults.append(f"{port}: received {row['received']}, accounted for {row['accounted']}")
        if row["other"]:
            faults.append(f"{port}: {row['other']} delivered by an unnamed path")
        if "" in row["drops"] or "unknown" in row["drops"]:
            faults.append(f"{port}: drops without a reason")
        if not row["received"]:
            faults.append(f"{port}: nothing received")
    return verdict(name, faults, ", ".join(f"{port}: {row['received']} = {row['relay']} relay + {row['sip']} sip + "
                                           f"{row['kernel']} kernel + {sum(row['drops'].values())} drops"
                                           for port, row in law.items()))


def counted(name, law, frames):
    """frames: port -> frames that a capture saw go to that port. Each was counted, as received or as lost by the NIC."""
    faults = [] if frames else ["nothing captured"]
    for port, seen in frames.items():
        row = law.get(port)
        have = row["received"] + row["missed"] if row else 0
        if have != seen:
            faults.append(f"{port}: the capture saw {seen}, the dataplane counted {have}")
    return verdict(name, faults, ", ".join(f"{port}: {seen}" for port, seen in frames.items()))


def relayed(name, law, left):
    """left: RTP and RTCP packets that captures saw leave Sallyport, on all ports: as many as it says to have relayed."""
    said = sum(row["relay"] for row in law.values())
    faults = [] if said == left and left else [f"{left} media packets left, {said} are counted as relayed"]
    return verdict(name, faults, f"{left} media packets left, as many as counted")


def no_udp_socket(name, held, addresses):
    """The process holds no UDP socket on a realm's address, nor a wildcard one that would catch it."""
    realm = {str(ipaddress.ip_address(a)) for a in addresses}
    faults = [f"UDP socket on {row.address} port {row.port}" for row in held
              if row.address in realm or ipaddress.ip_address(row.address).is_unspecified]
    return verdict(name, faults, f"none among {len(held)} UDP sockets")


def captures_whole(name, dropped):
    faults = [f"{where}: tcpdump lost {count}" for where, count in dropped.items() if count != 0]
    if not dropped:
        faults = ["no capture"]
    return verdict(name, faults, f"{len(dropped)} captures, no frame lost")

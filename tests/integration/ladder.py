# SPDX-License-Identifier: Apache-2.0
"""What must hold of every call on the wire, whatever its ladder: pure functions over the messages of a leg, as captured at
its host. Each returns faults as text. A ladder is written from the host: `>INVITE <100 <200 >ACK`; a response to anything
but INVITE names its request: `<200/BYE`; what stands in braces comes in any order."""
import re

from harness import netns, sip, verdicts

# What begins a dialog or refreshes its target, by itself and by its responses (RFC 3261 12.2, 3311 5, 6665 4.4.1).
_REFRESH = ("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY")
OURS = set(netns.REALM_ADDRESSES)
_SENT_BY = re.compile(r"SIP\s*/\s*2\.0\s*/\s*\w+\s+(\S+?)\s*(?:;|$)")


def ours(message):
    return message.src in OURS


def name(message):
    arrow = "<" if ours(message) else ">"
    if message.is_request:
        return arrow + message.method
    number, method = message.code, message.cseq[1]
    return f"{arrow}{number}" + ("" if method == "INVITE" else f"/{method}")


def once(messages):
    """Without what was sent again as it was."""
    seen, kept = set(), []
    for m in messages:
        key = (m.src, m.dst, m.raw)
        if key not in seen:
            seen.add(key)
            kept.append(m)
    return kept


def steps(leg):
    return [name(m) for m in once(leg.messages)]


def _groups(text):
    for braces, plain in re.findall(r"\{([^}]*)\}|(\S+)", text):
        yield sorted(braces.split()) if braces else [plain]


def sequence(leg, wanted):
    """The leg's ladder is the wanted one."""
    seen, at = steps(leg), 0
    for group in _groups(wanted):
        if sorted(seen[at:at + len(group)]) != group:
            return [f"ladder: {' '.join(seen)}\n  wanted: {wanted}\n  differs at step {at + 1}"]
        at += len(group)
    return [] if at == len(seen) else [f"ladder: {' '.join(seen)}\n  wanted: {wanted}\n  and no more"]


def branch(message):
    found = re.search(r"branch=([^;,\s]+)", message.get("via"))
    return found.group(1) if found else ""


def _values(message, header):
    return [one.strip() for line in message.all(header) for one in re.split(r",(?=\s*<)", line)]


def uri(header):
    found = re.search(r"<([^>]+)>", header) or re.match(r"([^;\s]+)", header)
    return found.group(1) if found else ""


def _invite_of(m, before):
    """The INVITE that an ACK or CANCEL shares its transaction with."""
    return next((r for r in before if r.method == "INVITE" and branch(r) == branch(m)), None)


def _request_of(response, before):
    """The request that it answers."""
    return next((r for r in before if not ours(r) and r.is_request and (branch(r), r.cseq) == (branch(response), response.cseq)), None)


def numbers(messages):
    """CSeq: ours grow in each dialog; ACK and CANCEL bear their INVITE's; a response that of its request."""
    faults, last, sent = [], {}, once(messages)
    for at, m in enumerate(sent):
        if not ours(m):
            continue
        number, method = m.cseq
        if not m.is_request:
            if not _request_of(m, sent[:at]):
                faults.append(f"{name(m)} answers no request: CSeq {m.get('cseq')}")
            continue
        if method != m.method:
            faults.append(f"{name(m)} has CSeq {m.get('cseq')}")
        if m.method in ("ACK", "CANCEL"):
            if not any(ours(r) and r.method == "INVITE" and r.cseq[0] == number for r in sent[:at]):
                faults.append(f"{name(m)} has no INVITE's CSeq: {number}")
            continue
        dialog = m.tag("to")
        if number <= last.get(dialog, last.get("", -1)):
            faults.append(f"{name(m)}: CSeq {number} does not grow")
        last[dialog] = number
    return faults


def tags(messages):
    """We have one tag on a leg, whatever forks there."""
    found = {m.tag("from" if m.is_request else "to") for m in messages if ours(m)} - {""}
    return [] if len(found) == 1 else [f"our tags on one leg: {sorted(found)}"]


def vias(messages):
    """A request of ours has one Via, our own address and a branch of its own; a response has those of its request."""
    faults, branches, sent = [], set(), once(messages)
    for at, m in enumerate(sent):
        if not ours(m):
            continue
        if not m.is_request:
            request = _request_of(m, sent[:at])
            if request and [_plain(v) for v in _vias(m)] != [_plain(v) for v in _vias(request)]:
                faults.append(f"{name(m)} has the Vias {_vias(m)}, its request {_vias(request)}")
            continue
        host = _SENT_BY.match(m.get("via"))
        if len(_vias(m)) != 1 or not host or host.group(1) != f"{m.src}:5060":
            faults.append(f"{name(m)} has the Vias {_vias(m)}")
        shares = _invite_of(m, sent[:at]) if m.method in ("ACK", "CANCEL") else None
        if not branch(m).startswith("z9hG4bK") or (branch(m) in branches and not shares):
            faults.append(f"{name(m)}: the branch {branch(m)} is not its own")
        if m.method == "CANCEL" and not shares:
            faults.append("<CANCEL has no INVITE's branch")
        branches.add(branch(m))
    return faults


def _vias(message):
    return [v.strip() for line in message.all("via") for v in line.split(",")]


def _plain(via):
    return re.sub(r";(received|rport)(=[^;,\s]*)?", "", via)


def routes(messages):
    """Our requests in a dialog go by the route set that it was begun with, to the newest Contact of the peer (RFC 3261 12.2)."""
    faults, sent = [], once(messages)
    for at, m in enumerate(sent):
        if not ours(m) or not m.is_request:
            continue
        shared = _invite_of(m, sent[:at]) if m.method in ("ACK", "CANCEL") else None
        if shared is not None:
            if (m.uri, m.all("route")) != (shared.uri, shared.all("route")):
                faults.append(f"{name(m)} goes another way than its INVITE")
        elif m.tag("to"):
            route, target = _route_set(sent[:at], m.tag("to"))
            if _values(m, "route") != route:
                faults.append(f"{name(m)} has the routes {m.all('route')}, not {route}")
            if m.uri != target:
                faults.append(f"{name(m)} is for {m.uri}, not for {target}")
        elif m.all("route"):
            faults.append(f"{name(m)} has a Route")
        if m.all("record-route"):
            faults.append(f"{name(m)} has a Record-Route")
    return faults


def _taken(request, before):
    """Its Contact counts: it began the dialog, or has had a 2xx or a reliable provisional response (RFC 6141 4.10)."""
    return not request.tag("to") or any(
        ours(m) and (branch(m), m.cseq) == (branch(request), request.cseq) and (m.code // 100 == 2 or (100 < m.code < 200 and m.get("rseq")))
        for m in before)


def _route_set(before, tag):
    """What the peer's own messages with this tag of its say."""
    theirs = [m for m in before if not ours(m) and m.tag("from" if m.is_request else "to") == tag]
    first = next((m for m in theirs if m.all("record-route") and m.cseq[1] == "INVITE"), None)
    route = [] if first is None else _values(first, "record-route")
    targets = [uri(m.get("contact")) for m in theirs if m.get("contact") and m.cseq[1] in _REFRESH and m.code < 300
               and not (m.is_request and not _taken(m, before))]
    return (route if first is None or first.is_request else route[::-1]), targets[-1] if targets else ""


def contacts(messages):
    """A Contact of ours is our own address."""
    return [f"{name(m)} has the Contact {m.get('contact')}" for m in messages
            if ours(m) and m.get("contact") and not re.match(rf"sips?:([^@]*@)?{re.escape(m.src)}:5060\b", uri(m.get("contact")))]


def streams(body):
    return re.findall(r"^m=(\w+) ", body, re.M)


def description(message):
    """The session description, alone or as a part of the body."""
    if not message.get("content-type").lower().startswith("multipart/"):
        return message.body
    start = max(message.body.find("v=0\r\n"), 0)
    return message.body[start:message.body.find("\r\n--", start)]


def versions(messages):
    """Our o= is one for the leg; a new description has the next version (RFC 3264 8), and a version names one description only:
    what is said again after an offer was refused keeps the version that it had."""
    faults, seen, origin = [], {}, None
    for m in once(messages):
        found = re.search(r"^o=(\S+) (\d+) (\d+) (IN IP[46] \S+)\r?$", m.body, re.M) if ours(m) else None
        if not found:
            continue
        version, body = int(found.group(3)), description(m).strip().replace(found.group(0).strip(), "")
        if m.src not in found.group(4):
            faults.append(f"{name(m)}: o= shows {found.group(4)}")
        if origin not in (None, found.group(1, 2, 4)):
            faults.append(f"{name(m)}: o= was {origin} and is {found.group(1, 2, 4)}")
        origin = found.group(1, 2, 4)
        if version in seen and seen[version] != body:
            faults.append(f"{name(m)}: the description has changed, the version {version} has not")
        elif version not in seen and seen and version != max(seen) + 1:
            faults.append(f"{name(m)}: version {version} after {max(seen)}")
        elif version not in seen and body in seen.values() and body == seen[max(seen)]:
            faults.append(f"{name(m)}: version {version}, the description is the same")
        seen[version] = body
    return faults


def answers(messages):
    """Our answer has the m= lines of the offer, in its order (RFC 3264 6)."""
    faults, sent = [], once(messages)
    for at, m in enumerate(sent):
        if not ours(m) or m.is_request or not streams(m.body):
            continue
        offer = _request_of(m, sent[:at])
        if offer and streams(offer.body) and streams(offer.body) != streams(m.body):
            faults.append(f"{name(m)} answers {streams(offer.body)} with {streams(m.body)}")
    return faults


def leaks(near, far):
    """Nothing of one side on the other: what the judge of the demo knows, and header fields that are not to pass."""
    batch = verdicts.Batch("call", ["it"], {"it": [near]}, {"it": [far]})
    verdict = verdicts.topology_hidden("leaks", [batch])
    faults = [] if verdict.ok else [verdict.detail]
    for leg in (near, far):
        faults += [f"{name(m)} shows X-Lab" for m in leg.messages if ours(m) and m.get("x-lab")]
    return faults


RULES = (numbers, tags, vias, routes, contacts, versions, answers)


def leg_faults(leg, rules=RULES):
    return [fault for rule in rules for fault in rule(leg.messages)]


def leg_of(messages, call_id):
    return sip.Leg(call_id, [m for m in messages if m.call_id == call_id])

# SPDX-License-Identifier: Apache-2.0
"""Writes a side's script as a SIPp scenario. Each side stands behind a proxy, as far as Sallyport can see (two Vias, two
Record-Routes), and has names of its own in every field that must not cross."""
import itertools
import re
from dataclasses import dataclass, field

from . import script, words

_PROXY = {"caller": "203.0.113.7", "callee": "203.0.113.9", "second": "203.0.113.11"}


@dataclass
class Side:
    """Who plays a script, and where."""
    role: str            # caller, callee or second
    address: str
    port: int
    door: str            # Sallyport's address on this side
    number: str          # what the caller calls
    secret: str          # a part of all names that are its own
    fields: dict = field(default_factory=dict)  # the case's own words: header lines
    second: str = ""     # where the callee's side has another one
    transport: str = "udp"
    clip: str = "clip.pcap"

    @property
    def parameter(self):
        return "" if self.transport == "udp" else f";transport={self.transport}"


class _Request:
    """A request that has come or gone; `number`: its CSeq."""

    def __init__(self, method, number, branch="", place="", to="", key=""):
        self.method, self.number, self.branch, self.place, self.to, self.key, self.final = method, number, branch, place, to, key, 0


class Composer:
    def __init__(self, side, steps):
        self.side, self.steps = side, steps
        self.cseq = {"caller": 1}.get(side.role, 100)
        self.branches, self.labels, self.keys = itertools.count(1), itertools.count(1), itertools.count(1)
        self.sent, self.heard, self.marks, self.texts = [], [], {}, {}
        self.described, self.version, self.offset, self.body, self.rseq = "", 0, 0, "", 7000
        self.variables, self.dialog = [], side.role == "caller"
        self.has_remote = False

    # -- the scenario

    def xml(self):
        parts = [self._step(step) for step in self.steps]
        used = f'  <Reference variables="{",".join(self.variables)}"/>\n' if self.variables else ""
        return (f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{self.side.role}">\n' + "".join(parts) +
                used + "</scenario>\n")

    def _step(self, step):
        if isinstance(step, script.Pause):
            return f'  <pause milliseconds="{step.ms}"/>\n'
        if isinstance(step, script.Talk):
            return f'  <nop><action><exec play_pcap_audio="{self.side.clip}"/></action></nop>\n'
        if isinstance(step, script.AnyOrder):
            return self._any_order(step)
        return self._send(step) if step.sent else self._receive(step)

    def _any_order(self, step):
        """Either may come first; then the other."""
        one, other, done = (f"l{next(self.labels)}" for _ in range(3))
        parts = []
        for part in step.parts:
            actions = self._noted(part[0])
            parts.append((part[0], actions, "".join(self._step(s) for s in part[1:])))
        (a, a_notes, a_then), (b, b_notes, b_then) = parts
        return (_recv(a, a_notes, f' optional="true" next="{one}"') + _recv(b, b_notes, f' next="{other}"') +
                f'  <label id="{one}"/>\n{a_then}{_recv(b, b_notes)}{b_then}  <nop next="{done}"/>\n' +
                f'  <label id="{other}"/>\n{b_then}{_recv(a, a_notes)}{a_then}  <label id="{done}"/>\n')

    # -- what comes

    def _receive(self, step):
        return _recv(step, [] if step.again else self._noted(step))

    def _noted(self, step):
        """What of it has to be kept: (header, pattern, variable)."""
        if step.is_request:
            key = str(next(self.keys))
            self.heard.append(_Request(step.what, 0, key=key, to=self.dialog))
            notes = [("Via:", ".*", f"via{key}"), ("CSeq:", ".*", f"cseq{key}"), ("From:", ".*", f"from{key}"),
                     ("To:", ".*", f"to{key}")]
            if not self.dialog:
                self.dialog = key
                notes.append(("Contact:", "sip:[^>]+", "target"))
            return self._kept(notes)
        request = next((one for one in reversed(self.sent) if one.method == step.of), None)
        notes = []
        if request:
            request.final = max(request.final, int(step.what))
        if self.side.role == "caller" and step.of in ("INVITE", "SUBSCRIBE") and step.what != "100":
            notes.append(("To:", ".*", "remote"))
            if step.what < "300":
                self.has_remote = True
                notes.append(("Contact:", "sip:[^>]+", "target"))
        if {"reliable"} & set(step.words):
            notes.append(("RSeq:", "[0-9]+", "rseq"))
        return self._kept(notes)

    def _kept(self, notes):
        self.variables += [name for *_, name in notes if name not in self.variables]
        return notes

    # -- what is sent

    def _send(self, step):
        if step.again:
            text = self.texts[step.name]
        else:
            text = self._request(step) if step.is_request else self._response(step)
            self.texts[step.name] = text
        return "  <send><![CDATA[\n\n" + text + "\n]]></send>\n"

    def _request(self, step):
        one = self._made(step)
        self.invite = next((r.number for r in reversed(self.sent) if r.method == "INVITE"), 0)
        source, to = self._parties(one)
        if "stranger" in step.words:
            source = f"<sip:lab@{self.side.address}>;tag=somebody"
        head = [f"{step.what} {one.place} SIP/2.0", self._via(one.branch)]
        if step.what != "CANCEL" and not (step.what == "ACK" and one.final >= 300):
            head.append(f"Via: SIP/2.0/UDP {_PROXY[self.side.role]}:5060;branch=z9hG4bK{self.side.secret}v")
        head += [f"From: {source}", f"To: {to}", "Call-ID: [call_id]", f"CSeq: {one.number} {step.what}", "Max-Forwards: 70"]
        if not one.to and step.what == "INVITE":
            head.append(f"Record-Route: {', '.join(self._route())}")
        return self._whole(head, step)

    def _made(self, step):
        """The transaction of that request: its CSeq, branch and place."""
        of = self.marks.get(step.mark) or next((r for r in reversed(self.sent) if r.method == "INVITE"), None)
        if step.what == "CANCEL" or (step.what == "ACK" and of and of.final >= 300):
            return of
        branch = f"z9hG4bK[pid]{self.side.secret}b{next(self.branches)}"
        place = "[$target]" if not self._initial() else f"sip:{self.side.number}@{self.side.door}:5060{self.side.parameter}"
        if step.what == "ACK":
            return _Request("ACK", of.number, branch, place, not self._initial())
        number = self.cseq - 2 if "old" in step.words else self.cseq + 5 * ("skip" in step.words)
        if "old" not in step.words:
            self.cseq = number + 1
        one = _Request(step.what, number, branch, place, not self._initial())
        self.sent.append(one)
        if step.mark:
            self.marks[step.mark] = one
        return one

    def _initial(self):
        return self.side.role == "caller" and not self.has_remote

    def _parties(self, one):
        """From and To of a request of ours."""
        if self.side.role == "caller":
            mine = f"<sip:lab@{self.side.address}>;tag={self.side.secret}t"
            known = one.to or one.final >= 300
            return mine, "[$remote]" if known else f"<sip:{self.side.number}@{self.side.door}>"
        return f"[$to{self.dialog}];tag={self.side.secret}t", f"[$from{self.dialog}]"

    def _response(self, step):
        request = next(r for r in reversed(self.heard) if r.method == step.of)
        key, began = request.key, not request.to
        tag = f";tag={self.side.secret}{step.fork or 't'}" if began and step.what != "100" else ""
        head = [f"SIP/2.0 {step.what} {words.PHRASES[int(step.what)]}", f"Via:[$via{key}]", f"From:[$from{key}]", f"To:[$to{key}]{tag}", "Call-ID: [call_id]",
                f"CSeq:[$cseq{key}]"]
        if step.of == "INVITE" and began:
            head.append(f"Record-Route: {', '.join(reversed(self._route()))}")
        if "rel" in step.words:
            self.rseq += 1
            head += ["Require: 100rel", f"RSeq: {self.rseq}"]
        return self._whole(head, step)

    def _whole(self, head, step):
        side = self.side
        if not (step.what.isdigit() and step.what >= "300"):
            head.append(f"Contact: <sip:{side.secret}c@{side.address}:{side.port}{side.parameter}>")
        head += [f"User-Agent: {side.secret}u", f"X-Lab: {side.secret}x"]
        for word in step.words:
            if not any(word in known for known in (side.fields, words.FIELDS, words.DESCRIPTIONS, words.BODIES, words.ACTS)):
                raise ValueError(f"{step.name}: no such word: {word!r}")
            lines = side.fields.get(word) or words.FIELDS.get(word, "")
            head += [_filled(line, side, self) for line in lines.splitlines()]
        kind, body = self._body(step.words)
        if body:
            head.append(f"Content-Type: {kind}")
        return "\n".join([*head, "Content-Length: [len]", "", body.rstrip("\n")]) if body else "\n".join(
            [*head, "Content-Length: 0", ""])

    def _body(self, named):
        description = self._description(named) if set(named) & set(words.DESCRIPTIONS) else ""
        other = next((words.BODIES[one] for one in named if one in words.BODIES), None)
        if other:
            return other[0], other[1].replace("{sdp}", description.rstrip("\n"))
        return "application/sdp", description

    def _description(self, named):
        if "same" in named:
            return self.body
        self.offset += 8 * ("moved" in named)
        address = self.side.address
        shown = next((place for word, place in (("zero", "0.0.0.0"), ("loopback", "127.0.0.1")) if word in named), address)
        rest = f"s=-\nc=IN IP4 {shown}\nt=0 0\n{words.streams(named, self.offset)}"
        if rest != self.described:
            self.described, self.version = rest, self.version + 1
        self.body = f"v=0\no={self.side.secret}o 4711 {self.version} IN IP4 {address}\n{rest}"
        return self.body

    def _via(self, branch):
        return f"Via: SIP/2.0/[transport] {self.side.address}:{self.side.port};branch={branch}"

    def _route(self):
        inner = f"<sip:{_PROXY[self.side.role]};lr;n={self.side.secret}>"
        return f"<sip:{self.side.address}:{self.side.port};lr;n=1{self.side.parameter}>", inner


def _filled(line, side, composer):
    for name in ("door", "address", "secret", "number", "second"):
        line = line.replace("{" + name + "}", getattr(side, name))
    return line.replace("{invite}", str(getattr(composer, "invite", 0)))


def _recv(step, notes, more=""):
    what = f'request="{step.what}"' if step.is_request else f'response="{step.what}"'
    if not notes:
        return f"  <recv {what}{more}/>\n"
    actions = "".join(f'      <ereg regexp="{pattern}" search_in="hdr" header="{header}" assign_to="{name}"/>\n'
                      for header, pattern, name in notes)
    return f"  <recv {what}{more}>\n    <action>\n{actions}    </action>\n  </recv>\n"


def scenario(side, text):
    """The XML of that script, for that side."""
    xml = Composer(side, script.read(text)).xml()
    if left := re.search(r"\{[a-z_]+\}", xml):
        raise ValueError(f"{left.group(0)} was not filled in {text}")
    return xml

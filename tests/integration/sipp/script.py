# SPDX-License-Identifier: Apache-2.0
"""A side's script: its ladder as ladder.py judges it, with what SIPp has to know beside. One text is both the scenario that SIPp
plays and what the wire is held against.

    >INVITE <100 <183(sdp) >PRACK(rack,sdp) <200/PRACK ~300 >CANCEL {<200/CANCEL <487} >ACK

`>X` is sent, `<X` has to come; a response to anything but INVITE names its request. In parentheses: of what is sent, the words
that make its header fields and its description (words.py); of what comes, what it has to show. `>200@two`: by another fork.
`>INVITE#a ... >ACK#a`: the ACK of that one. `>>X` is sent, `<<X` comes once more, as it was: nothing new on the ladder. `~300`: a
pause in ms. `talk`: 10 packets of RTP. What stands in braces comes in any order, each with what is sent in return."""
import re
from dataclasses import dataclass

_STEP = re.compile(r"(?P<way><<?|>>?)(?P<what>[A-Z]+|\d{3})(?:/(?P<of>[A-Z]+))?(?:@(?P<fork>\w+))?(?:#(?P<mark>\w+))?"
                   r"(?:\((?P<words>[^)]*)\))?")


@dataclass(frozen=True)
class Step:
    sent: bool
    again: bool
    what: str        # a method or a code
    of: str          # a response's request
    fork: str
    mark: str
    words: tuple

    @property
    def is_request(self):
        return not self.what.isdigit()

    @property
    def name(self):
        """As ladder.name() has it."""
        arrow = ">" if self.sent else "<"
        return arrow + self.what + ("" if self.is_request or self.of == "INVITE" else f"/{self.of}")


@dataclass(frozen=True)
class Pause:
    ms: int


@dataclass(frozen=True)
class Talk:
    pass


@dataclass(frozen=True)
class AnyOrder:
    """Two parts that each begin with what comes."""
    parts: tuple


def _one(text):
    if text == "talk":
        return Talk()
    if re.fullmatch(r"~\d+", text):
        return Pause(int(text[1:]))
    found = _STEP.fullmatch(text)
    if not found:
        raise ValueError(f"no step of a script: {text!r}")
    way, words = found["way"], found["words"]
    return Step(way[0] == ">", len(way) == 2, found["what"], found["of"] or "INVITE", found["fork"] or "", found["mark"] or "",
                tuple(one.strip() for one in words.split(",")) if words else ())


def _any_order(text):
    parts = []
    for step in map(_one, text.split()):
        if isinstance(step, Step) and not step.sent:
            parts.append([step])
        elif parts:
            parts[-1].append(step)
        else:
            raise ValueError(f"what comes begins a part: {text!r}")
    if len(parts) != 2:
        raise ValueError(f"SIPp takes two in any order: {text!r}")
    return AnyOrder(tuple(map(tuple, parts)))


def read(text):
    """The steps of a script, in order."""
    return [_any_order(braces) if braces else _one(plain) for braces, plain in re.findall(r"\{([^}]*)\}|(\S+)", text)]


def flat(steps):
    """The messages of them."""
    for step in steps:
        if isinstance(step, AnyOrder):
            yield from flat(one for part in step.parts for one in part)
        elif isinstance(step, Step):
            yield step


def wanted(steps):
    """The ladder that the wire is held against."""
    names = []
    for step in steps:
        if isinstance(step, AnyOrder):
            names.append("{" + " ".join(one.name for one in flat([step]) if not one.again) + "}")
        elif isinstance(step, Step) and not step.again:
            names.append(step.name)
    return " ".join(names)


def talks(steps):
    return sum(isinstance(step, Talk) for step in steps)

# SPDX-License-Identifier: Apache-2.0
"""A case: the scripts of its sides, what the lab's configuration says for them, and what the wire must show beyond the rules."""
from dataclasses import dataclass, field

# A plain call's beginning and end, at either side; the side that goes on waits until both have talked.
UP, UP_FAR = ">INVITE(sdp) <100 <200(sdp) >ACK talk ", "<INVITE(sdp) >200(sdp) <ACK talk "
END, END_FAR = " ~500 >BYE <200/BYE", " <BYE >200/BYE"
BY_CALLER, BY_CALLEE = "by caller", "by callee"


@dataclass
class Case:
    name: str
    bullet: str
    caller: str                   # scripts (script.py); none: nobody is there
    callee: str = ""
    second: str = ""              # another one that the callee's side has
    variant: str = ""             # of the cases of one name
    fields: dict = field(default_factory=dict)  # words of its own: header lines
    shows: dict = field(default_factory=dict)   # ... and what a message that comes shows by them: a function of it
    policy: dict = field(default_factory=dict)  # of both peers (and of the second)
    also: dict = field(default_factory=dict)    # of one realm's: {"office": {...}, "carrier": {...}}
    route: tuple = ("callee",)    # the peers that calls go to, in order
    copies: dict = field(default_factory=dict)  # {(role, step): how often it has to be on the wire at least}
    repeats: tuple = ()           # roles that hear each repetition (SIPp's -nr), not the first only
    without: tuple = ()           # rules of ladder.py that this case breaks on purpose, by name
    transport: dict = field(default_factory=dict)  # {role: "tcp"}
    names: dict = field(default_factory=dict)  # the callee's target is the name {name}: {name: its records}; {address}, {second}
    number: dict = field(default_factory=dict)  # {direction: what is called}; else one that no other has
    seconds: int = 25             # how long it may take
    hears: dict = field(default_factory=dict)   # {role: RTP packets}; else as many as it says itself
    nobody: tuple = ()            # roles that hear nothing
    record: dict = field(default_factory=dict)  # what the call's record says

    @property
    def scripts(self):
        return {role: text for role, text in (("caller", self.caller), ("callee", self.callee), ("second", self.second)) if text}


def inside(name, bullet, ask, asked, *, up="sdp", ends=True, **more):
    """Something that either side may ask for inside a call: two cases. Who asked hangs up, unless the asking has ended it."""
    near, far = f">INVITE({up}) <100 <200(sdp) >ACK talk ", f"<INVITE(sdp) >200({up}) <ACK talk "
    ask, asked = f" ~500 {ask}", f" {asked}"
    if ends:
        ask, asked = ask + " talk" + END, asked + " talk" + END_FAR
    return [Case(name, bullet, near + ask, far + asked, variant=BY_CALLER, **more),
            Case(name, bullet, near + asked, far + ask, variant=BY_CALLEE, **more)]

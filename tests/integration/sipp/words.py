# SPDX-License-Identifier: Apache-2.0
"""The words of the scripts (script.py): what they put into a message that is sent, and what one that comes has to show by them."""
import re

RELIABLE = "Supported: 100rel\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"
FRAGMENT = "message/sipfrag;version=2.0"
ISUP = ("--b\nContent-Type: application/isup;version=itu-t92+\nContent-Disposition: signal;handling=optional\n\n01 00 49\n"
        "--b\nContent-Type: application/sdp\n\n")

# Header lines; SIPp fills what stands in brackets.
FIELDS = {
    "able": RELIABLE,
    "updates": "Allow: INVITE, ACK, BYE, CANCEL, UPDATE",
    "100rel": "Supported: 100rel",
    "require": "Require: 100rel",
    "199": "Supported: 199",
    "timer": "Supported: timer",
    "rack": "RAck: [$rseq] {invite} INVITE",
    "nothing": "RAck: 99 {invite} INVITE",
}

# What else a word of a message that is sent does: an RSeq, another From tag, a CSeq that leaves some out, one that is too low.
ACTS = ("rel", "stranger", "skip", "old")

# What makes a description (RFC 4566); `moved`: from another port from now on; `same`: the last one, version and all.
DESCRIPTIONS = ("sdp", "moved", "same", "sendonly", "recvonly", "inactive", "zero", "video", "video0", "mute-video", "G722",
                "G722+PCMU", "many", "loopback")
_FORMATS = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "18": "G729/8000", "97": "VP8/90000",
            "101": "telephone-event/8000"}

# Other bodies: (type, text); {sdp} is the description's place.
BODIES = {
    "text": ("text/plain", "Watson, come here"),
    "dtmf": ("application/dtmf-relay", "Signal=5\nDuration=160"),
    "package": ("application/x-foo", "x"),
    "presence": ("application/pidf+xml", "<presence/>"),
    "trying": (FRAGMENT, "SIP/2.0 100 Trying"),
    "isup": ("multipart/mixed;boundary=b", ISUP + "{sdp}\n--b--"),
}

PHRASES = {100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 199: "Early Dialog Terminated",
           200: "OK", 202: "Accepted", 300: "Multiple Choices", 302: "Moved Temporarily", 401: "Unauthorized",
           407: "Proxy Authentication Required", 422: "Session Interval Too Small", 480: "Temporarily Unavailable",
           481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
           491: "Request Pending", 499: "Codec Mismatch", 500: "Server Internal Error", 503: "Service Unavailable",
           504: "Server Time-out", 603: "Decline"}


def _stream(kind, port, formats, way=""):
    maps = "".join(f"a=rtpmap:{one} {_FORMATS[one]}\n" for one in formats.split())
    return f"m={kind} {port} RTP/AVP {formats}\n{maps}" + (f"a={way}\n" if way else "")


def streams(words, offset):
    """The m= sections of a description by these words; SIPp knows the ports."""
    formats = {"G722": "9", "G722+PCMU": "0 9", "many": "9 0 8 18 101"}
    way = next((one for one in words if one in ("sendonly", "recvonly", "inactive")), "")
    text = _stream("audio", f"[media_port+{offset}]", next((formats[one] for one in words if one in formats), "8 101"), way)
    for word, port, shown in (("video", "[media_port+40]", ""), ("mute-video", "[media_port+40]", "inactive"), ("video0", "0", "")):
        if word in words:
            text += _stream("video", port, "97", shown)
    return text


def _body(*, has=(), hides=()):
    return lambda m: all(one in m.body for one in has) and not any(one in m.body for one in hides)


def _lists(field, token):
    return lambda m: token in re.split(r"[,\s]+", ", ".join(m.all(field)))


# What a message that comes shows by a word.
SHOWS = {
    "bare": lambda m: not m.body and not m.get("content-type"),
    "sdp": _body(has=("m=audio",), hides=("m=video", "a=sendonly", "a=recvonly", "a=inactive", "0.0.0.0")),
    "moved": _body(has=("m=audio",), hides=("m=video", "a=sendonly", "a=recvonly", "a=inactive", "0.0.0.0")),
    "same": _body(has=("m=audio",)),
    "sendonly": _body(has=("a=sendonly",), hides=("0.0.0.0",)),
    "recvonly": _body(has=("a=recvonly",)),
    "inactive": _body(has=("a=inactive",), hides=("0.0.0.0",)),
    "video": _body(has=("m=audio", "m=video", " 97\r\n"), hides=("m=video 0 ",)),
    "video0": _body(has=("m=audio", "m=video 0 ")),
    "mute-video": _body(has=("m=video", "a=inactive")),
    "G722": _body(has=(" RTP/AVP 9\r\n",), hides=("PCMA",)),
    "G722+PCMU": _body(has=(" RTP/AVP 0 9\r\n", "a=rtpmap:9 G722/8000"), hides=("PCMA",)),
    "text": _body(has=("Watson, come here",)),
    "dtmf": _body(has=("Signal=5\r\nDuration=160",)),
    "presence": _body(has=("<presence/>",)),
    "100rel": _lists("supported", "100rel"),
    "reliable": lambda m: _lists("require", "100rel")(m) and m.get("rseq") not in ("", "7001", "7002"),
    "plain": lambda m: not m.get("rseq") and not m.get("require"),
    "requires": _lists("require", "100rel"),
    "timer": _lists("supported", "timer"),
    "later": lambda m: bool(m.get("retry-after")),
}

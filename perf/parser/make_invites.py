#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the INVITEs that perf/run parser reads: 24 different ones of exactly 900 octets, from a seed.

Each is in the manner of another kind of sender (phone, PBX, carrier, proxy in front), with SDP. What is
left to 900 octets is filled with header fields such as senders add, the last of them cut to fit.
"""
import argparse
import pathlib
import random

OCTETS = 900
COUNT = 24
CODECS = {0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000", 3: "GSM/8000",
          96: "opus/48000/2", 97: "iLBC/8000", 101: "telephone-event/8000"}
AGENTS = ["Snom-D785/10.1.54", "PolycomVVX-410/5.9", "Asterisk PBX 18.9", "FPBX-16.0", "Grandstream GXP2170",
          "SBC-Edge/9.2", "FreeSWITCH-mod_sofia/1.10", "Yealink SIP-T46S 66.85"]
EXTRA = ["Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY", "Supported: replaces, 100rel, timer",
         "Session-Expires: 1800;refresher=uac", "Min-SE: 90", "Accept: application/sdp",
         "P-Early-Media: supported", "Privacy: none", "Allow-Events: presence, dialog, message-summary",
         "Expires: 180", "Organization: Example Telecom"]
LONG_TO_SHORT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Type": "c",
                 "Content-Length": "l", "Supported": "k"}


def address(draw, v6):
    if v6:
        return "2001:db8:%x:%x::%x" % (draw.randrange(9), draw.randrange(65536), draw.randrange(1, 65536))
    return "%d.%d.%d.%d" % (draw.choice([192, 198, 203, 10]), draw.randrange(256), draw.randrange(256),
                            draw.randrange(1, 255))


def host(draw, v6=False):
    text = address(draw, v6)
    return f"[{text}]" if v6 else text


def word(draw, n):
    return "".join(draw.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))


def number(draw):
    return draw.choice(["+44", "+49", "0", "+1"]) + "".join(str(draw.randrange(10)) for _ in range(10))


def sdp(draw, v6, streams):
    family, media = ("IP6" if v6 else "IP4"), address(draw, v6)
    lines = ["v=0", f"o={draw.choice(['-', 'user', 'sip'])} {draw.randrange(10**9)} {draw.randrange(10**6)} "
             f"IN {family} {media}", f"s={draw.choice(['-', 'call', 'session'])}", f"c=IN {family} {media}",
             "t=0 0"]
    for stream in range(streams):
        types = draw.sample([0, 8, 9, 18, 3, 96, 97], draw.randrange(1, 4)) + [101]
        if stream:
            types = [98]
        port = draw.randrange(5000, 30000) * 2
        lines.append(f"m={'video' if stream else 'audio'} {port} RTP/AVP {' '.join(map(str, types))}")
        for kind in types:
            lines.append(f"a=rtpmap:{kind} {CODECS.get(kind, 'H264/90000')}")
        if 101 in types:
            lines.append("a=fmtp:101 0-15")
        if draw.random() < 0.3:
            lines.append(f"a=rtcp:{port + 1}")
        lines.append(draw.choice(["a=sendrecv", "a=ptime:20", "a=ptime:20\r\na=sendrecv"]))
    return "\r\n".join(lines) + "\r\n"


def user_part(draw):
    return draw.choice([number(draw), word(draw, 8), f"{word(draw, 5)}.{word(draw, 6)}", word(draw, 6) + "%20x"])


def fields(draw, v6):
    vias = [f"Via: SIP/2.0/{draw.choice(['UDP', 'UDP', 'TCP'])} {host(draw, v6)}:{draw.randrange(1024, 65535)}"
            f";branch=z9hG4bK{word(draw, draw.randrange(8, 25))}" + draw.choice(["", ";rport"])]
    if draw.random() < 0.4:
        vias.append(f"Via: SIP/2.0/UDP {word(draw, 6)}.example.net;received={address(draw, False)}"
                    f";branch=z9hG4bK{word(draw, 12)}")
    caller = f"sip:{user_part(draw)}@{draw.choice([host(draw, v6), 'voip.example.com'])}"
    named = draw.choice(['"Alice Example" ', "Bob ", "", '"O\\"Neill, Pat" '])
    callee = f"sip:{number(draw)}@{draw.choice([host(draw), 'sip.example.net'])}" + draw.choice(
        ["", ";user=phone"])
    out = vias + [f"Max-Forwards: {draw.randrange(60, 71)}", f"From: {named}<{caller}>;tag={word(draw, 10)}",
                  f"To: <{callee}>", f"Call-ID: {word(draw, 18)}@{host(draw)}",
                  f"CSeq: {draw.randrange(1, 99999)} INVITE",
                  f"Contact: <sip:{user_part(draw)}@{host(draw, v6)}:{draw.randrange(1024, 65535)}"
                  + draw.choice(["", ";transport=udp", ";ob"]) + ">"]
    if draw.random() < 0.3:
        out.insert(1, f"Record-Route: <sip:{host(draw)};lr>")
    if draw.random() < 0.3:
        out.append(f"Route: <sip:{host(draw)}:5060;lr>")
    if draw.random() < 0.4:
        out.append(f"P-Asserted-Identity: <sip:{number(draw)}@carrier.example>")
    out.append(f"User-Agent: {draw.choice(AGENTS)}")
    return callee, out


def compact(line):
    name, _, rest = line.partition(":")
    return f"{LONG_TO_SHORT[name]}:{rest}" if name in LONG_TO_SHORT else line


def message(draw, style):
    v6 = style % 6 == 5
    body = sdp(draw, v6, 2 if style % 8 == 7 else 1)
    callee, lines = fields(draw, v6)
    lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    extra = draw.sample(EXTRA, len(EXTRA))
    if style % 4 == 3:
        lines, extra = [compact(line) for line in lines], [compact(line) for line in extra]

    def whole(more):
        return "\r\n".join([f"INVITE {callee} SIP/2.0"] + lines[:-2] + more + lines[-2:]) + "\r\n\r\n" + body

    more = []
    for line in extra:
        if len(whole(more + [line])) <= OCTETS - 20:
            more.append(line)
    left = OCTETS - len(whole(more + ["X-Trace: "]))
    if left <= 0:
        return None
    text = whole(more + ["X-Trace: " + "".join(draw.choice("0123456789abcdef") for _ in range(left))])
    assert len(text) == OCTETS
    return text if left <= 90 else None  # a long filler would be easy reading


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "invites")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for style in range(COUNT):
        text = None
        while text is None:
            text = message(draw, style)
        (arguments.out / f"invite-{style:02}.sip").write_bytes(text.encode())


if __name__ == "__main__":
    main()

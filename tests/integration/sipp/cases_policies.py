# SPDX-License-Identifier: Apache-2.0
"""What the policies of two peers make of a call, and requests that are no call."""
import re

from .case import END, END_FAR, UP, UP_FAR, Case, inside

OTHER, NUMBERS, CODECS, HEADERS, CODES = "Other requests", "Numbers", "Codecs", "Header policy", "Response codes"
TO_CARRIER, TO_OFFICE = "caller to carrier", "carrier to caller"
BUSY, BUSY_FAR = ">INVITE(sdp,{0}) <100 <486 >ACK", "<INVITE(sdp,{0}) >486 <ACK"
PLAN = {"office": {"numbers": {"plan": {"country": 44, "national": "0", "international": "00"}, "in": {"form": "e164"},
                               "out": {"form": "national"}}},
        "carrier": {"numbers": {"in": [{"match": "44*", "prefix": "+"}], "out": [{"match": "+*", "strip": 1, "tech_prefix": "77#"}]}}}
IDENTITY = {"who": "Privacy: id\nP-Asserted-Identity: <sip:+44123@{address}>\nDiversion: <sip:+44124@{address}>;reason=no-answer"}


def _numbers(m):
    """As the carrier, or the office, reads them."""
    carrier = m.src == "192.0.2.1"
    him, fwd = ("442075550001", "442076660002") if carrier else ("02075550001", "02076660002")
    called = ("77%23442071230000", "77#442071230000") if carrier else ("02071230000",)
    at = rf"@{re.escape(m.src)}"
    return (m.user in called and re.search(rf"sip:(77(%23|#))?{him}{at}", m.get("p-asserted-identity")) and
            re.search(rf"sip:(77(%23|#))?{fwd}{at}", m.get("diversion")) and re.search(r"sip:(77(%23|#))?0?(44)?2071230000@", m.get("to")))


def _refer(m):
    return m.get("refer-to") == f"<sip:0555@{m.src}:5060>" and "10.9.8.7" not in m.raw.decode()


def _notify(code, state):
    return lambda m: f"SIP/2.0 {code} " in m.body and m.get("subscription-state").startswith(state) and m.get("event").startswith("refer")


NOTIFIES = {"active": "Event: refer\nSubscription-State: active;expires=60"}
PROGRESS = {"trying": _notify(100, "active"), "ringing": _notify(180, "active"), "done": _notify(200, "terminated"),
            "failed": _notify(486, "terminated")}
TO_SECOND = {"refer": "Refer-To: <sip:0555@10.9.8.7>"}

CASES = [
    *inside("MESSAGE and INFO inside a call; a package that is not taken: 469; an unknown method: 501", OTHER,
            ">MESSAGE(text) <200/MESSAGE >INFO(dtmf) <200/INFO >INFO(package,foo) <469/INFO >FLY <501/FLY",
            "<MESSAGE(text) >200/MESSAGE <INFO(dtmf) >200/INFO", fields={"foo": "Info-Package: foo"}),
    Case("MESSAGE and PUBLISH outside of any call", OTHER, ">MESSAGE(text) <200/MESSAGE", "<MESSAGE(text) >200/MESSAGE", variant="MESSAGE"),
    Case("MESSAGE and PUBLISH outside of any call", OTHER, ">PUBLISH(text,event) <200/PUBLISH(tagged)",
         "<PUBLISH(text,event) >200/PUBLISH(tag)", variant="PUBLISH",
         fields={"event": "Event: presence\nExpires: 60", "tag": "SIP-ETag: abc\nExpires: 60"},
         shows={"event": lambda m: m.get("event") == "presence", "tagged": lambda m: m.get("sip-etag") == "abc"}),
    Case("SUBSCRIBE outside of any call, its NOTIFYs, its end", OTHER,
         ">SUBSCRIBE(event) <200/SUBSCRIBE <NOTIFY(presence,active) >200/NOTIFY <NOTIFY(presence,over) >200/NOTIFY",
         "<SUBSCRIBE >200/SUBSCRIBE(expires) >NOTIFY(presence,active) <200/NOTIFY >NOTIFY(presence,over) <200/NOTIFY",
         fields={"event": "Event: presence\nExpires: 60", "expires": "Expires: 60",
                 "active": "Event: presence\nSubscription-State: active;expires=60",
                 "over": "Event: presence\nSubscription-State: terminated;reason=timeout"},
         shows={"active": lambda m: m.get("subscription-state") == "active;expires=60",
                "over": lambda m: m.get("subscription-state") == "terminated;reason=timeout"}),
    *inside("REFER passed on, its place at our host; NOTIFY comes back", OTHER,
            ">REFER(refer) <202/REFER <NOTIFY(trying) >200/NOTIFY", "<REFER(ours) >202/REFER >NOTIFY(trying,active) <200/NOTIFY",
            fields={**NOTIFIES, **TO_SECOND}, shows={"ours": _refer, "trying": _notify(100, "active")}),
    Case("REFER followed: the target is called, the two are joined with their media", OTHER,
         UP + "~500 >REFER(refer) <202/REFER <NOTIFY(trying) >200/NOTIFY <NOTIFY(ringing) >200/NOTIFY {<NOTIFY(done) >200/NOTIFY <BYE >200/BYE}",
         UP_FAR + "<INVITE >200(moved) <ACK ~300 talk" + END, "<INVITE(sdp) ~200 >180 ~200 >200(sdp) <ACK ~600 talk" + END_FAR,
         policy={"refer": "follow"}, fields=TO_SECOND, shows=PROGRESS),
    Case("REFER followed to a busy target: the call goes on", OTHER,
         UP + "~500 >REFER(refer) <202/REFER <NOTIFY(trying) >200/NOTIFY <NOTIFY(failed) >200/NOTIFY ~300 talk" + END,
         UP_FAR + "~700 talk" + END_FAR, "<INVITE ~200 >486 <ACK", policy={"refer": "follow"}, fields=TO_SECOND, shows=PROGRESS),

    Case("Request-URI, To, From, P-Asserted-Identity and Diversion, each in the form of who reads it", NUMBERS,
         BUSY.format("identities"), BUSY_FAR.format("numbers"), policy={"trusted": True}, also=PLAN,
         number={TO_CARRIER: "02071230000", TO_OFFICE: "442071230000"},
         fields={"identities": {TO_CARRIER: "P-Asserted-Identity: <sip:02075550001@{address}>\nDiversion: <sip:02076660002@{address}>;reason=user-busy",
                                TO_OFFICE: "P-Asserted-Identity: <sip:442075550001@{address}>\nDiversion: <sip:442076660002@{address}>;reason=user-busy"}},
         shows={"numbers": _numbers}),

    Case("allow and order, rtpmap and telephone-event kept consistent", CODECS,
         ">INVITE(many) <100 <200(sdp) >ACK talk" + END, "<INVITE(ordered) >200(sdp) <ACK talk" + END_FAR,
         policy={"codecs": {"allow": ["PCMA", "PCMU", "telephone-event"], "order": ["PCMA"]}},
         shows={"ordered": lambda m: " RTP/AVP 8 0 101\r\n" in m.body and "G722" not in m.body and "G729" not in m.body and
                "a=rtpmap:101 telephone-event/8000" in m.body}),
    Case("nothing left: 488 with Warning 305, nobody is called", CODECS, ">INVITE(G722) <488(warned) >ACK",
         policy={"codecs": {"allow": ["PCMA"]}}, nobody=("callee",), shows={"warned": lambda m: m.get("warning").startswith("305 ")}),

    Case("pass, remove, set; what is on no list stays on its side", HEADERS, BUSY.format("fields"), BUSY_FAR.format("kept"),
         policy={"headers": {"pass": ["X-Account"], "remove": ["Subject"], "set": {"X-Trunk": "t1"}}},
         fields={"fields": "X-Account: 7\nX-Other: 8\nSubject: talk\nOrganization: secret"},
         shows={"kept": lambda m: (m.get("x-account"), m.get("x-trunk")) == ("7", "t1") and
                not any(m.get(name) for name in ("x-other", "subject", "organization"))}),
    Case("between trusted peers identities pass, at our own host", HEADERS, BUSY.format("who"), BUSY_FAR.format("shown"),
         policy={"trusted": True}, fields=IDENTITY,
         shows={"shown": lambda m: all(f"@{m.src}" in m.get(name) for name in ("p-asserted-identity", "diversion")) and
                m.get("privacy") == "id"}),
    Case("outside the trust domain no identity passes, and who hides is anonymous", HEADERS, BUSY.format("who"), BUSY_FAR.format("hidden"),
         policy={"trusted": False}, fields=IDENTITY,
         shows={"hidden": lambda m: "anonymous@anonymous.invalid" in m.get("from") and not m.get("p-asserted-identity") and
                not m.get("diversion")}),
    Case("a multipart body: the SDP rewritten, the other part whole", HEADERS,
         ">INVITE(sdp,isup,mime) <100 <200(sdp) >ACK talk" + END, "<INVITE(whole) >200(sdp) <ACK talk" + END_FAR,
         fields={"mime": "MIME-Version: 1.0"},
         shows={"whole": lambda m: "multipart/mixed" in m.get("content-type") and "\r\n\r\n01 00 49\r\n--b\r\n" in m.body and
                m.src in m.body and m.body.rstrip().endswith("--b--")}),

    Case("a vendor's code, with what was received, sent and decided in the record", CODES,
         ">INVITE(sdp) <100 <488 >ACK", "<INVITE(sdp) >499 <ACK", policy={"response_map": {"receive": "carrier-in"}},
         record={"received": 499, "received_phrase": "Codec Mismatch", "sent": 488}),
    Case("a provisional response crosses, 100 stays on its hop", CODES,
         ">INVITE(sdp) <100 <181 <486 >ACK", "<INVITE(sdp) >100 >181 >486 <ACK"),
]

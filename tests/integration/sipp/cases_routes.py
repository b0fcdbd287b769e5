# SPDX-License-Identifier: Apache-2.0
"""Where a call goes when a target does not take it: redirects, failover, challenges; and what goes by TCP."""
from digests import proof

from .case import END, END_FAR, UP, UP_FAR, Case

REDIRECTS, FAILOVER, AUTH, TCP, NAMES = "Redirects", "Failover", "Authentication", "TCP", "Names"
SRV = {"_sip._udp.{name}": ["SRV 10 0 5060 one.{name}"], "one.{name}": ["A {address}"]}
BOTH = ("callee", "second")
REFUSED = ">INVITE(sdp) <100 <{} >ACK"
FOLLOW = {"redirects": {"mode": "follow", "depth": 2}}
CREDENTIALS = {"credentials": {"user": "sally", "password": "hush"}}
ELSEWHERE = {"elsewhere": "Contact: <sip:777@{second}:5060>"}
MAPPED = {"response_map": {"receive": "carrier-in"}}


def challenges(header, algorithm):
    return {name: f'{header}: Digest realm="lab", nonce="{name}", algorithm={algorithm}, qop="auth"' +
            (", stale=true" if name == "n2" else "") for name in ("n1", "n2")}


def proven(algorithm, nonce, count, header="authorization"):
    return lambda m: proof(m, algorithm, nonce, header)["nc"] == f"{count:08d}"


CASES = [
    Case("follow: a 302 leads to another target, the caller hears nothing of it", REDIRECTS,
         UP + END, "<INVITE(sdp) >302(elsewhere) <ACK", "<INVITE(sdp,there) >200(sdp) <ACK talk" + END_FAR, policy=FOLLOW, fields=ELSEWHERE,
         shows={"there": lambda m: m.user == "777"}),
    Case("follow: Contacts in the order of their q", REDIRECTS,
         UP + END, "<INVITE(sdp) >300(elsewhere) <ACK", "<INVITE(sdp,best) >200(sdp) <ACK talk" + END_FAR, policy=FOLLOW,
         fields={"elsewhere": "Contact: <sip:777@{second}:5071>;q=0.4, <sip:888@{second}:5060>;q=0.9"},
         shows={"best": lambda m: m.user == "888"}),
    Case("follow: a loop ends the call with 482", REDIRECTS, REFUSED.format(482), "<INVITE(sdp) >302(back) <ACK", policy=FOLLOW,
         fields={"back": "Contact: <sip:{number}@{address}:5060>"}),
    Case("follow: no deeper than the limit, and only to peers and allowed networks", REDIRECTS,
         REFUSED.format(480), "<INVITE(sdp) >302(abroad) <ACK", policy=FOLLOW, fields={"abroad": "Contact: <sip:777@203.0.113.1>"}),
    Case("pass: the caller hears the 302 with the numbers at our own host", REDIRECTS,
         ">INVITE(sdp) <100 <302(hidden) >ACK", "<INVITE(sdp) >302(elsewhere) <ACK", policy={"redirects": "pass"},
         fields={"elsewhere": "Contact: <sip:777@{address};secret=1>"},
         shows={"hidden": lambda m: m.get("contact").startswith(f"<sip:777@{m.src}")}),
    Case("refuse: a failure of that target, the next is tried", REDIRECTS,
         UP + END, "<INVITE(sdp) >302(elsewhere) <ACK", "<INVITE(sdp,him) >200(sdp) <ACK talk" + END_FAR, policy={"redirects": "refuse"},
         route=BOTH, fields=ELSEWHERE, shows={"him": lambda m: m.user != "777"}),

    Case("by a rule of the response map", FAILOVER,
         UP + END, "<INVITE(sdp) >503 <ACK", "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR, policy=MAPPED, route=BOTH),
    Case("by silence", FAILOVER,
         UP + END, "<INVITE(sdp) ~4000", "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR, policy={**MAPPED, "limits": {"setup": "2s"}}, route=BOTH),
    Case("ICMP port unreachable: at once", FAILOVER,
         UP + END, "", "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR, policy=MAPPED, route=BOTH),
    Case("busy is no reason", FAILOVER, REFUSED.format(486), "<INVITE(sdp) >486 <ACK", policy=MAPPED, route=BOTH, nobody=("second",)),
    Case("a 6xx stops the search", FAILOVER, REFUSED.format(603), "<INVITE(sdp) >603 <ACK", policy=MAPPED, route=BOTH, nobody=("second",)),
    Case("early media of a target that fails gives way to the next", FAILOVER,
         ">INVITE(sdp) <100 <183(sdp) <200(sdp) >ACK talk" + END, "<INVITE(sdp) >183(sdp) ~100 talk ~500 >503 <ACK",
         "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR, policy=MAPPED, route=BOTH, hears={"caller": 20, "callee": 0}),
    Case("503 with Retry-After: the next target at once, and alone for so long", FAILOVER,
         UP + END, "<INVITE(sdp) >503(rest) <ACK", "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR, policy=MAPPED, route=BOTH,
         fields={"rest": "Retry-After: 30"}),

    Case("401 MD5: INVITE again on the same leg, nonce counted, a stale nonce taken anew", AUTH,
         UP + END,
         "<INVITE(sdp) >401(n1) <ACK <INVITE(sdp,first) >200(sdp) <ACK talk <BYE(second) >401/BYE(n2) <BYE(anew) >200/BYE",
         policy=CREDENTIALS, fields=challenges("WWW-Authenticate", "MD5"),
         shows={"first": proven("MD5", "n1", 1), "second": proven("MD5", "n1", 2), "anew": proven("MD5", "n2", 1)}),
    Case("407 SHA-256, of a re-INVITE too", AUTH,
         UP + "~500 >INVITE(moved) <100 <200(sdp) >ACK talk" + END,
         "<INVITE(sdp) >407(n1) <ACK <INVITE(sdp,first) >200(sdp) <ACK talk <INVITE(sdp) >407(n2) <ACK <INVITE(sdp,anew) >200(sdp) <ACK talk" +
         END_FAR, policy=CREDENTIALS, fields=challenges("Proxy-Authenticate", "SHA-256"),
         shows={"first": proven("SHA-256", "n1", 1, "proxy-authorization"), "anew": proven("SHA-256", "n2", 1, "proxy-authorization")}),
    Case("credentials that are refused: the attempt has failed", AUTH,
         REFUSED.format(401), "<INVITE(sdp) >401(n1) <ACK <INVITE(sdp,first) >401(n1) <ACK", policy=CREDENTIALS,
         fields=challenges("WWW-Authenticate", "MD5"), shows={"first": proven("MD5", "n1", 1)}),
    Case("without credentials 407 is passed", AUTH,
         REFUSED.format("407(asks)"), "<INVITE(sdp) >407(n1) <ACK", fields=challenges("Proxy-Authenticate", "MD5"),
         shows={"asks": lambda m: 'nonce="n1"' in m.get("proxy-authenticate")}),

    Case("a call over TCP on both legs, one connection a leg; BYE of either side", TCP, UP + END, UP_FAR + END_FAR,
         transport={"caller": "tcp", "callee": "tcp"}, variant="by caller"),
    Case("a call over TCP on both legs, one connection a leg; BYE of either side", TCP, UP + END_FAR, UP_FAR + END,
         transport={"caller": "tcp", "callee": "tcp"}, variant="by callee"),
    Case("UDP on one leg, TCP on the other, either way round", TCP, UP + END, UP_FAR + END_FAR, transport={"caller": "tcp"},
         variant="the caller's"),
    Case("UDP on one leg, TCP on the other, either way round", TCP, UP + END, UP_FAR + END_FAR, transport={"callee": "tcp"},
         variant="the callee's"),
    Case("CANCEL", TCP, ">INVITE(sdp) <100 <180 >CANCEL {<200/CANCEL <487} >ACK", "<INVITE(sdp) >180 <CANCEL >200/CANCEL >487 <ACK",
         transport={"caller": "tcp", "callee": "tcp"}),
    Case("nobody listens: the next target at once", TCP, UP + END, "", "<INVITE(sdp) >200(sdp) <ACK talk" + END_FAR,
         transport={"callee": "tcp"}, policy=MAPPED, route=BOTH),

    Case("NAPTR, SRV and A lead to the call, the Request-URI keeps the name", NAMES,
         UP + END, "<INVITE(sdp,name) >200(sdp) <ACK talk" + END_FAR, names={"{name}": ["NAPTR 10 10 s SIP+D2U _sip._udp.{name}"], **SRV},
         shows={"name": lambda m: m.uri.endswith(".test")}),
    Case("NAPTR chooses TCP", NAMES, UP + END, UP_FAR + END_FAR, transport={"callee": "tcp"},
         names={**SRV, "{name}": ["NAPTR 10 20 s SIP+D2U _sip._udp.{name}", "NAPTR 10 10 s SIP+D2T _sip._tcp.{name}"],
                "_sip._tcp.{name}": ["SRV 10 0 5060 one.{name}"]}),
    Case("an ICMP error: failover at once", NAMES, UP + END, UP_FAR + END_FAR,
         names={**SRV, "_sip._udp.{name}": ["SRV 20 0 5060 one.{name}", "SRV 10 0 5060 two.{name}"], "two.{name}": ["A {second}"]}),
]

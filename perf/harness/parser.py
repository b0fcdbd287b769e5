# SPDX-License-Identifier: Apache-2.0
"""SIP and SDP parsing beside libosip2, Sofia-SIP and libre on the same octets."""
from . import build

TARGETS = ["sip_parse_bench"]
MESSAGES = build.ROOT / "perf" / "parser" / "invites"
PEERS = ["sofia-sip", "libosip2", "libre"]


def run(book, short, profile):
    rounds = 10 if short else 60
    series = build.series([build.binary("sip_parse_bench"), MESSAGES, rounds])
    names = {"index": "index for steering (scan)", "parse": "SIP, every structured field checked (parse)",
             "sip": "SIP, every structured field read",
             "full": "SIP and SDP, every structured field read", **{peer: f"{peer}, SIP and SDP" for peer in PEERS}}
    for key, name in names.items():
        book.figure(f"parser: {name}", "ns", series[key])
    book.limit("parser: index", "ns", series["index"], "at most 300 ns", most=300)
    book.limit("parser: SIP and SDP", "ns", series["full"], "at most 1,000 ns", most=1000)
    fastest = [min(series[peer][i] for peer in PEERS) for i in range(rounds)]
    book.ratio("parser: fastest peer / SIP and SDP", fastest, series["full"], "at least 5", least=5)
    for peer in PEERS:
        book.ratio(f"parser: {peer} / SIP and SDP", series[peer], series["full"])
    book.note("parser: before timing, every field of our reading was held equal to Sofia-SIP's.")

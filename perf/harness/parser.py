# SPDX-License-Identifier: Apache-2.0
"""SIP and SDP parsing beside libosip2, Sofia-SIP and libre on the same octets."""
import statistics

from . import build

TARGETS = ["sip_parse_bench"]
MESSAGES = build.ROOT / "perf" / "parser" / "invites"
GROUPS = [("SDP", ["sallyport::sdp"]),
          ("lines and fields found", ["sip::scan", "Scanner", "LineMap", "map_", "find_", "scan_"]),
          ("SIP values read", ["sallyport::sip"]),
          ("read by the bench", ["sallyport::perf"]),
          ("copies, compares", ["memcpy", "memmove", "memcmp", "memchr"]),
          ("peers' set-up", ["su_", "osip", "re_", "sip_", "msg_"])]
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
    book.ratio("parser: fastest peer / SIP and SDP", fastest, series["full"], "at least 5", least=5, unit="ns")
    for peer in PEERS:
        book.ratio(f"parser: {peer} / SIP and SDP", series[peer], series["full"], unit="ns")
    if profile:
        for key, what in (("index", "index"), ("full", "SIP and SDP")):
            command = [build.binary("sip_parse_bench"), MESSAGES, 1_000 if short else 2_000, key]
            book.profile(f"parser, {what}", build.profile(command, GROUPS), statistics.median(series[key]), "ns a message")
    book.note("parser: before timing, every field of our reading was held equal to Sofia-SIP's.")

# SPDX-License-Identifier: Apache-2.0
"""Whole calls through the shipped worker and shard."""
import statistics

from . import build

TARGETS = ["calls_bench"]
GROUPS = [("kernel (page faults, timer)", ["[k]"]),
          ("identifiers (AES, SipHash)", ["siphash", "SipHash", "sallyport::steer", "aesni", "EVP_", "CRYPTO", "ossl",
                                          "libcrypto"]),
          ("trace", ["sallyport::trace"]),
          ("SIP written", ["Writer", "compose", "sip::Message", "sip::unfold"]),
          ("SDP", ["sallyport::sdp"]),
          ("transactions, timers", ["Transaction", "TimerWheel", "Server", "Client", "sip::match_key", "LayerContext"]),
          ("SIP read", ["sallyport::sip"]),
          ("call logic", ["sallyport::b2bua"]),
          ("media, ports", ["sallyport::media"]),
          ("routing, policy, records", ["sallyport::routing", "sallyport::policy", "sallyport::stats", "sallyport::response_map",
                                        "sallyport::records", "sallyport::cdr", "sallyport::shard", "sallyport::config"]),
          ("worker", ["sallyport::dp"]),
          ("routes, response maps, counters", ["sallyport::routing", "sallyport::response_map", "sallyport::policy",
                                               "sallyport::stats", "sallyport::shard"]),
          ("allocation", ["malloc", "free", "operator new", "operator delete", "unlink_chunk"]),
          ("copies", ["memcpy", "memmove", "memset", "memcmp", "basic_string"]),
          ("search and numbers in text (libc)", ["memchr", "strlen", "strchr", "printf", "itoa", "inet_ntop", "IO_"]),
          ("endpoints of the bench", ["sallyport::perf"])]


def run(book, short, profile):
    bench = build.binary("calls_bench")
    total = {"worker_us": [], "shard_us": [], "call_us": []}
    for _ in range(2 if short else 5):
        for key, samples in build.series([bench, "rate", 5_000 if short else 20_000]).items():
            total[key] += samples
    book.figure("calls: worker", "us a call", total["worker_us"])
    book.figure("calls: shard", "us a call", total["shard_us"])
    book.limit("calls: worker and shard, busy CPU", "us", total["call_us"], "at most 25 us", most=25)
    held = 10_000 if short else 100_000
    memory = build.series([bench, "hold", held])
    book.figure("calls: flow table's part of a held call", "bytes", memory["flow_bytes_a_call"])
    book.figure("calls: while transactions still linger", "bytes", memory["bytes_a_call_while_placing"])
    book.limit(f"calls: memory for each of {held:,} held", "bytes", memory["bytes_a_call"], "at most 4,096 bytes",
               most=4096)
    if profile:
        book.profile("calls", build.profile([bench, "rate", 5_000 if short else 20_000], GROUPS),
                     statistics.median(total["call_us"]), "us a call")

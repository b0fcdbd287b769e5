# SPDX-License-Identifier: Apache-2.0
"""deploy/demo: the lab, real calls, and verdicts from what was on the wire."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from . import batches, metrics, netns, pcap, report, rtp, seed, sip, sockets, verdicts
from .capture import Captures
from .netns import ACCESS4, CARRIER, CARRIER_A, CARRIER_B, LAN, PORT_PEERS, PUB, SBC, UA


def arguments(argv):
    parser = argparse.ArgumentParser(prog="deploy/demo", description="Places real calls through Sallyport and judges them.")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the verdicts here as well")
    parser.add_argument("--calls", metavar="N", type=int, default=200,
                        help=f"how many, at least {len(batches.KINDS)}: one of each kind (default 200)")
    parser.add_argument("--rate", metavar="N", type=float, default=20, help="calls a second")
    parser.add_argument("--seed", metavar="N", type=int, help="numbers, ports, Call-IDs and phrases follow from it")
    parser.add_argument("--keep", metavar="DIR", type=pathlib.Path, help="keep captures and logs here")
    args = parser.parse_args(argv)
    if not len(batches.KINDS) <= args.calls <= 2000 or not 0 < args.rate <= 200:
        parser.error(f"--calls is {len(batches.KINDS)} (one of each kind) to 2000, --rate above 0 and at most 200")
    return args


def settle(lab):
    """A quiet moment after the last call: every call gone, nothing more coming in."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        _, samples = metrics.rest()
        if metrics.total(samples, "calls_active") == 0 or lab.pid is None:
            break
        time.sleep(0.5)
    return metrics.rest()


def run_calls(args, lab, folder, draw):
    """Places every kind; returns what was placed, the captures, and the scrapes before and after."""
    runner = batches.Runner(folder, draw, args.rate)
    shares, private = batches.shares(args.calls), draw.private_address()
    with Captures(folder, **batches.capture_points()) as captures:
        before = metrics.rest()
        placed = []
        try:
            for kind in batches.KINDS:
                count = shares[kind.name]
                print(f"  {kind.name:<11} {count:>4} calls", flush=True)
                placed.append(runner.place(kind, count, private if kind.name == "private" else None))
        finally:
            runner.stop()
        after = settle(lab)
        held = sockets.udp_of_process(lab.pid)[0] if lab.pid else None
    return placed, captures, before, after, held


def gather(placed, captures):
    """One Batch per kind: legs and media directions from the captures at the callers' and callees' hosts."""
    hosts = (UA, PUB, CARRIER)
    messages = {host: sip.messages(captures.packets(host)) for host in hosts}
    numbers = {host: sip.by_number(sip.legs(messages[host])) for host in hosts}
    paths = {host: rtp.by_path(captures.packets(host)) for host in hosts}
    found = {}
    for one in placed:
        near, far = one.kind.caller[0], one.kind.callees[0][0]
        batch = verdicts.Batch(one.kind.name, one.numbers, {n: numbers[near].get(n, []) for n in one.numbers},
                               {n: numbers[far].get(n, []) for n in one.numbers})
        if one.kind.name in batches.ANSWERED:
            for number in one.numbers:
                caller = batch.caller_leg(number)
                callee = next((leg for leg in batch.callee[number] if leg.answered), None)
                if caller and callee:
                    batch.directions += rtp.directions(caller, callee, paths[near], paths[far])
        found[one.kind.name] = batch
    return found, messages


def wire_counts(captures, start, end):
    """(port -> frames that went to it, media packets that left Sallyport), between two moments at rest."""
    toward, left = {}, 0
    for port, (host, _, device) in PORT_PEERS.items():
        ours, seen = netns.mac_of(SBC, device), 0
        for p in captures.packets(host):
            if not start < p.ts <= end:
                continue
            if p.smac != ours:
                seen += 1
            elif p.proto == pcap.UDP and rtp.is_rtp_or_rtcp(p.payload):
                left += 1
        toward[port] = seen
    return toward, left


def judge(placed, captures, before, after, held, draw_phrase):
    found, messages = gather(placed, captures)
    heard = {key: value for one in placed if one.kind.name == "vendor" for key, value in one.heard.items()}
    law = metrics.law(after[1], before[1])
    frames, left = wire_counts(captures, before[0], after[0])
    to_carrier = [m for m in messages[CARRIER] if m.dst.startswith(("192.0.2.1", "2001:db8:2::1")) and m.src in netns.REALM_ADDRESSES]
    v = verdicts
    results = [v.answered(f"every call answered: {name}", found[name]) for name in batches.ANSWERED]
    results += [
        v.never_seen("behind the NAT: carrier never sees 10.20.0.0/24", to_carrier, r"10\.20\.0\.", "10.20.0.0/24"),
        v.refused("busy (486)", found["busy"], 486, reaches_callee=True),
        v.cancelled("no answer and CANCEL (487)", found["cancel"]),
        v.refused("private media refused (488)", found["private"], 488, phrase=draw_phrase, warning=301, reaches_callee=False),
        v.mapped("vendor code mapped (499 to 488)", found["vendor"], heard, (499, "Codec Mismatch")),
        v.hung_up("BYE from the caller", found["public"], "caller"),
        v.hung_up("BYE from the callee", found["callee-bye"], "callee"),
        v.families("IPv6 to IPv4", found["ipv6"]),
        v.failed_over("failover from carrier-a to carrier-b", found["failover"], CARRIER_A, CARRIER_B),
        v.topology_hidden("topology hidden", found.values()),
    ]
    for one in placed:
        if one.kind.name in batches.ANSWERED:
            batch = found[one.kind.name]
            results.append(v.media_whole(f"media whole both ways: {one.kind.name}", batch.directions, len(batch.numbers),
                                         one.kind.latched))
    results += [
        v.law_holds("conservation law", law),
        v.counted("every captured frame was counted", law, frames),
        v.relayed("media left as counted", law, left),
        v.no_udp_socket("no UDP socket on a realm's address", held, netns.REALM_ADDRESSES) if held is not None
        else v.Verdict("no UDP socket on a realm's address", False, "the process is gone"),
        v.captures_whole("captures whole", captures.dropped()),
    ]
    return results, found, law


def summary(args, draw, results, found, law):
    answered = [leg for batch in found.values() for n in batch.numbers if (leg := batch.caller_leg(n)) and leg.answered]
    placed = sum(len(batch.numbers) for batch in found.values())
    meant = sum(len(found[name].numbers) for name in batches.ANSWERED)
    got = sum(len(verdicts.answered_numbers(found[name])) for name in batches.ANSWERED)
    media = {}
    for batch in found.values():
        for one in batch.directions:
            row = media.setdefault(one.name, {"sent": 0, "received": 0, "before_latch": 0, "lost_after_latch": 0})
            row["sent"] += len(one.sent)
            row["received"] += len(one.received)
            row["before_latch"] += one.before_latch
            row["lost_after_latch"] += one.lost_after_latch
    return {
        "ok": all(r.ok for r in results), "seed": draw.seed, "rate": args.rate,
        "verdicts": [r.as_dict() for r in results],
        "calls": {"placed": placed, "answered": len(answered), "failed": meant - got, "refused_on_purpose": placed - meant,
                  "by_kind": {name: len(batch.numbers) for name, batch in found.items()}},
        "setup_ms": report.percentiles([leg.setup_s * 1000 for leg in answered]),
        "rtp": media,
        "law": {port: {**row, "holds": row["received"] == row["accounted"]} for port, row in law.items()},
    }


def demonstrate(args, lab, folder):
    draw = seed.Draw(args.seed)
    phrase = draw.private_phrase()
    lab.env["LAB_PRIVATE_PHRASE"] = phrase
    print(f"seed {draw.seed}")
    lab.up()
    print(f"lab up, Sallyport runs as pid {lab.pid}; {args.calls} calls at {args.rate:g} a second", flush=True)
    results, found, law = judge(*(run := run_calls(args, lab, folder, draw)), phrase)
    for one in run[0]:
        if one.exit_code != 0:
            print(f"  note: SIPp for {one.kind.name} ended with {one.exit_code}: {one.note.strip()[-300:]}")
    outcome = summary(args, draw, results, found, law)
    report.show(outcome)
    if not outcome["ok"]:
        print(f"to look closer: deploy/demo --seed {draw.seed} --keep DIR")
    if args.json:
        args.json.write_text(json.dumps(outcome, indent=2) + "\n")
    return 0 if outcome["ok"] else 1


def interrupted(number, _):
    raise SystemExit(128 + number)


def main(argv=None):
    args = arguments(argv)
    if os.geteuid() != 0:
        sys.exit("deploy/demo: needs root: run it with sudo")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    lab = netns.Lab()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-demo."))
    try:
        try:
            return demonstrate(args, lab, folder)
        except (RuntimeError, OSError) as error:
            tail = "\n".join(lab.log.splitlines()[-15:])
            print(f"demo: {error}" + (f"\nSallyport's last words:\n{tail}" if tail else ""), file=sys.stderr)
            return 1
    finally:
        # The cleaning is not to be interrupted by a second ^C.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            for file in [*folder.iterdir(), netns.STATE / "sallyport.log"]:
                if file.is_file():
                    shutil.copy(file, args.keep)
        lab.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

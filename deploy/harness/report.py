# SPDX-License-Identifier: Apache-2.0
"""The demo's table."""


def percentiles(values):
    """p50, p90, p99 and the greatest, in the unit given."""
    if not values:
        return {}
    ordered = sorted(values)
    pick = {f"p{p}": round(ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))], 2) for p in (50, 90, 99)}
    return {**pick, "max": round(ordered[-1], 2)}


def show(outcome):
    calls = outcome["calls"]
    print(f"\ncalls: {calls['placed']} placed, {calls['answered']} answered, {calls['refused_on_purpose']} refused on purpose, "
          f"{calls['failed']} failed")
    if outcome["setup_ms"]:
        print("setup (INVITE to 200, ms): " + ", ".join(f"{k} {v:g}" for k, v in outcome["setup_ms"].items()))
    print(f"\n{'RTP':<18} {'sent':>8} {'received':>9} {'before latch':>13} {'lost after':>11}")
    for name, row in outcome["rtp"].items():
        print(f"{name:<18} {row['sent']:>8} {row['received']:>9} {row['before_latch']:>13} {row['lost_after_latch']:>11}")
    print(f"\n{'port':<8} {'received':>9} {'relay':>8} {'sip':>7} {'kernel':>7} {'drops':>6}  law")
    for port, row in outcome["law"].items():
        print(f"{port:<8} {row['received']:>9} {row['relay']:>8} {row['sip']:>7} {row['kernel']:>7} "
              f"{sum(row['drops'].values()):>6}  {'holds' if row['holds'] else 'BROKEN'}"
              + (f"  {row['drops']}" if row["drops"] else ""))
    width = max(len(row["name"]) for row in outcome["verdicts"])
    print(f"\n{'verdict':<{width}}        detail")
    for row in outcome["verdicts"]:
        print(f"{row['name']:<{width}}  {'ok  ' if row['ok'] else 'FAIL'}  {row['detail']}")
    bad = sum(not row["ok"] for row in outcome["verdicts"])
    print(f"\n{'every verdict holds' if not bad else f'{bad} verdicts do not hold'} (seed {outcome['seed']})")

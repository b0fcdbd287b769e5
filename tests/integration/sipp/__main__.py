# SPDX-License-Identifier: Apache-2.0
"""Prints the scenarios of a case as SIPp gets them: python3 -m sipp [NUMBER]; without a number, the cases by theirs."""
import sys

from . import CASES, compose, script

_HOSTS = {"caller": ("198.51.100.30", 5080, "198.51.100.1"), "callee": ("192.0.2.30", 5060, "192.0.2.1"),
          "second": ("192.0.2.31", 5060, "192.0.2.1")}


def main(arguments):
    if not arguments:
        for number, case in enumerate(CASES):
            print(f"{number:3}  {case.bullet}: {case.name}{', ' * bool(case.variant)}{case.variant}")
        return
    case = CASES[int(arguments[0])]
    fields = {word: next(iter(text.values())) if isinstance(text, dict) else text for word, text in case.fields.items()}
    for role, text in case.scripts.items():
        address, port, door = _HOSTS[role]
        side = compose.Side(role, address, port, door, "+442071230000", f"example-{role}-", fields, _HOSTS["second"][0],
                            case.transport.get(role, "udp"), f"{role}.pcap")
        print(f"<!-- {role}: {script.wanted(script.read(text))} -->")
        print(compose.scenario(side, text))


if __name__ == "__main__":
    main(sys.argv[1:])

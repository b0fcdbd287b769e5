#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The matrix of cases. A test that proves one bears `@pytest.mark.case(NAME, BULLET)`, as each of SIPp's scripts does by its name;
a run prints each case with its directions as pass or FAIL, and README.md lists them with the files that prove it. By hand:
`matrix.py` writes that list."""
import ast
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sipp import CASES  # noqa: E402

README = HERE / "README.md"
BEGIN, END = "<!-- matrix: written by matrix.py -->", "<!-- end of matrix -->"
BULLETS = ("Offer/answer", "Reliable provisionals", "Session timers", "199", "Forks", "Races", "Limits", "Redirects", "Failover",
           "Authentication", "Other requests", "Transfers across shards", "Numbers", "Codecs", "Header policy",
           "Response codes", "TCP", "TLS", "Names", "Spiral")
_BOTH, _EITHER, SIPP = "both", "each port", "test_sipp.py"
_DIRECTED = {"phones", "direction", "sides", "slow"}  # fixtures that come in both directions


def _marks(path):
    """(name, bullet, both directions?) of each case of a file."""
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.case":
                name, bullet = (ast.literal_eval(one) for one in mark.args)
                uses = {one.arg for one in node.args.args}
                found = _BOTH if uses & _DIRECTED else _EITHER if "side" in uses else ""
                directions = next((ast.literal_eval(k.value) for k in mark.keywords if k.arg == "directions"), found)
                yield name, bullet, directions


def cases(folder=HERE):
    """[(bullet, name, directions, file)] in the order of the bullets, then of the files."""
    found = [(bullet, name, directions, path.name) for path in sorted(folder.glob("test_*.py"))
             for name, bullet, directions in _marks(path)]
    found += dict.fromkeys((one.bullet, one.name, _BOTH, SIPP) for one in CASES)  # variants of a case are one
    return sorted(found, key=lambda one: BULLETS.index(one[0]))


def table(found):
    """A row for each case, with all files that prove it."""
    files, ways = {}, {}
    for bullet, name, directions, file in found:
        files.setdefault((bullet, name), []).append(f"`{file}`")
        ways.setdefault((bullet, name), set()).add(directions)
    rows = [f"| {bullet} | {name} | {_widest(ways[bullet, name])} | {', '.join(proof)} |" for (bullet, name), proof in files.items()]
    return "\n".join(["| bullet | case | directions | proved by |", "|---|---|---|---|", *rows])


def _widest(directions):
    return _BOTH if _BOTH in directions else max(directions) or "-"


def written(text=None):
    """The README's table."""
    inside = re.search(re.escape(BEGIN) + r"\n(.*?)\n" + re.escape(END), text or README.read_text(), re.S)
    return inside.group(1) if inside else ""


# ---- the run

def pytest_configure(config):
    config.addinivalue_line("markers", "case(name, bullet, directions=...): a case of the matrix")
    config.addinivalue_line("markers", "config(change=function): what a test changes in the lab's configuration (phones.py)")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if mark := item.get_closest_marker("case"):
            name, bullet = mark.args
            params = item.callspec.params if hasattr(item, "callspec") else {}
            direction = params.get("direction") or _port(params) or mark.kwargs.get("directions", "")
            item.user_properties.append(("case", (bullet, name, direction, item.path.name)))


def _port(params):
    return f"{params['side'].realm} port" if "side" in params else ""


def pytest_runtest_logreport(report):
    case = dict(report.user_properties).get("case")
    if case and (report.when == "call" or report.outcome != "passed"):
        kept = _outcomes.setdefault(tuple(case), [])
        kept.append(report.outcome)


_outcomes = {}


def _verdict(outcomes):
    return "FAIL" if "failed" in outcomes else "skip" if "skipped" in outcomes else "pass"


def pytest_terminal_summary(terminalreporter):
    by_case = {}
    for (bullet, name, direction, file), outcomes in _outcomes.items():
        by_case.setdefault((bullet, name, file), {})[direction] = _verdict(outcomes)
    if not by_case:
        return
    terminalreporter.section("matrix of cases")
    for (bullet, name, file), verdicts in sorted(by_case.items(), key=lambda one: BULLETS.index(one[0][0])):
        worst = next((one for one in ("FAIL", "skip") if one in verdicts.values()), "pass")
        each = ", ".join(f"{direction} {verdict}" for direction, verdict in verdicts.items() if direction)
        terminalreporter.write_line(f"{worst}  {bullet}: {name}  [{each or '-'}]  {file}")


def main():
    text = README.read_text()
    inside = f"{BEGIN}\n{table(cases())}\n{END}"
    README.write_text(re.sub(re.escape(BEGIN) + r".*?" + re.escape(END), lambda _: inside, text, flags=re.S))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Prometheus' files and Grafana's, without a lab: promtool's word, rules that are tested, names that exist."""
import json
import re
import subprocess

import pytest
import yaml

from harness import grafana
from harness.netns import REPO

PROMETHEUS = REPO / "deploy/prometheus"
RULES = ("rules.yml", "alerts.yml")


def promtool(*args):
    done = subprocess.run(["promtool", *args], cwd=PROMETHEUS, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules():
    return [rule for name in RULES for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"] for rule in group["rules"]]


def known_metrics():
    """Name -> type, of the page that is held against the code."""
    page = (REPO / "controlplane/ops/METRICS.md").read_text()
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M))


def test_promtool_accepts_the_configuration_and_the_rules():
    promtool("check", "config", "prometheus.yml")
    assert "SUCCESS" in promtool("check", "rules", *RULES)


def test_the_rules_do_what_their_tests_say():
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tested_and_says_what_to_do():
    tested = (PROMETHEUS / "rules_test.yml").read_text()
    for rule in rules():
        if "alert" not in rule:
            continue
        assert re.search(rf"\b{rule['alert']}\b", tested), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert {"summary", "action"} <= set(rule["annotations"]), rule["alert"]


def all_expressions():
    return [(rule.get("record") or rule["alert"], rule["expr"]) for rule in rules()] + grafana.expressions()


@pytest.mark.parametrize("where,expr", all_expressions(), ids=lambda value: value[:40].replace("\n", " "))
def test_every_name_that_is_asked_for_exists(where, expr):
    known = known_metrics()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    names = set(re.findall(r"\bsallyport(?:_\w+|:[\w:]+)", re.sub(r'"[^"]*"', '""', expr)))
    assert names or "up{" in expr, where
    for name in names:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        is_known = name in recorded or name in known or known.get(base) == "histogram"
        assert is_known, f"{where}: {name}"


def test_the_dashboards_are_what_their_generator_writes():
    made = grafana.generate()
    there = {path.name: path.read_text() for path in (REPO / "deploy/grafana/dashboards").glob("*.json")}
    assert there == made, "run deploy/grafana/generate.py"


def test_no_two_panels_of_a_dashboard_share_a_place():
    for name, text in grafana.generate().items():
        taken = set()
        for panel in json.loads(text)["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken and at["x"] + at["w"] <= 24, f"{name}: {panel['title']}"
            taken |= cells

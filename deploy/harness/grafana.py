# SPDX-License-Identifier: Apache-2.0
"""The dashboards as data: what they ask Prometheus for."""
import importlib.util
import json
import re

from .netns import REPO

FOLDER = REPO / "deploy/grafana"


def generate():
    """File name -> text, as deploy/grafana/generate.py writes it."""
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.texts()


def board(name):
    """One dashboard, as it is checked in."""
    return json.loads((FOLDER / "dashboards" / f"{name}.json").read_text())


def expressions():
    """[(dashboard and panel, expression)] of the files that are checked in."""
    found = []
    for path in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in board(path.stem)["panels"]:
            for target in panel["targets"]:
                found.append((f"{path.stem}: {panel['title']}", target["expr"]))
    return found


def filled(expr, window="1m", span="5m"):
    """An expression with Grafana's variables put in, for Prometheus itself."""
    expr = expr.replace("$__rate_interval", window).replace("$__range", span).replace("$instance", ".*")
    assert not re.search(r"\$\w", expr), expr
    return expr

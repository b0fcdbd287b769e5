# SPDX-License-Identifier: Apache-2.0
"""SIPp scenarios of the matrix: `script.py` reads a side's script, `compose.py` writes it as SIPp's XML, `cases_*.py` are the
scripts, `lab.py` runs them, `judge.py` judges them from both wires;
`python3 -m sipp` prints a scenario. This file loads nothing that needs the lab."""
from . import cases_offer_answer, cases_policies, cases_races, cases_routes

CASES = [*cases_offer_answer.CASES, *cases_races.CASES, *cases_routes.CASES, *cases_policies.CASES]

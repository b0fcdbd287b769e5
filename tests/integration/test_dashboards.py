# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus beside Sallyport while calls are placed: no query of a dashboard and no rule is empty or in error.

PANEL_PICTURES=FOLDER keeps the pictures of the panels that the run ends with (README.md shows them).
"""
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import yaml
from lab_fixtures import set_up, talk

from harness import batches, grafana, netns, panels, rtp, seed, tls, ua

PORT = 9471
RULES = netns.REPO / "deploy/prometheus"


def ask(path, **parameters):
    url = f"http://127.0.0.1:{PORT}/{path}" + (f"?{urllib.parse.urlencode(parameters)}" if parameters else "")

    def get():
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    return netns.inside(netns.SBC, get)


def evaluate(expr):
    """(samples, error)"""
    answer = json.loads(ask("api/v1/query", query=expr))
    if answer["status"] != "success":
        return [], answer.get("error", "error")
    return answer["data"]["result"], None


def in_time(is_so, within=10):
    """Whether it is so after some scrapes."""
    deadline = time.monotonic() + within
    while not (so := is_so()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return so


def becomes(expr, value):
    return in_time(lambda: [one["value"][1] for one in evaluate(expr)[0]] == [value])


def has_samples(expr):
    return in_time(lambda: bool(evaluate(expr)[0]))


def query_range(expr, start):
    answer = json.loads(ask("api/v1/query_range", query=expr, start=start, end=time.time(), step=1))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


@pytest.fixture
def prometheus(tmp_path):
    config = yaml.safe_load((RULES / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES / name) for name in config["rule_files"]]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with open(tmp_path / "prometheus.log", "w", encoding="utf-8") as log:
        process = netns.popen(netns.SBC, ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
                                          f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{PORT}"],
                              stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(150):
            try:
                ask("-/ready")
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "prometheus.log").read_text()[-2000:]
                time.sleep(0.1)
        yield process
    finally:
        netns.stop_process(process)


def calls_of_a_kind():
    """Times the plain number; for pictures that are kept, ten times as many."""
    return 10 if "PANEL_PICTURES" in os.environ else 1


def place_reported_call(ends, number):
    """A call whose two sides report on each other (RTCP): what SIPp's media does not."""
    caller, callee = ends.pub(port=5074), ends.carrier()
    voices = ends.media(netns.PUB, netns.PUB4, 6400), ends.media(netns.CARRIER, netns.CARRIER_A, 7400)
    reporters = ends.media(netns.PUB, netns.PUB4, 6401), ends.media(netns.CARRIER, netns.CARRIER_A, 7401)
    near, far, to_a, to_b = set_up(caller, callee, number, 6400, 7400)
    talk(voices[0], to_a, voices[1], to_b, 0.4)
    for one, other, there, back in ((0, 1, to_a, to_b), (1, 0, to_b, to_a)):
        instant = time.time_ns()
        reporters[one].sock.sendto(rtp.sender_report(voices[one].ssrc, instant), (there[0], there[1] + 1))
        time.sleep(0.2)
        reporters[other].sock.sendto(rtp.receiver_report(voices[other].ssrc, voices[one].ssrc, instant), (back[0], back[1] + 1))
        time.sleep(0.1)
    near.send("BYE")
    far.hear_bye()
    for end in (caller, callee, *voices, *reporters):
        end.close()


def place_calls(folder, ends):
    """Every kind of call that a panel tells of, twice over some scrapes: a counter's first value is no increase."""
    times = calls_of_a_kind()
    kinds = {kind.name: kind for kind in batches.KINDS}
    runner = batches.Runner(folder, seed.Draw(5), rate=2 * times)
    try:
        for _ in range(2):
            for name, count in (("nat", 3), ("to-office", 2), ("failover", 2), ("busy", 2), ("vendor", 2)):
                runner.place(kinds[name], count * times)
            runner.place(kinds["private"], 2, private="10.99.0.5")
            place_reported_call(ends, f"+44{int(ua.token()[-6:], 16):09d}")
    finally:
        runner.stop()


def wanting():
    """What is empty or in error now, of the dashboards, the recording rules and what the alerts look at."""
    left = []
    for where, expr in grafana.expressions():
        samples, error = evaluate(grafana.filled(expr))
        if error or not samples:
            left.append(f"{where}: {error or 'empty'}: {expr}")
    for group in json.loads(ask("api/v1/rules"))["data"]["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                left.append(f"{rule['name']}: {rule['health']}: {rule.get('lastError', '')}")
            # An alert that does not fire is empty in health: the numbers that it looks at are not.
            names = [rule["name"]] if rule["type"] == "recording" else re.findall(r"\b(?:sallyport[_:][\w:]+|up)\b", rule["query"])
            left += [f"{rule['name']}: {name} is empty" for name in names if not evaluate(name)[0]]
    return left


@pytest.mark.timeout(300)
def test_no_query_and_no_rule_is_empty_or_in_error_while_calls_run(door, ends, prometheus, tmp_path):
    certificate, key = tls.Authority(tmp_path).issue("access", "DNS:access.example")

    def with_certificate(config):
        config["realms"]["access"]["sip"]["tls"] = tls.DOOR_PORT
        config["realms"]["access"]["tls"] = {"certificate": str(certificate), "key": str(key)}
    door(with_certificate)
    start = time.time()
    place_calls(tmp_path, ends)
    deadline = time.monotonic() + 40
    while left := wanting():
        if time.monotonic() > deadline:
            pytest.fail("\n".join(left))
        time.sleep(2)
    samples, _ = evaluate("sallyport:asr")
    assert 0.3 < float(samples[0]["value"][1]) < 1, "some were answered and some were not"
    refused, _ = evaluate('sum by (code) (sallyport_calls_failed_total{to="none"})')
    assert {(one["metric"]["code"], one["value"][1]) for one in refused} == {("488", "4")}, "private addresses, and no peer's"
    assert not evaluate('{__name__=~"sallyport:(asr|ner|cps):peer",to="none"}')[0]
    for realm in ("access", "core"):
        assert becomes(f'sallyport_media_rtt_seconds_count{{realm="{realm}"}}', "2"), f"round trips of {realm}: two calls with reports"
        assert has_samples(f'sallyport:media_rtt_seconds:p95{{realm="{realm}"}} > 0'), "a rate is a number from the second call on"
        samples, _ = evaluate(f'histogram_quantile(1, sallyport_media_rtt_seconds_bucket{{realm="{realm}"}})')
        assert 0.1 < float(samples[0]["value"][1]) < 5, "held for 0.2 s without saying so"
    hits = {(one["metric"]["map"], one["metric"]["rule"]) for one in evaluate("sallyport_response_map_rule_hits_total > 0")[0]}
    assert {("carrier-in", "rule 1"), ("none", "rfc3398 base")} <= hits, hits
    assert evaluate("sallyport_peer_up == 1")[0], "peers are up"
    firing = {alert["labels"]["alertname"] for alert in json.loads(ask("api/v1/alerts"))["data"]["alerts"] if alert["state"] == "firing"}
    assert not firing & {"SallyportGone", "SallyportPeerDown", "SallyportShardSilent", "SallyportOwnDrops", "SallyportRecordsLost"}, firing
    folder = pathlib.Path(os.environ.get("PANEL_PICTURES", tmp_path))
    drawn = {}
    for name in sorted(path.stem for path in (grafana.FOLDER / "dashboards").glob("*.json")):
        png = folder / f"{name}.png"

        def draw(name=name, png=png):
            drawn[name] = panels.draw(name, lambda expr: query_range(expr, start), lambda expr: evaluate(expr)[0], start, png)
            return drawn[name] == titles(name)
        # What has just been measured for the first time is in a range a step later.
        assert in_time(draw), f"{name}: nothing was measured in {set(titles(name)) - set(drawn[name])}"
        assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    panels.keep(folder, drawn)


def titles(name):
    """Of the panels that a picture of the dashboard shows."""
    return [panel["title"] for panel in grafana.board(name)["panels"] if panels.is_drawn(panel)]


def test_the_pictures_that_are_kept_show_the_panels_that_the_dashboards_have():
    boards = sorted(path.stem for path in (grafana.FOLDER / "dashboards").glob("*.json"))
    assert panels.of_pictures() == {name: titles(name) for name in boards}, "draw them anew: PANEL_PICTURES=deploy/grafana/pictures"
    assert all((grafana.FOLDER / "pictures" / f"{name}.png").exists() for name in boards)
    assert "Received by sent, in the range" in panels.of_pictures()["response-codes"]

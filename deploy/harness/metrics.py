# SPDX-License-Identifier: Apache-2.0
"""What the process says of itself: Prometheus text, the conservation law, and scrapes at rest."""
import re
import time

from . import netns

_LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
PREFIX = "sallyport_"


def parse(text):
    """(name, ((label, value), ...)) -> number."""
    samples = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found and not line.startswith("#"):
            labels = tuple(sorted(_LABEL.findall(found.group(2) or "")))
            samples[(found.group(1), labels)] = float(found.group(3))
    return samples


def select(samples, name, **labels):
    """The samples of sallyport_NAME that carry these labels: [(labels, number)]."""
    found = []
    for (sample, pairs), value in samples.items():
        if sample == PREFIX + name:
            have = dict(pairs)
            if all(have.get(k) == v for k, v in labels.items()):
                found.append((have, value))
    return found


def total(samples, name, **labels):
    return sum(value for _, value in select(samples, name, **labels))


def scrape(ns=netns.SBC, address=netns.METRICS, timeout=5.0):
    with netns.tcp_connect(ns, *address, timeout=timeout) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\nHost: lab\r\nConnection: close\r\n\r\n")
        data = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            data += part
            head, sep, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.I)
            if sep and length and len(body) >= int(length.group(1)):
                break
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200" not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"metrics: {head[:80]!r}")
    return parse(body.decode())


def law(samples, before=None):
    """port -> what came in and where it went, of one scrape or of the difference of two."""
    before = before or {}
    diff = {key: value - before.get(key, 0.0) for key, value in samples.items()}
    ports = {}
    for labels, value in select(diff, "dataplane_packets_total", direction="rx"):
        port = labels["port"]
        paths = {p: int(total(diff, "dataplane_delivered_total", port=port, path=p)) for p in ("relay", "sip", "kernel")}
        other = int(total(diff, "dataplane_delivered_total", port=port)) - sum(paths.values())
        drops = {row["reason"]: int(number) for row, number in select(diff, "dataplane_drops_total", port=port) if number}
        ports[port] = {"received": int(value), **paths, "other": other, "drops": drops,
                       "missed": int(total(diff, "dataplane_nic_missed_total", port=port)),
                       "accounted": sum(paths.values()) + other + sum(drops.values())}
    return ports


def rest(quiet=1.1, limit=25.0):
    """(time, samples) of a moment when nothing had come in for `quiet` seconds, longer than any counter takes to show."""
    deadline, last, since = time.monotonic() + limit, None, time.monotonic()
    while True:
        now, samples = time.time(), scrape()
        counts = {port: row["received"] for port, row in law(samples).items()}
        if counts != last:
            last, since = counts, time.monotonic()
        elif time.monotonic() - since >= quiet:
            return now, samples
        if time.monotonic() > deadline:
            raise RuntimeError("the ports do not come to rest")
        time.sleep(0.3)

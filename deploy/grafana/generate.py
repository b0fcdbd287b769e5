#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes dashboards/*.json from the panels said here: deploy/grafana/generate.py [FOLDER]. A test holds the files against it.

The data source is the variable $source, the instance the variable $instance, so that a dashboard can be imported anywhere.
"""
import json
import pathlib
import sys

WIDTH = 24
I = 'instance=~"$instance"'
RATE = "[$__rate_interval]"


def panel(kind, title, queries, unit="short", width=8, height=8, about="", **more):
    """`queries`: (expression, legend), ..."""
    targets = [{"refId": chr(65 + n), "expr": expr, "legendFormat": legend, "datasource": {"uid": "$source", "type": "prometheus"},
                **({"format": "table", "instant": True} if kind in ("table", "stat") else {})}
               for n, (expr, legend) in enumerate(queries)]
    return {"type": kind, "title": title, "description": about, "targets": targets, "width": width, "height": height,
            "datasource": {"uid": "$source", "type": "prometheus"},
            "fieldConfig": {"defaults": {"unit": unit, **more.pop("defaults", {})}, "overrides": []}, **more}


def lines(title, *queries, **more):
    return panel("timeseries", title, queries, **more)


def number(title, expr, **more):
    return panel("stat", title, [(expr, "")], width=more.pop("width", 4), height=4, **more)


def matrix(title, expr, row, column, value="Value", **more):
    """A table of one query as rows by columns."""
    return panel("table", title, [(expr, "")], width=WIDTH, height=12, transformations=[
        {"id": "groupingToMatrix", "options": {"rowField": row, "columnField": column, "valueField": value}}], **more)


def ratio(**more):
    return {"unit": "percentunit", "defaults": {"min": 0, "max": 1}, **more}


OVERVIEW = ("Overview", [
    number("Calls now", f"sum(sallyport_calls_active{{{I}}})"),
    number("New calls a second", f"sum(sallyport:cps{{{I}}})", unit="cps"),
    number("ASR", f"avg(sallyport:asr{{{I}}})", **ratio()),
    number("NER, worst peer", f"min(sallyport:ner:peer{{{I}}})", **ratio()),
    number("Peers down", f"count(sallyport_peer_up{{{I}}} == 0) or vector(0)"),
    number("Busiest core", f"max(sallyport:core_busy:ratio{{{I}}})", **ratio()),
    lines("Calls by peer", (f"sum by (to) (sallyport_calls_active{{{I}}})", "{{to}}")),
    lines("New calls a second", (f"sum by (to) (rate(sallyport_call_attempts_total{{{I}}}{RATE}))", "to {{to}}"), unit="cps"),
    lines("Failed calls a second by code", (f"sum by (code) (rate(sallyport_calls_failed_total{{{I}}}{RATE}))", "{{code}}"), unit="cps"),
    lines("Refused here a second by code", (f"sum by (code) (sallyport:own_refusals:rate{{{I}}})", "{{code}}"), unit="cps",
          about="Before any INVITE left: limits, no route, private addresses. No peer's failure, and in no ASR or NER."),
    lines("Post-dial delay", (f"max(sallyport:pdd_seconds:p50{{{I}}})", "p50"), (f"max(sallyport:pdd_seconds:p95{{{I}}})", "p95"),
          (f"max(sallyport:pdd_seconds:p99{{{I}}})", "p99"), unit="s"),
    lines("Packets a second", (f"sum by (port, direction) (rate(sallyport_dataplane_packets_total{{{I}}}{RATE}))", "{{port}} {{direction}}"),
          unit="pps"),
    lines("Lost in our own house", (f"sum by (port) (sallyport:own_drops:rate{{{I}}})", "{{port}}"), unit="pps",
          about="Rings, buffers, the NIC, no way out: 0 in health."),
    lines("Saturation", (f"max(sallyport:calls_used:ratio{{{I}}})", "calls"), (f"max(sallyport:media_ports_used:ratio{{{I}}})", "media ports"),
          (f"max(sallyport:pool_used:ratio{{{I}}})", "packet buffers"), (f"max(sallyport_ring_used_ratio{{{I}}})", "rings"),
          (f"max(sallyport:core_busy:ratio{{{I}}})", "cores"), **ratio()),
    lines("Memory", (f"sum(sallyport_process_resident_memory_bytes{{{I}}})", "resident"),
          (f"sum(sallyport_process_hugepage_bytes{{{I}}})", "hugepages"), unit="bytes"),
    panel("table", "What runs", [(f"sallyport_build_info{{{I}}}", "")]),
])

PEERS = ("Peers", [
    panel("table", "Health", [(f"min by (peer) (sallyport_peer_up{{{I}}})", "")], width=6),
    lines("Calls", (f"sum by (from, to) (sallyport_calls_active{{{I}}})", "{{from}} to {{to}}"), width=9),
    lines("New calls a second", (f"sum by (from, to) (rate(sallyport_call_attempts_total{{{I}}}{RATE}))", "{{from}} to {{to}}"), width=9,
          unit="cps"),
    lines("ASR", (f"avg by (to) (sallyport:asr:peer{{{I}}})", "{{to}}"), **ratio()),
    lines("NER", (f"avg by (to) (sallyport:ner:peer{{{I}}})", "{{to}}"), **ratio()),
    lines("ACD", (f"avg by (peer) (sallyport:acd_seconds:peer{{{I}}})", "{{peer}}"), unit="s"),
    lines("Post-dial delay p50", (f"max by (peer) (sallyport:pdd_seconds:p50{{{I}}})", "{{peer}}"), unit="s"),
    lines("Post-dial delay p95", (f"max by (peer) (sallyport:pdd_seconds:p95{{{I}}})", "{{peer}}"), unit="s"),
    lines("Set-up p95", (f"histogram_quantile(0.95, sum by (peer, le) (rate(sallyport_call_setup_seconds_bucket{{{I}}}[5m])))", "{{peer}}"),
          unit="s"),
    lines("Requests a second", (f"sum by (peer, direction, method) (rate(sallyport_sip_requests_total{{{I}}}{RATE}))",
                                "{{peer}} {{direction}} {{method}}"), width=12, unit="reqps"),
    lines("Responses a second", (f"sum by (peer, direction, code) (rate(sallyport_sip_responses_total{{{I}}}{RATE}))",
                                 "{{peer}} {{direction}} {{code}}"), width=12, unit="reqps"),
    lines("Transactions", (f"sum by (kind) (sallyport_sip_transactions_active{{{I}}})", "{{kind}}")),
    lines("Transactions that went wrong, a second", (f"sum by (event) (rate(sallyport_sip_transaction_events_total{{{I}}}{RATE}))", "{{event}}"),
          unit="reqps"),
    lines("Private addresses, streams a second", (f"sum by (peer, action) (rate(sallyport_private_media_total{{{I}}}{RATE}))",
                                                  "{{peer}} {{action}}"), unit="reqps"),
])

MEDIA = ("Media quality", [
    number("Flows now", f"sum(sallyport_media_flows_active{{{I}}})"),
    number("MOS, mean of 5 min", f"avg(sallyport:media_mos:mean{{{I}}})", unit="none",
           about="Estimated by G.107 from loss, half of the round trip where RTCP told it, and the codec's values (G.113)."),
    number("Loss", f"max(sallyport:media_loss:ratio{{{I}}})", **ratio()),
    number("One-way calls", f"max(sallyport:one_way_media:ratio{{{I}}})", **ratio()),
    number("Media ports in use", f"max(sallyport:media_ports_used:ratio{{{I}}})", **ratio()),
    number("Latched, all time", f"sum(sallyport_media_latches_total{{{I}}})"),
    lines("MOS by realm", (f"avg by (realm) (sallyport:media_mos:mean{{{I}}})", "{{realm}}"), unit="none", defaults={"min": 1, "max": 4.5}),
    lines("Loss by realm", (f"max by (realm) (sallyport:media_loss:ratio{{{I}}})", "{{realm}}"), **ratio()),
    lines("Jitter p95 by realm", (f"histogram_quantile(0.95, sum by (realm, le) (rate(sallyport_media_jitter_seconds_bucket{{{I}}}[5m])))",
                                  "{{realm}}"), unit="s"),
    lines("Round trip p95 by realm", (f"max by (realm) (sallyport:media_rtt_seconds:p95{{{I}}})", "{{realm}}"), unit="s",
          about="Between us and the endpoints, by their RTCP; nothing where they send none."),
    lines("Flows by realm", (f"sum by (realm) (sallyport_media_flows_active{{{I}}})", "{{realm}}")),
    lines("Media packets a second", (f"sum by (realm, direction) (rate(sallyport_media_packets_total{{{I}}}{RATE}))", "{{realm}} {{direction}}"),
          unit="pps"),
    lines("Media that was refused, a second",
          (f'sum by (reason) (rate(sallyport_dataplane_drops_total{{{I},reason=~"flow_.*|port_closed"}}{RATE}))', "{{reason}}"), unit="pps"),
    lines("Loss of ended flows p95", (f"histogram_quantile(0.95, sum by (realm, le) (rate(sallyport_media_loss_ratio_bucket{{{I}}}[5m])))",
                                      "{{realm}}"), width=12, **ratio()),
    lines("Calls with media from one side", (f"max by (to) (sallyport:one_way_media:ratio{{{I}}})", "{{to}}"), width=12, **ratio()),
])

DATAPLANE = ("Dataplane cores", [
    lines("Busy share of a core", (f"sum by (core) (sallyport:core_busy:ratio{{{I}}})", "core {{core}}"), **ratio()),
    lines("Cycles a packet", (f"sum by (core) (sallyport_dataplane_cycles_per_packet{{{I}}})", "core {{core}}")),
    lines("Latches a second", (f"sum by (core) (rate(sallyport_media_latches_total{{{I}}}{RATE}))", "core {{core}}"), unit="ops"),
    lines("Received a second", (f'sum by (port) (rate(sallyport_dataplane_packets_total{{{I},direction="rx"}}{RATE}))', "{{port}}"), unit="pps"),
    lines("Where they went", (f"sum by (port, path) (rate(sallyport_dataplane_delivered_total{{{I}}}{RATE}))", "{{port}} {{path}}"), unit="pps"),
    lines("Drops by reason", (f"sum by (reason) (sallyport:drops:rate{{{I}}}) > 0 or sum(sallyport:drops:rate{{{I}}})", "{{reason}}"),
          unit="pps", about="The line without a name is the sum."),
    lines("Bits a second", (f"8 * sum by (port, direction) (rate(sallyport_dataplane_bytes_total{{{I}}}{RATE}))", "{{port}} {{direction}}"),
          unit="bps"),
    lines("Lost at the NIC", (f"sum by (port, cause) (rate(sallyport_dataplane_nic_missed_total{{{I}}}{RATE}))", "{{port}} {{cause}}"), unit="pps"),
    lines("Not accepted by the port", (f"sum by (port) (rate(sallyport_dataplane_unsent_total{{{I}}}{RATE}))", "{{port}}"), unit="pps"),
    lines("Handed to another core a second", (f"sum by (port) (rate(sallyport_dataplane_handed_over_total{{{I}}}{RATE}))", "{{port}}"), unit="pps",
          about="Media that the device did not bring to its core."),
    lines("Packet buffers in use", (f"max by (port) (sallyport:pool_used:ratio{{{I}}})", "{{port}}"), **ratio()),
    lines("Rings in use", (f"max by (ring, shard) (sallyport_ring_used_ratio{{{I}}})", "{{ring}} {{shard}}"), **ratio()),
    lines("Rings that were full", (f"sum by (ring) (increase(sallyport_ring_full_total{{{I}}}[5m]))", "{{ring}}")),
    lines("Shards behind", (f"max by (shard) (sallyport_shard_lag_seconds{{{I}}})", "shard {{shard}}"), unit="s"),
    lines("Shards answering", (f"min by (shard) (sallyport_shard_answering{{{I}}})", "shard {{shard}}")),
    lines("In no count", (f"sum by (port) (sallyport:unaccounted:packets{{{I}}})", "{{port}}"),
          about="received - delivered - dropped: 0 at rest."),
])

CODES = ("Response codes", [
    matrix("Received by sent, in the range", f"sum by (received, sent) (increase(sallyport_responses_mapped_total{{{I}}}[$__range]))",
           "received", "sent", about="Codes that went on as another one, and local errors by name."),
    matrix("Failed calls: code by peer, in the range", f"sum by (code, to) (increase(sallyport_calls_failed_total{{{I}}}[$__range]))", "to", "code"),
    lines("Mapped a second", (f"sum by (received, sent) (rate(sallyport_responses_mapped_total{{{I}}}{RATE}))", "{{received}} to {{sent}}"),
          width=12, unit="reqps"),
    lines("Received a second", (f'sum by (code) (rate(sallyport_sip_responses_total{{{I},direction="rx"}}{RATE}))', "{{code}}"), width=12,
          unit="reqps"),
    panel("table", "Hits by rule, in the range", [(f"sum by (map, rule) (increase(sallyport_response_map_rule_hits_total{{{I}}}[$__range]))", "")],
          width=12, about="Every rule, vendor row or default that had a say, of provisional and final responses to any request; "
          "`none`: in no map."),
    lines("Hits a second by rule", (f"sum by (map, rule) (rate(sallyport_response_map_rule_hits_total{{{I}}}{RATE}))", "{{map}} {{rule}}"),
          width=12, unit="reqps"),
])

DASHBOARDS = {"overview": OVERVIEW, "peers": PEERS, "media-quality": MEDIA, "dataplane-cores": DATAPLANE, "response-codes": CODES}


def placed(panels):
    """Gives every panel its place, from left to right and down."""
    x = y = tallest = 0
    out = []
    for number_, one in enumerate(panels, 1):
        one = dict(one)
        width, height = one.pop("width"), one.pop("height")
        if x + width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        out.append({"id": number_, **one, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x, tallest = x + width, max(tallest, height)
    return out


def dashboard(name, title, panels):
    return {"uid": f"sallyport-{name}", "title": f"Sallyport: {title}", "tags": ["sallyport"], "schemaVersion": 37, "version": 1,
            "editable": True, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "",
            "templating": {"list": [
                {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"},
                {"name": "instance", "label": "Instance", "type": "query", "datasource": {"uid": "$source", "type": "prometheus"},
                 "query": "label_values(sallyport_build_info, instance)", "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*"}]},
            "links": [{"type": "dashboards", "tags": ["sallyport"], "title": "Sallyport", "asDropdown": True, "includeVars": True, "keepTime": True}],
            "panels": placed(panels)}


def texts():
    """File name -> text."""
    return {f"{name}.json": json.dumps(dashboard(name, *what), indent=1) + "\n" for name, what in DASHBOARDS.items()}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "dashboards"
    for name, text in texts().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()

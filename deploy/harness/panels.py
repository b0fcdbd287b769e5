# SPDX-License-Identifier: Apache-2.0
"""Pictures of a dashboard's panels, from what a Prometheus holds, by gnuplot (Grafana itself is no package of Debian)."""
import math
import pathlib
import re
import subprocess
import tempfile

from . import grafana

COLUMNS = 3
UNITS = {"percentunit": "%", "cps": "calls/s", "pps": "packets/s", "reqps": "1/s", "ops": "1/s", "s": "s", "bps": "bit/s",
         "bytes": "bytes", "short": "", "none": ""}


def _legend(pattern, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), pattern) or "value"


def _quoted(text):
    return '"' + re.sub(r'["\\]', "", text) + '"'


def series(panel, query_range, window):
    """[(legend, [(time, value)])] of a panel; `query_range(expr)` gives Prometheus' result of a range."""
    found = []
    for target in panel["targets"]:
        for one in query_range(grafana.filled(target["expr"], window)):
            points = [(float(at), float(value)) for at, value in one["values"] if not math.isnan(float(value))]
            if points:
                found.append((_legend(target["legendFormat"], one["metric"]), points))
    return found


def _plot(panel, found, first, folder, index):
    """gnuplot's lines for one panel."""
    unit = UNITS.get(panel["fieldConfig"]["defaults"]["unit"], "")
    scale = 100 if unit == "%" else 1
    top = scale * max(value for _, points in found for _, value in points)
    # Room for the legend above the highest line; thousands and up with their letter.
    out = [f"set title {_quoted(panel['title'])}", f"set ylabel {_quoted(unit)}", f"set yrange [0:{top * 1.4 if top > 0 else 1}]",
           f"set format y '{'%.0s%c' if top >= 5000 else '%g'}'"]
    plots = []
    for n, (legend, points) in enumerate(sorted(found)):
        path = folder / f"{index}-{n}.dat"
        path.write_text("".join(f"{at - first} {scale * value}\n" for at, value in points))
        plots.append(f'"{path}" using 1:2 with lines lw 2 title {_quoted(legend)}')
    return [*out, "plot " + ", ".join(plots)]


def draw(dashboard, query_range, first, png, window="15s"):
    """Draws the time series panels of `dashboard` (a file's name without .json) into `png`; gives how many have a line.

    `first`: where the time axis begins, in seconds since the epoch. A panel in which nothing was measured is left out. Raises
    RuntimeError with gnuplot's own words.
    """
    board = grafana.board(dashboard)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        drawn = []
        for index, panel in enumerate(board["panels"]):
            found = series(panel, query_range, window) if panel["type"] == "timeseries" else []
            if found:
                drawn.append(_plot(panel, found, first, folder, index))
        rows = max(1, math.ceil(len(drawn) / COLUMNS))
        script = [f'set terminal pngcairo size 1500,{60 + 300 * rows} font "sans,10" background rgb "white"', f'set output "{png}"',
                  f"set multiplot layout {rows},{COLUMNS} title {_quoted(board['title'])} font 'sans,15'",
                  "set grid lc rgb '#dddddd'", "set key top left noenhanced samplen 1", "set xlabel 'seconds'",
                  *(line for panel in drawn for line in panel), "unset multiplot"]
        done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot: {done.stderr.strip()}")
    return len(drawn)

# SPDX-License-Identifier: Apache-2.0
"""Pictures of a dashboard's panels, from what a Prometheus holds, by gnuplot (Grafana itself is no package of Debian)."""
import json
import math
import pathlib
import re
import subprocess
import tempfile

from . import grafana

COLUMNS = 3
KEY = "set key top left noenhanced samplen 1"
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


def is_drawn(panel):
    """Lines over time, and tables of rows by columns; numbers and plain tables are for Grafana alone."""
    return panel["type"] == "timeseries" or _matrix_fields(panel) is not None


def _matrix_fields(panel):
    """(row, column) of a table that is one matrix."""
    for one in panel.get("transformations", []):
        if one["id"] == "groupingToMatrix":
            return one["options"]["rowField"], one["options"]["columnField"]
    return None


def cells(panel, query):
    """{(row, column): value} of a matrix, without zeros; `query(expr)` gives Prometheus' result of an instant."""
    row, column = _matrix_fields(panel)
    found = {}
    for target in panel["targets"]:
        for one in query(grafana.filled(target["expr"])):
            value = float(one["value"][1])
            if value > 0:
                found[one["metric"].get(row, ""), one["metric"].get(column, "")] = value
    return found


def _plot_matrix(panel, found, folder, index):
    """gnuplot's lines for one matrix: a coloured field for each number, rows from top to bottom."""
    row, column = _matrix_fields(panel)
    rows, columns = (sorted({key[n] for key in found}) for n in (0, 1))
    path = folder / f"{index}.dat"
    path.write_text("".join(f"{columns.index(at[1])} {rows.index(at[0])} {value} {value:.3g}\n" for at, value in found.items()))

    def tics(names):
        return "(" + ", ".join(f"{_quoted(name)} {n}" for n, name in enumerate(names)) + ")"

    return [f"set title {_quoted(panel['title'])}", f"set xlabel {_quoted(column)}", f"set ylabel {_quoted(row)}",
            f"set xrange [-0.5:{len(columns) - 0.5}]", f"set yrange [{len(rows) - 0.5}:-0.5]",
            f"set xtics {tics(columns)} rotate by -45 noenhanced", f"set ytics {tics(rows)} noenhanced",
            "set palette defined (0 '#dbe9f6', 1 '#6baed6')", f"set cbrange [0:{max(found.values())}]", "unset colorbox", "unset key",
            f'plot "{path}" using 1:2:(0.5):(0.5):3 with boxxyerror fillcolor palette fillstyle solid noborder, '
            f'"{path}" using 1:2:4 with labels',
            "set xtics autofreq norotate", "set ytics autofreq", "set xrange [*:*]", "set xlabel 'seconds'", KEY]


def _plot(panel, found, first, folder, index):
    """gnuplot's lines for one panel of lines over time."""
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
        plots.append(f'"{path}" using 1:2 with linespoints lw 2 pt 7 ps 0.3 title {_quoted(legend)}')
    return [*out, "plot " + ", ".join(plots)]


def draw(dashboard, query_range, query, first, png, window="15s"):
    """Draws the lines and the matrices of `dashboard` (a file's name without .json) into `png`; gives the titles of those drawn.

    `first`: where the time axis begins, in seconds since the epoch. A panel in which nothing was measured is left out. Raises
    RuntimeError with gnuplot's own words.
    """
    board = grafana.board(dashboard)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        drawn = {}
        for index, panel in enumerate(board["panels"]):
            if not is_drawn(panel):
                continue
            if panel["type"] == "timeseries":
                found = series(panel, query_range, window)
                lines = _plot(panel, found, first, folder, index) if found else []
            else:
                found = cells(panel, query)
                lines = _plot_matrix(panel, found, folder, index) if found else []
            if lines:
                drawn[panel["title"]] = lines
        rows = max(1, math.ceil(len(drawn) / COLUMNS))
        script = [f'set terminal pngcairo size 1500,{60 + 300 * rows} font "sans,10" background rgb "white"', f'set output "{png}"',
                  f"set multiplot layout {rows},{COLUMNS} title {_quoted(board['title'])} font 'sans,15'",
                  "set grid lc rgb '#dddddd'", KEY, "set xlabel 'seconds'",
                  *(line for lines in drawn.values() for line in lines), "unset multiplot"]
        done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot: {done.stderr.strip()}")
    return list(drawn)


def of_pictures(folder=grafana.FOLDER / "pictures"):
    """Dashboard -> titles of the panels in its picture, as kept beside the pictures."""
    return json.loads((folder / "panels.json").read_text())


def keep(folder, drawn):
    (folder / "panels.json").write_text(json.dumps(drawn, indent=1) + "\n")

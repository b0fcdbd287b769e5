# SPDX-License-Identifier: Apache-2.0
"""A picture of runs at several rates, by gnuplot."""
import pathlib
import shutil
import subprocess
import tempfile

from .failure import Failure

_PLOT = """set terminal pngcairo size 1000,700 font "sans,11"
set output "{png}"
set multiplot layout 2,1 title "{title}"
set grid; set key left; set xlabel "calls offered a second"; set xrange [0:*]
set ylabel "answered, %"; set yrange [0:105]; set key bottom left
plot {answered}
set ylabel "INVITE to 200, ms"; set yrange [0:*]; set key top left
plot {delay}
unset multiplot
"""


def _rows(points):
    """Of several runs at one rate the best one, as the search takes it."""
    best = {}
    for point in sorted(points, key=lambda point: (point.good, point.answered)):
        best[point.offered] = point
    for _, point in sorted(best.items()):
        yield f"{point.offered} {100 * point.answered / max(1, point.placed)} {point.p50_ms} {point.p95_ms} {point.p99_ms}"


def draw(png, series, title):
    """`series`: name -> points."""
    if shutil.which("gnuplot") is None:
        raise Failure("the picture needs gnuplot (Debian's gnuplot-nox)")
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for n, (name, points) in enumerate(series.items()):
            files[name] = pathlib.Path(folder) / f"{n}.dat"
            files[name].write_text("\n".join(_rows(points)) + "\n")
        answered = ", ".join(f'"{path}" using 1:2 with linespoints title "{name or "answered"}"' for name, path in files.items())
        delay = ", ".join(f'"{path}" using 1:{column} with linespoints title "{name} {what}"' for name, path in files.items()
                          for column, what in ((3, "p50"), (5, "p99")))
        done = subprocess.run(["gnuplot"], input=_PLOT.format(png=png, title=title, answered=answered, delay=delay), text=True,
                              capture_output=True, check=False)
    if done.returncode != 0:
        raise Failure(f"gnuplot: {done.stderr.strip()}")

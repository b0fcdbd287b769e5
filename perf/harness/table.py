# SPDX-License-Identifier: Apache-2.0
"""What perf/README.md carries: a Markdown table of the figures that have a reach, from the files that `--json` wrote."""
import json

COLUMNS = ["figure", "reach", "measured: median (least to most, runs)", "its two sides", "command"]
VERDICTS = {True: "reached", False: "**not reached**", None: "a stretch"}


def _number(value):
    """Three digits, or all in front of the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(ratio, short):
    unit = f" {ratio['unit']}" if ratio["unit"] else ""
    measured = (f"{_number(ratio['median'])}{unit} ({_number(ratio['min'])} to {_number(ratio['max'])}, {ratio['runs']}): "
                f"{VERDICTS[ratio['reached']]}")
    beside = ""
    if ratio["beside"]:
        beside = " / ".join(_number(ratio["beside"][side]) for side in ("numerator", "denominator"))
        beside += f" {ratio['beside']['unit']}".rstrip()
    return [ratio["name"], ratio["reach"], measured, beside, f"`perf/run {ratio['part']}{' --short' * short}`"]


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def table(paths):
    """The rows of all files, in their order, and below them where and when each was measured."""
    books = [json.loads(path.read_text()) for path in paths]
    rows = [_row(ratio, book["machine"]["short"]) for book in books for ratio in book["ratios"] if ratio["reach"]]
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *map(_line, rows), ""]
    for book in books:
        machine = book["machine"]
        doubts = [note for note in book["notes"] if "NOT TO BE QUOTED" in note or "FAILED" in note]
        lines.append("- " + " ".join([f"{', '.join(book['seconds'])}: {machine['when']}, {machine['cpu']}, {machine['cores']} cores, "
                               f"kernel {machine['kernel']}, {machine['busy_cores_before']:.2f} cores busy at start.", *doubts]))
    return "\n".join(lines)

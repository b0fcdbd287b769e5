# SPDX-License-Identifier: Apache-2.0
"""Figures and ratios with their spread."""
import statistics


def spread(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "runs": len(samples)}


def _text(samples, digits):
    s = spread(samples)
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f}, {s['runs']} runs)"


BUSY_MOST = 0.15  # cores' worth of other work; with more, times are the machine's


class Book:
    """Everything that a run has measured."""

    def __init__(self, machine):
        self.machine = machine
        self.part = ""  # of perf/run, that measures now
        self.figures = []
        self.ratios = []
        self.profiles = []
        self.notes = []
        self.curves = []
        self.seconds = {}
        if machine["busy_cores_before"] > BUSY_MOST:
            self.note(f"NOT TO BE QUOTED: {machine['busy_cores_before']:.2f} cores of this machine were busy with other "
                      "things before the first run.")

    def figure(self, name, unit, samples):
        self.figures.append({"name": name, "part": self.part, "unit": unit, **spread(samples), "samples": samples})

    def ratio(self, name, numerator, denominator, reach=None, least=None, most=None, unit=""):
        """Run by run, since what disturbs a run disturbs both. Held to `least` or `most` where given. `unit`: of both."""
        samples = [a / b for a, b in zip(numerator, denominator)]
        self.limit(name, "", samples, reach, least, most,
                   beside={"numerator": statistics.median(numerator), "denominator": statistics.median(denominator),
                           "unit": unit})

    def limit(self, name, unit, samples, reach=None, least=None, most=None, beside=None):
        median = statistics.median(samples)
        reached = None
        if least is not None:
            reached = median >= least
        if most is not None:
            reached = (reached is not False) and median <= most
        self.ratios.append({"name": name, "part": self.part, "unit": unit, **spread(samples), "samples": samples,
                            "reach": reach, "reached": reached, "beside": beside})

    def profile(self, name, shares, whole=None, unit="cycles a packet"):
        """Shares by stage in percent; `whole` is what they are shares of."""
        if shares is None:
            self.note(f"{name}: no profile, this machine cannot sample")
            return
        stages = {stage: whole * share / 100 for stage, share in shares.items()} if whole else None
        self.profiles.append({"name": name, "percent": shares, "unit": unit, "stages": stages})

    def curve(self, name, columns, rows):
        self.curves.append({"name": name, "columns": columns, "rows": rows})

    def took(self, part, seconds):
        self.seconds[part] = seconds

    def note(self, text):
        self.notes.append(text)

    def as_dict(self):
        return {"machine": self.machine, "figures": self.figures, "ratios": self.ratios,
                "profiles": self.profiles, "curves": self.curves, "seconds": self.seconds, "notes": self.notes}

    def print(self):
        m = self.machine
        print(f"{m['when']}, {m['cpu']}, {m['cores']} cores, kernel {m['kernel']}, "
              f"load {m['load']:.1f} and {m['busy_cores_before']:.2f} cores busy at start\n")
        for figure in self.figures:
            print(f"  {figure['name']:52} {_text(figure['samples'], 2)} {figure['unit']}")
        print()
        for ratio in self.ratios:
            verdict = {None: "", True: "  reached", False: "  NOT REACHED"}[ratio["reached"]]
            reach = f"  [{ratio['reach']}]" if ratio["reach"] else ""
            unit = f" {ratio['unit']}" if ratio["unit"] else ""
            print(f"  {ratio['name']:52} {_text(ratio['samples'], 2)}{unit}{reach}{verdict}")
        for profile in self.profiles:
            shares = sorted(profile["percent"].items(), key=lambda item: -item[1])
            print(f"\n  {profile['name']}, by sampling{', ' + profile['unit'] if profile['stages'] else ''}: " + ", ".join(
                f"{name} {share:.0f}%" + (f" ({profile['stages'][name]:.1f})" if profile["stages"] else "")
                for name, share in shares if share >= 1))
        for curve in self.curves:
            print(f"\n  {curve['name']}")
            for row in [curve["columns"], *curve["rows"]]:
                print("    " + "".join(f"{cell:>16}" if isinstance(cell, (str, int)) else f"{cell:>16.2f}" for cell in row))
        for note in self.notes:
            print(f"\n  {note}")

# SPDX-License-Identifier: Apache-2.0
"""Figures and ratios with their spread."""
import statistics


def spread(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "runs": len(samples)}


def _text(samples, digits):
    s = spread(samples)
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f}, {s['runs']} runs)"


class Book:
    """Everything that a run has measured."""

    def __init__(self, machine):
        self.machine = machine
        self.figures = []
        self.ratios = []
        self.profiles = []
        self.notes = []

    def figure(self, name, unit, samples):
        self.figures.append({"name": name, "unit": unit, **spread(samples), "samples": samples})

    def ratio(self, name, numerator, denominator, reach=None, least=None, most=None):
        """Run by run, since what disturbs a run disturbs both. Held to `least` or `most` where given."""
        samples = [a / b for a, b in zip(numerator, denominator)]
        self.limit(name, "", samples, reach, least, most)

    def limit(self, name, unit, samples, reach=None, least=None, most=None):
        median = statistics.median(samples)
        reached = None
        if least is not None:
            reached = median >= least
        if most is not None:
            reached = (reached is not False) and median <= most
        self.ratios.append({"name": name, "unit": unit, **spread(samples), "samples": samples, "reach": reach,
                            "reached": reached})

    def profile(self, name, shares):
        if shares is not None:
            self.profiles.append({"name": name, "percent": shares})

    def note(self, text):
        self.notes.append(text)

    def as_dict(self):
        return {"machine": self.machine, "figures": self.figures, "ratios": self.ratios,
                "profiles": self.profiles, "notes": self.notes}

    def print(self):
        m = self.machine
        print(f"{m['when']}, {m['cpu']}, {m['cores']} cores, kernel {m['kernel']}, load {m['load']:.1f} at start\n")
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
            print(f"\n  {profile['name']}: " + ", ".join(f"{name} {share:.0f}%" for name, share in shares if share >= 1))
        for note in self.notes:
            print(f"\n  {note}")

"""How long the check for separation takes: 10^5 rows in 10^4 groups, by what varies between groups and what separates.

uv run python benchmarks/separation.py
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from machine import describe
from tables import table

import bayesglmm as bg

PER_GROUP, SECOND = 10, 10
"""Rows a group, and groups a level of the second factor."""

GROUPS = {
    "intercepts": "(1 | g)",
    "slopes": "(1 + x | g)",
    "crossed": "(1 | g) + (1 | h)",
}
OUTCOMES = ("none", "rare events", "quasi-complete", "ties", "complete given the groups", "complete given X")
COVARIATES = ("continuous", "discrete")


@dataclass(frozen=True)
class Case:
    """A design with an outcome.

    Parameters
    ----------
    groups, covariates, outcome
        A key of `GROUPS`, one of `COVARIATES`, and one of `OUTCOMES`.
    """

    groups: str
    covariates: str
    outcome: str

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.groups}, {self.covariates}, {self.outcome}"

    @property
    def formula(self) -> str:
        """The formula."""
        return f"y ~ x + t + v + {GROUPS[self.groups]}"


def simulate(case: Case, rows: int, seed: int = 5) -> pd.DataFrame:
    """Make data: t is 0 in one row of two, and separates if the others are successes; ties are of whole numbers."""
    rng = np.random.default_rng(seed)
    groups = rows // PER_GROUP
    second = max(groups // SECOND, 2)
    g, h = np.arange(rows) % groups, rng.integers(0, second, rows)
    if case.covariates == "continuous":
        x, v = rng.normal(size=(2, rows))
        t = np.abs(rng.normal(size=rows)) * rng.integers(0, 2, rows)
    else:
        x, v, t = rng.integers(-2, 3, rows), rng.integers(0, 3, rows), rng.integers(0, 2, rows)
    common, effect = x - 0.7 * t + 0.3 * v - 0.3, rng.normal(size=(3, groups)) * [[1.0], [0.5], [1.0]]
    if case.outcome == "ties":
        x, v, effect = np.round(x), np.round(2 * v), np.round(effect)
        common = v - (case.covariates == "discrete") * t
    slope, level = case.groups == "slopes", case.groups == "crossed"
    within = effect[0, g] + slope * effect[1, g] * x + level * effect[2, h]
    chance = rng.random(rows)
    y = {
        "none": chance < 1 / (1 + np.exp(-common - within)),
        "quasi-complete": (chance < 1 / (1 + np.exp(-common - within))) | (t > 0),
        "ties": common + within + 0.5 * np.sign(chance - 0.5) > 0,
        "complete given the groups": common + within > 0,
        "complete given X": common > 0,
        "rare events": chance < 1 / (1 + np.exp(6.0 - common - within)),
    }[case.outcome]
    return pd.DataFrame({"y": y.astype(int), "x": x, "t": t, "v": v, "g": g, "h": h})


def measure(case: Case, rows: int) -> list[str]:
    """Check one case and return its line of the table."""
    data = simulate(case, rows)
    wall, cpu = time.perf_counter(), time.process_time()
    found = bg.check_separation(case.formula, data)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    infinite = ", ".join(f"{name} {end}" for name, end in found.infinite_given_groups.items())
    kinds = [found.kind, found.kind_given_groups]
    return [case.groups, case.covariates, case.outcome, *kinds, infinite or "–", f"{cpu:.1f}", f"{wall:.1f}"]


def cases(only: str) -> Iterator[Case]:
    """Yield the cases whose name has a text in it."""
    for groups, covariates, outcome in product(GROUPS, COVARIATES, OUTCOMES):
        case = Case(groups, covariates, outcome)
        if only in case.name:
            yield case


def main() -> None:
    """Measure, and print the machine and the table."""
    parser = argparse.ArgumentParser(description="Time of the check for separation.")
    parser.add_argument("--quick", action="store_true", help="10^4 rows in 10^3 groups")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases with this in their name")
    given = parser.parse_args()
    rows = 10**4 if given.quick else 10**5
    bg.check_separation("y ~ x", {"y": [0, 1, 0, 1], "x": [0, 1, 2, 3]})  # what is imported late is imported here
    lines = []
    for case in cases(given.only):
        lines.append(measure(case, rows))
        print(f"{case.name}: {', '.join(lines[-1][3:6])}: {lines[-1][6]} s of CPU time", flush=True)
    heads = ["groups", "covariates", "outcome", "given X", "given the groups", "infinite given the groups"]
    print("\n".join(f"- {what}: {value}" for what, value in describe().items()))
    print(f"- {rows:,} rows, {rows // PER_GROUP:,} groups, {rows // PER_GROUP // SECOND:,} levels of h", end="\n\n")
    print(table([*heads, "CPU (s)", "wall (s)"], lines))


if __name__ == "__main__":
    main()

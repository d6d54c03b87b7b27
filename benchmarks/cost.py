"""How the time of one gradient grows with rows and with groups: `cost.csv` and `cost.png`.

uv run python benchmarks/cost.py
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gradient import compiled_density, seconds_per_gradient

import bayesglmm as bg
from bayesglmm.plots.style import COLOURS, GREY, INK, MARKERS, Picture, new_figure

HERE = Path(__file__).parent
GROUPS, PER_GROUP = 100, 10


@dataclass(frozen=True)
class Kind:
    """A model with four coefficients.

    Parameters
    ----------
    label
        For the legend.
    family, lhs
        The family, and what varies between groups.
    """

    label: str
    family: str
    lhs: str

    @property
    def formula(self) -> str:
        """The formula."""
        return f"y ~ x1 + x2 + x3 + ({self.lhs} | g)"


KINDS = (
    Kind("Bernoulli, (1 | g)", "bernoulli", "1"),
    Kind("Bernoulli, (1 + x1 | g)", "bernoulli", "1 + x1"),
    Kind("Poisson, (1 | g)", "poisson", "1"),
    Kind("Poisson, (1 + x1 | g)", "poisson", "1 + x1"),
)


def table(rows: int, groups: int, family: str) -> pd.DataFrame:
    """Make data, sorted by group."""
    rng = np.random.default_rng(rows + groups)
    x = rng.normal(size=(rows, 3))
    y = rng.poisson(2.0, rows) if family == "poisson" else rng.integers(0, 2, rows)
    return pd.DataFrame({"y": y, "x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "g": np.arange(rows) * groups // rows})


def measure(most_rows: int, most_groups: int) -> pd.DataFrame:
    """Time the gradient of every kind over rows at 100 groups, and over groups at 10 rows a group."""
    by_rows = [(10**p, GROUPS) for p in range(3, round(np.log10(most_rows)) + 1)]
    by_groups = [(PER_GROUP * 10**p, 10**p) for p in range(1, round(np.log10(most_groups)) + 1)]
    found: list[dict[str, Any]] = []
    for series, sizes in (("rows", by_rows), ("groups", by_groups)):
        for kind in KINDS:
            for rows, groups in sizes:
                model = bg.glmm(kind.formula, table(rows, groups, kind.family), kind.family)
                seconds = seconds_per_gradient(compiled_density(model)[0])
                found.append(
                    {"series": series, "model": kind.label, "rows": rows, "groups": groups, "seconds": seconds}
                )
                print(f"{kind.label}: {rows:,} rows, {groups:,} groups: {seconds * 1e6:,.1f} µs", flush=True)
    return pd.DataFrame(found)


def draw(found: pd.DataFrame) -> Picture:
    """Draw time against size on logarithmic axes, with the budget of 10 ns a row."""
    caption = "Time of one gradient against rows and against groups, logarithmic axes; dashed: 10 ns a row"
    with new_figure(7.0, 3.1, caption) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        titles = {"rows": f"{GROUPS} groups", "groups": f"{PER_GROUP} rows a group"}
        for axes, (series, title) in zip(panels, titles.items(), strict=True):
            part = found[found["series"] == series]
            for i, kind in enumerate(KINDS):
                line = part[part["model"] == kind.label]
                style = {"marker": MARKERS[i], "color": COLOURS[i], "markersize": 4, "linewidth": 1.0}
                axes.loglog(line[series], line["seconds"] * 1e6, label=kind.label, **style)
            ends = part.sort_values("rows").iloc[[0, -1]]
            dashed = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (4, 3))}
            axes.loglog(ends[series], ends["rows"] * 0.01, label="10 ns a row", **dashed)
            axes.set_xlabel(f"number of {series}, at {title}")
        panels[0].set_ylabel("time of one gradient (µs)", color=INK)
        panels[0].legend(fontsize=7)
    return figure


def main() -> None:
    """Measure, and write numbers and figure."""
    parser = argparse.ArgumentParser(description="Time of one gradient against rows and groups.")
    parser.add_argument("--quick", action="store_true", help="up to 10^5 rows and 10^3 groups")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder for cost.csv and cost.png")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = measure(10**5, 10**3) if given.quick else measure(10**6, 10**5)
    found.to_csv(given.out / "cost.csv", index=False, float_format="%.4g")
    draw(found).savefig(given.out / "cost.png")


if __name__ == "__main__":
    main()

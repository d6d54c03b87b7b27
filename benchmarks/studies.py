"""The studies that are measured: the worked ones from `models/`, and synthetic ones of any size.

Nothing of the package is imported here: a child process that measures another package must not pay for ours.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["STUDIES", "Study", "synthetic"]

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Study:
    """A model on data.

    Parameters
    ----------
    name
        What it is called on the command line; that of its spec and its data for a worked study.
    formula, family
        As in `bayesglmm.fit`; Bambi reads the same formula.
    group
        The grouping factor.
    size
        Rows and groups of synthetic data; None for a worked study.
    settings
        Of the sampler, where they are not the package's defaults.
    r
        What R writes differently in the formula.
    """

    name: str
    formula: str
    family: str
    group: str
    size: tuple[int, int] | None = None
    settings: Mapping[str, int] = field(default_factory=dict)
    r: Mapping[str, str] = field(default_factory=dict)

    @property
    def short(self) -> bool:
        """Whether a fit takes seconds: repeated, and compared with other packages."""
        return self.size is None

    @property
    def r_formula(self) -> str:
        """The formula in R's words."""
        text = self.formula
        for ours, theirs in self.r.items():
            text = text.replace(ours, theirs)
        return text

    def load(self, path: str | None = None) -> pd.DataFrame:
        """Read the data, shipped or from a CSV file, or make them."""
        if self.size is not None:
            return synthetic(*self.size)
        return pd.read_csv(path or _ROOT / "bayesglmm" / "datasets" / f"{self.name}.csv")


def synthetic(rows: int, groups: int, seed: int = 1) -> pd.DataFrame:
    """Make binary outcomes with three normal predictors and a random intercept of sd 1, groups of one size in order."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    g = np.arange(rows) * groups // rows
    eta = -1.0 + x @ np.array([0.5, -0.5, 0.25]) + rng.normal(size=groups)[g]
    y = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int64)
    return pd.DataFrame({"y": y, "x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "g": g})


def _worked(name: str, group: str, r: Mapping[str, str] | None = None) -> Study:
    spec = tomllib.loads((_ROOT / "models" / f"{name}.toml").read_text(encoding="utf-8"))
    return Study(name, spec["formula"], spec["family"], group, r=r or {})


def _synthetic(name: str, rows: int, groups: int) -> Study:
    settings = {"draws": 500, "chains": 2}
    return Study(name, "y ~ x1 + x2 + x3 + (1 | g)", "bernoulli", "g", (rows, groups), settings)


STUDIES = {
    study.name: study
    for study in (
        _worked("seizure", "id"),
        _worked("toenail", "id"),
        _worked("asthma", "id", {'C(treat, Treatment("Usual"))': 'relevel(factor(treat), "Usual")'}),
        _worked("ohio", "county", {"C(sex)": "factor(sex)", "C(race)": "factor(race)"}),
        _worked("rehab", "centre"),
        _synthetic("synthetic_1e4", 10**4, 10**2),
        _synthetic("synthetic_1e6", 10**6, 10**4),
    )
}

"""`PosteriorCheck`: an observed curve beside those of replicated data, with an envelope and a reading."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.checking.envelope import Envelope
from bayesglmm.checking.predictive import Predictive
from bayesglmm.common.results import Layout, Result

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["Curve", "PosteriorCheck", "checked", "compare", "where"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """How a check is drawn.

    Parameters
    ----------
    style
        `"line"`, `"bars"` from a count to the next, or `"points"`.
    x, y
        What the axes are.
    replicated
        (r, g) some replicated curves, None for none.
    points
        Columns `x`, `y`, and `group` where points of a group are joined: single rows or groups; None for none.
    labels
        The labels of the points of x, None for numbers.
    zero
        Whether 0 is what is expected everywhere.
    scale
        `"linear"`, `"sqrt"` of y, `"log"` of both axes, or `"log_x"`.
    """

    style: str
    x: str
    y: str
    replicated: Array | None = None
    points: pd.DataFrame | None = None
    labels: tuple[str, ...] | None = None
    zero: bool = False
    scale: str = "linear"


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorCheck(Result):
    """The data beside data that the fit replicates; `posterior_check` makes one.

    Parameters
    ----------
    kind
        What is compared.
    table
        By `x`: `observed`, `predicted` (the mean of the replicates), `lower upper` of a simultaneous envelope, which
        holds whole replicated curves with the probability in its attribute `ci_prob`, and whether the observed value
        lies `outside`.
    statistics
        Single statistics: index `statistic`, columns `observed predicted lower upper` (pointwise) and `p_value`,
        P(predicted ≥ observed); None where there are none.
    p_value
        The probability of a replicate as far from the others as the data, anywhere on the curve.
    reading
        What the comparison says, in a sentence.
    estimand
        What is compared, with what becomes of the random effects: the caption of the picture.
    curve
        How it is drawn.
    """

    kind: str
    table: pd.DataFrame
    statistics: pd.DataFrame | None
    p_value: float
    reading: str
    estimand: str
    curve: Curve

    def plot(self) -> "Picture":
        """Draw the data beside the replicates: see `bayesglmm.plots.posterior_check`."""
        from bayesglmm.plots.posterior_check import draw

        return draw(self)

    def _layout(self) -> Layout:
        options = {"max_rows": 20, "float_format": "{:.3f}".format}
        return Layout((self.estimand,), self.table, (self.reading,), options, 110, self.statistics)


def checked(
    kind: str,
    predictive: Predictive,
    x: Array,
    inside: Envelope,
    what: str,
    reading: str,
    curve: Curve,
    ci_prob: float,
    statistics: pd.DataFrame | None = None,
) -> PosteriorCheck:
    """Return a check from its envelope at points x (g,), and a reading without its verdict on the envelope."""
    columns = {
        "observed": inside.observed,
        "predicted": inside.predicted,
        "lower": inside.lower,
        "upper": inside.upper,
        "outside": inside.outside,
    }
    index = pd.Index(x if curve.labels is None else list(curve.labels), name="x")
    estimand = f"{what}; {predictive.held}"
    table = pd.DataFrame(columns, index=index)
    table.attrs = {"kind": kind, "frame": predictive.frame.name, "estimand": estimand, "ci_prob": ci_prob}
    return PosteriorCheck(kind, table, statistics, inside.p_value, reading, estimand, curve)


def compare(observed: dict[str, float], replicated: dict[str, Array], ci_prob: float) -> pd.DataFrame:
    """Return a table of single statistics beside their replicates (s,)."""
    low, high = (1 - ci_prob) / 2, (1 + ci_prob) / 2
    rows = {}
    for name, value in observed.items():
        drawn = replicated[name]
        lower, upper = np.quantile(drawn, (low, high))
        p_value = float(np.mean(drawn > value) + 0.5 * np.mean(drawn == value))
        rows[name] = (value, float(drawn.mean()), float(lower), float(upper), p_value)
    names = ["observed", "predicted", "lower", "upper", "p_value"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("statistic")


def where(x: Array, inside: Envelope, ci_prob: float, labels: tuple[str, ...] | None = None) -> str:
    """Say whether and where the observed curve leaves the envelope."""
    share = f"{100 * ci_prob:g} % envelope of whole replicated curves"
    if not inside.outside.any():
        return f"stays inside the {share} (p = {inside.p_value:.3f})"
    runs = np.split(np.flatnonzero(inside.outside), np.flatnonzero(np.diff(np.flatnonzero(inside.outside)) > 1) + 1)
    texts = []
    for run in runs[:3]:
        side = "above" if inside.observed[run[0]] > inside.upper[run[0]] else "below"
        first, last = ((f"{x[i]:.3g}" if labels is None else labels[i]) for i in (run[0], run[-1]))
        texts.append(f"{side} it at {first}" if first == last else f"{side} it from {first} to {last}")
    more = ", and elsewhere" if len(runs) > 3 else ""
    return f"leaves the {share} (p = {inside.p_value:.3f}): {', '.join(texts)}{more}"

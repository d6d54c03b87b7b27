"""Checks of groups: a statistic of each group, and the variance within groups against their mean."""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.checking.curves import Curve, PosteriorCheck, checked, compare, where
from bayesglmm.checking.envelope import Envelope, envelope
from bayesglmm.checking.predictive import Predictive
from bayesglmm.errors import OptionError
from bayesglmm.specify.design import BlockDesign

__all__ = ["STATISTICS", "Statistic", "group_statistic", "mean_variance"]

type Array = NDArray[np.float64]
type Statistic = Literal["mean", "sd", "max", "min", "zeros"]

STATISTICS: tuple[Statistic, ...] = get_args(Statistic.__value__)
"""Statistics of the rows of a group; zeros as their share."""

_FEWEST = 5
"""The fewest groups that are compared."""

_GRID = 100
"""At how many values groups are counted, at most."""

_FIFTHS = 5
"""Into how many classes groups are sorted by their mean."""


def group_statistic(
    predictive: Predictive, block: BlockDesign, statistic: Statistic, rng: np.random.Generator, ci_prob: float
) -> PosteriorCheck:
    """Compare the distribution of a statistic over the groups with that over replicated groups."""
    groups = _Groups(block, 2 if statistic == "sd" else 1)
    values = groups.statistic(_outcomes(predictive, predictive.y[None]), statistic)[0]
    drawn = groups.statistic(_outcomes(predictive, predictive.replicated(rng)), statistic)
    grid = _grid(values, drawn)
    own, replicated = _shares(values[None], grid)[0], _shares(drawn, grid)
    inside = envelope(own, replicated, ci_prob)
    inside = replace(inside, lower=np.maximum(inside.lower, 0.0), upper=np.minimum(inside.upper, 1.0))
    table = compare(
        {"mean over groups": float(values.mean()), "sd between groups": float(values.std())},
        {"mean over groups": drawn.mean(axis=1), "sd between groups": drawn.std(axis=1)},
        ci_prob,
    )
    text = _text(predictive, statistic)
    spread = table.loc["sd between groups"]
    reading = (
        f"The distribution of the {text} over the {len(values):,} levels of {block.factor} "
        f"{where(grid, inside, ci_prob)}. Its sd between levels is {spread['observed']:.3g}, and {spread['lower']:.3g} "
        f"to {spread['upper']:.3g} in replicates."
    )
    wide = grid[0] > 0 and grid[-1] > 10 * grid[0]
    axes = (f"{text} of a level of {block.factor}", "share of levels up to it")
    curve = Curve("line", *axes, scale="log_x" if wide else "linear")
    what = f"distribution of the {text} over the levels of {block.factor}, and over replicated levels"
    return checked("group_statistic", predictive, grid, inside, what, reading, curve, ci_prob, table)


def _grid(values: Array, drawn: Array) -> Array:
    """Return values between which groups are counted: those at which neither all nor none of them are expected."""
    every = np.unique(np.concatenate([values, np.quantile(drawn, np.linspace(0, 1, _GRID))]))
    share = np.searchsorted(np.sort(drawn, axis=None), every, side="right") / drawn.size
    m = len(values)
    kept = every[(share * m >= 1) & ((1 - share) * m >= 1)]
    if not len(kept):
        raise OptionError("the statistic is the same for nearly all groups; choose another one")
    return np.asarray(kept if len(kept) <= _GRID else kept[np.linspace(0, len(kept) - 1, _GRID).astype(int)])


def _shares(values: Array, grid: Array) -> Array:
    """Return the share of groups with a statistic (s, m) up to each value of a grid, (s, g)."""
    counts = np.stack([np.searchsorted(np.sort(row), grid, side="right") for row in values])
    return np.asarray(counts / values.shape[1])


def mean_variance(
    predictive: Predictive, block: BlockDesign, rng: np.random.Generator, ci_prob: float
) -> PosteriorCheck:
    """Compare the variance within groups, in classes by their mean, with that within replicated groups.

    With random effects held the variance is the mean of (y − μ)², μ that of each draw; redrawn, it is about the mean of
    the group, and has what predictors add in it.
    """
    groups = _Groups(block, 1 if not predictive.redraws else 2)
    y, drawn = _outcomes(predictive, predictive.y[None]), _outcomes(predictive, predictive.replicated(rng))
    if predictive.redraws:
        (mean, variance), (drawn_mean, drawn_variance) = groups.moments(y), groups.moments(drawn)
        name, about = "mean", "the mean of the level"
    else:
        mu = np.concatenate([predictive.mean(part) for part in predictive.parts()], axis=1)
        mean = drawn_mean = groups.statistic(mu, "mean")
        variance, drawn_variance = (groups.statistic((values - mu) ** 2, "mean") for values in (y, drawn))
        name, about = "fitted mean", "the fitted mean of each row, at each draw"
    x, own = (_by_class(mean, values).mean(axis=0) for values in (mean, variance))
    inside, logged = _variance_envelope(own, _by_class(drawn_mean, drawn_variance), ci_prob, bool((x > 0).all()))
    within = "mean variance within levels"
    table = compare({within: float(variance.mean())}, {within: drawn_variance.mean(axis=1)}, ci_prob)
    reading = (
        f"The variance within the levels of {block.factor}, from those of the lowest to those of the highest mean, "
        f"{where(x, inside, ci_prob)}."
    )
    points = pd.DataFrame({"x": mean.mean(axis=0), "y": variance.mean(axis=0)})
    axes = (f"{name} of the level of {block.factor}", "variance within the level")
    curve = Curve("points", *axes, points=points, scale="log" if logged else "linear")
    what = (
        f"variance of the outcomes about {about}, for each level of {block.factor}, averaged over {len(x)} classes of "
        f"levels by their {name}"
    )
    return checked("mean_variance", predictive, x, inside, what, reading, curve, ci_prob, table)


def _variance_envelope(own: Array, drawn: Array, ci_prob: float, positive: bool) -> tuple[Envelope, bool]:
    """Return the envelope of variances, on the log scale where all are positive, and whether it is."""
    if not (positive and (own > 0).all() and (drawn > 0).all()):
        return envelope(own, drawn, ci_prob), False
    logs = envelope(np.log(own), np.log(drawn), ci_prob)
    return Envelope(own, drawn.mean(axis=0), np.exp(logs.lower), np.exp(logs.upper), logs.p_value), True


class _Groups:
    """The rows of groups with at least some rows, as runs of sorted rows."""

    def __init__(self, block: BlockDesign, fewest: int) -> None:
        """Sort the rows; `kept` are the positions of the levels."""
        sizes = np.bincount(block.index, minlength=len(block.levels))
        self.kept = np.flatnonzero(sizes >= fewest)
        if len(self.kept) < _FEWEST:
            raise OptionError(
                f"'{block.factor}' has {len(self.kept)} levels with {fewest} or more rows; {_FEWEST} are needed to "
                "compare groups"
            )
        order = np.argsort(block.index, kind="stable")
        self._rows = order[np.isin(block.index[order], self.kept)]
        self._sizes = sizes[self.kept]
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])

    def moments(self, values: Array) -> tuple[Array, Array]:
        """Return the mean and the variance of each group, (s, m) each, of values (s, n)."""
        mean = self._reduce(np.add, values) / self._sizes
        away = values[:, self._rows] - np.repeat(mean, self._sizes, axis=1)
        squares = np.add.reduceat(away**2, self._starts, axis=1)
        return mean, squares / np.maximum(self._sizes - 1, 1)

    def statistic(self, values: Array, statistic: Statistic) -> Array:
        """Return a statistic of each group, (s, m)."""
        match statistic:
            case "mean":
                return self.moments(values)[0]
            case "sd":
                return np.asarray(np.sqrt(self.moments(values)[1]))
            case "max":
                return self._reduce(np.maximum, values)
            case "min":
                return self._reduce(np.minimum, values)
            case "zeros":
                return self._reduce(np.add, (values == 0).astype(float)) / self._sizes

    def _reduce(self, how: np.ufunc, values: Array) -> Array:
        return np.asarray(how.reduceat(values[:, self._rows], self._starts, axis=1))


def _by_class(mean: Array, values: Array) -> Array:
    """Average values (s, m) over classes of groups by their mean, (s, c)."""
    order = np.argsort(mean, axis=1, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=1)
    parts = np.array_split(sorted_values, min(_FIFTHS, values.shape[1]), axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)


def _outcomes(predictive: Predictive, y: Array) -> Array:
    """Return outcomes (s, n), of trials as proportions."""
    return y / predictive.trials if predictive.model.family.outcome_type == "trials" else y


def _text(predictive: Predictive, statistic: Statistic) -> str:
    outcome = predictive.model.design.outcome
    assert outcome is not None
    name = f"proportions {outcome.name}" if outcome.trials is not None else outcome.name
    return f"share of zeros of {name}" if statistic == "zeros" else f"{statistic} of {name}"

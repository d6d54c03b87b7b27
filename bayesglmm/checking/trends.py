"""Checks of the mean: quantile residuals against fitted values, a covariate, or time within groups."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.checking.curves import Curve, PosteriorCheck, checked, compare, where
from bayesglmm.checking.envelope import envelope
from bayesglmm.checking.predictive import Predictive
from bayesglmm.checking.quantile import normal_scores, pit, pit_by_draw, replicated_scores
from bayesglmm.checking.smoother import Smoother
from bayesglmm.errors import OptionError
from bayesglmm.specify.design import BlockDesign

__all__ = ["over_time", "trend"]

type Array = NDArray[np.float64]

_RESIDUAL = "quantile residual, N(0, 1) under the model"


def trend(
    kind: str, predictive: Predictive, name: str, column: Any, rng: np.random.Generator, ci_prob: float
) -> PosteriorCheck:
    """Smooth quantile residuals over the fitted values (`column` is None) or a column."""
    own, drawn = _scores(predictive, rng)
    labels = None
    rows = own[0]
    if column is None:
        at_rows = predictive.fitted()
        own, x = _by_fitted(predictive, own)
    elif isinstance(column, pd.Categorical):
        used = column.remove_unused_categories()
        x, labels = used.codes.astype(float), tuple(str(level) for level in used.categories)
    else:
        x = column
    smoother = Smoother.of(np.arange(predictive.n, dtype=float) if column is None else x)
    if labels is not None and smoother.curve:
        raise OptionError(f"'{name}' has {len(labels)} levels, too many to compare; use a column with fewer")
    at = np.interp(smoother.x, np.arange(predictive.n), x) if column is None else smoother.x
    inside = envelope(smoother(own).mean(axis=0), smoother(drawn), ci_prob)
    what = "smoothed" if smoother.curve else "averaged"
    reading = f"The {what} quantile residual by {name} {where(at, inside, ci_prob, labels)}."
    points = pd.DataFrame({"x": at_rows if column is None else x, "y": rows})
    curve = Curve("line" if smoother.curve else "points", name, _RESIDUAL, points=points, labels=labels, zero=True)
    text = f"quantile residuals against {name}, {what}, {_how(own)}"
    return checked(kind, predictive, at, inside, text, reading, curve, ci_prob)


def over_time(
    predictive: Predictive, name: str, time: Array, block: BlockDesign, rng: np.random.Generator, ci_prob: float
) -> PosteriorCheck:
    """Smooth quantile residuals over time, and compare how those of a group go on from each other."""
    own, drawn = _scores(predictive, rng)
    smoother = Smoother.of(time)
    inside = envelope(smoother(own).mean(axis=0), smoother(drawn), ci_prob)
    of_own, of_drawn = (_within(values, time, block.index) for values in (own, drawn))
    table = compare({one: float(values.mean()) for one, values in of_own.items()}, of_drawn, ci_prob)
    what = "smoothed" if smoother.curve else "averaged"
    reading = (
        f"The {what} quantile residual over {name} {where(smoother.x, inside, ci_prob)}. "
        f"{_read(table, block.factor, name, ci_prob)}"
    )
    points = pd.DataFrame({"x": time, "y": own[0], "group": block.index})
    curve = Curve("line" if smoother.curve else "points", name, _RESIDUAL, points=points, zero=True)
    text = f"quantile residuals over {name}, those of a level of {block.factor} joined, {_how(own)}"
    return checked("time", predictive, smoother.x, inside, text, reading, curve, ci_prob, table)


def _scores(predictive: Predictive, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return quantile residuals, (s, n) by draw or (1, n), and as many (s, n) of replicated data."""
    by_draw = None if predictive.redraws else pit_by_draw(predictive, rng)
    if by_draw is not None:
        return normal_scores(by_draw), rng.standard_normal(by_draw.shape)
    drawn = replicated_scores(predictive.replicated(rng), predictive.discrete, rng)
    return normal_scores(pit(predictive, rng))[None], drawn


def _by_fitted(predictive: Predictive, own: Array) -> tuple[Array, Array]:
    """Sort residuals by the fitted values of their draw; return them, and the mean of the sorted fitted values (n,).

    Fitted values at posterior means lean on the outcomes, and residuals would rise with them under the model.
    """
    if len(own) == 1:
        fitted = predictive.fitted()
        order = np.argsort(fitted, kind="stable")
        return own[:, order], fitted[order]
    fitted = np.concatenate([predictive.mean(part) for part in predictive.parts()], axis=1)
    order = np.argsort(fitted, axis=1, kind="stable")
    return np.take_along_axis(own, order, 1), np.take_along_axis(fitted, order, 1).mean(axis=0)


def _how(own: Array) -> str:
    return (
        "the average over draws of those at each draw (points: at the first)"
        if len(own) > 1
        else "beside those of replicated data"
    )


def _within(values: Array, time: Array, index: NDArray[np.int64]) -> dict[str, Array]:
    """Return of values (s, n) the correlation of consecutive rows of a group, and the sd of the groups' slopes.

    Slopes are in standard deviations of all values, which overdispersion alone would raise.
    """
    values = values / np.sqrt(np.square(values).mean(axis=1, keepdims=True))
    order = np.lexsort((time, index))
    same = index[order][1:] == index[order][:-1]
    first, second = values[:, order[:-1][same]], values[:, order[1:][same]]
    statistics = {"correlation of consecutive rows": (first * second).mean(axis=1)}
    m = int(index.max()) + 1
    sizes = np.bincount(index, minlength=m)
    away = time - (np.bincount(index, time, m) / np.maximum(sizes, 1))[index]
    squares = np.bincount(index, away**2, m)
    several = np.flatnonzero(squares > 1e-12 * max(float(np.var(time)), 1e-300))
    if len(several) > 1:
        weights = np.zeros((m, len(time)))
        weights[index, np.arange(len(time))] = away
        slopes = values @ (weights[several] / squares[several, None]).T
        share = squares[several] / squares[several].sum()
        centre = (slopes * share).sum(axis=1, keepdims=True)
        statistics["sd of slopes between groups"] = np.sqrt((share * (slopes - centre) ** 2).sum(axis=1))
    return statistics


def _read(table: pd.DataFrame, factor: str, time: str, ci_prob: float) -> str:
    half, found = (1 - ci_prob) / 2, []
    for statistic, row in table.iterrows():
        if row["p_value"] < half:
            found.append(f"{statistic} {row['observed']:.2f}, above {row['lower']:.2f} to {row['upper']:.2f}")
    if not found:
        return f"Rows of the same {factor} go on from each other as replicated ones do."
    return (
        f"Rows of the same {factor} are more alike over {time} than replicated ones ({'; '.join(found)}): a random "
        f"slope of {time}, or correlation of errors over time, is missing."
    )

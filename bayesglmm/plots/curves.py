"""The numbers behind `population`: means over the population, of the typical subject, and of the data."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.estimands.frames import Frame
from bayesglmm.estimands.offsets import is_rate, unit
from bayesglmm.estimands.posterior_draws import epred
from bayesglmm.estimands.reference_grid import Setting, setting
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import render
from bayesglmm.specify.model import Model

__all__ = ["Curves", "curves"]

_DISTINCT = 25
_BINS = 10


@dataclass(frozen=True, eq=False)
class Curves:
    """Means by group (g) and value of the focal column (k), on the scale of the response.

    Parameters
    ----------
    setting
        The points.
    population
        (3, g, k) 2.5, 50 and 97.5 % posterior quantiles of E(Y | x), averaged over the random effects.
    typical
        (g, k) posterior median of E(Y | x, b = 0); None in a model without random effects.
    raw
        Means of the data: columns `group` (position), `x`, `mean`, `n`; only rows whose factors are as held.
    outcome
        The response as written.
    expected
        What E(Y | x) is called on the axis, with the unit of a rate.
    observed
        What the points are called.
    averaged
        The grouping factors averaged over; empty in a model without.
    """

    setting: Setting
    population: NDArray[np.float64]
    typical: NDArray[np.float64] | None
    raw: pd.DataFrame
    outcome: str
    expected: str
    observed: str
    averaged: tuple[str, ...]


def curves(fit: Fitted, focal: str, by: str | None = None) -> Curves:
    """Compute the means that `population` draws.

    Raises
    ------
    OptionError
        As `setting`.
    """
    model = fit.model
    chosen = setting(model, focal, by)
    rows = chosen.rows(model)
    offset = model.design.on(rows).offset
    exposure = np.exp(offset) if is_rate(model) else np.ones(rows.n)
    shape = (-1, len(next(iter(chosen.groups.values()), (None,))), len(chosen.values))

    def draws(frame: Frame) -> NDArray[np.float64]:
        predicted = epred(model, fit.posterior, rows, frame=frame)
        means = np.asarray(predicted.transpose("chain", "draw", "row").values, dtype=float)
        return np.reshape(means / exposure, shape)

    expected, observed = _names(model)
    if model.formula.offsets and not is_rate(model):
        expected += f" at offset {offset[0]:.4g}" if np.ptp(offset) == 0 else " at each point's offset"
    return Curves(
        setting=chosen,
        population=np.asarray(np.quantile(draws("population"), (0.025, 0.5, 0.975), axis=0)),
        typical=np.median(draws("typical"), axis=0) if model.design.blocks else None,
        raw=_raw(model, chosen),
        outcome=render(model.formula.response.outcome),
        expected=expected,
        observed=observed,
        averaged=tuple(dict.fromkeys(block.factor for block in model.design.blocks)),
    )


def _names(model: Model) -> tuple[str, str]:
    """Name the mean for the axis and the means of the data for the legend."""
    outcome = model.design.outcome
    assert outcome is not None
    response = named(render(model.formula.response.outcome))
    if model.family.kind == "trials":
        return f"probability of success, {outcome.name}", "raw proportion"
    if model.family.kind == "binary":
        return f"probability of {response} = {model.event or 1}", "raw proportion"
    if is_rate(model):
        per = unit(model)
        return f"expected {response} per unit of {per}", f"raw rate, Σ {response} / Σ {per}"
    return f"expected {response}", "raw mean"


def _raw(model: Model, chosen: Setting) -> pd.DataFrame:
    """Average the outcome by group and value of the focal column, over rows whose factors are as held."""
    outcome, columns = model.design.outcome, model.design.columns
    assert outcome is not None
    empty = pd.DataFrame({"group": [], "x": [], "mean": [], "n": []}, dtype=float)
    if model.formula.offsets and not is_rate(model):
        return empty
    weight = np.ones(model.design.n) if outcome.trials is None else outcome.trials
    weight = np.exp(model.design.offset) if is_rate(model) else weight
    keep = np.ones(model.design.n, dtype=bool)
    for held in chosen.held:
        if held.how != "mean":
            keep &= np.asarray(columns[held.name] == held.value)
    parts = []
    by, groups = next(iter(chosen.groups.items()), (None, (None,)))
    for position, group in enumerate(groups):
        rows = keep if by is None else keep & np.asarray(columns[by] == group)
        parts.append(_by_focal(model, chosen, np.flatnonzero(rows), outcome.y, weight).assign(group=position))
    table = pd.concat([part for part in parts if len(part)]) if any(len(part) for part in parts) else empty
    return table[["group", "x", "mean", "n"]].reset_index(drop=True)


def _by_focal(
    model: Model, chosen: Setting, rows: NDArray[np.int64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> pd.DataFrame:
    """Average over rows of one focal value, or over tenths of the rows where there are too many values."""
    column = model.design.columns[chosen.focal]
    if chosen.shape == "labels":
        position = {level: j for j, level in enumerate(chosen.values)}
        x = np.array([position[level] for level in np.asarray(column)[rows]], dtype=float)
    else:
        x = np.asarray(column, dtype=float)[rows]
    frame = pd.DataFrame({"x": x, "y": y[rows], "weight": weight[rows]})
    distinct = frame["x"].nunique()
    cells = frame["x"] if distinct <= _DISTINCT else pd.qcut(frame["x"], _BINS, labels=False, duplicates="drop")
    grouped = frame.groupby(cells.to_numpy(), sort=True)
    means = grouped["y"].sum() / grouped["weight"].sum()
    return pd.DataFrame({"x": grouped["x"].mean(), "mean": means, "n": grouped.size()})

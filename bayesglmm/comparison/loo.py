"""`loo(fit)`: expected log predictive density of rows, or of whole groups, each left out of the fit in turn.

References
----------
Vehtari, Gelman & Gabry (2017), Statistics and Computing 27, 1413-1432: leave-one-out by importance sampling.
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25 (72), 1-58: Pareto's k.
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84, 802-829: whole groups, their random effects integrated out.
"""

import warnings
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.left_out import Refit, log_predictive
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["FEWEST_DRAWS", "Elpd", "describe_unit", "loo", "read_unit", "unit_of"]

type Array = NDArray[np.float64]

_TOO_LARGE = 0.7
"""Pareto's k above which the importance weights of a unit are not to be relied on."""

_MOST_REFITS = 50
"""The most refits that are made unasked."""

FEWEST_DRAWS = 100
"""The fewest draws whose largest weights a Pareto distribution is fitted to."""


@dataclass(frozen=True, eq=False, repr=False)
class Elpd(Result):
    """An expected log predictive density, of units left out of the fit.

    Parameters
    ----------
    pointwise
        (u,) the log predictive density of each unit, dim the unit's name, labelled.
    pareto_k
        (u,) Pareto's k of each unit, before refits; NaN where nothing was weighted.
    p_loo
        The effective number of parameters; NaN for folds.
    unit
        `"row"`, or the factor whose levels are left out whole.
    refitted
        The labels of the units whose value is that of a refit without them.
    estimand
        What is predicted.
    method
        How.
    """

    pointwise: xr.DataArray
    pareto_k: xr.DataArray
    p_loo: float
    unit: str
    refitted: tuple[Any, ...]
    estimand: str
    method: str

    @property
    def elpd(self) -> float:
        """Σ of the log predictive densities: the larger, the better the predictions."""
        return float(self.pointwise.sum())

    @property
    def se(self) -> float:
        """The standard error of `elpd` over units."""
        values = self.pointwise.values
        return float(np.sqrt(len(values)) * values.std(ddof=1)) if len(values) > 1 else float("nan")

    @property
    def table(self) -> pd.DataFrame:
        """One row: `elpd`, `se`, `p_loo`, the number of units, and of those of a k above 0.7 that were not refitted."""
        row = {
            "elpd": self.elpd,
            "se": self.se,
            "p_loo": self.p_loo,
            "units": len(self.pointwise),
            "refitted": len(self.refitted),
            "unreliable": len(self.unreliable),
        }
        return pd.DataFrame([row])

    @property
    def unreliable(self) -> tuple[Any, ...]:
        """The labels of the units whose k is above 0.7 and that were not refitted."""
        dim = self.pareto_k.dims[0]
        large = self.pareto_k[dim].values[self.pareto_k.values > _TOO_LARGE]
        return tuple(label for label in large.tolist() if label not in self.refitted)

    def plot(self) -> "Picture":
        """Draw Pareto's k of the units: see `bayesglmm.plots.pareto_k`."""
        from bayesglmm.plots.pareto_k import draw

        return draw(self)

    def _layout(self) -> Layout:
        below: tuple[str, ...] = ()
        if self.unreliable:
            below = (
                f"{len(self.unreliable)} of {len(self.pointwise)} units have a Pareto k above {_TOO_LARGE} "
                f"({listing(self.unreliable, 6)}): elpd is not to be relied on. fit.loo(exact=True) fits "
                "without each of them, whatever their number; fit.kfold() fits ten times.",
            )
        return Layout(
            (f"{self.estimand} {self.method}",),
            self.table,
            below,
            {"index": False, "float_format": "{:.1f}".format, "na_rep": ""},
            110,
        )


def describe_unit(fit: Fitted, unit: str) -> str:
    """Say what is predicted where units are left out."""
    if unit != "row":
        others = dict.fromkeys(block.factor for block in fit.model.design.blocks if block.factor != unit)
        held = f", those of {listing(others)} at their draws" if others else ""
        whole = f"Log predictive density of each {unit} left out whole"
        return f"{whole}, its random effects integrated out over N(0, G){held}."
    if fit.model.design.blocks:
        return "Log predictive density of each row left out, given the random effects of its groups: of a further row."
    return "Log predictive density of each row left out."


def read_unit(fit: Fitted, unit: str) -> str:
    """Return `"row"`, or the grouping factor of a name.

    Raises
    ------
    OptionError
        For draws of the prior alone, or what is neither.
    """
    if fit.draws.attrs.get("prior_only"):
        raise OptionError("these are draws from the prior alone: fit the data to predict outcomes left out")
    return unit_of(fit.model, unit)


def unit_of(model: Model, unit: str) -> str:
    """Return `"row"`, or the grouping factor of a name, as `read_unit` does, of a model not yet fitted."""
    if unit == "row":
        return unit
    factors = dict.fromkeys(block.factor for block in model.design.blocks)
    name = find(str(unit), factors)
    if name is None:
        raise OptionError(f"unit={unit!r} is neither 'row' nor a grouping factor; {suggest(str(unit), factors)}")
    return name


def loo(
    fit: Fitted, refit: Refit, unit: str = "row", *, exact: bool | None = None, max_draws: int | None = None
) -> Elpd:
    """Return the expected log predictive density of rows or groups, each left out in turn.

    Parameters
    ----------
    fit
        The fit.
    refit
        Samples a model with the settings of the fit.
    unit
        `"row"`: each row left out, predicted given the random effects of its groups. A grouping factor: each of its
        levels left out with all its rows, predicted with its random effects integrated out, as of a new group. The two
        answer different questions: predictions of rows gain from effects that only describe the groups observed.
    exact
        Whether units of a Pareto k above 0.7 are left out by fitting again without each. None fits again if there
        are at most 50.
    max_draws
        The most draws that are weighted, evenly spaced; None for all. Integrals over the effects of many groups take
        a minute at thousands of draws, and 500 give elpd to some tenths.

    Returns
    -------
    Elpd

    Raises
    ------
    OptionError
        For an unknown unit, fewer than 100 draws, draws of the prior alone, or groups that cannot be integrated out
        (see `bayesglmm.marginalize.group_likelihood`).
    """
    import arviz

    unit, weighted = read_unit(fit, unit), _thinned(fit, max_draws)
    values = log_likelihood(weighted) if unit == "row" else group_log_likelihood(weighted, unit)
    dim = str(values.dims[-1])
    tree = xr.DataTree.from_dict({"posterior": weighted.posterior, "log_likelihood": xr.Dataset({"y": values})})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of large Pareto k, which the result says
        result = arviz.loo(tree, pointwise=True, var_name="y")
    pointwise, pareto_k = result.elpd_i.copy(), result.pareto_k.copy()
    large = np.flatnonzero(pareto_k.values > _TOO_LARGE)
    if exact is False or (exact is None and len(large) > _MOST_REFITS):
        large = large[:0]
    for position in large:
        pointwise[position] = log_predictive(fit, refit, _rows(fit, unit, int(position)), _factor(unit))[0]
    labels = tuple(pareto_k[dim].values[large].tolist())
    total, used = (each.posterior.sizes["chain"] * each.posterior.sizes["draw"] for each in (fit, weighted))
    method = "By importance sampling from the posterior" + (f" at {used:,} of {total:,} draws" if used < total else "")
    method += f", {len(large)} of {len(pointwise)} by fits without them." if len(large) else "."
    elpd = Elpd(pointwise, pareto_k, 0.0, unit, labels, describe_unit(fit, unit), method)
    in_sample = np.asarray(values.values, dtype=float).reshape(-1, len(pointwise))
    lppd = np.logaddexp.reduce(in_sample, axis=0) - np.log(len(in_sample))
    return replace(elpd, p_loo=float(lppd.sum()) - elpd.elpd)


def _thinned(fit: Fitted, max_draws: int | None) -> Fitted:
    """Return the fit with at most so many draws, evenly spaced."""
    if max_draws is not None and max_draws < FEWEST_DRAWS:
        raise OptionError(f"max_draws={max_draws!r} is too few to weight; give {FEWEST_DRAWS} or more")
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    step = ceil(total / (max_draws or total))
    return fit if step == 1 else Thinned(fit.model, fit.draws, step)


def _factor(unit: str) -> str | None:
    return None if unit == "row" else unit


def _rows(fit: Fitted, unit: str, position: int) -> NDArray[np.bool_]:
    """Return the rows (n,) of a unit."""
    if unit == "row":
        return np.asarray(np.arange(fit.model.design.n) == position, dtype=np.bool_)
    index = blocks_of(fit, unit)[0].index
    return np.asarray(index == position, dtype=np.bool_)

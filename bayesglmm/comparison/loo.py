"""`loo(fit)`: expected log predictive density of rows, or of whole groups, each left out of the fit in turn.

References
----------
Vehtari, Gelman & Gabry (2017), Statistics and Computing 27, 1413-1432: leave-one-out by importance sampling.
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25 (72), 1-58: Pareto's k.
Li, Qiu, Zhang & Feng (2016), Statistics and Computing 26, 881-897: weights with the random effects integrated out.
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
from bayesglmm.comparison.left_out import Refit, integrated_log_likelihood, log_predictive
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.marginalize.group_likelihood import integrated_with
from bayesglmm.marginalize.row_likelihood import row_log_likelihood
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["FEWEST_DRAWS", "Elpd", "describe_unit", "loo", "read_unit", "standard_error", "unit_counts", "unit_of"]

type Array = NDArray[np.float64]

_TOO_LARGE = 0.7
"""Pareto's k above which the importance weights of a unit are not to be relied on."""

_MOST_REFITS = 50
"""The most refits that are made unasked."""

FEWEST_DRAWS = 100
"""The fewest draws whose largest weights a Pareto distribution is fitted to."""

_INTEGRATED_DRAWS = {1: 2000, 2: 500}
"""By the number of effects of a group, about how many draws are weighted with these integrated out. Such weights vary
little: the error of 500 draws is below that of a refit of 4,000 (`benchmarks/README.md`). Three effects take longer
than refits do."""


@dataclass(frozen=True, eq=False, repr=False)
class Elpd(Result):
    """An expected log predictive density, of units left out of the fit.

    Parameters
    ----------
    pointwise
        (u,) the log predictive density of each unit, dim the unit's name, labelled; of a row that stands for several
        outcomes, as its whole weight says, that of one of them.
    pareto_k
        (u,) Pareto's k of each unit, before refits, of the weights with the random effects integrated out for the units
        of `integrated`; NaN where nothing was weighted.
    p_loo
        The effective number of parameters; NaN for folds.
    unit
        `"row"`, or the factor whose levels are left out whole.
    integrated
        The labels of the rows whose weights have the random effects of their group integrated out.
    refitted
        The labels of the units whose value is that of a refit without them.
    estimand
        What is predicted.
    method
        How.
    counts
        (u,) how many outcomes each unit stands for: the whole weights of rows; None for one each.
    """

    pointwise: xr.DataArray
    pareto_k: xr.DataArray
    p_loo: float
    unit: str
    integrated: tuple[Any, ...]
    refitted: tuple[Any, ...]
    estimand: str
    method: str
    counts: Array | None = None

    @property
    def counts_or_ones(self) -> Array:
        """How many outcomes each unit stands for, (u,); 1 for one each."""
        return np.ones(len(self.pointwise)) if self.counts is None else self.counts

    @property
    def elpd(self) -> float:
        """Σ of the log predictive densities: the larger, the better the predictions."""
        return float(self.counts_or_ones @ self.pointwise.values)

    @property
    def se(self) -> float:
        """The standard error of `elpd` over units, each as many as it stands for."""
        return standard_error(self.pointwise.values, self.counts_or_ones)

    @property
    def table(self) -> pd.DataFrame:
        """One row: `elpd`, `se`, `p_loo`, the numbers of units, and of those `integrated`, `refitted`, `unreliable`."""
        row = {
            "elpd": self.elpd,
            "se": self.se,
            "p_loo": self.p_loo,
            "units": int(self.counts_or_ones.sum()),
            "integrated": len(self.integrated),
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
        _, *nested = integrated = integrated_with(fit.model.design, unit)
        others = dict.fromkeys(block.factor for block in fit.model.design.blocks if block.factor not in integrated)
        held = f", those of {listing(others)} at their draws" if others else ""
        effects = f"its random effects and those of {listing(nested)}" if nested else "its random effects"
        whole = f"Log predictive density of each {unit} left out whole"
        return f"{whole}, {effects} integrated out over N(0, G){held}."
    counts, _ = unit_counts(fit, unit)
    outcome = fit.model.design.outcome
    assert outcome is not None
    text = "Log predictive density of each row left out"
    if counts is not None:
        text = "Log predictive density of each outcome left out, a row standing for as many as its weight"
    elif outcome.weights is not None:
        text += ", times its weight"
    if fit.model.design.blocks:
        return f"{text}, given the random effects of its groups: of a further {'row' if counts is None else 'outcome'}."
    return f"{text}."


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


def unit_counts(fit: Fitted, unit: str) -> tuple[Array | None, NDArray[np.int64]]:
    """Return how many outcomes each unit stands for, (u,), None for one each, and which rows or levels are units.

    Rows of weight 0 are none, nor are levels that have only such rows. A row of whole weight stands for so many
    outcomes, each left out by itself; other weights are part of what is predicted, and so are those of a group's rows.
    """
    outcome = fit.model.design.outcome
    assert outcome is not None
    if unit != "row":
        block = blocks_of(fit, unit)[0]
        return None, np.flatnonzero(np.bincount(block.index, outcome.weights_or_ones, len(block.levels)))
    kept = np.flatnonzero(outcome.weights_or_ones)
    single = outcome.weights is None or outcome.counts is None
    return None if single else outcome.weights_or_ones[kept], kept


def standard_error(values: Array, counts: Array) -> float:
    """Return the standard error of Σ c v, units (u,) standing for c equal values each; NaN for one value."""
    total = counts.sum()
    if total < 2:
        return float("nan")
    squares = counts @ (values - counts @ values / total) ** 2
    return float(np.sqrt(total * squares / (total - 1)))


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
        levels left out with all its rows, predicted with its random effects integrated out, as of a new group, and
        with them those of a factor nested in it, such as an effect of each row. The two answer different questions:
        predictions of rows gain from effects that only describe the groups observed.
    exact
        What is done with units of a Pareto k above 0.7. None: rows of one factor with at most two effects a group are
        weighted again, the effects of their group integrated out, and units whose k is still above 0.7 are left out by
        fitting again without each, if there are at most 50. True: the same, whatever their number. False: nothing, as
        in ArviZ.
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
    unit, thinned = read_unit(fit, unit), _thinned(fit, max_draws)
    values = log_likelihood(thinned) if unit == "row" else integrated_log_likelihood(thinned, unit)
    counts, kept = unit_counts(fit, unit)
    values = values.isel({values.dims[-1]: kept})
    values = values if counts is None else values / counts
    pointwise, pareto_k = _weighted(thinned, values)
    integrated = np.empty(0, dtype=np.int64)
    if exact is not False and unit == "row" and counts is None:
        integrated = _integrate(thinned, pointwise, pareto_k, kept)
    large = np.flatnonzero(pareto_k.values > _TOO_LARGE)
    if exact is False or (exact is None and len(large) > _MOST_REFITS):
        large = large[:0]
    for position in large:
        rows = _rows(fit, unit, int(kept[position]))
        pointwise[position] = log_predictive(fit, refit, rows, _factor(unit), singly=True)[0]
    labels = pareto_k[pareto_k.dims[0]].values
    total, used = (each.posterior.sizes["chain"] * each.posterior.sizes["draw"] for each in (fit, thinned))
    draws = f" at {used:,} of {total:,} draws" if used < total else ""
    method = _method(draws, len(pointwise), len(integrated), len(large))
    named = tuple(labels[integrated].tolist()), tuple(labels[large].tolist())
    elpd = Elpd(pointwise, pareto_k, 0.0, unit, *named, describe_unit(fit, unit), method, counts)
    in_sample = np.asarray(values.values, dtype=float).reshape(-1, len(pointwise))
    lppd = np.logaddexp.reduce(in_sample, axis=0) - np.log(len(in_sample))
    return replace(elpd, p_loo=float(elpd.counts_or_ones @ lppd) - elpd.elpd)


def _thinned(fit: Fitted, max_draws: int | None) -> Fitted:
    """Return the fit with at most so many draws, evenly spaced."""
    if max_draws is not None and max_draws < FEWEST_DRAWS:
        raise OptionError(f"max_draws={max_draws!r} is too few to weight; give {FEWEST_DRAWS} or more")
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    step = ceil(total / (max_draws or total))
    return fit if step == 1 else Thinned(fit.model, fit.draws, step)


def _step(fit: Fitted) -> int:
    return fit.thin if isinstance(fit, Thinned) else 1


def _weighted(fit: Fitted, values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the log predictive density of each unit by smoothed importance sampling, and Pareto's k, both (u,)."""
    import arviz

    posterior = fit.posterior.sel({name: values[name] for name in ("chain", "draw")})
    tree = xr.DataTree.from_dict({"posterior": posterior, "log_likelihood": xr.Dataset({"y": values})})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of large Pareto k, which the result says
        result = arviz.loo(tree, pointwise=True, var_name="y")
    return result.elpd_i.copy(), result.pareto_k.copy()


def _integrate(
    fit: Fitted, pointwise: xr.DataArray, pareto_k: xr.DataArray, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Weight rows of a large k again, the random effects of their group integrated out; return which.

    A row says much of its group's effects and little of the parameters θ. With b out, the weights are 1 / p(y_i | y_j
    without i, θ), and what they average is the same predictive density.
    """
    large = np.flatnonzero(pareto_k.values > _TOO_LARGE)
    blocks = fit.model.design.blocks
    if not blocks or not len(large):
        return large[:0]
    factor = max(blocks, key=lambda block: len(block.levels)).factor
    draws = _INTEGRATED_DRAWS.get(sum(block.size for block in blocks_of(fit, factor)))
    if draws is None:
        return large[:0]
    sizes = fit.posterior.sizes
    thinned = Thinned(fit.model, fit.draws, _step(fit) * max(1, sizes["chain"] * sizes["draw"] // draws))
    pointwise[large], pareto_k[large] = _weighted(thinned, row_log_likelihood(thinned, rows[large], factor))
    return large


def _method(draws: str, units: int, integrated: int, refitted: int) -> str:
    """Say how the predictive densities were computed."""
    parts = [f"By importance sampling from the posterior{draws}"]
    if integrated:
        parts.append(f"{integrated} of {units} with the random effects of their group integrated out of the weights")
    if refitted:
        parts.append(f"{refitted} of {units} by fits without them")
    return f"{', '.join(parts)}."


def _factor(unit: str) -> str | None:
    return None if unit == "row" else unit


def _rows(fit: Fitted, unit: str, position: int) -> NDArray[np.bool_]:
    """Return the rows (n,) of a unit."""
    if unit == "row":
        return np.asarray(np.arange(fit.model.design.n) == position, dtype=np.bool_)
    index = blocks_of(fit, unit)[0].index
    return np.asarray(index == position, dtype=np.bool_)

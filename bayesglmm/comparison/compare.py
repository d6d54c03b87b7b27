"""`compare(fits)`: models beside each other by what they predict of outcomes left out.

References
----------
Sivula, Magnusson, Matamoros & Vehtari (2025), Bayesian Analysis: differences too small to tell, and their error.
Yao, Vehtari, Simpson & Gelman (2018), Bayesian Analysis 13, 917-1007: stacking weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.loo import Elpd, standard_error
from bayesglmm.comparison.same_data import refuse_different
from bayesglmm.errors import OptionError

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["ElpdComparison", "compare", "stacking_weights"]

type Array = NDArray[np.float64]

_MOST_STEPS, _TOLERANCE = 20_000, 1e-9
"""Steps of the search for stacking weights, and the change of a weight at which it ends."""

_SMALL, _ERRORS = 4.0, 2.0
"""A difference of elpd below the first, or below so many standard errors, is too small to speak of."""


@dataclass(frozen=True, eq=False, repr=False)
class ElpdComparison(Result):
    """Models by their expected log predictive density, the best first.

    Parameters
    ----------
    table
        Index `model`: `elpd`, `se`; `elpd_diff` to the best and its standard error `se_diff` over units; `p_loo`;
        `weight` of the model in the stacked prediction.
    elpds
        By model.
    """

    table: pd.DataFrame
    elpds: Mapping[str, Elpd]

    def plot(self) -> "Picture":
        """Draw the differences to the best model: see `bayesglmm.plots.elpd_comparison`."""
        from bayesglmm.plots.elpd_comparison import draw

        return draw(self)

    @property
    def readings(self) -> tuple[str, ...]:
        """What each difference to the best model says."""
        best = str(self.table.index[0])
        return tuple(self._reading(str(name), best) for name in self.table.index[1:])

    def _reading(self, name: str, best: str) -> str:
        place = list(self.table.index).index(name)
        difference, error = (float(self.table[column].to_numpy()[place]) for column in ("elpd_diff", "se_diff"))
        difference = -difference
        text = f"{best} against {name}: elpd {difference:.1f} higher (standard error {error:.1f})"
        if difference < _SMALL:
            return f"{text}; a difference below {_SMALL:g} is too small to speak of"
        if difference < _ERRORS * error:
            return f"{text}; less than {_ERRORS:g} standard errors: the units do not tell them apart"
        return f"{text}: {best} predicts better"

    def _layout(self) -> Layout:
        first = next(iter(self.elpds.values()))
        unreliable = [name for name, each in self.elpds.items() if each.unreliable]
        below = tuple(f"{reading}." for reading in self.readings)
        below += tuple(
            f"{name}: {len(self.elpds[name].unreliable)} units have a Pareto k above 0.7 and were not refitted; "
            "its elpd is not to be relied on."
            for name in unreliable
        )
        above = (f"{first.estimand} {self._method()}",)
        return Layout(above, self.table, below, {"float_format": "{:.2f}".format, "na_rep": ""}, 110)

    def _method(self) -> str:
        """Say how units were left out, of each model where that differs."""
        methods = {name: each.method for name, each in self.elpds.items()}
        if len(set(methods.values())) == 1:
            return next(iter(methods.values()))
        return " ".join(f"{name}: {method[0].lower()}{method[1:]}" for name, method in methods.items())


def compare(models: Mapping[str, Any], unit: str = "row", *, max_draws: int | None = None) -> ElpdComparison:
    """Compare models by the expected log predictive density of units left out.

    Parameters
    ----------
    models
        By name, fits of the same outcomes in the same rows, whose `loo(unit)` is computed; or results of `loo` and
        `kfold` of one kind.
    unit
        `"row"` or a grouping factor, as in `Fit.loo`.
    max_draws
        The most draws that are weighted, as in `Fit.loo`; None for all.

    Returns
    -------
    ElpdComparison

    Raises
    ------
    OptionError
        For fewer than two models, or results of units that differ.
    DataError
        If the fits are of different data.
    """
    fits = {name: each for name, each in models.items() if not isinstance(each, Elpd)}
    if len(fits) > 1:
        refuse_different(fits)
    elif len(models) < 2:
        raise OptionError('a comparison needs two models or more, by name: {"without": fit, "with": other}')
    elpds = {
        name: each if isinstance(each, Elpd) else each.loo(unit, max_draws=max_draws) for name, each in models.items()
    }
    _refuse_units(elpds)
    values = np.column_stack([each.pointwise.values for each in elpds.values()])
    order = np.argsort([-each.elpd for each in elpds.values()], kind="stable")
    differences, counts = values - values[:, order[:1]], next(iter(elpds.values())).counts_or_ones
    table = pd.DataFrame(
        {
            "elpd": [each.elpd for each in elpds.values()],
            "se": [each.se for each in elpds.values()],
            "elpd_diff": counts @ differences,
            "se_diff": [standard_error(column, counts) for column in differences.T],
            "p_loo": [each.p_loo for each in elpds.values()],
            "weight": stacking_weights(values, counts),
        },
        index=pd.Index(list(elpds), name="model"),
    )
    return ElpdComparison(table.iloc[order], {name: elpds[name] for name in table.index[order]})


def _refuse_units(elpds: Mapping[str, Elpd]) -> None:
    names = list(elpds)
    for name in names[1:]:
        first, other = elpds[names[0]], elpds[name]
        one, two = (each.pointwise[each.pointwise.dims[0]].values for each in (first, other))
        counts = np.array_equal(first.counts_or_ones, other.counts_or_ones)
        if first.unit != other.unit or not np.array_equal(one, two) or not counts:
            raise OptionError(
                f"'{names[0]}' and '{name}' are of different units left out ({first.unit}, {other.unit}), or of other "
                "rows; compute both in one way, on the same data"
            )
        if np.isnan(first.p_loo) != np.isnan(other.p_loo):
            raise OptionError(
                f"of '{names[0]}' and '{name}' one is of folds and one of units left out singly, which differ by more "
                "than the models do; compute both in one way"
            )


def stacking_weights(values: Array, counts: Array | None = None) -> Array:
    """Return the weights (m,) of m models whose mixture has the largest Σ log density, from values (u, m).

    `counts` (u,) say how many units each row of `values` stands for; None for one each. By the EM algorithm for the
    weights of a mixture: the score is concave, and no step lowers it.
    """
    relative = np.exp(values - values.max(axis=1, keepdims=True))
    weights = np.full(values.shape[1], 1 / values.shape[1])
    shares = np.full(len(values), 1 / len(values)) if counts is None else counts / counts.sum()
    for _ in range(_MOST_STEPS):
        new: Array = weights * (shares @ (relative / (relative @ weights)[:, None]))
        if np.abs(new - weights).max() < _TOLERANCE:
            return new
        weights = new
    return weights

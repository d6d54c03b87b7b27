"""`residuals`: what is left of each row, as quantile, Pearson, deviance or response residuals.

    kind        residual                                     under the model
    "quantile"  Φ⁻¹(u), u the randomised PIT                 N(0, 1), for every family
    "pearson"   (y − μ)/√V(μ), in each draw                  mean 0, variance 1
    "deviance"  sign(y − μ) √(2 (ℓ(y; y) − ℓ(y; μ)))         near N(0, 1) where counts or trials are large
    "response"  y − μ, in each draw                          mean 0

References
----------
Dunn & Smyth (1996), Journal of Computational and Graphical Statistics 5, 236-244.
McCullagh & Nelder (1989), Generalized Linear Models, section 2.4.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.checking.likelihoods import deviance, left_out_weights
from bayesglmm.checking.moments import outcome_mean, outcome_moments
from bayesglmm.checking.predictive import CheckFrameOption, Predictive
from bayesglmm.checking.quantile import normal_scores, pit
from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError, choose
from bayesglmm.posterior.moments import interval
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RESIDUALS", "ResidualKind", "Residuals", "residuals"]

type Array = NDArray[np.float64]
type ResidualKind = Literal["quantile", "pearson", "deviance", "response"]

_UNRELIABLE = 0.7
"""Pareto's k above which importance weights are not to be relied on."""

RESIDUALS: tuple[ResidualKind, ...] = get_args(ResidualKind.__value__)
"""The kinds of residuals."""


@dataclass(frozen=True, eq=False, repr=False)
class Residuals(Result):
    """The residuals of the rows of a fit; `residuals` makes one.

    Parameters
    ----------
    table
        Index `row`, positions in the data as given; the grouping factors; `observed`, `fitted` (the posterior mean of
        E(Y), of trials proportions and probabilities) and `residual`, of kinds with draws their mean; then `sd lower
        upper` of the draws, and `pareto_k` where quantile residuals leave the row's own outcome out.
    draws
        Draws of the residuals, dims `chain`, `draw`, `row`; None for quantile residuals, which have none.
    kind
        The kind.
    estimand
        What they are, with what becomes of the random effects.
    model
        The model, whose columns `plot` reads.
    """

    table: pd.DataFrame
    draws: xr.DataArray | None
    kind: ResidualKind
    estimand: str
    model: Model

    def plot(self, against: str = "fitted", *, join: str | None = None) -> "Picture":
        """Draw the residuals with a smoother: see `bayesglmm.plots.residuals`.

        Parameters
        ----------
        against
            `"fitted"`, or a column of the data, in the formula or not.
        join
            A grouping factor whose rows are joined by lines, in the order of `against`: the residuals of a group over
            time.

        Raises
        ------
        DataError
            If the data have no such column.
        OptionError
            If `join` is no grouping factor of the model.
        """
        from bayesglmm.plots.residuals import draw

        return draw(self, against, join)

    def _layout(self) -> Layout:
        options = {"max_rows": 40, "float_format": "{:.3f}".format}
        return Layout((self.estimand,), self.table, options=options, width=110)


def residuals(
    fit: Fitted,
    kind: str = "quantile",
    *,
    frame: CheckFrameOption = "group",
    loo: bool = False,
    ci_prob: float = 0.95,
    max_draws: int | None = None,
    seed: int | None = None,
) -> Residuals:
    """Return the residuals of the rows.

    Parameters
    ----------
    fit
        The fit.
    kind
        One of `RESIDUALS`.
    frame
        `"group"`: given the random effects of the row's group, at each draw. `"population"`: of quantile residuals
        the random effects are redrawn from N(0, G) in each draw, one a group; Pearson and response residuals have the
        marginal mean and variance. Rows of a group are then dependent. Or a mapping by grouping factor.
    loo
        Whether the distribution of quantile residuals is that given all other rows, by Pareto-smoothed importance
        sampling. Without it a row pulls its own distribution toward itself, and residuals are a little too small.
    ci_prob
        The probability of the equal-tailed intervals.
    max_draws
        The largest number of draws, evenly spaced; None for 100 to 1,000, the more the fewer rows there are.
    seed
        The seed of the randomisation, which discrete outcomes need, and of redrawn random effects.

    Returns
    -------
    Residuals
        With `table`, `draws` and `plot()`.

    Raises
    ------
    OptionError
        For an unknown kind or frame, an infinite variance, a deviance that does not exist, or `loo=True` of another
        kind than quantile or another frame than `"group"`.
    """
    which = choose("kind", kind, RESIDUALS)
    interval(ci_prob)
    if loo and which != "quantile":
        raise OptionError(f'loo=True is of quantile residuals, not of kind={kind!r}; use kind="quantile"')
    rng = np.random.default_rng(seed)
    predictive = Predictive.of(fit, frame, rng, max_draws, by_row=True)
    if which == "quantile":
        return _quantile(predictive, rng, loo)
    if which == "deviance" and predictive.redraws:
        raise OptionError(
            "a deviance is of outcomes given their random effects: averaged over them they are not of the family; "
            'use frame="group", or kind="quantile" or "pearson"'
        )
    return _of_draws(predictive, which, ci_prob)


def _quantile(predictive: Predictive, rng: np.random.Generator, loo: bool) -> Residuals:
    table, log_weights = _table(predictive, _marginal_fitted(predictive)), None
    if loo and predictive.redraws:
        raise OptionError(
            'loo=True leaves a row out given the random effects of its group: use frame="group"; with effects redrawn '
            "a row moves its own distribution little"
        )
    if loo:
        log_weights, pareto_k = left_out_weights(predictive)
    table["residual"] = normal_scores(pit(predictive, rng, log_weights))
    text = "quantile residuals Φ⁻¹(u), u the randomised probability integral transform, N(0, 1) under the model"
    if predictive.model.family.cdf is None:
        text += f"; u by rank among {predictive.size:,} simulated outcomes, as the family has no distribution function"
    if loo:
        table["pareto_k"] = pareto_k
        unreliable = int((pareto_k > _UNRELIABLE).sum())
        text += (
            f", given all other rows (Pareto-smoothed importance sampling; k > {_UNRELIABLE} in {unreliable:,} rows)"
        )
    return _result(predictive, table, None, "quantile", text)


_NAMES = {
    "pearson": "Pearson residuals (y − μ)/√V",
    "deviance": "deviance residuals sign(y − μ) √(2 (ℓ(y; y) − ℓ(y; μ)))",
    "response": "response residuals y − μ",
}


def _of_draws(predictive: Predictive, kind: ResidualKind, ci_prob: float) -> Residuals:
    values, fitted, size = np.empty((predictive.size, predictive.n)), np.empty(predictive.n), _size(predictive)
    for part in predictive.parts():
        if kind == "pearson":
            mean, variance = outcome_moments(predictive, part)
            values[:, part] = (predictive.y[part] - mean) / np.sqrt(variance)
        else:
            mean = outcome_mean(predictive, part)
            values[:, part] = (predictive.y[part] - mean) / size[part]
        fitted[part] = (mean / size[part]).mean(axis=0)
    if kind == "deviance":
        values = np.sign(values) * np.sqrt(deviance(predictive))
    table = _table(predictive, fitted)
    low, high = interval(ci_prob)
    table["residual"], table["sd"] = values.mean(axis=0), values.std(axis=0, ddof=1)
    table["lower"], table["upper"] = np.quantile(values, (low, high), axis=0)
    name = _NAMES[kind]
    text = f"{name} in each draw, posterior mean and {100 * ci_prob:g} % interval"
    return _result(predictive, table, values, kind, text)


def _result(
    predictive: Predictive, table: pd.DataFrame, values: Array | None, kind: ResidualKind, text: str
) -> Residuals:
    estimand = f"{text}; {predictive.held}"
    attrs = {"kind": str(kind), "frame": predictive.frame.name, "estimand": estimand}
    table.attrs |= attrs
    draws = None if values is None else predictive.labelled(values, f"{kind}_residual", **attrs)
    return Residuals(table, draws, kind, estimand, predictive.model)


def _table(predictive: Predictive, fitted: Array) -> pd.DataFrame:
    """Return the grouping factors, what was observed and what is fitted, by row."""
    blocks, columns = predictive.model.design.blocks, predictive.model.design.columns
    factors: dict[str, Any] = {block.factor: np.asarray(block.levels, dtype=object)[block.index] for block in blocks}
    table = pd.DataFrame(factors, index=pd.Index(columns.rows, name="row")).infer_objects()
    return table.assign(observed=predictive.y / _size(predictive), fitted=fitted)


def _marginal_fitted(predictive: Predictive) -> Array:
    """Return the posterior mean of E(Y), given the random effects or averaged over them."""
    if not predictive.redraws:
        return predictive.fitted()
    size = _size(predictive)
    return np.concatenate([(outcome_mean(predictive, part) / size[part]).mean(axis=0) for part in predictive.parts()])


def _size(predictive: Predictive) -> Array:
    """Return what outcomes are divided by to be on the scale of the mean: the trials, where there are any."""
    return predictive.trials if predictive.model.family.outcome_type == "trials" else np.ones(predictive.n)

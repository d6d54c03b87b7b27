"""`group_means`: the mean response of each group over its own rows, by the model, in the population, and raw."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from bayesglmm.common.results import Layout, Result
from bayesglmm.estimands.average import FramedDesign
from bayesglmm.estimands.frames import Frame, eta_and_variance, frames_by_block, mean_response, resolve
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.posterior.draws import Draws, chunks
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["GroupMeans", "group_means"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class GroupMeans(Result):
    """Means of groups over their own rows, by trials where outcomes are counts among trials; response scale.

    Parameters
    ----------
    factor
        The grouping factor.
    draws
        Draws of the mean given the random effects (frame `"group"`), dims `chain`, `draw`, `level`.
    population
        Draws of the mean over b ~ N(0, G) on the same rows (frame `"population"`), the same dims.
    raw
        (m,) means of the outcome, or proportions of successes.
    outcome
        What the mean is of.
    ci_prob
        The probability of the equal-tailed intervals of the table.
    """

    factor: str
    draws: xr.DataArray
    population: xr.DataArray
    raw: Array
    outcome: str
    ci_prob: float = 0.95

    @property
    def table(self) -> pd.DataFrame:
        """Summarise the draws.

        Returns
        -------
        pandas.DataFrame
            Index `level`; columns `mean median sd lower upper` of the group's mean, `population`, the posterior median
            of the population's mean on the group's rows, toward which it is shrunken, and `raw`.
        """
        levels, m = self.draws["level"].values.tolist(), self.draws.sizes["level"]
        table = summarise(self.draws.values.reshape(-1, m), self.ci_prob)
        table["population"] = np.median(self.population.values.reshape(-1, m), axis=0)
        table["raw"] = self.raw
        table.index = pd.Index(levels, name="level")
        table.attrs = {**self.draws.attrs, "ci_prob": self.ci_prob}
        return table

    def plot(self) -> "Picture":
        """Draw the groups' means sorted, beside raw means and those of the population: see `bayesglmm.plots.forest`."""
        from bayesglmm.plots.forest import draw_means

        return draw_means(self)

    def _layout(self) -> Layout:
        options = {"max_rows": 40, "float_format": "{:.3f}".format}
        return Layout((str(self.draws.attrs["estimand"]),), self.table, options=options, width=110)


def group_means(fit: Fitted, factor: str | None = None, *, ci_prob: float = 0.95) -> GroupMeans:
    """Average the means of the rows of each level of a grouping factor, in the frames `"group"` and `"population"`.

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one.
    ci_prob
        The probability of the equal-tailed intervals of the table.

    Raises
    ------
    OptionError
        If the model has no random effects or not that factor, the mean has no average over the random effects under
        the link, or `ci_prob` is no probability.
    """
    interval(ci_prob)
    block, design = blocks_of(fit, factor)[0], fit.model.design
    outcome = design.outcome
    assert outcome is not None
    m, trials = len(block.levels), outcome.trials_or_ones
    weights = trials / np.bincount(block.index, trials, m)[block.index]
    average = sparse.csr_array((weights, (np.arange(design.n), block.index)), shape=(design.n, m))
    raw = average.T @ (outcome.y / trials)
    name = outcome.name if outcome.trials is None else f"successes per trial, {outcome.name}"
    estimand = f"mean of {name} of each level of {block.factor} over its own rows, response scale"

    def draws(frame: Frame) -> xr.DataArray:
        sizes = {dim: fit.posterior.sizes[dim] for dim in ("chain", "draw")}
        coords: dict[str, Any] = {dim: fit.posterior[dim].values for dim in sizes}
        coords["level"] = np.asarray(block.levels)
        shaped = _averaged(fit, average, frame).reshape(*sizes.values(), m)
        return xr.DataArray(shaped, coords, ("chain", "draw", "level"), attrs={"frame": frame, "estimand": estimand})

    return GroupMeans(block.factor, draws("group"), draws("population"), raw, name, ci_prob)


def _averaged(fit: Fitted, average: sparse.csr_array, frame: Frame) -> Array:
    """Return draws of the means of groups, (s, m), from the matrix (n, m) that averages rows.

    Rows that are equal in all that their mean depends on are computed once.
    """
    design = fit.model.design
    draws = Draws(fit.posterior, design)
    beta, random = draws.beta, resolve(draws, design, frames_by_block(design, frame), np.random.default_rng(0))
    _, first, distinct = np.unique(FramedDesign(design, random).key, axis=0, return_index=True, return_inverse=True)
    membership = (np.ones(design.n), (distinct.reshape(-1), np.arange(design.n)))
    weights = sparse.csr_array(membership, shape=(len(first), design.n)) @ average
    total = np.zeros((draws.size, average.shape[1]))
    for part in chunks(draws.size, len(first)):
        mean = mean_response(fit.model.family.link, *eta_and_variance(beta, design, random, first[part]))
        total += (weights[part].T @ mean.T).T
    return total

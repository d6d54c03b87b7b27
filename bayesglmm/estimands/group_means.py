"""`group_means`: the mean response of each group over its own rows, by the model, in the population, and raw."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError
from bayesglmm.estimands.average import Cells, framed, means
from bayesglmm.estimands.frames import NamedFrame
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.estimands.request import read_request
from bayesglmm.estimands.weights import check_cells, read_weighting, row_weights
from bayesglmm.posterior.inference import said
from bayesglmm.posterior.moments import summarise
from bayesglmm.posterior.protocol import Fitted

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["GroupMeans", "group_means"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class GroupMeans(Result):
    """Means of groups over their own rows, weighted as their `estimand` says; response scale.

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


def group_means(
    fit: Fitted, factor: str | None = None, *, weights: str | None = None, ci_prob: float = 0.95
) -> GroupMeans:
    """Average the means of the rows of each level of a grouping factor, in the frames `"group"` and `"population"`.

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one.
    weights
        What each row counts, in raw means too: a column of the model's data, `"trials"` or `"rows"`; None for trials
        where the response has them, else each row once.
    ci_prob
        The probability of the equal-tailed intervals of the table.

    Raises
    ------
    OptionError
        If the model has no random effects or not that factor, the mean has no average over the random effects under
        the link, `ci_prob` is no probability, or `weights` are unknown.
    DataError
        If weights are negative, or all 0 in a level.
    """
    if weights == "equal":
        raise OptionError(
            "weights='equal' averages over a reference grid, and the mean of a group is over its own rows; use "
            "predictions(by=…, weights='equal', frame='group')"
        )
    request = read_request(fit, ("group", "population"), "response", ci_prob, 0)
    block, design = blocks_of(fit, factor)[0], fit.model.design
    outcome = design.outcome
    assert outcome is not None
    labels = pd.DataFrame({block.factor: np.asarray(block.levels, dtype=object)})
    counts = row_weights(request, design.columns, weights)
    check_cells(counts, block.index, labels)
    cells = Cells(block.index, len(labels), counts)
    raw = np.bincount(block.index, cells.shares * outcome.y / outcome.trials_or_ones, cells.count)
    name = outcome.name if outcome.trials is None else f"successes per trial, {outcome.name}"
    counting = read_weighting(fit.model, weights, design.columns)
    estimand = f"mean of {name} of each level of {block.factor} over its own rows, {counting}, response scale"

    def draws(frame: NamedFrame) -> xr.DataArray:
        sizes = {dim: fit.posterior.sizes[dim] for dim in ("chain", "draw")}
        coords: dict[str, Any] = {dim: fit.posterior[dim].values for dim in sizes}
        coords["level"] = np.asarray(block.levels)
        averages = means(request, framed(request, frame, design.columns), cells)
        attrs = {"frame": frame.name, "estimand": said(estimand, fit.posterior)}
        return xr.DataArray(averages.reshape(*sizes.values(), -1), coords, ("chain", "draw", "level"), attrs=attrs)

    group, population = map(draws, request.frames)
    return GroupMeans(block.factor, group, population, raw, name, ci_prob)

"""`subject_curves(fit, focal)`: means over a predictor of observed groups, the typical group and the population.

They show what conditional and marginal are: each group's curve has the conditional slope, and their average, the
population's, is flatter where the link bends.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError
from bayesglmm.estimands.conditional_effects import conditional_effects
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.estimands.wording import Scale
from bayesglmm.posterior.protocol import Fitted

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["SubjectCurves", "subject_curves"]

_PRINTED = 7
"""Points along the predictor that are printed."""


@dataclass(frozen=True, eq=False, repr=False)
class SubjectCurves(Result):
    """Curves of groups, of the typical group and of the population.

    Parameters
    ----------
    groups
        The means of observed groups, frame `"group"`.
    averages
        Those of the typical group (b = 0) and of the population (averaged over b), at the same other predictors.
    focal, factor
        The predictor along the axis, and the grouping factor.
    """

    groups: Estimates
    averages: Estimates
    focal: str
    factor: str

    @property
    def table(self) -> pd.DataFrame:
        """Both tables below each other: the label `group`, empty for the averages, the focal predictor, `frame`."""
        groups, averages = self.groups.table, self.averages.table
        groups = groups.rename(columns={self.factor: "group"})
        return pd.concat([averages.assign(group=""), groups], ignore_index=True)[
            ["frame", "group", self.focal, "mean", "median", "sd", "lower", "upper"]
        ]

    def plot(self) -> "Picture":
        """Draw all curves in one panel: see `bayesglmm.plots.subject_curves`."""
        from bayesglmm.plots.subject_curves import draw

        return draw(self)

    def _layout(self) -> Layout:
        table = self.averages.table
        values = table[self.focal].unique()
        few = values[np.unique(np.linspace(0, len(values) - 1, _PRINTED).astype(int))]
        shown = table.loc[table[self.focal].isin(few), ["frame", self.focal, "median", "lower", "upper"]]
        count = self.groups.table[self.factor].nunique()
        below = (f"{len(few)} of {len(values)} points; .table and .plot() have all, and {count} {self.factor}",)
        return Layout((self.averages.estimand,), shown, below, {"float_format": "{:.4g}".format, "index": False}, 110)


def subject_curves(
    fit: Fitted,
    focal: str,
    factor: str | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    most: int = 60,
    scale: Scale = "response",
    ci_prob: float = 0.95,
) -> SubjectCurves:
    """Follow the mean over a predictor in observed groups, in the typical group, and in the population.

    Parameters
    ----------
    fit
        The fit.
    focal
        The predictor.
    factor
        The grouping factor; None for the only one.
    at
        Values of other predictors; the rest are held as in `conditional_effects`.
    most
        The most groups, evenly spaced among the levels.
    scale
        `"response"` or `"link"`.
    ci_prob
        The probability of the intervals of the averages.

    Raises
    ------
    OptionError
        As `conditional_effects`, and for a model without groups, or with several factors.
    """
    block = blocks_of(fit, factor)[0]
    others = {each.factor for each in fit.model.design.blocks} - {block.factor}
    if others:
        raise OptionError(
            f"curves of the levels of {block.factor} would need levels of {', '.join(sorted(others))} too; use "
            "conditional_effects(frame='group', at=…)"
        )
    levels = list(block.levels)
    chosen = [levels[place] for place in np.unique(np.linspace(0, len(levels) - 1, min(most, len(levels))).astype(int))]
    own = {**(at or {}), block.factor: chosen}
    groups = conditional_effects(fit, focal, frame="group", at=own, scale=scale, ci_prob=ci_prob)
    averages = conditional_effects(fit, focal, frame=("typical", "population"), at=at, scale=scale, ci_prob=ci_prob)
    return SubjectCurves(groups, averages, focal, block.factor)

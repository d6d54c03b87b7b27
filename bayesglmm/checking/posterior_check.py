"""`posterior_check`: the data beside data that the fit replicates.

    kind               what is compared                                              random effects
    "density"          density of the outcomes, of counts the share of each          held
    "rootogram"        number of rows with each count                                held
    "binned"           mean residual in bins of the fitted mean                      held
    "pit"              distribution of the probability integral transforms           held
    "residuals"        quantile residuals against fitted values, smoothed            held
    "covariate"        quantile residuals against a column, smoothed                 held
    "time"             quantile residuals over time within groups                    held
    "zeros"            number of zeros                                               held
    "mean_variance"    variance within groups against their mean                     held
    "group_statistic"  distribution over the groups of their mean, sd, maximum …     redrawn

The frames are defaults; any kind takes `frame="group"` or `"population"`. Residuals at held effects are those of each
draw, which under the model are independent and standard (`bayesglmm.checking.quantile`), and not those at posterior
means, to which the rows have pulled the effects of their group. All p-values lean toward a half under the model, since
the parameters have been fitted to the same outcomes: fewer than 5 % of true models leave a 95 % envelope.

References
----------
Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), Journal of the Royal Statistical Society A 182, 389-402.
Bayarri & Castellanos (2007), Statistical Science 22, 322-343: checks of hierarchical models, group effects redrawn.
"""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from bayesglmm.checking.curves import PosteriorCheck
from bayesglmm.checking.data_columns import read_column
from bayesglmm.checking.discrepancy import Discrepancy, zeros
from bayesglmm.checking.distributions import binned, density, pit_ecdf, rootogram
from bayesglmm.checking.groups import STATISTICS, Statistic, group_statistic, mean_variance
from bayesglmm.checking.predictive import CheckFrameOption, Predictive
from bayesglmm.checking.trends import over_time, trend
from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, choose
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.posterior.moments import interval
from bayesglmm.posterior.protocol import Fitted

__all__ = ["CHECKS", "CheckKind", "PosteriorCheck", "Statistic", "posterior_check"]

type CheckKind = Literal[
    "density",
    "rootogram",
    "binned",
    "pit",
    "residuals",
    "covariate",
    "time",
    "zeros",
    "group_statistic",
    "mean_variance",
]

CHECKS: tuple[CheckKind, ...] = get_args(CheckKind.__value__)
"""The kinds of checks."""

_DEFAULT: dict[str, CheckKind] = {
    "continuous": "density",
    "count": "rootogram",
    "binary": "binned",
    "trials": "binned",
}

_REDRAWN = ("group_statistic",)
_OF_A_COLUMN = ("covariate", "time")
_OF_GROUPS = ("group_statistic", "mean_variance", "time")


def posterior_check(
    fit: Fitted,
    kind: str | None = None,
    *,
    frame: CheckFrameOption | None = None,
    column: str | None = None,
    factor: str | None = None,
    statistic: str = "mean",
    ci_prob: float = 0.95,
    max_draws: int | None = None,
    seed: int | None = None,
) -> PosteriorCheck | Discrepancy:
    """Compare the data with data that the fit replicates, one data set a draw.

    Parameters
    ----------
    fit
        The fit.
    kind
        One of `CHECKS`; None for that of the outcome: a density, of counts a rootogram, of binary outcomes and trials
        binned residuals.
    frame
        `"group"` holds the random effects at their draws, `"population"` redraws them from N(0, G); None for the
        default of the kind. Or a mapping by grouping factor.
    column
        The column of kind `"covariate"` and `"time"`, in the formula or not.
    factor
        The grouping factor of kind `"group_statistic"`, `"mean_variance"` and `"time"`; it may be left out where the
        model has one.
    statistic
        That of kind `"group_statistic"`: `"mean"`, `"sd"`, `"max"`, `"min"` or `"zeros"`.
    ci_prob
        The probability that a replicate lies in its envelope as a whole, and of the intervals of single statistics.
    max_draws
        The largest number of draws, evenly spaced; None for 100 to 1,000, the more the fewer rows there are.
    seed
        The seed of replicated outcomes and redrawn effects.

    Returns
    -------
    PosteriorCheck or Discrepancy
        With `table`, `reading` and `plot()`; a `Discrepancy` for `"zeros"`.

    Raises
    ------
    OptionError
        For an unknown kind, frame or statistic; a kind that the outcomes do not have; an option that the kind does not
        take, or one that it needs.
    DataError
        If the data have no such column.
    """
    interval(ci_prob)
    which = _DEFAULT[fit.model.family.outcome_type] if kind is None else choose("kind", kind, CHECKS)
    of = choose("statistic", statistic, STATISTICS)
    _check_options(which, column, factor, statistic)
    chosen: CheckFrameOption = frame if frame is not None else "population" if which in _REDRAWN else "group"
    if which == "zeros":
        return zeros(fit, frame=chosen, ci_prob=ci_prob, max_draws=max_draws, seed=seed)
    name = blocks_of(fit, factor)[0].name if which in _OF_GROUPS else None
    rng = np.random.default_rng(seed)
    predictive = Predictive.of(fit, chosen, rng, max_draws)
    block = next((block for block in predictive.model.design.blocks if block.name == name), None)
    values = None if column is None else read_column(fit.model, column)[predictive.rows]
    if which in ("residuals", "covariate"):
        against = f"fitted value, frame {predictive.frame.name}" if column is None else named(column)
        return trend(which, predictive, against, values, rng, ci_prob)
    if block is None:
        return _DISTRIBUTIONS[which](predictive, rng, ci_prob)
    if which == "time":
        if isinstance(values, pd.Categorical):
            raise OptionError(f"column={column!r} holds labels; time is a number")
        return over_time(predictive, named(column), values, block, rng, ci_prob)  # type: ignore[arg-type]
    if which == "mean_variance":
        return mean_variance(predictive, block, rng, ci_prob)
    return group_statistic(predictive, block, of, rng, ci_prob)


_DISTRIBUTIONS = {"density": density, "rootogram": rootogram, "binned": binned, "pit": pit_ecdf}


def _check_options(kind: str, column: str | None, factor: str | None, statistic: str) -> None:
    """Refuse options that a kind does not take, and ask for those that it needs."""
    if kind in _OF_A_COLUMN and column is None:
        raise OptionError(f'kind="{kind}" needs the name of a column, column="…"')
    if kind not in _OF_A_COLUMN and column is not None:
        raise OptionError(f'column={column!r} is of kind="covariate" and kind="time", not of kind="{kind}"')
    if kind not in _OF_GROUPS and factor is not None:
        raise OptionError(f'factor={factor!r} is of the checks of groups, not of kind="{kind}"')
    if kind != "group_statistic" and statistic != "mean":
        raise OptionError(f'statistic={statistic!r} is of kind="group_statistic", not of kind="{kind}"')

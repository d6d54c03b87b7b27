"""`kfold(fit)`: expected log predictive density by fits that leave out a part of the rows, or of the groups, each."""

import numpy as np
import xarray as xr

from bayesglmm.comparison.left_out import Refit, log_predictive
from bayesglmm.comparison.loo import Elpd, describe_unit, read_unit, unit_counts
from bayesglmm.errors import OptionError
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.posterior.protocol import Fitted

__all__ = ["kfold"]


def kfold(fit: Fitted, refit: Refit, k: int = 10, *, by: str | None = None, seed: int = 0) -> Elpd:
    """Fit k times, each time without a random part of the units, and predict these.

    Parameters
    ----------
    fit
        The fit.
    refit
        Samples a model with the settings of the fit.
    k
        The number of parts, from 2 to the number of units.
    by
        A grouping factor whose levels are left out whole, their random effects integrated out; None for rows, given
        the random effects of their groups.
    seed
        The seed of the parts.

    Returns
    -------
    Elpd

    Raises
    ------
    OptionError
        For an impossible k, an unknown factor, draws of the prior alone, or groups that cannot be integrated out.
    """
    unit, design = read_unit(fit, by or "row"), fit.model.design
    block = None if unit == "row" else blocks_of(fit, unit)[0]
    counts, kept = unit_counts(fit, unit)
    units = len(kept)
    if not isinstance(k, int) or isinstance(k, bool) or not 2 <= k <= units:
        raise OptionError(f"k={k!r}: give a whole number of parts from 2 to {units}, the number of units")
    part = np.full(design.n if block is None else len(block.levels), -1)
    part[kept] = np.random.default_rng(seed).permutation(units) % k
    values = np.empty(len(part))
    for number in range(k):
        rows = part == number if block is None else (part == number)[block.index]
        values[part == number] = log_predictive(fit, refit, rows, None if block is None else unit)
    labels = design.columns.rows[kept] if block is None else [block.levels[level] for level in kept]
    name = "row" if block is None else block.name
    pointwise = xr.DataArray(values[kept], {name: labels}, (name,), "elpd_i")
    unweighted = xr.full_like(pointwise, np.nan)
    method = f"By {k} fits, each without a {k}th of the units."
    return Elpd(pointwise, unweighted, float("nan"), unit, (), (), describe_unit(fit, unit), method, counts)

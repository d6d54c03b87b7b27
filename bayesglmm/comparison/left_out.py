"""Predictive densities of outcomes that were left out of a fit: refits, and what they say of the rows left out.

A row is left out by the weight 0: design, groups and priors stay those of the whole data, except that the intercept's
prior is centred at the means of the rows that remain.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import BayesGLMMWarning
from bayesglmm.estimands.random_effects import blocks_of
from bayesglmm.marginalize.group_likelihood import group_log_likelihood, integrated_with
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sample import diagnostics
from bayesglmm.sample.mending import suspect
from bayesglmm.specify.design import rows_text
from bayesglmm.specify.model import Model

__all__ = ["Refit", "integrated_log_likelihood", "log_predictive", "with_weights"]

type Array = NDArray[np.float64]

type Refit = Callable[[Model], Fitted]
"""Samples a model with the settings of the fit."""


_MOST_DRAWS = 1000
"""The most draws at which the effects of a nested factor are integrated out too, which takes long."""


def integrated_log_likelihood(fit: Fitted, factor: str) -> xr.DataArray:
    """Return the log likelihood of each level of a factor, its random effects integrated out.

    With the effects of a factor nested in it, at 1,000 evenly spaced draws at the most.
    """
    sizes = fit.posterior.sizes
    nested = len(integrated_with(fit.model.design, factor)) > 1
    thin = -(-sizes["chain"] * sizes["draw"] // _MOST_DRAWS) if nested else 1
    return group_log_likelihood(fit, factor, thin=thin)


def with_weights(model: Model, weights: Array) -> Model:
    """Return the model with other weights of its rows, (n,), and the same priors."""
    outcome = model.design.outcome
    assert outcome is not None
    return replace(model, design=replace(model.design, outcome=replace(outcome, weights=weights)))


def log_predictive(
    fit: Fitted, refit: Refit, left_out: NDArray[np.bool_], factor: str | None, *, singly: bool = False
) -> Array:
    """Return the log predictive density of units that are left out together, by a refit without them.

    Parameters
    ----------
    fit
        The fit of all rows.
    refit
        Samples the model of the others.
    left_out
        (n,) the rows left out.
    factor
        For None the units are the outcomes of the rows left out, given the random effects of their groups; else the
        levels of this factor that are left out whole, their random effects integrated out over N(0, G).
    singly
        Whether of the outcomes that a row of whole weight stands for one is left out, and not all.

    Returns
    -------
    numpy.ndarray
        One value a row or level left out, in their order; of a row of whole weight that of one of its outcomes.

    Warns
    -----
    BayesGLMMWarning
        If the refit fails its checks.
    """
    outcome = fit.model.design.outcome
    assert outcome is not None
    weights, one = outcome.weights_or_ones, outcome.weights_or_ones
    if factor is None and outcome.counts is not None:
        one = np.ones_like(weights)
    remaining = weights - one if singly else np.zeros_like(weights)
    others = refit(with_weights(fit.model, np.where(left_out, remaining, weights)))
    check = diagnostics.check(others.draws) if suspect(others.draws) else None
    if check is not None and not check.ok:
        rows = rows_text(fit.model.design.columns.rows[left_out].tolist())
        warnings.warn(
            f"a fit without {rows} failed its checks, and what it "
            f"predicts of them is not to be relied on: {check.figures}",
            BayesGLMMWarning,
            stacklevel=2,
        )
    scored = Thinned(with_weights(fit.model, np.where(left_out, one, 0.0)), others.draws, 1)
    if factor is None:
        values = log_likelihood(scored).values[..., left_out]
    else:
        by_level = integrated_log_likelihood(scored, factor)
        index = blocks_of(fit, factor)[0].index
        values = by_level.values[..., np.unique(index[left_out])]
    flat = values.reshape(-1, values.shape[-1])
    return np.asarray(special.logsumexp(flat, axis=0) - np.log(len(flat)))

"""Mean and variance of an outcome given its random effects, or averaged over them, draw by draw."""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.checking.predictive import Predictive
from bayesglmm.errors import OptionError
from bayesglmm.estimands.frames import eta_and_variance, mean_response, resolve

__all__ = ["outcome_mean", "outcome_moments"]

type Array = NDArray[np.float64]

_REACH, _STEP = 8.0, 0.25
"""The range of the trapezoid over z ~ N(0, 1), on either side of the shift under a log link, and its step."""


def outcome_mean(predictive: Predictive, part: slice) -> Array:
    """Return the mean of some rows' outcomes in each draw, (s, rows): that of `outcome_moments`."""
    return _size(predictive, part) * mean_response(predictive.model.family.link, *_linear_predictor(predictive, part))


def outcome_moments(predictive: Predictive, part: slice) -> tuple[Array, Array]:
    """Return the mean and the variance of some rows' outcomes in each draw, (s, rows) each.

    Random effects that the frame holds are given. Over those it redraws, b ~ N(0, G), mean and variance are those of
    the marginal distribution, E V(μ) + Var μ: a row's linear predictor is N(η, v), and both are one-dimensional
    integrals. Of trials they are of the number of successes.

    Raises
    ------
    OptionError
        If a variance is infinite.
    """
    eta, v = _linear_predictor(predictive, part)
    link, family, trials = predictive.model.family.link, predictive.model.family, predictive.trials[part]
    size = _size(predictive, part)
    if v is None:
        mu = mean_response(link, eta, None)
        mean, variance = size * mu, family.variance(mu, predictive.parameters, trials)
    else:
        mean, variance = size * mean_response(link, eta, v), np.zeros(eta.shape)
        spread = np.sqrt(v)
        nodes = np.arange(-_REACH, _REACH + 2 * float(spread.max()) + _STEP, _STEP)
        weights = np.exp(-0.5 * nodes**2)
        for z, weight in zip(nodes, weights / weights.sum(), strict=True):
            mu = mean_response(link, eta + spread * z, None)
            within = family.variance(mu, predictive.parameters, trials)
            variance = variance + weight * (within + (size * mu - mean) ** 2)
    if not np.isfinite(variance).all():
        raise OptionError(
            f"the variance of an outcome is infinite in {np.mean(~np.isfinite(variance)):.1%} of the draws and rows; "
            'use kind="quantile", which needs no variance'
        )
    return mean, np.asarray(variance)


def _size(predictive: Predictive, part: slice) -> Array:
    """Return what a mean is multiplied by to be that of the outcome: the trials, where there are any."""
    trials = predictive.trials[part]
    return trials if predictive.model.family.outcome_type == "trials" else np.ones_like(trials)


def _linear_predictor(predictive: Predictive, part: slice) -> tuple[Array, Array | None]:
    """Return η and the variance over what is averaged over, None where nothing is."""
    draws, design = predictive.draws, predictive.model.design
    random = resolve(draws, design, predictive.frame.by_block, np.random.default_rng(0))
    return eta_and_variance(draws.beta, design, random, part)

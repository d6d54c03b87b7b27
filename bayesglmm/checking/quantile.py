"""Probability integral transforms of the outcomes, randomised where outcomes are discrete.

u = F(y−) + V (F(y) − F(y−)), V uniform on (0, 1), is uniform under the model; Φ⁻¹(u) is the quantile residual. F is
the posterior predictive distribution function, the average of the family's over the draws, optionally weighted: with
the weights of Pareto-smoothed importance sampling it is that given all rows but the row's own.

The draws may also be taken one by one. Under the model, outcomes and a posterior draw of all parameters and random
effects have the same joint distribution as parameters and outcomes drawn from them, so u at a single draw is exactly
uniform, and independent over rows; an average over draws varies less. In F the average is taken first, so that u of
rows which the random effects were fitted to lie too near ½.

References
----------
Dunn & Smyth (1996), Journal of Computational and Graphical Statistics 5, 236-244.
Czado, Gneiting & Held (2009), Biometrics 65, 1254-1261.
Yuan & Johnson (2012), Biometrics 68, 156-164: checks at single draws from the posterior.
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25 (72), 1-58.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.checking.predictive import Predictive
from bayesglmm.errors import OptionError

__all__ = ["normal_scores", "pit", "pit_bounds", "pit_by_draw", "replicated_scores"]

type Array = NDArray[np.float64]

_LEAST = 2.0**-53
"""The smallest probability on either side: 1 minus it is the largest double below 1, and residuals lie in ±8.2."""


def pit_bounds(
    predictive: Predictive, rng: np.random.Generator, log_weights: Array | None = None
) -> tuple[Array, Array]:
    """Return F(y−) and F(y) of each row, (n,) each; equal for continuous outcomes.

    Parameters
    ----------
    predictive
        The predictive distribution.
    rng
        Simulates outcomes of a family without a distribution function.
    log_weights
        (s, n) logarithms of the weights of draws, row by row, up to a constant; None for equal weights.

    Notes
    -----
    Without a distribution function an outcome is ranked among s simulated ones: the bounds are then i/(s + 1) and
    j/(s + 1), where i of them are smaller and j − 1 not larger.
    """
    below, upto = np.empty(predictive.n), np.empty(predictive.n)
    for part in predictive.parts():
        weights = _weights(predictive.size, None if log_weights is None else log_weights[:, part])
        if predictive.model.family.cdf is None:
            below[part], upto[part] = _by_simulation(predictive, part, weights, rng)
        else:
            below[part], upto[part] = _by_distribution(predictive, part, weights)
    if not np.isfinite(below + upto).all():
        raise OptionError(
            f"the distribution function of the {predictive.model.family.name} family is not a number at some draws: "
            "a mean or a parameter is too large or too small for a double"
        )
    return below, upto


def pit(predictive: Predictive, rng: np.random.Generator, log_weights: Array | None = None) -> Array:
    """Return u of each row, (n,), uniform under the model: see `pit_bounds`."""
    below, upto = pit_bounds(predictive, rng, log_weights)
    return below + rng.random(predictive.n) * (upto - below)


def pit_by_draw(predictive: Predictive, rng: np.random.Generator) -> Array | None:
    """Return u of each row at the random effects of each draw, (s, n); None for a family without distribution function.

    Under the model each draw's are independent and uniform.
    """
    family, u = predictive.model.family, np.empty((predictive.size, predictive.n))
    if family.cdf is None:
        return None
    for part in predictive.parts():
        y, mu, trials = predictive.y[part], predictive.mean(part), predictive.trials[part]
        with np.errstate(all="ignore"):
            upto = family.cdf(y, mu, predictive.parameters, trials)
            below = family.cdf(y - 1, mu, predictive.parameters, trials) if predictive.discrete else upto
        u[:, part] = below + rng.random(upto.shape) * (upto - below)
    return u


def normal_scores(u: Array) -> Array:
    """Return Φ⁻¹(u), finite."""
    return np.asarray(special.ndtri(np.clip(u, _LEAST, 1 - _LEAST)))


def replicated_scores(replicated: Array, discrete: bool, rng: np.random.Generator) -> Array:
    """Return the normal scores of replicated outcomes (s, n) in the distribution of each row's replicates.

    They are what quantile residuals are under the model, dependence between rows included.
    """
    values = replicated + rng.uniform(-0.5, 0.5, replicated.shape) if discrete else replicated
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, np.argsort(values, axis=0), np.arange(len(values), dtype=float)[:, None], axis=0)
    return normal_scores((ranks + 0.5) / len(values))


def _by_distribution(predictive: Predictive, part: slice, weights: Array) -> tuple[Array, Array]:
    family, mu = predictive.model.family, predictive.mean(part)
    assert family.cdf is not None
    y, parameters, trials = predictive.y[part], predictive.parameters, predictive.trials[part]
    with np.errstate(all="ignore"):
        upto = (weights * family.cdf(y, mu, parameters, trials)).sum(axis=0)
        if not predictive.discrete:
            return upto, upto
        below = (weights * family.cdf(y - 1, mu, parameters, trials)).sum(axis=0)
    return below, upto


def _by_simulation(
    predictive: Predictive, part: slice, weights: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    family, y, s = predictive.model.family, predictive.y[part], predictive.size
    drawn = family.draw(rng, predictive.mean(part), predictive.parameters, predictive.trials[part])
    smaller, not_larger = (weights * (drawn < y)).sum(axis=0), (weights * (drawn <= y)).sum(axis=0)
    return s * smaller / (s + 1), (s * not_larger + 1) / (s + 1)


def _weights(s: int, log_weights: Array | None) -> Array:
    if log_weights is None:
        return np.full((s, 1), 1 / s)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0))

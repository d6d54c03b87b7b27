"""The prior and the posterior density of a linear combination of coefficients at a point.

With θ = wᵀβ and everything else of a draw held, β moves along d (wᵀd = 1) and z = b/σ along d_z. The density of θ along
that line is that of the likelihood, the priors of β and N(z; 0, Ω) on it, normalised by quadrature over θ, and the
posterior density is its average over draws. This holds for every line; that of the regression of β and z on θ over the
draws makes the densities of all draws nearly equal, so that their average is accurate far from the draws too.

References
----------
Gelfand & Smith (1990), Journal of the American Statistical Association 85, 398-409.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import PriorError
from bayesglmm.posterior.draws import Draws, covariance
from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.numeric import draw, log_density

__all__ = ["posterior_at", "prior_at"]

type Array = NDArray[np.float64]

_STEPS = 0.15 * np.arange(-49, 50)

_NODES = 0.05 * np.sinh(_STEPS)
"""Quadrature nodes of θ minus its value in the draw, in posterior sds: dense at 0, as far as ±39."""

_WEIGHTS = 0.05 * 0.15 * np.cosh(_STEPS)
"""Trapezoidal weights of the nodes."""

_NOISE = 3.0
"""Correlations of θ and a random effect below so many standard errors are taken for 0."""

_PRIOR_DRAWS = 20_000
_QUARTILES = 1.35
"""The distance of a normal's quartiles in sds."""


def prior_at(model: Model, weights: Array, point: float) -> tuple[float, float, str] | str:
    """Return the log prior density of Σ weight × coefficient at a point, its relative error, and how it was found.

    The intercept's prior is on centred columns, so that on independent components the weights of the slopes are less
    by that of the intercept times the mean of the column. A sum of normals is normal. Else the density of the widest
    component is averaged over prior draws of the others, which is exact up to its Monte Carlo error.

    Parameters
    ----------
    model
        The model.
    weights
        (p,) of the coefficients.
    point
        The value of the combination.

    Returns
    -------
    tuple or str
        Why there is no density, where there is none.
    """
    priors, design = model.priors, model.design
    components = [] if priors.intercept is None else [priors.intercept.prior]
    components += [assigned.prior for assigned in priors.slopes]
    own = weights.copy()
    if priors.intercept is not None and priors.centred:
        own[1:] -= own[0] * design.x[:, 1:].mean(axis=0)
    used = [(prior, float(weight)) for prior, weight in zip(components, own, strict=True) if weight]
    improper = [str(prior) for prior, _ in used if not prior.proper]
    if improper:
        return f"the prior {improper[0]} is improper: it has no density to compare with; give a proper prior"
    if len(used) == 1:
        ((prior, weight),) = used
        return float(log_density(prior, point / weight)) - np.log(abs(weight)), 0.0, "exact prior density"
    moments = [_normal_moments(prior) for prior, _ in used]
    if all(moment is not None for moment in moments):
        mean = sum(weight * moment[0] for (_, weight), moment in zip(used, moments, strict=True) if moment)
        sd = np.sqrt(
            sum((weight * moment[1]) ** 2 for (_, weight), moment in zip(used, moments, strict=True) if moment)
        )
        log = -0.5 * ((point - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
        return float(log), 0.0, "exact prior density (a sum of normals)"
    return _by_draws(used, point)


def _normal_moments(prior: Prior) -> tuple[float, float] | None:
    """Return mean and sd of a normal prior, None of another."""
    if prior.pymc != "Normal" or prior.custom:
        return None
    mu, sigma = prior.numbers()
    return mu, sigma


def _by_draws(used: Sequence[tuple[Prior, float]], point: float) -> tuple[float, float, str] | str:
    """Average the density of the widest component over prior draws of the others."""
    rng = np.random.default_rng(0)
    try:
        scaled = [weight * draw(prior, rng, _PRIOR_DRAWS) for prior, weight in used]
    except PriorError as reason:
        return str(reason)
    widths = [float(np.subtract(*np.quantile(values, [0.75, 0.25]))) for values in scaled]
    widest = int(np.argmax(widths))
    prior, weight = used[widest]
    others = np.sum([values for j, values in enumerate(scaled) if j != widest], axis=0)
    densities = np.exp(log_density(prior, (point - others) / weight)) / abs(weight)
    mean = float(densities.mean())
    if not mean > 0:
        return "the prior density at the point is too small for prior draws to give it"
    error = float(densities.std(ddof=1)) / mean / np.sqrt(len(densities))
    return float(np.log(mean)), error, f"prior density averaged over {_PRIOR_DRAWS:,} prior draws"


def posterior_at(draws: Draws, thinned: Draws, model: Model, weights: Array, point: float) -> Array:
    """Return the log posterior density of Σ weight × coefficient at a point given the rest of each draw, shape (s,).

    Parameters
    ----------
    draws
        The draws that the line is found from.
    thinned
        The s draws that the density is averaged over.
    model
        The model.
    weights
        (p,) of the coefficients.
    point
        The value of the combination.
    """
    from bayesglmm.posterior.log_likelihood import Likelihood  # numba, which a fit does not wait for

    likelihood, blocks = Likelihood.of(model), model.design.blocks
    spread, along_beta, along_z = _line(draws, weights)
    sds = [thinned.sd(block) for block in blocks]
    beta, b = thinned.beta, [thinned.b(block) for block in blocks]
    at_zero = likelihood.eta(np.zeros((1, len(weights))), [np.zeros((1, *effects.shape[1:])) for effects in b])
    moved = [d * sd[:, None, :] for d, sd in zip(along_z, sds, strict=True)]
    slope = likelihood.eta(np.broadcast_to(along_beta, beta.shape), moved) - at_zero
    base = likelihood.eta(beta, b)
    parameters = likelihood.parameters(thinned.parameters(model.family), thinned.size)
    steps = np.broadcast_to(spread * _NODES, (thinned.size, len(_NODES)))
    steps = np.column_stack([point - beta @ weights, steps])
    values = _log_prior(model, beta, along_beta, steps)
    for block, effects, sd, d in zip(blocks, b, sds, along_z, strict=True):
        values += _log_normal(thinned, block, effects / sd[:, None, :], d, steps)
    with np.errstate(all="ignore"):
        for i in range(thinned.size):
            eta = base[i] + steps[i][:, None] * slope[i]
            values[i] += likelihood.at(eta, np.broadcast_to(parameters[i], (steps.shape[1], parameters.shape[1])))
    values = np.nan_to_num(values, nan=-np.inf, posinf=-np.inf)
    total = np.logaddexp.reduce(values[:, 1:] + np.log(spread * _WEIGHTS), axis=1)
    return np.asarray(values[:, 0] - total)


def _line(draws: Draws, weights: Array) -> tuple[float, Array, list[Array]]:
    """Return the sd of θ, and the regressions on it of β, (p,), and of b/σ of each block, (m, k)."""
    beta = draws.beta
    theta = beta @ weights
    centred, variance = theta - theta.mean(), float(theta.var())
    along_beta = centred @ beta / len(theta) / variance
    along_z = []
    for block in draws.design.blocks:
        z = draws.b(block) / draws.sd(block)[:, None, :]
        regression = np.tensordot(centred, z, axes=1) / len(theta) / variance
        correlation = regression * np.sqrt(variance) / np.maximum(z.std(axis=0), 1e-300)
        along_z.append(np.where(np.abs(correlation) > _NOISE / np.sqrt(len(theta)), regression, 0.0))
    return float(np.sqrt(variance)), along_beta, along_z


def _log_prior(model: Model, beta: Array, along: Array, steps: Array) -> Array:
    """Return the log prior of β + step × d, shape (s, steps)."""
    priors, total = model.priors, np.zeros(steps.shape)
    start = 0 if priors.intercept is None else 1
    if priors.intercept is not None:
        mean = model.design.x[:, 1:].mean(axis=0) if priors.centred else np.zeros(len(along) - 1)
        row = np.concatenate([[1.0], mean])
        total += log_density(priors.intercept.prior, (beta @ row)[:, None] + steps * (along @ row))
    for j, assigned in enumerate(priors.slopes, start):
        total += log_density(assigned.prior, beta[:, [j]] + steps * along[j])
    return total


def _log_normal(draws: Draws, block: BlockDesign, z: Array, along: Array, steps: Array) -> Array:
    """Return log N(z + step × d; 0, Ω) up to what no step changes, shape (s, steps), from z (s, m, k) and d (m, k)."""
    k = block.size
    omega = covariance(np.ones((draws.size, k)), draws.correlations(block) if block.correlated else None)
    solved = np.linalg.solve(omega, np.broadcast_to(along.T, (draws.size, k, len(along))))  # (s, k, m)
    linear = np.einsum("smk,skm->s", z, solved)
    square = np.einsum("mk,skm->s", along, solved)
    return np.asarray(-steps * linear[:, None] - 0.5 * np.square(steps) * square[:, None])

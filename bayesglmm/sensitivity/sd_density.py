"""The density of one standard deviation of random effects, by averaging its density given the rest over draws.

A kernel density estimate is biased at the boundary 0. Given everything else in a draw, b = σ · (b/σ) with b/σ fixed, so
the conditional density of σ is known up to one integral, which is done by quadrature in log σ.

References
----------
Gelfand & Smith (1990), Journal of the American Statistical Association 85, 398-409.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.posterior.draws import Draws
from bayesglmm.sensitivity.bridge import Measured
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.numeric import log_density

if TYPE_CHECKING:
    from bayesglmm.posterior.log_likelihood import Likelihood

__all__ = ["ConditionalDensity", "conditional_density", "density", "ratio_at_zero"]

type Array = NDArray[np.float64]

_STEPS = 0.25 * np.arange(-29, 30)

_NODES = 0.02 * np.sinh(_STEPS)
"""Quadrature nodes of log σ minus its value in the draw: sinh-spaced, dense at 0 and as far as ±14."""

_WEIGHTS = 0.02 * 0.25 * np.cosh(_STEPS)
"""Trapezoidal weights of the nodes."""

_DEEP = 200.0
"""Log densities are truncated this far below their maximum before interpolation."""


@dataclass(frozen=True, eq=False)
class ConditionalDensity:
    """The density of one σ given the other parameters of each draw, relative to its prior density.

    Parameters
    ----------
    log_sd
        (s, nodes) values of log σ.
    log_ratio
        (s, nodes) log of the conditional density divided by the prior density.
    at_zero
        (s,) the ratio of the two at σ = 0.
    """

    log_sd: Array
    log_ratio: Array
    at_zero: Array


def conditional_density(
    likelihood: "Likelihood", draws: Draws, number: int, j: int, prior: Prior
) -> ConditionalDensity:
    """Evaluate the likelihood of each draw along σ, b/σ fixed, and normalise it by quadrature in log σ."""
    blocks = draws.design.blocks
    b = [draws.b(block) for block in blocks]
    sd = draws.sd(blocks[number])[:, j]
    b_without = [effects.copy() if i == number else effects for i, effects in enumerate(b)]
    b_without[number][:, :, j] = 0.0
    base = likelihood.eta(draws.beta, b_without)
    slope = likelihood.eta(draws.beta, b) - base
    parameters = likelihood.parameters(draws.parameters(likelihood.model.family), draws.size)
    multiple = np.concatenate([[0.0], np.exp(_NODES)])
    values = np.empty((draws.size, len(multiple)))
    with np.errstate(all="ignore"):
        for i in range(draws.size):
            eta = base[i] + multiple[:, None] * slope[i]
            values[i] = likelihood.at(eta, np.broadcast_to(parameters[i], (len(multiple), parameters.shape[1])))
    values = np.nan_to_num(values, nan=-np.inf, posinf=-np.inf)
    log_sd = np.log(np.maximum(sd, 1e-300))[:, None] + _NODES
    log_prior = log_density(prior, np.exp(log_sd))
    total = np.logaddexp.reduce(values[:, 1:] + log_prior + log_sd + np.log(_WEIGHTS), axis=1)
    return ConditionalDensity(log_sd, values[:, 1:] - total[:, None], np.exp(values[:, 0] - total))


def ratio_at_zero(conditional: ConditionalDensity, chains: int) -> Measured:
    """Return the log ratio of posterior to prior density at 0, averaged over draws."""
    import arviz as az

    top = float(conditional.at_zero.max())
    if not top > 0:
        return Measured(-np.inf, np.inf)
    relative = (conditional.at_zero / top).reshape(chains, -1)
    mean = float(relative.mean())
    return Measured(float(np.log(top * mean)), float(az.mcse(relative, method="mean")) / mean)


def density(sd: Array, prior: Prior, conditional: ConditionalDensity) -> pd.DataFrame:
    """Return the prior and the posterior density on a grid from 0 to beyond the draws."""
    from scipy.interpolate import PchipInterpolator  # a second of import, which a fit does not wait for

    grid = np.linspace(0.0, 1.15 * float(np.quantile(sd, 0.995)), 241)
    grid[0] = grid[1] * 1e-6
    prior_density = np.exp(log_density(prior, grid))
    ratios = []
    for nodes, values, zero in zip(conditional.log_sd, conditional.log_ratio, conditional.at_zero, strict=True):
        log_sd = np.clip(np.log(grid), nodes[0], nodes[-1])
        log_ratio = PchipInterpolator(nodes, np.maximum(values, values.max() - _DEEP))(log_sd)
        ratios.append(np.where(np.log(grid) < nodes[0], zero, np.exp(log_ratio)))
    return pd.DataFrame({"sd": grid, "prior": prior_density, "posterior": prior_density * np.mean(ratios, axis=0)})

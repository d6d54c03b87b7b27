"""`Target`: the posterior density with the random effects integrated out, on the whole line, up to p(y).

Coordinates are β, log σ, the inverse hyperbolic tangent of partial correlations, the logarithm of family parameters.
One of the sds may be set to 0: the model is then the one without that effect, under the priors of the others.

References
----------
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001: partial correlations under LKJ,
and LKJ(η + 1/2) as the distribution of a correlation matrix less one of its columns.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import BayesGLMMWarning
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, covariance, linear_predictor
from bayesglmm.posterior.log_prior import Values, of_values
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import LKJ, Assigned, Priors
from bayesglmm.specify.priors.distributions.lkj import partial_shape

if TYPE_CHECKING:
    from bayesglmm.posterior.log_likelihood import Likelihood

__all__ = ["Target"]

type Array = NDArray[np.float64]

_LARGEST_LOG = 300.0
"""Where logarithms of sds and family parameters are cut off, so that exponentials stay doubles."""


@dataclass(frozen=True, eq=False)
class Target:
    """Likelihood × prior of a model with b integrated out, with or without one of its effects.

    Parameters
    ----------
    model
        The model; one factor has all of its random effects, three at most.
    without
        The block and column of the effect whose sd is 0; None for the model as it is.
    """

    model: Model
    without: tuple[int, int] | None = None

    @cached_property
    def kept(self) -> list[list[int]]:
        """The columns of each block that have an sd."""
        blocks = enumerate(self.model.design.blocks)
        return [[j for j in range(block.size) if (number, j) != self.without] for number, block in blocks]

    @cached_property
    def priors(self) -> Priors:
        """The priors of the parameters that are left; of LKJ(η), with one column fewer, LKJ(η + 1/2)."""
        priors, sd, correlation = self.model.priors, {}, {}
        for block, kept in zip(self.model.design.blocks, self.kept, strict=True):
            sd[block.name] = tuple(priors.sd[block.name][j] for j in kept)
            if block.correlated and len(kept) > 1:
                assigned = priors.correlation[block.name]
                (eta,) = assigned.prior.numbers()
                correlation[block.name] = Assigned(LKJ(eta + (block.size - len(kept)) / 2), assigned.origin)
        return replace(priors, sd=sd, correlation=correlation)

    def coordinates(self, draws: Draws) -> Array:
        """Return draws of the model's parameters on the whole line, without those of the effect, (s, d)."""
        parts = [draws.beta]
        for block, kept in zip(draws.design.blocks, self.kept, strict=True):
            sd = draws.sd(block)
            parts.append(np.log(np.maximum(sd[:, kept], 1e-300)))
            if block.correlated and len(kept) > 1:
                omega = covariance(np.ones_like(sd), draws.correlations(block))[:, kept][:, :, kept]
                parts.append(np.arctanh(np.clip(_partial(omega), -1 + 1e-15, 1 - 1e-15)))
        parts += [np.log(values) for values in draws.parameters(self.model.family).values()]
        return np.hstack(parts)

    def __call__(self, x: Array) -> Array:
        """Return log p(y, θ) with the Jacobian of the coordinates, shape (s,), at coordinates (s, d)."""
        values, g, log_jacobian = self._values(x)
        log_prior = sum(of_values(self.model.design, self.priors, values).values(), np.zeros(len(x)))
        for block, kept in zip(self.model.design.blocks, self.kept, strict=True):
            if block.name in self.priors.correlation:
                log_prior -= _log_constant(self.priors.correlation[block.name].prior.numbers()[0], len(kept))
        return log_prior + log_jacobian + self._likelihood(values, g)

    def _values(self, x: Array) -> tuple[Values, Array, Array]:
        """Return the parameters, G (s, q, q) of the effects with an sd, and the log Jacobian (s,) at coordinates."""
        p = len(self.model.design.coef)
        beta, unread, log_jacobian = x[:, :p], x[:, p:], np.zeros(len(x))
        sd, log_det, covariances = {}, {}, []
        for block, kept in zip(self.model.design.blocks, self.kept, strict=True):
            log_sd, unread = unread[:, : len(kept)], unread[:, len(kept) :]
            sd[block.name] = np.exp(np.minimum(log_sd, _LARGEST_LOG))
            log_jacobian += log_sd.sum(axis=1)
            corr = None
            if block.name in self.priors.correlation:
                pairs = len(kept) * (len(kept) - 1) // 2
                z, unread = unread[:, :pairs], unread[:, pairs:]
                corr = _correlations(np.tanh(z))
                log_rest = _log_rest(z)
                log_det[block.name] = log_rest.sum(axis=1)
                log_jacobian += _log_jacobian(log_rest)
            covariances.append(covariance(sd[block.name], corr) if kept else np.zeros((len(x), 0, 0)))
        names = [parameter.name for parameter in self.model.family.parameters]
        log_jacobian += unread.sum(axis=1)
        parameters = dict(zip(names, np.exp(np.minimum(unread, _LARGEST_LOG)).T, strict=True))
        return Values(beta, sd, log_det, parameters), block_diagonal(covariances), log_jacobian

    def _likelihood(self, values: Values, g: Array) -> Array:
        """Return the log likelihood of all groups, their effects integrated out, (s,)."""
        design, outcome, beta = self.model.design, self.model.design.outcome, values.beta
        assert outcome is not None
        z = np.concatenate([block.z[:, kept] for block, kept in zip(design.blocks, self.kept, strict=True)], axis=1)
        trials, weights = outcome.trials_or_ones, outcome.weights_or_ones
        if not z.shape[1]:
            constant = (weights * self.model.family.constant(outcome.y, trials)).sum()
            return np.nan_to_num(self._rows.conditional(beta, [], values.parameters) + constant, nan=-np.inf)
        total = np.empty(len(beta))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesGLMMWarning)  # points far from the draws, of next to no weight
            for part in chunks(design.n, len(beta)):
                eta = linear_predictor(beta[part], design.x, design.offset)
                parameters = {name: column[part, None] for name, column in values.parameters.items()}
                index = design.blocks[0].index
                groups = Groups(self.model.family, outcome.y, trials, weights, z, index, eta, g[part], parameters)
                total[part] = over_effects(groups).log.sum(axis=1)
        return np.nan_to_num(total, nan=-np.inf, posinf=-np.inf)

    @cached_property
    def _rows(self) -> "Likelihood":
        """The likelihood of the rows without random effects, none merged, up to the constant of the family."""
        from bayesglmm.logdensity.data_rows import Rows
        from bayesglmm.posterior.log_likelihood import Likelihood

        return Likelihood.of(self.model, replace(Rows.of(self.model), index=(), z=()))


def _partial(omega: Array) -> Array:
    """Return the partial correlations (s, pairs) of correlation matrices (s, k, k), k of 2 or 3, given the first."""
    if omega.shape[1] == 2:
        return omega[:, 1, 0][:, None]
    a, b, c = omega[:, 1, 0], omega[:, 2, 0], omega[:, 2, 1]
    return np.column_stack([a, b, (c - a * b) / np.sqrt(np.maximum((1 - a**2) * (1 - b**2), 1e-300))])


def _correlations(partial: Array) -> Array:
    """Return the lower triangle (s, pairs), row by row, from partial correlations: the inverse of `_partial`."""
    if partial.shape[1] == 1:
        return partial
    a, b, c = partial.T
    return np.column_stack([a, b, c * np.sqrt((1 - a**2) * (1 - b**2)) + a * b])


def _log_rest(z: Array) -> Array:
    """Return log(1 − r²) of partial correlations r = tanh z, (s, pairs): without cancellation for |r| near 1."""
    return np.asarray(2 * (np.log(2) - np.logaddexp(z, -z)))


def _log_jacobian(log_rest: Array) -> Array:
    """Return log |dΩ/dz|, (s,), from log(1 − r²) of the partial correlations (s, pairs), of 2 or 3 columns."""
    jacobian: Array = log_rest.sum(axis=1)  # of r = tanh z
    if log_rest.shape[1] == 3:  # ρ₂₃ given ρ₁₂ and ρ₁₃ spans √((1 − r₁₂²)(1 − r₁₃²)) times what r₂₃ does
        jacobian = jacobian + log_rest[:, :2].sum(axis=1) / 2
    return jacobian


def _log_constant(eta: float, k: int) -> float:
    """Return log ∫ |Ω|^(η − 1) dΩ over correlation matrices of k columns: partial correlations are Beta on (−1, 1)."""
    shapes = [partial_shape(eta, k, column) for column in range(k - 1) for _ in range(k - 1 - column)]
    return float(sum(special.betaln(b, b) + (2 * b - 1) * np.log(2) for b in shapes))

"""`Target`: the posterior density with random effects integrated out, on the whole line, up to p(y).

Coordinates are β, log σ, the inverse hyperbolic tangent of partial correlations, the logarithm of family parameters,
and the effects of blocks that are not integrated out. One of the sds may be set to 0: the model is then the one
without that effect, under the priors of the others.

References
----------
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001: partial correlations under LKJ,
and LKJ(η + 1/2) as the distribution of a correlation matrix less one of its columns.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import BayesGLMMWarning
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, covariance, linear_predictor, random_part
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
        The model; one factor has all random effects that are integrated out, three at most.
    without
        The block and column of the effect whose sd is 0; None for the model as it is.
    sampled
        By number of a block whose effects are coordinates instead: whether these are b itself (centred) or M⁻¹b with
        G = M Mᵀ (not centred).
    """

    model: Model
    without: tuple[int, int] | None = None
    sampled: Mapping[int, bool] = field(default_factory=dict)

    @cached_property
    def integrated(self) -> list[int]:
        """The numbers of the blocks that are integrated out."""
        return [number for number in range(len(self.model.design.blocks)) if number not in self.sampled]

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
        for number, centred in self.sampled.items():
            block = draws.design.blocks[number]
            b = draws.b(block)
            if not centred:
                b = np.linalg.solve(_cholesky(draws.covariance(block))[:, None], b[..., None])[..., 0]
            parts.append(b.reshape(draws.size, -1))
        return np.hstack(parts)

    def __call__(self, x: Array) -> Array:
        """Return log p(y, θ) with the Jacobian of the coordinates, shape (s,), at coordinates (s, d)."""
        values, covariances, effects, log_jacobian = self._values(x)
        log_prior = sum(of_values(self.model.design, self.priors, values).values(), np.zeros(len(x)))
        for block, kept in zip(self.model.design.blocks, self.kept, strict=True):
            if block.name in self.priors.correlation:
                log_prior -= _log_constant(self.priors.correlation[block.name].prior.numbers()[0], len(kept))
        g = block_diagonal([covariances[number] for number in self.integrated]) if self.integrated else None
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            b, log_density_of_b = self._effects(covariances, effects)
            total = log_prior + log_jacobian + log_density_of_b + self._likelihood(values, g, b)
        return np.nan_to_num(total, nan=-np.inf, posinf=-np.inf)

    def rows(self, x: Array) -> Array:
        """Return the log likelihood of each row given b, (s, n), at coordinates (s, d); no block is integrated out."""
        values, covariances, unread, _ = self._values(x)
        b, _ = self._effects(covariances, unread)
        eta = self._rows.eta(values.beta, list(b.values()))
        return self._rows.of_rows(eta, self._rows.parameters(values.parameters, len(x))) + self._constants

    def _values(self, x: Array) -> tuple[Values, list[Array], Array, Array]:
        """Return the parameters, G (s, k, k) of each block, the effects' coordinates and the log Jacobian (s,)."""
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
        log_parameters, effects = unread[:, : len(names)], unread[:, len(names) :]
        log_jacobian += log_parameters.sum(axis=1)
        parameters = dict(zip(names, np.exp(np.minimum(log_parameters, _LARGEST_LOG)).T, strict=True))
        return Values(beta, sd, log_det, parameters), covariances, effects, log_jacobian

    def _effects(self, covariances: Sequence[Array], unread: Array) -> tuple[dict[int, Array], Array]:
        """Return b (s, m, k) of each block not integrated out, and the log density (s,) of all their coordinates."""
        effects, log_density = {}, np.zeros(len(unread))
        for number, centred in self.sampled.items():
            block = self.model.design.blocks[number]
            m, k = len(block.levels), block.size
            u, unread = unread[:, : m * k].reshape(-1, m, k), unread[:, m * k :]
            root = _cholesky(covariances[number])
            if centred:
                effects[number], z = u, np.linalg.solve(root[:, None], u[..., None])[..., 0]
                log_density -= m * np.log(np.einsum("scc->sc", root)).sum(axis=1)
            else:
                effects[number], z = np.einsum("scd,smd->smc", root, u), u
            log_density -= (np.square(z).sum(axis=(1, 2)) + m * k * np.log(2 * np.pi)) / 2
        return effects, log_density

    def _likelihood(self, values: Values, g: Array | None, b: Mapping[int, Array]) -> Array:
        """Return the log likelihood of all rows given the effects b, the others integrated out over N(0, G), (s,)."""
        design, outcome, beta = self.model.design, self.model.design.outcome, values.beta
        assert outcome is not None
        trials, weights = design.units, outcome.weights_or_ones
        z = np.concatenate([np.zeros((design.n, 0)), *(self._columns(number) for number in self.integrated)], axis=1)
        if g is None or not z.shape[1]:
            conditional = self._rows.conditional(beta, list(b.values()), values.parameters)
            return np.nan_to_num(conditional + self._constants.sum(), nan=-np.inf)
        total = np.empty(len(beta))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesGLMMWarning)  # points far from the draws, of next to no weight
            for part in chunks(design.n, len(beta)):
                eta = linear_predictor(beta[part], design.x, design.offset)
                for number, effects in b.items():
                    eta += random_part(effects[part], design.blocks[number].z, design.blocks[number].index)
                parameters = {name: column[part, None] for name, column in values.parameters.items()}
                index = design.blocks[self.integrated[0]].index
                groups = Groups(self.model.family, outcome.y, trials, weights, z, index, eta, g[part], parameters)
                total[part] = over_effects(groups).log.sum(axis=1)
        return np.nan_to_num(total, nan=-np.inf, posinf=-np.inf)

    def _columns(self, number: int) -> Array:
        """Return the columns (n, k) of a block that have an sd."""
        return self.model.design.blocks[number].z[:, self.kept[number]]

    @cached_property
    def _constants(self) -> Array:
        """What no parameter changes of the log likelihood of each row times its weight, (n,)."""
        outcome = self.model.design.outcome
        assert outcome is not None
        return outcome.weights_or_ones * self.model.family.constant(outcome.y, self.model.design.units)

    @cached_property
    def _rows(self) -> "Likelihood":
        """The likelihood of rows, in the order of the data, given the effects of sampled blocks, up to `_constants`."""
        from bayesglmm.logdensity.data_rows import Rows
        from bayesglmm.posterior.log_likelihood import Likelihood

        rows = Rows.in_order(self.model)
        index, z = tuple(rows.index[number] for number in self.sampled), tuple(rows.z[n] for n in self.sampled)
        return Likelihood.of(self.model, replace(rows, index=index, z=z))


def _partial(omega: Array) -> Array:
    """Return the partial correlations (s, pairs) of correlation matrices (s, k, k), each given the columns before.

    With the Cholesky factor L they are r_ij = L_ij / √(1 − Σ_{l<j} L_il²), row by row.
    """
    lower = _cholesky(omega)
    i, j = np.tril_indices(omega.shape[1], -1)
    rest = np.cumsum(np.square(lower), axis=2)
    before = np.concatenate([np.zeros((*omega.shape[:2], 1)), rest[:, :, :-1]], axis=2)[:, i, j]
    return np.asarray(lower[:, i, j] / np.sqrt(np.maximum(1 - before, 1e-300)))


def _correlations(partial: Array) -> Array:
    """Return the lower triangle (s, pairs), row by row, from partial correlations: the inverse of `_partial`."""
    k = _size(partial.shape[1])
    lower, place = np.zeros((len(partial), k, k)), 0
    for i in range(k):
        remaining = np.ones(len(partial))
        for j in range(i):
            lower[:, i, j] = partial[:, place] * remaining
            remaining = remaining * np.sqrt(np.maximum(1 - partial[:, place] ** 2, 0.0))
            place += 1
        lower[:, i, i] = remaining
    omega = lower @ lower.swapaxes(1, 2)
    return np.asarray(omega[:, *np.tril_indices(k, -1)])


def _size(pairs: int) -> int:
    """Return the number of columns k of a block of k (k − 1)/2 pairs."""
    return (1 + math.isqrt(1 + 8 * pairs)) // 2


def _cholesky(matrices: Array) -> Array:
    """Return the lower roots of covariances (s, k, k); of a singular one, that with a little on the diagonal."""
    try:
        return np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        k = matrices.shape[1]
        diagonal = np.einsum("scc->sc", matrices)[:, :, None] * np.eye(k)
        return np.linalg.cholesky(matrices + 1e-12 * diagonal + 1e-300 * np.eye(k))


def _log_rest(z: Array) -> Array:
    """Return log(1 − r²) of partial correlations r = tanh z, (s, pairs): without cancellation for |r| near 1."""
    return np.asarray(2 * (np.log(2) - np.logaddexp(z, -z)))


def _log_jacobian(log_rest: Array) -> Array:
    """Return log |dΩ/dz|, (s,), from log(1 − r²) of the partial correlations (s, pairs), row by row.

    It is Σ log(1 − r²) of r = tanh z, and of Ω by r, (k − 2 − j)/2 times log(1 − r_ij²), j = 0, 1, … the column: with
    the columns before it given, ρ_ij spans Π_{l<j} √((1 − r_il²)(1 − r_jl²)) times what r_ij does.
    """
    k = _size(log_rest.shape[1])
    _, column = np.tril_indices(k, -1)
    return np.asarray(log_rest @ (1 + (k - 2 - column) / 2))


def _log_constant(eta: float, k: int) -> float:
    """Return log ∫ |Ω|^(η − 1) dΩ over correlation matrices of k columns: partial correlations are Beta on (−1, 1)."""
    shapes = [partial_shape(eta, k, column) for column in range(k - 1) for _ in range(k - 1 - column)]
    return float(sum(special.betaln(b, b) + (2 * b - 1) * np.log(2) for b in shapes))

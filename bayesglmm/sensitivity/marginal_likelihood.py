"""`Evidence.of(fit)`: p(y | σ = 0) / p(y), as the ratio of two marginal likelihoods, however small it is.

Both models are integrated over the few parameters θ that are left when the random effects are integrated out of each
group exactly: the fitted one by bridge sampling between its draws and a multivariate t, the one without an effect by
importance sampling from a t about its own mode. Coordinates are those on the whole line: β, log σ, the inverse
hyperbolic tangent of partial correlations, the logarithm of family parameters.

References
----------
Meng & Wong (1996), Statistica Sinica 6, 831-860: the bridge.
Frühwirth-Schnatter (2004), Econometrics Journal 7, 143-167: its error with dependent draws.
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001: partial correlations under LKJ.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import BayesGLMMWarning
from bayesglmm.marginalize.group_likelihood import integral_points
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, covariance, linear_predictor
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors.numeric import log_density

if TYPE_CHECKING:
    from bayesglmm.posterior.log_likelihood import Likelihood

__all__ = ["Evidence", "Measured", "Target"]

type Array = NDArray[np.float64]

_WORK = 8e8
"""Evaluations of a row that the fitted model may take at the fewest draws: some ten seconds."""

_FEWEST, _MOST = 200, 500
"""Points of each sum."""

_FREEDOM = 5.0
"""Degrees of freedom of the t from which points are drawn."""

_STEP = 1e-3
"""Of finite differences, in sds of the fitted posterior."""


@dataclass(frozen=True)
class Measured:
    """A number on the log scale, with its Monte Carlo standard error."""

    log: float
    error: float


@dataclass(frozen=True, eq=False)
class Target:
    """The likelihood × prior of a model with b integrated out, with or without one of its effects.

    Parameters
    ----------
    model
        The model; one factor has all of its random effects.
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

    def __call__(self, at: Array) -> Array:
        """Return log p(y, θ) with the Jacobian of the coordinates, shape (s,), at coordinates (s, d)."""
        design, family, priors = self.model.design, self.model.family, self.model.priors
        p = len(design.coef)
        beta, rest = at[:, :p], at[:, p:]
        total = self._of_coefficients(beta)
        parts = []
        for block, kept in zip(design.blocks, self.kept, strict=True):
            log_sd, rest = rest[:, : len(kept)], rest[:, len(kept) :]
            sd = np.exp(np.minimum(log_sd, 300.0))
            for column, j in enumerate(kept):
                total += log_density(priors.sd[block.name][j].prior, sd[:, column]) + log_sd[:, column]
            corr = None
            if block.correlated and len(kept) > 1:
                pairs = len(kept) * (len(kept) - 1) // 2
                z, rest = rest[:, :pairs], rest[:, pairs:]
                (eta,) = priors.correlation[block.name].prior.numbers()
                total += _log_lkj(z, eta + (block.size - len(kept)) / 2, len(kept))
                corr = _correlations(np.tanh(z))
            parts.append(covariance(sd, corr) if kept else np.zeros((len(at), 0, 0)))
        values = {}
        for column, parameter in enumerate(family.parameters):
            values[parameter.name] = np.exp(np.minimum(rest[:, [column]], 300.0))
            prior = priors.parameters[parameter.name].prior
            total += log_density(prior, values[parameter.name][:, 0]) + rest[:, column]
        return total + self._likelihood(beta, block_diagonal(parts), values)

    def _of_coefficients(self, beta: Array) -> Array:
        """Return the log prior density of coefficients (s, p); flat ones add nothing."""
        design, priors = self.model.design, self.model.priors
        slopes = beta[:, 1:] if design.has_intercept else beta
        total = np.zeros(len(beta))
        if priors.intercept is not None:
            shift = slopes @ design.x[:, 1:].mean(axis=0) if priors.centred else 0.0
            total += log_density(priors.intercept.prior, beta[:, 0] + shift)
        for one, column in zip(priors.slopes, slopes.T, strict=True):
            total += log_density(one.prior, column)
        return total

    def _likelihood(self, beta: Array, g: Array, parameters: dict[str, Array]) -> Array:
        """Return the log likelihood of all groups, their effects integrated out, (s,)."""
        design, outcome = self.model.design, self.model.design.outcome
        assert outcome is not None
        z = np.concatenate([block.z[:, kept] for block, kept in zip(design.blocks, self.kept, strict=True)], axis=1)
        trials = np.ones(design.n) if outcome.trials is None else outcome.trials
        if not z.shape[1]:
            constant = self.model.family.constant(outcome.y, trials).sum()
            return np.nan_to_num(self._rows.conditional(beta, [], parameters) + constant, nan=-np.inf)
        total = np.empty(len(beta))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesGLMMWarning)  # points far from the draws, of next to no weight
            for part in chunks(design.n, len(beta)):
                eta = linear_predictor(beta[part], design.x, design.offset)
                some = {name: column[part] for name, column in parameters.items()}
                index = design.blocks[0].index
                groups = Groups(self.model.family, outcome.y, trials, z, index, eta, g[part], some)
                total[part] = over_effects(groups).log.sum(axis=1)
        return np.nan_to_num(total, nan=-np.inf, posinf=-np.inf)

    @cached_property
    def _rows(self) -> "Likelihood":
        """The likelihood of the rows without random effects, none merged, up to the constant of the family."""
        from bayesglmm.logdensity.data_rows import Rows
        from bayesglmm.posterior.log_likelihood import Likelihood

        return replace(Likelihood.of(self.model), rows=replace(Rows.of(self.model), index=(), z=()))


@dataclass(frozen=True, eq=False)
class Evidence:
    """The marginal likelihood of a fit, for ratios to those of the models without one effect.

    Parameters
    ----------
    model, draws
        The model, and the draws that are used.
    chains
        How many chains these are of.
    """

    model: Model
    draws: Draws
    chains: int

    @classmethod
    def of(cls, fit: Fitted, draws: int | None = None) -> "Evidence | None":
        """Return the evidence of a fit; None if its effects cannot be integrated out, or that takes long.

        Parameters
        ----------
        fit
            The fit.
        draws
            On how many draws at most, whatever time that takes; None for 200 to 500.
        """
        design, sizes = fit.model.design, fit.posterior.sizes
        terms = integral_points(design)
        if terms is None:
            return None
        wanted = draws or int(_WORK / 8 / (2 * design.n * terms))
        if draws is None and 2 * _FEWEST * design.n * terms > _WORK:
            return None
        count = min(max(wanted, _FEWEST), _MOST)
        posterior = Thinned(fit.model, fit.draws, max(1, sizes["chain"] * sizes["draw"] // count)).posterior
        return cls(fit.model, Draws(posterior, design), sizes["chain"])

    def without(self, block: int, column: int) -> Measured:
        """Return log p(y | σ = 0) − log p(y) for the effect of a column of a block."""
        target = Target(self.model, (block, column))
        rng = np.random.default_rng([block, column])
        other = _by_importance(target, target.coordinates(self.draws), self.draws.size, rng)
        return Measured(other.log - self._own.log, float(np.hypot(other.error, self._own.error)))

    @cached_property
    def _own(self) -> Measured:
        target = Target(self.model)
        return _by_bridge(target, target.coordinates(self.draws), self.chains, np.random.default_rng(0))


@dataclass(frozen=True, eq=False)
class _T:
    """A multivariate t on d coordinates."""

    mean: Array
    root: Array

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        scale = np.sqrt(rng.chisquare(_FREEDOM, size) / _FREEDOM)
        return np.asarray(self.mean + (rng.standard_normal((size, len(self.mean))) / scale[:, None]) @ self.root.T)

    def log_density(self, at: Array) -> Array:
        d = len(self.mean)
        standard = np.linalg.solve(self.root, (at - self.mean).T)
        constant = (
            special.gammaln((_FREEDOM + d) / 2) - special.gammaln(_FREEDOM / 2) - d / 2 * np.log(_FREEDOM * np.pi)
        )
        constant -= np.log(np.diag(self.root)).sum()
        return np.asarray(constant - (_FREEDOM + d) / 2 * np.log1p(np.square(standard).sum(axis=0) / _FREEDOM))

    @classmethod
    def like(cls, at: Array, weights: Array | None = None) -> "_T":
        """Return the t with the mean and covariance of points (s, d)."""
        mean = np.average(at, axis=0, weights=weights)
        cov = np.atleast_2d(np.cov(at.T, aweights=weights)) * (_FREEDOM - 2) / _FREEDOM
        own = np.diag(cov)
        return cls(mean, np.linalg.cholesky(cov + 1e-12 * np.diag(np.where(own > 0, own, 1e-12))))


def _by_bridge(target: Target, drawn: Array, chains: int, rng: np.random.Generator) -> Measured:
    """Return the log marginal likelihood from draws of the posterior and as many of a t of the same moments."""
    import arviz as az

    proposal, size = _T.like(drawn), len(drawn)
    fresh = proposal.draw(rng, size)
    own, other = (target(at) - proposal.log_density(at) for at in (drawn, fresh))
    middle = float(np.median(own))
    one, two = np.exp(np.minimum(own - middle, 500)), np.exp(np.minimum(other - middle, 500))
    effective = min(float(az.ess(own.reshape(chains, -1), method="mean")), float(size))
    share = effective / (effective + size)
    ratio = 1.0
    for _ in range(1000):
        last, up, down = ratio, two / (share * two + (1 - share) * ratio), 1 / (share * one + (1 - share) * ratio)
        ratio = float(up.mean() / down.mean())
        if abs(ratio / last - 1) < 1e-10:
            break
    inflated = size / min(float(az.ess(down.reshape(chains, -1), method="mean")), float(size))
    square = (up.var() / up.mean() ** 2 + inflated * down.var() / down.mean() ** 2) / size
    return Measured(middle + float(np.log(ratio)), float(np.sqrt(square)))


def _by_importance(target: Target, start: Array, size: int, rng: np.random.Generator) -> Measured:
    """Return the log marginal likelihood by importance sampling from a t about the mode, drawn twice."""
    if not start.shape[1]:  # nothing is left to integrate over
        return Measured(float(target(start[:1])[0]), 0.0)
    proposal, found = _about_mode(target, start.mean(axis=0), start.std(axis=0)), Measured(-np.inf, np.inf)
    for _ in range(3):
        at = proposal.draw(rng, size)
        log = target(at) - proposal.log_density(at)
        top = float(log.max())
        if not np.isfinite(top):
            return Measured(-np.inf, np.inf)
        weights = np.exp(log - top)
        error = float(weights.std() / weights.mean() / np.sqrt(size))
        found = Measured(top + float(np.log(weights.mean())), error)
        if weights.sum() ** 2 / np.square(weights).sum() < 5 * at.shape[1]:
            break
        proposal = _T.like(at, weights)
    return found


def _about_mode(target: Target, mean: Array, scale: Array) -> _T:
    """Return the t about the mode of a target, with its curvature, from a mean and sds of the fitted posterior."""
    from scipy import optimize

    d, scale = len(mean), np.where(scale > 0, scale, 1e-8 * np.maximum(np.abs(mean), 1.0))

    def value(z: Array) -> Array:
        return np.maximum(target(mean + z * scale), -1e300)

    def slopes(z: Array) -> tuple[float, Array]:
        around = value(np.vstack([z, z + _STEP * np.eye(d), z - _STEP * np.eye(d)]))
        return -float(around[0]), -(around[1 : d + 1] - around[d + 1 :]) / (2 * _STEP)

    found = optimize.minimize(slopes, np.zeros(d), jac=True, method="BFGS", options={"gtol": 1e-2, "maxiter": 200})
    z = np.asarray(found.x)
    near = value(np.vstack([z, z + 10 * _STEP * np.eye(d), z - 10 * _STEP * np.eye(d)]))
    bend = (2 * near[0] - near[1 : d + 1] - near[d + 1 :]) / (10 * _STEP) ** 2
    step = 0.3 / np.sqrt(np.maximum(bend, 1e-2))
    curvature = _curvature(value, z, step)
    values, vectors = np.linalg.eigh(curvature)
    root = step[:, None] * vectors / np.sqrt(np.maximum(values, 1e-2 * max(float(values.max()), 1e-8)))
    covered = scale[:, None] * (root @ root.T) * scale
    return _T(mean + z * scale, np.linalg.cholesky(covered + 1e-12 * np.diag(np.diag(covered))))


def _curvature(value: Callable[[Array], Array], z: Array, step: Array) -> Array:
    """Return minus the matrix of second differences of a function at z (d,), in units of the steps (d,)."""
    d = len(z)
    steps = np.diag(step)
    rows, columns = np.tril_indices(d)
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    points = np.concatenate([z + one * steps[rows] + two * steps[columns] for one, two in signs])
    four = value(points).reshape(4, -1)
    found = np.zeros((d, d))
    found[rows, columns] = found[columns, rows] = -(four[0] - four[1] - four[2] + four[3]) / 4
    return found


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


def _log_lkj(z: Array, eta: float, k: int) -> Array:
    """Return the normalized log density of LKJ(η) of k columns at z (s, pairs), tanh z the partial correlations."""
    first = 2 if k == 3 else 1
    total = np.zeros(len(z))
    for pair, column in enumerate(z.T):
        b = eta + (k - 2) / 2 if pair < first else eta + (k - 3) / 2
        log_rest = 2 * (np.log(2) - np.logaddexp(column, -column))  # log(1 − tanh²)
        total += b * log_rest - special.betaln(b, b) - (2 * b - 1) * np.log(2)
    return total

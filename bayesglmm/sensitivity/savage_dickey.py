"""Bayes factors of point hypotheses: the ratio of posterior to prior density at the point (Savage–Dickey).

A kernel density estimate fails in the tails, where the question is. Instead the posterior density is an average over
draws of a density given the rest of each draw (Rao–Blackwell), known up to an integral over one number: along a line
for a combination of coefficients (`linear_density`), with b/σ fixed for an sd (`sd_density`), with b fixed for a
correlation, with η fixed for a family parameter.

References
----------
Dickey (1971), Annals of Mathematical Statistics 42, 204-223.
Gelfand & Smith (1990), Journal of the American Statistical Association 85, 398-409.
Verdinelli & Wasserman (1995), Journal of the American Statistical Association 90, 614-618.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.estimands.hypothesis_names import Parameter, parameters
from bayesglmm.estimands.hypothesis_text import Statement
from bayesglmm.posterior.draws import Draws, covariance
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.linear_density import posterior_at, prior_at
from bayesglmm.sensitivity.point_null import Point, point_of
from bayesglmm.sensitivity.sd_density import conditional_density
from bayesglmm.sensitivity.thinning import Budget, step_for_count
from bayesglmm.sensitivity.zero_sd import ZeroSd, zero_sd
from bayesglmm.specify.priors.distributions.lkj import partial_shape
from bayesglmm.specify.priors.numeric import log_density

__all__ = ["BayesFactor", "bayes_factors"]

type Array = NDArray[np.float64]

_BUDGETS = (Budget(4e5, 100, 500), Budget(1e6, 100, 2000))
"""Likelihoods along one combination of coefficients or one parameter: half a second, then some seconds."""

_ACCURATE, _INACCURATE = 0.05, 0.25
"""Relative Monte Carlo errors: above the first more draws are used, above the second no Bayes factor is given."""

_STEPS = 0.25 * np.arange(-29, 30)
_NODES = 0.02 * np.sinh(_STEPS)
_WEIGHTS = 0.02 * 0.25 * np.cosh(_STEPS)
"""Quadrature nodes of the logarithm of a family parameter minus its value in the draw, and their weights."""

_CORRELATIONS = np.tanh(np.linspace(-6, 6, 481))
_LOG_WEIGHTS = np.log1p(-np.square(_CORRELATIONS)) + np.log(12 / 480)
"""Quadrature nodes of a correlation, evenly spaced in its inverse hyperbolic tangent, and the logs of their weights."""

_LIKE_ROWS = 500
"""Rows of a model whose likelihood takes about as long as the density of a correlation."""

_DEEP = 700.0
"""Log densities are truncated this far below their maximum before interpolation."""

_GIVEN_THE_REST = "density given the rest of each draw, exact prior density"


_PRIOR_ALONE = "the draws are from the prior alone: fit the data to compare with it"


@dataclass(frozen=True)
class BayesFactor:
    """The Bayes factor of an equality against its negation.

    Parameters
    ----------
    ratio
        Posterior density / prior density at the point; NaN where it is not computed.
    error
        Its Monte Carlo standard error.
    source
        How it was computed, or why it was not.
    """

    ratio: float
    error: float
    source: str


def bayes_factors(fit: Fitted, statements: Sequence[Statement]) -> list[BayesFactor]:
    """Return the Bayes factors of equalities about one parameter, or a linear combination of coefficients."""
    known = parameters(fit.model)
    points = [point_of(statement, known) for statement in statements]
    if fit.draws.attrs.get("prior_only"):
        points = [point if isinstance(point, str) else _PRIOR_ALONE for point in points]
    zero = None
    if any(isinstance(point, Point) and _is_zero_sd(point, known) for point in points):
        zero = zero_sd(fit)  # all sds at once
    return [_none(point) if isinstance(point, str) else _bayes_factor(fit, known, point, zero) for point in points]


def _is_zero_sd(point: Point, known: Mapping[str, Parameter]) -> bool:
    return point.value == 0 and all(known[name].kind == "sd" for name in point.weights)


def _bayes_factor(fit: Fitted, known: Mapping[str, Parameter], point: Point, zero: ZeroSd | None) -> BayesFactor:
    kinds = {name: known[name] for name in point.weights}
    if all(parameter.kind == "coefficient" for parameter in kinds.values()):
        return _of_coefficients(fit, kinds, point)
    (parameter,) = kinds.values()
    match parameter.kind:
        case "sd":
            return _of_sd(fit, parameter, point.value, zero)
        case "correlation":
            return _of_correlation(fit, parameter, point.value)
        case _:
            return _of_family(fit, parameter, point.value)


def _none(reason: str) -> BayesFactor:
    return BayesFactor(np.nan, np.nan, reason)


def _averaged(log_ratios: Array, chains: int, source: str, further: float) -> tuple[BayesFactor, float]:
    """Average ratios (s,), given as logarithms, over draws; return their relative error too.

    `further` is the relative error of what they share.
    """
    import arviz as az

    top = float(log_ratios.max())
    if not np.isfinite(top):
        return _none("the posterior density at the point is 0 in double precision"), 0.0
    relative = np.exp(log_ratios - top).reshape(chains, -1)
    mean = float(relative.mean())
    own = 0.0 if np.ptp(relative) == 0 else float(az.mcse(relative, method="mean")) / mean
    error, ratio = float(np.hypot(own, further)), float(np.exp(top + np.log(mean)))
    if not error <= _INACCURATE:
        near = f"it is near {ratio:.1g} with a Monte Carlo error of {error:.0%} of that"
        return _none(f"far from the draws, where {near}"), error
    return BayesFactor(ratio, error * ratio, source), error


def _over_draws(
    fit: Fitted, log_ratios: Callable[[Draws], Array], source: str, further: float = 0.0, cost: int | None = None
) -> BayesFactor:
    """Average ratios over some draws, and over more where that is not accurate; `cost` is the rows of the model."""
    posterior, model = fit.posterior, fit.model
    chains, total = posterior.sizes["chain"], posterior.sizes["chain"] * posterior.sizes["draw"]
    steps = [step_for_count(budget, total, cost or model.design.n) for budget in _BUDGETS]
    for step in dict.fromkeys(steps):
        thinned = Draws(posterior.isel(draw=slice(None, None, step)), model.design)
        with np.errstate(all="ignore"):
            values = log_ratios(thinned)
        found, error = _averaged(values, chains, source, further)
        if error <= _ACCURATE:
            break
    return found


def _of_coefficients(fit: Fitted, kinds: dict[str, Parameter], point: Point) -> BayesFactor:
    model, posterior = fit.model, fit.posterior
    weights = np.zeros(len(model.design.coef))
    for name, weight in point.weights.items():
        weights[kinds[name].position] = weight
    prior = prior_at(model, weights, point.value)
    if isinstance(prior, str):
        return _none(prior)
    log_prior, error, source = prior
    if not np.isfinite(log_prior):
        return _none("the prior density at the point is 0 in double precision")
    draws = Draws(posterior, model.design)
    if not np.ptp(draws.beta @ weights) > 0:
        return _none("the draws are all equal")

    def log_ratios(thinned: Draws) -> Array:
        return posterior_at(draws, thinned, model, weights, point.value) - log_prior

    return _over_draws(fit, log_ratios, f"density along a line, {source}", error)


def _of_sd(fit: Fitted, parameter: Parameter, point: float, zero: ZeroSd | None) -> BayesFactor:
    from scipy.interpolate import PchipInterpolator  # a second of import, which a fit does not wait for

    from bayesglmm.posterior.log_likelihood import Likelihood  # numba

    if point < 0:
        return _none("a standard deviation is never negative")
    if zero is not None and point == 0:
        row: Any = zero.table.loc[parameter.name]
        if not np.isfinite(row["ratio"]):
            return _none(f"fit.zero_sd() bounds it: at most {row['at_most']:.3g}")
        return BayesFactor(float(row["ratio"]), float(row["mcse"]), f"fit.zero_sd(): {row['source']}")
    model = fit.model
    number = [f"sd_{block.name}" for block in model.design.blocks].index(parameter.variable)
    prior = model.priors.sd[model.design.blocks[number].name][parameter.position].prior

    def log_ratios(thinned: Draws) -> Array:
        conditional = conditional_density(Likelihood.of(model), thinned, number, parameter.position, prior)
        found = np.empty(thinned.size)
        for i, (nodes, values) in enumerate(zip(conditional.log_sd, conditional.log_ratio, strict=True)):
            at = float(np.clip(np.log(point), nodes[0], nodes[-1]))
            found[i] = PchipInterpolator(nodes, np.maximum(values, values.max() - _DEEP))(at)
        return found

    return _over_draws(fit, log_ratios, _GIVEN_THE_REST)


def _of_family(fit: Fitted, parameter: Parameter, point: float) -> BayesFactor:
    from bayesglmm.posterior.log_likelihood import Likelihood  # numba

    if point <= 0:
        return _none(f"{parameter.name} is above zero")
    model = fit.model
    likelihood, prior = Likelihood.of(model), model.priors.parameters[parameter.name].prior
    position = [each.name for each in model.family.parameters].index(parameter.name)

    def log_ratios(thinned: Draws) -> Array:
        eta = likelihood.eta(thinned.beta, [thinned.b(block) for block in model.design.blocks])
        every = likelihood.parameters(thinned.parameters(model.family), thinned.size)
        found = np.empty(thinned.size)
        with np.errstate(all="ignore"):
            for i, nodes in enumerate(np.log(every[:, [position]]) + _NODES):
                values = np.tile(every[i], (len(nodes) + 1, 1))
                values[:, position] = np.append(point, np.exp(nodes))
                logs = likelihood.at(np.broadcast_to(eta[i], (len(values), eta.shape[1])), values)
                logs = np.nan_to_num(logs, nan=-np.inf, posinf=-np.inf)
                weighted = logs[1:] + log_density(prior, np.exp(nodes)) + nodes + np.log(_WEIGHTS)
                found[i] = logs[0] - np.logaddexp.reduce(weighted)
        return found

    return _over_draws(fit, log_ratios, _GIVEN_THE_REST)


def _of_correlation(fit: Fitted, parameter: Parameter, point: float) -> BayesFactor:
    """Return the ratio for a correlation, whose density given the rest is |Ω|^(η − 1) N(b; 0, G) as it moves."""
    if not -1 < point < 1:
        return _none("a correlation lies between −1 and 1")
    model = fit.model
    block = next(block for block in model.design.blocks if parameter.variable == f"corr_{block.name}")
    (eta,) = model.priors.correlation[block.name].prior.numbers()
    values = np.append(point, _CORRELATIONS)
    shape = partial_shape(eta, block.size, 0)
    log_prior = (shape - 1) * np.log1p(-(point**2)) - (2 * shape - 1) * np.log(2) - special.betaln(shape, shape)

    def log_ratios(thinned: Draws) -> Array:
        z = thinned.b(block) / thinned.sd(block)[:, None, :]
        scatter, groups = np.einsum("smj,smk->sjk", z, z), z.shape[1]
        logs = np.full((thinned.size, len(values)), -np.inf)
        for i, corr in enumerate(thinned.correlations(block)):
            every = np.tile(corr, (len(values), 1))
            every[:, parameter.position] = values
            omega = covariance(np.ones((len(values), block.size)), every)
            inside = np.linalg.eigvalsh(omega)[:, 0] > 0
            _, log_det = np.linalg.slogdet(omega[inside])
            traces = np.trace(np.linalg.solve(omega[inside], scatter[i][None]), axis1=1, axis2=2)
            logs[i, inside] = (eta - 1 - groups / 2) * log_det - traces / 2
        total = np.logaddexp.reduce(logs[:, 1:] + _LOG_WEIGHTS, axis=1)
        return np.asarray(logs[:, 0] - total - log_prior)

    return _over_draws(fit, log_ratios, f"{_GIVEN_THE_REST} (of a correlation under LKJ)", cost=_LIKE_ROWS)

"""How a marginal likelihood changes with the width of a prior, from the draws of the posterior alone.

With the prior p of a parameter replaced by q, the marginal likelihood changes by the factor E(q/p), the mean over the
posterior under p. A prior that is wider than the data need lowers it without bound, in proportion to its width.

References
----------
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25, 1-58: Pareto k.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.numeric import log_density

__all__ = ["FACTORS", "WithPrior", "log_change", "with_priors"]

type Array = NDArray[np.float64]

FACTORS = {"half": 0.5, "double": 2.0}
"""How many times as wide the other priors are, by their name."""

_LARGEST_K = 0.7
"""Pareto k above which the mean of ratios is not trusted."""


@dataclass(frozen=True, eq=False)
class WithPrior:
    """The prior of a parameter and its draws (s,)."""

    prior: Prior
    draws: Array

    def log_ratio(self, factor: float) -> Array:
        """Return the log density, (s,), of the prior widened by a factor about its location, less that of the prior."""
        location = _location(self.prior)
        widened = location + (self.draws - location) / factor
        return np.asarray(log_density(self.prior, widened) - np.log(factor) - log_density(self.prior, self.draws))


def with_priors(fit: Fitted) -> dict[str, WithPrior]:
    """Return every parameter that has a prior with a width, by its name in the tables; correlations have none."""
    model, draws = fit.model, Draws(fit.posterior, fit.model.design)
    design, priors = model.design, model.priors
    beta, first = draws.beta, int(design.has_intercept)
    found: dict[str, WithPrior] = {}
    if priors.intercept is not None:
        intercept = beta[:, 0]
        if priors.centred:
            intercept = intercept + beta[:, 1:] @ design.x[:, 1:].mean(axis=0)
        found["beta[Intercept]"] = WithPrior(priors.intercept.prior, intercept)
    for j, assigned in enumerate(priors.slopes):
        found[f"beta[{design.coef[first + j]}]"] = WithPrior(assigned.prior, beta[:, first + j])
    for block in design.blocks:
        for j, column in enumerate(block.columns):
            found[f"sd_{block.name}[{column}]"] = WithPrior(priors.sd[block.name][j].prior, draws.sd(block)[:, j])
    for name, values in draws.parameters(model.family).items():
        found[name] = WithPrior(priors.parameters[name].prior, values[:, 0])
    return found


def log_change(parameters: Mapping[str, WithPrior], names: Iterable[str], factor: float) -> float:
    """Return by how much the log marginal likelihood changes where the priors of some parameters are wider by a factor.

    NaN where the draws cannot tell (Pareto k above 0.7).
    """
    ratios = [parameters[name].log_ratio(factor) for name in names]
    if not ratios:
        return 0.0
    log_ratio = np.sum(ratios, axis=0)
    if not np.isfinite(log_ratio).any() or _pareto_k(log_ratio) > _LARGEST_K:
        return np.nan
    return float(np.logaddexp.reduce(log_ratio) - np.log(len(log_ratio)))


def _pareto_k(log_ratio: Array) -> float:
    from arviz_stats.base import array_stats

    finite = log_ratio[np.isfinite(log_ratio)]
    tail = int(np.ceil(min(len(finite) / 5, 3 * np.sqrt(len(finite)))))
    if np.ptp(np.sort(finite)[-tail:]) < 1e-9:
        return 0.0
    _, k = array_stats.psislw(-finite)  # its argument is a log likelihood, the ratios are 1/exp of it
    return float(k)


def _location(prior: Prior) -> float:
    """Return the point about which a prior is widened: its centre, or 0 where it lies above zero."""
    lower, upper = prior.bounds
    if prior.domain == "positive":
        return 0.0
    if np.isfinite(lower) and np.isfinite(upper):
        return (lower + upper) / 2
    return float(getattr(prior, "mu", 0.0))

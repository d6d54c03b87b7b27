"""`zero_sd(fit)`: for each sd σ of random effects, P(σ < ε) and the Bayes factor of σ = 0.

The ratio of posterior to prior density of σ at 0 is the Bayes factor of the model without these effects against the
one with them (Savage–Dickey). A kernel density estimate is biased at the boundary 0; instead, given everything else in
a draw, b = σ · (b/σ) with b/σ fixed, so that the conditional density of σ is known up to one integral, and its average
over draws is the posterior density (Rao–Blackwell). Where no draw is near 0 this average has a large Monte Carlo error,
and the ratio is that of two marginal likelihoods (`marginal_likelihood`), which may be as small as 1e-299. Where
neither is accurate, an upper bound is given.

References
----------
Dickey (1971), Annals of Mathematical Statistics 42, 204-223.
Ferro & Segers (2003), Journal of the Royal Statistical Society B 65, 545-556: the extremal index.
Gelfand & Smith (1990), Journal of the American Statistical Association 85, 398-409.
Verdinelli & Wasserman (1995), Journal of the American Statistical Association 90, 614-618.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError, choose
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.bridge import Measured
from bayesglmm.sensitivity.marginal_likelihood import Evidence
from bayesglmm.sensitivity.sd_density import conditional_density, density, ratio_at_zero
from bayesglmm.sensitivity.thinning import DENSITY_AT_ZERO, step_for_count
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.numeric import log_density
from bayesglmm.specify.priors.scales import scales

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["ZeroSd", "zero_sd"]

type Array = NDArray[np.float64]

_DECISIVE = 3.0
"""The Bayes factor, or its inverse, from which on a reading names a direction."""

_ACCURATE, _INACCURATE = 0.05, 0.25
"""Relative Monte Carlo errors: up to the first the density at 0 is used, above the second no ratio is given."""

_SMALLEST = -690.0
"""The smallest log ratio given as a number; below it the ratio is bounded by exp(−690) = 1e-299."""

_RULE_OF_THREE = 3.0
"""95 % upper bound, −log 0.05 ≈ 3, on the expected number of independent draws below the smallest observed one."""

_TAIL = 0.01
"""The lower tail probability whose exceedances give the extremal index."""

_DENSITY, _EVIDENCE, _BOUND = "density at 0", "marginal likelihoods", "bound"

_RATIO_TEXT = (
    "ratio: posterior / prior density at sd = 0, the Bayes factor of the model without these effects against the one "
    "with them.",
    "It depends on the prior of the sd at any amount of data: a prior far wider than the data favour raises it.",
)
_BOUND_TEXT = (
    "at_most: upper bound (95 %), as no draw is near sd = 0; it assumes that the ratio of posterior to prior density "
    "does not decrease between sd = 0 and the smallest draw."
)


@dataclass(frozen=True, eq=False, repr=False)
class ZeroSd(Result):
    """The posterior of each sd near zero, and the Bayes factor of sd = 0.

    Parameters
    ----------
    table
        Index `parameter`. Columns: `mean median sd lower upper` of the posterior; `epsilon`, with the posterior
        probability of an sd below it, `probability_below`, and the prior one, `prior_probability_below`; `ratio` of
        posterior to prior density at 0 with its Monte Carlo standard error `mcse`, and the ratio under a prior half
        (`ratio_half_prior`) and twice as wide (`ratio_double_prior`); `source` and `reading`. `source` is
        `density at 0` where draws are near 0, else `marginal likelihoods`. It is `bound` where both have an error above
        a quarter of the ratio, or random effects of crossed or nested factors, or many, cannot be integrated out: then
        the ratio is NaN and its upper bound is `at_most`, as for a ratio below 1e-299 of any source.
    densities
        By parameter, a table of the prior and posterior density: columns `sd`, `prior`, `posterior`.
    scale
        The scale of the sds.
    """

    table: pd.DataFrame
    densities: Mapping[str, pd.DataFrame]
    scale: str

    def plot(self, sd: str | None = None, *, references: Mapping[str, float] | None = None) -> "Picture":
        """Draw the prior and posterior density of an sd: see `bayesglmm.plots.zero_sd`."""
        from bayesglmm.plots.zero_sd import draw

        known = list(self.densities)
        return draw(self, known[0] if sd is None else choose("sd", find(sd, known) or sd, known), references or {})

    def _layout(self) -> Layout:
        bounded = (self.table["source"] == _BOUND).any()
        below = (*_RATIO_TEXT, _BOUND_TEXT) if bounded else _RATIO_TEXT
        cells = self.table.map(lambda value: f"{value:.3g}" if isinstance(value, float) else value)
        return Layout((), cells.T, below, width=110)


def zero_sd(
    fit: Fitted, *, epsilon: float | None = None, max_draws: int | None = None, ci_prob: float = 0.95
) -> ZeroSd:
    """Return for each sd the probability that it is below ε, and the Bayes factor of sd = 0.

    Parameters
    ----------
    fit
        The fit.
    epsilon
        The largest negligible sd, on the scale of the linear predictor; None for a tenth of s_y/s_z, the unit of the
        default priors: 0.1 for an intercept under log and the probability links.
    max_draws
        The number of draws, evenly spaced, over which the density at 0 is averaged, and the largest number on which
        marginal likelihoods are computed; None for 200 to 2,000, the more the fewer rows there are, with no
        marginal likelihoods where they take more than some ten seconds.
    ci_prob
        The probability of the equal-tailed intervals.

    Returns
    -------
    ZeroSd

    Raises
    ------
    OptionError
        If the model has no random effects, the fit is of the prior alone, an option is not above zero, or `ci_prob` is
        no probability.

    References
    ----------
    Dickey (1971); Gelfand & Smith (1990); Verdinelli & Wasserman (1995); Meng & Wong (1996).
    """
    from bayesglmm.posterior.log_likelihood import Likelihood

    _check(fit, epsilon, max_draws)
    interval(ci_prob)
    model, posterior = fit.model, fit.posterior
    chains, total = posterior.sizes["chain"], posterior.sizes["chain"] * posterior.sizes["draw"]
    step = step_for_count(DENSITY_AT_ZERO, total, model.design.n, max_draws)
    thinned = Draws(posterior.isel(draw=slice(None, None, step)), model.design)
    unit, likelihood = scales(model.design, model.family), Likelihood.of(model)
    parts, densities, evidence = [], {}, Evidence.of(fit, max_draws)
    for number, block in enumerate(model.design.blocks):
        sds = Draws(posterior, model.design).sd(block)
        for j, column in enumerate(block.columns):
            name = f"sd_{block.name}[{column}]"
            prior = model.priors.sd[block.name][j].prior
            negligible = epsilon or 0.1 * unit.response / unit.blocks[number][j]
            conditional = conditional_density(likelihood, thinned, number, j, prior)
            ratio, source = ratio_at_zero(conditional, chains), _DENSITY
            if not ratio.error <= _ACCURATE and evidence is not None:
                by_evidence = evidence.without(number, j)
                if not ratio.error <= by_evidence.error:
                    ratio, source = by_evidence, _EVIDENCE
            near_zero = _near_zero(sds[:, j], negligible, prior, ratio, source, chains)
            parts.append(summarise(sds[:, [j]], ci_prob).assign(**near_zero).set_axis([name], axis=0))
            densities[name] = density(sds[:, j], prior, conditional)
    table = pd.concat(parts).rename_axis("parameter")
    table.attrs["ci_prob"] = ci_prob
    return ZeroSd(table, densities, f"{model.family.link.name} scale")


def _check(fit: Fitted, epsilon: float | None, max_draws: int | None) -> None:
    if not fit.model.design.blocks:
        raise OptionError("the model has no random effects: its formula has no block (… | group), so there is no sd")
    if fit.draws.attrs.get("prior_only"):
        raise OptionError("these are draws from the prior alone: fit the data to compare with it")
    if epsilon is not None and not epsilon > 0:
        raise OptionError(f"epsilon={epsilon!r} is not above zero; it is an sd on the scale of the linear predictor")
    if max_draws is not None and max_draws < 100:
        raise OptionError(f"max_draws={max_draws!r} is too few to average over; give 100 or more")


def _near_zero(sd: Array, epsilon: float, prior: Prior, measured: Measured, source: str, chains: int) -> dict[str, Any]:
    """Return the columns of an sd (s,) about zero: probabilities below ε, the ratio or its bound, and a reading."""
    accurate = measured.error <= _INACCURATE
    has_ratio = accurate and measured.log > _SMALLEST
    if has_ratio:
        ratio, most, error = float(np.exp(measured.log)), np.nan, measured.error
    else:
        ratio, most, error = np.nan, float(np.exp(_SMALLEST)) if accurate else _bound(sd, prior, chains), np.nan
    values = [(ratio if has_ratio else most) / _relative_evidence(sd, prior, factor) for factor in (1.0, 0.5, 2.0)]
    return {
        "epsilon": epsilon,
        "probability_below": float(np.mean(sd < epsilon)),
        "prior_probability_below": _prior_probability_below(prior, epsilon),
        "ratio": ratio,
        "mcse": error * ratio,
        "at_most": most,
        "ratio_half_prior": values[1] if has_ratio else np.nan,
        "ratio_double_prior": values[2] if has_ratio else np.nan,
        "source": source if accurate else _BOUND,
        "reading": _reading(values) if has_ratio else _reading_of_bound(values),
    }


def _bound(sd: Array, prior: Prior, chains: int) -> float:
    """Return an upper bound of the ratio at 0, assuming that it does not decrease up to the smallest draw.

    Under this assumption P(σ < smallest draw | y) ≥ ratio × P(σ < smallest draw), and by the rule of three it is at
    most 3 / n with 95 % confidence, n the effective number of draws. Small draws come in clusters, which the effective
    sample size of a quantile ignores; it is multiplied by the extremal index.
    """
    import arviz as az

    by_chain = sd.reshape(chains, -1)
    ess = min(float(az.ess(by_chain, method="quantile", prob=0.025)), float(len(sd)))
    effective = ess * _extremal_index(by_chain)
    return float(_RULE_OF_THREE / effective / _prior_probability_below(prior, float(sd.min())))


def _extremal_index(draws: Array) -> float:
    """Return the extremal index of small draws (chains, s), the inverse of the mean size of their clusters.

    The estimator is that from the gaps between draws below a quantile (Ferro & Segers 2003).
    """
    low = np.quantile(draws, _TAIL)
    gaps = np.concatenate([np.diff(np.flatnonzero(chain < low)) for chain in draws]).astype(float)
    if not len(gaps):
        return 1.0
    if gaps.max() <= 2:
        return float(min(1.0, 2 * gaps.sum() ** 2 / (len(gaps) * np.square(gaps).sum())))
    return float(min(1.0, 2 * (gaps - 1).sum() ** 2 / (len(gaps) * ((gaps - 1) * (gaps - 2)).sum())))


def _reading_of_bound(bounds: list[float]) -> str:
    """Interpret upper bounds of the ratio under three priors."""
    if max(bounds) < 1 / _DECISIVE:
        return "the data favour such effects"
    return "undecided with these draws; more draws may decide"


def _reading(ratios: list[float]) -> str:
    """Interpret the ratios under three priors, which must agree."""
    if min(ratios) > _DECISIVE:
        return "the data favour no such effects"
    if max(ratios) < 1 / _DECISIVE:
        return "the data favour such effects"
    return "the data do not decide"


def _relative_evidence(sd: Array, prior: Prior, factor: float) -> float:
    """Return the marginal likelihood under a prior wider by a factor, relative to that under the prior."""
    log_widened_prior = log_density(prior, sd / factor) - np.log(factor)
    return float(np.exp(np.logaddexp.reduce(log_widened_prior - log_density(prior, sd)) - np.log(len(sd))))


def _prior_probability_below(prior: Prior, epsilon: float) -> float:
    """Return the prior probability of an sd below ε, by the trapezoid in log σ."""
    log_sd = np.log(epsilon) + np.linspace(-40, 0, 4001)
    return float(np.trapezoid(np.exp(log_density(prior, np.exp(log_sd)) + log_sd), log_sd))

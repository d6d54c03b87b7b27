"""`heterogeneity(fit)`: how probable it is that groups hardly differ, sd by sd, and what the data say of σ = 0.

The ratio of posterior to prior density of σ at 0 is the Bayes factor of the model without these effects against the
one with them (Savage–Dickey). No kernel is asked to estimate a density at the end of its range: given everything else
in a draw, b = σ · (b/σ) with b/σ known, so the density of σ is known up to one integral, and its average over draws is
the posterior density (Rao–Blackwell). Where the data speak for the effects no draw comes near 0, and the ratio is that
of two marginal likelihoods instead (`marginal_likelihood`), be it 0.01 or 1e-50; where these cannot be had, a bound.

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
from bayesglmm.common.tables import plain_table
from bayesglmm.errors import OptionError, choose
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.marginal_likelihood import Evidence, Measured
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.numeric import log_density
from bayesglmm.specify.priors.scales import scales

if TYPE_CHECKING:
    from bayesglmm.plots import Picture
    from bayesglmm.posterior.log_likelihood import Likelihood

__all__ = ["Heterogeneity", "heterogeneity"]

type Array = NDArray[np.float64]

_STEPS = 0.25 * np.arange(-29, 30)

_NODES = 0.02 * np.sinh(_STEPS)
"""Where the density of log σ is looked at from the draw's own: close by and ever wider, e^±14 away."""

_WEIGHTS = 0.02 * 0.25 * np.cosh(_STEPS)

_DEEP = 200.0
"""How far below its top a log density counts as nothing."""

_DECIDES = 3.0
"""A ratio, or its inverse, from which on it is said to speak."""

_SURE, _UNSURE = 0.05, 0.25
"""The Monte Carlo error of a ratio, relative to it: up to which the density at 0 will do, above which none is given."""

_SMALLEST = -690.0
"""The least log ratio that is given as a number; what is below is bounded by it."""

_MISSED = 3.0
"""So many of all independent draws may lie below the smallest one, with 95 % confidence: −log 0.05."""

_SMALL = 0.01
"""The share of the draws that are looked at for clusters."""

_DENSITY, _EVIDENCE, _BOUND = "density at 0", "marginal likelihoods", "bound"

_SAY_BOUND = (
    "\nat most: of a ratio that these draws do not give, with 95 % confidence, if the ratio does not fall from sd = 0 "
    "to the smallest draw."
)

_CELLS = 400_000
"""Rows × draws averaged over unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Heterogeneity:
    """What the posterior says of each sd near zero.

    Parameters
    ----------
    table
        Index `sd`; `median`, `epsilon`, `P(sd < epsilon)` with its `prior`, `ratio` of posterior to prior density at 0
        with its Monte Carlo standard error `mcse`, the ratio under a prior half (`ratio, prior × 1/2`) and twice as
        wide (`ratio, prior × 2`), `from`, and a `reading`. `from` is `density at 0` where the draws come near 0, else
        `marginal likelihoods`. Where both have an error above a quarter of the ratio, or random effects of crossed or
        nested factors, or many, cannot be integrated out, it is `bound`: the ratio is NaN and at most `at most`, as is
        a ratio below 1e-299, whatever it is from.
    densities
        By sd, a table of the prior and posterior density: columns `sd`, `prior`, `posterior`.
    scale
        Of the sds.
    """

    table: pd.DataFrame
    densities: Mapping[str, pd.DataFrame]
    scale: str

    def plot(self, sd: str | None = None, *, references: Mapping[str, float] | None = None) -> "Picture":
        """Draw the prior and posterior density of an sd: see `bayesglmm.plots.sd_density`."""
        from bayesglmm.plots.sd_density import sd_density

        known = list(self.densities)
        name = known[0] if sd is None else choose("sd", find(sd, known) or sd, known)
        return sd_density(name, self.densities[name], self.scale, references=references)

    def __str__(self) -> str:
        """Return the table and what its ratio is."""
        return (
            f"{plain_table(self.table).to_string(float_format='{:.3g}'.format)}\n\n"
            "ratio: posterior / prior density at sd = 0, the Bayes factor of the model without these effects against "
            "the one with them.\nIt depends on the prior of the sd at any amount of data: one far wider than the data "
            "favour raises it." + (_SAY_BOUND if (self.table["from"] == _BOUND).any() else "")
        )

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)


def heterogeneity(fit: Fitted, *, epsilon: float | None = None, draws: int | None = None) -> Heterogeneity:
    """Say of each sd how probable it is that it hardly differs from zero.

    Parameters
    ----------
    fit
        The fit.
    epsilon
        Below it an sd counts as none, on the scale of the linear predictor; None for a tenth of the scale that default
        priors are made of, s_y/s_z: 0.1 for an intercept under log and the probability links.
    draws
        On how many draws of the posterior, evenly spaced, the density at 0 is averaged, and on how many of these at
        most marginal likelihoods are computed; None for 200 to 2,000, the more the fewer rows there are, with no
        marginal likelihoods where they take more than some ten seconds.

    Returns
    -------
    Heterogeneity

    Raises
    ------
    OptionError
        If the model has no random effects, the fit is of the prior alone, or an option is not above zero.

    References
    ----------
    Dickey (1971); Gelfand & Smith (1990); Verdinelli & Wasserman (1995); Meng & Wong (1996).
    """
    from bayesglmm.posterior.log_likelihood import Likelihood

    _check(fit, epsilon, draws)
    model, posterior = fit.model, fit.posterior
    wanted = draws or min(max(_CELLS // model.design.n, 200), 2000)
    fewer = posterior.isel(draw=slice(None, None, max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // wanted)))
    unit, likelihood = scales(model.design, model.family), Likelihood.of(model)
    rows, densities, evidence = {}, {}, Evidence.of(fit, draws)
    for number, block in enumerate(model.design.blocks):
        sds = Draws(posterior, model.design).sd(block)
        for j, column in enumerate(block.columns):
            name = f"sd_{block.name}[{column}]"
            prior = model.priors.sd[block.name][j].prior
            near = epsilon or 0.1 * unit.response / unit.blocks[number][j]
            line = _lines(likelihood, Draws(fewer, model.design), number, j, prior)
            ratio, source = _at_zero(line, fewer.sizes["chain"]), _DENSITY
            if not ratio.error <= _SURE and evidence is not None:
                other = evidence.without(number, j)
                ratio, source = (ratio, source) if ratio.error <= other.error else (other, _EVIDENCE)
            rows[name] = _row(sds[:, j], near, prior, ratio, source, posterior.sizes["chain"])
            densities[name] = _density(sds[:, j], prior, line)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "sd"
    return Heterogeneity(table, densities, f"{model.family.link.name} scale")


def _check(fit: Fitted, epsilon: float | None, draws: int | None) -> None:
    if not fit.model.design.blocks:
        raise OptionError("the model has no random effects: its formula has no block (… | group), so there is no sd")
    if fit.draws.attrs.get("prior_only"):
        raise OptionError("these are draws from the prior alone: fit the data to compare with it")
    if epsilon is not None and not epsilon > 0:
        raise OptionError(f"epsilon={epsilon!r} is not above zero; it is an sd on the scale of the linear predictor")
    if draws is not None and draws < 100:
        raise OptionError(f"draws={draws!r} is too few to average over; give 100 or more")


@dataclass(frozen=True, eq=False)
class _Lines:
    """The density of one σ given the rest of each draw.

    Parameters
    ----------
    log_sd
        (s, nodes) where it is known.
    log_ratio
        (s, nodes) the log of its ratio to the prior density there.
    at_zero
        (s,) that ratio at σ = 0.
    """

    log_sd: Array
    log_ratio: Array
    at_zero: Array


def _lines(likelihood: "Likelihood", draws: Draws, number: int, j: int, prior: Prior) -> _Lines:
    """Follow the likelihood of each draw along σ, from 0 to far beyond the draw's own."""
    blocks = draws.design.blocks
    b = [draws.b(block) for block in blocks]
    drawn = draws.sd(blocks[number])[:, j]
    rest = [effects.copy() if i == number else effects for i, effects in enumerate(b)]
    rest[number][:, :, j] = 0.0
    base = likelihood.eta(draws.beta, rest)
    slope = likelihood.eta(draws.beta, b) - base
    own = likelihood.parameters(draws.parameters(likelihood.model.family), draws.size)
    share = np.concatenate([[0.0], np.exp(_NODES)])
    values = np.empty((draws.size, len(share)))
    with np.errstate(all="ignore"):
        for i in range(draws.size):
            eta = base[i] + share[:, None] * slope[i]
            values[i] = likelihood.at(eta, np.broadcast_to(own[i], (len(share), own.shape[1])))
    values = np.nan_to_num(values, nan=-np.inf, posinf=-np.inf)
    log_sd = np.log(np.maximum(drawn, 1e-300))[:, None] + _NODES
    log_prior = log_density(prior, np.exp(log_sd))
    total = np.logaddexp.reduce(values[:, 1:] + log_prior + log_sd + np.log(_WEIGHTS), axis=1)
    return _Lines(log_sd, values[:, 1:] - total[:, None], np.exp(values[:, 0] - total))


def _at_zero(line: _Lines, chains: int) -> Measured:
    """Return the log ratio of posterior to prior density at 0, averaged over draws."""
    import arviz as az

    top = float(line.at_zero.max())
    if not top > 0:
        return Measured(-np.inf, np.inf)
    relative = (line.at_zero / top).reshape(chains, -1)
    mean = float(relative.mean())
    return Measured(float(np.log(top * mean)), float(az.mcse(relative, method="mean")) / mean)


def _row(sd: Array, epsilon: float, prior: Prior, found: Measured, source: str, chains: int) -> dict[str, Any]:
    """Return the row of an sd (s,) in the table."""
    known = found.error <= _UNSURE and found.log > _SMALLEST
    if known:
        ratio, most, error = float(np.exp(found.log)), np.nan, found.error
    else:
        small = found.error <= _UNSURE
        ratio, most, error = np.nan, float(np.exp(_SMALLEST)) if small else _bound(sd, prior, chains), np.nan
    values = [(ratio if known else most) / _evidence(sd, prior, factor) for factor in (1.0, 0.5, 2.0)]
    return {
        "median": float(np.median(sd)),
        "epsilon": epsilon,
        "P(sd < epsilon)": float(np.mean(sd < epsilon)),
        "prior": _below(prior, epsilon),
        "ratio": ratio,
        "mcse": error * ratio,
        "at most": most,
        "ratio, prior × 1/2": values[1] if known else np.nan,
        "ratio, prior × 2": values[2] if known else np.nan,
        "from": source if found.error <= _UNSURE else _BOUND,
        "reading": _reading(values) if known else _reading_of_bound(values),
    }


def _bound(sd: Array, prior: Prior, chains: int) -> float:
    """Return what the ratio at 0 is at most, if it does not fall from there to the smallest draw.

    The posterior probability of an sd below the smallest draw is then at least the ratio times the prior's; with so
    many draws, none of them there, it is at most 3 by their effective number, with 95 % confidence. Small draws come in
    clusters, which the effective number of a quantile does not see: of the effective draws, the extremal index counts.
    """
    import arviz as az

    each = sd.reshape(chains, -1)
    effective = min(float(az.ess(each, method="quantile", prob=0.025)), float(len(sd))) * _extremal_index(each)
    return float(_MISSED / effective / _below(prior, float(sd.min())))


def _extremal_index(each: Array) -> float:
    """Return one over the mean size of the clusters in which a chain's smallest draws come, from draws (chains, s).

    The estimator from the gaps between draws below a quantile (Ferro & Segers 2003).
    """
    low = np.quantile(each, _SMALL)
    gaps = np.concatenate([np.diff(np.flatnonzero(chain < low)) for chain in each]).astype(float)
    if not len(gaps):
        return 1.0
    if gaps.max() <= 2:
        return float(min(1.0, 2 * gaps.sum() ** 2 / (len(gaps) * np.square(gaps).sum())))
    return float(min(1.0, 2 * (gaps - 1).sum() ** 2 / (len(gaps) * ((gaps - 1) * (gaps - 2)).sum())))


def _reading_of_bound(bounds: list[float]) -> str:
    """Say what bounds of the ratio under three priors tell."""
    if max(bounds) < 1 / _DECIDES:
        return "the data speak for such effects"
    return "these draws do not tell: more of them may"


def _reading(ratios: list[float]) -> str:
    """Say what the ratios under three priors agree on."""
    if min(ratios) > _DECIDES:
        return "the data speak against such effects"
    if max(ratios) < 1 / _DECIDES:
        return "the data speak for such effects"
    return "the data hardly decide"


def _evidence(sd: Array, prior: Prior, factor: float) -> float:
    """Return the marginal likelihood under a prior wider by a factor, relative to that under the prior."""
    other = log_density(prior, sd / factor) - np.log(factor)
    return float(np.exp(np.logaddexp.reduce(other - log_density(prior, sd)) - np.log(len(sd))))


def _below(prior: Prior, epsilon: float) -> float:
    """Return the prior probability of an sd below ε, by the trapezoid in log σ."""
    log_sd = np.log(epsilon) + np.linspace(-40, 0, 4001)
    return float(np.trapezoid(np.exp(log_density(prior, np.exp(log_sd)) + log_sd), log_sd))


def _density(sd: Array, prior: Prior, line: _Lines) -> pd.DataFrame:
    """Return the prior and the posterior density on a grid from 0 to beyond the draws."""
    from scipy.interpolate import PchipInterpolator  # a second of import, which a fit does not wait for

    grid = np.linspace(0.0, 1.15 * float(np.quantile(sd, 0.995)), 241)
    grid[0] = grid[1] * 1e-6
    before = np.exp(log_density(prior, grid))
    ratios = []
    for nodes, values, zero in zip(line.log_sd, line.log_ratio, line.at_zero, strict=True):
        at = np.clip(np.log(grid), nodes[0], nodes[-1])
        between = PchipInterpolator(nodes, np.maximum(values, values.max() - _DEEP))(at)
        ratios.append(np.where(np.log(grid) < nodes[0], zero, np.exp(between)))
    return pd.DataFrame({"sd": grid, "prior": before, "posterior": before * np.mean(ratios, axis=0)})

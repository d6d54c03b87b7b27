"""`icc`: the share of the variance that lies between groups, on the latent or on the response scale.

References
----------
Goldstein, Browne & Rasbash (2002), Understanding Statistics 1, 223-231.
Nakagawa, Johnson & Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.
Morris (1982), Annals of Statistics 10, 65-80: quadratic variance functions.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, OptionError, choose, listing
from bayesglmm.estimands.frames import distinct_rows
from bayesglmm.marginalize.covariance import shared_covariance
from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.posterior.draws import Draws, chunks, linear_predictor, variance_over_b
from bayesglmm.posterior.inference import said
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import LINKS

__all__ = [
    "SCALES",
    "IccScale",
    "icc",
    "icc_draws",
    "latent_residual",
    "latent_shares",
    "quadratic_variance",
    "variances_by_factor",
]

type Array = NDArray[np.float64]
type IccScale = Literal["latent", "response"]

SCALES: tuple[IccScale, ...] = get_args(IccScale.__value__)
"""The scale of the variance: of a latent variable with mean η, or of the outcome."""


def icc(fit: Fitted, new_data: object = None, *, scale: str = "latent", ci_prob: float = 0.95) -> pd.DataFrame:
    """Tabulate how much of the variance of an outcome, given its predictors, lies between groups.

    Parameters
    ----------
    fit
        The fit.
    new_data
        Rows to average over: with random slopes, and on the response scale always, the shares depend on the
        predictors. None for the observed rows; one row asks for one value of the predictors.
    scale
        - `"latent"`: zᵀGz of each factor against a residual, which is σ² under the gaussian family with the
          identity link, and for binary outcomes the variance of the latent variable that crosses a
          threshold: π²/3 (logit), 1 (probit), π²/6 (cloglog).
        - `"response"`: of two outcomes at the same x in the same group, their covariance against the variance
          of one outcome, both over b ~ N(0, G) and exactly integrated in each draw; for the binomial family
          an outcome is one trial. This is what counts have, and the correlation that data show.
    ci_prob
        The probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        Index `source`: each grouping factor, `all factors` where there are several, and `residual`, which is
        1 minus all; columns `mean median sd lower upper` of the posterior. A factor's share is the correlation of two
        outcomes that share it alone. Variances are averaged over the rows before they are divided.
        Described by the attributes `scale`, `estimand`, `residual` and `rows`.

    Raises
    ------
    OptionError
        If the model has no random effects, or the scale is not defined for the family and link.
    DataError
        If the new data lack a predictor or an offset, or a variance is too large for a double.

    References
    ----------
    Goldstein, Browne & Rasbash (2002); Nakagawa, Johnson & Schielzeth (2017).
    """
    interval(ci_prob)
    model = fit.model
    chosen = choose("scale", scale, SCALES)
    design = model.design if new_data is None else model.design.on(new_data, outcome=False, factors=())
    shares = icc_draws(Draws(fit.posterior, model.design), model.family, design, chosen)
    table = summarise(np.column_stack(list(shares.values())), ci_prob)
    table.index = pd.Index(list(shares), name="source")
    table.columns.name = f"share of variance, {chosen} scale"
    table.attrs = _attrs(model.family, chosen, new_data is None, ci_prob)
    table.attrs["estimand"] = said(str(table.attrs["estimand"]), fit.posterior)
    return table


def icc_draws(draws: Draws, family: Family, design: Design, scale: IccScale) -> dict[str, Array]:
    """Return the draws (s,) of each share by its source, as `icc` names them.

    Parameters
    ----------
    draws
        The draws.
    family
        The family.
    design
        The design on the rows that are averaged over.
    scale
        As in `icc`.
    """
    factors = list(dict.fromkeys(block.factor for block in design.blocks))
    if not factors:
        raise OptionError("the model has no random effects, so no variance lies between groups")
    rows, weights = distinct_rows(design)
    weights = weights / weights.sum()
    if scale == "latent":
        residual = latent_residual(draws, family)
        between = {name: np.zeros(draws.size) for name in factors}
        for part in chunks(draws.size, len(rows)):
            for name, v in variances_by_factor(draws, design, rows[part]).items():
                between[name] += v @ weights[part]
        everything, total = _latent_total(between.values(), residual)
    else:
        between, everything, total = _response(draws, family, design, factors, (rows, weights))
    if not (np.isfinite(total) & (total > 0)).all():
        raise DataError("a variance is too large for a double in some draws; look at the posterior of the sds")
    shares = {name: values / total for name, values in between.items()}
    if len(factors) > 1:
        shares["all factors"] = everything / total
    shares["residual"] = 1 - everything / total
    return shares


def latent_shares(between: Mapping[str, Array], residual: Array) -> dict[str, Array]:
    """Return the shares of variances (s,) by name in their total with the residual on the latent scale."""
    _, total = _latent_total(between.values(), residual)
    return {name: variance / total for name, variance in between.items()}


def _latent_total(between: Iterable[Array], residual: Array) -> tuple[Array, Array]:
    """Return the sum of variances between groups, and that with the residual on the latent scale."""
    everything = np.sum(list(between), axis=0)
    return everything, residual + everything


def variances_by_factor(draws: Draws, design: Design, rows: NDArray[np.int64]) -> dict[str, Array]:
    """Return zᵀGz of each factor, (s, rows), its blocks added; link scale, squared."""
    variances: dict[str, Array] = {}
    for fitted, block in zip(draws.design.blocks, design.blocks, strict=True):
        v = variance_over_b(draws.covariance(fitted), block.z[rows])
        variances[block.factor] = variances[block.factor] + v if block.factor in variances else v
    return variances


def _response(
    draws: Draws, family: Family, design: Design, factors: list[str], weighted: tuple[NDArray[np.int64], Array]
) -> tuple[dict[str, Array], Array, Array]:
    """Return the covariances by factor, that of all factors and the variance of an outcome, each (s,)."""
    link = family.link
    if not link.averages:
        raise OptionError(
            f"the mean under the {link.name} link has no average over Gaussian random effects, so no variance"
        )
    parameters, exposures = draws.parameters(family), design.exposures
    between = {name: np.zeros(draws.size) for name in factors}
    between_all, within = np.zeros(draws.size), np.zeros(draws.size)
    rows, weights = weighted
    for part in chunks(draws.size, len(rows)):
        i, weight = rows[part], weights[part]
        eta = linear_predictor(draws.beta, design.x[i], design.offset[i])
        by_factor = variances_by_factor(draws, design, i)
        v = np.sum(list(by_factor.values()), axis=0)
        mean = mean_over_b(link, eta, v)
        covariance_all = shared_covariance(link, eta, v)
        for name, v_factor in by_factor.items():
            covariance_factor = (
                covariance_all
                if len(factors) == 1
                else shared_covariance(link, eta, v_factor, np.maximum(v - v_factor, 0.0))
            )
            between[name] += covariance_factor @ weight
        between_all += covariance_all @ weight
        constant, linear, square = quadratic_variance(family, parameters, exposure=exposures[i])
        within += (constant + linear * mean + square * (covariance_all + mean**2)) @ weight
    return between, between_all, between_all + within


def quadratic_variance(
    family: Family, parameters: Mapping[str, Array], instead: str = "scale='latent'", exposure: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return a, b, c, each (s, r), of the variance a + bμ + cμ² of one outcome of r rows.

    Parameters
    ----------
    family, parameters
        The family, and its parameters (s, 1) by name.
    instead
        What errors say to use instead.
    exposure
        (r,) the exposures of the rows; None for 1.

    Raises
    ------
    OptionError
        If the variance is infinite, or not a quadratic function of the mean.
    """
    units = np.ones((1, 1)) if exposure is None else exposure

    def variance(mu: float) -> Array:
        return np.asarray(family.variance(np.full((1, 1), mu), parameters, units))

    low, middle, high = variance(0.25), variance(0.5), variance(0.75)
    if not all(np.isfinite(values).all() for values in (low, middle, high)):
        raise OptionError(
            f"the variance of the {family.name} family is infinite in some draws (nu of 2 or less), so it has no shares"
        )
    square = 8 * (low - 2 * middle + high)
    linear = 2 * (high - low) - square
    constant = middle - linear / 2 - square / 4
    if not np.allclose(constant + 0.1 * linear + 0.01 * square, variance(0.1), rtol=1e-8):
        raise OptionError(f"the variance of the {family.name} family is not quadratic in the mean; use {instead}")
    return constant, linear, square


def latent_residual(draws: Draws, family: Family) -> Array:
    """Return the variance of the residual on the latent scale, (s,) or a number for all draws."""
    residual = family.latent_residual
    if residual is not None:
        return residual(draws.parameters(family), draws.size)
    link = family.link
    if family.outcome_type in ("binary", "trials"):
        reason = link.latent_text or f"the {link.name} link does not say what variance its latent variable has"
    else:
        reason = (
            f"the {family.name} family with the {link.name} link has no residual on the latent scale: that is defined "
            "for the gaussian family with the identity link and for binary outcomes with the links "
            f"{listing(name for name, other in LINKS.items() if other.latent_variance is not None)}"
        )
    raise OptionError(f"{reason}; use scale='response'")


def _attrs(family: Family, scale: IccScale, observed: bool, ci_prob: float) -> dict[Hashable | None, object]:
    """Return the attributes of the table."""
    rows = "the observed rows" if observed else "the rows given"
    if scale == "latent":
        residual = family.latent_text
        estimand = f"zᵀGz of a factor / (zᵀGz of all + residual), averaged over {rows} before dividing"
    else:
        residual = f"variance of an outcome of the {family.name} family given b, averaged over b"
        estimand = (
            "covariance over b ~ N(0, G) of two outcomes at the same x that share a factor alone / variance of one, "
            f"averaged over {rows} before dividing"
        )
        if family.outcome_type == "trials":
            estimand += "; an outcome is one trial"
    return {
        "frame": "population",
        "scale": scale,
        "estimand": estimand,
        "residual": residual,
        "rows": rows,
        "ci_prob": ci_prob,
    }

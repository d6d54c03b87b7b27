"""The coefficients twice: conditional on b = 0, and marginal, of the population's mean.

The marginal coefficients are those of the linear predictor that comes nearest to that of the population's mean
over the observed rows, β_m = (XᵀWX)⁻¹ XᵀW (g(E(Y | X)) − offset), in each draw.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Hedeker, du Toit, Demirtas & Gibbons (2018), Biometrics 74, 354-361.
"""

from collections.abc import Hashable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands.frames import distinct_rows
from bayesglmm.marginalize.mean import link_of_mean
from bayesglmm.posterior.draws import Draws, chunks, linear_predictor, variance_over_b
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.summaries import NO_GROUPS, interval
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link

__all__ = ["METHODS", "Method", "coefficients", "marginal_draws"]

type Array = NDArray[np.float64]
type Method = Literal["exact", "zeger", "none"]

METHODS: tuple[Method, ...] = ("exact", "zeger", "none")
"""How the marginal coefficients are found, if at all."""

_DIRECTION = {"conditional": "p_direction", "marginal": "marginal_p_direction"}


def coefficients(
    fit: Fitted, *, exponentiate: bool = False, ci_prob: float = 0.95, method: str = "exact"
) -> pd.DataFrame:
    """Tabulate the coefficients, conditional on b = 0 and marginal beside each other.

    A conditional coefficient compares at the same random effects; a marginal one compares averages over the
    population N(0, G) of them. They are equal where nothing is averaged over, and under the identity link.

    Parameters
    ----------
    fit
        The fit.
    exponentiate
        Whether to show exp(coefficient), which is a ratio with a name under some links: odds ratio, rate
        ratio. Of the intercept it is no ratio but the odds, rate or mean itself where all predictors are 0.
    ci_prob
        The probability of the equal-tailed intervals.
    method
        How the marginal coefficients are found:

        - `"exact"`: from E(Y | x) integrated over b, then projected on the columns over the observed
          rows (Hedeker et al. 2018). A row of the binomial family counts as often as it has trials.
        - `"zeger"`: from the approximation η/√(1 + c² zᵀGz), c = 16√3/(15π), of Zeger, Liang & Albert
          (1988), for comparison; of the logit link alone.
        - `"none"`: not at all.

    Returns
    -------
    pandas.DataFrame
        Index `coefficient`; columns `conditional conditional_lower conditional_upper`, `marginal
        marginal_lower marginal_upper` unless without, and `p_direction` and `marginal_p_direction`, the
        posterior probability that a coefficient has the sign of its median. Points are posterior medians, so
        that the exponential of a point is the point of the exponential. The name of the columns, and the
        attributes `quantity`, `frame`, `marginal`, `point` and `ci_prob`, say what the numbers are. In a model without
        random effects, where there is nothing to be conditional on, both are the same and the attributes say so.

    Raises
    ------
    OptionError
        If the model has no coefficients, exp(coefficient) has no name under the link, the method is not
        defined for the link, or the average over b does not exist.

    References
    ----------
    Zeger, Liang & Albert (1988); Hedeker et al. (2018).
    """
    model, probabilities = fit.model, interval(ci_prob)
    chosen = choose("method", method, METHODS)
    if not model.design.coef:
        raise OptionError("the model has no population-level coefficients")
    quantity = _quantity(model.family, exponentiate)
    draws = Draws(fit.posterior, model.design)
    beta = draws.beta
    shown = {"conditional": beta}
    if chosen != "none":
        shown["marginal"] = marginal_draws(draws, model.family, chosen)
    columns: dict[str, Array] = {}
    for name, values in shown.items():
        middle, lower, upper = np.quantile(values, (0.5, *probabilities), axis=0)
        columns |= {name: middle, f"{name}_lower": lower, f"{name}_upper": upper}
    if exponentiate:
        columns = {name: np.exp(values) for name, values in columns.items()}
    for name, values in shown.items():
        columns[_DIRECTION[name]] = (np.sign(values) == np.sign(np.median(values, axis=0))).mean(axis=0)
    table = pd.DataFrame(columns, index=pd.Index(model.design.coef, name="coefficient"))
    table.columns.name = quantity
    table.attrs = _attrs(fit, quantity, exponentiate, chosen, ci_prob)
    return table


def marginal_draws(draws: Draws, family: Family, method: Method = "exact") -> Array:
    """Return the draws of the marginal coefficients, shape (s, p), link scale.

    Parameters
    ----------
    draws
        The draws.
    family
        The family, whose link is meant.
    method
        `"exact"` or `"zeger"`, as in `coefficients`.

    Raises
    ------
    OptionError
        As `coefficients`.
    """
    design, link, beta = draws.design, family.link, draws.beta
    if method == "zeger" and link.probit_slope is None:
        raise OptionError(
            f"method='zeger' approximates averages under the logit link and is not defined for the {link.name} link; "
            "use method='exact'"
        )
    if not design.blocks or link.additive:
        return beta
    if not link.averages:
        raise OptionError(
            f"the mean under the {link.name} link has no average over Gaussian random effects, so there are no "
            "marginal coefficients; method='none' gives the conditional ones, and the log link has both"
        )
    rows, weights = distinct_rows(design)
    covariances = [draws.covariance(block) for block in design.blocks]
    x, offset = design.x[rows], design.offset[rows]
    projection = _projection(x, weights)
    z = [block.z[rows] for block in design.blocks]
    total = np.zeros_like(beta)
    for part in chunks(draws.size, len(rows)):
        eta = linear_predictor(beta, x[part], offset[part])
        v = np.sum([variance_over_b(g, columns[part]) for g, columns in zip(covariances, z, strict=True)], axis=0)
        total += (_averaged(link, eta, v, method) - offset[part]) @ projection[part]
    return total


def _averaged(link: Link, eta: Array, v: Array, method: Method) -> Array:
    """Return the linear predictor of the population's mean, shape (s, n)."""
    if method == "zeger" and link.probit_slope is not None:
        return np.asarray(eta / np.sqrt(1 + link.probit_slope**2 * v))
    return link_of_mean(link, eta, v)


def _projection(x: Array, weights: Array) -> Array:
    """Return what projects values of rows on the columns by weighted least squares, (XᵀWX)⁻¹XᵀW transposed, (n, p)."""
    root = np.sqrt(weights)[:, None]
    q, r = np.linalg.qr(root * x)
    return np.asarray(root * np.linalg.solve(r, q.T).T)


def _quantity(family: Family, exponentiate: bool) -> str:
    """Name what the table holds."""
    link, ratio = family.link.name, family.ratio
    if not exponentiate:
        return f"log {ratio}" if ratio else f"coefficient, {link} link"
    if ratio is None:
        named = [name for name in family.links if name in family.effect]
        instead = f"; it has under {listing(named)}" if named else ""
        raise OptionError(
            f"exp(coefficient) has no meaning of its own under the {link} link of the {family.name} family{instead}; "
            "leave out exponentiate, or compare predictions"
        )
    return ratio


def _attrs(
    fit: Fitted, quantity: str, exponentiated: bool, method: Method, ci_prob: float
) -> dict[Hashable | None, object]:
    """Return what the table says about itself."""
    design, link = fit.model.design, fit.model.family.link
    factors = listing(dict.fromkeys(block.factor for block in design.blocks))
    attrs: dict[Hashable | None, object] = {
        "quantity": quantity,
        "frame": "conditional: typical (b = 0)" if factors else NO_GROUPS,
        "point": "posterior median",
        "ci_prob": ci_prob,
        "link": link.name,
    }
    if exponentiated and design.has_intercept:
        attrs["intercept"] = "exp(Intercept) is no ratio: the odds, rate or mean where all predictors are 0"
    if quantity.endswith("hazard ratio"):
        note = (
            "under the cloglog link exp(coefficient) is the ratio of −log(1 − p): of hazards where the outcome is an "
            "event by the end of an interval"
        )
        attrs["note"] = f"{note}; averaged over random effects, hazards are not proportional" if factors else note
    if method == "none":
        return attrs
    if not factors:
        attrs["marginal"] = f"the same: {NO_GROUPS}"
    elif link.additive:
        attrs["marginal"] = f"population (averaged over {factors}): the same under the {link.name} link"
    elif method == "zeger":
        attrs["marginal"] = f"population (averaged over {factors}): Zeger-Liang-Albert approximation, not exact"
    else:
        attrs["marginal"] = (
            f"population (averaged over {factors}, exactly in each draw), projected on the columns over the observed "
            "rows (Hedeker et al. 2018)"
        )
    return attrs

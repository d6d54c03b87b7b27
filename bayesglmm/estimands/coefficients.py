"""`coefficients`: conditional on b = 0, and marginal: of the linear predictor nearest to g(population mean).

The marginal coefficients are a weighted least-squares projection over the observed rows, in each draw:
β_m = (XᵀWX)⁻¹ XᵀW (g(E(Y | X)) − offset).

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Hedeker, du Toit, Demirtas & Gibbons (2018), Biometrics 74, 354-361.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands.frames import distinct_rows
from bayesglmm.marginalize.mean import link_of_mean
from bayesglmm.posterior.draws import Draws, chunks, linear_predictor, variance_over_b
from bayesglmm.posterior.inference import INFERENCE, is_posterior, said
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.summaries import NO_GROUPS
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["METHODS", "Coefficients", "Method", "coefficients", "marginal_draws"]

type Array = NDArray[np.float64]
type Method = Literal["exact", "zeger", "none"]

METHODS: tuple[Method, ...] = get_args(Method.__value__)
"""How the marginal coefficients are found, if at all."""

_PRINTED = ["median", "lower", "upper", "probability_positive"]
"""The columns of the table that text and HTML show, the frames side by side."""


@dataclass(frozen=True, eq=False, repr=False)
class Coefficients(Result):
    """Coefficients, conditional on b = 0 and marginal; `coefficients` makes one.

    Parameters
    ----------
    link_draws
        Draws on the link scale: dims `chain`, `draw`, `coefficient`, `frame`, of which `frame` is `"conditional"` and,
        unless left out, `"marginal"`; described by the attributes `quantity`, `conditional`, `marginal` and `link`.
    exponentiated
        Whether `draws` and tables are of exp(coefficient).
    ratio
        The name of exp(coefficient), such as `"rate ratio"`; None where it has none.
    scale
        What the scale of the linear predictor is called.
    grouped
        Whether the model has random effects.
    ci_prob
        The probability of the equal-tailed intervals.
    """

    link_draws: xr.DataArray
    exponentiated: bool
    ratio: str | None
    scale: str
    grouped: bool
    ci_prob: float = 0.95

    @property
    def draws(self) -> xr.DataArray:
        """The draws on the scale of the table, dims `chain`, `draw`, `coefficient`, `frame`."""
        draws = self.link_draws
        return draws.copy(data=np.exp(draws.values)) if self.exponentiated else draws

    @property
    def frames(self) -> tuple[str, ...]:
        """`"conditional"`, and `"marginal"` unless left out."""
        return tuple(self.link_draws["frame"].values.tolist())

    @property
    def table(self) -> pd.DataFrame:
        """Summarise the draws.

        Returns
        -------
        pandas.DataFrame
            Index `coefficient`, `frame`; columns `mean median sd lower upper` of the posterior, with equal-tailed
            intervals, and `probability_positive`, the posterior probability that the coefficient is above 0, which is
            that exp(coefficient) is above 1 (draws of no posterior have none). The median and the ends of the
            interval of exp(coefficient) are the exponentials of those of the coefficient. The attributes `quantity`,
            `conditional`, `marginal` and `ci_prob` say what the numbers are.
        """
        draws = self.link_draws.transpose("chain", "draw", "coefficient", "frame").values
        flat = draws.reshape(-1, draws.shape[2] * draws.shape[3])
        table = summarise(flat, self.ci_prob)
        if self.exponentiated:
            exponentials = np.exp(flat)
            table["mean"], table["sd"] = exponentials.mean(axis=0), exponentials.std(axis=0, ddof=1)
            table[["median", "lower", "upper"]] = np.exp(table[["median", "lower", "upper"]])
        if is_posterior(self.link_draws):
            table["probability_positive"] = (flat > 0).mean(axis=0)
        names = self.link_draws["coefficient"].values.tolist()
        table.index = pd.MultiIndex.from_product([names, self.frames], names=["coefficient", "frame"])
        table.attrs = self._attrs()
        return table

    @property
    def wide(self) -> pd.DataFrame:
        """The table with the frames side by side: index `coefficient`, columns by frame and statistic."""
        long = self.table
        frames = {frame: long.xs(frame, level="frame") for frame in self.frames}
        table = pd.concat(frames, axis=1, names=["frame", self.link_draws.attrs["quantity"]])
        table.attrs = self._attrs()
        return table

    def plot(self, *, intercept: bool = False) -> "Picture":
        """Draw the conditional coefficients as a forest: see `bayesglmm.plots.coefficients`."""
        from bayesglmm.plots.coefficients import draw

        return draw(self, intercept=intercept)

    def _attrs(self) -> dict[Hashable | None, object]:
        return {**self.link_draws.attrs, "ci_prob": self.ci_prob}

    def _layout(self) -> Layout:
        attrs = self.link_draws.attrs
        frames = [f"{frame}: {attrs[frame]}" for frame in self.frames] if self.grouped else [NO_GROUPS]
        notes = [str(attrs[name]) for name in ("intercept", "note") if name in attrs]
        interval_text = f"{100 * self.ci_prob:g} % equal-tailed intervals"
        above = (said(f"{attrs['quantity']}; {interval_text}", self.link_draws), *frames, *notes)
        printed = [name for name in _PRINTED if name in self.table]
        columns = [(frame, name) for frame in self.frames for name in printed]
        alone = self.table.loc[pd.IndexSlice[:, "conditional"], printed].droplevel("frame")
        shown = self.wide[columns] if self.grouped else alone
        return Layout(above, shown, self._below(), {"float_format": "{:.3f}".format}, 110)

    @property
    def attenuation(self) -> pd.Series:
        """The marginal coefficients divided by the conditional ones, medians on the link scale, without the intercept.

        Empty where nothing is averaged over. Under the logit link with a random intercept all are near
        1 / √(1 + 0.346 σ²) (Zeger, Liang & Albert 1988).
        """
        if not self.grouped or "marginal" not in self.frames:
            return pd.Series(dtype=float)
        medians = self.link_draws.median(("chain", "draw"))
        ratio = (medians.sel(frame="marginal", drop=True) / medians.sel(frame="conditional", drop=True)).to_series()
        return ratio.drop("Intercept", errors="ignore").rename("attenuation")

    def _below(self) -> tuple[str, ...]:
        ratios = self.attenuation
        if ratios.empty or np.allclose(ratios, 1.0, atol=1e-9):
            return ()
        conditional = self.table.xs("conditional", level="frame").loc[ratios.index]
        away = (conditional["lower"] > self._null) | (conditional["upper"] < self._null)
        texts = [f"{name} {value:.2f}" for name, value in ratios[away].items()]
        return (f"marginal / conditional, of those whose interval excludes 0: {', '.join(texts)}",) if texts else ()

    @property
    def _null(self) -> float:
        return 1.0 if self.exponentiated else 0.0


def coefficients(
    fit: Fitted, *, exponentiate: bool = False, ci_prob: float = 0.95, method: str = "exact"
) -> Coefficients:
    """Return the coefficients, conditional on b = 0 and marginal.

    A conditional coefficient compares at the same random effects; a marginal one compares averages over the
    population N(0, G) of them. They are equal where nothing is averaged over, and under the identity link.

    Parameters
    ----------
    fit
        The fit.
    exponentiate
        Whether to return exp(coefficient), which is a ratio with a name under some links: odds ratio, rate
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
    Coefficients
        With a row a coefficient and frame in `table`; the frames are side by side in print. In a model without random
        effects, where there is nothing to be conditional on, both are the same and the attributes say so.

    Raises
    ------
    OptionError
        If the model has no coefficients, exp(coefficient) has no name under the link, the method is not
        defined for the link, or the average over b does not exist.

    References
    ----------
    Zeger, Liang & Albert (1988); Hedeker et al. (2018).
    """
    interval(ci_prob)
    model, posterior = fit.model, fit.posterior
    method = choose("method", method, METHODS)
    if not model.design.coef:
        raise OptionError("the model has no population-level coefficients")
    quantity = _quantity(model.family, exponentiate)
    draws = Draws(posterior, model.design)
    frames = {"conditional": draws.beta}
    if method != "none":
        frames["marginal"] = marginal_draws(draws, model.family, method)
    sizes = [posterior.sizes[dim] for dim in ("chain", "draw")]
    values = np.stack(list(frames.values()), axis=2)
    coords: dict[str, Any] = {dim: posterior[dim].values for dim in ("chain", "draw")}
    coords |= {"coefficient": list(model.design.coef), "frame": list(frames)}
    attrs = _attrs(fit, quantity, exponentiate, method)
    shaped = values.reshape(*sizes, *values.shape[1:])
    link_draws = xr.DataArray(shaped, coords, ("chain", "draw", "coefficient", "frame"), attrs=attrs)
    link = model.family.link
    return Coefficients(link_draws, exponentiate, model.family.ratio, link.scale, bool(model.design.blocks), ci_prob)


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
    """Return the projection on the columns by weighted least squares, (XᵀWX)⁻¹XᵀW transposed, (n, p)."""
    root = np.sqrt(weights)[:, None]
    q, r = np.linalg.qr(root * x)
    return np.asarray(root * np.linalg.solve(r, q.T).T)


def _quantity(family: Family, exponentiate: bool) -> str:
    """Name the quantity of the table."""
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


def _attrs(fit: Fitted, quantity: str, exponentiated: bool, method: Method) -> dict[Hashable, object]:
    """Return the attributes of draws and tables."""
    design, link = fit.model.design, fit.model.family.link
    factors = listing(dict.fromkeys(block.factor for block in design.blocks))
    attrs: dict[Hashable, object] = {
        "quantity": quantity,
        **{name: value for name, value in fit.posterior.attrs.items() if name == INFERENCE},
        "conditional": "typical (b = 0)" if factors else NO_GROUPS,
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

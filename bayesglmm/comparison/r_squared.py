"""`r_squared(fit)`: the share of an outcome's variance that a model explains, by frame.

    population    the predictors explain, differences between groups do not: the marginal R²
    group         predictors and the effects of the observed groups explain: the conditional R²

On the response scale it is, in each draw, Var(μ) / (Var(μ) + E V), with Var(μ) over the rows of the expected outcome
in that frame, and E V the average over the rows of the variance of an outcome about it.

References
----------
Gelman, Goodrich, Gabry & Vehtari (2019), The American Statistician 73, 307-309.
Nakagawa & Schielzeth (2013), Methods in Ecology and Evolution 4, 133-142: marginal and conditional R².
Nakagawa, Johnson & Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import DataError, OptionError, listing
from bayesglmm.estimands.frames import FRAMES, NamedFrame, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.icc import latent_residual, quadratic_variance
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.marginalize.covariance import shared_covariance
from bayesglmm.posterior.draws import chunks, linear_predictor, variance_over_b
from bayesglmm.posterior.inference import said
from bayesglmm.posterior.moments import summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.summaries import NO_GROUPS
from bayesglmm.specify.design import Design

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RSquared", "r_squared", "row_weights"]

type Array = NDArray[np.float64]

_EXPLAINED = {
    "population": "frame population: predictors explain, differences between groups do not (marginal R²)",
    "group": "frame group: predictors and the effects of the observed groups explain (conditional R²)",
}


@dataclass(frozen=True, eq=False, repr=False)
class RSquared(Result):
    """The share of the variance of an outcome that a model explains.

    Parameters
    ----------
    draws
        Dims `chain`, `draw`, `frame`; between 0 and 1. Attributes `estimand` and `scale`.
    ci_prob
        The probability of the equal-tailed intervals of the table.
    """

    draws: xr.DataArray
    ci_prob: float = 0.95

    @property
    def table(self) -> pd.DataFrame:
        """Index `frame`; columns `mean median sd lower upper`; attributes `estimand`, `scale` and `ci_prob`."""
        table = summarise(self.draws.values.reshape(-1, self.draws.sizes["frame"]), self.ci_prob)
        table.index = pd.Index(self.draws["frame"].values, name="frame")
        table.attrs = {**self.draws.attrs, "ci_prob": self.ci_prob}
        return table

    def plot(self) -> "Picture":
        """Draw the posterior of R² in each frame: see `bayesglmm.plots.r_squared`."""
        from bayesglmm.plots.r_squared import draw

        return draw(self)

    def _layout(self) -> Layout:
        heading = f"{self.draws.attrs['estimand']}. {100 * self.ci_prob:g} % equal-tailed intervals."
        return Layout((heading,), self.table, options={"float_format": "{:.3f}".format}, width=110)


def r_squared(
    fit: Fitted, *, frame: FrameOption | None = None, scale: str = "response", ci_prob: float = 0.95
) -> RSquared:
    """Return how much of the variance of the outcome a model explains in the observed rows.

    Parameters
    ----------
    fit
        The fit.
    frame
        `"population"`, `"group"`, a mapping of grouping factors to them, or several; None for both.
    scale
        - `"response"`: of the outcome itself, the residual variance being that of the family in each draw (Gelman et
          al. 2019); for the binomial family an outcome is one trial.
        - `"link"`: of the linear predictor with a residual on its scale, which is σ² under the gaussian family with
          the identity link, and π²/3, 1 or π²/6 for binary outcomes; the variance between groups is that of the
          model, zᵀGz (Nakagawa, Johnson & Schielzeth 2017).
    ci_prob
        The probability of the equal-tailed intervals.

    Returns
    -------
    RSquared

    Raises
    ------
    OptionError
        For the frames `"typical"` and `"new_group"`, an unknown frame or scale, or a family whose variance has no
        closed average over the random effects.
    DataError
        If a variance is too large for a double.

    References
    ----------
    Gelman et al. (2019); Nakagawa, Johnson & Schielzeth (2017).
    """
    grouped = bool(fit.model.design.blocks)
    chosen: FrameOption = frame if frame is not None else ("population", "group") if grouped else "population"
    request = read_request(fit, chosen, scale, ci_prob, 0)
    for each in request.frames:
        _refuse_frame(each)
    shares = _on_link_scale if request.scale == "link" else _on_response_scale
    values = [shares(request, each) for each in request.frames]
    names = [each.name for each in request.frames] if grouped else [NO_GROUPS] * len(request.frames)
    sizes = {dim: request.posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: request.posterior[dim].values for dim in sizes} | {"frame": names}
    shaped = np.stack(values, axis=-1).reshape(*sizes.values(), -1)
    attrs = {"estimand": said(_estimand(request), request.posterior), "scale": request.scale}
    return RSquared(xr.DataArray(shaped, coords, ("chain", "draw", "frame"), "r_squared", attrs), ci_prob)


def _refuse_frame(frame: NamedFrame) -> None:
    for name in frame.by_block.values():
        if name not in _EXPLAINED:
            why = {
                "typical": "means at b = 0 are those of no outcome, so they explain no share of its variance",
                "new_group": "the effects of a group not yet seen explain nothing, and what the predictors explain is "
                "in the frame 'population'",
            }[name]
            raise OptionError(f"frame='{name}' has no R²: {why}; use {listing(f"'{known}'" for known in _EXPLAINED)}")


def row_weights(design: Design) -> Array:
    """Return the weight of each row in averages over rows, (n,), of sum 1: its weight times its trials."""
    outcome = design.outcome
    assert outcome is not None
    weights = outcome.weights_or_ones * outcome.trials_or_ones
    return np.asarray(weights / weights.sum())


def _on_response_scale(request: Request, frame: NamedFrame) -> Array:
    """Return Var(μ) / (Var(μ) + E V) in each draw, (s,)."""
    model, draws = request.model, request.draws
    family, design, beta = model.family, model.design, request.draws.beta
    parameters = draws.parameters(family)
    random = resolve(draws, design, frame.by_block, np.random.default_rng(0))
    exposures = design.exposures

    def moments(part: slice) -> tuple[Array, Array]:
        """Return the mean of an outcome and its variance about it, each (s, rows)."""
        eta, v = eta_and_variance(beta, design, random, part)
        mean = mean_response(family.link, eta, v)
        if v is None:
            return mean, np.asarray(family.variance(mean, parameters, exposures[part]))
        constant, linear, square = quadratic_variance(family, parameters, "frame='group'", exposures[part])
        between = shared_covariance(family.link, eta, v)
        return mean, between + constant + linear * mean + square * (between + mean**2)

    explained, unexplained = _over_rows(moments, row_weights(design), draws.size)
    return _share(explained, explained + unexplained)


def _on_link_scale(request: Request, frame: NamedFrame) -> Array:
    """Return the share of xβ, and of the blocks in the frame `"group"`, in the variance of the latent outcome, (s,)."""
    model, draws = request.model, request.draws
    design, beta = model.design, request.draws.beta
    blocks = [(draws.covariance(block), block.z, frame.by_block[block.name]) for block in design.blocks]
    residual = np.broadcast_to(latent_residual(draws, model.family), (draws.size,))

    def by_groups(part: slice) -> tuple[Array, Array]:
        eta = linear_predictor(beta, design.x[part], design.offset[part])
        variances = [variance_over_b(g, z[part]) for g, z, name in blocks if name == "group"]
        return eta, np.sum(variances, axis=0) if variances else np.zeros_like(eta)

    def everything(part: slice) -> tuple[Array, Array]:
        eta = linear_predictor(beta, design.x[part], design.offset[part])
        return eta, np.sum([np.zeros_like(eta), *(variance_over_b(g, z[part]) for g, z, _ in blocks)], axis=0)

    weights = row_weights(design)
    fixed, of_groups = _over_rows(by_groups, weights, draws.size)
    _, of_all = _over_rows(everything, weights, draws.size)
    return _share(fixed + of_groups, fixed + of_all + residual)


def _over_rows(moments: Callable[[slice], tuple[Array, Array]], weights: Array, s: int) -> tuple[Array, Array]:
    """Return the variance over rows of the first of two functions of rows, and the average of the second, each (s,).

    The variance is put together from those of chunks of rows (Chan, Golub & LeVeque 1983).
    """
    mean, squares, average, total = np.zeros(s), np.zeros(s), np.zeros(s), 0.0
    for part in chunks(s, len(weights)):
        values, others = moments(part)
        weight = weights[part]
        of_part = weight.sum()
        mean_of_part = values @ weight / of_part
        deviation = mean_of_part - mean
        squares += np.square(values - mean_of_part[:, None]) @ weight
        squares += deviation**2 * total * of_part / (total + of_part)
        mean += deviation * of_part / (total + of_part)
        total += of_part
        average += np.broadcast_to(others, values.shape) @ weight
    return squares / total, average / total


def _share(explained: Array, total: Array) -> Array:
    if not (np.isfinite(total) & (total > 0)).all():
        raise DataError(
            "a variance is infinite or too large for a double in some draws; look at the posterior of the sds and of "
            "the family's parameters"
        )
    return np.asarray(explained / total)


def _estimand(request: Request) -> str:
    """Say what R² is a share of, and what explains in each frame."""
    model = request.model
    outcome = "one trial of " if model.family.outcome_type == "trials" else ""
    response = model.formula.response
    if request.scale == "link":
        what = (
            f"R²: share of the variance of the linear predictor for {response} plus a residual of "
            f"{model.family.latent_text}, with the variance between groups that of the model, zᵀGz"
        )
    else:
        what = (
            f"R²: share of the variance of {outcome}{response} in the observed rows, with the residual variance of the "
            f"{model.family.name} family"
        )
    if model.formula.all_offsets:
        what += ", its offset among the predictors"
    if not model.design.blocks:
        return what
    names = dict.fromkeys(name for frame in request.frames for name in frame.by_block.values())
    return "; ".join([what, *(_EXPLAINED[name] for name in FRAMES if name in names)])

"""`implied_priors(model)`: the priors transformed to the scale of the response.

A prior is set on the link scale, where Normal(0, 2.5) looks vague. Here it is transformed to probabilities or means,
to differences between predictor values and to the spread between groups, in each frame.

References
----------
Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), Journal of the Royal Statistical Society A 182, 389-402.
Goldstein, Browne & Rasbash (2002), Understanding Statistics 1, 223-231: intraclass correlation
    of the latent outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import listing
from bayesglmm.estimands import wording
from bayesglmm.estimands.frames import Frame, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.icc import latent_shares
from bayesglmm.estimands.reference_values import Held, steps
from bayesglmm.posterior.draws import Draws, variance_over_b
from bayesglmm.posterior.moments import interval
from bayesglmm.sensitivity.prior_predictive import hyperparameters
from bayesglmm.specify.design import Design
from bayesglmm.specify.families.links import Range
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["ImpliedPriors", "implied_priors"]

type Array = NDArray[np.float64]

_EXTREME = 0.01
"""A probability counts as extreme below this, or above 1 minus this."""

_FAR = 1000.0
"""A mean counts as extreme by this factor or more from the mean of the data."""

_MOST = 0.5
"""The prior probability of extreme means from which on there is a finding."""

_CAP = 1e-15
"""The least distance of a probability from 0 and 1 in odds."""

_REMEDY = "tighten the priors, as with priors={'slopes': 'normal(0, 1)', 'sd': 'half_normal(1)'}"


@dataclass(frozen=True, eq=False, repr=False)
class ImpliedPriors(Result):
    """The priors on the scale of the response.

    Parameters
    ----------
    table
        One row a quantity and frame: `quantity`, `point` (the baseline, a step from it, or a block), `frame`, the
        prior `median` and its equal-tailed interval `lower`, `upper`; no mean and sd, which ratios need not have.
    draws
        The draws behind it: `mean` (frame, point, draw), of which the first point is the baseline; `difference`
        and `ratio` (frame, step, draw) from it; `spread` and, where there is one, `icc` (block, draw).
    held
        What the baseline holds predictors at.
    findings
        The frames and points whose mean is extreme with a prior probability above 1/2, in words.
    outcome
        What the mean is of.
    range
        The range of the mean, as in `Link`.
    ci_prob
        The probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    draws: xr.Dataset
    held: tuple[Held, ...]
    findings: tuple[str, ...]
    outcome: str
    range: Range
    ci_prob: float = 0.95

    def plot(self) -> "Picture":
        """Draw the prior of each quantity, an outline a frame: see `bayesglmm.plots.implied_priors`."""
        from bayesglmm.plots.implied_priors import draw

        return draw(self)

    def _layout(self) -> Layout:
        """Show what the baseline is, the findings, and the table."""
        baseline = listing(self.held, 8) or "the intercept alone"
        lines = [f"what the priors say of {self.outcome}, before the data", f"baseline: {baseline}"]
        lines += [f"  - {finding}" for finding in self.findings]
        without_groups = self.table["frame"].nunique() == 1  # all frames are then the same
        table = self.table.drop(columns="frame") if without_groups else self.table
        return Layout(tuple(lines), table, options={"index": False, "float_format": "{:.3g}".format})


def implied_priors(
    model: Model,
    *,
    step: str = "sd",
    draws: int = 4000,
    seed: int | np.random.Generator | None = 0,
    ci_prob: float = 0.95,
) -> ImpliedPriors:
    """Transform draws from the priors to the scale of the response, in each frame.

    Parameters
    ----------
    model
        Design, family and priors.
    step
        By how much a numeric predictor goes up from its mean: `"sd"` of its column, or one `"unit"`. A factor goes
        from its reference to each other level, an indicator from the lower of its two values to the upper.
    draws
        How many draws from the priors.
    seed
        The seed, or the generator itself.
    ci_prob
        The probability of the equal-tailed intervals.

    Returns
    -------
    ImpliedPriors
        The mean at the baseline, where numbers are at their means and factors at their references; the difference
        each step makes, and its odds ratio (probabilities) or ratio (means above zero); for each block the
        spread of groups: how far the middle 95 % of groups reach, as a difference, or as a ratio for means above
        zero; and the intraclass correlation where the outcome has a latent or residual variance.
        Frames: `"typical"` at b = 0, `"population"` averaged over b, `"new_group"` one group, its b drawn. The
        inverse link has no population mean.

    Raises
    ------
    PriorError
        If a prior is improper and so has no distribution to draw from.
    OptionError
        For an unknown step, a number of draws below 1, or a `ci_prob` that is no probability.
    DataError
        If a mean is negative that cannot be, under the inverse link.

    References
    ----------
    Gabry et al. (2019); Goldstein, Browne & Rasbash (2002).
    """
    interval(ci_prob)
    rng = np.random.default_rng(seed)
    grid = steps(model.design, step)
    prior = Draws(hyperparameters(model, draws, rng), model.design)
    design = model.design.on(grid.rows, outcome=False, factors=())
    frames = _frames(model)
    mean = np.stack([_means(model, prior, design, frame, rng) for frame in frames])
    implied = _dataset(model, mean, frames, grid.labels)
    for name, values in _groups(model, prior, design).items():
        implied[name] = (("block", "draw"), values)
        implied = implied.assign_coords(block=[block.name for block in model.design.blocks])
    findings = tuple(_findings(model, implied))
    table, link = _table(model, implied, ci_prob), model.family.link
    return ImpliedPriors(table, implied, grid.held, findings, f"the {wording.quantity(model)}", link.range, ci_prob)


def _frames(model: Model) -> tuple[Frame, ...]:
    averages = model.family.link.averages
    if not model.design.blocks:
        return ("population",) if averages else ("typical",)
    return ("typical", "population", "new_group") if averages else ("typical", "new_group")


def _means(model: Model, prior: Draws, design: Design, frame: Frame, rng: np.random.Generator) -> Array:
    """Return the mean at each point, shape (points, draws); a new group has one b at all points."""
    effects = resolve(prior, design, {block.name: frame for block in design.blocks}, rng)
    eta, v = eta_and_variance(prior.beta, design, effects, slice(None))
    return mean_response(model.family.link, eta, v).T


def _dataset(model: Model, mean: Array, frames: tuple[Frame, ...], labels: tuple[str, ...]) -> xr.Dataset:
    """Return means (frames, points, draws) with the differences and ratios of each step."""
    base, stepped = mean[:, :1], mean[:, 1:]
    dims = ("frame", "step", "draw")
    variables: dict[str, Any] = {"mean": (("frame", "point", "draw"), mean)}
    with np.errstate(invalid="ignore", over="ignore"):
        variables["difference"] = (dims, stepped - base)
        if model.family.link.range == "unit":
            variables["ratio"] = (dims, _odds(stepped) / _odds(base))
        elif model.family.link.range == "positive":
            variables["ratio"] = (dims, stepped / base)
    return xr.Dataset(variables, {"frame": list(frames), "point": list(labels), "step": list(labels[1:])})


def _odds(p: Array) -> Array:
    """Return the odds; those of a probability that rounds to 0 or 1 are capped."""
    p = np.clip(p, _CAP, 1 - _CAP)
    return p / (1 - p)


def _groups(model: Model, prior: Draws, design: Design) -> dict[str, Array]:
    """Return the spread of the groups of each block at the baseline and the intraclass correlation, (blocks, s)."""
    if not design.blocks:
        return {}
    link = model.family.link
    eta = prior.beta @ design.x[0] + design.offset[0]
    v = np.stack([variance_over_b(prior.covariance(block), block.z[:1])[:, 0] for block in design.blocks])
    half_width = 1.96 * np.sqrt(v)
    low, high = (mean_response(link, eta + sign * half_width, None) for sign in (-1, 1))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        implied = {"spread": high / low if link.range == "positive" else high - low}
    residual = model.family.latent_residual
    if residual is not None:
        variances = {block.name: variance for block, variance in zip(design.blocks, v, strict=True)}
        shares = latent_shares(variances, residual(prior.parameters(model.family), prior.size))
        implied["icc"] = np.stack(list(shares.values()))
    return implied


def _table(model: Model, implied: xr.Dataset, ci_prob: float) -> pd.DataFrame:
    """Summarise every quantity; quantiles are order statistics, since draws may be infinite."""
    ratio = "odds ratio" if model.family.link.range == "unit" else "ratio"
    mean = "probability" if model.family.outcome_type in ("binary", "trials") else "mean"
    entries: list[tuple[str, str, str, Array]] = []
    for frame in implied["frame"].values:
        in_frame = implied.sel(frame=frame)
        entries.append((mean, "baseline", frame, in_frame["mean"].values[0]))
        for name, quantity in (("difference", "difference"), ("ratio", ratio)):
            if name in implied:
                entries += [
                    (quantity, str(label), frame, in_frame[name].sel(step=label).values)
                    for label in implied["step"].values
                ]
    for name, quantity in (("spread", f"95 % of groups, {_spread_text(model)}"), ("icc", "intraclass correlation")):
        if name in implied:
            frame = "new_group" if name == "spread" else "latent outcome"
            blocks = implied["block"].values
            entries += [(quantity, block, frame, implied[name].sel(block=block).values) for block in blocks]
    low, high = (round(probability, 12) for probability in interval(ci_prob))  # (1 − 0.95)/2 exceeds 0.025 by rounding
    rows = []
    for quantity, point, frame, values in entries:
        lower, median, upper = np.nanquantile(values, (low, 0.5, high), method="inverted_cdf")
        labels = {"quantity": quantity, "point": point, "frame": frame}
        rows.append({**labels, "median": median, "lower": lower, "upper": upper})
    table = pd.DataFrame(rows)
    table.attrs["ci_prob"] = ci_prob
    return table


def _spread_text(model: Model) -> str:
    return "highest / lowest" if model.family.link.range == "positive" else "highest − lowest"


def _findings(model: Model, implied: xr.Dataset) -> Iterator[str]:
    """Name the frames and points whose mean is extreme with a prior probability above 1/2."""
    link, outcome = model.family.link, model.design.outcome
    assert outcome is not None
    if link.range == "real":
        return
    trials = outcome.y.size if outcome.trials is None else outcome.trials.sum()
    observed = outcome.y.sum() / trials
    for frame in implied["frame"].values:
        mean = implied["mean"].sel(frame=frame)
        if link.range == "unit":
            share = ((mean < _EXTREME) | (mean > 1 - _EXTREME)).mean("draw")
            where = f"below {_EXTREME:g} or above {1 - _EXTREME:g}"
        else:
            share = ((mean < observed / _FAR) | (mean > observed * _FAR)).mean("draw")
            where = f"a factor of {_FAR:,.0f} or more from the mean of the data"
        bad = [
            f"{label} ({value:.0%})"
            for label, value in zip(mean["point"].values, share.values, strict=True)
            if value > _MOST
        ]
        if bad:
            yield f"frame {frame}: most of the prior lies {where} at {listing(bad, 4)}; {_REMEDY}"

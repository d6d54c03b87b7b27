"""`implied_priors(model)`: what the priors say on the scale of the response, before any data.

A prior is set on the scale of the link, where Normal(0, 2.5) looks vague; what it says of a probability, of a
difference between two treatments or of how far groups lie apart shows itself here, in each frame.

References
----------
Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), Journal of the Royal Statistical Society A 182, 389-402.
Goldstein, Browne & Rasbash (2002), Understanding Statistics 1, 223-231: intraclass correlation
    of the latent outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.tables import plain_table
from bayesglmm.common.text import plain
from bayesglmm.errors import listing
from bayesglmm.estimands import wording
from bayesglmm.estimands.frames import Frame, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.reference_values import Held, steps
from bayesglmm.posterior.draws import Draws, variance_over_b
from bayesglmm.sensitivity.prior_predictive import hyperparameters
from bayesglmm.specify.design import Design
from bayesglmm.specify.families.links import Range
from bayesglmm.specify.model import Model

__all__ = ["ImpliedPriors", "implied_priors"]

type Array = NDArray[np.float64]

_EXTREME = 0.01
_FAR = 1000.0
_MOST = 0.5
_CAP = 1e-15
_REMEDY = "tighten the priors, as with priors={'slopes': 'normal(0, 1)', 'sd': 'half_normal(1)'}"


@dataclass(frozen=True, eq=False)
class ImpliedPriors:
    """What the priors say on the scale of the response.

    Parameters
    ----------
    table
        One row a quantity and frame: `quantity`, `of`, `frame`, the prior `median` and its 95 % equal-tailed
        interval `lower`, `upper`.
    draws
        The draws behind it: `mean` (frame, point, draw), of which the first point is the baseline; `difference`
        and `ratio` (frame, step, draw) from it; `spread` and, where there is one, `icc` (block, draw).
    held
        What the baseline holds predictors at.
    findings
        Where most of the prior lies where hardly any outcome can be, in words; empty if nowhere.
    outcome
        What the mean is of.
    range
        Where the mean lives, as in `Link`.
    """

    table: pd.DataFrame
    draws: xr.Dataset
    held: tuple[Held, ...]
    findings: tuple[str, ...]
    outcome: str
    range: Range

    def __str__(self) -> str:
        """Return the findings, what the baseline is, and the table."""
        at = listing(self.held, 8) or "the intercept alone"
        lines = [f"what the priors say of {self.outcome}, before the data", f"baseline: {at}"]
        lines += [f"  - {finding}" for finding in self.findings]
        one = self.table["frame"].nunique() == 1  # without groups all frames are the same
        shown = plain_table(self.table.drop(columns="frame") if one else self.table)
        return "\n".join([*map(plain, lines), "", shown.to_string(index=False, float_format="{:.3g}".format)])

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)


def implied_priors(
    model: Model, *, step: str = "sd", draws: int = 4000, seed: int | np.random.Generator | None = 0
) -> ImpliedPriors:
    """Say what the priors mean on the scale of the response, in each frame.

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
        What they start from.

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
        If a prior is improper: it says nothing that could be drawn.
    OptionError
        For an unknown step or a number of draws that is not one.
    DataError
        If a mean is negative that cannot be, under the inverse link.

    References
    ----------
    Gabry et al. (2019); Goldstein, Browne & Rasbash (2002).
    """
    rng = np.random.default_rng(seed)
    chosen = steps(model.design, step)
    prior = hyperparameters(model, draws, rng)
    design = model.design.on(chosen.rows, outcome=False, factors=())
    read = Draws(prior, model.design)
    frames = _frames(model)
    mean = np.stack([_means(model, read, design, frame, rng) for frame in frames])
    found = _dataset(model, mean, frames, chosen.labels)
    link = model.family.link
    for name, values in _groups(model, read, design).items():
        found[name] = (("block", "draw"), values)
        found = found.assign_coords(block=[block.name for block in model.design.blocks])
    return ImpliedPriors(
        _table(model, found),
        found,
        chosen.held,
        tuple(_findings(model, found)),
        f"the {wording.quantity(model)}",
        link.range,
    )


def _frames(model: Model) -> tuple[Frame, ...]:
    averages = model.family.link.averages
    if not model.design.blocks:
        return ("population",) if averages else ("typical",)
    return ("typical", "population", "new_group") if averages else ("typical", "new_group")


def _means(model: Model, read: Draws, design: Design, frame: Frame, rng: np.random.Generator) -> Array:
    """Return the mean at each point, shape (points, draws); a new group has one b at all points."""
    effects = resolve(read, design, {block.name: frame for block in design.blocks}, rng)
    eta, v = eta_and_variance(read.beta, design, effects, slice(None))
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


def _groups(model: Model, read: Draws, design: Design) -> dict[str, Array]:
    """Return the spread of the groups of each block at the baseline and the intraclass correlation, (blocks, s)."""
    if not design.blocks:
        return {}
    link = model.family.link
    eta = read.beta @ design.x[0] + design.offset[0]
    v = np.stack([variance_over_b(read.covariance(block), block.z[:1])[:, 0] for block in design.blocks])
    reach = 1.96 * np.sqrt(v)
    low, high = (mean_response(link, eta + sign * reach, None) for sign in (-1, 1))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = {"spread": high / low if link.range == "positive" else high - low}
    residual = model.family.latent_residual
    if residual is not None:
        found["icc"] = v / (v.sum(axis=0) + residual(read.parameters(model.family), read.size))
    return found


def _table(model: Model, found: xr.Dataset) -> pd.DataFrame:
    """Summarise every quantity."""
    ratio = "odds ratio" if model.family.link.range == "unit" else "ratio"
    mean = "probability" if model.family.kind in ("binary", "trials") else "mean"
    entries: list[tuple[str, str, str, Array]] = []
    for frame in found["frame"].values:
        at = found.sel(frame=frame)
        entries.append((mean, "baseline", frame, at["mean"].values[0]))
        for name, word in (("difference", "difference"), ("ratio", ratio)):
            if name in found:
                entries += [
                    (word, str(label), frame, at[name].sel(step=label).values) for label in found["step"].values
                ]
    for name, word in (("spread", f"95 % of groups, {_apart(model)}"), ("icc", "intraclass correlation")):
        if name in found:
            frame = "new_group" if name == "spread" else "latent outcome"
            entries += [(word, block, frame, found[name].sel(block=block).values) for block in found["block"].values]
    rows = []
    for quantity, of, frame, values in entries:
        low, middle, high = np.nanquantile(values, (0.025, 0.5, 0.975), method="inverted_cdf")
        rows.append({"quantity": quantity, "of": of, "frame": frame, "median": middle, "lower": low, "upper": high})
    return pd.DataFrame(rows)


def _apart(model: Model) -> str:
    return "highest / lowest" if model.family.link.range == "positive" else "highest − lowest"


def _findings(model: Model, found: xr.Dataset) -> Iterator[str]:
    """Say where more than half of the prior of a mean is at an extreme."""
    link, outcome = model.family.link, model.design.outcome
    assert outcome is not None
    if link.range == "real":
        return
    trials = outcome.y.size if outcome.trials is None else outcome.trials.sum()
    middle = outcome.y.sum() / trials
    for frame in found["frame"].values:
        mean = found["mean"].sel(frame=frame)
        if link.range == "unit":
            share = ((mean < _EXTREME) | (mean > 1 - _EXTREME)).mean("draw")
            where = f"below {_EXTREME:g} or above {1 - _EXTREME:g}"
        else:
            share = ((mean < middle / _FAR) | (mean > middle * _FAR)).mean("draw")
            where = f"a factor of {_FAR:,.0f} or more from the mean of the data"
        bad = [
            f"{label} ({value:.0%})"
            for label, value in zip(mean["point"].values, share.values, strict=True)
            if value > _MOST
        ]
        if bad:
            yield f"frame {frame}: most of the prior lies {where} at {listing(bad, 4)}; {_REMEDY}"

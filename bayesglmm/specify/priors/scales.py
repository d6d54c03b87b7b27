"""The scales that default priors are made of: of the response, of each predictor, of the intercept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.design import Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link

__all__ = ["Scales", "scales"]

type Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scales:
    """Scales of one design under one family.

    Parameters
    ----------
    response
        s_y: on the scale of the linear predictor; the link's unit where it has one, which is 1 under log and the
        probability links, else the sd of g(y) to first order: that of the response under the identity link.
    residual
        The sd of the response on its own scale.
    centre
        m_y: the linear predictor with every predictor at its mean; 0 for the probability links.
    slopes
        s_x of every column but the intercept.
    blocks
        s_z of every column of every block, 1 for an intercept.
    brms_scale, brms_centre
        Scale and centre as brms computes them: max(2.5, mad) and the median of g(y), less the mean offset.
    rstanarm_scale, rstanarm_centre
        Scale and centre as rstanarm has them: the sd of a response whose family has a parameter in its units and,
        under the identity link, its mean; 1 and 0 for the other families.
    """

    response: float
    residual: float
    centre: float
    slopes: tuple[float, ...]
    blocks: tuple[tuple[float, ...], ...]
    brms_scale: float
    brms_centre: float
    rstanarm_scale: float
    rstanarm_centre: float


def scales(design: Design, family: Family) -> Scales:
    """Compute the scales that default priors need."""
    assert design.outcome is not None
    y, w = design.outcome.y, design.outcome.weights
    link = family.link
    deviation = _spread(y - design.offset if link.additive else y, w)
    level = _level(y, design.offset, family, w)
    slopes = design.x[:, 1:] if design.has_intercept else design.x
    brms_scale, brms_centre = _brms(y, design.offset, family, w)
    has_scale = family.in_units_of_response
    return Scales(
        response=_unit(link, deviation, level),
        residual=deviation,
        centre=level,
        slopes=tuple(_spread(column, w) for column in slopes.T),
        blocks=tuple(
            tuple(
                1.0 if name == "Intercept" else _spread(z, w) for name, z in zip(block.columns, block.z.T, strict=True)
            )
            for block in design.blocks
        ),
        brms_scale=brms_scale,
        brms_centre=brms_centre,
        rstanarm_scale=_spread(y, w) if has_scale else 1.0,
        rstanarm_centre=_mean(y, w) if has_scale and link.additive else 0.0,
    )


def _mean(values: Array, weights: Array | None) -> float:
    """Return the mean of rows that each stand for as many as their weight says."""
    return float(np.mean(values) if weights is None else np.average(values, weights=weights))


def _spread(values: Array, weights: Array | None) -> float:
    """Return the sd, or the root mean square of a column that does not vary."""
    total = len(values) if weights is None else float(weights.sum())
    if weights is None:
        sd = float(np.std(values, ddof=1)) if total > 1 else 0.0
    else:
        squares = float(weights @ np.square(values - np.average(values, weights=weights)))
        sd = (squares / (total - 1)) ** 0.5 if total > 1 else 0.0
    return sd or float(np.sqrt(_mean(np.square(values), weights))) or 1.0


def _median(values: Array, weights: Array | None) -> float:
    """Return the median of rows that each stand for as many as their weight says."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values)
    ordered, below = values[order], np.cumsum(weights[order])
    half = below[-1] / 2
    upper = int(np.searchsorted(below, half, side="right"))
    lower = int(np.searchsorted(below, half, side="left"))
    return float((ordered[lower] + ordered[upper]) / 2)


def _unit(link: Link, deviation: float, level: float) -> float:
    """Return s_y, the unit of the linear predictor."""
    if link.unit is not None:
        return link.unit
    if link.range == "unit":
        return float(1 / (4 * np.abs(link.slope(link.link(np.array(0.5))))))
    slope = float(np.abs(link.slope(np.array(level))))
    return deviation / (slope or 1.0) or 1.0


def _level(y: Array, offset: Array, family: Family, weights: Array | None) -> float:
    """Return the linear predictor of an intercept alone, moved half an observation away from a boundary."""
    link = family.link
    if link.range == "unit":
        return 0.0
    if link.additive:
        return _mean(y - offset, weights)
    if link.multiplicative and not family.in_units_of_response:
        total = np.sum(y) if weights is None else weights @ y
        with np.errstate(divide="ignore"):
            log_weights = 0.0 if weights is None else np.log(weights)
        return float(np.log(total or 0.5) - np.logaddexp.reduce(offset + log_weights))
    mean = _mean(y, weights)
    if link.range == "positive" and family.in_units_of_response:
        mean = max(mean, _spread(y, weights) / 10)
    elif link.range == "positive":
        mean = mean or 0.5 / (len(y) if weights is None else float(weights.sum()))
    return float(link.link(np.array(mean)) - _mean(offset, weights))


def _brms(y: Array, offset: Array, family: Family, weights: Array | None) -> tuple[float, float]:
    link = family.link
    if link.range == "unit":
        return 2.5, 0.0
    with np.errstate(divide="ignore"):
        zero = bool(np.isfinite(link.link(np.zeros(1))).all())  # whether an outcome of 0 has a linear predictor
    kept = y if zero else np.where(y == 0, 0.1, y)
    if link.range == "positive" and (kept <= 0).any():
        return 2.5, 0.0
    values = link.link(kept)
    median = _median(values, weights)
    mad = 1.4826 * _median(np.abs(values - median), weights)
    return max(2.5, round(mad, 1)), round(median, 1) - _mean(offset, weights)

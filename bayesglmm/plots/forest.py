"""Forests of groups, sorted: effects or coefficients, and mean responses."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesglmm.estimands.group_means import GroupMeans
from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.plots.style import (
    COLOURS,
    INK,
    Picture,
    as_labels,
    columns_text,
    forest_rows,
    frameless,
    intervals_text,
    label,
    new_figure,
    quantiles,
)
from bayesglmm.posterior.inference import said

__all__ = ["draw", "draw_means"]

type Array = NDArray[np.float64]

_LABELLED = 100
"""The largest number of groups whose rows have labels; more are numbered in order."""

_PLACES = 40
"""The longest label of a row, in characters."""

_WHAT = {
    "effects": "Random effects b of the {m:,} levels of {name} on the {scale}, as deviations from the typical group "
    "(b = 0, dashed)",
    "coefficients": "Coefficients β + b of the {m:,} levels of {name} on the {scale}, each where the predictors that "
    "interact with its column are 0; dashed, the typical group's, β (b = 0)",
}
_MEANS = (
    "Mean response of the {m:,} levels of {name}, each over its own rows (frame: group). {raw}: raw means of the "
    "outcome; upright ticks: median of the population's mean on these rows (frame: population), toward "
    "which groups are shrunken. The groups' own means"
)


def draw(effects: RandomEffects, columns: Sequence[str]) -> Picture:
    """Draw the levels of a factor, a panel a column: medians with 50 % intervals and those of `ci_prob`.

    Parameters
    ----------
    effects
        The effects or coefficients, on the scale they are drawn on; a dashed line is at the typical group's.
    columns
        Which of their columns, a panel each.

    Returns
    -------
    Picture
        Each panel is sorted by itself. Up to 100 groups are labelled; more are shown in order.
    """
    name, m = label(effects.factor), effects.draws.sizes["level"]
    attrs = effects.draws.attrs
    scale = effects.link_scale if attrs["scale"] == "link" else "response scale"
    intervals = said(intervals_text(effects.ci_prob, effects.draws), effects.draws)
    caption = f"{_WHAT[attrs['quantity']].format(name=name, m=m, scale=scale)}: {intervals}, sorted."
    with new_figure(max(5.4, 1.2 + 3.3 * len(columns)), _height(m), caption) as figure:
        row = figure.subplots(1, len(columns), squeeze=False)[0]
        for axes, column in zip(row, columns, strict=True):
            _panel(axes, effects, column, scale)
        _name_rows(row[0], name, m)
    return figure


def draw_means(means: GroupMeans) -> Picture:
    """Draw the mean response of each group beside its raw mean and the population's mean on the same rows.

    Returns
    -------
    Picture
        The groups' means sorted: medians with 50 % intervals and those of `ci_prob`. Crosses, or dots where there are
        more than 100 groups, are raw means; upright ticks are the population's.
    """
    m, name = len(means.raw), label(means.factor)
    labelled = m <= _LABELLED
    caption = _MEANS.format(name=name, m=m, raw="Crosses" if labelled else "Dots in colour")
    with new_figure(5.4, _height(m), f"{caption}: {intervals_text(means.ci_prob, means.draws)}, sorted.") as figure:
        axes = figure.add_subplot()
        order = _rows(
            axes, means.draws.values.reshape(-1, m), means.draws["level"].values.tolist(), means.ci_prob, None
        )
        heights, size = np.arange(1, m + 1, dtype=float), 5.0 if m <= 20 else 3.5 if labelled else 1.6
        population, tick = np.median(means.population.values.reshape(-1, m), axis=0), 1.6 * size
        axes.plot(
            population[order], heights, "|", color=COLOURS[1], markersize=tick, gid="population", label="population"
        )
        marker, colour = ("x", INK) if labelled else ("o", COLOURS[2])
        axes.plot(
            means.raw[order], heights, marker, color=colour, markersize=size, gid="raw", label="raw mean", zorder=5
        )
        axes.set_xlabel(f"mean of {label(means.outcome)}\n(frame: group; response scale)")
        axes.legend(loc="lower right")
        _name_rows(axes, name, m)
    return figure


def _height(m: int) -> float:
    """Return the height of a forest of m levels (inches)."""
    return 1.2 + (max(1.0, min(0.24 * m, 3.0 + 0.08 * m)) if m <= _LABELLED else 6.5)


def _name_rows(axes: Axes, factor: str, m: int) -> None:
    axes.set_ylabel(f"level of {factor}" if m <= _LABELLED else f"{m:,} levels of {factor}, in order (1 = smallest)")


def _panel(axes: Axes, effects: RandomEffects, column: str, scale: str) -> None:
    """Draw one column's effects or coefficients, the largest at the top."""
    j, attrs = effects.columns.index(column), effects.draws.attrs
    typical = float(effects.transforms[j](np.asarray(np.median(effects.centre[:, j]))))
    _rows(axes, effects.flat[..., j], effects.draws["level"].values.tolist(), effects.ci_prob, typical)
    (text,) = as_labels(columns_text([column]))
    if attrs["scale"] == "response":
        axes.set_xlabel(fill(f"{text}: {effects.meaning[column]}", 48))
        return
    quantity = "random effect b" if attrs["quantity"] == "effects" else "coefficient β + b"
    axes.set_xlabel(f"{quantity} of {text}\n{scale}")


def _rows(axes: Axes, draws: Array, levels: list[object], ci_prob: float, reference: float | None) -> NDArray[np.int64]:
    """Draw the rows of draws (s, m) sorted by their medians, and return the order (m,)."""
    values = quantiles(draws, ci_prob)
    order = np.argsort(values[2], kind="stable")
    heights = np.arange(1, len(order) + 1, dtype=float)
    few, labelled = len(order) <= 20, len(order) <= _LABELLED
    forest_rows(axes, values[:, order], heights, 1.0 if few else 0.7 if labelled else 0.35, reference)
    if labelled:
        texts = as_labels(levels, _PLACES)
        axes.set_yticks(heights, [texts[j] for j in order], fontsize=8 if few else 6)
        frameless(axes)
    return order

"""`forest(fit, factor)`: the effects, coefficients or means of groups, sorted."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, choose
from bayesglmm.estimands.group_means import group_means
from bayesglmm.estimands.random_effects import RandomEffects, blocks_of, random_effects
from bayesglmm.plots.style import (
    COLOURS,
    INK,
    Picture,
    as_labels,
    columns_text,
    frameless,
    label,
    new_figure,
    quantiles,
    scale,
)
from bayesglmm.plots.style import forest as draw_rows
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import BlockDesign

__all__ = ["KINDS", "ForestKind", "forest"]

type Array = NDArray[np.float64]
type ForestKind = Literal["effects", "coefficients", "means"]

KINDS: tuple[ForestKind, ...] = ("effects", "coefficients", "means")
"""b, β + b, or the groups' mean responses beside the raw ones."""

_LABELLED = 100
"""Up to so many groups each row has its label; more are numbered in order."""

_PLACES = 40
"""Of the label of a row."""


def forest(fit: Fitted, factor: str | None = None, *, kind: str = "effects", column: str | None = None) -> Picture:
    """Draw the groups of a factor, sorted: medians with 50 % and 95 % equal-tailed intervals.

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one.
    kind
        - `"effects"`: b, deviations from the typical group, with a line at 0.
        - `"coefficients"`: β + b, the groups' own, with a line at the typical group's.
        - `"means"`: the mean response of each group over its own rows, beside the raw mean or proportion and
          beside what the population would have on these rows: how far each group was shrunken.
    column
        One column of the random effects, for one panel; None for a panel each. Means have no columns.

    Returns
    -------
    Picture
        Each panel is sorted by itself. Up to 100 groups are labelled; more are shown in order.

    Raises
    ------
    OptionError
        If the model has no random effects, or not that factor or column.
    """
    chosen = choose("kind", kind, KINDS)
    blocks = blocks_of(fit, factor)
    name, m = blocks[0].factor, len(blocks[0].levels)
    if chosen == "means" and column is not None:
        raise OptionError(f"means have no columns; leave out column={column!r}, or use kind='effects'")
    effects = None if chosen == "means" else random_effects(fit, name, kind=chosen)
    columns = () if effects is None else _columns(effects, column)
    panels = max(1, len(columns))
    labelled = m <= _LABELLED
    height = 1.2 + (max(1.0, min(0.24 * m, 3.0 + 0.08 * m)) if labelled else 6.5)
    raw = "Crosses" if labelled else "Dots in colour"
    shown = label(name)
    caption = f"{_WHAT[chosen].format(name=shown, m=m, scale=scale(fit.model), raw=raw)}{_SHOWN}"
    with new_figure(max(5.4, 1.2 + 3.3 * panels), height, caption) as figure:
        row = figure.subplots(1, panels, squeeze=False)[0]
        if effects is None:
            _means(row[0], fit, blocks[0], labelled)
        else:
            for axes, one in zip(row, columns, strict=True):
                _panel(axes, fit, effects, one, labelled)
        row[0].set_ylabel(f"level of {shown}" if labelled else f"{m:,} levels of {shown}, in order (1 = smallest)")
    return figure


_WHAT = {
    "effects": (
        "Random effects b of the {m:,} levels of {name} on the {scale}, as deviations from the typical group (b = 0, "
        "dashed)"
    ),
    "coefficients": (
        "Coefficients β + b of the {m:,} levels of {name} on the {scale}, each where the predictors that interact with "
        "its column are 0; dashed, the typical group's, β (b = 0)"
    ),
    "means": (
        "Mean response of the {m:,} levels of {name}, each over its own rows (frame: group). {raw}: raw means of the "
        "outcome; upright ticks: posterior median of the population's mean on these rows (frame: population), toward "
        "which groups are shrunken. The groups' own means"
    ),
}
_SHOWN = ": posterior median, 50 % interval (thick) and 95 % equal-tailed interval (thin), sorted by the medians."


def _columns(effects: RandomEffects, column: str | None) -> tuple[str, ...]:
    return effects.columns if column is None else (effects.column(column),)


def _panel(axes: Axes, fit: Fitted, effects: RandomEffects, column: str, labelled: bool) -> None:
    """Draw one column's effects or coefficients, the largest at the top."""
    draws = effects.draws.sel(column=column).transpose("chain", "draw", "level").values
    reference = float(np.median(effects.centre[:, effects.columns.index(column)]))
    _rows(axes, draws.reshape(-1, draws.shape[2]), effects.draws["level"].values.tolist(), labelled, reference)
    (text,) = as_labels(columns_text([column]))
    what = "random effect b" if effects.draws.attrs["kind"] == "effects" else "coefficient β + b"
    axes.set_xlabel(f"{what} of {text}\n{scale(fit.model)}")


def _means(axes: Axes, fit: Fitted, block: BlockDesign, labelled: bool) -> None:
    """Draw the groups' means over their own rows, with raw means and the population's."""
    outcome, means, m = fit.model.design.outcome, group_means(fit, block), len(block.levels)
    assert outcome is not None
    order = _rows(axes, means.group, list(block.levels), labelled, None)
    heights, size = np.arange(1, m + 1, dtype=float), 5.0 if m <= 20 else 3.5 if labelled else 1.6
    toward, tick = np.median(means.population, axis=0), 1.6 * size
    axes.plot(toward[order], heights, "|", color=COLOURS[1], markersize=tick, gid="population", label="population")
    marker, colour = ("x", INK) if labelled else ("o", COLOURS[2])
    axes.plot(means.raw[order], heights, marker, color=colour, markersize=size, gid="raw", label="raw mean", zorder=5)
    counted = outcome.name if outcome.trials is None else f"successes per trial, {outcome.name}"
    axes.set_xlabel(f"mean of {label(counted)}\n(frame: group; response scale)")
    axes.legend(loc="lower right")


def _rows(axes: Axes, draws: Array, levels: list[object], labelled: bool, reference: float | None) -> NDArray[np.int64]:
    """Draw the rows of draws (s, m) sorted by their medians, and return the order (m,)."""
    values = quantiles(draws)
    order = np.argsort(values[2], kind="stable")
    heights = np.arange(1, len(order) + 1, dtype=float)
    few = len(order) <= 20
    draw_rows(axes, values[:, order], heights, 1.0 if few else 0.7 if labelled else 0.35, reference)
    if labelled:
        texts = as_labels(levels, _PLACES)
        axes.set_yticks(heights, [texts[j] for j in order], fontsize=8 if few else 6)
        frameless(axes)
    return order

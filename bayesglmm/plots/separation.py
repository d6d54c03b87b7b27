"""The picture of separation: which way each maximum likelihood estimate goes, given X and given the groups."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesglmm.plots.style import (
    BAD,
    COLOURS,
    GREY,
    INK,
    Picture,
    as_labels,
    columns_text,
    frameless,
    label,
    new_figure,
)
from bayesglmm.sensitivity.separation import Separation

__all__ = ["draw"]

_ARROWS = {"+inf": (1.0,), "-inf": (-1.0,), "±inf": (1.0, -1.0)}
"""The directions in which an estimate goes to infinity."""

_MARKERS: dict[str, dict[str, Any]] = {
    "finite": {"marker": "o", "color": COLOURS[0]},
    "not identified": {"marker": "o", "color": GREY, "markerfacecolor": "white"},
    "not checked": {"marker": "x", "color": INK},
}


def draw(separation: Separation) -> Picture:
    """Draw a row a coefficient and a panel a likelihood: points are finite estimates, arrows infinite ones."""
    table = separation.table
    heights = np.arange(len(table), 0, -1, dtype=float)
    texts = as_labels(columns_text([str(name) for name in table.index]))
    caption = (
        f"Maximum likelihood estimates of the coefficients of {label(separation.formula, 160)}: points are finite, "
        f"arrows show to which infinity an estimate goes; {separation.message}."
    )
    width = 2.6 + 2.2 * table.shape[1] + 0.06 * max(0, max(map(len, texts), default=0) - 8)
    with new_figure(width, 1.3 + 0.3 * len(table), caption) as figure:
        panels = figure.subplots(1, table.shape[1], sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, table, strict=True):
            for height, estimate in zip(heights, table[name], strict=True):
                _estimate(axes, height, estimate)
            axes.set_title(str(name))
            axes.set_xlim(-1.2, 1.2)
            axes.set_xticks([-1, 0, 1], ["−∞", "finite", "+∞"])
            frameless(axes)
        panels[0].set_yticks(heights, texts)
        panels[0].set_ylim(0.3, len(table) + 0.7)
        figure.supxlabel("maximum likelihood estimate", fontsize=9)
        entries = {*table.to_numpy().ravel()}
        handles = [
            Line2D([], [], linestyle="", label=text, **style) for text, style in _MARKERS.items() if text in entries
        ]
        if entries & _ARROWS.keys():
            handles.append(Line2D([], [], color=BAD, marker=">", label="infinite"))
        figure.legend(handles=handles, loc="outside upper right", ncols=4)
    return figure


def _estimate(axes: Axes, height: float, estimate: str) -> None:
    """Draw one estimate at a height."""
    if estimate in _MARKERS:
        axes.plot(0.0, height, linestyle="", markersize=5, gid=f"{estimate} {height:g}", **_MARKERS[estimate])
    for end in _ARROWS.get(estimate, ()):
        arrow = {"arrowstyle": "-|>", "color": BAD, "linewidth": 1.4}
        axes.annotate("", (end, height), (0.0, height), arrowprops=arrow, gid=f"{estimate} {height:g}")

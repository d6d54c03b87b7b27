"""`draw(fits)`: the coefficients of several fits as a forest."""

from typing import TYPE_CHECKING

import numpy as np

from bayesglmm.plots.log_axis import log_axis
from bayesglmm.plots.style import COLOURS, INK, Picture, as_labels, new_figure

if TYPE_CHECKING:
    from bayesglmm.comparison.side_by_side import SideBySide

__all__ = ["draw"]

_MARKERS = "osD^vPX*"


def draw(shown: "SideBySide") -> Picture:
    """Draw a panel of rows a coefficient, in it a row a fit, without intercepts."""
    names = list(shown.about)
    rows = [name for name in shown.table.index if name.startswith("beta[") and name != "beta[Intercept]"]
    about = "; ".join(f"{name}: {text}" for name, text in shown.about.items())
    caption = f"Coefficients of {len(names)} fits with their intervals. {about}."
    with new_figure(6.2, 1.1 + 0.22 * len(rows) * (len(names) + 1), caption) as figure:
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            table = shown.table[name].loc[rows]
            y = np.arange(len(rows)) * (len(names) + 1) + place
            colour, marker = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
            axes.hlines(y, table["lower"], table["upper"], color=colour)
            axes.plot(table["estimate"], y, marker, color=colour, markersize=4, label=as_labels([name])[0])
        axes.axvline(1.0 if shown.exponentiated else 0.0, color=INK, linewidth=0.7, linestyle="--")
        middle = np.arange(len(rows)) * (len(names) + 1) + (len(names) - 1) / 2
        labels = [name.removeprefix("beta[").removesuffix("]") for name in rows]
        axes.set_yticks(middle, as_labels(labels))
        axes.invert_yaxis()
        if shown.exponentiated:
            log_axis(axes, "x")
        axes.set_xlabel("exp(coefficient)" if shown.exponentiated else "coefficient, scale of the link")
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper right", ncols=min(len(names), 6), fontsize=7
        )
    return figure

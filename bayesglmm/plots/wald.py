"""`draw(tests)`: estimates of Wald's tests with their intervals."""

from typing import TYPE_CHECKING

from bayesglmm.plots.style import COLOURS, INK, Picture, as_labels, new_figure

if TYPE_CHECKING:
    from bayesglmm.comparison.wald import WaldTest

__all__ = ["draw"]


def draw(shown: "WaldTest") -> Picture:
    """Draw a row a hypothesis: the estimate and its interval."""
    table = shown.table
    caption = f"Estimates of hypotheses with {100 * shown.ci_prob:g} % Wald intervals; {shown.how}."
    with new_figure(5.4, 1.0 + 0.35 * len(table), caption) as figure:
        axes = figure.add_subplot()
        rows = range(len(table))
        axes.hlines(rows, table["lower"], table["upper"], color=COLOURS[0])
        axes.plot(table["estimate"], list(rows), "o", color=COLOURS[0], markersize=4)
        axes.axvline(0.0, color=INK, linewidth=0.7, linestyle="--")
        axes.set_yticks(list(rows), as_labels(list(table.index)))
        axes.invert_yaxis()
        axes.set_xlabel("estimate")
    return figure

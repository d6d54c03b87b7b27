"""The picture of differences of elpd to the best model."""

import numpy as np

from bayesglmm.comparison.compare import ElpdComparison
from bayesglmm.plots.style import GREY, INK, Picture, as_labels, label, new_figure

__all__ = ["draw"]


def draw(shown: ElpdComparison) -> Picture:
    """Draw the difference of each model's elpd to the best, with ± 2 standard errors."""
    table = shown.table
    best, others = str(table.index[0]), table.iloc[1:]
    heights = np.arange(len(others))[::-1].astype(float)
    caption = (
        f"Difference of the expected log predictive density to that of {label(best)}, with ± 2 standard errors. "
        f"{next(iter(shown.elpds.values())).estimand} A difference below 4 is too small to speak of."
    )
    with new_figure(6.4, 1.3 + 0.45 * len(others), caption) as figure:
        axes = figure.add_subplot()
        axes.axvspan(-4, 4, color=GREY, alpha=0.15, linewidth=0, gid="small")
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="zero")
        axes.errorbar(
            others["elpd_diff"], heights, xerr=2 * others["se_diff"], fmt="D", color=INK, markersize=4, capsize=3
        )
        axes.set_yticks(heights, as_labels(others.index))
        axes.set_ylim(-0.7, len(others) - 0.3)
        axes.set_xlabel(f"elpd minus that of {label(best)}")
    return figure

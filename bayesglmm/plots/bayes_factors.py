"""The picture of Bayes factors: each with its Monte Carlo error, and with half and twice as wide priors."""

import numpy as np

from bayesglmm.comparison.bayes_factors import BayesFactors
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, as_labels, label, new_figure

__all__ = ["draw"]

_MARKS = {"half": (4, "priors half as wide"), "double": (9, "priors twice as wide")}
"""The size of the circle of each width of the priors, and its name."""


def draw(shown: BayesFactors) -> Picture:
    """Draw the log Bayes factors of models against the reference, with ± 2 Monte Carlo standard errors.

    Parameters
    ----------
    shown
        The Bayes factors.
    """
    table = shown.table.drop(index=shown.reference)
    heights = np.arange(len(table))[::-1].astype(float)
    reference = label(shown.reference)
    caption = (
        f"Log Bayes factors against {reference} (natural logarithm) with ± 2 Monte Carlo standard errors, and the same "
        "if the priors of the parameters that differ were half or twice as wide."
    )
    with new_figure(6.4, 1.5 + 0.45 * len(table), caption) as figure:
        axes = figure.add_subplot()
        axes.axvspan(-np.log(3), np.log(3), color=GREY, alpha=0.15, linewidth=0, label="between 1/3 and 3")
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="zero")
        for column, (size, text) in _MARKS.items():
            axes.plot(table[column], heights, "o", mfc="none", mec=COLOURS[0], ms=size, label=text, gid=column)
        axes.errorbar(
            table["log_bayes_factor"],
            heights,
            xerr=2 * table["log_bayes_factor_error"],
            fmt="D",
            color=INK,
            markersize=4,
            capsize=3,
            label="under the priors of the fits, ± 2 errors",
        )
        axes.set_yticks(heights, as_labels(table.index))
        axes.set_ylim(-0.7, len(table) - 0.3)
        axes.set_xlabel(f"log Bayes factor against {reference} (above 0: favoured over {reference})")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure

"""`draw(test)`: the statistic of a likelihood-ratio test and the distribution that it is compared to."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bayesglmm.plots.log_axis import log_axis
from bayesglmm.plots.style import COLOURS, INK, Picture, new_figure

if TYPE_CHECKING:
    from bayesglmm.comparison.likelihood_ratio import LikelihoodRatio

__all__ = ["draw"]


def draw(test: "LikelihoodRatio") -> Picture:
    """Draw P(χ̄² ≥ x) of the mixture and of the naive χ² on a log axis, with the statistic marked."""
    from bayesglmm.comparison.likelihood_ratio import mixture_text, tail

    caption = (
        f"Likelihood-ratio statistic {test.statistic:.2f}, {test.formulas[0]} against {test.formulas[1]}, and the "
        f"probability that each reference distribution gives to larger values. {test.how}."
    )
    with new_figure(5.4, 3.4, caption) as figure:
        axes = figure.subplots()
        x = np.linspace(0.0, max(10.0, 1.15 * test.statistic), 400)[1:]
        axes.plot(x, stats.chi2.sf(x, test.df), color=COLOURS[1], linestyle="--", label=f"naive: χ²({test.df})")
        if test.mixture is not None and len(test.mixture) > 1:
            y = [tail(test.mixture, float(value)) for value in x]
            axes.plot(x, y, color=COLOURS[0], label=mixture_text(test.mixture))
        axes.axvline(test.statistic, color=INK, linewidth=1.2, label="statistic")
        axes.axhline(0.05, color=INK, linewidth=0.6, linestyle=":")
        log_axis(axes, "y")
        axes.set_xlabel("2 × difference of log likelihoods")
        axes.set_ylabel("P(larger)")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=7)
    return figure

"""`draw(test)`: simulated likelihood-ratio statistics and the one of the data."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bayesglmm.plots.log_axis import log_axis
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, new_figure

if TYPE_CHECKING:
    from bayesglmm.comparison.bootstrap import BootstrapLikelihoodRatio

__all__ = ["draw"]


def draw(shown: "BootstrapLikelihoodRatio") -> Picture:
    """Draw the share of simulated statistics above each value on a log axis, with the mixture and the naive χ²."""
    from bayesglmm.comparison.likelihood_ratio import mixture_text, tail

    test, values = shown.test, np.sort(shown.statistics)
    caption = (
        f"Share of {len(values)} statistics, of data simulated from the smaller model, above each value; the data's is "
        f"{shown.statistic:.2f}, p = {shown.p_value:.3g} (Monte Carlo error {shown.std_error:.1g}). {test.how}."
    )
    with new_figure(5.4, 3.4, caption) as figure:
        axes = figure.add_subplot()
        x = np.linspace(0.0, max(float(values[-1]), 5.0, min(1.1 * shown.statistic, 60.0)), 300)[1:]
        axes.step(values, 1 - np.arange(len(values)) / len(values), color=COLOURS[0], where="post", label="simulated")
        axes.plot(x, stats.chi2.sf(x, test.df), color=GREY, linestyle="--", label=f"naive: χ²({test.df})")
        if test.mixture is not None and len(test.mixture) > 1:
            mixed = [tail(test.mixture, float(value)) for value in x]
            axes.plot(x, mixed, color=COLOURS[1], label=mixture_text(test.mixture))
        axes.axvline(shown.statistic, color=INK, linewidth=1.2, label="data")
        axes.set_ylim(0.5 / len(values), 1.2)
        log_axis(axes, "y")
        axes.set_xlabel("2 × difference of log likelihoods")
        axes.set_ylabel("P(larger)")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=7)
    return figure

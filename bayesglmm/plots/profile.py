"""`draw(profile)`: the likelihood along a parameter."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, drawn, new_figure

if TYPE_CHECKING:
    from bayesglmm.comparison.profile import Profile

__all__ = ["draw"]


def draw(shown: "Profile") -> Picture:
    """Draw the relative profile log likelihood with its interval, Wald's parabola beside it."""
    percent = f"{100 * shown.ci_prob:g} %"
    caption = (
        f"Profile likelihood of {shown.parameter}: the largest log likelihood at each value less that at the maximum; "
        f"{percent} profile interval [{shown.lower:.3g}, {shown.upper:.3g}], where the curve is above the line; "
        f"dashed: the parabola of Wald's interval [{shown.wald[0]:.3g}, {shown.wald[1]:.3g}]. {shown.how}."
    )
    table = shown.table
    drop = -float(stats.chi2.ppf(shown.ci_prob, 1)) / 2
    with new_figure(5.4, 3.2, caption) as figure:
        axes = figure.add_subplot()
        relative = -np.square(table["z"].to_numpy()) / 2
        axes.plot(table["value"], relative, color=COLOURS[0], marker="o", markersize=2.5, label="profile")
        if shown.parameter.startswith("beta["):
            error = (shown.wald[1] - shown.wald[0]) / 2 / float(stats.norm.ppf((1 + shown.ci_prob) / 2))
            x = np.linspace(table["value"].min(), table["value"].max(), 200)
            axes.plot(x, -np.square((x - shown.estimate) / error) / 2, color=GREY, linestyle="--", label="Wald")
        axes.axhline(drop, color=INK, linewidth=0.7, linestyle=":", label=f"{percent} interval")
        for end in (shown.lower, shown.upper):
            if np.isfinite(end):
                axes.axvline(end, color=INK, linewidth=0.7)
        axes.set_xlabel(drawn(shown.parameter))
        axes.set_ylabel("log likelihood, relative")
        axes.set_ylim(2 * drop, -0.08 * drop)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=7)
    return figure

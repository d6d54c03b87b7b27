"""The picture of a prior ladder: estimates against the scale of the prior, a panel a parameter."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter, NullLocator

from bayesglmm.common.names import parameters_text
from bayesglmm.plots.style import BAD, COLOURS, INK, Picture, as_labels, new_figure
from bayesglmm.sensitivity.prior_ladder import PriorLadder

__all__ = ["draw"]

_ACROSS = 3


def draw(ladder: PriorLadder[Any], names: Sequence[str]) -> Picture:
    """Draw medians and intervals against the scale of the prior, a panel a parameter.

    Parameters
    ----------
    ladder
        The estimates; a penalized estimate, where there is one, is a dashed line.
    names
        Which parameters.
    """
    table, references, priors, estimand = ladder.table, ladder.references, ladder.priors, ladder.estimand
    interval_text = f"{100 * ladder.ci_prob:g} %"
    rows = -(-len(names) // _ACROSS)
    across = min(len(names), _ACROSS)
    caption = (
        f"Posterior medians and {interval_text} equal-tailed intervals under {priors}; {estimand}. "
        "An estimate that grows with the scale is determined by its prior."
    )
    if any(name in references for name in names):
        caption += " Dashed: Firth's penalized estimate, which ignores the groups (marginal)."
    with new_figure(max(4.4, 0.8 + 2.3 * across), 0.7 + 2.0 * rows, caption) as figure:
        panels = figure.subplots(rows, across, squeeze=False).ravel()
        for axes, name, title in zip(panels, names, as_labels(parameters_text(names), 34), strict=False):
            part = table.xs(name, level="parameter")
            x = np.log(part.index.to_numpy(dtype=float))
            axes.vlines(x, part["lower"], part["upper"], color=INK, linewidth=1.0, gid="interval")
            axes.plot(x, part["median"], "o-", color=COLOURS[0], linewidth=0.9, markersize=4, gid="median")
            if name in references:
                axes.axhline(
                    references[name],
                    color=BAD,
                    linestyle="--",
                    linewidth=1.0,
                    gid="firth",
                    label="Firth's penalized estimate, no groups",
                )
            axes.set_xticks(x, [f"{scale:g}" for scale in part.index])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.margins(x=0.15)
            axes.set_title(title)
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        figure.supxlabel(f"scale of the prior: {priors}", fontsize=9)
        figure.supylabel(f"posterior median, {interval_text} interval\n{estimand}", fontsize=9)
        if marked := [axes for axes, name in zip(panels, names, strict=False) if name in references]:
            lines, labels = marked[0].get_legend_handles_labels()
            figure.legend(lines, labels, loc="outside upper right")
    return figure

"""`prior_ladder(...)`: estimates against the scale of the prior, a panel a parameter."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter, NullLocator

from bayesglmm.common.names import parameters_text
from bayesglmm.plots.style import BAD, COLOURS, INK, Picture, as_labels, new_figure

__all__ = ["prior_ladder"]

_ACROSS = 3


def prior_ladder(table: pd.DataFrame, references: Mapping[str, float], priors: str, about: str) -> Picture:
    """Draw medians and 95 % intervals against the scale of the prior.

    Parameters
    ----------
    table
        Index `parameter`, `scale`; columns `median`, `lower`, `upper`.
    references
        Penalized estimates by parameter, drawn as lines.
    priors
        What the priors are.
    about
        Whose numbers they are, on which scale.

    Returns
    -------
    Picture
    """
    names = list(dict.fromkeys(table.index.get_level_values("parameter")))
    rows = -(-len(names) // _ACROSS)
    across = min(len(names), _ACROSS)
    caption = (
        f"Posterior medians and 95 % equal-tailed intervals under {priors}; {about}. "
        "An estimate that climbs with the scale is held by its prior."
    )
    if references:
        caption += " Dashed: Firth's penalized estimate, which knows no groups (marginal)."
    with new_figure(max(4.4, 0.8 + 2.3 * across), 0.7 + 2.0 * rows, caption) as figure:
        panels = figure.subplots(rows, across, squeeze=False).ravel()
        for axes, name, title in zip(panels, names, as_labels(parameters_text(names), 34), strict=False):
            part = table.xs(name, level="parameter")
            x = np.log(part.index.to_numpy(dtype=float))
            axes.vlines(x, part["lower"], part["upper"], color=INK, linewidth=1.0, gid="interval95")
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
        figure.supylabel(f"posterior median, 95 % interval\n{about}", fontsize=9)
        if marked := [axes for axes, name in zip(panels, names, strict=False) if name in references]:
            lines, labels = marked[0].get_legend_handles_labels()
            figure.legend(lines, labels, loc="outside upper right")
    return figure

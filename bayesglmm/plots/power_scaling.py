"""The picture of power scaling: how far the prior and the likelihood move each quantity."""

import numpy as np

from bayesglmm.common.names import parameters_text
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, as_labels, frameless, new_figure
from bayesglmm.sensitivity.power_scaling import PriorSensitivity

__all__ = ["draw"]


def draw(shown: PriorSensitivity, threshold: float) -> Picture:
    """Draw the sensitivity of each quantity to the prior and to the likelihood.

    Parameters
    ----------
    shown
        The sensitivities.
    threshold
        The smallest sensitivity that counts, a dashed line.
    """
    table = shown.table
    texts = as_labels(parameters_text([str(name) for name in table.index]), 80)
    heights = np.arange(len(table), 0, -1, dtype=float)
    caption = (
        "Power scaling: how far the distribution of each quantity moves when the priors (filled), the class of them "
        f"that moves it most (diamond) or {shown.likelihood} (open) are raised to a power near one, per doubling; from "
        f"{threshold:g} on it counts as sensitive."
    )
    with new_figure(6.4 + 0.05 * max(0, max(map(len, texts)) - 24), 1.1 + 0.26 * len(table), caption) as figure:
        axes = figure.add_subplot()
        axes.hlines(heights, 0, table.max(axis=1, numeric_only=True), color=GREY, linewidth=0.6)
        axes.axvline(threshold, color=INK, linewidth=0.8, linestyle="--", gid="threshold")
        axes.plot(table["likelihood"], heights, "s", mfc="white", mec=INK, ms=5, gid="likelihood", label="likelihood")
        axes.plot(table["prior"], heights, "o", color=COLOURS[0], markersize=5, gid="prior", label="prior")
        axes.plot(
            table["alone"], heights, "d", mfc="white", mec=COLOURS[0], ms=4, gid="alone", label="strongest prior alone"
        )
        axes.set_yticks(heights, texts)
        axes.set_ylim(0.4, len(table) + 0.6)
        axes.set_xlim(0, None)
        frameless(axes)
        axes.set_xlabel(f"sensitivity to power scaling (dashed: {threshold:g})")
        figure.legend(loc="outside upper right", ncols=3)
    return figure

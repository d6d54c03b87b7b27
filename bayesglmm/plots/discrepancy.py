"""The picture of a statistic of the data beside that of replicated data."""

import numpy as np

from bayesglmm.checking.discrepancy import Discrepancy
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, new_figure

__all__ = ["draw"]

_AXES = {
    "dispersion": "Pearson's X² over its degrees of freedom",
    "zeros": "number of zeros",
}


def draw(shown: Discrepancy) -> Picture:
    """Draw the replicated statistic as a histogram, and the observed one as a line or as a second histogram."""
    observed, predicted = (shown.draws[name].values.reshape(-1) for name in ("observed", "predicted"))
    both = np.concatenate([observed, predicted])
    if shown.kind == "zeros":
        step = max(1.0, np.ceil(np.ptp(both) / 40))
        bins = np.arange(both.min() - 0.5, both.max() + step + 0.5, step).tolist()
    else:
        bins = np.histogram_bin_edges(both, 40).tolist()
    caption = f"{shown.estimand[0].upper()}{shown.estimand[1:]}. {shown.reading}"
    if shown.kind == "dispersion":
        caption += (
            " At posterior means X² is smaller than at the draws, since effects at their means are nearest to the rows "
            "that they were fitted to: compare it with other software's, and the data by draw with replicated data."
        )
    with new_figure(5.4, 2.9, caption) as figure:
        axes = figure.add_subplot()
        axes.hist(predicted, bins, density=True, color=GREY, alpha=0.45, gid="predicted", label="replicated data")
        if np.ptp(observed) > 0:
            axes.hist(
                observed, bins, density=True, histtype="step", color=COLOURS[0], gid="observed", label="data, by draw"
            )
        else:
            axes.axvline(observed[0], color=COLOURS[0], linewidth=2.0, gid="observed", label="data")
        if shown.kind == "dispersion":
            text = f"{shown.value:.2f} at posterior means"
            axes.axvline(
                shown.value,
                color=INK,
                linestyle=(0, (4, 3)),
                gid="value",
                label=text,
            )
        axes.set_xlabel(_AXES[shown.kind])
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=7)
    return figure

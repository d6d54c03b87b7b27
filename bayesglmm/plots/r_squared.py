"""The picture of R²: its posterior density in each frame, on the same axis from 0 to 1."""

import numpy as np

from bayesglmm.comparison.r_squared import RSquared
from bayesglmm.plots.style import Picture, as_labels, forest_rows, intervals_text, new_figure, quantiles

__all__ = ["draw"]


def draw(shown: RSquared) -> Picture:
    """Draw the posterior of R² in each frame as a forest.

    Parameters
    ----------
    shown
        R² by frame.
    """
    frames = [str(name) for name in shown.draws["frame"].values]
    values = quantiles(shown.draws.values.reshape(-1, len(frames)), shown.ci_prob)
    heights = np.arange(len(frames))[::-1].astype(float)
    caption = f"{shown.draws.attrs['estimand']}; {intervals_text(shown.ci_prob, shown.draws)}."
    with new_figure(6.0, 1.2 + 0.4 * len(frames), caption) as figure:
        axes = figure.add_subplot()
        forest_rows(axes, values, heights, reference=None)
        axes.set_yticks(heights, as_labels([_title(name) for name in frames]))
        for height, (lower, _, median, _, upper) in zip(heights, values.T, strict=True):
            text = f"{median:.2f} [{lower:.2f}, {upper:.2f}]"
            axes.text(1.02, height, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"R², {shown.draws.attrs['scale']} scale")
        figure.supxlabel(intervals_text(shown.ci_prob, shown.draws), fontsize=8)
    return figure


def _title(frame: str) -> str:
    """Return what a frame is called beside its row."""
    explained = {"population": "population: predictors", "group": "group: predictors and groups"}
    return explained.get(frame, frame)

"""The normal quantile-quantile plot of random effects."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import special

from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.plots.style import COLOURS, GREY, Picture, as_labels, columns_text, label, new_figure

__all__ = ["draw"]

type Array = NDArray[np.float64]


def draw(effects: RandomEffects, columns: Sequence[str]) -> Picture:
    """Draw the random effects, divided by their sd, against the quantiles of N(0, 1).

    Parameters
    ----------
    effects
        Effects b on the link scale.
    columns
        Which of their columns, a panel each.

    Returns
    -------
    Picture
        Points: the posterior medians of b/σ, sorted. Band: 95 % of the sorted b/σ of each draw, which
        lie about the line if the random effects are normal; the medians, being shrunken, lie flatter than it.
    """
    m, flat, sds = effects.draws.sizes["level"], effects.flat, effects.sd
    with new_figure(max(4.0, 0.8 + 3.2 * len(columns)), 3.7, _caption(label(effects.factor), m)) as figure:
        row = figure.subplots(1, len(columns), squeeze=False)[0]
        for axes, name in zip(row, columns, strict=True):
            j = effects.columns.index(name)
            draws, sd = flat[..., j], sds[:, j, None]
            _draw(axes, np.divide(draws, sd, out=np.zeros_like(draws), where=sd > 0))
            axes.set_title(as_labels(columns_text([name]), 36)[0])
            axes.set_xlabel("quantile of N(0, 1)")
        row[0].set_ylabel(f"random effect b of {label(effects.factor)} / σ")
    return figure


def _draw(axes: Axes, standard: Array) -> None:
    """Draw the draws of b/σ (s, m) against normal quantiles."""
    m = standard.shape[1]
    normal = special.ndtri((np.arange(1, m + 1) - 0.375) / (m + 0.25))
    lower, upper = np.quantile(np.sort(standard, axis=1), (0.025, 0.975), axis=0)
    axes.fill_between(normal, lower, upper, color=GREY, alpha=0.35, linewidth=0, gid="band")
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="line")
    medians = np.sort(np.median(standard, axis=0))
    axes.plot(normal, medians, "o", color=COLOURS[0], markersize=3.5 if m <= 100 else 2.0, gid="median")


def _caption(factor: str, m: int) -> str:
    return (
        f"Normal quantile-quantile plot of the random effects of the {m:,} levels of {factor}, divided by their "
        "standard deviation σ. Points: posterior medians, which are shrunken toward 0 and so lie flatter than the line "
        "even where the effects are normal. Band: 95 % of the sorted effects of each posterior draw, which are not "
        "shrunken. Both lean toward the normal distribution that the model assumes, most where groups have few data."
    )

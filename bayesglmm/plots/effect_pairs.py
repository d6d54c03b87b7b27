"""The picture of two columns of random effects against each other, with ellipses of N(0, G)."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import chi2

from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.plots.style import COLOURS, GREY, Picture, as_labels, columns_text, label, new_figure

__all__ = ["draw"]

type Array = NDArray[np.float64]


def draw(effects: RandomEffects, first: str, second: str) -> Picture:
    """Draw two columns of the random effects against each other, a point a group, with ellipses of N(0, G).

    Parameters
    ----------
    effects
        Effects b on the link scale.
    first, second
        Two of their columns.

    Returns
    -------
    Picture
        Points are posterior medians, crosses their 50 % equal-tailed intervals. The ellipses hold 50 % and 95 % of a
        population N(0, G) at the mean of G.
    """
    positions = [effects.columns.index(name) for name in (first, second)]
    g = effects.covariance.mean(axis=0)[np.ix_(positions, positions)]
    values = np.quantile(effects.flat[..., positions], (0.25, 0.5, 0.75), axis=0)
    with new_figure(4.8, 4.6, _caption(label(effects.factor), effects.link_scale, values.shape[1])) as figure:
        axes = figure.add_subplot()
        _draw(axes, values, g)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=7)
        texts = as_labels(columns_text([first, second]))
        axes.set_xlabel(f"random effect b of {texts[0]} ({effects.link_scale})")
        axes.set_ylabel(f"random effect b of {texts[1]} ({effects.link_scale})")
    return figure


def _draw(axes: Axes, values: Array, g: Array) -> None:
    """Draw points and their intervals (3, m, 2) over the ellipses of G (2, 2)."""
    many = values.shape[1] > 100
    axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.axvline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    low, middle, high = values
    median = "median" if many else "median, 50 % interval"
    if not many:
        axes.hlines(middle[:, 1], low[:, 0], high[:, 0], color=GREY, linewidth=0.6, gid="x50")
        axes.vlines(middle[:, 0], low[:, 1], high[:, 1], color=GREY, linewidth=0.6, gid="y50")
    size = 2.2 if many else 3.5
    axes.plot(middle[:, 0], middle[:, 1], "o", color=COLOURS[0], markersize=size, gid="median", label=median)
    root = np.linalg.cholesky(g + 1e-12 * np.trace(g) * np.eye(2) + 1e-300 * np.eye(2))
    angle = np.linspace(0, 2 * np.pi, 201)
    for share, dashes in ((0.5, (0, (5, 2))), (0.95, "solid")):
        circle = np.sqrt(chi2.ppf(share, 2)) * np.stack([np.cos(angle), np.sin(angle)])
        name, text = f"ellipse{100 * share:.0f}", f"{100 * share:.0f} % of N(0, G)"
        axes.plot(*(root @ circle), color=COLOURS[1], linewidth=1.2, linestyle=dashes, gid=name, label=text)


def _caption(factor: str, scale: str, m: int) -> str:
    intervals = ", without intervals, which more than 100 points would hide" if m > 100 else " with 50 % intervals"
    return (
        f"Random effects of the {m:,} levels of {factor} against each other, on the {scale}: medians"
        f"{intervals}. Ellipses: 50 % (dashed) and 95 % (solid) of a population N(0, G) at the posterior mean of G. "
        "Medians are shrunken toward 0, so fewer of them than of the groups themselves lie outside."
    )

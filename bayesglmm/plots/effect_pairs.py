"""`effect_pairs(fit, factor)`: two columns of the random effects against each other, with the ellipse of G."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import chi2

from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.random_effects import blocks_of, random_effects
from bayesglmm.plots.style import COLOURS, GREY, Picture, as_labels, columns_text, label, new_figure, scale
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted

__all__ = ["effect_pairs"]

type Array = NDArray[np.float64]


def effect_pairs(fit: Fitted, factor: str | None = None, *, x: str | None = None, y: str | None = None) -> Picture:
    """Draw two columns of the random effects against each other, a point a group, with ellipses of N(0, G).

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one.
    x, y
        The columns; None for the first two.

    Returns
    -------
    Picture
        Points are posterior medians, crosses their 50 % equal-tailed intervals. The ellipses hold 50 % and 95 % of a
        population N(0, G) at the posterior mean of G.

    Raises
    ------
    OptionError
        If the model has no random effects, or the factor fewer than two columns, or not these.
    """
    effects = random_effects(fit, factor)
    names = effects.columns
    if len(names) < 2:
        raise OptionError(f"'{effects.factor}' has one column ({listing(names)}): a pair takes two, as in (1 + x | g)")
    first = names[0] if x is None else effects.column(x, "x")
    second = next(name for name in names if name != first) if y is None else effects.column(y, "y")
    if first == second:
        raise OptionError(f"x and y are both {first!r}; give two of {listing(names)}")
    g = _covariance(fit, effects.factor, first, second)
    flat = effects.draws.sel(column=[first, second]).transpose("chain", "draw", "level", "column").values
    values = np.quantile(flat.reshape(-1, *flat.shape[2:]), (0.25, 0.5, 0.75), axis=0)
    with new_figure(4.8, 4.6, _caption(label(effects.factor), scale(fit.model), values.shape[1])) as figure:
        axes = figure.add_subplot()
        _draw(axes, values, g)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=7)
        texts = as_labels(columns_text([first, second]))
        axes.set_xlabel(f"random effect b of {texts[0]} ({scale(fit.model)})")
        axes.set_ylabel(f"random effect b of {texts[1]} ({scale(fit.model)})")
    return figure


def _covariance(fit: Fitted, factor: str, first: str, second: str) -> Array:
    """Return the posterior mean of G of two columns, (2, 2); columns of two blocks are independent."""
    draws = Draws(fit.posterior, fit.model.design)
    g = np.zeros((2, 2))
    for block in blocks_of(fit, factor):
        mean = draws.covariance(block).mean(axis=0)
        here = [(i, block.columns.index(name)) for i, name in enumerate((first, second)) if name in block.columns]
        for i, row in here:
            for j, column in here:
                g[i, j] = mean[row, column]
    return g


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


def _caption(factor: str, where: str, m: int) -> str:
    intervals = ", without intervals, which more than 100 points would hide" if m > 100 else " with 50 % intervals"
    return (
        f"Random effects of the {m:,} levels of {factor} against each other, on the {where}: posterior medians"
        f"{intervals}. Ellipses: 50 % (dashed) and 95 % (solid) of a population N(0, G) at the posterior mean of G. "
        "Medians are shrunken toward 0, so fewer of them than of the groups themselves lie outside."
    )

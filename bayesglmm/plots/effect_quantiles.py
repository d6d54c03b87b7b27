"""The normal quantile-quantile plot of random effects.

Points and band are the same quantity. If b ~ N(0, G), a posterior draw of b and σ together with the data has the same
distribution as a draw from the model, so b/σ at a single draw is a sample of m values from N(0, 1), sorted: its i-th is
Φ⁻¹ of a Beta(i, m + 1 − i) variable. The points are the averages of the sorted values over the draws, which vary less
than those of one draw: under the model at most 5 % of them are expected outside the band of 95 %.

References
----------
Yuan & Johnson (2012), Biometrics 68, 156-164: checks at single draws from the posterior.
Lange & Ryan (1989), Annals of Statistics 17, 624-642: normal plots of random effects.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import special

from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.plots.style import BAD, COLOURS, GREY, Picture, as_labels, columns_text, label, new_figure

__all__ = ["draw", "sorted_effects"]

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
        Points: b/σ, sorted in each draw, averaged over the draws; red outside the band. Band: 95 % of each sorted value
        of as many from N(0, 1).
    """
    m, flat, sds = effects.draws.sizes["level"], effects.flat, effects.sd
    with new_figure(max(4.0, 0.8 + 3.2 * len(columns)), 3.7, _caption(label(effects.factor), m)) as figure:
        row = figure.subplots(1, len(columns), squeeze=False)[0]
        for axes, name in zip(row, columns, strict=True):
            j = effects.columns.index(name)
            _draw(axes, *sorted_effects(flat[..., j], sds[:, j]))
            axes.set_title(as_labels(columns_text([name]), 36)[0])
            axes.set_xlabel("quantile of N(0, 1)")
        row[0].set_ylabel(f"random effect b of {label(effects.factor)} / σ")
    return figure


def sorted_effects(b: Array, sd: Array) -> tuple[Array, Array, Array]:
    """Return the sorted b/σ averaged over draws, and the lower and upper end of 95 % of those from N(0, 1), (m,) each.

    Parameters
    ----------
    b
        (s, m) effects.
    sd
        (s,) their standard deviations; draws at 0 are left out.
    """
    s, m = b.shape
    positive = sd > 0
    standard = b[positive] / sd[positive, None] if positive.any() else np.zeros((s, m))
    rank = np.arange(1, m + 1)
    lower, upper = (special.ndtri(special.betaincinv(rank, m + 1 - rank, p)) for p in (0.025, 0.975))
    return np.sort(standard, axis=1).mean(axis=0), lower, upper


def _draw(axes: Axes, values: Array, lower: Array, upper: Array) -> None:
    """Draw sorted values and their band against normal quantiles."""
    m = len(values)
    normal = special.ndtri((np.arange(1, m + 1) - 0.375) / (m + 0.25))
    axes.fill_between(normal, lower, upper, color=GREY, alpha=0.35, linewidth=0, gid="band")
    axes.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="line")
    size, outside = 3.5 if m <= 100 else 2.0, (values < lower) | (values > upper)
    axes.plot(normal, values, "o", color=COLOURS[0], markersize=size, gid="points")
    axes.plot(normal[outside], values[outside], "o", color=BAD, markersize=size, gid="outside")


def _caption(factor: str, m: int) -> str:
    return (
        f"Normal quantile-quantile plot of the random effects of the {m:,} levels of {factor}, divided by their "
        "standard deviation σ. Points: b/σ sorted in each posterior draw, averaged over the draws, red outside "
        f"the band. Band: 95 % of each of {m:,} sorted values from N(0, 1); if the effects are normal, at most one "
        "point in 20 is expected outside. Where groups have few data the points lean toward the normal distribution "
        "that the model assumes, and lie near the line whatever the effects are."
    )

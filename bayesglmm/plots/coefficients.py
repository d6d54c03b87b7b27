"""The picture of coefficients: a forest, medians and intervals written beside it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from bayesglmm.estimands.coefficients import Coefficients
from bayesglmm.plots.rounding import decimals, rounded
from bayesglmm.plots.style import (
    Picture,
    as_labels,
    columns_text,
    forest_rows,
    frameless,
    intervals_text,
    new_figure,
    quantiles,
)
from bayesglmm.posterior.inference import said

__all__ = ["draw"]

_LEADING = (
    (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
"""Leading digits of the ticks on the ratio axis, from the densest set to the sparsest."""


def draw(shown: Coefficients, *, intercept: bool = False) -> Picture:
    """Draw the conditional coefficients as a forest: medians with 50 % intervals and those of `ci_prob`.

    Parameters
    ----------
    shown
        The coefficients.
    intercept
        Whether to show the intercept too, which is a level and not an effect; it is shown in any case
        where it is the only coefficient.

    Returns
    -------
    Picture
        One row a coefficient in the order of the formula, on the scale of the linear predictor;
        conditional on b = 0. Where exp(β) has a name (odds ratio, rate ratio), a second axis shows it.
    """
    every = shown.link_draws["coefficient"].values.tolist()
    names = [name for name in every if intercept or name != "Intercept" or len(every) == 1]
    draws = shown.link_draws.sel(coefficient=names, frame="conditional").transpose("chain", "draw", "coefficient")
    beta = draws.values.reshape(-1, len(names))
    values, sds = quantiles(beta, shown.ci_prob), beta.std(axis=0, ddof=1)
    heights = np.arange(len(names), 0, -1, dtype=float)
    texts = as_labels(columns_text(names))
    width = 6.2 + 0.06 * max(0, max(map(len, texts)) - 8)
    frame = "conditional (typical subject, b = 0), " if shown.grouped else ""
    with new_figure(width, 1.35 + 0.3 * len(names), _caption(shown)) as figure:
        axes = figure.add_subplot()
        forest_rows(axes, values, heights)
        axes.set_yticks(heights, texts)
        frameless(axes)
        axes.set_xlabel(f"coefficient: {frame}{shown.scale}")
        _figures(axes, values, sds, heights, shown.ci_prob)
        if shown.ratio is not None:
            _ratio_axis(axes, f"{'conditional ' if shown.grouped else ''}{shown.ratio}, exp(coefficient)")
    return figure


def _caption(shown: Coefficients) -> str:
    frame = "conditional coefficients (of the typical subject, b = 0)" if shown.grouped else "coefficients"
    above = f" The upper axis shows exp(β), the conditional {shown.ratio}." if shown.ratio and shown.grouped else ""
    intervals = intervals_text(shown.ci_prob, shown.link_draws)
    sentence = f"Forest of the {frame} on the {shown.scale}: {intervals}, written out on the right"
    return f"{said(sentence, shown.link_draws)}.{above}"


def _figures(
    axes: Axes,
    values: NDArray[np.float64],
    sds: NDArray[np.float64],
    heights: NDArray[np.float64],
    ci_prob: float,
) -> None:
    """Write medians and intervals beside the rows."""
    for height, value, sd in zip(heights, values.T, sds, strict=True):
        places = decimals(float(sd))
        low, middle, high = (rounded(float(value[i]), places) for i in (0, 2, 4))
        axes.annotate(
            f"{middle}  [{low}, {high}]",
            (1.02, height),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    heading = f"median  [{100 * ci_prob:g} % interval]"
    axes.annotate(heading, (1.02, 1.0), xycoords="axes fraction", va="bottom", fontsize=8, style="italic")


def _ratio_axis(axes: Axes, text: str) -> None:
    """Show exp(β) above."""
    ticks = _ratio_ticks(*axes.get_xlim())
    above = axes.secondary_xaxis("top")
    above.xaxis.set_major_locator(FixedLocator([float(np.log(tick)) for tick in ticks]))
    above.xaxis.set_minor_locator(NullLocator())
    above.xaxis.set_minor_formatter(NullFormatter())
    above.set_xticks([float(np.log(tick)) for tick in ticks], [f"{tick:g}" for tick in ticks])
    above.set_xlabel(text, labelpad=6)


def _ratio_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Return at most `most` round ratios between exp(low) and exp(high)."""
    decades = range(int(np.floor(low / np.log(10))), int(np.ceil(high / np.log(10))) + 1)
    for leading in _LEADING:
        ticks = sorted(digit * 10.0**decade for digit in leading for decade in decades)
        ticks = [float(f"{tick:.3g}") for tick in ticks if low <= np.log(tick) <= high]
        if len(ticks) <= most:
            return ticks
    step = int(np.ceil(len(ticks) / most))
    return ticks[::step]

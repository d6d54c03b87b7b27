"""`coefficients(fit)`: the forest of the coefficients, their figures beside."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.plots.rounding import decimals, rounded
from bayesglmm.plots.style import Picture, as_labels, columns_text, forest, frameless, new_figure, quantiles, scale
from bayesglmm.posterior.protocol import Fitted

__all__ = ["coefficients"]

_LEADING = (
    (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
"""Leading digits of the ticks on the ratio axis, ever fewer as there is less room."""


def coefficients(fit: Fitted, *, intercept: bool = False) -> Picture:
    """Draw the coefficients as a forest: medians with 50 % and 95 % equal-tailed intervals.

    Parameters
    ----------
    fit
        The fit.
    intercept
        Whether to show the intercept too, which is a level and not an effect; it is shown in any case
        where it is the only coefficient.

    Returns
    -------
    Picture
        One row a coefficient in the order of the formula, on the scale of the linear predictor;
        conditional on b = 0. Where exp(β) has a name (odds ratio, rate ratio), a second axis shows it.

    Raises
    ------
    OptionError
        If the model has no coefficients.
    """
    design = fit.model.design
    names = [name for name in design.coef if intercept or name != "Intercept" or len(design.coef) == 1]
    if not names:
        raise OptionError("the model has no population-level coefficients to draw")
    beta = fit.posterior["beta"].sel(coef=names).transpose("chain", "draw", "coef").values.reshape(-1, len(names))
    values, sds = quantiles(beta), beta.std(axis=0, ddof=1)
    heights = np.arange(len(names), 0, -1, dtype=float)
    texts = as_labels(columns_text(names))
    width = 6.2 + 0.06 * max(0, max(map(len, texts)) - 8)
    with new_figure(width, 1.35 + 0.3 * len(names), _caption(fit)) as figure:
        axes = figure.add_subplot()
        forest(axes, values, heights)
        axes.set_yticks(heights, texts)
        frameless(axes)
        axes.set_xlabel(f"coefficient: {_whose(fit)}{scale(fit.model)}")
        _figures(axes, values, sds, heights)
        _ratio_axis(axes, fit)
    return figure


def _whose(fit: Fitted) -> str:
    return "conditional (typical subject, b = 0), " if fit.model.design.blocks else ""


def _caption(fit: Fitted) -> str:
    family = fit.model.family
    ratio = family.ratio
    frame = "conditional coefficients (of the typical subject, b = 0)" if fit.model.design.blocks else "coefficients"
    above = (
        f" The upper axis shows exp(β), the {frame.split(' ')[0]} {ratio}." if ratio and fit.model.design.blocks else ""
    )
    return (
        f"Forest of the {frame} on the {scale(fit.model)}: posterior median, 50 % interval (thick) and 95 % "
        f"equal-tailed interval (thin), written out on the right.{above}"
    )


def _figures(axes: Axes, values: NDArray[np.float64], sds: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    """Write medians and 95 % intervals beside the rows."""
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
    axes.annotate(
        "median  [95 % interval]", (1.02, 1.0), xycoords="axes fraction", va="bottom", fontsize=8, style="italic"
    )


def _ratio_axis(axes: Axes, fit: Fitted) -> None:
    """Show exp(β) above, where it has a name."""
    family = fit.model.family
    name = family.ratio
    if name is None:
        return
    low, high = axes.get_xlim()
    ticks = _ratio_ticks(low, high)
    above = axes.secondary_xaxis("top")
    above.xaxis.set_major_locator(FixedLocator([float(np.log(tick)) for tick in ticks]))
    above.xaxis.set_minor_locator(NullLocator())
    above.xaxis.set_minor_formatter(NullFormatter())
    above.set_xticks([float(np.log(tick)) for tick in ticks], [f"{tick:g}" for tick in ticks])
    conditional = "conditional " if fit.model.design.blocks else ""
    above.set_xlabel(f"{conditional}{name}, exp(coefficient)", labelpad=6)


def _ratio_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Return round ratios between exp(low) and exp(high), at most so many."""
    decades = range(int(np.floor(low / np.log(10))), int(np.ceil(high / np.log(10))) + 1)
    for leading in _LEADING:
        ticks = sorted(digit * 10.0**decade for digit in leading for decade in decades)
        ticks = [float(f"{tick:.3g}") for tick in ticks if low <= np.log(tick) <= high]
        if len(ticks) <= most:
            return ticks
    step = int(np.ceil(len(ticks) / most))
    return ticks[::step]

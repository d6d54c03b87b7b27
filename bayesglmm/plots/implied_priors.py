"""The picture of implied priors: histograms on the scale of the response, a panel a quantity."""

from dataclasses import dataclass
from textwrap import fill

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.plots.style import COLOURS, INK, Picture, label, new_figure
from bayesglmm.sensitivity.implied_priors import ImpliedPriors

__all__ = ["draw"]

type Array = NDArray[np.float64]

_ACROSS = 3
_BINS = 30
_COLOUR = {"typical": INK, "population": COLOURS[0], "new_group": COLOURS[1]}
_LINES = {"typical": "-", "population": "--", "new_group": ":"}
_CUT = (0.05, 0.95)
"""Quantiles between which a prior without bounds is shown: its tails would compress the rest."""


@dataclass(frozen=True, eq=False)
class _Panel:
    """A quantity: its title, the label of its axis, its draws by frame, and the axis limits (None: by the draws)."""

    title: str
    axis: str
    draws: dict[str, Array]
    limits: tuple[float, float] | None


def draw(implied: ImpliedPriors) -> Picture:
    """Draw the prior of the baseline, of the difference each predictor makes, and of the spread of groups.

    Parameters
    ----------
    implied
        The priors on the scale of the response.

    Returns
    -------
    Picture
        Histograms as outlines, one a frame. Means without an upper bound are shown on a log scale, and without their
        outer 10 %.
    """
    panels, positive = _panels(implied), implied.range == "positive"
    rows, across = -(-len(panels) // _ACROSS), min(len(panels), _ACROSS)
    grouped = "block" in implied.draws.dims
    change = "the change each predictor makes"
    spread = f", {change}, and the spread between groups; by frame (b at 0, averaged over, or of one new group)"
    caption = (
        f"What the priors say before the data, on the scale of the response: {plain(implied.outcome)} at the baseline"
        f"{spread if grouped else f' and {change}'}. Each line is the share of the prior in each of {_BINS} bins."
    )
    with new_figure(0.8 + 2.5 * across, 0.8 + 1.8 * rows, caption) as figure:
        grid = figure.subplots(rows, across, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw(axes, panel, log=positive)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.supylabel("share of the prior", fontsize=9)
        if grouped:
            figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def _panels(implied: ImpliedPriors) -> list[_Panel]:
    """List the baseline, every step and the spread of every block."""
    draws, bounded, positive = implied.draws, implied.range == "unit", implied.range == "positive"
    contrast = "ratio" if positive else "difference"
    unit = (0.0, 1.0) if bounded else None
    level = "probability" if bounded else "mean"
    panels = [_Panel("baseline", level, _by_frame(draws["mean"].isel(point=0)), unit)]
    for step in draws["step"].values:
        values = _by_frame(draws[contrast].sel(step=step))
        panels.append(
            _Panel(
                str(step),
                "ratio of means" if positive else f"difference in {level}",
                values,
                (-1.0, 1.0) if bounded else None,
            )
        )
    for block in draws["block"].values if "spread" in draws else ():
        axis = f"{level}, " + ("highest / lowest" if positive else "highest − lowest")
        values = {"new_group": draws["spread"].sel(block=block).values}
        panels.append(_Panel(f"middle 95 % of groups, {block}", axis, values, unit))
    return panels


def _by_frame(values: xr.DataArray) -> dict[str, Array]:
    return {str(frame): values.sel(frame=frame).values for frame in values["frame"].values}


def _draw(axes: Axes, panel: _Panel, *, log: bool) -> None:
    """Draw a panel: an outline a frame."""
    shown = {frame: np.log10(values) if log else values for frame, values in panel.draws.items()}
    finite = np.concatenate([values[np.isfinite(values)] for values in shown.values()])
    low, high = panel.limits or np.quantile(finite, _CUT)
    edges = np.linspace(low, high, _BINS + 1)
    for frame, values in shown.items():
        share = np.histogram(values[np.isfinite(values)], edges)[0] / len(values)
        axes.stairs(share, edges, color=_COLOUR[frame], linestyle=_LINES[frame], linewidth=1.2, gid=frame, label=frame)
    axes.set_xlim(low, high)
    axes.set_ylim(0, None)
    axes.set_title(fill(label(panel.title), 38), fontsize=8)
    axes.set_xlabel(panel.axis, fontsize=8)
    if log:
        axes.xaxis.set_major_formatter(lambda value, _: _power_of_ten(value))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _power_of_ten(exponent: float) -> str:
    """Return `10⁻³` for a whole exponent, the number for another."""
    if exponent != round(exponent):
        return f"{10**exponent:.3g}"
    return "10" + f"{exponent:.0f}".translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

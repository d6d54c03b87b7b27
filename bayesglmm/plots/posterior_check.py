"""The picture of a posterior check: the data's curve, that of replicated data, and its envelope."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from bayesglmm.checking.curves import PosteriorCheck
from bayesglmm.plots.residuals import joined, points
from bayesglmm.plots.style import BAD, COLOURS, GREY, Picture, label, new_figure

__all__ = ["draw"]


def draw(shown: PosteriorCheck) -> Picture:
    """Draw a check.

    Parameters
    ----------
    shown
        The check.

    Returns
    -------
    Picture
        Dark: the data. Grey: the simultaneous envelope of replicated data, and their mean; red where the data leave it.
    """
    caption = f"{shown.estimand[0].upper()}{shown.estimand[1:]}. {shown.reading}"
    curve, table = shown.curve, shown.table
    x = np.arange(len(table), dtype=float) if curve.labels is not None else table.index.to_numpy(dtype=float)
    with new_figure(5.4, 3.4, caption) as figure:
        axes = figure.add_subplot()
        if curve.points is not None:
            _single(axes, shown)
        for one in () if curve.replicated is None else curve.replicated:
            axes.plot(x, one, color=COLOURS[3], linewidth=0.4, alpha=0.35, gid="replicated")
        _envelope(axes, shown, x)
        _observed(axes, shown, x)
        _axes(axes, shown)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=7)
    return figure


def _single(axes: Axes, shown: PosteriorCheck) -> None:
    single = shown.curve.points
    assert single is not None
    at, values = single["x"].to_numpy(), single["y"].to_numpy()
    if "group" in single:
        joined(axes, at, values, single["group"].to_numpy())
    points(axes, at, values)


def _envelope(axes: Axes, shown: PosteriorCheck, x: np.ndarray) -> None:
    table, style = shown.table, shown.curve.style
    lower, upper, predicted = (table[name].to_numpy() for name in ("lower", "upper", "predicted"))
    text = f"{100 * table.attrs['ci_prob']:g} % envelope"
    if style == "line" or len(x) > 30:
        axes.fill_between(x, lower, upper, color=GREY, alpha=0.35, linewidth=0, gid="envelope", label=text)
        axes.plot(
            x, predicted, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), gid="predicted", label="mean of replicates"
        )
    else:
        over = 3 if shown.curve.points is not None else 1  # an envelope narrower than single rows stands before them
        alpha = 0.9 if shown.curve.points is not None else 0.5
        axes.vlines(x, lower, upper, color=GREY, alpha=alpha, linewidth=6.0, zorder=over, gid="envelope", label=text)
        axes.plot(
            x, predicted, "_", color="#555555", markersize=9, zorder=over, gid="predicted", label="mean of replicates"
        )
    if shown.curve.zero:
        axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, gid="zero")


def _observed(axes: Axes, shown: PosteriorCheck, x: np.ndarray) -> None:
    observed, outside = shown.table["observed"].to_numpy(), shown.table["outside"].to_numpy()
    colour = COLOURS[1] if shown.curve.points is not None else COLOURS[0]
    if shown.curve.style == "line":
        axes.plot(x, observed, color=colour, gid="observed", label="data")
        red = np.where(outside, observed, np.nan)
        axes.plot(x, red, color=BAD, linewidth=3.0, gid="outside", label="outside" if outside.any() else None)
        return
    size = 4.0 if len(x) <= 60 else 2.5
    axes.plot(x[~outside], observed[~outside], "o", color=colour, ms=size, zorder=4, gid="observed", label="data")
    if outside.any():
        axes.plot(x[outside], observed[outside], "X", color=BAD, ms=size + 2, zorder=4, gid="outside", label="outside")


def _axes(axes: Axes, shown: PosteriorCheck) -> None:
    curve = shown.curve
    axes.set_xlabel(label(curve.x, 80))
    axes.set_ylabel(label(curve.y, 80))
    if curve.scale == "log":
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    elif curve.scale == "log_x":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif curve.scale == "sqrt":
        axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0.0)), np.square))
        axes.set_ylim(0, None)
    if curve.labels is not None:
        shown_labels = [label(one, 24) for one in curve.labels]
        every = max(1, -(-sum(len(one) + 2 for one in shown_labels) // 70))
        axes.set_xticks(np.arange(0, len(shown_labels), every), shown_labels[::every])

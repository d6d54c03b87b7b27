"""`population(fit, focal, by)`: the mean over the population beside the typical subject's and the data's."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import listing
from bayesglmm.plots.curves import Curves, curves
from bayesglmm.plots.style import COLOURS, INK, MARKERS, WRAPPED, Picture, as_labels, drawn, label, new_figure, wrapped
from bayesglmm.posterior.protocol import Fitted

__all__ = ["population"]

_DASHES = (0, (4, 2))


def population(fit: Fitted, focal: str, by: str | None = None, *, labels: Mapping[str, str] | None = None) -> Picture:
    """Draw the population's mean over a predictor, with the typical subject's and the raw means beside.

    Parameters
    ----------
    fit
        The fit.
    focal
        The predictor on the horizontal axis: a curve if it is numeric, points if it is a factor or has
        at most 5 values.
    by
        A predictor of at most 8 values; one colour and marker each.
    labels
        What the axis and the legend call a column, with its unit, by column; its name otherwise.
        For the response it is the whole label of the mean, such as `"expected seizures per week"`.

    Returns
    -------
    Picture
        Solid: posterior median of E(Y | x), averaged exactly over the random effects, with its 95 %
        equal-tailed interval. Dashed: the typical subject, E(Y | x, b = 0), which is not an average of
        anything unless the link is the identity. Open markers: means of the data. Other factors are at
        their reference and the data's means are of rows with that level; indicators are at the lower
        of their two values, other numeric predictors at their mean. With an offset under a log link
        all are rates per unit of exp(offset).

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, or `by` has more than 8 values.
    """
    shown = curves(fit, focal, by)
    names = dict(labels or {})
    with new_figure(6.8, 3.9, _caption(shown)) as figure:
        axes = figure.add_subplot()
        _draw(axes, shown)
        axes.set_xlabel(wrapped(names.get(focal, focal), 70))
        axes.set_ylabel(_vertical(shown, names))
        if fit.model.family.kind != "continuous":
            axes.set_ylim(bottom=0.0)
        title = _broken(label(names.get(by, by), WRAPPED)) if by is not None else None
        figure.legend(
            handles=_handles(shown), title=title, loc="outside right upper", alignment="left", handlelength=2.4
        )
        if shown.setting.held:
            figure.supxlabel(fill(_note(shown), 105), fontsize=7.5, x=0.01, ha="left")
    return figure


def _room(count: int) -> int:
    """Return how many places a label has beside others on the horizontal axis."""
    return max(6, 84 // max(count, 1))


def _broken(text: str) -> str:
    """Break a long label before its parenthesis, then where it must be."""
    parts = text.split(" (", 1) if len(text) > 28 else [text]
    return "\n(".join(fill(part, 38) for part in parts)


def _positions(shown: Curves) -> NDArray[np.float64]:
    if shown.setting.shape == "labels":
        return np.arange(len(shown.setting.values), dtype=float)
    return np.asarray(shown.setting.values, dtype=float)


def _draw(axes: Axes, shown: Curves) -> None:
    x, count = _positions(shown), len(next(iter(shown.setting.groups.values()), (None,)))
    gap = float(np.diff(x).min()) if len(x) > 1 else 1.0
    for group in range(count):
        raw = shown.raw[shown.raw["group"] == group]
        if shown.setting.shape == "curve":
            _curve(axes, shown, group, x)
            shift = 0.0
        else:
            at = gap * 0.12 * (group - (count - 1) / 2) * min(1.0, 4 / count)
            _points(axes, shown, group, x + at, gap * 0.028)
            shift = at - gap * 0.028
        axes.plot(
            raw["x"] + shift,
            raw["mean"],
            MARKERS[group],
            markerfacecolor="white",
            markeredgecolor=COLOURS[group],
            markersize=4.5,
            markeredgewidth=1.0,
            gid=f"raw {group}",
        )
    _ticks(axes, shown, x, gap)


def _ticks(axes: Axes, shown: Curves, x: NDArray[np.float64], gap: float) -> None:
    """Put ticks at the values where they are few, at round numbers elsewhere."""
    if shown.setting.shape == "curve":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
        return
    values = shown.setting.values
    texts = as_labels(values, _room(len(x))) if shown.setting.shape == "labels" else [f"{value:g}" for value in values]
    axes.set_xticks(x, texts)
    axes.set_xlim(x.min() - 0.4 * gap, x.max() + 0.4 * gap)


def _curve(axes: Axes, shown: Curves, group: int, x: NDArray[np.float64]) -> None:
    low, middle, high = shown.population[:, group]
    colour = COLOURS[group]
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, gid=f"interval {group}")
    axes.plot(x, middle, color=colour, gid=f"population {group}")
    if shown.typical is not None:
        axes.plot(x, shown.typical[group], color=colour, linestyle=_DASHES, linewidth=1.2, gid=f"typical {group}")


def _points(axes: Axes, shown: Curves, group: int, x: NDArray[np.float64], step: float) -> None:
    """Draw a group's points side by side: raw mean, population mean with its interval, typical subject."""
    low, middle, high = shown.population[:, group]
    colour, joined = COLOURS[group], shown.setting.shape == "points"
    axes.vlines(x, low, high, color=colour, linewidth=1.4, gid=f"interval {group}")
    axes.plot(
        x,
        middle,
        MARKERS[group],
        color=colour,
        linestyle="-" if joined else "",
        linewidth=0.9,
        gid=f"population {group}",
    )
    if shown.typical is not None:
        axes.plot(
            x + step,
            shown.typical[group],
            "_",
            color=colour,
            markersize=8,
            markeredgewidth=1.6,
            linestyle=_DASHES if joined else "",
            linewidth=0.9,
            gid=f"typical {group}",
        )


def _vertical(shown: Curves, names: Mapping[str, str]) -> str:
    expected = wrapped(names.get(shown.outcome, shown.expected), 44)
    if not shown.averaged:
        return expected
    return f"{expected}\n{fill(f'population mean, averaged over {listing(map(label, shown.averaged))}', 44)}"


def _handles(shown: Curves) -> list[Artist]:
    """Return the entries of the legend: the groups, then the kinds of line."""
    points = shown.setting.shape != "curve"
    handles: list[Artist] = []
    if shown.setting.groups:
        for group, text in enumerate(as_labels(next(iter(shown.setting.groups.values())))):
            colour = COLOURS[group]
            marker: dict[str, Any] = {"marker": MARKERS[group], "markersize": 4.5}
            marker["markerfacecolor"] = colour if points else "white"
            handles.append(Line2D([], [], color=colour, label=fill(text, 30), **marker))
        handles.append(Patch(alpha=0, label=" "))
    mean = "population mean" if shown.averaged else "mean"
    grey: dict[str, Any] = {"color": INK}
    if points:
        handles.append(Line2D([], [], marker="o", markersize=4.5, label=f"{mean},\n95 % interval", **grey))
    else:
        handles.append(Line2D([], [], label=f"{mean}", **grey))
        handles.append(Patch(facecolor=INK, alpha=0.18, label="its 95 % interval"))
    if shown.typical is not None:
        handles.append(Line2D([], [], linestyle=_DASHES, linewidth=1.2, label="typical subject, b = 0", **grey))
    if len(shown.raw):
        open_marker: dict[str, Any] = {"marker": "o", "linestyle": "", "markerfacecolor": "white", "markersize": 4.5}
        handles.append(Line2D([], [], label=fill(drawn(shown.observed), 28), **open_marker, **grey))
    return handles


def _note(shown: Curves) -> str:
    """Say what is held, and which rows the data's means are of."""
    held = f"held: {listing(map(label, shown.setting.held), 8)}"
    rows = _rows(shown)
    return f"{held}; {drawn(shown.observed)}: rows with {rows}" if rows and len(shown.raw) else held


def _rows(shown: Curves) -> str:
    return listing((label(f"{held.name} = {held.value}") for held in shown.setting.held if held.how != "mean"), 8)


def _caption(shown: Curves) -> str:
    setting = shown.setting
    over = plain(", by ".join([setting.focal, *setting.groups]))
    what = shown.expected[0].upper() + shown.expected[1:]
    if shown.averaged:
        frame = (
            f"Solid: population mean E(Y | x), averaged exactly over {listing(shown.averaged)} (posterior median, 95 % "
            "equal-tailed interval). Dashed: the typical subject, E(Y | x, b = 0), which is no average over subjects."
        )
    else:
        frame = "Solid: E(Y | x), posterior median with its 95 % equal-tailed interval."
    rows = f", of rows with {_rows(shown)}" if _rows(shown) else ""
    points = f" Open markers: {plain(shown.observed)}{rows}." if len(shown.raw) else ""
    held = f" Held: {listing(setting.held, 8)}." if setting.held else ""
    return f"{plain(what)} over {over}. {frame}{points}{held}"

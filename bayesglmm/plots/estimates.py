"""Pictures of estimates: curves and points, a panel a frame on one scale; others are a forest."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError, choose
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.raw_means import Raw
from bayesglmm.estimands.reference_grid import MOST_GROUPS
from bayesglmm.estimands.wording import number
from bayesglmm.plots.estimates_forest import draw_forest
from bayesglmm.plots.style import (
    COLOURS,
    INK,
    MARKERS,
    Picture,
    as_labels,
    drawn,
    label,
    median_text,
    new_figure,
    wrapped,
)

__all__ = ["draw"]

type Array = NDArray[np.float64]

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_SHADE = 0.16
_RAW_AREAS = (8.0, 50.0)
_PLACES = 90
"""The longest title of a panel, in characters."""


@dataclass(frozen=True, eq=False)
class _Group:
    """The rows of one curve: the number of its colour, its name, its text in the legend, and their positions."""

    number: int
    name: str
    text: str
    rows: NDArray[np.int64]

    @property
    def look(self) -> dict[str, Any]:
        return {"color": COLOURS[self.number], "linestyle": _DASHES[self.number % len(_DASHES)]}

    @property
    def marker(self) -> str:
        return MARKERS[self.number]


def draw(
    estimates: Estimates,
    *,
    style: str = "ribbon",
    lines: int = 60,
    labels: Mapping[str, str] | None = None,
    raw: bool = False,
) -> Picture:
    """Draw estimates.

    Parameters
    ----------
    estimates
        The estimates.
    style
        For curves: `"ribbon"` for the median with its interval, `"spaghetti"` for single draws behind the median.
    lines
        How many draws, evenly spread over them.
    labels
        What axes and legend call a column, by column; `"value"` for the axis of the estimates.
    raw
        Whether raw means of the outcome are drawn behind conditional effects, at the values of the predictor or in
        bins, with areas proportional to the number of outcomes; they are not adjusted for the predictors that are
        held, and the same in every panel.

    Returns
    -------
    Picture
        Curves over a numeric predictor, points with intervals over a factor, one panel a frame with one vertical axis;
        comparisons, slopes and averages as a forest, whose rows are named by their labels, a colour a frame.

    Raises
    ------
    OptionError
        For an unknown style, more than 8 frames or curves of a panel, more than 60 rows of a forest, or raw means
        behind what has none: see `bayesglmm.estimands.raw_means`.
    """
    choose("style", style, ("ribbon", "spaghetti"))
    if not isinstance(lines, int) or lines < 1:
        raise OptionError(f"lines={lines!r} is not a number of draws; give a whole number from 1")
    if len(estimates.shown.frames) > MOST_GROUPS:
        raise OptionError(f"{len(estimates.shown.frames)} frames cannot be told apart; draw at most {MOST_GROUPS}")
    names = dict(labels or {})
    if raw and estimates.shown.raw is None:
        raise OptionError(
            "raw=True draws raw means of the outcome behind conditional_effects(…) on the scale of the response; "
            "other estimates have none that compare with them"
        )
    raw_means = estimates.shown.raw() if raw and estimates.shown.raw else None
    if estimates.shown.shape == "forest":
        return draw_forest(estimates, names)
    return _panels(estimates, names, lines if style == "spaghetti" else 0, raw_means)


def _panels(estimates: Estimates, names: Mapping[str, str], lines: int, raw: Raw | None) -> Picture:
    """Draw a panel a frame."""
    table, shown = estimates.table, estimates.shown
    frames = list(dict.fromkeys(table["frame"]))
    by = [name for name in estimates.labels if name not in (shown.focal, "frame")]
    with new_figure(3.0 + 3.1 * len(frames), 3.8, estimates.estimand) as figure:
        panels = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
        for axes, frame in zip(panels, frames, strict=True):
            groups = _groups(table, np.flatnonzero(table["frame"] == frame), by)
            for group in groups:
                _draw_group(axes, estimates, group, len(groups), lines)
                if raw is not None:
                    _draw_raw(axes, estimates, raw, group, len(groups), by)
            axes.set_title(fill(label(shown.frames[frame], _PLACES), 48))
            axes.set_xlabel(wrapped(names.get(shown.focal, shown.focal), 48))
            _ticks(axes, estimates)
        panels[0].set_ylabel(wrapped(names.get("value", shown.value), 44))
        if shown.bounds[0] == 0:
            panels[0].set_ylim(bottom=0.0)
        title = ", ".join(label(names.get(name, name)) for name in by)
        handles = _entries(groups if by else [], estimates, lines, raw is not None)
        handles += [] if raw is None else [_raw_entry(raw)]
        figure.legend(handles=handles, title=title or None, loc="outside right upper", alignment="left")
        note = "; ".join(drawn(text) for text in (shown.note, raw.note if raw else "") if text)
        if note:
            figure.supxlabel(fill(note, int(26 + 34 * len(frames))), fontsize=7.5, x=0.01, ha="left")
    return figure


def _groups(table: pd.DataFrame, rows: NDArray[np.int64], by: list[str]) -> list[_Group]:
    """Split the rows of a panel by the columns of the legend."""
    if not by:
        return [_Group(0, "", "", rows)]
    if len(table.iloc[rows][by].drop_duplicates()) > MOST_GROUPS:
        raise OptionError(
            f"more than {MOST_GROUPS} combinations of {', '.join(by)} cannot be told apart in a picture; "
            "give fewer values in at"
        )
    keys = _keys(table.iloc[rows], by)
    names = list(dict.fromkeys(keys))
    return [
        _Group(number, name, text, rows[[j for j, key in enumerate(keys) if key == name]])
        for number, (name, text) in enumerate(zip(names, as_labels(names), strict=True))
    ]


def _keys(table: pd.DataFrame, by: list[str]) -> list[str]:
    return [", ".join(number(value) for value in row) for row in table[by].itertuples(index=False)]


def _positions(estimates: Estimates, values: "pd.Series[Any]") -> Array:
    """Return where values of the focal column are on the horizontal axis."""
    if estimates.shown.shape != "labels":
        return values.to_numpy(dtype=float)
    order = {value: j for j, value in enumerate(dict.fromkeys(estimates.table[estimates.shown.focal]))}
    return np.array([order[value] for value in values], dtype=float)


def _shifted(estimates: Estimates, x: Array, group: _Group, count: int, *, raw: bool = False) -> Array:
    """Shift the points of one group, so that groups at one value do not overlap, raw means to the left of estimates."""
    distinct = np.unique(_positions(estimates, estimates.table[estimates.shown.focal]))
    gap = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
    return x + gap * 0.12 * (group.number - (count - 1) / 2 - 0.45 * raw) * min(1.0, 4 / count)


def _draw_group(axes: Axes, estimates: Estimates, group: _Group, count: int, lines: int) -> None:
    """Draw one curve with its interval or draws, or one row of points."""
    table = estimates.table.iloc[group.rows]
    x = _positions(estimates, table[estimates.shown.focal])
    low, middle, high = (table[name].to_numpy(dtype=float) for name in ("lower", "median", "upper"))
    order, tag = np.argsort(x, kind="stable"), f" {plain(group.name)}".rstrip()
    if estimates.shown.shape == "curve":
        colour = group.look["color"]
        if lines:
            spread = np.unique(np.linspace(0, len(estimates.flat) - 1, lines).astype(int))
            draws = estimates.flat[np.ix_(spread, group.rows[order])]
            axes.plot(x[order], draws.T, color=colour, linewidth=0.5, alpha=0.25, gid=f"draws{tag}")
        else:
            axes.fill_between(
                x[order], low[order], high[order], color=colour, alpha=_SHADE, linewidth=0, gid=f"interval{tag}"
            )
        axes.plot(x[order], middle[order], **group.look, gid=f"median{tag}")
        return
    x = _shifted(estimates, x, group, count)
    colour = group.look["color"]
    axes.vlines(x, low, high, color=colour, linewidth=1.2, gid=f"interval{tag}")
    axes.plot(x, middle, group.marker, color=colour, markersize=5, gid=f"median{tag}")


def _draw_raw(axes: Axes, estimates: Estimates, raw: Raw, group: _Group, count: int, by: list[str]) -> None:
    """Draw the raw means of one group, their areas by the number of outcomes."""
    table = raw.table[[key == group.name for key in _keys(raw.table, by)]] if by else raw.table
    x = _positions(estimates, table[estimates.shown.focal])
    if estimates.shown.shape != "curve":
        x = _shifted(estimates, x, group, count, raw=True)
    axes.scatter(
        x,
        table["mean"],
        s=_RAW_AREAS[0] + _RAW_AREAS[1] * table[raw.count] / raw.table[raw.count].max(),
        marker=group.marker,
        facecolors="none",
        edgecolors=group.look["color"],
        linewidths=0.8,
        alpha=0.8,
        zorder=1.5,
        clip_on=False,
        gid=f"raw {plain(group.name)}".rstrip(),
    )


def _raw_entry(raw: Raw) -> Line2D:
    """Return the entry of the legend for raw means, with their numbers of outcomes."""
    low, high = raw.table[raw.count].min(), raw.table[raw.count].max()
    each = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
    text = f"{fill(drawn(raw.name), 34)}\nof {each} outcome{'s' if high > 1 else ''}, not adjusted"
    return Line2D([], [], color=INK, linestyle="none", marker="o", markerfacecolor="none", markersize=5, label=text)


def _ticks(axes: Axes, estimates: Estimates) -> None:
    """Put ticks at the values where they are few, at round numbers elsewhere."""
    values = list(dict.fromkeys(estimates.table[estimates.shown.focal]))
    if estimates.shown.shape == "curve":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        return
    x = np.arange(len(values)) if estimates.shown.shape == "labels" else np.array(values, dtype=float)
    gap = float(np.diff(np.sort(x)).min()) if len(x) > 1 else 1.0
    room = max(12, (42 + 4 * len(values)) // max(len(values), 1))
    axes.set_xticks(x, as_labels([number(value) for value in values], room))
    axes.set_xlim(x.min() - 0.5 * gap, x.max() + 0.5 * gap)


def _entries(groups: list[_Group], estimates: Estimates, lines: int, raw: bool) -> list[Any]:
    """Return the entries of the legend: groups, then lines and shades."""
    handles: list[Any] = []
    shape, ci_prob = estimates.shown.shape, estimates.ci_prob
    for group in groups:
        text = fill(group.text, 34)
        if shape == "curve":
            marker = group.marker if raw else None
            handles.append(Line2D([], [], label=text, marker=marker, markerfacecolor="none", **group.look))
        else:
            handles.append(Line2D([], [], label=text, color=group.look["color"], marker=group.marker, markersize=5))
    if groups:
        handles.append(Patch(alpha=0, label=" "))
    interval = f"{100 * ci_prob:g} % interval"
    if shape != "curve":
        return [*handles, Line2D([], [], color=INK, marker="o", markersize=5, label=f"median, {interval}")]
    handles.append(Line2D([], [], color=INK, label=median_text(estimates.draws)))
    if lines:
        return [*handles, Line2D([], [], color=INK, linewidth=0.5, alpha=0.5, label=f"{lines} draws")]
    return [*handles, Patch(facecolor=INK, alpha=_SHADE, label=f"its {interval}")]

"""Pictures of estimates: curves, points and forests, the frames side by side on one scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError, choose
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.raw_means import Raw
from bayesglmm.estimands.reference_grid import MOST_GROUPS
from bayesglmm.estimands.wording import number
from bayesglmm.plots.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    Picture,
    as_labels,
    drawn,
    frameless,
    label,
    new_figure,
    wrapped,
)

__all__ = ["draw"]

type Array = NDArray[np.float64]

_MOST_ROWS = 60
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_SHADE = 0.16
_RAW_AREAS = (8.0, 50.0)
_PLACES = 90
"""Of the name of a row of a forest, and of what a frame is."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows of a panel that belong together: their colour, name, what the legend calls it, and positions."""

    at: int
    name: str
    text: str
    rows: NDArray[np.int64]

    @property
    def look(self) -> dict[str, Any]:
        return {"color": COLOURS[self.at], "linestyle": _DASHES[self.at % len(_DASHES)]}

    @property
    def marker(self) -> str:
        return MARKERS[self.at]


def draw(
    shown: Estimates,
    *,
    style: str = "ribbon",
    lines: int = 60,
    labels: Mapping[str, str] | None = None,
    raw: bool = False,
) -> Picture:
    """Draw estimates.

    Parameters
    ----------
    shown
        The estimates.
    style
        For curves: `"ribbon"` for the median with its interval, `"spaghetti"` for single draws behind the median.
    lines
        How many draws, evenly spread over them.
    labels
        What axes and legend call a column, by column; `"value"` for the axis of the estimates.
    raw
        Whether raw means of the outcome stand behind conditional effects, at the values of the predictor or in
        bins, their areas by the number of outcomes: of the data as they are, not adjusted for what is held, and
        the same in every panel.

    Returns
    -------
    Picture
        Curves over a numeric predictor, points with intervals over a factor, one panel a frame with one vertical axis;
        comparisons, slopes and averages as a forest, whose rows name what they are and whose it is.

    Raises
    ------
    OptionError
        For an unknown style, more than 8 frames or curves of a panel, more than 60 rows of a forest, or raw means
        behind what has none: see `bayesglmm.estimands.raw_means`.
    """
    choose("style", style, ("ribbon", "spaghetti"))
    if not isinstance(lines, int) or lines < 1:
        raise OptionError(f"lines={lines!r} is not a number of draws; give a whole number from 1")
    if len(shown.shown.frames) > MOST_GROUPS:
        raise OptionError(f"{len(shown.shown.frames)} frames cannot be told apart; draw at most {MOST_GROUPS}")
    names = dict(labels or {})
    if raw and shown.shown.raw is None:
        raise OptionError(
            "raw=True draws raw means of the outcome behind conditional_effects(…) on the scale of the response; "
            "other estimates have none that compare with them"
        )
    behind = shown.shown.raw() if raw and shown.shown.raw else None
    if shown.shown.shape == "forest":
        return _forest(shown, names)
    return _panels(shown, names, lines if style == "spaghetti" else 0, behind)


def _panels(shown: Estimates, names: Mapping[str, str], lines: int, raw: Raw | None) -> Picture:
    """Draw a panel a frame."""
    table, what = shown.table, shown.shown
    frames = list(dict.fromkeys(table["frame"]))
    by = [name for name in shown.labels if name not in (what.focal, "frame")]
    with new_figure(3.0 + 3.1 * len(frames), 3.8, shown.estimand) as figure:
        panels = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
        for axes, frame in zip(panels, frames, strict=True):
            groups = _groups(table, np.flatnonzero(table["frame"] == frame), by)
            for group in groups:
                _one(axes, shown, group, len(groups), lines)
                if raw is not None:
                    _behind(axes, shown, raw, group, len(groups), by)
            axes.set_title(fill(label(what.frames[frame], _PLACES), 48))
            axes.set_xlabel(wrapped(names.get(what.focal, what.focal), 48))
            _ticks(axes, shown)
        panels[0].set_ylabel(wrapped(names.get("value", what.value), 44))
        if what.bounds[0] == 0:
            panels[0].set_ylim(bottom=0.0)
        title = ", ".join(label(names.get(name, name)) for name in by)
        handles = _handles(groups if by else [], what.shape, shown.ci_prob, lines, raw is not None)
        handles += [] if raw is None else [_raw_handle(raw)]
        figure.legend(handles=handles, title=title or None, loc="outside right upper", alignment="left")
        note = "; ".join(drawn(text) for text in (what.note, raw.note if raw else "") if text)
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
        _Group(at, name, text, rows[[j for j, key in enumerate(keys) if key == name]])
        for at, (name, text) in enumerate(zip(names, as_labels(names), strict=True))
    ]


def _keys(table: pd.DataFrame, by: list[str]) -> list[str]:
    return [", ".join(number(value) for value in row) for row in table[by].itertuples(index=False)]


def _positions(shown: Estimates, values: "pd.Series[Any]") -> Array:
    """Return where values of the focal column are on the horizontal axis."""
    if shown.shown.shape != "labels":
        return values.to_numpy(dtype=float)
    order = {value: j for j, value in enumerate(dict.fromkeys(shown.table[shown.shown.focal]))}
    return np.array([order[value] for value in values], dtype=float)


def _aside(shown: Estimates, x: Array, group: _Group, count: int, *, raw: bool = False) -> Array:
    """Move points of one group aside, so that groups at one value stand beside each other, raw means to their left."""
    every = np.unique(_positions(shown, shown.table[shown.shown.focal]))
    gap = float(np.diff(every).min()) if len(every) > 1 else 1.0
    return x + gap * 0.12 * (group.at - (count - 1) / 2 - 0.45 * raw) * min(1.0, 4 / count)


def _one(axes: Axes, shown: Estimates, group: _Group, count: int, lines: int) -> None:
    """Draw one curve with its interval or draws, or one row of points."""
    table = shown.table.iloc[group.rows]
    x = _positions(shown, table[shown.shown.focal])
    low, middle, high = (table[name].to_numpy(dtype=float) for name in ("lower", "median", "upper"))
    order, tag = np.argsort(x, kind="stable"), f" {plain(group.name)}".rstrip()
    if shown.shown.shape == "curve":
        colour = group.look["color"]
        if lines:
            chosen = np.unique(np.linspace(0, len(shown.flat) - 1, lines).astype(int))
            each = shown.flat[np.ix_(chosen, group.rows[order])]
            axes.plot(x[order], each.T, color=colour, linewidth=0.5, alpha=0.25, gid=f"draws{tag}")
        else:
            axes.fill_between(
                x[order], low[order], high[order], color=colour, alpha=_SHADE, linewidth=0, gid=f"interval{tag}"
            )
        axes.plot(x[order], middle[order], **group.look, gid=f"median{tag}")
        return
    x = _aside(shown, x, group, count)
    colour = group.look["color"]
    axes.vlines(x, low, high, color=colour, linewidth=1.2, gid=f"interval{tag}")
    axes.plot(x, middle, group.marker, color=colour, markersize=5, gid=f"median{tag}")


def _behind(axes: Axes, shown: Estimates, raw: Raw, group: _Group, count: int, by: list[str]) -> None:
    """Draw the raw means of one group, their areas by the number of outcomes."""
    table = raw.table[[key == group.name for key in _keys(raw.table, by)]] if by else raw.table
    x = _positions(shown, table[shown.shown.focal])
    if shown.shown.shape != "curve":
        x = _aside(shown, x, group, count, raw=True)
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


def _raw_handle(raw: Raw) -> Line2D:
    """Say in the legend what raw means are, and of how many outcomes each."""
    low, high = raw.table[raw.count].min(), raw.table[raw.count].max()
    each = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
    text = f"{fill(drawn(raw.name), 34)}\nof {each} outcome{'s' if high > 1 else ''}, not adjusted"
    return Line2D([], [], color=INK, linestyle="none", marker="o", markerfacecolor="none", markersize=5, label=text)


def _ticks(axes: Axes, shown: Estimates) -> None:
    """Put ticks at the values where they are few, at round numbers elsewhere."""
    values = list(dict.fromkeys(shown.table[shown.shown.focal]))
    if shown.shown.shape == "curve":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        return
    at = np.arange(len(values)) if shown.shown.shape == "labels" else np.array(values, dtype=float)
    gap = float(np.diff(np.sort(at)).min()) if len(at) > 1 else 1.0
    room = max(12, (42 + 4 * len(values)) // max(len(values), 1))
    axes.set_xticks(at, as_labels([number(value) for value in values], room))
    axes.set_xlim(at.min() - 0.5 * gap, at.max() + 0.5 * gap)


def _handles(groups: list[_Group], shape: str, ci_prob: float, lines: int, raw: bool) -> list[Any]:
    """Make the legend: groups first, then what lines and shades are."""
    handles: list[Any] = []
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
    handles.append(Line2D([], [], color=INK, label="posterior median"))
    if lines:
        return [*handles, Line2D([], [], color=INK, linewidth=0.5, alpha=0.5, label=f"{lines} draws")]
    return [*handles, Patch(facecolor=INK, alpha=_SHADE, label=f"its {interval}")]


def _forest(shown: Estimates, names: Mapping[str, str]) -> Picture:
    """Draw a row an estimate, one colour and marker a frame."""
    table, what = shown.table, shown.shown
    if len(table) > _MOST_ROWS:
        raise OptionError(
            f"{len(table):,} rows are too many to draw below each other (at most {_MOST_ROWS}); average them with by=…"
        )
    frames = list(dict.fromkeys(table["frame"]))
    others = [name for name in shown.labels if name != "frame"]
    texts = _apart([_row_text(row, others, names, what.contrasts) for row in table.to_dict("records")])
    heights = _heights(texts)
    width = 6.4 + 0.055 * max(0, max(map(len, texts)) - 12)
    with new_figure(width, 1.2 + 0.17 * len(table) + 0.17 * len(set(texts)), shown.estimand) as figure:
        axes = figure.add_subplot()
        for at, frame in enumerate(frames):
            rows = np.flatnonzero(table["frame"] == frame)
            colour, part, name = COLOURS[at], table.iloc[rows], plain(frame)
            axes.hlines(
                heights[rows], part["lower"], part["upper"], color=colour, linewidth=1.2, gid=f"interval {name}"
            )
            axes.plot(part["median"], heights[rows], MARKERS[at], color=colour, markersize=5, gid=f"median {name}")
        _frame_forest(axes, shown, texts, heights)
        axes.set_xlabel(wrapped(names.get("value", what.value), 80))
        handles = [
            Line2D(
                [],
                [],
                color=COLOURS[at],
                marker=MARKERS[at],
                markersize=5,
                label=fill(label(what.frames[frame], _PLACES), 34),
            )
            for at, frame in enumerate(frames)
        ]
        summary = f"median, {100 * shown.ci_prob:g} % interval"
        title = f"frame ({summary})" if what.grouped else summary
        figure.legend(handles=handles, title=title, loc="outside right upper", alignment="left")
    return figure


def _apart(rows: list[str]) -> list[str]:
    """Cut the names of rows to what has room, one name a row of several frames."""
    names = list(dict.fromkeys(rows))
    short = dict(zip(names, as_labels(names, _PLACES), strict=True))
    return [short[name] for name in rows]


def _row_text(row: Mapping[Any, Any], others: list[str], names: Mapping[str, str], contrasts: Mapping[str, str]) -> str:
    """Name a row of a forest: what is compared, then where."""
    what = [names.get(str(row["variable"]), str(row["variable"]))] if "variable" in row else []
    what += [contrasts.get(str(row["contrast"]), str(row["contrast"]))] if "contrast" in row else []
    rest = [f"{names.get(key, key)} = {number(row[key])}" for key in others if key not in ("variable", "contrast")]
    return ", ".join([part for part in (": ".join(what),) if part] + rest) or "all rows"


def _heights(texts: list[str]) -> Array:
    """Place rows from the top, those of one name together."""
    heights, y = np.empty(len(texts)), 0.0
    for j, text in enumerate(texts):
        y -= 0.0 if j == 0 else 0.4 if text == texts[j - 1] else 1.0
        heights[j] = y
    return heights


def _frame_forest(axes: Axes, shown: Estimates, texts: list[str], heights: Array) -> None:
    """Label rows, mark no effect, and set the scale."""
    what = shown.shown
    middle = pd.Series(heights).groupby(pd.Series(texts), sort=False).mean()
    axes.set_yticks(middle.to_numpy(), list(middle.index))
    axes.set_ylim(heights.min() - 0.7, heights.max() + 0.7)
    frameless(axes)
    if what.null is not None:
        axes.axvline(what.null, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, gid="null")
    if what.ratio:
        _log_scale(axes)


def _log_scale(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with as many labels as its decades leave room for."""
    axes.set_xscale("log")
    low, high = np.log10(axes.get_xlim())
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=next(subs for most, subs in _LABELS if high - low <= most)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


_LABELS = ((1.0, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (2.5, (1.0, 2.0, 5.0)), (np.inf, (1.0,)))
"""What is labelled in each decade of an axis that spans at most so many decades."""

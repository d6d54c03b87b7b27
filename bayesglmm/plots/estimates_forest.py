"""The forest of estimates: a row an estimate, one colour and marker a frame."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.wording import number
from bayesglmm.plots.log_axis import log_axis
from bayesglmm.plots.style import COLOURS, GREY, MARKERS, Picture, as_labels, frameless, label, new_figure, wrapped

__all__ = ["draw_forest"]

type Array = NDArray[np.float64]

_MOST_ROWS = 60

_PLACES = 90
"""The longest name of a row and of a frame, in characters."""


def draw_forest(estimates: Estimates, names: Mapping[str, str]) -> Picture:
    """Draw a row an estimate, one colour and marker a frame."""
    table, shown = estimates.table, estimates.shown
    if len(table) > _MOST_ROWS:
        raise OptionError(
            f"{len(table):,} rows are too many to draw below each other (at most {_MOST_ROWS}); average them with by=…"
        )
    frames = list(dict.fromkeys(table["frame"]))
    others = [name for name in estimates.labels if name != "frame" and name not in shown.described]
    texts = _shortened([_row_text(row, others, names, shown.contrasts) for row in table.to_dict("records")])
    heights = _heights(texts)
    width = 6.4 + 0.055 * max(0, max(map(len, texts)) - 12)
    with new_figure(width, 1.2 + 0.17 * len(table) + 0.17 * len(set(texts)), estimates.estimand) as figure:
        axes = figure.add_subplot()
        for i, frame in enumerate(frames):
            rows = np.flatnonzero(table["frame"] == frame)
            colour, part, name = COLOURS[i], table.iloc[rows], plain(frame)
            axes.hlines(
                heights[rows], part["lower"], part["upper"], color=colour, linewidth=1.2, gid=f"interval {name}"
            )
            axes.plot(part["median"], heights[rows], MARKERS[i], color=colour, markersize=5, gid=f"median {name}")
        _label_forest(axes, estimates, texts, heights)
        axes.set_xlabel(wrapped(names.get("value", shown.value), 80))
        handles = [
            Line2D(
                [],
                [],
                color=COLOURS[i],
                marker=MARKERS[i],
                markersize=5,
                label=fill(label(shown.frames[frame], _PLACES), 34),
            )
            for i, frame in enumerate(frames)
        ]
        summary = f"median, {100 * estimates.ci_prob:g} % interval"
        title = f"frame ({summary})" if shown.grouped else summary
        figure.legend(handles=handles, title=title, loc="outside right upper", alignment="left")
    return figure


def _shortened(rows: list[str]) -> list[str]:
    """Shorten the names of rows; the frames of one row keep one name."""
    names = list(dict.fromkeys(rows))
    texts = dict(zip(names, as_labels(names, _PLACES), strict=True))
    return [texts[name] for name in rows]


def _row_text(row: Mapping[Any, Any], others: list[str], names: Mapping[str, str], contrasts: Mapping[str, str]) -> str:
    """Name a row of a forest: what is compared, then the values of the other labels."""
    compared = [names.get(str(row["variable"]), str(row["variable"]))] if "variable" in row else []
    compared += [contrasts.get(str(row["contrast"]), str(row["contrast"]))] if "contrast" in row else []
    stated = [str(row[key]) for key in ("hypothesis", "rows") if key in others]
    named = ("variable", "contrast", "hypothesis", "rows")
    rest = [f"{names.get(key, key)} = {number(row[key])}" for key in others if key not in named]
    return ", ".join([part for part in (": ".join(compared), "; ".join(stated)) if part] + rest) or "all rows"


def _heights(texts: list[str]) -> Array:
    """Place rows from the top, those of one name together."""
    heights, y = np.empty(len(texts)), 0.0
    for j, text in enumerate(texts):
        y -= 0.0 if j == 0 else 0.4 if text == texts[j - 1] else 1.0
        heights[j] = y
    return heights


def _label_forest(axes: Axes, estimates: Estimates, texts: list[str], heights: Array) -> None:
    """Label rows, mark no effect, and set the scale."""
    shown = estimates.shown
    middle = pd.Series(heights).groupby(pd.Series(texts), sort=False).mean()
    axes.set_yticks(middle.to_numpy(), list(middle.index))
    axes.set_ylim(heights.min() - 0.7, heights.max() + 0.7)
    frameless(axes)
    if shown.null is not None:
        axes.axvline(shown.null, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, gid="null")
    if shown.ratio:
        log_axis(axes, "x")

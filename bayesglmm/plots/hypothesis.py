"""The picture of hypotheses: a density of draws each, where it holds in colour, with the value compared with."""

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.hypothesis import Hypotheses
from bayesglmm.estimands.hypothesis_judgement import shown_judgements
from bayesglmm.plots.style import BAD, COLOURS, INK, Picture, label, new_figure, wrapped

__all__ = ["draw"]

type Array = NDArray[np.float64]

_MOST = 12
_COLUMNS = 2
_BINS = 60
_OUTSIDE, _DRAWS = "#cfcfcf", "#a3a9b5"


def draw(shown: Hypotheses) -> Picture:
    """Draw a histogram of the draws of each estimate, scaled to a density, on an axis of its own.

    Parameters
    ----------
    shown
        The hypotheses.

    Returns
    -------
    Picture
        The bars where a hypothesis holds in colour, the value it is compared with as a dashed line, the region of
        practical equivalence shaded, median and interval below.

    Raises
    ------
    OptionError
        For more than 12 hypotheses.
    """
    table = shown.table
    if len(table) > _MOST:
        raise OptionError(f"{len(table)} hypotheses are too many for one picture (at most {_MOST}); draw fewer")
    columns = min(_COLUMNS, len(table))
    rows = -(-len(table) // columns)
    caption = f"{shown.estimand} {100 * shown.ci_prob:g} % equal-tailed intervals."
    with new_figure(1.3 + 3.6 * columns, 0.7 + 2.3 * rows, caption) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        judged = shown_judgements(table)
        for j, (axes, (name, row)) in enumerate(zip(panels, table.iterrows(), strict=False)):
            draws = shown.draws.values[:, :, j].reshape(-1)
            _panel(axes, draws, row)
            title = [fill(label(name, 90), 44), _verdict(judged.iloc[j], row)]
            axes.set_title("\n".join(text for text in title if text))
            axes.set_xlabel(wrapped(row["estimate"].replace(" - ", " \N{MINUS SIGN} "), 50))
        for axes in panels[len(table) :]:
            axes.set_visible(False)
        figure.legend(handles=_entries(shown), loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, draws: Array, row: "pd.Series[Any]") -> None:
    """Draw one density; the few draws beyond its range are left out of the bars, not of their scale."""
    low, high = np.quantile(draws[np.isfinite(draws)], [0.0005, 0.9995])
    null = float(row["null"])
    if low <= null <= high:  # an edge at the null, so that no bar lies on both sides
        width = (high - low) / _BINS
        edges = null + width * np.arange(np.floor((low - null) / width), np.ceil((high - null) / width) + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1e-9, _BINS + 1)
    counts, _ = np.histogram(draws, edges)
    heights, middles = counts / len(draws) / np.diff(edges), (edges[1:] + edges[:-1]) / 2
    for side, colour, name in _sides(row, middles):
        if side.any():
            axes.bar(middles[side], heights[side], np.diff(edges)[side], color=colour, linewidth=0, gid=name)
    if np.isfinite(null):
        axes.axvline(null, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), gid="null")
    if "rope_lower" in row.index and np.isfinite(row["rope_lower"]):
        axes.axvspan(row["rope_lower"], row["rope_upper"], color=BAD, alpha=0.12, linewidth=0, gid="rope")
    top = float(heights.max())
    axes.hlines(-0.07 * top, row["lower"], row["upper"], color=INK, linewidth=1.2, gid="interval")
    axes.plot(row["median"], -0.07 * top, "o", color=INK, markersize=4.5, gid="median")
    axes.set_ylim(-0.14 * top, 1.05 * top)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _sides(row: "pd.Series[Any]", values: Array) -> list[tuple[NDArray[np.bool_], str, str]]:
    """Return the values at which a hypothesis holds and those at which it does not, with their colours and names."""
    if not np.isfinite(row["probability"]):
        return [(np.ones(len(values), dtype=bool), _DRAWS, "draws")]
    holds = values > row["null"] if row["relation"] in (">", ">=") else values < row["null"]
    return [(holds, COLOURS[3], "holds"), (~holds, _OUTSIDE, "other")]


def _verdict(judged: "pd.Series[str]", row: "pd.Series[Any]") -> str:
    """Write the probability, or the Bayes factor of a point."""
    parts = []
    if judged.get("probability"):
        text = judged["probability"]
        parts.append(f"probability {text}" if text[0] in "<>" else f"probability = {text}")
    if np.isfinite(row["bayes_factor"]):
        parts.append(f"Bayes factor of equality = {row['bayes_factor']:.3g}")
    if judged.get("inside_rope"):
        parts.append(f"inside region = {judged['inside_rope']}")
    return ", ".join(parts)


def _entries(shown: Hypotheses) -> list[Patch | Line2D]:
    """Return the entries of the legend, as far as they are drawn."""
    table = shown.table
    entries: list[Patch | Line2D] = [
        Line2D([], [], color=INK, marker="o", markersize=4.5, label=f"median, {100 * shown.ci_prob:g} % interval")
    ]
    if table["probability"].notna().any():
        entries += [Patch(color=COLOURS[3], label="hypothesis holds"), Patch(color=_OUTSIDE, label="does not")]
    if table["probability"].isna().any():
        entries.append(Patch(color=_DRAWS, label="draws (of no one-sided hypothesis)"))
    if table["null"].notna().any():
        entries.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="value compared with"))
    if "rope_lower" in table:
        entries.append(Patch(color=BAD, alpha=0.12, label="region of practical equivalence"))
    return entries

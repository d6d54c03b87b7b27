"""The picture of residuals against fitted values or a column, with a smoother."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesglmm.checking.data_columns import read_column
from bayesglmm.checking.residuals import Residuals
from bayesglmm.checking.smoother import Smoother
from bayesglmm.errors import OptionError, suggest
from bayesglmm.plots.style import COLOURS, GREY, Picture, label, new_figure

__all__ = ["draw", "joined", "points"]

type Array = NDArray[np.float64]


def draw(shown: Residuals, against: str, join: str | None) -> Picture:
    """Draw residuals.

    Parameters
    ----------
    shown
        The residuals.
    against
        `"fitted"` or a column.
    join
        A grouping factor whose rows are joined, or None.
    """
    table = shown.table
    factors = [block.factor for block in shown.model.design.blocks]
    if join is not None and join not in factors:
        raise OptionError(f"join={join!r} is not a grouping factor; {suggest(join, factors)}")
    column = table["fitted"].to_numpy() if against == "fitted" else read_column(shown.model, against)
    x, labels = _numbers(column)
    y = table["residual"].to_numpy()
    with new_figure(5.4, 3.4, _caption(shown, against, join)) as figure:
        axes = figure.add_subplot()
        if join is not None:
            joined(axes, x, y, table[join].astype(str).to_numpy())
        points(axes, x, y)
        axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="zero")
        smoother = Smoother.of(x)
        style = "-" if smoother.curve else "D"
        text = "smoother" if smoother.curve else "mean"
        if _leans(shown, against):
            text += ", which rises under the model"
        axes.plot(smoother.x, smoother(y), style, color=COLOURS[1], markersize=5, gid="smoother", label=text)
        if labels is not None:
            axes.set_xticks(np.arange(len(labels)), [label(one, 24) for one in labels])
        axes.set_xlabel(f"fitted, frame {table.attrs['frame']}" if against == "fitted" else label(against))
        axes.set_ylabel(f"{shown.kind} residual")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", fontsize=7)
    return figure


def points(axes: Axes, x: Array, y: Array) -> None:
    """Draw single rows or groups, fainter the more there are."""
    many = len(x) > 400
    size, alpha = (1.8, max(0.12, min(0.5, 400 / len(x)))) if many else (3.2, 0.6)
    axes.plot(x, y, "o", color=COLOURS[0], markersize=size, alpha=alpha, markeredgewidth=0, gid="points")


def joined(axes: Axes, x: Array, y: Array, group: NDArray[Any]) -> None:
    """Join the points of each group by a thin line, in the order of x."""
    order = np.lexsort((x, group))
    breaks = np.flatnonzero(group[order][1:] != group[order][:-1]) + 1
    at = np.insert(x[order].astype(float), breaks, np.nan)
    values = np.insert(y[order].astype(float), breaks, np.nan)
    axes.plot(at, values, color=GREY, linewidth=0.4, alpha=0.6, gid="joined")


def _leans(shown: Residuals, against: str) -> bool:
    """Whether residuals rise with the fitted values though the model holds: groups are pulled toward the others."""
    held = bool(shown.model.design.blocks) and "group" in str(shown.table.attrs["frame"])
    return against == "fitted" and held and "pareto_k" not in shown.table


def _numbers(column: Any) -> tuple[Array, list[str] | None]:
    if isinstance(column, pd.Categorical):
        used = column.remove_unused_categories()
        return used.codes.astype(float), [str(level) for level in used.categories]
    return np.asarray(column, dtype=np.float64), None


def _caption(shown: Residuals, against: str, join: str | None) -> str:
    lines = "" if join is None else f" Rows of the same {label(join)} are joined."
    what = "fitted values" if against == "fitted" else label(against)
    leans = (
        " Groups are pulled toward each other, so that residuals rise with fitted values where groups have few rows."
        if _leans(shown, against)
        else ""
    )
    return (
        f"{shown.estimand[0].upper()}{shown.estimand[1:]}. Against {what}, a point a row.{lines}{leans} "
        "The smoother is local "
        "linear, or means where there are few values; whether it is further from 0 than chance, "
        'posterior_check("residuals") and posterior_check("covariate") say.'
    )

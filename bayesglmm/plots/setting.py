"""Where curves are drawn: the values of the focal column, the groups, and what the other predictors are held at."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.design import Columns
from bayesglmm.errors import OptionError, suggest
from bayesglmm.formula import Call, Name, Node, Text, column_names, render, walk
from bayesglmm.model import Model

__all__ = ["FEW", "MOST_GROUPS", "Held", "Setting", "predictors", "setting"]

FEW = 5
"""A numeric column of at most so many distinct values is drawn as points, not as a curve."""
MOST_GROUPS = 8
_POINTS = 61


@dataclass(frozen=True)
class Held:
    """A predictor that does not vary in a figure.

    Parameters
    ----------
    name
        Its column.
    value
        What it is held at.
    how
        `"reference"` level of a factor, `"lower"` of the two values of an indicator, `"mean"` of a numeric column.
    """

    name: str
    value: Any
    how: Literal["reference", "lower", "mean"]

    def __str__(self) -> str:
        """Return the name, the value and why that value."""
        why = {"reference": "its reference", "lower": "the lower of its two values", "mean": "its mean"}[self.how]
        value = f"{self.value:.3g}" if self.how == "mean" else str(self.value)
        return f"{self.name} = {value} ({why})"


@dataclass(frozen=True, eq=False)
class Setting:
    """The points of a figure: every group at every value of the focal column.

    Parameters
    ----------
    focal, by
        The columns; `by` may be None.
    values
        (k,) values of the focal column.
    groups
        Values of `by`; `(None,)` without.
    shape
        `"curve"` for a numeric focal column, `"points"` for one of few values, `"labels"` for a factor.
    held
        The other predictors.
    """

    focal: str
    by: str | None
    values: NDArray[Any]
    groups: tuple[Any, ...]
    shape: Literal["curve", "points", "labels"]
    held: tuple[Held, ...]

    def rows(self, model: Model) -> Columns:
        """Return the points as new data, groups the slower index; an offset's columns are at their means."""
        old, k, n = model.design.columns, len(self.values), len(self.values) * len(self.groups)
        values = {self.focal: _column(old[self.focal], list(self.values) * len(self.groups))}
        if self.by is not None:
            values[self.by] = _column(old[self.by], [group for group in self.groups for _ in range(k)])
        for held in self.held:
            values[held.name] = _column(old[held.name], [held.value] * n)
        for name in column_names(*model.formula.offsets):
            if name not in values:
                values[name] = np.full(n, np.mean(np.asarray(old[name], dtype=float)))
        return Columns(values, np.arange(n))


def predictors(model: Model) -> tuple[str, ...]:
    """List the columns behind the population-level part and the left sides of blocks."""
    formula = model.formula
    return column_names(formula.common, *(bar.lhs for bar in formula.bars))


def setting(model: Model, focal: str, by: str | None) -> Setting:
    """Choose the points of a figure.

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, or `by` has more than 8 values.
    """
    known = predictors(model)
    for option, name in (("focal", focal), ("by", by)):
        if name is not None and name not in known:
            raise OptionError(f"{option}={name!r} is not a predictor of the model; {suggest(str(name), known)}")
    if focal == by:
        raise OptionError(f"focal and by are both {focal!r}; choose two different predictors, or leave by out")
    groups = (None,) if by is None else _levels(model, by)
    if len(groups) > MOST_GROUPS:
        raise OptionError(
            f"by={by!r} has {len(groups)} values; at most {MOST_GROUPS} groups can be told apart: make a factor of it "
            "with fewer levels, or leave by out"
        )
    distinct = _levels(model, focal)
    if _is_factor(model, focal):
        shape: Literal["curve", "points", "labels"] = "labels"
    else:
        shape = "points" if len(distinct) <= FEW else "curve"
    values = np.array(distinct, dtype=object if shape == "labels" else float)
    if shape == "curve":
        values = np.linspace(values.min(), values.max(), _POINTS)
    held = tuple(_hold(model, name) for name in known if name not in (focal, by))
    return Setting(focal, by, values, groups, shape, held)


def _trees(model: Model) -> list[Node]:
    return [node for tree in (model.formula.common, *model.formula.bars) for node in walk(tree)]


def _is_factor(model: Model, name: str) -> bool:
    """Whether a column holds labels or stands in C(…)."""
    if isinstance(model.design.columns[name], pd.Categorical):
        return True
    return any(
        isinstance(node, Call) and node.function in ("C", "factor") and name in column_names(node)
        for node in _trees(model)
    )


def _levels(model: Model, name: str) -> tuple[Any, ...]:
    column = model.design.columns[name]
    return tuple(column.categories) if isinstance(column, pd.Categorical) else tuple(np.unique(column).tolist())


def _hold(model: Model, name: str) -> Held:
    levels = _levels(model, name)
    if _is_factor(model, name):
        return Held(name, _reference(model, name, levels), "reference")
    if len(levels) == 2:
        return Held(name, levels[0], "lower")
    return Held(name, float(np.mean(np.asarray(model.design.columns[name], dtype=float))), "mean")


def _reference(model: Model, name: str, levels: tuple[Any, ...]) -> Any:
    """Return the reference level: the one a Treatment coding names, else the first."""
    for node in _trees(model):
        match node:
            case Call("C", (Name(column), Call("Treatment", args, keywords))) if column == name:
                given = [*args, *(value for _, value in keywords)]
                text = given[0].value if given and isinstance(given[0], Text) else render(given[0]) if given else ""
                return next((level for level in levels if str(level) == text), levels[0])
    return levels[0]


def _column(old: Any, values: list[Any]) -> Any:
    """Return values as a column of the same type as the old one."""
    if isinstance(old, pd.Categorical):
        return pd.Categorical(values, categories=old.categories, ordered=old.ordered)
    array = np.asarray(values)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.astype(np.float64)

"""Grids over predictors: the values of the focal column, the groups, and what the other predictors are held at."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.design import Column, Columns
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.exposure import offset_columns
from bayesglmm.formula import Call, Name, Node, Text, column_names, render, walk
from bayesglmm.model import Model

__all__ = [
    "FEW",
    "MOST_GROUPS",
    "Held",
    "Setting",
    "checked",
    "column_like",
    "fixed",
    "is_factor",
    "levels",
    "predictors",
    "product",
    "reference",
    "setting",
]

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
        `"reference"` level of a factor, `"lower"` of the two values of an indicator, `"mean"` of a numeric column,
        `"given"` by the user.
    """

    name: str
    value: Any
    how: Literal["reference", "lower", "mean", "given"]

    def __str__(self) -> str:
        """Return the name, the value and why that value."""
        if self.how == "given":
            return f"{self.name} = {self.value}"
        why = {"reference": "its reference", "lower": "the lower of its two values", "mean": "its mean"}[self.how]
        value = f"{self.value:.3g}" if self.how == "mean" else str(self.value)
        return f"{self.name} = {value} ({why})"


@dataclass(frozen=True, eq=False)
class Setting:
    """The points of a grid: every group at every value of the focal column.

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
    more
        Further columns that vary, with their values.
    """

    focal: str
    by: str | None
    values: NDArray[Any]
    groups: tuple[Any, ...]
    shape: Literal["curve", "points", "labels"]
    held: tuple[Held, ...]
    more: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def points(self) -> pd.DataFrame:
        """Return what varies, a row a point: groups the slowest, the focal column the fastest."""
        by = {} if self.by is None else {self.by: self.groups}
        points = product({**by, **self.more, self.focal: tuple(self.values.tolist())})
        return pd.DataFrame(points, dtype=object).infer_objects()

    def rows(self, model: Model) -> Columns:
        """Return the points as new data, in the order of `points`; an offset's columns are at their means."""
        old, points = model.design.columns, self.points()
        values = {name: column_like(old[name], points[name].tolist()) for name in map(str, points)}
        for held in self.held:
            values[held.name] = column_like(old[held.name], [held.value] * len(points))
        for name in offset_columns(model):
            if name not in values:
                values[name] = np.full(len(points), np.mean(np.asarray(old[name], dtype=float)))
        return Columns(values, np.arange(len(points)))


def product(values: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return every combination of values, the last column varying fastest; one empty combination of none."""
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def predictors(model: Model) -> tuple[str, ...]:
    """List the columns behind the population-level part and the left sides of blocks."""
    formula = model.formula
    return column_names(formula.common, *(bar.lhs for bar in formula.bars))


def setting(model: Model, focal: str, by: str | None, at: Mapping[str, Any] | None = None) -> Setting:
    """Choose the points of a grid.

    Parameters
    ----------
    model
        The model.
    focal
        The column that varies fastest: all its levels, its values where they are at most 5, else 61 values.
    by
        A predictor whose values are the groups; None for no groups.
    at
        Values to use instead, by column: one, or several that each make a point.

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, `by` has more than 8 values, or `at` as in `fixed`.
    """
    known = predictors(model)
    for option, name in (("focal", focal), ("by", by)):
        if name is not None and name not in known:
            raise OptionError(f"{option}={name!r} is not a predictor of the model; {suggest(str(name), known)}")
    if focal == by:
        raise OptionError(f"focal and by are both {focal!r}; choose two different predictors, or leave by out")
    given = fixed(model, at)
    groups = (None,) if by is None else given.get(by) or levels(model, by)
    if len(groups) > MOST_GROUPS:
        raise OptionError(
            f"by={by!r} has {len(groups)} values; at most {MOST_GROUPS} groups can be told apart: make a factor of it "
            "with fewer levels, or leave by out"
        )
    distinct = given.get(focal) or levels(model, focal)
    if is_factor(model, focal):
        shape: Literal["curve", "points", "labels"] = "labels"
    else:
        shape = "points" if len(distinct) <= FEW else "curve"
    values = np.array(distinct, dtype=object if shape == "labels" else None)
    if shape == "curve" and focal not in given:
        values = np.linspace(values.min(), values.max(), _POINTS)
    others = {name: each for name, each in given.items() if name not in (focal, by)}
    free = tuple(_hold(model, name) for name in known if name not in (focal, by, *others))
    held = tuple(Held(name, each[0], "given") for name, each in others.items() if len(each) == 1)
    more = {name: each for name, each in others.items() if len(each) > 1}
    return Setting(focal, by, values, groups, shape, free + held, more)


def fixed(model: Model, at: Mapping[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    """Read the values that predictors, columns of offsets or grouping factors are fixed at.

    Raises
    ------
    OptionError
        For an unknown column, a level that is not one of a factor's, a number that is none, a value given twice.
    """
    if at is not None and not isinstance(at, Mapping):
        raise OptionError(f"at={at!r} is not a mapping of columns to values, such as at={{'age': 40}}")
    formula = model.formula
    groups = column_names(*(factor for block in formula.blocks for factor in block.group.factors))
    known = tuple(dict.fromkeys((*predictors(model), *offset_columns(model), *groups)))
    found = {}
    for name, value in (at or {}).items():
        if name not in known:
            raise OptionError(f"at has {name!r}, which the model does not use; {suggest(str(name), known)}")
        several = isinstance(value, list | tuple | range | np.ndarray | pd.Series | pd.Index)
        found[name] = checked(model, name, list(value) if several else [value], f"at[{name!r}]")
    return found


def checked(model: Model, name: str, values: list[Any], option: str) -> tuple[Any, ...]:
    """Return values of a column if it can have them: levels of a factor, finite numbers else, none twice.

    Raises
    ------
    OptionError
        Naming the option, the value and what is allowed.
    """
    if not values:
        raise OptionError(f"{option} is empty; give one value or more of '{name}'")
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if is_factor(model, name):
        known = levels(model, name)
        values = [_level(value, known, name, option) for value in values]
    else:
        for value in values:
            if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
                raise OptionError(f"{option} has {value!r}; '{name}' is numeric: give finite numbers")
    if len(set(values)) < len(values):
        raise OptionError(f"{option} has a value more than once: {listing(values)}")
    return tuple(values)


def _level(value: Any, known: tuple[Any, ...], name: str, option: str) -> Any:
    """Return the level that a value is, as the data have it: 1.0 is the level 1, True is not."""
    for level in known:
        if value == level and isinstance(value, bool) == isinstance(level, bool):
            return level
    raise OptionError(
        f"{option} has {value!r}, which is not a level of '{name}'; {suggest(str(value), map(str, known))}"
    )


def _trees(model: Model) -> list[Node]:
    return [node for tree in (model.formula.common, *model.formula.bars) for node in walk(tree)]


def is_factor(model: Model, name: str) -> bool:
    """Return whether a column holds labels or stands in C(…)."""
    if isinstance(model.design.columns[name], pd.Categorical):
        return True
    return any(
        isinstance(node, Call) and node.function in ("C", "factor") and name in column_names(node)
        for node in _trees(model)
    )


def levels(model: Model, name: str) -> tuple[Any, ...]:
    """Return the levels of a factor in their order, or the distinct values of a numeric column."""
    column = model.design.columns[name]
    return tuple(column.categories) if isinstance(column, pd.Categorical) else tuple(np.unique(column).tolist())


def _hold(model: Model, name: str) -> Held:
    if is_factor(model, name):
        return Held(name, reference(model, name), "reference")
    values = levels(model, name)
    if len(values) == 2:
        return Held(name, values[0], "lower")
    return Held(name, float(np.mean(np.asarray(model.design.columns[name], dtype=float))), "mean")


def reference(model: Model, name: str) -> Any:
    """Return the reference level of a factor: the one a Treatment coding names, else the first."""
    known = levels(model, name)
    for node in _trees(model):
        match node:
            case Call("C", (Name(column), Call("Treatment", args, keywords))) if column == name:
                given = [*args, *(value for _, value in keywords)]
                text = given[0].value if given and isinstance(given[0], Text) else render(given[0]) if given else ""
                return next((level for level in known if str(level) == text), known[0])
    return known[0]


def column_like(old: Column, values: list[Any]) -> Column:
    """Return values as a column of the same kind as the old one."""
    if isinstance(old, pd.Categorical):
        return pd.Categorical(values, categories=old.categories, ordered=old.ordered)
    array = np.asarray(values)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.astype(np.float64)

"""Reference grids: the values of the focal column, the groups, and the values the other predictors are held at."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_values import Held, as_column, hold, is_factor, levels, predictors
from bayesglmm.specify.design import Columns
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["FEW", "MOST_GROUPS", "Setting", "checked", "column_list", "fixed", "product", "setting"]

FEW = 5
"""A numeric column of at most so many distinct values is drawn as points, not as a curve."""
MOST_GROUPS = 8
"""The most curves, or frames, that one picture tells apart."""
_POINTS = 61


@dataclass(frozen=True, eq=False)
class Setting:
    """The points of a reference grid: every combination of `groups` at every value of the focal column.

    Parameters
    ----------
    focal
        The column that varies fastest.
    values
        (k,) its values.
    groups
        The other columns that vary, with their values: those of `by`, then those with several values in `at`.
    shape
        `"curve"` for a numeric focal column, `"points"` for one of few values, `"labels"` for a factor.
    held
        The other predictors.
    """

    focal: str
    values: NDArray[Any]
    groups: Mapping[str, tuple[Any, ...]]
    shape: Literal["curve", "points", "labels"]
    held: tuple[Held, ...]

    @property
    def varying(self) -> dict[str, tuple[Any, ...]]:
        """The columns that vary with their values, the focal column the last."""
        return {**self.groups, self.focal: tuple(self.values.tolist())}

    def points(self) -> pd.DataFrame:
        """Return what varies, a row a point: the first of the groups the slowest, the focal column the fastest."""
        return pd.DataFrame(product(self.varying), dtype=object).infer_objects()

    def rows(self, model: Model) -> Columns:
        """Return the points as new data, in the order of `points`; an offset's columns are at their means."""
        old, points = model.design.columns, self.points()
        values = {name: as_column(old[name], points[name].tolist()) for name in map(str, points)}
        for held in self.held:
            values[held.name] = as_column(old[held.name], [held.value] * len(points))
        for name in offset_columns(model):
            if name not in values:
                values[name] = np.full(len(points), np.mean(np.asarray(old[name], dtype=float)))
        return Columns(values, np.arange(len(points)))


def product(values: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return every combination of values, the last column varying fastest; of no columns one, which is empty."""
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def column_list(by: str | Sequence[str] | None) -> list[str]:
    """Return the columns of `by`: none, one or several.

    Raises
    ------
    OptionError
        For a column that stands twice.
    """
    names = [] if by is None else [by] if isinstance(by, str) else list(by)
    if len(set(names)) < len(names):
        raise OptionError(f"by has a column more than once: {listing(names)}")
    return names


def setting(
    model: Model,
    focal: str,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None = None,
    *,
    observed: Collection[str] = (),
) -> Setting:
    """Choose the points of a reference grid.

    Parameters
    ----------
    model
        The model.
    focal
        The column that varies fastest: all its levels, its values where they are at most 5, else 61 values.
    by
        One predictor or several whose values, combined, are the groups; None for no groups.
    at
        Values to use instead, by column: one, or several that each make a point.
    observed
        Columns that only take values of the data: those of grouping factors whose levels were fitted.

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, `by` has more than 8 combinations of values, or
        `at` as in `fixed`.
    """
    design, by_columns, predictor_columns = model.design, column_list(by), predictors(model.design)
    for option, name in (("focal", focal), *(("by", name) for name in by_columns)):
        if name not in predictor_columns:
            raise OptionError(
                f"{option}={name!r} is not a predictor of the model; {suggest(str(name), predictor_columns)}"
            )
    if focal in by_columns:
        raise OptionError(f"focal and by are both {focal!r}; choose two different predictors, or leave by out")
    at_values = fixed(model, at)
    by_values = {name: at_values.get(name) or levels(design, name) for name in by_columns}
    count = prod(map(len, by_values.values()))
    if count > MOST_GROUPS:
        what = "values" if len(by_columns) == 1 else "combinations of values"
        raise OptionError(
            f"by={by!r} has {count} {what}; at most {MOST_GROUPS} groups can be told apart: make a factor "
            "with fewer levels, or leave by out"
        )
    distinct = at_values.get(focal) or levels(design, focal)
    if is_factor(design, focal):
        shape: Literal["curve", "points", "labels"] = "labels"
    else:
        shape = "points" if len(distinct) <= FEW or focal in observed else "curve"
    values = np.array(distinct, dtype=object if shape == "labels" else None)
    if shape == "curve" and focal not in at_values:
        values = np.linspace(values.min(), values.max(), _POINTS)
    others = {name: each for name, each in at_values.items() if name not in (focal, *by_columns)}
    several = {name: each for name, each in others.items() if len(each) > 1}
    free = tuple(hold(design, name) for name in predictor_columns if name not in (focal, *by_columns, *others))
    held = tuple(Held(name, each[0], "at") for name, each in others.items() if len(each) == 1)
    return Setting(focal, values, by_values | several, shape, free + held)


def fixed(model: Model, at: Mapping[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    """Read the values that predictors, columns of offsets or grouping factors are fixed at.

    Raises
    ------
    OptionError
        For an unknown column, an unknown level of a factor, what is not a finite number, a value that stands twice.
    """
    if at is not None and not isinstance(at, Mapping):
        raise OptionError(f"at={at!r} is not a mapping of columns to values, such as at={{'age': 40}}")
    formula = model.formula
    groups = column_names(*(factor for block in formula.blocks for factor in block.group.factors))
    columns = tuple(dict.fromkeys((*predictors(model.design), *offset_columns(model), *groups)))
    values = {}
    for name, value in (at or {}).items():
        if name not in columns:
            raise OptionError(f"at has {name!r}, which the model does not use; {suggest(str(name), columns)}")
        several = isinstance(value, list | tuple | range | np.ndarray | pd.Series | pd.Index)
        values[name] = checked(model, name, list(value) if several else [value], f"at[{name!r}]")
    return values


def checked(model: Model, name: str, values: list[Any], option: str) -> tuple[Any, ...]:
    """Return values of a column if they are levels of a factor, or else finite numbers, each once.

    Raises
    ------
    OptionError
        Naming the option, the value and what is allowed.
    """
    if not values:
        raise OptionError(f"{option} is empty; give one value or more of '{name}'")
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if is_factor(model.design, name):
        factor_levels = levels(model.design, name)
        values = [_level(value, factor_levels, name, option) for value in values]
    else:
        for value in values:
            if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
                raise OptionError(f"{option} has {value!r}; '{name}' is numeric: give finite numbers")
    if len(set(values)) < len(values):
        raise OptionError(f"{option} has a value more than once: {listing(values)}")
    return tuple(values)


def _level(value: Any, factor_levels: tuple[Any, ...], name: str, option: str) -> Any:
    """Return the level that equals a value, with the type of the data: 1.0 is the level 1, True is not."""
    for level in factor_levels:
        if value == level and isinstance(value, bool) == isinstance(level, bool):
            return level
    raise OptionError(
        f"{option} has {value!r}, which is not a level of '{name}'; {suggest(str(value), map(str, factor_levels))}"
    )

"""Grids over predictors: the values of the focal column, the groups, and what the other predictors are held at."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
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

__all__ = ["FEW", "MOST_GROUPS", "Setting", "checked", "fixed", "product", "setting"]

FEW = 5
"""A numeric column of at most so many distinct values is drawn as points, not as a curve."""
MOST_GROUPS = 8
_POINTS = 61


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
        values = {name: as_column(old[name], points[name].tolist()) for name in map(str, points)}
        for held in self.held:
            values[held.name] = as_column(old[held.name], [held.value] * len(points))
        for name in offset_columns(model):
            if name not in values:
                values[name] = np.full(len(points), np.mean(np.asarray(old[name], dtype=float)))
        return Columns(values, np.arange(len(points)))


def product(values: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return every combination of values, the last column varying fastest; one empty combination of none."""
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def setting(
    model: Model,
    focal: str,
    by: str | None,
    at: Mapping[str, Any] | None = None,
    *,
    observed: Collection[str] = (),
) -> Setting:
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
    observed
        Columns whose values between those of the data mean nothing: levels that the data must have.

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, `by` has more than 8 values, or `at` as in `fixed`.
    """
    known = predictors(model.design)
    for option, name in (("focal", focal), ("by", by)):
        if name is not None and name not in known:
            raise OptionError(f"{option}={name!r} is not a predictor of the model; {suggest(str(name), known)}")
    if focal == by:
        raise OptionError(f"focal and by are both {focal!r}; choose two different predictors, or leave by out")
    given = fixed(model, at)
    groups = (None,) if by is None else given.get(by) or levels(model.design, by)
    if len(groups) > MOST_GROUPS:
        raise OptionError(
            f"by={by!r} has {len(groups)} values; at most {MOST_GROUPS} groups can be told apart: make a factor of it "
            "with fewer levels, or leave by out"
        )
    distinct = given.get(focal) or levels(model.design, focal)
    if is_factor(model.design, focal):
        shape: Literal["curve", "points", "labels"] = "labels"
    else:
        shape = "points" if len(distinct) <= FEW or focal in observed else "curve"
    values = np.array(distinct, dtype=object if shape == "labels" else None)
    if shape == "curve" and focal not in given:
        values = np.linspace(values.min(), values.max(), _POINTS)
    others = {name: each for name, each in given.items() if name not in (focal, by)}
    free = tuple(hold(model.design, name) for name in known if name not in (focal, by, *others))
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
    known = tuple(dict.fromkeys((*predictors(model.design), *offset_columns(model), *groups)))
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
    if is_factor(model.design, name):
        known = levels(model.design, name)
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

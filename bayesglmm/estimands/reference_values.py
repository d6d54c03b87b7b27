"""What predictors are held at where others vary, and a baseline with one step of each predictor from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayesglmm.errors import DataError, choose
from bayesglmm.specify.design import Column, Columns, Design
from bayesglmm.specify.formula import Call, Name, Node, Text, column_names, render, walk

__all__ = [
    "STEPS",
    "Held",
    "Step",
    "Steps",
    "as_column",
    "hold",
    "is_factor",
    "levels",
    "predictors",
    "reference",
    "steps",
]

type Step = Literal["sd", "unit"]
type Point = tuple[str, str | None, Any]
"""The text of a step, its column and its value there; None for the baseline."""

STEPS: tuple[Step, ...] = ("sd", "unit")
"""By how much a number goes up: a standard deviation of its column, or one."""


@dataclass(frozen=True)
class Held:
    """A predictor that does not vary.

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
class Steps:
    """A baseline, and the baseline with one predictor changed, for each predictor in turn.

    Parameters
    ----------
    held
        What the baseline holds predictors at.
    labels
        `"baseline"`, then what each step changes, such as `"treat: Usual → Steroid"`.
    rows
        These points as new data.
    """

    held: tuple[Held, ...]
    labels: tuple[str, ...]
    rows: Columns


def steps(design: Design, step: str = "sd") -> Steps:
    """Return the baseline of a design, and the baseline with one predictor changed.

    Parameters
    ----------
    design
        The design.
    step
        By how much a number goes up from its mean: `"sd"` of its column, or one `"unit"`. A factor goes from its
        reference to each other level, an indicator from the lower of its two values to the upper. Where the formula
        has no value above, as beyond the end of a spline, a number goes down, or to an end of the data. The columns
        of offsets are at their means.

    Raises
    ------
    OptionError
        For an unknown step.
    """
    choose("step", step, STEPS)
    held = tuple(hold(design, name) for name in predictors(design))
    points: list[Point] = [("baseline", None, None)]
    for one in held:
        if one.how == "mean":
            points.append(_numeric_step(design, held, one, step))
        else:
            others = [level for level in levels(design, one.name) if level != one.value]
            points += [(f"{one.name}: {one.value} → {level}", one.name, level) for level in others]
    return Steps(held, tuple(label for label, _, _ in points), _rows(design, held, points))


def _numeric_step(design: Design, held: Sequence[Held], one: Held, step: str) -> Point:
    """Return a step up; down, or to an end of the data, where the formula has no value above."""
    column = np.asarray(design.columns[one.name], dtype=float)
    size, how = (1.0, "1 unit") if step == "unit" else (float(np.std(column, ddof=1)), "1 sd")
    up = (f"{one.name}: + {size:.3g} ({how})", one.name, one.value + size)
    down = (f"{one.name}: − {size:.3g} ({how} down)", one.name, one.value - size)
    ends = [
        (f"{one.name}: + {column.max() - one.value:.3g} (to its largest)", one.name, float(column.max())),
        (f"{one.name}: − {one.value - column.min():.3g} (to its least)", one.name, float(column.min())),
    ]
    return next((point for point in (up, down, *ends) if _has_value(design, held, point)), up)


def _has_value(design: Design, held: Sequence[Held], point: Point) -> bool:
    """Whether the columns of the design can be made at a point: a spline ends with its data, a logarithm at 0."""
    try:
        design.on(_rows(design, held, [point]), outcome=False, factors=())
    except DataError:
        return False
    return True


def _rows(design: Design, held: Sequence[Held], points: Sequence[Point]) -> Columns:
    """Return points as new data, the columns of offsets at their means."""
    old = design.columns
    values = {
        one.name: as_column(old[one.name], [value if name == one.name else one.value for _, name, value in points])
        for one in held
    }
    for name in column_names(*design.formula.offsets):
        if name not in values:
            values[name] = np.full(len(points), np.mean(np.asarray(old[name], dtype=float)))
    return Columns(values, np.arange(len(points)))


def predictors(design: Design) -> tuple[str, ...]:
    """List the columns behind the population-level part and the left sides of blocks."""
    formula = design.formula
    return column_names(formula.common, *(bar.lhs for bar in formula.bars))


def is_factor(design: Design, name: str) -> bool:
    """Whether a column holds labels or stands in C(…)."""
    if isinstance(design.columns[name], pd.Categorical):
        return True
    return any(
        isinstance(node, Call) and node.function in ("C", "factor") and name in column_names(node)
        for node in _trees(design)
    )


def levels(design: Design, name: str) -> tuple[Any, ...]:
    """Return the levels of a factor, the distinct values of a number."""
    column = design.columns[name]
    return tuple(column.categories) if isinstance(column, pd.Categorical) else tuple(np.unique(column).tolist())


def hold(design: Design, name: str) -> Held:
    """Choose what a predictor is held at."""
    if is_factor(design, name):
        return Held(name, reference(design, name), "reference")
    values = levels(design, name)
    if len(values) == 2:
        return Held(name, values[0], "lower")
    return Held(name, float(np.mean(np.asarray(design.columns[name], dtype=float))), "mean")


def as_column(old: Column, values: list[Any]) -> Column:
    """Return values as a column of the same type as the old one."""
    if isinstance(old, pd.Categorical):
        return pd.Categorical(values, categories=old.categories, ordered=old.ordered)
    array = np.asarray(values)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.astype(np.float64)


def _trees(design: Design) -> list[Node]:
    return [node for tree in (design.formula.common, *design.formula.bars) for node in walk(tree)]


def reference(design: Design, name: str) -> Any:
    """Return the reference level of a factor: the one a Treatment coding names, else the first."""
    known = levels(design, name)
    for node in _trees(design):
        match node:
            case Call("C", (Name(column), Call("Treatment", args, keywords))) if column == name:
                given = [*args, *(value for _, value in keywords)]
                text = given[0].value if given and isinstance(given[0], Text) else render(given[0]) if given else ""
                return next((level for level in known if str(level) == text), known[0])
    return known[0]

"""The values predictors are held at while others vary, and a baseline with one step of each predictor from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

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
"""The text of a step, the column that it changes, and its value there; None for the baseline."""

STEPS: tuple[Step, ...] = get_args(Step.__value__)
"""The step of a numeric predictor: a standard deviation of its column, or 1."""


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
        `"at"`: the value in the argument `at`.
    """

    name: str
    value: Any
    how: Literal["reference", "lower", "mean", "at"]

    def __str__(self) -> str:
        """Return the name, the value and why that value."""
        if self.how == "at":
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
    for predictor in held:
        name, value = predictor.name, predictor.value
        if predictor.how == "mean":
            points.append(_numeric_step(design, held, predictor, step))
        else:
            points += [(f"{name}: {value} → {level}", name, level) for level in levels(design, name) if level != value]
    return Steps(held, tuple(label for label, _, _ in points), _rows(design, held, points))


def _numeric_step(design: Design, held: Sequence[Held], predictor: Held, step: str) -> Point:
    """Return a step up; down, or to an end of the data, where the formula has no value above."""
    name, mean = predictor.name, predictor.value
    column = np.asarray(design.columns[name], dtype=float)
    size, text = (1.0, "1 unit") if step == "unit" else (float(np.std(column, ddof=1)), "1 sd")
    points = [
        (f"{name}: + {size:.3g} ({text})", name, mean + size),
        (f"{name}: − {size:.3g} ({text} down)", name, mean - size),
        (f"{name}: + {column.max() - mean:.3g} (to its largest)", name, float(column.max())),
        (f"{name}: − {mean - column.min():.3g} (to its least)", name, float(column.min())),
    ]
    return next((point for point in points if _has_value(design, held, point)), points[0])


def _has_value(design: Design, held: Sequence[Held], point: Point) -> bool:
    """Whether the design has a value at a point: a spline ends with its data, a logarithm at 0."""
    try:
        design.on(_rows(design, held, [point]), outcome=False, factors=())
    except DataError:
        return False
    return True


def _rows(design: Design, held: Sequence[Held], points: Sequence[Point]) -> Columns:
    """Return points as new data, the columns of offsets at their means."""
    old = design.columns
    values = {
        predictor.name: as_column(
            old[predictor.name], [value if name == predictor.name else predictor.value for _, name, value in points]
        )
        for predictor in held
    }
    for name in column_names(*design.formula.all_offsets):
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
    """Return the reference level of a factor: the one that a Treatment coding names, else the first."""
    factor_levels = levels(design, name)
    for node in _trees(design):
        match node:
            case Call("C", (Name(column), Call("Treatment", args, keywords))) if column == name:
                options = [*args, *(value for _, value in keywords)]
                if not options:
                    return factor_levels[0]
                text = options[0].value if isinstance(options[0], Text) else render(options[0])
                return next((level for level in factor_levels if str(level) == text), factor_levels[0])
    return factor_levels[0]

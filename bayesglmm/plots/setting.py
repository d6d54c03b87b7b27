"""Where curves are drawn: the values of the focal column, the groups, and what the other predictors are held at."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.design import Columns
from bayesglmm.errors import OptionError, suggest
from bayesglmm.formula import column_names
from bayesglmm.holding import Held, as_column, hold, is_factor, levels, predictors
from bayesglmm.model import Model

__all__ = ["FEW", "MOST_GROUPS", "Setting", "setting"]

FEW = 5
"""A numeric column of at most so many distinct values is drawn as points, not as a curve."""
MOST_GROUPS = 8
_POINTS = 61


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
        values = {self.focal: as_column(old[self.focal], list(self.values) * len(self.groups))}
        if self.by is not None:
            values[self.by] = as_column(old[self.by], [group for group in self.groups for _ in range(k)])
        for held in self.held:
            values[held.name] = as_column(old[held.name], [held.value] * n)
        for name in column_names(*model.formula.offsets):
            if name not in values:
                values[name] = np.full(n, np.mean(np.asarray(old[name], dtype=float)))
        return Columns(values, np.arange(n))


def setting(model: Model, focal: str, by: str | None) -> Setting:
    """Choose the points of a figure.

    Raises
    ------
    OptionError
        If `focal` or `by` is not a predictor, they are the same, or `by` has more than 8 values.
    """
    known = predictors(model.design)
    for option, name in (("focal", focal), ("by", by)):
        if name is not None and name not in known:
            raise OptionError(f"{option}={name!r} is not a predictor of the model; {suggest(str(name), known)}")
    if focal == by:
        raise OptionError(f"focal and by are both {focal!r}; choose two different predictors, or leave by out")
    groups = (None,) if by is None else levels(model.design, by)
    if len(groups) > MOST_GROUPS:
        raise OptionError(
            f"by={by!r} has {len(groups)} values; at most {MOST_GROUPS} groups can be told apart: make a factor of it "
            "with fewer levels, or leave by out"
        )
    distinct = levels(model.design, focal)
    if is_factor(model.design, focal):
        shape: Literal["curve", "points", "labels"] = "labels"
    else:
        shape = "points" if len(distinct) <= FEW else "curve"
    values = np.array(distinct, dtype=object if shape == "labels" else float)
    if shape == "curve":
        values = np.linspace(values.min(), values.max(), _POINTS)
    held = tuple(hold(model.design, name) for name in known if name not in (focal, by))
    return Setting(focal, by, values, groups, shape, held)

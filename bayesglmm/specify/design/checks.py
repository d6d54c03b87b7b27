"""What a design refuses: as predictors the response, constants and dates, terms too wide, blocks that are not apart."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.block import BlockDesign
from bayesglmm.specify.design.columns import Column, Columns
from bayesglmm.specify.formula import FUNCTIONS, Call, Formula, Name, column_names, render

__all__ = ["check_apart", "check_predictors", "check_widths"]

_MOST_ENTRIES = 2**29
"""The largest matrix one term may make: 4 GiB."""


def check_predictors(formula: Formula, columns: Columns) -> None:
    """Refuse as predictors the response itself, constants and dates."""
    for terms in (formula.terms, *(block.terms for block in formula.blocks)):
        for factor in dict.fromkeys(factor for term in terms.terms for factor in term.factors):
            if formula.response.outcome in (factor, *(Name(name) for name in column_names(factor))):
                raise DataError(f"'{render(factor)}' is the response and a predictor at once; remove it from the right")
            inner = factor.args[0] if isinstance(factor, Call) and FUNCTIONS[factor.function].categorical else factor
            if isinstance(inner, Name):
                _check_predictor(inner.name, columns[inner.name], factor is not inner, terms.intercept)


def _check_predictor(name: str, column: Column, coded: bool, intercept: bool) -> None:
    if isinstance(column, pd.Categorical):
        return
    if column.dtype.kind in "Mm" and not coded:
        raise DataError(
            f"predictor '{name}' holds dates or times; make a number of them first, such as days since "
            f"a start, or write C({name}) if each is a category"
        )
    if column.size > 1 and (column == column[0]).all() and (coded or intercept):
        raise DataError(f"predictor '{name}' is constant ({column[0]} in every row): it cannot have an effect; drop it")


def check_widths(formula: Formula, columns: Columns) -> None:
    """Refuse, before it is made, a term with more columns than rows, or too large for memory."""
    for term in (term for terms in (formula.terms, *(block.terms for block in formula.blocks)) for term in terms.terms):
        width = math.prod(max(_levels(factor, columns) - 1, 1) for factor in term.factors)
        if width > columns.n or width * columns.n > _MOST_ENTRIES:
            raise DataError(
                f"'{term}' would make {width:,} columns for {columns.n:,} rows; make it a grouping factor, "
                f"(1 | {term}), or join levels"
            )


def _levels(factor: Name | Call, columns: Columns) -> int:
    """Return the number of levels of a factor, 1 for a number."""
    inner = factor.args[0] if isinstance(factor, Call) and FUNCTIONS[factor.function].categorical else factor
    if not isinstance(inner, Name):
        return 1
    column = columns[inner.name]
    if isinstance(column, pd.Categorical):
        return len(column.categories)
    return 1 if inner is factor else len(np.unique(column))


def check_apart(blocks: Sequence[BlockDesign]) -> None:
    """Refuse two blocks with the same column on the same groups: only the sum of their variances is identified."""
    for first, second in combinations(blocks, 2):
        shared = [name for name in first.columns if name in second.columns]
        m = len(first.levels)
        if shared and m == len(second.levels) == len(np.unique(first.index * m + second.index)):
            raise DataError(
                f"the blocks on '{first.factor}' and '{second.factor}' have the same groups and both have the column "
                f"{listing(shared)}: only the sum of two variances can be learned; leave it out of one, as in "
                f"(0 + x | {second.factor})"
            )

"""Arithmetic of formulas on columns: nothing is evaluated but the nodes of the parser."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.columns import Column, Columns, rows_text
from bayesglmm.specify.design.convert import EXACT
from bayesglmm.specify.design.levels import label
from bayesglmm.specify.formula import Binary, Call, Name, Node, Number, Text, Unary, render, walk

__all__ = ["check_labels", "evaluate", "is_boolean", "numbers", "value"]

_FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "I": lambda x: x,
}

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def numbers(node: Node, columns: Columns, n: int) -> NDArray[np.float64]:
    """Evaluate a stateless expression to numbers, shape (n,).

    Raises
    ------
    DataError
        If a column is not numeric, or the result is not finite somewhere.
    """
    with np.errstate(all="ignore"):
        values = np.broadcast_to(value(node, columns), (n,)).astype(np.float64)
    bad = columns.rows[~np.isfinite(values)]
    if len(bad):
        raise DataError(
            f"'{render(node)}' is not a finite number in {rows_text(bad)}; check the domain of its functions"
        )
    return values


def evaluate(node: Node, columns: Columns, n: int) -> Column:
    """Evaluate a stateless expression; a column by itself keeps its type."""
    if isinstance(node, Name):
        return columns[node.name]
    return numbers(node, columns, n)


def check_labels(tree: Node, columns: Columns) -> None:
    """Refuse a comparison with a label that no row has, which is the same in every row.

    Raises
    ------
    DataError
        Naming the label and those there are.
    """
    for node in walk(tree):
        match node:
            case Binary("==" | "!=", left, right) if _labelled(left, right, columns):
                column, text = _column_and_label(left, right, columns)
                known = [label(level) for level in column.categories]
                if text not in known:
                    raise DataError(
                        f"'{render(node)}' is the same in every row, since no row has the label '{text}'; "
                        f"there are {listing(known)}"
                    )


def value(node: Node, columns: Columns) -> Any:
    """Return the value of a stateless expression as numbers, or one number; it may be infinite or undefined."""
    match node:
        case Number():
            return node.value
        case Name(name):
            return _as_numbers(name, columns[name])
        case Unary(operand):
            return -value(operand, columns)
        case Binary("==" | "!=" as operator, left, right) if _labelled(left, right, columns):
            column, text = _column_and_label(left, right, columns)
            equal = np.array([label(level) == text for level in column.categories])[column.codes]
            return (equal if operator == "==" else ~equal).astype(np.float64)
        case Binary(operator, left, right):
            result = _OPERATORS[operator](value(left, columns), value(right, columns))
            return np.asarray(result, dtype=np.float64)
        case Call(function, (inner,)):
            return _FUNCTIONS[function](value(inner, columns))
        case _:
            raise DataError(f"'{render(node)}' is not arithmetic")


def _as_numbers(name: str, column: Column) -> NDArray[np.float64]:
    if is_boolean(column):
        return np.asarray(column, dtype=np.float64)
    if isinstance(column, pd.Categorical):
        raise DataError(
            f"column '{name}' holds labels where numbers are wanted; convert it, or as a predictor write C({name})"
        )
    if column.dtype.kind in "Mm":
        raise DataError(
            f"column '{name}' holds dates or times; make a number of them first, such as days since a start"
        )
    if column.dtype.kind == "i" and ((column > EXACT) | (column < -EXACT)).any():
        largest = column[np.abs(column.astype(np.float64)).argmax()]
        raise DataError(
            f"column '{name}' holds whole numbers beyond 2^53, such as {largest}, which a double rounds; rescale it "
            f"(subtract a constant, or use larger units), or write C({name}) if each is a category"
        )
    return column.astype(np.float64)


def is_boolean(column: Column) -> bool:
    """Whether a column holds nothing but False and True."""
    return isinstance(column, pd.Categorical) and all(isinstance(c, bool | np.bool_) for c in column.categories)


def _labelled(left: Node, right: Node, columns: Columns) -> bool:
    """Whether a comparison is one of labels: with a string, or of a column of labels (booleans are numbers too)."""
    return any(
        isinstance(node, Text)
        or (
            isinstance(node, Name)
            and isinstance(columns[node.name], pd.Categorical)
            and not is_boolean(columns[node.name])
        )
        for node in (left, right)
    )


def _column_and_label(left: Node, right: Node, columns: Columns) -> tuple[pd.Categorical, str]:
    name, text = (left, right) if isinstance(left, Name) else (right, left)
    if not isinstance(name, Name) or not isinstance(text, Text | Number):
        raise DataError(
            f"'{render(left)}' and '{render(right)}' are compared, but a column of labels is compared with one label: "
            'column == "label"'
        )
    column = columns[name.name]
    if not isinstance(column, pd.Categorical):
        raise DataError(f"column '{name.name}' holds numbers or dates; compare it with a number, without quotes")
    return column, text.value if isinstance(text, Text) else text.text

"""How far a predictor can move before a formula's arithmetic leaves its domain: where a logarithm or a root ends."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.evaluate import value
from bayesglmm.specify.formula import Binary, Call, Name, Node, Number, Unary, column_names, is_stateless, walk

__all__ = ["reach"]

type Array = NDArray[np.float64]


def reach(trees: Sequence[Node], name: str, columns: Columns) -> Array:
    """Return the distance from each row to where an expression ends, shape (n,), in units of a numeric column.

    It is |a / a′| for the argument a of each logarithm, root, quotient or broken power that the column stands in:
    exact where a is linear in the column, a Newton step else. Infinite where nothing ends.

    Parameters
    ----------
    trees
        The expressions.
    name
        The column.
    columns
        The rows.
    """
    nearest = np.full(columns.n, np.inf)
    for argument, end in (found for tree in trees for node in walk(tree) for found in _ends(node)):
        if name not in column_names(argument) or not is_stateless(argument):
            continue
        with np.errstate(all="ignore"):
            a, slope = _along(argument, name, columns)
            nearest = np.fmin(nearest, np.abs(np.where(slope == 0, np.inf, (a - end) / slope)))
    return nearest


def _ends(node: Node) -> list[tuple[Node, float]]:
    """Return the arguments that may not reach a value, and the value."""
    match node:
        case Call("log" | "log2" | "log10" | "sqrt", (inner,)):
            return [(inner, 0.0)]
        case Call("log1p", (inner,)):
            return [(inner, -1.0)]
        case Binary("/", _, right):
            return [(right, 0.0)]
        case Binary("^", left, Number() as power) if power.value == round(power.value):
            return []
        case Binary("^", left, _):
            return [(left, 0.0)]
        case _:
            return []


def _along(node: Node, name: str, columns: Columns) -> tuple[Array, Array]:
    """Return the value of an expression and its derivative with respect to a column, (n,) each."""
    here = np.broadcast_to(value(node, columns), (columns.n,)).astype(np.float64)
    zero = np.zeros(columns.n)
    match node:
        case Name(column):
            return here, zero + (column == name)
        case Unary(operand):
            return here, -_along(operand, name, columns)[1]
        case Binary("+" | "-" | "*" | "/" | "^" as operator, left, right):
            (a, da), (b, db) = _along(left, name, columns), _along(right, name, columns)
            return here, _DERIVATIVES[operator](a, b, da, db)
        case Call("I", (inner,)):
            return _along(inner, name, columns)
        case Call(function, (inner,)) if function in _INNER:
            a, da = _along(inner, name, columns)
            return here, _INNER[function](a) * da
        case _:
            return here, zero


_DERIVATIVES: dict[str, Callable[[Array, Array, Array, Array], Array]] = {
    "+": lambda a, b, da, db: da + db,
    "-": lambda a, b, da, db: da - db,
    "*": lambda a, b, da, db: da * b + a * db,
    "/": lambda a, b, da, db: (da - a / b * db) / b,
    "^": lambda a, b, da, db: b * a ** (b - 1) * da + np.where(db == 0, 0.0, a**b * np.log(np.abs(a)) * db),
}

_INNER: dict[str, Callable[[Array], Array]] = {
    "log": lambda a: 1 / a,
    "log2": lambda a: 1 / (a * np.log(2)),
    "log10": lambda a: 1 / (a * np.log(10)),
    "log1p": lambda a: 1 / (1 + a),
    "exp": np.exp,
    "sqrt": lambda a: 0.5 / np.sqrt(a),
    "abs": np.sign,
}

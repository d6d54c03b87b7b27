"""Factors of a formula as formulaic's code over aliases, so that no name or label of the data is ever evaluated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.evaluate import evaluate, numbers
from bayesglmm.specify.design.levels import factorize, label
from bayesglmm.specify.formula import (
    FUNCTIONS,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Text,
    Unary,
    column_names,
    is_stateless,
    render,
)

__all__ = ["Coder", "as_factor", "level_codes", "reference_level"]


class Coder:
    """Writes formulaic's code for factors, over aliases of their inputs.

    Parameters
    ----------
    columns
        The data that levels are learned from.

    Attributes
    ----------
    inputs
        The expression of each alias.
    levels
        The levels of the aliases that are factors.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.inputs: dict[str, Node] = {}
        self.levels: dict[str, tuple[Any, ...]] = {}

    def code(self, node: Node) -> str:
        """Write a node as Python over aliases and the functions of formulaic."""
        match node:
            case Call("C" | "factor", (Name() as inner,)) if self._is_labels(inner):
                return self._alias(inner)  # the same factor, with and without C
            case Call("C" | "factor", (inner,)):
                return f"C({self._alias(Call('C', (inner,)))})"
            case Call("C", (inner, Call() as coding)):
                alias = self._alias(Call("C", (inner,)))
                return f"C({alias}, {self._contrast(coding, alias)})"
            case _ if is_stateless(node):
                return self._alias(node)
            case Call("cr", (inner,), keywords):
                return f"cr({self._number(inner)}{_options(keywords)}, constraints='center')"
            case Call("standardize", (inner,)):  # formulaic's own divides by n, not by n - 1
                return f"scale({self._number(inner)})"
            case Call("poly", (inner, *_)):
                degree, raw = self._degree(node), dict(node.keywords).get("raw") == Name("True")
                return f"{'_powers' if raw else 'poly'}({self._number(inner)}, degree={degree})"
            case Call(function, (inner,), keywords) if function in FUNCTIONS:
                return f"{function}({self._number(inner)}{_options(keywords)})"
            case Unary(operand):
                return f"(-{self._number(operand)})"
            case Binary(operator, left, right):
                python = "**" if operator == "^" else operator
                return f"_number({self._number(left)} {python} {self._number(right)})"
            case _:
                raise DataError(f"'{render(node)}' cannot be a predictor")

    def _number(self, node: Node) -> str:
        """Write the argument of a function or of arithmetic, which must be numbers."""
        if self._is_labels(node):
            node = Call("I", (node,))
        return self._alias(node) if is_stateless(node) else self.code(node)

    def _alias(self, node: Node) -> str:
        for alias, known in self.inputs.items():
            if known == node:
                return alias
        alias = f"__input{len(self.inputs)}__"
        self.inputs[alias] = node
        if (isinstance(node, Call) and node.function == "C") or self._is_labels(node):
            levels = tuple(as_factor(node, self.columns).categories)
            if len(levels) < 2:
                raise DataError(
                    f"predictor '{render(node)}' has the single level '{levels[0]}' in these rows: "
                    "it cannot have an effect; drop it"
                )
            self.levels[alias] = levels
        return alias

    def _is_labels(self, node: Node) -> bool:
        return isinstance(node, Name) and isinstance(self.columns[node.name], pd.Categorical)

    def _contrast(self, coding: Call, alias: str) -> str:
        if coding.function == "Sum":
            return "contr.sum()"
        reference = _named(coding)
        if reference is None:
            return "contr.treatment()"
        labels = [label(level) for level in self.levels[alias]]
        if reference not in labels:
            written = render(self.inputs[alias])
            raise DataError(f"{written} has no level '{reference}' to refer to; its levels are {listing(labels)}")
        return f"contr.treatment(base={level_codes(alias, labels)[labels.index(reference)]!r})"

    def _degree(self, call: Call) -> int:
        """Return the degree of a polynomial; it must be below the number of distinct values."""
        inner, *options = call.args
        degrees = [option for option in (*options, *dict(call.keywords).values()) if isinstance(option, Number)]
        degree = int(degrees[0].value) if degrees else 1
        if is_stateless(inner):
            distinct = len(np.unique(numbers(inner, self.columns, self.columns.n)))
        else:
            values = [numbers(Name(name), self.columns, self.columns.n) for name in column_names(inner)]
            distinct = len(np.unique(np.column_stack(values), axis=0))
        if degree >= distinct:
            raise DataError(
                f"'{render(call)}' needs more than {degree} distinct values of {render(inner)}, there are "
                f"{distinct}; lower the degree, or write C(…) for a factor"
            )
        return degree


def as_factor(node: Node, columns: Columns) -> pd.Categorical:
    """Return a column, or what stands inside C(…), as a factor."""
    inner = node.args[0] if isinstance(node, Call) else node
    return factorize(evaluate(inner, columns, columns.n))


def reference_level(factor: Name | Call, columns: Columns) -> str:
    """Return the reference level of a factor: the one its coding names, else the first."""
    named = _named(factor.args[1]) if isinstance(factor, Call) and len(factor.args) > 1 else None
    return label(as_factor(factor, columns).categories[0]) if named is None else named


def _named(coding: Node) -> str | None:
    """Return the reference that a Treatment coding names, if it names one."""
    assert isinstance(coding, Call)
    arguments = [*coding.args, *(value for _, value in coding.keywords)]
    if not arguments:
        return None
    return arguments[0].value if isinstance(arguments[0], Text) else render(arguments[0])


def level_codes(alias: str, levels: Sequence[Any]) -> list[str]:
    """Return a code for each level, since labels may hold any text."""
    return [f"{alias.strip('_')}_{position}" for position in range(len(levels))]


def _options(keywords: tuple[tuple[str, Node], ...]) -> str:
    return "".join(f", {key}={_constant(value)}" for key, value in keywords)


def _constant(node: Node) -> str:
    match node:
        case Number():
            return repr(int(node.value))
        case Name("True" | "False" as name):
            return name
        case _:
            raise DataError(f"'{render(node)}' stands where a number or True/False is wanted")

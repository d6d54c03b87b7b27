"""The formula of a Bambi model as one of this package's.

Bambi's formulas hold Python: NumPy's functions, braces around arithmetic, codings as functions of a factor. What has a
counterpart is rewritten; what has none is an error that names it. Whether the columns are equal is checked on the data.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from bayesglmm.errors import DataError, FormulaError, listing
from bayesglmm.specify.design import Columns
from bayesglmm.specify.design.levels import label
from bayesglmm.specify.formula import Bar, Binary, Call, Formula, Name, Node, Number, Text, Unary, column_names, parse

__all__ = ["formula_of", "translate", "with_references"]

_NUMPY = {
    **{name: name for name in ("log", "log2", "log10", "log1p", "exp", "sqrt", "abs")},
    "absolute": "abs",
    "fabs": "abs",
}
"""NumPy's functions by their names in formulas here."""

_POWERS = {"square": "2", "reciprocal": "-1"}

_PIECE = re.compile(
    r"""
      (?P<skipped>`[^`]*` | "[^"]*" | '[^']*')
    | (?P<call>(?<![\w.])(?:(?P<module>np|numpy)\s*\.\s*)?(?P<name>[A-Za-z_]\w*)\s*\()
    | (?P<open>\{) | (?P<close>\})
    """,
    re.VERBOSE,
)


def formula_of(bambi_model: Any, correlated: bool) -> Formula:
    """Return the formula of a Bambi model; its blocks are independent unless `correlated`."""
    text = bambi_model.formula.main
    if bambi_model.formula.additionals:
        raise FormulaError(
            f"this Bambi model has a formula for {listing(bambi_model.formula.additionals_lhs)} as well; here only the "
            "mean has one"
        )
    for modifier in ("censored", "constrained", "truncated", "weighted"):
        if getattr(bambi_model.response_term, f"is_{modifier}"):
            raise FormulaError(f"a {modifier} response has no counterpart here", text, 0)

    def first(name: str) -> str:
        if name not in bambi_model.data:
            raise FormulaError(
                f"binary({name}) has no counterpart here; write the level, or make the column first", text, 0
            )
        return _quoted(_levels(bambi_model.data[name])[0])

    formula = parse(translate(text, first))
    return replace(formula, bars=tuple(_bar(bar, correlated) for bar in formula.bars))


def _levels(column: Any) -> list[Any]:
    """Return the levels of a column as Bambi has them: sorted, or in the order of an ordered categorical."""
    if getattr(column.dtype, "ordered", False):
        return list(column.cat.categories)
    return sorted(column.dropna().unique().tolist())


def _quoted(level: Any) -> str:
    return f'"{level}"' if isinstance(level, str) else str(level)


def with_references(formula: Formula, bambi_data: Any, data: Any, missing: Literal["error", "drop"]) -> Formula:
    """Write the reference level into the formula for each factor whose first level differs in Bambi."""
    columns, codings = Columns.read(data, formula.columns, missing=missing), {}
    for name in column_names(formula.common, *(bar.lhs for bar in formula.bars)):
        column = columns[name]
        if isinstance(column, pd.Categorical) and name in bambi_data:
            ours = [label(level) for level in column.categories]
            first = next((level for level in map(label, _levels(bambi_data[name])) if level in ours), ours[0])
            if first != ours[0]:
                codings[name] = Call("C", (Name(name), Call("Treatment", (Text(first),))))
    if not codings:
        return formula
    bars = tuple(replace(bar, lhs=_put(bar.lhs, codings)) for bar in formula.bars)
    return replace(formula, common=_put(formula.common, codings), bars=bars)


def _put(node: Node, codings: Mapping[str, Call]) -> Node:
    """Replace factors by their coding, where they stand as terms or in C(…) without one."""
    match node:
        case Name(name) if name in codings:
            return codings[name]
        case Call("C" | "factor", (Name(name),)) if name in codings:
            return codings[name]
        case Call("C", (Name(name), Call("Treatment", (), ()))) if name in codings:
            return codings[name]
        case Call("C", (Name(name), Call("Sum"))) if name in codings:
            raise DataError(
                f"Bambi sorts the levels of '{name}', the data have them in another order: under Sum coding another "
                "level is left out; sort the categories of the column"
            )
        case Binary(_, left, right):
            return replace(node, left=_put(left, codings), right=_put(right, codings))
        case Unary(operand):
            return replace(node, operand=_put(operand, codings))
        case _:
            return node


def _bar(bar: Bar, correlated: bool) -> Bar:
    """Return a block as Bambi means it: independent columns; a lone intercept is written with one bar."""
    return replace(bar, correlated=correlated or isinstance(bar.lhs, Number))


# -- text -----------------------------------------------------------------------------------------


def translate(text: str, first: Callable[[str], str]) -> str:
    """Rewrite the text of a Bambi formula as one of this package's.

    Parameters
    ----------
    text
        The formula, or part of one.
    first
        From the name of a column its first level, which `binary(x)` takes for a success.

    Returns
    -------
    str

    Raises
    ------
    FormulaError
        Naming a function that has no counterpart.
    """
    text = re.sub(r"^\s*(prop|proportion)\s*\(", "p(", text)
    text = re.sub(r"^(\s*(?:\w+|`[^`]+`))\s*\[[^\]]*\]", r"\1", text)  # the level of a response, which is compared
    return _written(text, text, first)


def _written(part: str, text: str, first: Callable[[str], str]) -> str:
    pieces, end = [], 0
    while (match := _PIECE.search(part, end)) is not None:
        pieces.append(part[end : match.start()])
        end = match.end()
        if match["skipped"]:
            pieces.append(match.group())
        elif match["open"] or match["close"]:
            pieces.append("I(" if match["open"] else ")")
        else:
            closing = _closing(part, end, text)
            arguments = [_written(argument, text, first) for argument in _arguments(part[end:closing])]
            pieces.append(_call(match, arguments, text, first))
            end = closing + 1
    return "".join([*pieces, part[end:]])


def _call(match: re.Match[str], arguments: Sequence[str], text: str, first: Callable[[str], str]) -> str:
    """Write a call whose arguments are written already."""
    name = match["name"]
    if match["module"]:
        if name in _NUMPY and len(arguments) == 1:
            return f"{_NUMPY[name]}({arguments[0]})"
        if name in _POWERS and len(arguments) == 1:
            return f"I(({arguments[0]})^({_POWERS[name]}))"
        if name == "power" and len(arguments) == 2:
            return f"I(({arguments[0]})^({arguments[1]}))"
        if name == "exp2" and len(arguments) == 1:
            return f"I(2^({arguments[0]}))"
        raise _no_counterpart(f"np.{name}", text)
    match name:
        case "exp2" if len(arguments) == 1:
            return f"I(2^({arguments[0]}))"
        case "scale" | "standardize" if len(arguments) == 1:
            return f"scale({arguments[0]}, ddof=0)"  # Bambi divides by n
        case "T" if 1 <= len(arguments) <= 2:
            return f"C({arguments[0]}, Treatment({', '.join(_level(level) for level in arguments[1:])}))"
        case "S" if len(arguments) == 1:
            return f"C({arguments[0]}, Sum())"
        case "C" if len(arguments) == 2 and arguments[1] in ("Sum", "Treatment"):
            return f"C({arguments[0]}, {arguments[1]}())"
        case "binary" | "B" if 1 <= len(arguments) <= 2:
            success = _level(arguments[1]) if len(arguments) == 2 else first(arguments[0].strip("`"))
            return f"I({arguments[0]} == {success})"
        case _:
            return f"{name}({', '.join(arguments)})"


def _level(argument: str) -> str:
    """Return a level without the keyword that it may be given by."""
    return re.sub(r"^(ref|success)\s*=\s*", "", argument)


def _closing(part: str, start: int, text: str) -> int:
    """Return where the parenthesis that was opened before `start` is closed."""
    depth = 1
    for match in re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'|[()]").finditer(part, start):
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
        if depth == 0:
            return match.start()
    raise FormulaError("this parenthesis is never closed; add ')'", text, text.rfind("("))


def _arguments(inner: str) -> list[str]:
    """Split at the commas that stand in no parentheses and no quotes."""
    pieces, depth, start = [], 0, 0
    for match in re.finditer(r"`[^`]*`|\"[^\"]*\"|'[^']*'|[(){}\[\],]", inner):
        sign = match.group()
        if sign == "," and depth == 0:
            pieces.append(inner[start : match.start()].strip())
            start = match.end()
        elif len(sign) == 1:
            depth += (sign in "({[") - (sign in ")}]")
    return [*pieces, inner[start:].strip()]


def _no_counterpart(name: str, text: str) -> FormulaError:
    known = listing([f"np.{known}" for known in (*_NUMPY, *_POWERS, "power", "exp2")], 20)
    position = max(text.find(name), text.find(name.rpartition(".")[2]), 0)
    return FormulaError(
        f"{name} has no counterpart here; read are {known}. Make the column in the data first", text, position
    )

"""`translate(text, first)`: a formula as Bambi writes it, in the words of formulas here.

Bambi's formulas hold Python: NumPy's functions, braces around arithmetic, codings as functions of a factor. What has a
counterpart is written with it; what has none is an error that names it. Whether the numbers are the same is not decided
here: they are compared.
"""

import re
from collections.abc import Callable, Sequence

from bayesglmm.errors import FormulaError, listing

__all__ = ["translate"]

_NUMPY = {
    **{name: name for name in ("log", "log2", "log10", "log1p", "exp", "sqrt", "abs")},
    "absolute": "abs",
    "fabs": "abs",
}
"""NumPy's functions that stand here under a name of their own."""

_POWERS = {"square": "2", "reciprocal": "-1"}

_PIECE = re.compile(
    r"""
      (?P<skipped>`[^`]*` | "[^"]*" | '[^']*')
    | (?P<call>(?<![\w.])(?:(?P<module>np|numpy)\s*\.\s*)?(?P<name>[A-Za-z_]\w*)\s*\()
    | (?P<open>\{) | (?P<close>\})
    """,
    re.VERBOSE,
)


def translate(text: str, first: Callable[[str], str]) -> str:
    """Write a formula of Bambi's in the words of formulas here.

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
    found, at = [], 0
    while (match := _PIECE.search(part, at)) is not None:
        found.append(part[at : match.start()])
        at = match.end()
        if match["skipped"]:
            found.append(match.group())
        elif match["open"] or match["close"]:
            found.append("I(" if match["open"] else ")")
        else:
            end = _closing(part, at, text)
            arguments = [_written(argument, text, first) for argument in _arguments(part[at:end])]
            found.append(_call(match, arguments, text, first))
            at = end + 1
    return "".join([*found, part[at:]])


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
    at = max(text.find(name), text.find(name.rpartition(".")[2]), 0)
    return FormulaError(
        f"{name} has no counterpart here; read are {known}. Make the column in the data first", text, at
    )

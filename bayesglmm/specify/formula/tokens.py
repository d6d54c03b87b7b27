"""The scanner: formula text into tokens, every character accounted for."""

import re
from dataclasses import dataclass
from typing import Literal

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula.functions import FUNCTIONS

__all__ = ["Token", "is_plain_name", "scan"]

TokenType = Literal["name", "number", "text", "operator", "end"]

_PATTERN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<number>(?:\d+\.\d*|(?<!\w)\.\d+|\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[^\W\d]\w*)
    | `(?P<quoted>[^`\n]+)`
    | "(?P<double>[^"\n]*)"
    | '(?P<single>[^'\n]*)'
    | (?P<operator>\|\||\*\*|==|!=|<=|>=|[-~+*:/^()|,=<>])
    """,
    re.VERBOSE,
)

_PLAIN = re.compile(r"[^\W\d]\w*")

_REMEDIES = {
    "[": "subscripts are not read; make the column in the data first",
    "]": "subscripts are not read; make the column in the data first",
    "%": "%in% and %% are not read; write a:b, or make the column in the data first",
    "@": "decorators and matrix products are not read",
    "{": "braces are not read; write the name itself",
    "}": "braces are not read; write the name itself",
    "`": "this backtick is never closed, or nothing stands between two",
    '"': "this quotation mark is never closed",
    "'": "this quotation mark is never closed",
    "−": "write the plain minus '-'",
    "–": "write the plain minus '-'",
    "×": "write '*' or ':'",
    "·": "write '*' or ':'",
    "“": "write the plain quotation mark",
    "”": "write the plain quotation mark",
    "‘": "write the plain quotation mark",
    "’": "write the plain quotation mark",
    "&": "write | only between a block and its grouping factor, and combine conditions in the data",
}

_MOST_CHARACTERS = 20_000
_MOST_TOKENS = 1_000


@dataclass(frozen=True)
class Token:
    """A piece of the formula: its type, its text without quotes, and the offset of its first character."""

    type: TokenType
    text: str
    at: int


def scan(text: str) -> tuple[Token, ...]:
    """Split a formula into tokens, the last of type `end`.

    Raises
    ------
    FormulaError
        At the first character that belongs to no token.
    """
    if len(text) > _MOST_CHARACTERS:
        raise FormulaError(
            f"the formula has {len(text):,} characters; at most {_MOST_CHARACTERS:,} are read. "
            "Make composite columns in the data first"
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            remedy = _dotted(text, at) if text[at] == "." else _REMEDIES.get(text[at], "remove it")
            raise FormulaError(f"{text[at]!r} has no meaning in a formula: {remedy}", text, at)
        if match.lastgroup != "space":
            tokens.append(_token(match, text, at))
        at = match.end()
    if len(tokens) > _MOST_TOKENS:
        raise FormulaError(
            f"the formula has {len(tokens):,} parts; at most {_MOST_TOKENS:,} are read. "
            "Make composite columns in the data first"
        )
    tokens.append(Token("end", "", len(text)))
    return tuple(tokens)


def _dotted(text: str, at: int) -> str:
    """Say what to write for a dot: for all columns, in a function's name, or in a column's."""
    before, after = _BEFORE_DOT.search(text[:at]), _AFTER_DOT.match(text[at:])
    if before is None and after is None:
        return (
            "a dot does not stand for all other columns; name the predictors, so that a new column in the data is not "
            "one by accident"
        )
    if before is None or after is None:
        name = f"{before.group()}." if before else after["name"] if after else "."
        return f"if it is in a column's name, write that in backticks: `{name}`"
    whole = before.group() + after["name"]
    last = whole.rpartition(".")[2]
    if not after["call"]:
        return f"attribute access is not read; if a column's name holds a dot, write it in backticks: `{whole}`"
    if whole in _OF_R:
        return f"{whole}() is a function of R; {_OF_R[whole]}"
    if last in FUNCTIONS:
        return f"attribute access is not read, and functions go by their own names; write {last}(…) for {whole}(…)"
    return f"{whole}() is not a function of formulas; make the column in the data first"


_BEFORE_DOT = re.compile(r"[^\W\d]\w*$")
_AFTER_DOT = re.compile(r"(?P<name>(?:\.\w+)+)(?P<call>\s*\()?")

_OF_R = {
    "as.factor": "write C(x), or factor(x)",
    "as.ordered": "write C(x), or declare the order of the levels in the data",
    "as.character": "write C(x)",
    "as.numeric": "convert the column in the data first",
    "as.integer": "convert the column in the data first",
    "as.logical": 'write I(x == "level")',
    "is.na": "make an indicator in the data first",
    "splines.ns": "write cr(x, df=4), a natural cubic spline",
}
"""What to write for functions of R whose names hold a dot."""


def is_plain_name(name: str) -> bool:
    """Whether a column's name can be written without backticks."""
    return _PLAIN.fullmatch(name) is not None and "__" not in name and name != "lambda"


def _token(match: re.Match[str], text: str, at: int) -> Token:
    group = str(match.lastgroup)
    value = match.group(group)
    if group == "name" and "__" in value:
        raise FormulaError(
            f"{value!r} holds a double underscore; if it is a column, write it in backticks: `{value}`",
            text,
            at,
        )
    types: dict[str, TokenType] = {
        "name": "name",
        "quoted": "name",
        "number": "number",
        "double": "text",
        "single": "text",
        "operator": "operator",
    }
    return Token(types[group], "^" if value == "**" and group == "operator" else value, at)

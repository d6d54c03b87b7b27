"""The scanner: formula text into tokens, every character accounted for."""

import re
from dataclasses import dataclass
from typing import Literal

from bayesglmm.errors import FormulaError

__all__ = ["Token", "is_plain_name", "scan"]

Kind = Literal["name", "number", "text", "operator", "end"]

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
    ".": "attribute access is not read; if a column's name holds a dot, write it in backticks: `a.b`",
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
    """A piece of the formula: what it is, its text without quotes, and where it starts."""

    kind: Kind
    text: str
    at: int


def scan(text: str) -> tuple[Token, ...]:
    """Split a formula into tokens, the last of kind `end`.

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
            remedy = _REMEDIES.get(text[at], "remove it")
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
    kinds: dict[str, Kind] = {
        "name": "name",
        "quoted": "name",
        "number": "number",
        "double": "text",
        "single": "text",
        "operator": "operator",
    }
    return Token(kinds[group], "^" if value == "**" and group == "operator" else value, at)

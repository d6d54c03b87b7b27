"""`Statement`: a hypothesis as it is written, read into a quantity, a relation and the value it is compared with.

The arithmetic is that of `I(…)` in formulas; nothing is evaluated but the nodes of its parser. What stands in the
place of columns are names, which a `Names` finds in the text: parameters of a model, or rows of a table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import FormulaError, OptionError, listing, suggest
from bayesglmm.specify.design import Columns
from bayesglmm.specify.design.evaluate import value
from bayesglmm.specify.formula import Binary, Call, Name, Node, render, walk
from bayesglmm.specify.formula.functions import FUNCTIONS
from bayesglmm.specify.formula.parser import Reader
from bayesglmm.specify.formula.tokens import Token, scan

__all__ = [
    "CALLABLE",
    "FLIPPED",
    "Names",
    "Relation",
    "Statement",
    "evaluated",
    "read_statement",
    "read_statements",
    "uses",
]

type Array = NDArray[np.float64]
type Relation = Literal["<", "<=", ">", ">=", "=", ""]

CALLABLE = tuple(name for name, function in FUNCTIONS.items() if function.stateless and not function.categorical)
"""The functions that a hypothesis may call, each of one argument."""

_RELATIONS: dict[str, Relation] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}
FLIPPED: dict[Relation, Relation] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "": ""}
"""What a relation becomes where its sides change places."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_BETWEEN = re.compile(r"(?:(?<!\w)(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[^\w`])+|\w")
"""What stands between names: numbers, operators, space."""


_MOST_TOKENS = 200


class Names(Protocol):
    """Finds names in the text of a hypothesis."""

    def read(self, text: str, at: int) -> tuple[str, int] | None:
        """Return the name that begins at a position, and where it ends; None for a function that is called there."""


@dataclass(frozen=True)
class Statement:
    """A hypothesis.

    Parameters
    ----------
    text
        As it was written.
    quantity
        What is estimated: the left-hand side, minus the right-hand side unless that is a number.
    relation
        How it is compared; `""` for a quantity alone, which is no hypothesis.
    null
        The value it is compared with; None for a quantity alone.
    """

    text: str
    quantity: Node
    relation: Relation = ""
    null: float | None = None


def read_statements(hypotheses: object, names: Names) -> dict[str, Statement]:
    """Read one hypothesis or several, by their names, which are their texts unless a mapping gives others.

    Raises
    ------
    OptionError
        If there is none, one is not text, or two have one name.
    FormulaError
        If one cannot be read wholly.
    """
    if isinstance(hypotheses, str):
        hypotheses = [hypotheses]
    if isinstance(hypotheses, Mapping):
        texts = {str(name): text for name, text in hypotheses.items()}
    elif isinstance(hypotheses, list | tuple):
        texts = {str(text): text for text in hypotheses}
        if len(texts) < len(hypotheses):
            raise OptionError("the same hypothesis stands in the list more than once; leave one out")
    else:
        raise OptionError(
            f"a hypothesis is text such as 'trt < 0', a list of texts or a mapping of names to texts, not "
            f"{type(hypotheses).__name__}"
        )
    if not texts:
        raise OptionError("there is no hypothesis; write one, such as 'trt < 0'")
    for text in texts.values():
        if not isinstance(text, str):
            raise OptionError(f"a hypothesis is text, not {type(text).__name__}: {text!r}")
    return {name: read_statement(text, names) for name, text in texts.items()}


def read_statement(text: str, names: Names) -> Statement:
    """Read a hypothesis.

    Parameters
    ----------
    text
        Arithmetic, or two sides of it with `<`, `<=`, `>`, `>=` or `=` between them.
    names
        Finds names in the text.

    Raises
    ------
    FormulaError
        If it cannot be read wholly, pointing at the place.
    """
    left, relation, right = _Reader(text, names).sides_of_relation()
    if not (uses(left) or (right is not None and uses(right))):
        raise FormulaError("this names nothing to estimate, so there is no hypothesis", text, 0)
    if right is None:
        return Statement(text, left)
    if not uses(right):
        return Statement(text, left, relation, _constant(right, text))
    if not uses(left):
        return Statement(text, right, FLIPPED[relation], _constant(left, text))
    return Statement(text, Binary("-", left, right), relation, 0.0)


def uses(node: Node) -> tuple[str, ...]:
    """Return the names in an expression, in the order written."""
    return tuple(dict.fromkeys(inner.name for inner in walk(node) if isinstance(inner, Name)))


def evaluated(node: Node, draws: Mapping[str, Array], text: str) -> Array:
    """Evaluate an expression in each draw, shape (s,), from draws (s,) of each name.

    Raises
    ------
    OptionError
        If it is not a number in some draw, such as the logarithm of a negative one.
    """
    size = len(next(iter(draws.values())))
    with np.errstate(all="ignore"):
        result = np.broadcast_to(value(node, Columns(draws, np.arange(size))), (size,)).astype(np.float64)
    bad = float(np.isnan(result).mean())
    if bad:
        raise OptionError(
            f"'{plain(text)}' is not a number in {bad:.2%} of the draws: a logarithm, root or power of what can be "
            "negative, or a division by zero; write it another way"
        )
    return result


def _constant(node: Node, text: str) -> float:
    with np.errstate(all="ignore"):
        number = float(value(node, Columns({}, np.arange(1))))
    if not np.isfinite(number):
        raise FormulaError(f"'{render(node)}' is not a finite number", text, node.at)
    return number


class _Reader(Reader):
    """Reads one hypothesis from left to right."""

    def __init__(self, text: str, names: Names) -> None:
        self.names = names
        self.named: set[int] = set()
        super().__init__(text)

    def __post_init__(self) -> None:
        self.text = normalize("NFC", self.text)
        self.tokens = self._tokens()

    def _tokens(self) -> tuple[Token, ...]:
        """Split the text: names as they are found, the rest as in formulas."""
        tokens: list[Token] = []
        at = 0
        while at < len(self.text):
            if len(tokens) > _MOST_TOKENS:
                raise self.fail(f"a hypothesis has at most {_MOST_TOKENS} parts; write several, or shorter ones", at)
            if self.text[at] == "`" or _IDENTIFIER.match(self.text, at):
                found = self.names.read(self.text, at)
                if found is not None:
                    self.named.add(at)
                    name, end = found
                else:
                    name = self._function(at)
                    end = at + len(name)
                tokens.append(Token("name", name, at))
                at = end
                continue
            match = _BETWEEN.match(self.text, at)
            assert match is not None
            tokens += self._between(match.group(), at)
            at = match.end()
        return (*tokens, Token("end", "", len(self.text)))

    def _function(self, at: int) -> str:
        match = _IDENTIFIER.match(self.text, at)
        assert match is not None
        return match.group()

    def _between(self, text: str, at: int) -> list[Token]:
        try:
            tokens = scan(text)
        except FormulaError as error:
            reason = error.reason.replace("in a formula", "in a hypothesis")
            raise FormulaError(reason, self.text, at + (error.position or 0)) from None
        return [Token(token.type, token.text, token.at + at) for token in tokens[:-1]]

    def sides_of_relation(self) -> tuple[Node, Relation, Node | None]:
        """Read the left-hand side, the relation and the right-hand side; `""` and None where there is no relation."""
        if self.at_end():
            raise self.fail("the hypothesis is empty; write one, such as 'trt < 0'")
        left = self._sum()
        if self.at_end():
            return left, "", None
        if self.at_operator("!="):
            raise self.fail("'!=' always holds of a continuous quantity; write '=' for the point, or '<' or '>'")
        if not self.at_operator(*_RELATIONS):
            raise self.unexpected("the hypothesis ends before")
        relation = _RELATIONS[self.take().text]
        right = self._sum()
        if self.at_operator(*_RELATIONS, "!="):
            raise self.fail("one relation at a time; write two hypotheses, or abs(…) < … for an interval around 0")
        if not self.at_end():
            raise self.unexpected("the hypothesis ends before")
        return left, relation, right

    def _name_or_call(self) -> Node:
        token = self.take()
        if token.at in self.named:
            return Name(token.text, token.at)
        if token.text not in CALLABLE:
            known = suggest(token.text, CALLABLE, limit=20)
            raise self.fail(f"{token.text}() is not a function of hypotheses; {known}", token.at)
        self.enter()
        self.open_parenthesis()
        argument = self._sum()
        if self.at_operator(","):
            raise self.fail(f"{token.text}() takes one argument; the functions are {listing(CALLABLE, 20)}")
        self.close_parenthesis()
        self.leave()
        return Call(token.text, (argument,), (), token.at)

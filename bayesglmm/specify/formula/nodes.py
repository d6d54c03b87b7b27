"""The tree a formula is read into: frozen nodes, and their text."""

from dataclasses import dataclass, field
from typing import Literal

from bayesglmm.specify.formula.tokens import is_plain_name

__all__ = ["Bar", "Binary", "Call", "Name", "Node", "Number", "Text", "Unary", "render", "walk"]

BINDING = {
    "|": 0,
    "||": 0,
    "==": 1,
    "!=": 1,
    "<": 1,
    "<=": 1,
    ">": 1,
    ">=": 1,
    "+": 2,
    "-": 2,
    "*": 3,
    "/": 3,
    ":": 4,
    "^": 5,
}
"""The precedence of operators, lowest first, as in R."""


@dataclass(frozen=True)
class Name:
    """A column of the data."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Number:
    """A number, kept as written."""

    text: str
    at: int = field(default=0, compare=False)

    @property
    def value(self) -> float:
        """The number itself."""
        return float(self.text)


@dataclass(frozen=True)
class Text:
    """A quoted string: the label of a level."""

    value: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    """A white-listed function applied to arguments."""

    function: str
    args: tuple["Node", ...]
    keywords: tuple[tuple[str, "Node"], ...] = ()
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Unary:
    """A leading minus."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Binary:
    """Two operands and the operator between them."""

    operator: str
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Bar:
    """A block of random effects: `(lhs | group)`, or `(lhs || group)` for a diagonal covariance."""

    lhs: "Node"
    group: "Node"
    correlated: bool = True
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """Return the block as it is written in a formula."""
        return render(self)


type Node = Name | Number | Text | Call | Unary | Binary | Bar


def walk(node: Node) -> list[Node]:
    """List a node and everything below it, in the order written."""
    nodes: list[Node] = []
    waiting = [node]
    while waiting:  # a loop, since a long sum is a deep tree
        current = waiting.pop()
        nodes.append(current)
        waiting.extend(reversed(_children(current)))
    return nodes


def _children(node: Node) -> list[Node]:
    match node:
        case Call(_, args):  # keywords hold constants
            return list(args)
        case Unary(operand):
            return [operand]
        case Binary(_, left, right):
            return [left, right]
        case Bar(lhs, group):
            return [lhs, group]
        case _:
            return []


def render(node: Node) -> str:
    """Write a node as formula text that reads back into the same node."""
    match node:
        case Name(name):
            return name if is_plain_name(name) else f"`{name}`"
        case Number(text):
            return text
        case Text(value):
            return _quote(value)
        case Call(function, args, keywords):
            written = [render(arg) for arg in args] + [f"{key}={render(value)}" for key, value in keywords]
            return f"{function}({', '.join(written)})"
        case Unary(operand):
            return f"-{_wrap(operand, render(operand), BINDING['^'])}"
        case Binary(operator, left, right):
            binding = BINDING[operator]
            power = operator == "^"  # the one operator that groups to the right
            before = _wrap(left, render(left), binding, tight=power)
            after = _wrap(right, render(right), binding, tight=not power)
            space = "" if operator in ":^" else " "
            return f"{before}{space}{operator}{space}{after}"
        case Bar(lhs, group, correlated):
            return f"({render(lhs)} {'|' if correlated else '||'} {render(group)})"


def _wrap(node: Node, text: str, binding: int, *, tight: bool = False) -> str:
    """Put an operand in parentheses where operators of higher precedence would split it."""
    if isinstance(node, Unary):  # between terms a leading minus binds as loosely as a sum
        return f"({text})" if tight or binding > BINDING["-"] else text
    if not isinstance(node, Binary):
        return text
    inner = BINDING[node.operator]
    chained = inner == binding == BINDING["=="]
    return f"({text})" if inner < binding or chained or (tight and inner == binding) else text


def _quote(value: str) -> str:
    quote: Literal['"', "'"] = "'" if '"' in value else '"'
    return f"{quote}{value}{quote}"

"""The algebra of Wilkinson and Rogers: a tree of terms expanded into an intercept and a list of terms."""

from dataclasses import dataclass
from itertools import product

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula.nodes import Bar, Binary, Call, Name, Node, Number, Unary, render

__all__ = ["Term", "Terms", "expand", "expand_group"]

_MOST_TERMS = 2_000
_MOST_PRODUCTS = 5_000
_MOST_FACTORS = 20


@dataclass(frozen=True)
class Term:
    """A product of factors, each a column or a call; equal to any other order of the same factors."""

    factors: tuple[Name | Call, ...]

    def __str__(self) -> str:
        """Return the factors joined by colons."""
        return ":".join(render(factor) for factor in self.factors)

    def __eq__(self, other: object) -> bool:
        """Compare as sets of factors."""
        return isinstance(other, Term) and set(self.factors) == set(other.factors)

    def __hash__(self) -> int:
        """Hash as a set of factors."""
        return hash(frozenset(self.factors))

    def times(self, other: "Term") -> "Term":
        """Return the interaction of two terms, each factor once."""
        return Term((*self.factors, *(f for f in other.factors if f not in self.factors)))


@dataclass(frozen=True)
class Terms:
    """The expanded terms of one side of a bar or of a tilde.

    Parameters
    ----------
    intercept
        Whether a column of ones is among the columns.
    terms
        Main effects first, then interactions by their order, within an order as written: R's rule.
    """

    intercept: bool
    terms: tuple[Term, ...]


def expand(tree: Node, text: str) -> Terms:
    """Expand a tree of terms.

    Parameters
    ----------
    tree
        The right-hand side without blocks and offsets, or the left side of a bar.
    text
        The whole formula, for error messages.

    Raises
    ------
    FormulaError
        For a term that cannot be expanded, or a removal of something that is not there.
    """
    intercept, terms = _sum(tree, text)
    ordered = sorted(terms, key=lambda term: len(term.factors))
    return Terms(intercept is not False, tuple(ordered))


def expand_group(tree: Node, text: str) -> tuple[Term, ...]:
    """Expand a grouping factor: `a/b` is `a` and `a:b`.

    Raises
    ------
    FormulaError
        For a number, a sum or a block in the place of a factor.
    """
    if isinstance(tree, Number):
        raise FormulaError("a grouping factor is a column, not a number", text, tree.at)
    if (position := _sum_position(tree)) is not None:
        reason = "a grouping factor is a, a:b or a/b; for crossed factors write (1 | a) + (1 | b)"
        raise FormulaError(reason, text, position)
    return tuple(_products(tree, text))


def _sum_position(tree: Node) -> int | None:
    """Return the position of a sum among factors, None without one."""
    match tree:
        case Binary("+" | "-"):
            return tree.at
        case Binary(_, left, right):
            before = _sum_position(left)
            return before if before is not None else _sum_position(right)
        case _:
            return None


def _sum(tree: Node, text: str) -> tuple[bool | None, list[Term]]:
    """Return whether a sum has an intercept (None where it is not mentioned), and its terms."""
    match tree:
        case Number():
            return tree.text == "1", []
        case Unary(operand):
            return _remove(None, [], operand, text)
        case Binary("+", left, right):
            intercept, terms = _sum(left, text)
            right_intercept, more = _sum(right, text)
            return intercept if right_intercept is None else right_intercept, _union(terms, more, text, tree.at)
        case Binary("-", left, right):
            return _remove(*_sum(left, text), right, text)
        case _:
            return None, _products(tree, text)


def _remove(intercept: bool | None, terms: list[Term], tree: Node, text: str) -> tuple[bool | None, list[Term]]:
    removed_intercept, removed = _sum(tree, text)
    return intercept if removed_intercept is None else not removed_intercept, _without(terms, removed, text)


def _without(terms: list[Term], removed: list[Term], text: str) -> list[Term]:
    for term in removed:
        if term not in terms:
            position = term.factors[0].at
            raise FormulaError(f"'{term}' is removed but was not there; leave '- {term}' out", text, position)
    return [term for term in terms if term not in removed]


def _products(tree: Node, text: str) -> list[Term]:
    match tree:
        case Name() | Call():
            return [Term((tree,))]
        case Binary("+", left, right):
            return _union(_products(left, text), _products(right, text), text, tree.at)
        case Binary("-", left, right):
            left_over = _without(_products(left, text), _products(right, text), text)
            if not left_over:
                raise FormulaError(f"nothing is left of '{render(tree)}' to combine with other terms", text, tree.at)
            return left_over
        case Binary(":", left, right):
            return _cross(_products(left, text), _products(right, text), text, tree.at)
        case Binary("*", left, right):
            a, b = _products(left, text), _products(right, text)
            return _union([*a, *b], _cross(a, b, text, tree.at), text, tree.at)
        case Binary("/", left, right):
            outer = _products(left, text)
            whole = outer[0]
            for term in outer[1:]:
                whole = whole.times(term)
            return _union(outer, _cross([whole], _products(right, text), text, tree.at), text, tree.at)
        case Binary("^", left, Number() as degree):
            base = _products(left, text)
            if len(base) == 1:
                reason = (
                    f"'{base[0]}' to a power is itself between terms; for arithmetic write I({base[0]}^{degree.text})"
                )
                raise FormulaError(reason, text, tree.at)
            return _power(base, int(degree.text), text, tree.at)
        case Bar():
            raise FormulaError("a block (… | g) is added to the other terms, not combined with them", text, tree.at)
        case Number():
            raise FormulaError(
                f"{tree.text} cannot be combined with other terms; for arithmetic write I(…)", text, tree.at
            )
        case _:
            raise FormulaError(f"'{render(tree)}' cannot stand inside an interaction", text, tree.at)


def _power(base: list[Term], degree: int, text: str, at: int) -> list[Term]:
    terms = base
    for _ in range(degree - 1):
        before = terms
        terms = _union(terms, _cross(terms, base, text, at), text, at)
        if len(terms) == len(before):
            break
    return terms


def _cross(a: list[Term], b: list[Term], text: str, at: int) -> list[Term]:
    if len(a) * len(b) > _MOST_PRODUCTS:  # checked before they are made
        raise FormulaError(f"this expands into more than {_MOST_PRODUCTS:,} products of terms; write fewer", text, at)
    terms = [left.times(right) for left, right in product(a, b)]
    if any(len(term.factors) > _MOST_FACTORS for term in terms):
        raise FormulaError(f"this is an interaction of more than {_MOST_FACTORS} factors; write fewer", text, at)
    return _union([], terms, text, at)


def _union(a: list[Term], b: list[Term], text: str, at: int) -> list[Term]:
    terms = list(dict.fromkeys([*a, *b]))
    if len(terms) > _MOST_TERMS:
        raise FormulaError(f"this expands into more than {_MOST_TERMS:,} terms; write fewer", text, at)
    return terms

"""`parse(text) -> Formula`: response, common part, offsets and blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula.calls import is_stateless
from bayesglmm.specify.formula.functions import CONTRASTS, FUNCTIONS
from bayesglmm.specify.formula.nodes import Bar, Binary, Call, Name, Node, Number, Unary, render, walk
from bayesglmm.specify.formula.parser import Reader
from bayesglmm.specify.formula.terms import Term, Terms, expand, expand_group

__all__ = ["Block", "Formula", "Response", "column_names", "parse"]


@dataclass(frozen=True)
class Response:
    """The left-hand side.

    Parameters
    ----------
    form
        `"plain"` for one column; `"p"` for successes and trials; `"cbind"` for successes and failures.
    outcome
        The column, or the successes.
    second
        The trials or the failures, None for a plain response.
    weights
        What the log likelihood of each row is multiplied by, None where every row counts once.
    rate
        The exposure that a count is the sum over, None where there is none.
    """

    form: Literal["plain", "p", "cbind"]
    outcome: Node
    second: Node | None = None
    weights: Node | None = None
    rate: Node | None = None

    @property
    def trees(self) -> tuple[Node, ...]:
        """Its expressions."""
        return tuple(tree for tree in (self.outcome, self.second, self.rate, self.weights) if tree is not None)

    @property
    def unweighted(self) -> str:
        """The response as it is written in a formula, without what stands behind its bar."""
        if self.second is None:
            return render(self.outcome)
        return f"{self.form}({render(self.outcome)}, {render(self.second)})"

    def __str__(self) -> str:
        """Return the response as it is written in a formula."""
        additions = {"rate": self.rate, "weights": self.weights}
        written = [f"{name}({render(tree)})" for name, tree in additions.items() if tree is not None]
        return f"{self.unweighted} | {' + '.join(written)}" if written else self.unweighted


@dataclass(frozen=True)
class Block:
    """One block of random effects after expansion: its terms, its grouping factor, its covariance."""

    terms: Terms
    group: Term
    correlated: bool


@dataclass(frozen=True)
class Formula:
    """A formula read wholly: `str()` of it parses back into an equal one.

    Parameters
    ----------
    response
        The left-hand side.
    common
        The tree of population-level terms, as written.
    offsets
        The expressions inside `offset(…)`; they add up.
    bars
        The blocks `(lhs | group)`, as written.
    """

    response: Response
    common: Node
    offsets: tuple[Node, ...] = ()
    bars: tuple[Bar, ...] = ()

    def __str__(self) -> str:
        """Return the formula as text."""
        parts = [render(self.common)]
        parts += [f"offset({render(offset)})" for offset in self.offsets]
        parts += [render(bar) for bar in self.bars]
        return f"{self.response} ~ {' + '.join(parts)}"

    @cached_property
    def terms(self) -> Terms:
        """The population-level terms, expanded."""
        return expand(self.common, str(self))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, expanded: `(x | a/b)` is a block on `a` and one on `a:b`."""
        text = str(self)
        return tuple(
            Block(expand(bar.lhs, text), group, bar.correlated)
            for bar in self.bars
            for group in expand_group(bar.group, text)
        )

    @property
    def all_offsets(self) -> tuple[Node, ...]:
        """What is added to the linear predictor: the offsets, then log e where the response has rate(e)."""
        rate = self.response.rate
        return self.offsets if rate is None else (*self.offsets, Call("log", (rate,)))

    @property
    def trees(self) -> tuple[Node, ...]:
        """All trees of the formula, in the order of `str(formula)`."""
        return (*self.response.trees, self.common, *self.offsets, *self.bars)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the formula names, in the order of `str(formula)`."""
        return column_names(*self.trees)


def column_names(*trees: Node) -> tuple[str, ...]:
    """List the columns that trees name, each once, in the order of the trees."""
    return tuple(dict.fromkeys(node.name for tree in trees for node in walk(tree) if isinstance(node, Name)))


def parse(text: str | Formula) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text
        For example `"count ~ trt*time + offset(log(weeks)) + (1 + time | id)"`; a Formula comes back as it is.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If any part of the text is not understood; the message points at it and says what to write.

    Examples
    --------
    >>> str(parse("y ~ x*z + (1|g)"))
    'y ~ x * z + (1 | g)'
    """
    if isinstance(text, Formula):
        return text
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a string such as 'y ~ x + (1 | g)', not {type(text).__name__}")
    left, additions, right = Reader(text).sides()
    response = _response(left, additions, text)
    common, offsets, bars = _split(right, text)
    formula = Formula(response, common if common is not None else Number("1"), offsets, bars)
    _check(formula, text)
    return formula


_IN_TWO = ("p", "cbind")
"""Functions of a response in two columns."""


def _response(tree: Node, additions: Mapping[str, Node], text: str) -> Response:
    trials, weights, rate = (additions.get(name) for name in ("trials", "weights", "rate"))
    second = trials if trials is not None else tree if isinstance(tree, Call) and tree.function in _IN_TWO else None
    if rate is not None and second is not None:
        raise FormulaError("successes among trials have no exposure; leave out rate(…)", text, rate.at)
    if isinstance(tree, Call) and tree.function in _IN_TWO:
        if trials is not None:
            raise FormulaError(f"{tree.function}(…) has the trials; leave out trials(…)", text, tree.at)
        form: Literal["p", "cbind"] = "p" if tree.function == "p" else "cbind"
        response = Response(form, tree.args[0], tree.args[1], weights)
    else:
        response = Response("plain" if trials is None else "p", tree, trials, weights, rate)
    if not column_names(response.outcome):
        raise FormulaError("the response names no column; write the outcome before '~'", text, tree.at)
    for part in response.trees:
        _check_rowwise(part, text, "the response")
    return response


def _split(tree: Node, text: str) -> tuple[Node | None, tuple[Node, ...], tuple[Bar, ...]]:
    """Split a sum into the common part (None for an empty one), offsets and blocks."""
    match tree:
        case Bar():
            return None, (), (tree,)
        case Call("offset", (inner,)):
            _check_rowwise(inner, text, "an offset")
            return None, (inner,), ()
        case Binary("+" | "-" as sign, left, right):
            common, offsets, bars = _split(left, text)
            other, more_offsets, more_bars = _split(right, text)
            if sign == "-" and (more_offsets or more_bars):
                raise FormulaError("a block or an offset is not removed with '-'; leave it out", text, tree.at)
            joined = _join(sign, common, other, tree.at)
            return joined, (*offsets, *more_offsets), (*bars, *more_bars)
        case _:
            return tree, (), ()


def _join(sign: str, left: Node | None, right: Node | None, at: int) -> Node | None:
    if right is None:
        return left
    if left is None:
        return Unary(right, at) if sign == "-" else right
    return Binary(sign, left, right, at)


def _check(formula: Formula, text: str) -> None:
    """Expand all terms, so that a formula that parses can be built."""
    for tree in (formula.common, *(bar.lhs for bar in formula.bars)):
        for node in walk(tree):
            _check_node(node, text)
    terms = expand(formula.common, text)
    _check_terms(terms, text)
    if not terms.intercept and not terms.terms and not formula.bars:
        raise FormulaError("the right-hand side is empty; write 1 for an intercept alone", text, len(text))
    for bar in formula.bars:
        lhs = expand(bar.lhs, text)
        if not lhs.intercept and not lhs.terms:
            raise FormulaError("this block has no columns; write (1 | group) for a random intercept", text, bar.at)
        _check_terms(lhs, text)
        for group in expand_group(bar.group, text):
            for factor in group.factors:
                _check_group(factor, text)


def _check_node(node: Node, text: str) -> None:
    if isinstance(node, Bar):
        raise FormulaError("a block (… | g) is added to the other terms, not combined with them", text, node.at)
    if isinstance(node, Call) and node.function == "offset":
        raise FormulaError("an offset is added to the other terms, not combined with them", text, node.at)
    if isinstance(node, Call) and node.function in _IN_TWO:
        raise FormulaError(f"{node.function}(…) belongs on the left of '~'", text, node.at)


def _check_terms(terms: Terms, text: str) -> None:
    for factor in (factor for term in terms.terms for factor in term.factors):
        if isinstance(factor, Call) and factor.function in CONTRASTS:
            reason = f"{factor.function}() is a coding; write C(x, {factor.function}(…))"
            raise FormulaError(reason, text, factor.at)


def _check_group(factor: Name | Call, text: str) -> None:
    """Refuse a grouping factor that is not a column, factor(…) or arithmetic within rows."""
    if isinstance(factor, Name) or (factor.function in ("C", "factor") and len(factor.args) == 1):
        return
    if not is_stateless(factor):
        raise FormulaError(
            f"a grouping factor cannot be made by {factor.function}(…); write factor(x)", text, factor.at
        )


def _check_rowwise(tree: Node, text: str, where: str) -> None:
    for node in walk(tree):
        if isinstance(node, Call) and (not is_stateless(node) or FUNCTIONS[node.function].categorical):
            raise FormulaError(
                f"{node.function}() cannot stand in {where}, where each row is a number by itself; "
                "make the column in the data first",
                text,
                node.at,
            )

"""`update(formula, text) -> Formula`: R's way of changing a formula, `"~ . + age"`, `"log(y) ~ . - x:z - (1 | g)"`.

A dot stands for what was on its side of the tilde. On the right it includes the blocks and offsets; `+` adds a
term, an offset or a block, `-` removes one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

from bayesglmm.errors import FormulaError, listing
from bayesglmm.specify.formula.formula import Formula, column_names, parse
from bayesglmm.specify.formula.nodes import Bar, Binary, Call, Name, Node, Number, Unary, render
from bayesglmm.specify.formula.parser import Reader
from bayesglmm.specify.formula.terms import Terms, expand, expand_group

__all__ = ["update"]

_DOT = Name(".")

_LONE_DOT = re.compile(r"""`[^`]*`|"[^"]*"|'[^']*'|(?<![\w.])\.(?![\w.])""")
"""A dot that is part of no name, number or label; these are stepped over."""


def update(formula: Formula, text: str | Formula) -> Formula:
    """Return a formula changed as R's `update` changes it.

    Parameters
    ----------
    formula
        The formula so far.
    text
        A formula in which a dot stands for the side of the old one it is on, as in `"~ . + age"` and
        `". ~ . - (1 | site)"`; an empty left side stays. One without dots and with a response is a new formula.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the text is not understood, or removes what is not there.

    Examples
    --------
    >>> str(update(parse("y ~ x * z + (1 | g)"), "~ . - x:z + age"))
    'y ~ x + z + age + (1 | g)'
    """
    if not isinstance(text, str):
        return parse(text)
    dotted = _LONE_DOT.sub(lambda match: "`.`" if match.group() == "." else match.group(), text)
    if dotted == text and not text.lstrip().startswith("~"):
        return parse(text)
    text = f"`.` {dotted.lstrip()}" if dotted.lstrip().startswith("~") else dotted
    left, additions, right = Reader(text).sides()
    if left != _DOT and formula.response.second is not None and _mentions(left):
        raise FormulaError(f"a dot inside a call cannot stand for {formula.response}; write the response anew", text, 0)
    response = formula.response.unweighted if left == _DOT else render(_put(left, formula.response.outcome))
    added = [f"{name}({render(tree)})" for name, tree in additions.items()]
    for name, tree in (("rate", formula.response.rate), ("weights", formula.response.weights)):
        if tree is not None and name not in additions:
            added.append(f"{name}({render(tree)})")
    response += f" | {' + '.join(added)}" if added else ""
    common: Node | None = None
    offsets: list[Node] = []
    bars: list[Bar] = []
    for sign, part in _parts(right):
        if isinstance(part, Bar):
            _check_written(part, text)
            _change_bars(bars, sign, part, text)
        elif isinstance(part, Call) and part.function == "offset":
            _check_written(part, text)
            _change_offsets(offsets, sign, part.args[0], text)
        else:
            if _mentions(part) and sign == "+":
                offsets += [offset for offset in formula.offsets if offset not in offsets]
                bars += [bar for bar in formula.bars if bar not in bars]
            common = _change_terms(common, sign, _put(part, formula.common), text)
    changed = replace(formula, common=common or Number("1"), offsets=tuple(offsets), bars=tuple(bars))
    return parse(f"{response} ~ {str(changed).removeprefix(f'{formula.response} ~ ')}")


def _check_written(part: Bar | Call, text: str) -> None:
    if "." in column_names(part):
        raise FormulaError("a dot inside a block or an offset stands for nothing; write it out", text, part.at)


def _parts(tree: Node) -> Iterator[tuple[str, Node]]:
    """Yield the parts of a sum with their signs, in order."""
    match tree:
        case Binary("+" | "-" as sign, left, right):
            yield from _parts(left)
            yield sign, right
        case Unary(operand):
            yield "-", operand
        case _:
            yield "+", tree


def _put(tree: Node, old: Node) -> Node:
    """Replace the dot by the old tree."""
    match tree:
        case Name("."):
            return old
        case Binary(_, left, right):
            return replace(tree, left=_put(left, old), right=_put(right, old))
        case Call(_, args):
            return replace(tree, args=tuple(_put(arg, old) for arg in args))
        case Unary(operand):
            return replace(tree, operand=_put(operand, old))
        case _:
            return tree


def _mentions(tree: Node) -> bool:
    return _put(tree, Number("0")) != tree


def _change_terms(common: Node | None, sign: str, part: Node, text: str) -> Node:
    if sign == "+":
        return part if common is None else Binary("+", common, part)
    difference = Unary(part) if common is None else Binary("-", common, part)
    return _written(expand(difference, text))


def _written(terms: Terms) -> Node:
    """Write terms out as a sum."""
    products: list[Node] = []
    for term in terms.terms:
        factors: tuple[Node, ...] = term.factors
        products.append(reduce(lambda left, right: Binary(":", left, right), factors))
    if not terms.intercept or not products:
        products.insert(0, Number("1" if terms.intercept else "0"))
    return reduce(lambda left, right: Binary("+", left, right), products)


def _change_bars(bars: list[Bar], sign: str, bar: Bar, text: str) -> None:
    same = [other for other in bars if _means(other, text) == _means(bar, text)]
    if sign == "+":
        bars += [] if same else [bar]
    elif same:
        bars.remove(same[0])
    else:
        raise FormulaError(_absent(render(bar), [render(other) for other in bars], "blocks"), text, bar.at)


def _means(bar: Bar, text: str) -> object:
    lhs = expand(bar.lhs, text)
    alone = len(lhs.terms) + lhs.intercept == 1
    return lhs.intercept, frozenset(lhs.terms), expand_group(bar.group, text), bar.correlated or alone


def _change_offsets(offsets: list[Node], sign: str, offset: Node, text: str) -> None:
    if sign == "+":
        offsets += [] if offset in offsets else [offset]
    elif offset in offsets:
        offsets.remove(offset)
    else:
        written = [f"offset({render(other)})" for other in offsets]
        raise FormulaError(_absent(f"offset({render(offset)})", written, "offsets"), text, getattr(offset, "at", 0))


def _absent(removed: str, present: Sequence[str], plural: str) -> str:
    return f"'{removed}' is removed but was not there; the {plural} are: {listing(present) or 'none'}"

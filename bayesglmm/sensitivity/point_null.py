"""`point_of`: what a point hypothesis says, as a value of one parameter or of a linear combination of coefficients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bayesglmm.estimands.hypothesis_names import Parameter
from bayesglmm.estimands.hypothesis_text import Statement, uses
from bayesglmm.specify.design import Columns
from bayesglmm.specify.design.evaluate import value
from bayesglmm.specify.formula import Binary, Call, Name, Node, Unary

__all__ = ["Point", "point_of"]

_INVERSE: dict[str, Callable[[float], float]] = {
    "I": lambda x: x,
    "exp": lambda x: float(np.log(x)),
    "log": lambda x: float(np.exp(x)),
    "log2": lambda x: float(np.exp2(x)),
    "log10": lambda x: float(np.power(10.0, x)),
    "log1p": lambda x: float(np.expm1(x)),
    "sqrt": lambda x: x**2 if x >= 0 else np.nan,
}
"""The inverses of the functions that have one."""

_OTHER = (
    "the Bayes factor of such a combination would depend on how it is written (as a difference, a ratio, …); there is "
    "one for a parameter, and for a linear combination of coefficients"
)


@dataclass(frozen=True)
class Point:
    """Σ weight × parameter = value.

    Parameters
    ----------
    weights
        By the name of the parameter: several coefficients, or one parameter with weight 1.
    value
        The value.
    """

    weights: Mapping[str, float]
    value: float


def point_of(statement: Statement, known: Mapping[str, Parameter]) -> Point | str:
    """Return the point of an equality, or why its Bayes factor is not computed.

    A function that has an inverse is taken away from both sides, which leaves the ratio of posterior to prior density
    as it is.
    """
    if statement.relation != "=" or statement.null is None:
        return "only for an equality"
    node, target = _peeled(statement.quantity, statement.null)
    linear = _linear(node)
    if linear is None:
        return _OTHER
    weights = {name: weight for name, weight in linear[0].items() if weight}
    target -= linear[1]
    if not weights or not np.isfinite(target):
        return "no value of the parameters gives equality, or every one does"
    kinds = {known[name].kind for name in weights}
    if kinds == {"coefficient"}:
        return Point(weights, target)
    if len(weights) > 1:
        return _OTHER
    ((name, weight),) = weights.items()
    return Point({name: 1.0}, target / weight)


def _peeled(node: Node, target: float) -> tuple[Node, float]:
    """Take what is done last to a quantity away from both sides, while that can be inverted."""
    with np.errstate(all="ignore"):
        while True:
            match node:
                case Call(function, (inner,)) if function in _INVERSE:
                    node, target = inner, _INVERSE[function](target)
                case Unary(inner):
                    node, target = inner, -target
                case Binary("+", left, right) if not uses(right):
                    node, target = left, target - _number(right)
                case Binary("+", left, right) if not uses(left):
                    node, target = right, target - _number(left)
                case Binary("-", left, right) if not uses(right):
                    node, target = left, target + _number(right)
                case Binary("-", left, right) if not uses(left):
                    node, target = right, _number(left) - target
                case Binary("*", left, right) if not uses(right):
                    node, target = left, _divided(target, _number(right))
                case Binary("*", left, right) if not uses(left):
                    node, target = right, _divided(target, _number(left))
                case Binary("/", left, right) if not uses(right):
                    node, target = left, target * _number(right)
                case _:
                    return node, target


def _linear(node: Node) -> tuple[dict[str, float], float] | None:
    """Return the weights of the names in a linear expression and its constant; None for another expression."""
    if not uses(node):
        return {}, _number(node)
    match node:
        case Name(name):
            return {name: 1.0}, 0.0
        case Unary(inner):
            return _scaled(_linear(inner), -1.0)
        case Call("I", (inner,)):
            return _linear(inner)
        case Binary("+" | "-" as operator, left, right):
            first, second = _linear(left), _scaled(_linear(right), 1.0 if operator == "+" else -1.0)
            if first is None or second is None:
                return None
            names = dict.fromkeys((*first[0], *second[0]))
            return {name: first[0].get(name, 0.0) + second[0].get(name, 0.0) for name in names}, first[1] + second[1]
        case Binary("*", left, right) if not uses(left):
            return _scaled(_linear(right), _number(left))
        case Binary("*", left, right) if not uses(right):
            return _scaled(_linear(left), _number(right))
        case Binary("/", left, right) if not uses(right):
            return _scaled(_linear(left), _divided(1.0, _number(right)))
        case _:
            return None


def _scaled(linear: tuple[dict[str, float], float] | None, factor: float) -> tuple[dict[str, float], float] | None:
    if linear is None or not np.isfinite(factor):
        return None
    return {name: factor * weight for name, weight in linear[0].items()}, factor * linear[1]


def _divided(number: float, by: float) -> float:
    return number / by if by else np.nan


def _number(node: Node) -> float:
    with np.errstate(all="ignore"):
        return float(value(node, Columns({}, np.arange(1))))

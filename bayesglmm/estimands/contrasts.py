"""Contrasts: for each variable the values it is set to, and rows of weights of the averages at these values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, choose, listing, suggest
from bayesglmm.estimands.reference_grid import checked
from bayesglmm.estimands.reference_values import is_factor, levels, predictors, reference
from bayesglmm.estimands.wording import number
from bayesglmm.specify.model import Model

__all__ = ["NAMED", "Contrast", "ContrastOption", "pairs", "read_contrasts", "read_variables"]

type Array = NDArray[np.float64]
type ContrastOption = str | ArrayLike | Mapping[str, ArrayLike]

_MINUS = "\N{MINUS SIGN}"

NAMED = ("reference", "pairwise", "sequential")
"""Each value against the first, every pair, each value against the one before; the later minus the earlier."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """Contrasts between the values of one variable.

    Parameters
    ----------
    variable
        The column.
    values
        The values it is set to, L in all; for a step 0 and the step.
    is_step
        Whether the values are added to each row's value.
    names, texts
        Of the contrasts, c in all; `texts`, for pictures, with the typographic minus.
    weights
        (c, L), rows that sum to 0.
    """

    variable: str
    values: tuple[Any, ...]
    is_step: bool
    names: tuple[str, ...]
    texts: tuple[str, ...]
    weights: Array

    def __str__(self) -> str:
        """Say what the variable is set to."""
        if self.is_step:
            return f"{named(self.variable)} as it is and {number(self.values[1])} more"
        return f"{named(self.variable)} set to {' and '.join(map(number, self.values))}"


def read_variables(model: Model, option: str, variables: Any) -> dict[str, Any]:
    """Return the values to compare of each variable, None where the user has not said which.

    Raises
    ------
    OptionError
        For none, a name twice, or one that is not a predictor.
    """
    names = [variables] if isinstance(variables, str) else list(variables)
    if not names:
        raise OptionError(f"{option} is empty; give the name of a predictor")
    predictor_columns = predictors(model.design)
    for name in names:
        if name not in predictor_columns:
            raise OptionError(
                f"{option} has {name!r}, which is not a predictor of the model; {suggest(str(name), predictor_columns)}"
            )
    if len(set(names)) < len(names):
        raise OptionError(f"{option} has a predictor more than once: {listing(names)}")
    return dict(variables) if isinstance(variables, Mapping) else dict.fromkeys(names)


def read_contrasts(model: Model, variables: Any, contrasts: ContrastOption, sign: str) -> tuple[Contrast, ...]:
    """Return the contrasts of each variable.

    Parameters
    ----------
    model
        The model.
    variables, contrasts
        As in `comparisons`.
    sign
        What stands between two values in the name of a contrast.

    Raises
    ------
    OptionError
        For an unknown variable or value, or weights of another shape than the values or that do not sum to 0.
    """
    values = read_variables(model, "variables", variables)
    return tuple(_contrast(model, name, value, contrasts, sign) for name, value in values.items())


def _contrast(model: Model, name: str, value: Any, contrasts: ContrastOption, sign: str) -> Contrast:
    option = f"variables[{name!r}]"
    distinct = levels(model.design, name)
    if value is None and not is_factor(model.design, name):
        value = list(distinct) if len(distinct) == 2 else 1
    if value is None:
        first = reference(model.design, name)
        value = [first, *(level for level in distinct if level != first)]
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return _step(model, name, value, contrasts, option)
    if not isinstance(value, list | tuple | range | np.ndarray):
        raise OptionError(f"{option}={value!r} is not values to compare; give a list of two or more, or a step")
    values = checked(model, name, list(value), option)
    if len(values) < 2:
        raise OptionError(f"{option} has one value, {values[0]!r}; give two or more to compare")
    names, weights = _weights(name, values, contrasts, sign)
    texts, _ = _weights(name, values, contrasts, _MINUS if sign == "-" else sign)
    return Contrast(name, values, False, names, texts, weights)


def _step(model: Model, name: str, step: Any, contrasts: ContrastOption, option: str) -> Contrast:
    if is_factor(model.design, name):
        raise OptionError(
            f"{option}={step!r} is a step, and '{name}' is a factor; give levels, such as {_some(model, name)}"
        )
    (checked_step,) = checked(model, name, [step], option)
    if checked_step == 0:
        raise OptionError(f"{option}=0 compares each row with itself; give another step, or two values")
    if not isinstance(contrasts, str) or contrasts != "reference":
        raise OptionError(
            f"contrasts needs values of '{name}' to compare, and without them a number is compared by a step; give "
            f"some, such as variables={{{name!r}: {_some(model, name)}}}"
        )
    text = f"{checked_step:+g}"
    shown = text.replace("-", _MINUS, 1) if text.startswith("-") else text
    return Contrast(name, (0, checked_step), True, (text,), (shown,), np.array([[-1.0, 1.0]]))


def _some(model: Model, name: str) -> str:
    return repr(list(levels(model.design, name)[:3]))


def _weights(name: str, values: Sequence[Any], contrasts: ContrastOption, sign: str) -> tuple[tuple[str, ...], Array]:
    """Return names and weights of contrasts between values."""
    if isinstance(contrasts, str):
        compared = pairs(len(values), choose("contrasts", contrasts, NAMED))
        weights = np.zeros((len(compared), len(values)))
        for row, (low, high) in enumerate(compared):
            weights[row, low], weights[row, high] = -1.0, 1.0
        return tuple(f"{number(values[high])} {sign} {number(values[low])}" for low, high in compared), weights
    matrix = list(contrasts.values()) if isinstance(contrasts, Mapping) else contrasts
    try:
        weights = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"contrasts is not a matrix of numbers ({error}); give a row of weights a contrast"
        ) from error
    if weights.ndim != 2 or weights.shape[1] != len(values) or not weights.size:
        raise OptionError(
            f"contrasts has shape {weights.shape}; '{name}' takes {len(values)} values "
            f"({listing(map(number, values))}): give rows of {len(values)} weights, in that order"
        )
    bad = ~(np.abs(weights.sum(axis=1)) < 1e-8) | ~np.isfinite(weights).all(axis=1) | ~weights.any(axis=1)
    if bad.any():
        row = weights[bad][0]
        raise OptionError(
            f"the contrast {row.tolist()} sums to {row.sum():g}; weights must be finite, sum to 0 and not all be 0"
        )
    texts = map(str, contrasts) if isinstance(contrasts, Mapping) else (_text(row, values, sign) for row in weights)
    return tuple(texts), weights


def pairs(count: int, option: str) -> list[tuple[int, int]]:
    """Return which of several values are compared by one of `NAMED`: the earlier, the later."""
    if option == "reference":
        return [(0, j) for j in range(1, count)]
    return list(combinations(range(count), 2)) if option == "pairwise" else [(j, j + 1) for j in range(count - 1)]


def _text(row: Array, values: Sequence[Any], sign: str) -> str:
    """Write weights as a sum: `0.5·a + 0.5·b - 1·c`."""
    minus = _MINUS if sign == _MINUS else "-"
    terms = [(weight, number(value)) for weight, value in zip(row.tolist(), values, strict=True) if weight]
    text = " ".join(f"{minus if weight < 0 else '+'} {abs(weight):.3g}·{value}" for weight, value in terms)
    return text.removeprefix("+ ")

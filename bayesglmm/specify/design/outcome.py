"""The response as numbers: a column, two columns of counts, or labels."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.convert import rows_text
from bayesglmm.specify.design.evaluate import evaluate, is_boolean, numbers
from bayesglmm.specify.design.levels import factorize, label, relabel
from bayesglmm.specify.formula import Response
from bayesglmm.specify.formula.nodes import render

__all__ = ["Outcome", "learn_labels", "read_outcome"]

_BOOLEAN = ("False", "True")

_ROUNDING = 2e-7
"""The relative error of a product of two numbers of single precision, with room."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The response as numbers.

    Parameters
    ----------
    name
        The response as written.
    y
        (n,) outcome on its own scale; 0 and 1, in the order of `levels`, where it is text or boolean.
    trials
        (n,) number of trials of each row, None unless the response has two columns.
    levels
        The labels of a response of text, None for numbers.
    weights
        (n,) what the log likelihood of each row is multiplied by, None where every row counts once.
    """

    name: str
    y: NDArray[np.float64]
    trials: NDArray[np.float64] | None = None
    levels: tuple[str, ...] | None = None
    weights: NDArray[np.float64] | None = None

    @property
    def trials_or_ones(self) -> NDArray[np.float64]:
        """The trials of each row, (n,); 1 where the response is not of trials."""
        return np.ones(len(self.y)) if self.trials is None else self.trials

    @property
    def weights_or_ones(self) -> NDArray[np.float64]:
        """The weight of each row, (n,); 1 where every row counts once."""
        return np.ones(len(self.y)) if self.weights is None else self.weights

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How many outcomes each row stands for, (n,): its weight; None where some weight is not a whole number."""
        weights = self.weights_or_ones
        return weights.astype(np.int64) if (weights == np.floor(weights)).all() else None

    def at(self, rows: NDArray[np.int64]) -> "Outcome":
        """Return the outcome of some rows, (r,) positions that may repeat, each once whatever its weight."""
        trials = None if self.trials is None else self.trials[rows]
        return replace(self, y=self.y[rows], trials=trials, weights=None)

    def counted(self) -> "Outcome":
        """Return the outcome with values rounded that are whole numbers up to rounding error.

        A number within 2e-7 of its size from a whole number k (at least 1e-6, at most 1e-3) is rounded to k: the
        error of a proportion times its number of trials in single precision.
        """
        y = _counted(self.y)
        trials = None if self.trials is None else _counted(self.trials)
        return self if y is self.y and trials is self.trials else replace(self, y=y, trials=trials)


def _counted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest = np.rint(values)
    close = np.abs(values - nearest) <= np.clip(_ROUNDING * np.abs(nearest), 1e-6, 1e-3)
    return values if (nearest == values)[close].all() else np.where(close, nearest, values)


def learn_labels(response: Response, columns: Columns) -> tuple[str, ...] | None:
    """Return the labels of a response of text or booleans, None for numbers.

    Raises
    ------
    DataError
        For labels in the place of counts.
    """
    column = evaluate(response.outcome, columns, columns.n)
    if not isinstance(column, pd.Categorical):
        return None
    if response.second is not None:
        raise DataError(f"the successes in '{response}' are labels; they must be counts")
    if is_boolean(column):
        return _BOOLEAN
    return tuple(label(level) for level in column.categories)


def read_outcome(response: Response, columns: Columns, labels: tuple[str, ...] | None) -> Outcome:
    """Return the response of data, coded by the labels of `learn_labels`.

    Raises
    ------
    DataError
        For labels in the place of numbers, an unknown label, or weights that are negative or not finite.
    """
    outcome = _without_weights(response, columns, labels)
    if response.weights is None:
        return outcome
    weights = numbers(response.weights, columns, columns.n)
    bad = np.flatnonzero(~(weights >= 0) | ~np.isfinite(weights))
    if len(bad):
        raise DataError(
            f"weights({render(response.weights)}) has {weights[bad[0]]:g} in {rows_text(columns.rows[bad].tolist())}; "
            "weights are finite numbers from 0 up: correct these rows, or leave them out"
        )
    if not weights.any():
        raise DataError(f"weights({render(response.weights)}) is 0 in all rows; give weights above 0")
    return replace(outcome, weights=weights)


def _without_weights(response: Response, columns: Columns, labels: tuple[str, ...] | None) -> Outcome:
    name = response.unweighted
    column = evaluate(response.outcome, columns, columns.n)
    labelled = isinstance(column, pd.Categorical)
    if labels is None and labelled and not is_boolean(column):
        raise DataError(f"response '{name}' held numbers when the model was built and holds labels now; convert it")
    if labels is not None and (labelled or labels != _BOOLEAN):
        factor = factorize(column)
        codes = relabel(factor, labels)
        if (codes < 0).any():
            unknown = factor[codes < 0].remove_unused_categories().categories
            raise DataError(
                f"response '{name}' has a label that is not known: {listing(unknown)}; known: {listing(labels)}"
            )
        return Outcome(name, codes.astype(np.float64), None, labels)
    y = numbers(response.outcome, columns, columns.n)
    if response.second is None:
        return Outcome(name, y, None, labels)
    second = numbers(response.second, columns, columns.n)
    return Outcome(name, y, second if response.form == "p" else y + second)

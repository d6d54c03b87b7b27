"""Row weights: what each row counts in an average over rows, and the words for it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import named, plain
from bayesglmm.errors import DataError, OptionError, listing, suggest
from bayesglmm.estimands.request import Request
from bayesglmm.specify.design import Column, Columns, rows_text
from bayesglmm.specify.design.evaluate import numbers
from bayesglmm.specify.formula import Response, column_names
from bayesglmm.specify.formula.nodes import render
from bayesglmm.specify.model import Model

__all__ = ["Weighting", "check_cells", "read_weighting", "row_weights", "trials_columns", "trials_of", "weight_columns"]

type Array = NDArray[np.float64]

_KEYWORDS = ("rows", "trials", "equal")
"""Each row counts once; each row counts by its trials; each cell of the reference grid counts once."""


@dataclass(frozen=True)
class Weighting:
    """How rows count.

    Parameters
    ----------
    kind
        `"rows"`, each once; `"trials"`, each by its trials; `"own"`, each by its weight in the model; `"column"`, each
        by the value of a column; `"equal"`, the cells of a reference grid, each once, in place of rows.
    column
        The column, where there is one.
    reason
        Why rows count once that would by default count by their trials.
    """

    kind: Literal["rows", "trials", "own", "column", "equal"]
    column: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """Say how each row counts."""
        match self.kind:
            case "rows":
                return f"each row counting once{self.reason}"
            case "trials":
                return "each row counting by its trials"
            case "own":
                return "each row counting by its weight in the model"
            case "column":
                return f"each row counting by its {named(self.column)}"
            case "equal":
                return "each cell of the reference grid counting once"


def read_weighting(model: Model, option: Any, columns: Collection[str]) -> Weighting:
    """Return how rows count, from the option `weights=`; None is by trials where the response has trials, else once.

    Parameters
    ----------
    model
        The model.
    option
        A column, `"trials"`, `"rows"`, `"equal"`, or None.
    columns
        The names of the columns at hand: those of the model, or those read of new data.

    Raises
    ------
    OptionError
        For an unknown column, trials of a response without them, or a keyword that is also the name of a column.
    DataError
        For trials that new data do not have.
    """
    if option is None:
        return _default(model, columns)
    if not isinstance(option, str):
        raise OptionError(f"weights={option!r} is not text; give a column of the data, or {listing(_KEYWORDS)}")
    needed = trials_columns(model.formula.response)
    if option not in _KEYWORDS:
        if option not in columns:
            raise OptionError(
                f"weights={option!r} is not a column of the model's data or of new_data; "
                f"{suggest(option, [*_KEYWORDS, *columns])}; a column outside the formula is read from new_data"
            )
        return Weighting("column", option)
    if option in columns and option not in needed:
        if option == "trials" and not needed:
            return Weighting("column", option)
        raise OptionError(f"weights={option!r} is a keyword and a column of the data has that name; rename the column")
    if option == "trials":
        if not needed:
            raise OptionError(
                f"weights='trials': the response {model.formula.response} is not of successes among trials; give the "
                "column that says what each row counts, or leave weights out"
            )
        _check_present(needed, columns)
        return Weighting("trials")
    return Weighting("rows" if option == "rows" else "equal")


def _default(model: Model, columns: Collection[str]) -> Weighting:
    """Return how rows count where the user has not said: the one place where a model's own weights decide."""
    response = model.formula.response
    needed = (*trials_columns(response), *_own_columns(response))
    if not needed:
        return Weighting("rows")
    if all(name in columns for name in needed):
        return Weighting("trials" if response.weights is None else "own")
    what = "trials" if response.weights is None else "weights"
    return Weighting("rows", reason=f", for lack of the {what} of {plain(response)}")


def _own_columns(response: Response) -> tuple[str, ...]:
    """List the columns behind the weights of the model's own rows."""
    return () if response.weights is None else column_names(response.weights)


def weight_columns(model: Model, option: Any) -> tuple[str, ...]:
    """List the columns of new data that weights may be read from, where they are present."""
    if option is None or option == "trials":
        named_trials = ("trials",) if option == "trials" else ()
        own = _own_columns(model.formula.response) if option is None else ()
        return (*named_trials, *trials_columns(model.formula.response), *own)
    return (option,) if isinstance(option, str) else ()


def _check_present(needed: Collection[str], columns: Collection[str]) -> None:
    absent = [name for name in needed if name not in columns]
    if absent:
        raise DataError(
            f"weights='trials' needs {listing(f"'{name}'" for name in absent)}, which new_data does not have; add it, "
            "or use weights='rows', each row counting once"
        )


def row_weights(request: Request, columns: Columns, option: Any) -> Array:
    """Return what each row counts, shape (n,): finite, not negative; 1 where rows count once.

    Parameters
    ----------
    request
        The model.
    columns
        n rows.
    option
        As in `read_weighting`; errors too.

    Raises
    ------
    DataError
        For weights that are no numbers, negative, or not finite.
    """
    weighting = read_weighting(request.model, option, columns)
    match weighting.kind:
        case "trials":
            return _checked("trials", trials_of(request.model.formula.response, columns), columns)
        case "own":
            return _own_weights(request.model.formula.response, columns)
        case "column":
            return _checked(weighting.column, columns[weighting.column], columns)
        case _:
            return np.ones(columns.n)


def _own_weights(response: Response, columns: Columns) -> Array:
    """Return the weights of the model, times the trials where it has some."""
    assert response.weights is not None
    weights = _checked(render(response.weights), numbers(response.weights, columns, columns.n), columns)
    return weights if response.second is None else weights * trials_of(response, columns)


def _checked(name: str, column: Column | Array, columns: Columns) -> Array:
    """Return weights as numbers, if they are some."""
    if isinstance(column, pd.Categorical):
        raise DataError(f"weights={name!r} holds labels; weights are numbers from 0 up")
    weights = np.asarray(column, dtype=np.float64)
    bad = np.flatnonzero(~(weights >= 0) | ~np.isfinite(weights))
    if len(bad):
        raise DataError(
            f"weights={name!r} has {weights[bad[0]]:g} in {rows_text(columns.rows[bad].tolist())}; weights are finite "
            "numbers from 0 up: correct these rows, or leave them out"
        )
    return weights


def check_cells(weights: Array, cell: NDArray[np.int64], labels: pd.DataFrame) -> None:
    """Refuse weights (n,) of rows if all are 0 in a cell, which then has no average.

    Raises
    ------
    DataError
        Naming the cell.
    """
    empty = np.flatnonzero(np.bincount(cell, weights, len(labels)) == 0)
    if len(empty):
        row: Mapping[Any, Any] = labels.iloc[empty[0]].to_dict()
        where = " and ".join(f"{named(name)} = {plain(value)}" for name, value in row.items())
        raise DataError(
            f"the weights of all rows{f' with {where}' if where else ''} are 0, so that their average does not exist; "
            "leave these rows out, or give them weights above 0"
        )


def trials_columns(response: Response) -> tuple[str, ...]:
    """List the columns behind the numbers of trials; none where the response has no trials."""
    return column_names(*_trials_trees(response))


def _trials_trees(response: Response) -> tuple[Any, ...]:
    if response.second is None:
        return ()
    return (response.second,) if response.form == "p" else (response.outcome, response.second)


def trials_of(response: Response, columns: Columns) -> Array:
    """Return the numbers of trials of rows (n,), from the columns of `trials_columns`."""
    trees = _trials_trees(response)
    return np.asarray(np.sum([numbers(tree, columns, columns.n) for tree in trees], axis=0), dtype=np.float64)

"""`refuse_different(fits)`: models are compared on the same outcomes in the same rows, or not at all."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, OptionError
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import rows_text
from bayesglmm.specify.design.outcome import Outcome
from bayesglmm.specify.model import Model

__all__ = ["refuse_different", "refuse_other_data"]


def refuse_different(fits: Mapping[str, Fitted]) -> None:
    """Refuse fits whose likelihoods are not of the same outcomes in the same rows.

    Parameters
    ----------
    fits
        The fits by name, two or more.

    Raises
    ------
    OptionError
        For fewer than two fits, or draws from a prior alone.
    DataError
        For another number of rows, other rows of the table, another outcome or a transformed one, rows that were
        aggregated in one model alone, or a density of the outcome beside a probability.
    """
    names = list(fits)
    if len(names) < 2:
        raise OptionError('a comparison needs two fits or more, by name: {"without": fit, "with": other}')
    for name, fit in fits.items():
        if fit.draws.attrs.get("prior_only"):
            raise OptionError(f"'{name}' holds draws from the prior alone; fit it to the data to compare it")
    refuse_other_data({name: fit.model for name, fit in fits.items()})


def refuse_other_data(models: Mapping[str, Model]) -> None:
    """Refuse models of other outcomes or other rows: the `DataError`s of `refuse_different`."""
    names = list(models)
    for other in names[1:]:
        _refuse_pair(names[0], models[names[0]], other, models[other])


def _refuse_pair(name: str, model: Model, other_name: str, other: Model) -> None:
    first, second = model.design.outcome, other.design.outcome
    assert first is not None
    assert second is not None
    names, rows = f"'{name}' and '{other_name}'", (model.design.columns.rows, other.design.columns.rows)
    if len(first.y) != len(second.y):
        raise DataError(
            f"{names} have {len(first.y)} and {len(second.y)} rows: {_why_rows(first, second)}; fit both on the same "
            "rows to compare them"
        )
    if not np.array_equal(*rows):
        raise DataError(
            f"{names} were fitted on other rows of the data, as missing values were dropped for different columns; "
            "leave these rows out of the data first, then fit both"
        )
    different = np.flatnonzero((_values(first) != _values(second)).any(axis=1))
    if len(different) and first.name != second.name:
        raise DataError(
            f"{names} have different outcomes, {first.name} and {second.name}, and the likelihood of one says nothing "
            "of the other; fit both with the same response (a transformed response can be replaced by a link or "
            "another family)"
        )
    if len(different):
        where = rows_text(rows[0][different].tolist())
        raise DataError(f"{names} have different values of {first.name} in {where}; fit both on the same data")
    kinds = [one.family.outcome_type == "continuous" for one in (model, other)]
    if kinds[0] != kinds[1]:
        families = [one.family.name for one in (model, other)]
        raise DataError(
            f"{names} cannot be compared: the {families[kinds.index(True)]} family gives an outcome a density, the "
            f"{families[kinds.index(False)]} family a probability, which are not in the same units; use families of "
            "one kind"
        )


def _why_rows(first: Outcome, second: Outcome) -> str:
    """Say why two models may have different numbers of rows."""
    trials = [0.0 if outcome.trials is None else float(outcome.trials.sum()) for outcome in (first, second)]
    if (trials[0] == len(second.y)) or (trials[1] == len(first.y)):
        return (
            "one has counts among trials, the other a row for each trial, and a likelihood of counts has binomial "
            "coefficients that single trials have not"
        )
    return "rows with missing values may have been dropped in one"


def _values(outcome: Outcome) -> NDArray[np.object_]:
    """Return what was observed in each row, (n, 3): the label or number, the number of trials, the weight."""
    y = (
        outcome.y.astype(object)
        if outcome.levels is None
        else np.asarray(outcome.levels, object)[outcome.y.astype(int)]
    )
    return np.column_stack([y, outcome.trials_or_ones.astype(object), outcome.weights_or_ones.astype(object)])

"""`predictions`: means of rows, or averaged over rows by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayesglmm.estimands.average import framed, means
from bayesglmm.estimands.averaged_rows import read_rows
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import FrameOption, read_request
from bayesglmm.estimands.wording import Unit, columns_set, offset_clause
from bayesglmm.posterior.protocol import Fitted

__all__ = ["predictions"]


def predictions(
    fit: Fitted,
    new_data: Any = None,
    *,
    by: str | Sequence[str] | None = None,
    frame: FrameOption = "population",
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    ci_prob: float = 0.95,
    seed: int | None = None,
) -> Estimates:
    """Predict the mean of each row, or its average over the rows of each group.

    Parameters
    ----------
    fit
        The fit.
    new_data
        A table with the predictors and offsets of the formula; None for the data of the model.
    by
        One column or several by whose values to average; `[]` averages over all rows, None gives each row.
    frame
        One of `bayesglmm.estimands.frames`; a tuple of several gives a row for each. In the frame `"new_group"`
        an average is over rows in one new group a draw, and so has the spread of one group; single rows lie in one
        new group for each of their labels.
    at
        Columns to set for all rows, by name: one value, or several that each give rows of their own.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals of the average.
    seed
        The seed of the random effects of new groups.

    Returns
    -------
    Estimates
        Labels: `row` or the columns of `by`, columns with several values in `at`, `frame`. A row's mean is at
        its own offset unless `at` sets it.

    Raises
    ------
    OptionError
        For an unknown frame, column or value.
    DataError
        If new data lack a column or have an unknown level.
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    values = fixed(request.model, at)
    rows = read_rows(request, new_data, by, values, each_row=by is None)
    parts = []
    for point in product(values):
        columns = rows.with_columns(request.model.design.columns, point)
        designs = [framed(request, each, columns, one_group=by is not None) for each in request.frames]
        draws = [means(request, design, rows.cell, len(rows.labels)) for design in designs]
        parts.append((rows.labels_at(point, values), draws))
    average = "average of the " if by is not None else ""
    over = f" over {rows}" if by is not None else ""
    text = f"{average}{request.quantity}{over}{columns_set(values)}{offset_clause(request.model, values)}"
    shown = Shown("forest", f"{average}{request.quantity}", bounds=request.bounds)
    unit: Unit = "row" if by is None else "average"
    return estimates(request, parts, f"{text[0].upper()}{text[1:]}.", shown, unit, values)

"""`predictions`: means of rows, or averaged over rows by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayesglmm.estimands.average import means, place
from bayesglmm.estimands.averaged_rows import read_rows
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import FrameOption, Over, ask
from bayesglmm.estimands.wording import beside, bounds, set_to
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
        Columns by whose values to average; `[]` averages over all rows, None keeps each row by itself.
    frame
        Whose number it is, as in `bayesglmm.estimands.predict`; a tuple of several gives a row for each. Averages
        in the frame `"new_group"` are within one new group a draw, which has its spread; rows by themselves
        lie in one for each of their labels.
    at
        Columns to set for all rows, by name: one value, or several that each give rows of their own.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals, which are those of the draws of the average.
    seed
        What the effects of new groups are drawn from.

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
    asked = ask(fit, frame, scale, ci_prob, seed)
    given = fixed(asked.model, at)
    rows = read_rows(asked, new_data, by, given, every=by is None)
    parts = []
    for point in product(given):
        columns = rows.where(asked.model.design.columns, point)
        places = [place(asked, view, columns, apart=by is None) for view in asked.views]
        each = [means(asked, where, rows.cell, len(rows.labels)) for where in places]
        parts.append((beside(rows.labels, point, given), each))
    average = "average of the " if by is not None else ""
    over = f" over {rows}" if by is not None else ""
    text = f"{average}{asked.quantity}{over}{set_to(given)}{asked.offsets(given)}"
    shown = Shown("forest", f"{average}{asked.quantity}", bounds=bounds(asked))
    of: Over = "rows" if by is None else "average"
    return estimates(asked, parts, f"{text[0].upper()}{text[1:]}.", shown, of, given)

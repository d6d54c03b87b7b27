"""`predictions`: means of rows, or averaged over rows by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayesglmm.estimands.average import framed, means
from bayesglmm.estimands.averaged_rows import read_rows
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.estimates_in_frames import estimates
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import FrameOption, read_request
from bayesglmm.estimands.row_labels import row_labels
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.estimands.wording import Unit, columns_set
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
    weights: str | None = None,
    transform: TransformOption = None,
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
    weights
        What each row counts in an average. None counts a row of `p(k, n)` by its trials n, so that an average is over
        persons and not over rows, and every other row once. Otherwise

        - a column of the model's data, or of `new_data`, such as the persons that a row stands for;
        - `"trials"`, the trials of each row; `"rows"`, each row once;
        - `"equal"`: no rows but a reference grid as in emmeans, where every combination of the levels of all factors,
          and of numbers of two values, counts once, and other numbers are at their means. emmeans averages the linear
          predictor and then inverts the link; here the average is of what `scale` says, so that `scale="link"` has
          the averages of emmeans, and `"response"` those after its `regrid`.
    transform
        A function that is applied to every draw after averaging: `"exp"`, `"log"`, `"percent"` (times 100) or another
        of `bayesglmm.estimands.transforms.TRANSFORMS`, or a function of arrays.
    ci_prob
        The probability of the equal-tailed intervals of the average.
    seed
        The seed of the random effects of new groups.

    Returns
    -------
    Estimates
        Labels: `row`, and the row's predictors, offsets, groups in frames that read them and observed response, or
        else the columns of `by`; columns with several values in `at`, `frame`. A row's mean is at its own offset
        unless `at` sets it. A column of the data that is called as one of the table's own has "(data)" in its label.

    Raises
    ------
    OptionError
        For an unknown frame, column, value, weights or transform, or weights without an average.
    DataError
        If new data lack a column or have an unknown level, weights are negative or missing, or all weights of an
        average are 0.

    References
    ----------
    Searle, Speed & Milliken (1980), The American Statistician 34, 216-221: averages over a reference grid.
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    values = fixed(request.model, at)
    rows = read_rows(request, new_data, by, values, each_row=by is None, weights=weights)
    each_row = row_labels(request, rows.columns, new_data, values) if by is None else None
    parts = []
    for point in product(values):
        columns = rows.with_columns(request.model.design.columns, point)
        designs = [framed(request, each, columns, one_group=by is not None) for each in request.frames]
        draws = [means(request, design, rows.cells) for design in designs]
        labels = rows.labels_at(point, values) if each_row is None else each_row.table(columns)
        parts.append((labels, draws))
    average = "average of the " if by is not None else ""
    over = f" over {rows}" if by is not None else ""
    offset = rows.offset_clause(request.model, values)
    on_response = weights == "equal" and request.scale == "response" and not request.model.family.link.additive
    scale_clause = ", averaged on the response scale and not on that of the link" if on_response else ""
    text = f"{average}{request.quantity}{over}{columns_set(values)}{offset}{scale_clause}"
    described = () if each_row is None else each_row.described
    shown = Shown("forest", f"{average}{request.quantity}", bounds=request.bounds, described=described)
    unit: Unit = "row" if by is None else "average"
    found = estimates(request, parts, f"{text[0].upper()}{text[1:]}.", shown, unit, values)
    return found.transform(transform)

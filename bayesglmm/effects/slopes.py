"""`slopes`: derivatives of the mean with respect to a numeric predictor, averaged over rows.

The columns of the design are differentiated by central differences (exact up to rounding where a column is a
polynomial of degree two in the predictor), the mean over the random effects in closed form where it has one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.averaging import Closed
from bayesglmm.design import Columns
from bayesglmm.effects.asked import Asked, FrameOption, View, ask
from bayesglmm.effects.average import average, place
from bayesglmm.effects.contrasts import read_variables
from bayesglmm.effects.estimates import Estimates, Shown, estimates
from bayesglmm.effects.rows import Rows, read_rows
from bayesglmm.effects.wording import beside, set_to
from bayesglmm.errors import OptionError, listing
from bayesglmm.fitted import Fitted
from bayesglmm.formula import Call, column_names, walk
from bayesglmm.frames import mean_response
from bayesglmm.grid import fixed, product
from bayesglmm.holding import is_factor, levels
from bayesglmm.model import Model

__all__ = ["STEP", "slopes"]

type Array = NDArray[np.float64]

STEP = 1e-4
"""Half the width of a central difference, in standard deviations of the predictor in the data of the model."""


def slopes(
    fit: Fitted,
    variables: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    frame: FrameOption = "population",
    new_data: Any = None,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    ci_prob: float = 0.95,
    seed: int | None = None,
) -> Estimates:
    """Differentiate the mean with respect to a numeric predictor and average over rows, draw by draw.

    Parameters
    ----------
    fit
        The fit.
    variables
        One numeric predictor or several, each by itself.
    by
        Columns of the data by whose values to average; None for one average over all rows.
    frame
        Whose number it is, as in `bayesglmm.predictions.predict`; a tuple of several gives a row for each. In the
        frame `"new_group"` all rows lie in one new group a draw, so that the interval has the spread of one group.
    new_data
        The rows to average over; None for those of the model.
    at
        Columns to set for all rows, the predictor itself included: one value, or several that each give rows.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        What the effects of the new group are drawn from.

    Returns
    -------
    Estimates
        Labels: `variable`, the columns of `by`, columns with several values in `at`, `frame`; per unit of the
        predictor. Relative error below 1e-6, to the curvature of the mean within 1e-4 sd of the predictor. Under
        `bs(…)`, which ends with the data, the two ends are that much further in.

    Raises
    ------
    OptionError
        For an unknown name, value or frame, or a predictor that is a factor.
    DataError
        If new data lack a column or have an unknown level.
    """
    asked = ask(fit, frame, scale, ci_prob, seed)
    names = list(read_variables(asked.model, "variables", variables))
    for name in names:
        if is_factor(asked.model.design, name):
            raise OptionError(
                f"'{name}' is a factor ({listing(levels(asked.model.design, name), 6)}), which has no slope; "
                f"compare its levels: comparisons({name!r})"
            )
    given = fixed(asked.model, at)
    rows = read_rows(asked, new_data, by, given)
    parts = []
    for name in names:
        for point in product(given):
            columns = rows.where(asked.model.design.columns, point)
            each = [_slope(asked, view, rows, columns, name) for view in asked.views]
            table = beside(rows.labels, point, given)
            table.insert(0, "variable", name)
            parts.append((table, each))
    text = (
        f"Derivative of the {asked.quantity} with respect to {listing(names)}, per unit of it, averaged over {rows}"
        f"{set_to(given)}{asked.offsets(given)}."
    )
    shown = Shown("forest", f"average slope, {asked.quantity} per unit of {listing(names)}", null=0.0)
    return estimates(asked, parts, text, shown)


def _slope(asked: Asked, view: View, rows: Rows, columns: Columns, name: str) -> Array:
    """Return the average derivative, shape (s, cells)."""
    x, low, high = _around(asked.model, name, np.asarray(columns[name], dtype=float))
    here, below, above = (
        place(asked, view, Columns({**columns, name: values}, columns.rows)) for values in (x, low, high)
    )
    width, link = high - low, asked.model.family.link
    known = link.averaging

    def value(part: NDArray[np.int64]) -> Array:
        eta_low, v_low = below.eta_and_variance(asked, part)
        eta_high, v_high = above.eta_and_variance(asked, part)
        d_eta = (eta_high - eta_low) / width[part]
        if asked.scale == "link":
            return d_eta
        if v_low is not None and not isinstance(known, Closed):
            change = mean_response(link, eta_high, v_high) - mean_response(link, eta_low, v_low)
            return np.asarray(change / width[part])
        eta, v = here.eta_and_variance(asked, part)
        if v is None or v_high is None or v_low is None or not isinstance(known, Closed):
            return link.slope(eta) * d_eta
        with np.errstate(over="ignore"):
            return known.slope(eta, v, d_eta, (v_high - v_low) / width[part])

    return average(asked, (below, here, above), rows.cell, len(rows.labels), value)


def _around(model: Model, name: str, x: Array) -> tuple[Array, Array, Array]:
    """Return where to differentiate and the two ends of the difference; under bs(…) they stay within its range."""
    column = np.asarray(model.design.columns[name], dtype=float)
    half = STEP * float(column.std())
    trees = (model.formula.common, *model.formula.bars)
    bounded = [node for tree in trees for node in walk(tree) if isinstance(node, Call) and node.function == "bs"]
    if any(name in column_names(node) for node in bounded):
        low, high = column.min(), column.max()
        x = np.where((x >= low) & (x < low + half), low + half, x)
        x = np.where((x <= high) & (x > high - half), high - half, x)
    return x, x - half, x + half

"""`slopes`: derivatives of the mean with respect to a numeric predictor, averaged over rows.

The columns of the design are differentiated by central differences (exact up to rounding where a column is a
polynomial of degree two in the predictor), the mean over the random effects in closed form where it has one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import DataError, OptionError, listing
from bayesglmm.estimands.average import Place, average, place
from bayesglmm.estimands.averaged_rows import Rows, read_rows
from bayesglmm.estimands.contrasts import read_variables
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.frames import mean_response
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.reference_values import is_factor, levels
from bayesglmm.estimands.request import Asked, FrameOption, View, ask
from bayesglmm.estimands.wording import beside, set_to
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import Columns, rows_text
from bayesglmm.specify.design.reach import reach
from bayesglmm.specify.families.averaging import Closed
from bayesglmm.specify.formula import Call, column_names, walk
from bayesglmm.specify.model import Model

__all__ = ["STEP", "slopes"]

type Array = NDArray[np.float64]

STEP = 1e-4
"""Half the width of a central difference, in standard deviations of the predictor in the data of the model; under a
spline in widths of the tenth of the data around it, and near the end of a logarithm in distances to that."""


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
        Whose number it is, as in `bayesglmm.estimands.predict`; a tuple of several gives a row for each. In the
        frame `"new_group"` all rows lie in one new group a draw, so that the interval has the spread of one group.
    new_data
        The rows to average over; None for those of the model.
    at
        Columns to set for all rows, the predictor itself included: one value, or several that each give rows.
        A grouping factor that is the predictor too stays that of the row while the predictor moves.
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
        predictor. Relative error below 1e-6, to the curvature of the mean within 1e-4 sd of the predictor (under a
        spline within 1e-4 of the tenth of the data it lies in). Under `bs(…)`, which ends with the data, the two
        ends are that much further in.

    Raises
    ------
    OptionError
        For an unknown name, value or frame, or a predictor that is a factor.
    DataError
        If new data lack a column or have an unknown level, or a row lies where the mean has no slope.
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
            table = beside(rows.labels, point, given, ("variable",))
            table.insert(0, "variable", name)
            parts.append((table, each))
    shown_names = listing(map(named, names))
    text = (
        f"Derivative of the {asked.quantity} with respect to {shown_names}, per unit of it, averaged over {rows}"
        f"{set_to(given)}{asked.offsets(given)}."
    )
    shown = Shown("forest", f"average slope, {asked.quantity} per unit of {shown_names}", null=0.0)
    return estimates(asked, parts, text, shown, changed=given)


def _slope(asked: Asked, view: View, rows: Rows, columns: Columns, name: str) -> Array:
    """Return the average derivative, shape (s, cells)."""
    x, low, high = _around(asked.model, name, columns)
    given = place(asked, view, columns)

    def at(values: Array) -> Place:
        return place(asked, view, Columns({**columns, name: values}, columns.rows), like=given)

    here, below, above = given if np.array_equal(x, columns[name]) else at(x), at(low), at(high)
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


def _around(model: Model, name: str, columns: Columns) -> tuple[Array, Array, Array]:
    """Return where to differentiate and the two ends of the difference.

    They stay within the range of bs(…), and near the end of a logarithm or root they are as much closer together.

    Raises
    ------
    DataError
        Where the predictor lies at that end, and has no slope.
    """
    column, x = np.asarray(model.design.columns[name], dtype=float), np.asarray(columns[name], dtype=float)
    formula = model.formula
    sides = (formula.terms, *(block.terms for block in formula.blocks))  # whose factors are arithmetic, not a/b
    trees = (*(factor for side in sides for term in side.terms for factor in term.factors), *formula.offsets)
    splines = [
        node for tree in trees for node in walk(tree) if isinstance(node, Call) and node.function in ("bs", "cr")
    ]
    splines = [node for node in splines if name in column_names(node)]
    size = _local(column, x) if splines else float(column.std())
    half = STEP * np.minimum(size, reach(trees, name, columns))
    if (half == 0).any():
        raise DataError(
            f"the slope along '{name}' is not finite in {rows_text(columns.rows[half == 0].tolist())}, where a "
            f"logarithm, a root or a quotient of the formula ends; set '{name}' in at=, or leave these rows out"
        )
    if any(node.function == "bs" for node in splines):
        low, high = column.min(), column.max()
        inside = (x >= low) & (x <= high)
        x = np.where(inside, np.clip(x, low + half, high - half), x)
        return (
            x,
            np.where(inside, np.maximum(x - half, low), x - half),
            np.where(inside, np.minimum(x + half, high), x + half),
        )
    return x, x - half, x + half


def _local(column: Array, x: Array) -> Array:
    """Return the width of the tenth of the data that each value lies in, at most their sd: knots are as close there."""
    edges = np.unique(np.quantile(column, np.linspace(0, 1, 11)))
    if len(edges) < 2:
        return np.full(len(x), float(column.std()))
    cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    return np.minimum(np.diff(edges)[cell], float(column.std()))

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
from bayesglmm.estimands.average import FramedDesign, average, framed
from bayesglmm.estimands.averaged_rows import AveragedRows, read_rows
from bayesglmm.estimands.contrasts import read_variables
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.estimates_in_frames import estimates
from bayesglmm.estimands.frames import NamedFrame, mean_response
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.reference_values import is_factor, levels
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.estimands.wording import columns_set
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import Columns, rows_text
from bayesglmm.specify.design.reach import reach
from bayesglmm.specify.families.averaging import Closed
from bayesglmm.specify.formula import Call, column_names, walk
from bayesglmm.specify.model import Model

__all__ = ["STEP", "slopes"]

type Array = NDArray[np.float64]

STEP = 1e-4
"""Half the width of a central difference, relative to the standard deviation of the predictor in the data of the
model; under a spline relative to the width of the decile it lies in, and near the pole of a logarithm to the distance
from it."""


def slopes(
    fit: Fitted,
    variables: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    frame: FrameOption = "population",
    new_data: Any = None,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    weights: str | None = None,
    transform: TransformOption = None,
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
        One column of the data or several by whose values to average; None for one average over all rows.
    frame
        One of `bayesglmm.estimands.frames`; a tuple of several gives a row for each. In the frame `"new_group"` all
        rows lie in one new group a draw, so that the interval has the spread of one group.
    new_data
        The rows to average over; None for those of the model.
    at
        Columns to set for all rows, the predictor itself included: one value, or several that each give rows.
        A predictor that is also a grouping factor varies as a predictor only: rows stay in their groups.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    weights
        What each row counts in the average: see `bayesglmm.estimands.predictions.predictions`.
    transform
        A function that is applied to every draw after averaging: `"exp"`, `"log"`, `"percent"` (times 100) or another
        of `bayesglmm.estimands.transforms.TRANSFORMS`, or a function of arrays.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        The seed of the random effects of the new group.

    Returns
    -------
    Estimates
        Labels: `variable`, the columns of `by`, columns with several values in `at`, `frame`; per unit of the
        predictor. The relative error is below 1e-6 where the third derivative of the mean is moderate within 1e-4 sd
        of the predictor (under a spline within 1e-4 of the width of the decile it lies in). At the ends of the data
        under `bs(…)`, which is not defined beyond, the slope is taken that much inside.

    Raises
    ------
    OptionError
        For an unknown name, value, frame or weights, or a predictor that is a factor.
    DataError
        If new data lack a column or have an unknown level, a row lies where the mean has no slope, or all weights of
        an average are 0.
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    model = request.model
    names = list(read_variables(model, "variables", variables))
    for name in names:
        if is_factor(model.design, name):
            raise OptionError(
                f"'{name}' is a factor ({listing(levels(model.design, name), 6)}), which has no slope; "
                f"compare its levels: comparisons({name!r})"
            )
    values = fixed(model, at)
    rows = read_rows(request, new_data, by, values, weights=weights)
    parts = []
    for name in names:
        for point in product(values):
            columns = rows.with_columns(model.design.columns, point)
            draws = [_slope(request, each, rows, columns, name) for each in request.frames]
            table = rows.labels_at(point, values, reserved=("variable",))
            table.insert(0, "variable", name)
            parts.append((table, draws))
    predictor = listing(map(named, names))
    text = (
        f"Derivative of the {request.quantity} with respect to {predictor}, per unit of it, averaged over {rows}"
        f"{columns_set(values)}{rows.offset_clause(model, values)}."
    )
    shown = Shown("forest", f"average slope, {request.quantity} per unit of {predictor}", null=0.0)
    return estimates(request, parts, text, shown, changed=values).transform(transform)


def _slope(request: Request, frame: NamedFrame, rows: AveragedRows, columns: Columns, name: str) -> Array:
    """Return the average derivative, shape (s, cells)."""
    x, low, high = _around(request.model, name, columns)
    unmoved = framed(request, frame, columns)

    def moved(values: Array) -> FramedDesign:
        return framed(request, frame, Columns({**columns, name: values}, columns.rows), groups_of=unmoved)

    middle = unmoved if np.array_equal(x, columns[name]) else moved(x)
    below, above = moved(low), moved(high)
    width, link = high - low, request.model.family.link
    closed = link.averaging if isinstance(link.averaging, Closed) else None

    def value(part: NDArray[np.int64]) -> Array:
        eta_low, v_low = below.eta_and_variance(request, part)
        eta_high, v_high = above.eta_and_variance(request, part)
        d_eta = (eta_high - eta_low) / width[part]
        if request.scale == "link":
            return d_eta
        if v_low is not None and closed is None:
            change = mean_response(link, eta_high, v_high) - mean_response(link, eta_low, v_low)
            return np.asarray(change / width[part])
        eta, v = middle.eta_and_variance(request, part)
        if v is None or v_high is None or v_low is None or closed is None:
            return link.slope(eta) * d_eta
        with np.errstate(over="ignore"):
            return closed.slope(eta, v, d_eta, (v_high - v_low) / width[part])

    return average(request, (below, middle, above), rows.cells, value)


def _around(model: Model, name: str, columns: Columns) -> tuple[Array, Array, Array]:
    """Return where to differentiate, and the lower and upper end of the central difference.

    The ends stay within the range of bs(…), and near the pole of a logarithm or root the width is relative to the
    distance from it.

    Raises
    ------
    DataError
        Where the predictor lies at the pole, and has no slope.
    """
    column, x = np.asarray(model.design.columns[name], dtype=float), np.asarray(columns[name], dtype=float)
    formula = model.formula
    sides = (formula.terms, *(block.terms for block in formula.blocks))  # whose factors are arithmetic, not a/b
    trees = (*(factor for side in sides for term in side.terms for factor in term.factors), *formula.all_offsets)
    splines = [
        node for tree in trees for node in walk(tree) if isinstance(node, Call) and node.function in ("bs", "cr")
    ]
    splines = [node for node in splines if name in column_names(node)]
    size = _decile_width(column, x) if splines else float(column.std())
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


def _decile_width(column: Array, x: Array) -> Array:
    """Return the width of the decile of the data that each value lies in, at most their sd: a spline's scale."""
    edges = np.unique(np.quantile(column, np.linspace(0, 1, 11)))
    if len(edges) < 2:
        return np.full(len(x), float(column.std()))
    cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    return np.minimum(np.diff(edges)[cell], float(column.std()))

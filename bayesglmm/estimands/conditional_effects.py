"""`conditional_effects`: the mean over a grid of one predictor, by others, the rest held."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.average import Cells, framed, means
from bayesglmm.estimands.averaged_rows import AveragedRows, read_rows
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.estimates_in_frames import estimates
from bayesglmm.estimands.offsets import is_rate, offset_columns, unit
from bayesglmm.estimands.raw_means import raw_means
from bayesglmm.estimands.reference_grid import Setting, product, setting
from bayesglmm.estimands.reference_values import levels, predictors
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.estimands.wording import Unit, columns_set
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import render
from bayesglmm.specify.model import Model

__all__ = ["conditional_effects"]

type Array = NDArray[np.float64]


def conditional_effects(
    fit: Fitted,
    focal: str,
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
    """Follow the mean over a predictor, the others held, or averaged over.

    Parameters
    ----------
    fit
        The fit.
    focal
        The predictor that varies: over its range if it is numeric, its levels or few values else.
    by
        One predictor or several, of at most 8 combinations of values, one curve each.
    frame
        One of `bayesglmm.estimands.frames`; a tuple of several gives a row for each.
    at
        Predictors, offsets or grouping factors to fix, by column: one value, or several that each give rows.
        Other factors are held at their reference level, indicators at the lower value, numbers at their mean.
        The frame `"group"` needs the group: `at={"id": 3}`; a focal predictor that is also the grouping factor takes
        its observed levels.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    weights
        None to hold the other predictors. Otherwise the mean is averaged over them, and what each row counts:
        `"equal"` for every combination of their levels once, numbers at their means; `"rows"`, `"trials"` or a column
        for the observed rows, see `bayesglmm.estimands.predictions.predictions`.
    transform
        A function that is applied to every draw after averaging: `"exp"`, `"log"`, `"percent"` (times 100) or another
        of `bayesglmm.estimands.transforms.TRANSFORMS`, or a function of arrays.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        The seed of the random effects of the new group, which is the same at all points.

    Returns
    -------
    Estimates
        Labels: `focal`, `by`, columns with several values in `at`, `frame`. With an offset under the log link
        means are rates, per unit of exp(offset), unless `at` sets the offset's columns; under other
        links the offset's columns are at their mean unless `at` sets them, which the estimand says.

    Raises
    ------
    OptionError
        For an unknown frame, column, value, weights or transform, `focal` in `by`, an offset that is set in part.
    DataError
        If the frame `"group"` lacks its group.
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    model = request.model
    group_columns = request.group_columns
    chosen = setting(model, focal, by, at, observed=group_columns)
    for held in chosen.held:
        if held.name in group_columns and held.how == "mean" and weights is None:
            raise OptionError(
                f"frame 'group' needs an observed level of '{held.name}', which as a predictor would be held at its "
                f"mean; set it: at={{{held.name!r}: {levels(model.design, held.name)[0]!r}}}"
            )
    rate = _is_rate(request, at or {})
    quantity = request.quantity + (f" per unit of {unit(model)}" if rate else "")
    rows = None if weights is None else _averaged_rows(request, chosen, rate, weights)
    draws = _held_means(request, chosen, rate) if rows is None else _average_means(request, chosen, rate, rows)
    note = _note(model, chosen, rate) if rows is None else _average_note(model, chosen, rate, rows)
    raw = partial(raw_means, model, chosen, rate) if request.scale == "response" else None
    shown = Shown(chosen.shape, quantity, focal, bounds=request.bounds, note=note, raw=raw)
    others = f", by {listing(map(named, chosen.groups))}" if chosen.groups else ""
    text = f"{quantity[0].upper()}{quantity[1:]} over {named(focal)}{others}{f'; {note}' if note else ''}."
    parts = [(chosen.points()[[focal, *chosen.groups]], draws)]
    unit_of: Unit = "point" if rows is None else "average"
    return estimates(request, parts, text, shown, unit_of, changed=_set(chosen)).transform(transform)


def _held_means(request: Request, chosen: Setting, rate: bool) -> list[Array]:
    """Return the means at the points with the other predictors held, in each frame (s, k)."""
    columns = chosen.rows(request.model)
    cells = Cells(np.arange(columns.n), columns.n)
    designs = [framed(request, each, columns, zero_offset=rate) for each in request.frames]
    return [means(request, design, cells) for design in designs]


def _set(chosen: Setting) -> dict[str, Any]:
    """Return the columns that are set: those of `at` to their value, those that vary to None."""
    varying = dict.fromkeys((chosen.focal, *chosen.groups))
    return {**varying, **{held.name: held.value for held in chosen.held if held.how == "at"}}


def _averaged_rows(request: Request, chosen: Setting, rate: bool, weights: str) -> AveragedRows:
    """Return the rows that the means at each point are averaged over."""
    set_columns = [*_set(chosen), *(_exposures(request.model) if rate else ())]
    return read_rows(request, None, None, {}, compared=set_columns, weights=weights)


def _exposures(model: Model) -> dict[str, float]:
    """Return the columns of offsets that are no predictors at some value of theirs, which rates do not depend on."""
    names = [name for name in offset_columns(model) if name not in predictors(model.design)]
    return {name: float(np.mean(np.asarray(model.design.columns[name], dtype=float))) for name in names}


def _average_means(request: Request, chosen: Setting, rate: bool, rows: AveragedRows) -> list[Array]:
    """Return the averages over rows that are set to each point, in each frame (s, k)."""
    like = request.model.design.columns
    fixed_values = {**(_exposures(request.model) if rate else {}), **_set(chosen)}
    points = [rows.with_columns(like, {**fixed_values, **point}) for point in product(chosen.varying)]
    return [
        np.hstack([means(request, framed(request, frame, each, zero_offset=rate), rows.cells) for each in points])
        for frame in request.frames
    ]


def _average_note(model: Model, chosen: Setting, rate: bool, rows: AveragedRows) -> str:
    """Say what is averaged over, what is set, and the offset unless means are rates."""
    values = {name: (value,) for name, value in _set(chosen).items() if value is not None}
    offset = "" if rate else rows.offset_clause(model, _set(chosen))
    return f"averaged over {rows}{columns_set(values)}{offset}"


def _is_rate(request: Request, at: Mapping[str, Any]) -> bool:
    """Return whether means are rates, per unit of exposure: the model allows it, and no offset is set.

    Raises
    ------
    OptionError
        If `at` sets some columns of offsets and not others.
    """
    needed = offset_columns(request.model)
    missing = [name for name in needed if name not in at]
    if needed and missing and len(missing) < len(needed):
        raise OptionError(
            f"at sets a part of the offset ({listing(name for name in needed if name in at)}) and not "
            f"{listing(missing)}; set all of its columns, or none"
        )
    return bool(missing) and is_rate(request.model) and request.scale == "response"


def _note(model: Model, chosen: Setting, rate: bool) -> str:
    """Say what is held, and the offset unless means are rates."""
    parts = [f"held: {listing(chosen.held, 8)}"] if chosen.held else []
    if model.formula.all_offsets and not rate:
        offset = listing(render(tree) for tree in model.formula.all_offsets)
        set_columns = {chosen.focal, *chosen.groups, *(held.name for held in chosen.held)}
        free = [name for name in offset_columns(model) if name not in set_columns]
        at_mean = [f", {name} = {np.asarray(model.design.columns[name]).mean():.4g} (its mean)" for name in free]
        parts.append(f"at offset {offset}{''.join(at_mean)}")
    return "; ".join(parts)

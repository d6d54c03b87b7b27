"""`conditional_effects`: the mean over a grid of one predictor, by others, the rest held."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.average import framed, means
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.offsets import is_rate, offset_columns, unit
from bayesglmm.estimands.raw_means import raw_means
from bayesglmm.estimands.reference_grid import Setting, setting
from bayesglmm.estimands.reference_values import levels
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import column_names, render
from bayesglmm.specify.model import Model

__all__ = ["conditional_effects"]


def conditional_effects(
    fit: Fitted,
    focal: str,
    *,
    by: str | Sequence[str] | None = None,
    frame: FrameOption = "population",
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    ci_prob: float = 0.95,
    seed: int | None = None,
) -> Estimates:
    """Follow the mean over a predictor, the others held.

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
        For an unknown frame, column or value, `focal` in `by`, an offset that is set in part.
    DataError
        If the frame `"group"` lacks its group.
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    model = request.model
    group_columns = _group_columns(request)
    chosen = setting(model, focal, by, at, observed=group_columns)
    for held in chosen.held:
        if held.name in group_columns and held.how == "mean":
            raise OptionError(
                f"frame 'group' needs an observed level of '{held.name}', which as a predictor would be held at its "
                f"mean; set it: at={{{held.name!r}: {levels(model.design, held.name)[0]!r}}}"
            )
    rate = _is_rate(request, at or {})
    columns, points = chosen.rows(model), chosen.points()
    cell = np.arange(len(points))
    designs = [framed(request, each, columns, zero_offset=rate) for each in request.frames]
    draws = [means(request, design, cell, len(cell)) for design in designs]
    names = [focal, *chosen.groups]
    quantity = request.quantity + (f" per unit of {unit(model)}" if rate else "")
    note = _note(model, chosen, rate)
    raw = partial(raw_means, model, chosen, rate) if request.scale == "response" else None
    shown = Shown(chosen.shape, quantity, focal, bounds=request.bounds, note=note, raw=raw)
    others = f", by {listing(map(named, chosen.groups))}" if chosen.groups else ""
    text = f"{quantity[0].upper()}{quantity[1:]} over {named(focal)}{others}{f'; {note}' if note else ''}."
    return estimates(request, [(points[names], draws)], text, shown, "point")


def _group_columns(request: Request) -> tuple[str, ...]:
    """List the columns of the grouping factors that are in the frame `"group"`."""
    blocks = [
        block
        for block in request.model.design.blocks
        if any(frame.by_block[block.name] == "group" for frame in request.frames)
    ]
    return column_names(*(factor for block in blocks for factor in block.grouping.group.factors))


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
    if model.formula.offsets and not rate:
        offset = listing(render(tree) for tree in model.formula.offsets)
        set_columns = {chosen.focal, *chosen.groups, *(held.name for held in chosen.held)}
        free = [name for name in offset_columns(model) if name not in set_columns]
        at_mean = [f", {name} = {np.asarray(model.design.columns[name]).mean():.4g} (its mean)" for name in free]
        parts.append(f"at offset {offset}{''.join(at_mean)}")
    return "; ".join(parts)

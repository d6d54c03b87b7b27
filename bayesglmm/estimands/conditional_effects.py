"""`conditional_effects`: the mean over a grid of one predictor, by another, the others held."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.average import means, place
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.offsets import is_rate, offset_columns, unit
from bayesglmm.estimands.raw_means import raw_means
from bayesglmm.estimands.reference_grid import Setting, setting
from bayesglmm.estimands.reference_values import levels
from bayesglmm.estimands.request import Asked, FrameOption, ask
from bayesglmm.estimands.wording import bounds
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import column_names, render

__all__ = ["conditional_effects"]


def conditional_effects(
    fit: Fitted,
    focal: str,
    *,
    by: str | None = None,
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
        A predictor of at most 8 values, one curve each.
    frame
        Whose number it is, as in `bayesglmm.estimands.predict`; a tuple of several gives a row for each.
    at
        Predictors, offsets or grouping factors to fix, by column: one value, or several that each give rows.
        What is not fixed is held at the reference level of a factor, the lower of two values, the mean of others.
        The frame `"group"` needs the group: `at={"id": 3}`; over a predictor that is the grouping factor too the mean
        is at its observed levels.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        What the effects of the new group are drawn from: one, the same at all points.

    Returns
    -------
    Estimates
        Labels: `focal`, `by`, columns with several values in `at`, `frame`. With an offset under the log link
        means are rates, per unit of exp(offset), unless `at` gives the offset's columns; under other
        links the offset's columns are at their mean unless `at` gives them, which the estimand says.

    Raises
    ------
    OptionError
        For an unknown frame, column or value, `focal` and `by` the same, an offset given in part.
    DataError
        If the frame `"group"` lacks its group.
    """
    asked = ask(fit, frame, scale, ci_prob, seed)
    observed = _observed(asked)
    chosen = setting(asked.model, focal, by, at, observed=observed)
    for held in chosen.held:
        if held.name in observed and held.how == "mean":
            raise OptionError(
                f"frame 'group' needs an observed level of '{held.name}', a predictor too that would be held at its "
                f"mean; give it: at={{{held.name!r}: {levels(asked.model.design, held.name)[0]!r}}}"
            )
    rate = _per_unit(asked, at or {})
    columns, points = chosen.rows(asked.model), chosen.points()
    cell = np.arange(len(points))
    each = [means(asked, place(asked, view, columns, rate=rate), cell, len(cell)) for view in asked.views]
    names = [focal, *([by] if by is not None else []), *chosen.more]
    quantity = asked.quantity + (f" per unit of {unit(asked.model)}" if rate else "")
    note = _note(asked, chosen, rate)
    raw = partial(raw_means, asked.model, chosen, rate) if asked.scale == "response" else None
    shown = Shown(chosen.shape, quantity, focal, bounds=bounds(asked), note=note, raw=raw)
    others = f", by {listing(map(named, names[1:]))}" if names[1:] else ""
    text = f"{quantity[0].upper()}{quantity[1:]} over {named(focal)}{others}{f'; {note}' if note else ''}."
    return estimates(asked, [(points[names], each)], text, shown, "grid")


def _observed(asked: Asked) -> tuple[str, ...]:
    """List the columns of grouping factors whose observed levels some frame needs."""
    blocks = asked.model.design.blocks
    needed = [block for block in blocks if any(view.blocks[block.name] == "group" for view in asked.views)]
    return column_names(*(factor for block in needed for factor in block.grouping.group.factors))


def _per_unit(asked: Asked, at: Mapping[str, Any]) -> bool:
    """Return whether means are rates, per unit of exposure.

    Raises
    ------
    OptionError
        If some columns of offsets are given and others are not.
    """
    needed = offset_columns(asked.model)
    missing = [name for name in needed if name not in at]
    if needed and missing and len(missing) < len(needed):
        raise OptionError(
            f"at gives a part of the offset ({listing(name for name in needed if name in at)}) and not "
            f"{listing(missing)}; give all of its columns, or none"
        )
    return bool(missing) and is_rate(asked.model) and asked.scale == "response"


def _note(asked: Asked, chosen: Setting, rate: bool) -> str:
    """Say what is held, and the offset where the mean is at one."""
    parts = [f"held: {listing(chosen.held, 8)}"] if chosen.held else []
    model = asked.model
    if model.formula.offsets and not rate:
        written = listing(render(offset) for offset in model.formula.offsets)
        said = {chosen.focal, chosen.by, *chosen.more, *(held.name for held in chosen.held)}
        free = [name for name in offset_columns(model) if name not in said]
        at_mean = [f", {name} = {np.asarray(model.design.columns[name]).mean():.4g} (its mean)" for name in free]
        parts.append(f"at offset {written}{''.join(at_mean)}")
    return "; ".join(parts)

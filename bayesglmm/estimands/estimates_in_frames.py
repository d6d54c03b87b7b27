"""`estimates(request, parts, …)`: the estimates of a verb put together, the frames of a row below each other."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.estimates import RESERVED, Estimates
from bayesglmm.estimands.request import Request
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.wording import Unit
from bayesglmm.posterior.inference import INFERENCE, said

__all__ = ["estimates"]

type Array = NDArray[np.float64]


def estimates(
    request: Request,
    parts: Sequence[tuple[pd.DataFrame, Sequence[Array]]],
    estimand: str,
    shown: Shown,
    unit: Unit = "average",
    changed: Collection[str] = (),
) -> Estimates:
    """Put estimates together, the frames of a row below each other.

    Parameters
    ----------
    request
        The frames and the draws.
    parts
        Labels of k rows, and for each frame draws (s, k); parts follow each other.
    estimand
        What is estimated, without the frames.
    shown
        How it is drawn.
    unit
        What one estimate is of.
    changed
        The columns that are set to other values than the rows have.
    """
    names = [frame.name for frame in request.frames]
    tables, values = [], []
    for labels, draws_by_frame in parts:
        _check_labels(labels)
        table = labels.loc[labels.index.repeat(len(names))].reset_index(drop=True)
        tables.append(table.assign(frame=names * len(labels)))
        values.append(np.stack(draws_by_frame, axis=2).reshape(len(draws_by_frame[0]), -1))
    table, flat = pd.concat(tables, ignore_index=True), np.concatenate(values, axis=1)
    clause = request.frames_clause(unit, changed)
    sentence = said(f"{estimand} {clause[0].upper()}{clause[1:]}.", request.posterior)
    sizes = {dim: request.posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: request.posterior[dim].values for dim in sizes}
    coords |= {name: ("row", table[name].to_numpy()) for name in map(str, table)}
    attrs = {
        **{name: value for name, value in request.posterior.attrs.items() if name == INFERENCE},
        "estimand": sentence,
        "frame": names[0] if len(names) == 1 else "see the coordinate frame",
        "scale": request.scale,
        "family": request.model.family.name,
        "link": request.model.family.link.name,
    }
    shaped = flat.reshape(*sizes.values(), -1)
    draws = xr.DataArray(shaped, coords, ("chain", "draw", "row"), attrs=attrs)
    shown = replace(shown, frames=request.frame_titles(), grouped=bool(request.model.design.blocks))
    return Estimates(draws, tuple(map(str, table)), sentence, request.ci_prob, shown)


def _check_labels(table: pd.DataFrame) -> None:
    """Refuse columns with names that the table uses itself.

    Raises
    ------
    OptionError
        Naming them.
    """
    clashing = [name for name in table if name in RESERVED - {"row"} or list(table).count(name) > 1]
    if clashing:
        raise OptionError(f"the table has a column {clashing[0]!r} of its own; rename that of the data before the fit")

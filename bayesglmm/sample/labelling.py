"""`labelled(trace, model)`: a sampler's draws as the groups of ArviZ's schema, under the names of the package."""

from typing import Any

import numpy as np
import xarray as xr

from bayesglmm.errors import SamplingError
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import variable_names

__all__ = ["RESCALE", "STATISTICS", "about", "constants", "labelled", "observed"]

STATISTICS = (
    "lp",
    "energy",
    "diverging",
    "tree_depth",
    "reached_max_treedepth",
    "n_steps",
    "acceptance_rate",
    "step_size",
)
"""The statistics of the sampler that are kept, by ArviZ's names."""

RESCALE = "check the scales of predictors, offsets and priors"
"""The advice where sampling breaks down."""

_FLAGS = ("diverging", "reached_max_treedepth")


def labelled(trace: xr.DataTree, model: Model) -> xr.DataTree:
    """Return draws as `posterior`, `sample_stats`, `observed_data` and `constant_data`.

    Parameters
    ----------
    trace
        Groups `posterior` and `sample_stats` of a sampler; draws missing after an interruption are NaN.
    model
        The model.

    Raises
    ------
    SamplingError
        If a draw of the coefficients is not finite, or there is none.
    """
    posterior = trace["posterior"].to_dataset()[list(variable_names(model))]
    complete = _complete(posterior)
    posterior = posterior.isel(complete)
    if not np.isfinite(posterior["beta"].values).all():
        raise SamplingError(f"a draw of the coefficients is not finite; {RESCALE}")
    statistics = trace["sample_stats"].to_dataset()[list(STATISTICS)].isel(complete)
    statistics = statistics.assign({name: statistics[name].astype(bool) for name in _FLAGS}).drop_attrs()
    return xr.DataTree.from_dict(
        {
            "posterior": posterior.assign_attrs(about(model)),
            "sample_stats": statistics,
            "observed_data": observed(model),
            "constant_data": constants(model),
        }
    )


def _complete(posterior: xr.Dataset) -> dict[str, Any]:
    """Return the chains and draws to keep where interrupted chains have different lengths, padded with NaN.

    Of all ways to keep some chains up to the end of the shortest of them, the one with the most draws.
    """
    finite = np.isfinite(posterior["beta"].values).all(axis=2)
    lengths = np.array([chain.size - np.argmax(chain[::-1]) if chain.any() else 0 for chain in finite])
    totals = [np.sum(lengths >= length) * length for length in lengths]
    shortest = int(lengths[np.argmax(totals)])
    if shortest == 0:
        raise SamplingError(f"no chain has a finite draw; {RESCALE}")
    return {"chain": np.flatnonzero(lengths >= shortest), "draw": slice(0, shortest)}


def about(model: Model) -> dict[str, str]:
    """Return the attributes of a posterior: what was fitted, and what its coefficients are."""
    return {
        "formula": str(model.formula),
        "family": model.family.name,
        "link": model.family.link.name,
        "scale": "link",
        "beta": "conditional coefficients: of the typical subject, b = 0",
    }


def observed(model: Model) -> xr.Dataset:
    """Return the outcome, and the trials where there are some, as draws hold them in `observed_data`."""
    outcome = model.design.outcome
    assert outcome is not None
    values = {"y": ("row", outcome.y)}
    if outcome.trials is not None:
        values["trials"] = ("row", outcome.trials)
    return xr.Dataset(values, coords={"row": model.design.columns.rows})


def constants(model: Model) -> xr.Dataset:
    """Return the columns, offset and groups, as draws hold them in `constant_data`."""
    design = model.design
    values: dict[str, Any] = {"x": (("row", "coef"), design.x), "offset": ("row", design.offset)}
    coords: dict[str, Any] = {"row": design.columns.rows, "coef": list(design.coef)}
    for block in design.blocks:
        values[f"index_{block.name}"] = ("row", block.index)
        values[f"columns_{block.name}"] = (("row", f"{block.name}_coef"), block.z)
        coords[f"{block.name}_coef"] = list(block.columns)
    return xr.Dataset(values, coords=coords)

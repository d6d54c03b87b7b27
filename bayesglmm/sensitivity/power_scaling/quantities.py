"""What people report: the average effect of each predictor on the population, as `comparisons` gives it."""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayesglmm.errors import DataError, OptionError
from bayesglmm.estimands.comparisons import Comparison, population_effects
from bayesglmm.estimands.frames import distinct_rows
from bayesglmm.estimands.reference_values import is_factor, levels, predictors
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.variables import variable_names

__all__ = ["check", "effects", "every_effect", "frame_of", "labelled", "parameters"]

_WORK = 1e7
"""Means averaged, rows × draws, before draws are left out: a second or two."""

_FEWEST = 500
"""Draws that are left at the least; if these take more than four times the work, there are no effects."""

_FAR = 69.0
"""Where log ratios end that are infinite in a double: those of probabilities of 1e-15 and 1 − 1e-15."""


def effects(fit: Fitted, every: int = 1) -> dict[str, xr.DataArray]:
    """Return draws of the average effect of each predictor: differences, and log odds ratios or log ratios.

    They are those of `bayesglmm.estimands.comparisons` in the frame `"population"`: the predictor is set to each of two
    values in every observed row, the other predictors as they are, the means averaged over b and over the rows, and
    the averages contrasted. A predictor whose step of 1 leaves what a spline knows goes from its lower quartile to its
    upper one.

    Parameters
    ----------
    fit
        The fit.
    every
        Take every so many-th draw of each chain.

    Returns
    -------
    dict
        By name, such as `"population risk difference"`: dims `chain`, `draw` and one labelled as `"trt: 1 - 0"`, with
        the attributes `frame` and `estimand`. Empty without predictors, and under the inverse
        link with random effects, which has no population mean.
    """
    model, variables = fit.model, _variables(fit.model.design)
    if not variables or not _has_mean(fit):
        return {}
    kinds = _kinds(fit)
    found: dict[str, xr.DataArray] = {}
    contrasted = population_effects(Thinned(model, fit.draws, every), variables, list(kinds.values()))
    for (name, kind), estimates in zip(kinds.items(), contrasted, strict=True):
        estimand = estimates.estimand if not found else f"{kind.replace('_', ' ')} of the same averages."
        frame = "population" if model.design.blocks else "no random effects"
        values = labelled(name, estimates.draws)
        if kind != "difference":
            values = values.copy(data=np.nan_to_num(values.values, posinf=_FAR, neginf=-_FAR))
        found[name] = values.assign_attrs(frame=frame, estimand=f"{name}: {estimand[0].lower()}{estimand[1:]}")
    return found


def every_effect(fit: Fitted, step: int, draws: int | None = None) -> int | None:
    """Return at which draws effects are averaged, a multiple of `step`; None if 500 take long.

    Parameters
    ----------
    fit
        The fit.
    step
        Every which draw there is a likelihood.
    draws
        On how many draws at most; None for all if that does not take long.
    """
    design = fit.model.design
    values = sum(len(each) if is_factor(design, name) else 2 for name, each in _levels(design).items())
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    work = len(distinct_rows(design)[0]) * total * max(values, 1) / _WORK
    every = max(1, min(math.ceil(work), total // _FEWEST), math.ceil(total / (draws or total)))
    every = step * math.ceil(every / step)
    return None if work / every > 4 else every


def parameters(fit: Fitted, asked: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return the parameters but b, and what was asked for beside them.

    Raises
    ------
    OptionError
        If something asked for does not have the draws of the fit, or more than one further dimension.
    """
    posterior = fit.posterior
    found = posterior[[name for name in variable_names(fit.model) if not name.startswith("b_")]]
    for name, values in asked.items():
        check(fit, name, values)
        if values.ndim > 3:
            raise OptionError(f"'{name}' has dims {values.dims}; give one beside chain and draw, or none")
        found[name] = labelled(name, values)
    return found


def labelled(name: str, values: xr.DataArray) -> xr.DataArray:
    """Return draws whose further dimension is their own, and labelled: by its index, else by what `Estimates` say."""
    own = [dim for dim in values.dims if dim not in ("chain", "draw")]
    if not own:
        return values.reset_coords(drop=True)
    coords = [values[key] for key in values.coords if values[key].dims == (own[0],) and key not in (own[0], "frame")]
    plain = values.reset_coords(drop=True)
    if coords and own[0] not in values.coords:
        labels = zip(*(coord.values for coord in coords), strict=True)
        plain = plain.assign_coords({own[0]: [": ".join(map(str, each)) for each in labels]})
    return plain.rename({own[0]: f"of {name}"})


def frame_of(fit: Fitted, name: str, values: xr.DataArray, given: bool) -> str:
    """Return whose number a quantity is; of one that was given what its attribute `frame` says."""
    if given:
        return str(values.attrs.get("frame", "as given"))
    if name != "beta":
        return "parameter"
    return "conditional" if fit.model.design.blocks else "no random effects"


def check(fit: Fitted, name: str, values: xr.DataArray) -> None:
    """Refuse values that are not of the draws of the fit."""
    sizes = {dim: fit.posterior.sizes[dim] for dim in ("chain", "draw")}
    if not isinstance(values, xr.DataArray) or any(values.sizes.get(dim) != size for dim, size in sizes.items()):
        given = dict(values.sizes) if isinstance(values, xr.DataArray) else type(values).__name__
        raise OptionError(f"'{name}' is an xarray.DataArray with dims and sizes {sizes}, not {given}")


def _kinds(fit: Fitted) -> dict[str, Comparison]:
    """Return how averages are contrasted under a link, by the name of the effect."""
    grouped = bool(fit.model.design.blocks)
    whose = "population" if grouped else "average"
    match fit.model.family.link.range:
        case "unit":
            odds = "marginal log odds ratio" if grouped else "log odds ratio of averages"
            return {f"{whose} risk difference": "difference", odds: "log_odds_ratio"}
        case "positive":
            return {f"{whose} difference": "difference", f"{whose} log ratio": "log_ratio"}
        case _:
            return {f"{whose} difference": "difference"}


def _has_mean(fit: Fitted) -> bool:
    return fit.model.family.link.averages or not fit.model.design.blocks


def _levels(design: Design) -> dict[str, tuple[object, ...]]:
    """Return the values of each predictor that has several."""
    found = {name: levels(design, name) for name in predictors(design)}
    return {name: each for name, each in found.items() if len(each) > 1}


def _variables(design: Design) -> dict[str, list[float] | None]:
    """Return what is compared of each predictor; None for what `comparisons` takes by itself."""
    found: dict[str, list[float] | None] = {}
    for name, each in _levels(design).items():
        stepped = not is_factor(design, name) and len(each) > 2
        found[name] = None if not stepped or _can_step(design, name) else _quartiles(design, name)
    return found


def _can_step(design: Design, name: str) -> bool:
    """Whether the design knows every row with 1 added to a column; a B-spline ends at its last knot."""
    columns = {**design.columns, name: np.asarray(design.columns[name], dtype=float) + 1}
    try:
        design.on(Columns(columns, design.columns.rows), outcome=False, factors=())
    except DataError:
        return False
    return True


def _quartiles(design: Design, name: str) -> list[float]:
    values = np.asarray(design.columns[name], dtype=float)
    low, high = np.quantile(values, [0.25, 0.75])
    return [float(low), float(high)] if high > low else [float(values.min()), float(values.max())]

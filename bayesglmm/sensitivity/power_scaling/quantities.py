"""The quantities that are judged: parameters, quantities given, and the average effect of each predictor."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayesglmm.errors import DataError, OptionError
from bayesglmm.estimands.comparisons import Comparison, population_effects
from bayesglmm.estimands.frames import distinct_rows
from bayesglmm.estimands.reference_values import is_factor, levels, predictors
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sensitivity.thinning import AVERAGES, step_within
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.variables import variable_names

__all__ = ["check", "effects", "effects_step", "frame_of", "labelled", "parameters"]

_LARGEST = 69.0
"""What replaces a log odds ratio that is infinite in a double: that of probabilities of 1e-15 and 1 − 1e-15."""


def effects(fit: Fitted, every: int = 1) -> dict[str, xr.DataArray]:
    """Return draws of the average effect of each predictor: differences, and log odds ratios or log ratios.

    They are those of `bayesglmm.estimands.comparisons` in the frame `"population"`: the predictor is set to each of two
    values in every observed row, the other predictors as they are, the means averaged over b and over the rows, and
    the averages contrasted. Where a step of 1 leaves the range of a B-spline, the predictor goes from its lower to its
    upper quartile.

    Parameters
    ----------
    fit
        The fit.
    every
        Take every k-th draw of each chain.

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
    contrasts = _contrasts(fit)
    draws: dict[str, xr.DataArray] = {}
    compared = population_effects(Thinned(model, fit.draws, every), variables, list(contrasts.values()))
    for (name, comparison), estimates in zip(contrasts.items(), compared, strict=True):
        estimand = estimates.estimand if not draws else f"{comparison.replace('_', ' ')} of the same averages."
        frame = "population" if model.design.blocks else "no random effects"
        values = labelled(name, estimates.draws)
        if comparison != "difference":
            values = values.copy(data=np.nan_to_num(values.values, posinf=_LARGEST, neginf=-_LARGEST))
        draws[name] = values.assign_attrs(frame=frame, estimand=f"{name}: {estimand[0].lower()}{estimand[1:]}")
    return draws


def effects_step(fit: Fitted, step: int, draws: int | None = None) -> int | None:
    """Return the step between draws at which effects are averaged, a multiple of `step`; None if 500 take long.

    Parameters
    ----------
    fit
        The fit.
    step
        The step between draws that have a likelihood.
    draws
        The largest number of draws; None for all if that does not take long.
    """
    design = fit.model.design
    values = sum(len(distinct) if is_factor(design, name) else 2 for name, distinct in _levels(design).items())
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    return step_within(AVERAGES, total, len(distinct_rows(design)[0]) * max(values, 1), draws, step)


def parameters(fit: Fitted, quantities: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return the parameters but b, and the user's quantities.

    Raises
    ------
    OptionError
        If a quantity does not have the draws of the fit, or more than one further dimension.
    """
    posterior = fit.posterior
    together = posterior[[name for name in variable_names(fit.model) if not name.startswith("b_")]]
    for name, values in quantities.items():
        check(fit, name, values)
        if values.ndim > 3:
            raise OptionError(f"'{name}' has dims {values.dims}; give one beside chain and draw, or none")
        together[name] = labelled(name, values)
    return together


def labelled(name: str, values: xr.DataArray) -> xr.DataArray:
    """Return draws whose further dimension has a name of its own, and its index or the labels of `Estimates`."""
    further = [dim for dim in values.dims if dim not in ("chain", "draw")]
    if not further:
        return values.reset_coords(drop=True)
    (dim,) = further
    coords = [values[key] for key in values.coords if values[key].dims == (dim,) and key not in (dim, "frame")]
    plain = values.reset_coords(drop=True)
    if coords and dim not in values.coords:
        labels = zip(*(coord.values for coord in coords), strict=True)
        plain = plain.assign_coords({dim: [": ".join(map(str, label)) for label in labels]})
    return plain.rename({dim: f"of {name}"})


def frame_of(fit: Fitted, name: str, values: xr.DataArray, parameter: bool) -> str:
    """Return the frame of a parameter of the fit, or of a further quantity: its attribute `frame`."""
    if not parameter:
        return str(values.attrs.get("frame", "as given"))
    if name != "beta":
        return "parameter"
    return "conditional" if fit.model.design.blocks else "no random effects"


def check(fit: Fitted, name: str, values: xr.DataArray) -> None:
    """Refuse values that are not of the draws of the fit."""
    sizes = {dim: fit.posterior.sizes[dim] for dim in ("chain", "draw")}
    if not isinstance(values, xr.DataArray) or any(values.sizes.get(dim) != size for dim, size in sizes.items()):
        actual = dict(values.sizes) if isinstance(values, xr.DataArray) else type(values).__name__
        raise OptionError(f"'{name}' is an xarray.DataArray with dims and sizes {sizes}, not {actual}")


def _contrasts(fit: Fitted) -> dict[str, Comparison]:
    """Return how averages are compared under a link, by the name of the effect."""
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
    values = {name: levels(design, name) for name in predictors(design)}
    return {name: distinct for name, distinct in values.items() if len(distinct) > 1}


def _variables(design: Design) -> dict[str, list[float] | None]:
    """Return the two values of each predictor that are compared; None for the default of `comparisons`."""
    compared: dict[str, list[float] | None] = {}
    for name, values in _levels(design).items():
        stepped = not is_factor(design, name) and len(values) > 2
        compared[name] = None if not stepped or _can_step(design, name) else _quartiles(design, name)
    return compared


def _can_step(design: Design, name: str) -> bool:
    """Whether the design is defined in every row with 1 added to a column; a B-spline ends at its last knot."""
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

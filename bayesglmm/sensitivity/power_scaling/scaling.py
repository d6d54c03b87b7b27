"""`prior_sensitivity(fit)`: which conclusions rest on the data and which on the prior, without fitting again.

The posterior is proportional to prior × likelihood. Raise one of the two to a power α near 1 and weight the draws
accordingly: a quantity whose distribution moves depends on what was raised. The priors raised are those of
coefficients, sds, correlations and family parameters; b ~ N(0, G) is part of the model and stays as it is. The
likelihood raised is that of θ, b integrated out: given b, differences between groups carry little information on θ.

References
----------
Kallioinen, Paananen, Bürkner & Vehtari (2024), Statistics and Computing 34, 57.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from bayesglmm.errors import OptionError, listing
from bayesglmm.posterior.log_prior import log_prior
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.power_scaling import likelihoods
from bayesglmm.sensitivity.power_scaling.quantities import check, effects, effects_step, frame_of, parameters
from bayesglmm.sensitivity.power_scaling.result import THRESHOLD, PriorSensitivity

__all__ = ["prior_sensitivity"]

_DIAGNOSES = {
    (False, True): "rests on the data",
    (True, True): "prior and data both move it",
    (True, False): "rests on the prior",
    (False, False): "not moved by the prior",
}


def prior_sensitivity(
    fit: Fitted,
    *,
    quantities: Mapping[str, xr.DataArray] | None = None,
    log_likelihood: xr.DataArray | None = None,
    max_draws: int | None = None,
) -> PriorSensitivity:
    """Measure how far the prior and the data move each quantity, by power scaling.

    Parameters
    ----------
    fit
        The fit.
    quantities
        Draws of further quantities, dims `chain`, `draw` and at most one more; their attributes `frame` and `estimand`
        say what they are, as those of `fit.comparisons(…).draws` do. None for the average effect of each
        predictor on the population, as `fit.comparisons` gives it: see `effects`.
    log_likelihood
        Log likelihood of the draws, dims `chain`, `draw` and others that are summed over, its attribute `about` saying
        of what; None for that with b integrated out if one factor has all random effects, three at most, and else for
        that given b. `likelihood` of the result says which, and of how many draws where integrals are many.
    max_draws
        The largest number of draws, evenly spaced, for integrals and averages; None for all, or fewer where that
        takes long. The prior is scaled on all draws.

    Returns
    -------
    PriorSensitivity
        Of coefficients (conditional), sds, correlations, family parameters, and the further quantities. A sensitivity
        is the Jensen–Shannon distance between the distributions before and after scaling, divided by log2 of the
        power; 0.05 and more counts as sensitive. Where the likelihood is that given b (crossed or nested factors), a
        coefficient that is estimated from differences between groups hardly depends on it: there "not moved by the
        prior" does not imply that the data determine it.

    Raises
    ------
    OptionError
        If the fit is of the prior alone, all priors are constant (flat), or `quantities` or `log_likelihood` do not
        have the draws of the fit.

    References
    ----------
    Kallioinen et al. (2024).
    """
    _check(fit, log_likelihood, max_draws)
    prior, constant = _priors(fit)
    judged = parameters(fit, {} if quantities is None else quantities)
    likelihood = likelihoods.log_likelihood(fit, max_draws) if log_likelihood is None else log_likelihood
    total = likelihood.sum([dim for dim in likelihood.dims if dim not in ("chain", "draw")])
    added, left_out = ({}, "") if quantities is not None else _effects(fit, total, max_draws)
    parts = [judged, xr.Dataset(added)] if added else [judged]
    data = xr.Dataset({"total": total})
    classes = pd.DataFrame({str(name): _moved(parts, prior[[name]], "prior") for name in prior})
    further = {*(quantities or {}), *added}
    frames = {
        label: frame_of(fit, str(name), values, name not in further)
        for part in parts
        for name, values in part.data_vars.items()
        for label in _labels(str(name), values)
    }
    table = pd.DataFrame({"prior": _moved(parts, prior, "prior"), "likelihood": _moved(parts, data, "likelihood")})
    table = table.assign(alone=classes.max(axis=1), strongest=classes.idxmax(axis=1))
    by_prior = table[["prior", "alone"]].max(axis=1) >= THRESHOLD
    by_data = table["likelihood"] >= THRESHOLD
    table["diagnosis"] = [_DIAGNOSES[bool(p), bool(d)] for p, d in zip(by_prior, by_data, strict=True)]
    table.insert(0, "frame", pd.Series(frames))
    table.index.name = "quantity"
    likelihood_name = str(likelihood.attrs.get("about", "the likelihood given"))
    notes = [note for note in (left_out, constant) if note]
    return PriorSensitivity(
        table, likelihood_name, _estimand(fit, [*(quantities or {}).values(), *added.values()], notes)
    )


def _check(fit: Fitted, log_likelihood: xr.DataArray | None, max_draws: int | None) -> None:
    if fit.draws.attrs.get("prior_only"):
        raise OptionError(
            "these are draws from the prior alone: without a likelihood there is nothing to compare it with"
        )
    if log_likelihood is not None:
        check(fit, "log_likelihood", log_likelihood)
    if max_draws is not None and max_draws < 100:
        raise OptionError(f"max_draws={max_draws!r} is too few to see a distribution move; give 100 or more")


def _priors(fit: Fitted) -> tuple[xr.Dataset, str]:
    """Return the log priors that a power changes, by class, and a sentence that names the others."""
    prior = log_prior(fit.model, fit.posterior)
    constant = [str(name) for name in prior if np.ptp(prior[name].values) <= 1e-12]
    if len(constant) == len(prior):
        raise OptionError(
            f"the priors of {listing(constant)} are flat or uniform, and there are no others: raised to a power they "
            "do not change, so power scaling does not apply; give proper priors, or compare other priors by "
            "fit.update(priors=…)"
        )
    note = f"Of {listing(constant)} the prior is flat or uniform: scaling leaves it as it is." if constant else ""
    return prior.drop_vars(constant), note


def _effects(fit: Fitted, total: xr.DataArray, max_draws: int | None) -> tuple[dict[str, xr.DataArray], str]:
    """Return the population effects at draws that have a likelihood, or the reason why there are none."""
    step = effects_step(fit, round(fit.posterior.sizes["draw"] / total.sizes["draw"]), max_draws)
    if step is not None:
        return effects(fit, step), ""
    return {}, (
        f"Effects on the population are left out: to average them over {fit.model.design.n:,} rows takes long. Give "
        "those that are reported, quantities={'…': fit.comparisons('…').draws}."
    )


def _estimand(fit: Fitted, quantities: Iterable[xr.DataArray], notes: Iterable[str]) -> str:
    """Return the frames of the quantities in sentences."""
    estimands = dict.fromkeys(str(values.attrs["estimand"]) for values in quantities if "estimand" in values.attrs)
    if fit.model.design.blocks:
        factors = listing(dict.fromkeys(block.factor for block in fit.model.design.blocks))
        coefficients = [f"beta: coefficients, conditional: they compare at the same random effects of {factors}."]
    else:
        coefficients = ["beta: coefficients; the model has no random effects."]
    return " ".join([*coefficients, *estimands, *notes])


def _moved(parts: Iterable[xr.Dataset], scaled: xr.Dataset, group: str) -> pd.Series:
    """Return the sensitivity of each quantity to scaling, in their order, at the draws that both have."""
    import arviz as az

    sensitivities: dict[str, float] = {}
    for part in parts:
        common = np.intersect1d(part["draw"], scaled["draw"])
        tree = {"posterior": part.sel(draw=common), f"log_{group}": scaled.sel(draw=common)}
        moved = az.psense(xr.DataTree.from_dict(tree), group=group, sample_dims=["chain", "draw"])
        for name, variable in moved.data_vars.items():
            sensitivities |= zip(_labels(str(name), variable), np.ravel(variable.values), strict=True)
    return pd.Series(sensitivities, dtype=float)


def _labels(name: str, values: xr.DataArray) -> list[str]:
    """Return the name of each element of a quantity."""
    further = [dim for dim in values.dims if dim not in ("chain", "draw")]
    return [f"{name}[{label}]" for label in values[further[0]].values] if further else [name]

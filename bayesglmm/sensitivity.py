"""`prior_sensitivity(fit)`: which conclusions rest on the data and which on the prior, without fitting again.

The posterior is proportional to prior × likelihood. Raise one of the two to a power α near 1 and weigh the draws
accordingly: a quantity whose distribution moves depends on what was raised. The priors raised are those of
coefficients, sds, correlations and family parameters; b ~ N(0, G) is part of the model and stays as it is. The
likelihood raised is that of θ, b integrated out: given b, data that differ between groups say little of θ.

References
----------
Kallioinen, Paananen, Bürkner & Vehtari (2024), Statistics and Computing 34, 57.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm import predictions
from bayesglmm.errors import OptionError, listing
from bayesglmm.fitted import Fitted
from bayesglmm.frames import Draws
from bayesglmm.graph import variable_names
from bayesglmm.holding import steps
from bayesglmm.likelihood import group_log_likelihood, integrated_in_full
from bayesglmm.log_prior import log_prior

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = [
    "THRESHOLD",
    "PriorSensitivity",
    "conditional_log_likelihood",
    "effects",
    "integrated_log_likelihood",
    "prior_sensitivity",
]

type Array = NDArray[np.float64]

_CAP = 1e-15

_TERMS = {1: 25, 2: 600, 3: 12_000}
"""About how many points the integral over so many effects of a group takes."""

_WORK = 2e8
"""Evaluations of a row that integrals may take before draws are left out: some seconds."""

_FEWEST = 500
"""Draws that are left at the least; if these take more than four times the work, b is not integrated out."""

THRESHOLD = 0.05
"""From here on a quantity counts as sensitive, as its authors propose."""

_WORDS = {
    (False, True): "rests on the data",
    (True, True): "prior and data both move it",
    (True, False): "rests on the prior",
    (False, False): "not moved by the prior",
}


@dataclass(frozen=True, eq=False)
class PriorSensitivity:
    """What power scaling says of each quantity.

    Parameters
    ----------
    table
        Index `quantity`; `prior` and `likelihood`, how far the distribution moves by a doubling of either; `alone`, how
        far at most by that of one class of priors alone, and `strongest`, which; `diagnosis` in words. Priors that
        pull in opposite directions leave `prior` small: a quantity counts as moved by the prior where `prior` or
        `alone` says so. What both move has a prior that adds to the data or disagrees with them; what rests on the
        prior has a strong one, or data that say little.
    likelihood
        Which likelihood was scaled.
    """

    table: pd.DataFrame
    likelihood: str

    @property
    def sentence(self) -> str:
        """What to write in a report: which conclusions rest on the data and which on the prior."""
        prior = self.table[["prior", "alone"]].max(axis=1) >= THRESHOLD
        data = self.table["likelihood"] >= THRESHOLD
        parts = [
            _clause(self.table.index[~prior & data], "rests on the data", "rest on the data"),
            _clause(
                self.table.index[prior & data], "is moved by prior and data alike", "are moved by prior and data alike"
            ),
            _clause(self.table.index[prior & ~data], "rests on the prior", "rest on the prior"),
            _clause(self.table.index[~prior & ~data], "is not moved by the prior", "are not moved by the prior"),
        ]
        found = "; ".join(part for part in parts if part)
        return f"By power scaling of the priors and of {self.likelihood}, {found}."

    def plot(self) -> "Picture":
        """Draw both sensitivities of each quantity: see `bayesglmm.plots.power_scaling`."""
        from bayesglmm.plots.sensitivity import power_scaling

        return power_scaling(self.table, THRESHOLD, self.likelihood)

    def __str__(self) -> str:
        """Return the sentence and the table."""
        return f"{self.sentence}\n\n{self.table.to_string(float_format='{:.3f}'.format)}"

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)


def prior_sensitivity(
    fit: Fitted,
    *,
    quantities: Mapping[str, xr.DataArray] | None = None,
    log_likelihood: xr.DataArray | None = None,
) -> PriorSensitivity:
    """Say for each quantity how far the prior and the data move it, by power scaling.

    Parameters
    ----------
    fit
        The fit.
    quantities
        Draws of further quantities, dims `chain`, `draw` and at most one more; None for the population effects of
        `effects(fit)`.
    log_likelihood
        Log likelihood of the draws, dims `chain`, `draw` and others that are summed over, its attribute `about` saying
        of what; None for that with b integrated out if one factor has all random effects, three at most, and else for
        that given b. `likelihood` of the result says which, and of how many draws where integrals are many.

    Returns
    -------
    PriorSensitivity
        Of coefficients (conditional), sds, correlations, family parameters, and the further quantities. A figure is
        the Jensen–Shannon distance by which the distribution moves, divided by log2 of the power; 0.05 and more
        counts as sensitive. Where the likelihood is that given b (crossed or nested factors), it hardly reaches a
        coefficient that is learned from differences between groups: there "not moved by the prior" leaves open what
        the data say.

    Raises
    ------
    OptionError
        If the fit is of the prior alone, or what is given does not have the draws of the fit.

    References
    ----------
    Kallioinen et al. (2024).
    """
    if fit.draws.attrs.get("prior_only"):
        raise OptionError(
            "these are draws from the prior alone: without a likelihood there is nothing to compare it with"
        )
    if log_likelihood is not None:
        _check(fit, "log_likelihood", log_likelihood)
    asked = _quantities(fit, effects(fit) if quantities is None else quantities)
    prior, likelihood = (
        log_prior(fit.model, fit.posterior),
        _likelihood(fit) if log_likelihood is None else log_likelihood,
    )
    total = likelihood.sum([dim for dim in likelihood.dims if dim not in ("chain", "draw")])
    by_prior = xr.DataTree.from_dict({"posterior": asked, "log_prior": prior})
    by_data = xr.DataTree.from_dict(
        {"posterior": asked.sel(draw=total["draw"]), "log_likelihood": xr.Dataset({"total": total})}
    )
    classes = pd.DataFrame({str(name): _moved(by_prior, "prior", [str(name)]) for name in prior})
    table = pd.DataFrame({"prior": _moved(by_prior, "prior"), "likelihood": _moved(by_data, "likelihood")})
    table = table.assign(alone=classes.max(axis=1), strongest=classes.idxmax(axis=1))
    held = table[["prior", "alone"]].max(axis=1) >= THRESHOLD
    learned = table["likelihood"] >= THRESHOLD
    table["diagnosis"] = [_WORDS[bool(one), bool(two)] for one, two in zip(held, learned, strict=True)]
    table.index.name = "quantity"
    return PriorSensitivity(table, str(likelihood.attrs.get("about", "the likelihood given")))


def _likelihood(fit: Fitted) -> xr.DataArray:
    """Return the log likelihood with b integrated out where that is defined and does not take long, else given b."""
    design = fit.model.design
    effects_of_group = sum(block.size for block in design.blocks)
    if not integrated_in_full(design) or effects_of_group not in _TERMS:
        return conditional_log_likelihood(fit)
    chains, draws = (fit.posterior.sizes[dim] for dim in ("chain", "draw"))
    work = chains * draws * design.n * _TERMS[effects_of_group] / _WORK
    every = max(1, min(math.ceil(work), chains * draws // _FEWEST))
    return conditional_log_likelihood(fit) if work / every > 4 else integrated_log_likelihood(fit, every)


def integrated_log_likelihood(fit: Fitted, every: int = 1) -> xr.DataArray:
    """Return the log likelihood of every so many-th draw of each chain, its random effects integrated out.

    Dims `chain`, `draw`. One factor must have all random effects; see `group_log_likelihood` for what it raises.
    """
    found = group_log_likelihood(fit, fit.model.design.blocks[0].factor, every=every)
    total = found.sum([found.dims[-1]])
    about = str(found.attrs["about"])
    if every > 1:
        about += f" (at {total.size:,} of {fit.posterior.sizes['chain'] * fit.posterior.sizes['draw']:,} draws)"
    return total.assign_attrs(about=about)


def conditional_log_likelihood(fit: Fitted) -> xr.DataArray:
    """Return the log likelihood of each draw given its random effects, dims `chain`, `draw`, up to a constant."""
    from bayesglmm.density import Likelihood

    posterior, model = fit.posterior, fit.model
    draws = Draws(posterior, model.design)
    b = [draws.b(block) for block in model.design.blocks]
    values = Likelihood.of(model).conditional(draws.beta, b, draws.parameters(model.family))
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    about = "the likelihood conditional on the random effects" if b else "the likelihood"
    return xr.DataArray(values.reshape([len(c) for c in coords.values()]), coords, attrs={"about": about})


def effects(fit: Fitted) -> dict[str, xr.DataArray]:
    """Return draws of the population effect of each predictor: a difference, and a log odds ratio or log ratio.

    Each is between the mean at the baseline, numbers at their means and factors at their references, and the mean
    with one predictor changed: a number by 1 sd, a factor to another level. Both means are averaged over b. The
    inverse link has no population mean, and none of these.
    """
    model, chosen = fit.model, steps(fit.model.design)
    if len(chosen.labels) == 1 or (model.family.link.name == "inverse" and model.design.blocks):
        return {}
    mean = predictions.predict(model, fit.posterior, chosen.rows, frame="population")
    mean = mean.rename(row="step").assign_coords(step=list(chosen.labels)).drop_attrs()
    base, stepped = mean.isel(step=0, drop=True), mean.isel(step=slice(1, None))
    whose = "population" if model.design.blocks else "mean"
    found = {f"{whose} {'risk difference' if _binary(fit) else 'difference'}": stepped - base}
    if _binary(fit):
        name = "marginal log odds ratio" if model.design.blocks else "log odds ratio"
        found[name] = _log_odds(stepped) - _log_odds(base)
    elif model.family.link.range == "positive":
        found[f"{whose} log ratio"] = _log(stepped / base)
    return found


def _log_odds(p: xr.DataArray) -> xr.DataArray:
    """Return the log odds, those of a probability that rounds to 0 or 1 capped."""
    p = p.clip(_CAP, 1 - _CAP)
    return _log(p / (1 - p))


def _log(values: xr.DataArray) -> xr.DataArray:
    return values.copy(data=np.log(values.values))


def _binary(fit: Fitted) -> bool:
    return fit.model.family.link.range == "unit"


def _quantities(fit: Fitted, asked: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return what is reported: the parameters but b, then what was asked for."""
    posterior = fit.posterior
    names = [name for name in variable_names(fit.model) if not name.startswith("b_")]
    found = posterior[names]
    for name, values in asked.items():
        _check(fit, name, values)
        if values.ndim > 3:
            raise OptionError(f"'{name}' has dims {values.dims}; give one beside chain and draw, or none")
        found[name] = values
    return found


def _check(fit: Fitted, name: str, values: xr.DataArray) -> None:
    """Refuse values that are not of the draws of the fit."""
    sizes = {dim: fit.posterior.sizes[dim] for dim in ("chain", "draw")}
    if not isinstance(values, xr.DataArray) or any(values.sizes.get(dim) != size for dim, size in sizes.items()):
        given = dict(values.sizes) if isinstance(values, xr.DataArray) else type(values).__name__
        raise OptionError(f"'{name}' is an xarray.DataArray with dims and sizes {sizes}, not {given}")


def _moved(tree: xr.DataTree, group: str, names: list[str] | None = None) -> pd.Series:
    """Return by quantity how far scaling a group moves it, in the order of the quantities."""
    import arviz as az

    moved = az.psense(tree, group=group, group_var_names=names, sample_dims=["chain", "draw"])
    figures: dict[str, float] = {}
    for name, variable in moved.data_vars.items():
        labels = [""] if variable.ndim == 0 else [f"[{label}]" for label in variable[variable.dims[0]].values]
        figures |= {f"{name}{label}": value for label, value in zip(labels, np.ravel(variable.values), strict=True)}
    return pd.Series(figures, dtype=float)


def _clause(names: pd.Index, one: str, several: str) -> str:
    return f"{listing(names)} {one if len(names) == 1 else several}" if len(names) else ""

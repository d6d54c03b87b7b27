"""`prior_ladder(fit)`: the same model under ever wider priors, each fitted, beside a penalized estimate without any.

Where estimates climb with the scale, the prior holds them and the data do not: separation is the usual reason.

References
----------
Gelman, Jakulin, Pittau & Su (2008), Annals of Applied Statistics 2, 1360-1383.
Heinze & Schemper (2002), Statistics in Medicine 21, 2409-2419.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from bayesglmm.common.names import find
from bayesglmm.common.tables import plain_table
from bayesglmm.errors import DataError, OptionError, choose
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.firth import firth
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.distributions.half_student_t import HalfStudentT
from bayesglmm.specify.priors.distributions.normal import Normal
from bayesglmm.specify.priors.scales import scales as scales_of
from bayesglmm.specify.variables import variable_names

if TYPE_CHECKING:
    from bayesglmm.plots import Picture
    from bayesglmm.sample.diagnostics import Check

__all__ = ["LADDERS", "Ladder", "PriorLadder", "Refittable", "Refitted", "prior_ladder"]

type Ladder = Literal["slopes", "sd"]

LADDERS: tuple[Ladder, ...] = ("slopes", "sd")
"""Whose priors widen."""


class Refitted(Fitted, Protocol):
    """What fitting again returns."""

    def check(self) -> "Check":
        """Say whether the sampler worked."""


class Refittable[F: Refitted](Fitted, Protocol):
    """A fit that can be fitted again under other priors; `bayesglmm.Fit` is one."""

    def update(self, *, priors: Any, progress: bool) -> F:
        """Fit again with other priors."""


@dataclass(frozen=True, eq=False)
class PriorLadder[F: Refitted]:
    """Estimates under ever wider priors.

    Parameters
    ----------
    table
        Index `parameter`, `scale`; the posterior `median` and its 95 % equal-tailed interval `lower`, `upper`.
    draws
        Draws of coefficients, sds and correlations, dims `scale`, `chain`, `draw` and their own.
    priors
        What the priors of a rung are, with `scale` for its number.
    references
        Penalized estimates (Firth) of the coefficients of a logistic model, its groups ignored; empty for others.
    fits
        The fit of each scale, to ask of every rung what was asked of the first: an effect on the population may stay
        where coefficients climb, or climb with them.
    verdicts
        By scale, what the sampler's checks say.
    about
        Whose numbers the coefficients are, and on which scale.
    """

    table: pd.DataFrame
    draws: xr.Dataset
    priors: str
    references: Mapping[str, float]
    fits: Mapping[float, F]
    verdicts: Mapping[float, str]
    about: str

    def plot(self, parameters: Sequence[str] | None = None) -> "Picture":
        """Draw estimates against the scale of the prior: see `bayesglmm.plots.prior_ladder`."""
        from bayesglmm.plots.prior_ladder import prior_ladder

        known = list(dict.fromkeys(self.table.index.get_level_values("parameter")))
        chosen = [choose("parameters", find(name, known) or name, known) for name in (parameters or known)]
        return prior_ladder(self.table.loc[chosen], self.references, self.priors, self.about)

    def __str__(self) -> str:
        """Return what widens, the table, the penalized estimates, and any rung whose sampling failed."""
        names = list(dict.fromkeys(self.table.index.get_level_values("parameter")))
        wide = self.table["median"].unstack("scale").loc[names]
        if self.references:
            wide = wide.assign(**{"Firth, no groups": pd.Series(self.references)})
        failed = [f"  scale {scale:g}: {verdict}" for scale, verdict in self.verdicts.items() if "FAILED" in verdict]
        text = plain_table(wide).to_string(float_format="{:.3f}".format, na_rep="")
        return "\n".join([f"posterior medians under {self.priors}; {self.about}", *failed, "", text])

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)


def prior_ladder[F: Refitted](
    fit: Refittable[F], scales: Sequence[float] = (1, 2.5, 5, 10), *, of: str = "slopes", progress: bool = False
) -> PriorLadder[F]:
    """Fit a model again under ever wider priors.

    Parameters
    ----------
    fit
        The fit; its data, settings, seed and other priors stay.
    scales
        The rungs, in units of the scale that default priors are made of, where the default is 2.5.
    of
        `"slopes"`: every slope has the prior Normal(0, scale · s_y/s_x), one given by the user as well. `"sd"`: every
        sd has half-t(3, 0, scale · s_y/s_z).
    progress
        Whether to show progress bars.

    Returns
    -------
    PriorLadder
        Coefficients are conditional (typical subject, b = 0); the penalized estimates of a logistic model ignore its
        groups and are therefore marginal, which is nearer to 0 the more groups differ.

    Raises
    ------
    OptionError
        If there is nothing whose prior could widen, or a scale is not above zero or given twice.

    References
    ----------
    Gelman et al. (2008); Heinze & Schemper (2002).
    """
    ladder = choose("of", of, LADDERS)
    rungs = _rungs(scales)
    units = _units(fit.model, ladder)
    keep = [name for name in variable_names(fit.model) if not name.startswith("b_")]
    old = fit.model.priors
    fits: dict[float, F] = {}
    for scale in rungs:
        wider = {path: _prior(ladder, scale * unit) for path, unit in units.items()}
        fits[scale] = fit.update(priors={"preset": old.preset, **old.specified, **wider}, progress=progress)
    verdicts = {scale: rung.check().verdict for scale, rung in fits.items()}
    draws = xr.concat([rung.posterior[keep] for rung in fits.values()], dim=pd.Index(rungs, name="scale"))
    conditional = "conditional (b = 0), " if fit.model.design.blocks else ""
    about = f"{conditional}{fit.model.family.link.name} scale"
    return PriorLadder(_table(draws), draws, _words(ladder), _references(fit.model), fits, verdicts, about)


def _rungs(scales: Sequence[float]) -> list[float]:
    rungs = [float(scale) for scale in scales]
    if not rungs or not all(np.isfinite(scale) and scale > 0 for scale in rungs) or len(set(rungs)) < len(rungs):
        raise OptionError(f"scales={tuple(scales)!r}: give distinct numbers above zero, such as (1, 2.5, 5, 10)")
    return sorted(rungs)


def _units(model: Model, ladder: str) -> dict[tuple[str, ...], float]:
    """Return the path of every prior that widens with s_y/s_x of its column."""
    design, unit = model.design, scales_of(model.design, model.family)
    if ladder == "sd":
        paths = [("sd", block.name, column) for block in design.blocks for column in block.columns]
        columns = [value for block in unit.blocks for value in block]
    else:
        paths = [("coef", name, "") for name in (design.coef[1:] if design.has_intercept else design.coef)]
        columns = list(unit.slopes)
    if not paths:
        raise OptionError(
            f"the model has no {'slopes' if ladder == 'slopes' else 'random effects'} whose prior could widen"
        )
    return {tuple(part for part in path if part): unit.response / x for path, x in zip(paths, columns, strict=True)}


def _prior(ladder: str, scale: float) -> Prior:
    rounded = float(f"{scale:.4g}")
    return Normal(0, rounded) if ladder == "slopes" else HalfStudentT(3, 0, rounded)


def _words(ladder: str) -> str:
    return "slopes ~ Normal(0, scale · s_y/s_x)" if ladder == "slopes" else "sds ~ half-t(3, 0, scale · s_y/s_z)"


def _table(draws: xr.Dataset) -> pd.DataFrame:
    """Summarise every parameter at every scale."""
    rows = {}
    for name, values in draws.data_vars.items():
        flat = values.transpose("scale", "chain", "draw", ...).values.reshape(
            draws.sizes["scale"], -1, *values.shape[3:]
        )
        flat = flat.reshape(*flat.shape[:2], -1)
        labels = [""] if values.ndim == 3 else [f"[{label}]" for label in values[values.dims[3]].values]
        for j, label in enumerate(labels):
            for scale, one in zip(draws["scale"].values, flat[..., j], strict=True):
                rows[f"{name}{label}", float(scale)] = dict(
                    zip(("median", "lower", "upper"), np.quantile(one, (0.5, 0.025, 0.975)), strict=True)
                )
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["parameter", "scale"])
    return table


def _references(model: Model) -> dict[str, float]:
    """Return the penalized estimates of a logistic model without its groups, nothing for other models."""
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    if not model.family.link.log_odds or model.family.outcome_type not in ("binary", "trials"):
        return {}
    try:
        found = firth(design.x, outcome.y, outcome.trials, design.offset)
    except DataError:  # there is no such estimate to stand beside
        return {}
    return {f"beta[{name}]": float(value) for name, value in zip(design.coef, found.beta, strict=True)}

"""`prior_ladder(fit)`: the same model fitted under wider and wider priors, beside a penalized estimate without any.

An estimate that grows with the scale of its prior is determined by the prior and not by the data: separation is the
usual reason.

References
----------
Gelman, Jakulin, Pittau & Su (2008), Annals of Applied Statistics 2, 1360-1383.
Heinze & Schemper (2002), Statistics in Medicine 21, 2409-2419.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import DataError, OptionError, choose
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sample.diagnostics import FAILED
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

__all__ = ["WIDENED", "PriorLadder", "Refittable", "Refitted", "Widened", "prior_ladder"]

type Array = NDArray[np.float64]
type Widened = Literal["slopes", "sd"]

WIDENED: tuple[Widened, ...] = get_args(Widened.__value__)
"""The parameters whose priors widen."""


class Refitted(Fitted, Protocol):
    """What fitting again returns."""

    def check(self) -> "Check":
        """Say whether the sampler worked."""


class Refittable[F: Refitted](Fitted, Protocol):
    """A fit that can be fitted again under other priors; `bayesglmm.Fit` is one."""

    def update(self, *, priors: Any, progress: bool) -> F:
        """Fit again with other priors."""


@dataclass(frozen=True, eq=False, repr=False)
class PriorLadder[F: Refitted](Result):
    """Estimates under wider and wider priors.

    Parameters
    ----------
    table
        Index `parameter`, `scale`; columns `mean median sd lower upper` of the posterior, with equal-tailed intervals.
    draws
        Draws of coefficients, sds and correlations, dims `scale`, `chain`, `draw` and those of the parameter.
    priors
        The priors as a function of `scale`.
    references
        Penalized estimates (Firth) of the coefficients of a logistic model, its groups ignored; empty for others.
    fits
        The fit of each scale, from which other estimates follow: an effect on the population may be stable where
        coefficients grow with the scale, or grow with them.
    verdicts
        By scale, the verdict of the sampler's checks.
    estimand
        The frame of the coefficients, and their scale.
    ci_prob
        The probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    draws: xr.Dataset
    priors: str
    references: Mapping[str, float]
    fits: Mapping[float, F]
    verdicts: Mapping[float, str]
    estimand: str
    ci_prob: float = 0.95

    def plot(self, parameters: Sequence[str] | None = None) -> "Picture":
        """Draw estimates against the scale of the prior: see `bayesglmm.plots.prior_ladder`."""
        from bayesglmm.plots.prior_ladder import draw

        known = list(dict.fromkeys(self.table.index.get_level_values("parameter")))
        return draw(self, [choose("parameters", find(name, known) or name, known) for name in (parameters or known)])

    def _layout(self) -> Layout:
        """Show medians with a column a scale, the penalized estimates, and any scale whose sampling failed."""
        names = list(dict.fromkeys(self.table.index.get_level_values("parameter")))
        wide = self.table["median"].unstack("scale").loc[names]
        if self.references:
            wide = wide.assign(**{"Firth, no groups": pd.Series(self.references)})
        failed = [
            f"  scale {scale:g}: {verdict}" for scale, verdict in self.verdicts.items() if verdict.startswith(FAILED)
        ]
        above = (f"posterior medians under {self.priors}; {self.estimand}", *failed)
        return Layout(above, wide, options={"float_format": "{:.3f}".format, "na_rep": ""})


def prior_ladder[F: Refitted](
    fit: Refittable[F],
    scales: Sequence[float] = (1, 2.5, 5, 10),
    *,
    parameters: str = "slopes",
    ci_prob: float = 0.95,
    progress: bool = False,
) -> PriorLadder[F]:
    """Fit a model again under wider and wider priors.

    Parameters
    ----------
    fit
        The fit; its data, settings, seed and other priors stay.
    scales
        The scales, in units of s_y/s_x, of which the default prior has 2.5.
    parameters
        Whose priors widen. `"slopes"`: every slope has the prior Normal(0, scale · s_y/s_x), in place of one given by
        the user too. `"sd"`: every sd has half-t(3, 0, scale · s_y/s_z).
    ci_prob
        The probability of the equal-tailed intervals.
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
        If the model has no such parameters, a scale is not above zero or given twice, or `ci_prob` is no probability.

    References
    ----------
    Gelman et al. (2008); Heinze & Schemper (2002).
    """
    interval(ci_prob)
    widened = choose("parameters", parameters, WIDENED)
    ascending = _ascending(scales)
    units = _units(fit.model, widened)
    keep = [name for name in variable_names(fit.model) if not name.startswith("b_")]
    old = fit.model.priors
    fits: dict[float, F] = {}
    for scale in ascending:
        wider = {path: _prior(widened, scale * unit) for path, unit in units.items()}
        fits[scale] = fit.update(priors={"preset": old.preset, **old.specified, **wider}, progress=progress)
    verdicts = {scale: refitted.check().verdict for scale, refitted in fits.items()}
    draws = xr.concat([refitted.posterior[keep] for refitted in fits.values()], dim=pd.Index(ascending, name="scale"))
    conditional = "conditional (b = 0), " if fit.model.design.blocks else ""
    estimand = f"{conditional}{fit.model.family.link.name} scale"
    table, references = _table(draws, ci_prob), _references(fit.model)
    return PriorLadder(table, draws, _priors_text(widened), references, fits, verdicts, estimand, ci_prob)


def _ascending(scales: Sequence[float]) -> list[float]:
    values = [float(scale) for scale in scales]
    if not values or not all(np.isfinite(scale) and scale > 0 for scale in values) or len(set(values)) < len(values):
        raise OptionError(f"scales={tuple(scales)!r}: give distinct numbers above zero, such as (1, 2.5, 5, 10)")
    return sorted(values)


def _units(model: Model, widened: Widened) -> dict[tuple[str, ...], float]:
    """Return the path of every prior that widens with s_y/s_x of its column."""
    design, unit = model.design, scales_of(model.design, model.family)
    if widened == "sd":
        paths = [("sd", block.name, column) for block in design.blocks for column in block.columns]
        columns = [value for block in unit.blocks for value in block]
    else:
        paths = [("coef", name, "") for name in (design.coef[1:] if design.has_intercept else design.coef)]
        columns = list(unit.slopes)
    if not paths:
        raise OptionError(
            f"the model has no {'slopes' if widened == 'slopes' else 'random effects'} whose prior could widen"
        )
    return {tuple(part for part in path if part): unit.response / x for path, x in zip(paths, columns, strict=True)}


def _prior(widened: Widened, scale: float) -> Prior:
    rounded = float(f"{scale:.4g}")
    return Normal(0, rounded) if widened == "slopes" else HalfStudentT(3, 0, rounded)


def _priors_text(widened: Widened) -> str:
    return "slopes ~ Normal(0, scale · s_y/s_x)" if widened == "slopes" else "sds ~ half-t(3, 0, scale · s_y/s_z)"


def _table(draws: xr.Dataset, ci_prob: float) -> pd.DataFrame:
    """Summarise every parameter at every scale."""
    columns: list[Array] = []
    rows: list[tuple[str, float]] = []
    for name, values in draws.data_vars.items():
        flat = values.transpose("scale", "chain", "draw", ...).values.reshape(
            draws.sizes["scale"], -1, *values.shape[3:]
        )
        flat = flat.reshape(*flat.shape[:2], -1)
        labels = [""] if values.ndim == 3 else [f"[{label}]" for label in values[values.dims[3]].values]
        for j, label in enumerate(labels):
            for scale, parameter in zip(draws["scale"].values, flat[..., j], strict=True):
                rows.append((f"{name}{label}", float(scale)))
                columns.append(parameter)
    table = summarise(np.column_stack(columns), ci_prob)
    table.index = pd.MultiIndex.from_tuples(rows, names=["parameter", "scale"])
    return table


def _references(model: Model) -> dict[str, float]:
    """Return the penalized estimates of a logistic model without its groups, nothing for other models."""
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    if not model.family.link.log_odds or model.family.outcome_type not in ("binary", "trials"):
        return {}
    w = outcome.weights_or_ones
    try:
        penalized = firth(design.x, w * outcome.y, w * outcome.trials_or_ones, design.offset)
    except DataError:  # the penalized likelihood has no maximum that is found
        return {}
    return {f"beta[{name}]": float(value) for name, value in zip(design.coef, penalized.beta, strict=True)}

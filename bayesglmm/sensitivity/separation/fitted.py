"""Separation of a fit: looked for before sampling, stored with the draws, worded with the priors that matter."""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayesglmm.errors import BayesGLMMWarning, listing
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sample.diagnostics import Finding
from bayesglmm.sensitivity.separation.cells import merge
from bayesglmm.sensitivity.separation.find import applies, separation, sides, weighted_rows
from bayesglmm.sensitivity.separation.programme import Unsolved
from bayesglmm.sensitivity.separation.recession import recession
from bayesglmm.sensitivity.separation.result import Separation
from bayesglmm.specify.model import Model

__all__ = ["attach", "finding", "kept_finite", "look", "of_fit", "unbounded"]

_RECORD = "separation"
"""The attribute of the draws that holds the `Separation` as text."""


def look(model: Model) -> Separation | None:
    """Look for separation before a model is sampled; None for a family that has none.

    Warns
    -----
    BayesGLMMWarning
        If coefficients whose estimate given X is infinite have a flat prior.
    """
    if not applies(model.family):
        return None
    result = separation(model)
    flat = [name for name in result.infinite if name in _flat(model)]
    if flat:
        warnings.warn(_flat_text(flat, unbounded(model)), BayesGLMMWarning, stacklevel=4)
    return result


def unbounded(model: Model) -> tuple[str, ...]:
    """Return the coefficients with a flat prior along which the posterior is improper, the proper priors held fixed.

    With the prior of the intercept on the centred design, the directions are those of the centred columns: the
    mean of the linear predictor stays where it is.
    """
    flat, means = _flat(model), model.design.means
    design = (model := weighted_rows(model)).design
    positions = [j for j, name in enumerate(design.coef) if name in flat]
    x = design.x[:, positions]
    if design.has_intercept and model.priors.centred and "Intercept" not in flat:
        x = x - means[np.array(positions) - 1]
    try:
        estimates = recession(merge(x, (), *sides(model))).estimates
    except Unsolved:
        return ()
    return tuple(design.coef[j] for j, estimate in zip(positions, estimates, strict=True) if estimate != "finite")


def attach(draws: xr.DataTree, result: Separation | None) -> xr.DataTree:
    """Return draws with the separation stored in their attributes."""
    attached = draws.copy()
    attached.attrs |= {} if result is None else {_RECORD: result.to_json()}
    return attached


def of_fit(fit: Fitted) -> Separation | None:
    """Return the separation stored with a fit, or compute it; None for a fit of the prior alone.

    None also for a family that has no separation.
    """
    if fit.draws.attrs.get("prior_only") or not applies(fit.model.family):
        return None
    record = fit.draws.attrs.get(_RECORD)
    return separation(fit.model) if record is None else Separation.from_json(record)


def finding(fit: Fitted) -> Finding | None:
    """Return a finding that the data are separated, or that this was not checked; None otherwise."""
    result = of_fit(fit)
    if result is None or not (result.separated or result.unchecked):
        return None
    if not result.separated:
        return Finding("separation", f"separation {result.message}", result.advice)
    infinite = tuple(result.infinite or result.infinite_given_groups)
    return Finding(
        "separation",
        f"separation {result.message}",
        f"{kept_finite(fit.model, result)}; {result.advice}",
        tuple(f"beta[{name}]" for name in infinite),
    )


def _flat(model: Model) -> set[str]:
    """Return the coefficients whose prior is improper."""
    names = model.design.coef[1:] if model.design.has_intercept else model.design.coef
    flat = {names[j] for j in model.priors.improper}
    intercept = model.priors.intercept
    return flat | ({"Intercept"} if intercept is not None and not intercept.prior.proper else set())


def _flat_text(flat: Sequence[str], names: Sequence[str]) -> str:
    """Return the consequence of flat priors of coefficients with an infinite estimate; `names` are unbounded."""
    remedy = f"Give a proper prior, such as priors={{'slopes': 'normal(0, 2.5)'}} or {{'{flat[0]}': 'normal(0, 2.5)'}}"
    if names:
        return (
            f"the posterior is improper: the data are separated given X and the prior of {listing(names)} is flat, so "
            f"nothing keeps {'it' if len(names) == 1 else 'them'} finite and the draws describe no distribution. "
            f"{remedy}"
        )
    return (
        f"the data are separated given X and the prior of {listing(flat)} is flat: only the priors of the other "
        f"coefficients keep the posterior from being improper, with tails as heavy as theirs. {remedy}"
    )


def kept_finite(model: Model, result: Separation) -> str:
    """Name the priors of the coefficients with infinite maximum likelihood estimates.

    Given X only the priors keep these finite; given the groups alone, differences between groups do too.
    """
    design, priors = model.design, model.priors
    assigned = [*([priors.intercept] if priors.intercept is not None else []), *priors.slopes]
    flat, by_name = _flat(model), dict(zip(design.coef, assigned, strict=True))
    infinite = result.infinite or result.infinite_given_groups or _combined(result)
    named = [f"{name} ~ {by_name[name].prior}" for name in infinite if name not in flat]
    if not result.infinite:
        named += [
            f"sd_{block.name}[{column}] ~ {entry.prior}"
            for block in design.blocks
            for column, entry in zip(block.columns, priors.sd[block.name], strict=True)
        ]
    role = "only the priors keep these coefficients finite" if result.infinite else "the priors concerned"
    parts = [f"{role}: {listing(named)}"] if named else []
    flat_infinite = [name for name in infinite if name in flat]
    if flat_infinite and result.infinite:
        parts.append(_flat_text(flat_infinite, unbounded(model)))
    elif flat_infinite:
        parts.append(f"the prior of {listing(flat_infinite)} is flat: give a proper one")
    return "; ".join(parts)


def _combined(result: Separation) -> list[str]:
    """Return the coefficients of which only a combination goes to infinity: those not identified given the groups."""
    estimates = result.given_groups["estimate"]
    return [str(name) for name in estimates.index[estimates == "not identified"] if name != "Intercept"]
